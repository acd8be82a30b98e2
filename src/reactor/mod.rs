//! I/O: sockets in, sockets out, one driver per core.
//!
//! The reactor owns descriptors, receive buffers and the sleep of a core. It knows no protocol, no
//! key and no clock of its own: a core hands it an [`Events`] and turns it.
//!
//! ```text
//! loop {
//!     driver.turn(wait, &mut core)?;   // submits what was queued, sleeps at most once, reaps all
//!     core.work();                     // mail, timers
//!     for (socket, buffer) in core.output() { driver.send(socket, buffer, Report::Lazily) }
//! }
//! ```
//!
//! Two drivers turn a core: `Uring` and, where io_uring is not permitted,
//! `Poll`. Both keep the same promises, which stand at [`Events`] and [`Driver`];
//! `tests/reactor` runs one set of tests over both.
//!
//! What is received lies in buffers of the driver for the time of a call, so that idle connections hold none. Where a
//! core knows that much more is to come, it gives the driver a block which that goes into ([`Driver::receive_into`]): a
//! large value is then copied once, by the kernel.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::secrets::Secrets;
use slabs::Draft;

pub mod bind;
mod outgoing;
mod poll;
mod records;
mod refuse;
mod slots;
mod stream;
mod sys;
mod uring;
mod wake;

pub use outgoing::{Outgoing, Pieces};
pub use poll::Poll;
pub use records::trial as try_records;
pub use uring::Uring;
pub use wake::Waker;

/// Sizes of a driver. The defaults are for a core of a server; tests use smaller ones.
#[derive(Clone, Debug)]
pub struct Options {
    /// Operations that can be queued before they are submitted early; the completion queue is 8 times as long.
    pub submissions: u32,
    /// Receive buffers lent to the kernel at first, and at most (a power of two).
    pub buffers: u16,
    /// See `buffers`.
    pub buffers_max: u16,
    /// Size of each: the most that [`Events::received`] gets at once.
    pub buffer_bytes: u32,
    /// What one connection may take at a time, before it gets a small share of each turn.
    pub receive_bytes_max: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            submissions: 512,
            buffers: 64,
            buffers_max: 1024,
            buffer_bytes: 16 << 10,
            receive_bytes_max: 128 << 10,
        }
    }
}

/// After a block, a connection gets so many receives one by one, each of which can be followed by a block at once: who
/// sends one large value mostly sends another. A receive that stays armed would have taken its first half by then.
const SINGLE_RECEIVES: u8 = 16;

/// Which driver is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// io_uring if it works here, else epoll.
    Auto,
    /// io_uring or an error.
    Uring,
    /// epoll.
    Poll,
}

/// One of the two drivers. A core's loop is generic over [`Driver`]: match once, outside of it.
#[expect(clippy::large_enum_variant, reason = "there is one per core, taken apart at once")]
pub enum Reactor {
    /// io_uring.
    Uring(Uring),
    /// epoll.
    Poll(Poll),
}

/// Opens a driver on the calling thread, which alone may use it. Says in a few words which way of using the
/// kernel it has taken and why not a better one.
pub fn open(choice: Choice, options: &Options) -> io::Result<(Reactor, String)> {
    if choice == Choice::Poll {
        return Ok((Reactor::Poll(Poll::open(options)?), "as asked for".into()));
    }
    match Uring::open(options) {
        Ok((uring, way)) => Ok((Reactor::Uring(uring), way)),
        Err(error) if choice == Choice::Auto => Ok((Reactor::Poll(Poll::open(options)?), error.to_string())),
        Err(error) => Err(error),
    }
}

/// A connection's slot in its driver. Valid from [`Driver::adopt`] until [`Events::gone`]; the number
/// may name another connection after that. Numbers are dense, so that a table can be indexed by them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Socket(pub u32);

/// Which front door a listener is; a plain number chosen by the caller of [`Driver::listen`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Door(pub u8);

/// What a driver has counted since it was opened. All 0 for one that does not count.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    /// Operations given to the kernel.
    pub submissions: u64,
    /// System calls that gave them, or waited.
    pub enters: u64,
    /// Receives that found no buffer.
    pub starved: u64,
    /// Times that there was no room for completions.
    pub overflows: u64,
}

/// Who is at the other end of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A TCP connection.
    Ip {
        /// The client's address.
        peer: SocketAddr,
        /// The address that the client connected to.
        local: SocketAddr,
    },
    /// A connection to the Unix socket of this path (empty for an unnamed socket pair).
    Unix(PathBuf),
}

/// How long a turn may sleep when nothing has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Not at all: there is work left.
    Poll,
    /// At most this long.
    For(Duration),
    /// Until something happens.
    Forever,
}

/// When the core wants to hear that a buffer has left.
///
/// A send that the kernel takes at once, as most are, is over when the next turn has submitted it, and is told when
/// that turn's wait ends. Nobody need be told earlier, unless something is to follow it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// With whatever else ends the wait: nothing is held back until then.
    Lazily,
    /// The next turn does not sleep: more output, held input or a close follows this.
    AtOnce,
}

/// What happens to a core. All calls come from inside [`Driver::turn`]; within a turn every
/// [`Events::sent`] whose outcome is known comes before the [`Events::received`] of the same socket.
///
/// The core answers by calling the driver after the turn, not during it.
pub trait Events {
    /// A client has connected at `door`. Whoever is to serve it adopts the descriptor, here or on another
    /// core; dropping it closes the connection.
    fn accepted(&mut self, descriptor: OwnedFd, door: Door);

    /// Bytes of `socket`, never empty, valid for the call only. A few of these may still follow
    /// [`Driver::pause`], none follows [`Driver::close`].
    fn received(&mut self, socket: Socket, bytes: &[u8]);

    /// The block of `socket` ([`Driver::receive_into`]) with `bytes` more in it, or with none: what has come lies in a
    /// buffer still and is told next, or nothing more comes. Until this is called no bytes of this socket are received
    /// in any other way.
    fn filled(&mut self, socket: Socket, block: Draft, bytes: usize) {
        debug_assert!(false, "{socket:?} got no block, and returns {block:?} with {bytes} bytes");
    }

    /// All that was sent has been handed to the kernel; here is its buffer for reuse, contents and all. Values that
    /// were sent from where they lie have been let go.
    /// Not called for a send that failed: then [`Events::gone`] follows, and the buffer is dropped.
    fn sent(&mut self, socket: Socket, buffer: Vec<u8>);

    /// The peer will send no more; it may still read. The core sends what it owes and closes.
    fn ended(&mut self, socket: Socket);

    /// The connection failed, or the close that was asked for is done. Nothing is in flight, the
    /// descriptor is closed, the slot is free after this call. Exactly once per adopted connection.
    fn gone(&mut self, socket: Socket);

    /// A record has come that holds no data, on a connection whose records the kernel opens ([`Driver::offload`]): its kind
    /// and what is in it, or the beginning of that; kind 0 and nothing for one that could not be opened. False: nothing more
    /// is to be received.
    fn control(&mut self, socket: Socket, kind: u8, bytes: &[u8]) -> bool {
        debug_assert!(
            false,
            "{socket:?} was not offloaded, and gets record {kind} with {} bytes",
            bytes.len()
        );
        false
    }

    /// Somebody used this driver's [`Waker`]. Wakes may merge, and other events may end a wait first, so
    /// a core looks into its mail in every turn, whether this was called or not.
    fn woken(&mut self);

    /// What a client at `door` is told before it is closed because no descriptor is left. May be empty.
    fn refusal(&mut self, door: Door) -> &[u8];
}

/// What a core can do to its sockets. All methods are for the thread that opened the driver.
///
/// Calls about a socket that has failed, but whose [`Events::gone`] has not come yet, have no effect.
pub trait Driver {
    /// `io_uring` or `epoll`, for logs, INFO and metrics.
    fn name(&self) -> &'static str;

    /// What it has counted, for metrics.
    fn figures(&self) -> Figures {
        Figures::default()
    }

    /// Serves `descriptor`, a connected stream socket, from now on: TCP_NODELAY is set and reading
    /// starts with the next turn. Fails if the descriptor is no such socket, closing it.
    fn adopt(&mut self, descriptor: OwnedFd) -> io::Result<Socket>;

    /// Addresses of both ends. Costs system calls.
    fn peer(&self, socket: Socket) -> io::Result<Peer>;

    /// Sends all of `output` (a buffer, or one with large values between its bytes), which is not empty, in the next
    /// turn. At most one send may be in flight on a socket: the next is allowed after [`Events::sent`]. Short sends are
    /// continued here.
    fn send(&mut self, socket: Socket, output: impl Into<Outgoing>, report: Report);

    /// How much of the send in flight the peer has not taken, wherever it lies; 0 without a send. It falls as long as
    /// the peer reads, however slowly: whoever wants to know whether it does looks twice. Costs a system call.
    fn untaken(&self, socket: Socket) -> io::Result<u64>;

    /// Receives the next bytes of `socket` into `block`, which has room for some, and no more of them than `bytes_max`.
    /// The block is the driver's until [`Events::filled`] brings it back with the first that have come. One that is
    /// paused keeps it, one that fails or is closed frees it.
    fn receive_into(&mut self, socket: Socket, block: Draft, bytes_max: usize);

    /// Nothing is under way on `socket`, and will be before the next turn: no send, no block, no receive. Once it has been
    /// paused, that comes true within a few turns.
    fn is_quiet(&self, socket: Socket) -> bool {
        let _ = socket;
        false
    }

    /// The first step to [`Driver::offload`], which changes nothing yet. Fails where the kernel does not do it for this
    /// socket; then everything stays as it was.
    fn prepare_offload(&mut self, socket: Socket) -> io::Result<()> {
        let _ = socket;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// From here on the kernel seals what is sent on `socket`, which is prepared and quiet, and opens what is received. If
    /// it fails, the connection is of no further use.
    fn offload(&mut self, socket: Socket, secrets: &Secrets) -> io::Result<()> {
        let _ = (socket, secrets);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Sends a record that holds no data on a socket that was offloaded and on which no send is in flight, if the socket
    /// takes it at once. Nobody hears of it.
    fn send_record(&mut self, socket: Socket, kind: u8, bytes: &[u8]) {
        let _ = (socket, kind, bytes);
    }

    /// Bytes of the buffers that it receives into.
    fn receive_bytes(&self) -> u64;

    /// Gives back, step by step, what a burst has made it take and nobody needs now. To be called now and then.
    fn rest(&mut self) {}

    /// Closes: nothing more is received, what is in flight is abandoned, then [`Events::gone`] comes.
    /// To let replies leave, call this after their [`Events::sent`]. Closing twice is closing once.
    fn close(&mut self, socket: Socket);

    /// Stops reading, so that the peer is pushed back. Bytes that the kernel has handed over already are
    /// still received. The end of the stream may go unnoticed until [`Driver::resume`].
    fn pause(&mut self, socket: Socket);

    /// Reads again.
    fn resume(&mut self, socket: Socket);

    /// Accepts connections from `listener`, a listening socket, until [`Driver::stop_listening`].
    fn listen(&mut self, listener: OwnedFd, door: Door) -> io::Result<()>;

    /// Closes every listener. [`Events::accepted`] may come once more for connections that were
    /// accepted before.
    fn stop_listening(&mut self);

    /// What others need to end this driver's wait.
    fn waker(&self) -> Waker;

    /// Wakes another core, with this turn's submission where both have rings.
    fn wake(&mut self, other: &Waker);

    /// Submits all that was queued, waits once as `wait` says, tells `events` all that has happened.
    /// An error means that the driver is of no further use.
    fn turn<E: Events>(&mut self, wait: Wait, events: &mut E) -> io::Result<()>;
}
