//! The io_uring driver: one ring, multishot receives into lent buffers, sends without completions.
//!
//! **Sends.** A send is submitted as an operation that may not wait (`MSG_DONTWAIT`, `MSG_WAITALL`) and
//! is silent when it succeeds. So once the kernel has consumed its entry it is over: either a completion says
//! how far it came, or all of it has left and the buffer is free. In the usual case a send costs no completion
//! and never ends a wait early. What did not fit is sent by an operation that waits for the peer.
//!
//! Where the kernel seals what is sent, it knows no `MSG_WAITALL`, and a send that came up short would be silent too. There
//! each says how far it came, and as it does so at once, the wait is for so many completions more.
//!
//! **Shares.** The kernel lets an armed receive fill half a megabyte and more before it looks at the next socket. A
//! connection that has taken too much in a turn is therefore served by single receives, one buffer in each turn,
//! until a turn has found it without. What all of them take in a turn is bounded by the buffers lent.
//!
//! **Blocks.** A receive into a block is an operation of its own, at most as long as a share: what is armed is cancelled
//! for it first, and a connection that has had one is served by single receives for a while, which need no cancel. These
//! are armed when the next turn begins, as the core may have given a block by then.
//!
//! **Lifetimes.** `in_flight` counts the operations of a connection which the kernel may still look at; its
//! buffers are kept and its slot is not freed before that is zero. Each completion carries the generation
//! of the slot that it is for.
//!
//! | file | owns |
//! |---|---|
//! | `ring` | the queues and the system call that enters them |
//! | `buffers` | the memory that is lent for receiving |
//! | `operation` | what is asked of the kernel |
//! | `completion` | what follows from its answers |
//! | `trial` | whether all of this works here |

mod buffers;
mod completion;
mod operation;
mod ring;
mod trial;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

use io_uring::cqueue;
use io_uring::types::CancelBuilder;
use slabs::Draft;

use self::buffers::Buffers;
use self::operation::Kind;
use self::ring::Ring;
use super::outgoing::Outgoing;
use super::refuse::Spare;
use super::slots::Slots;
use super::stream::Stream;
use super::{
    Door, Driver, Events, Figures, Options, Peer, Report, SINGLE_RECEIVES, Socket, Wait, Waker, records, sys,
};
use crate::secrets::Secrets;

/// The outcome of a send that has said nothing, as those do that sent everything.
const SILENT: i32 = i32::MAX;

struct Connection {
    stream: Stream,
    /// What is being sent, from `sent` on; empty when nothing is.
    buffer: Outgoing,
    sent: usize,
    in_flight: u8,
    receiving: Receiving,
    /// A receive ought to be armed.
    wanted: bool,
    /// A send that waits for the peer is under way.
    waiting: bool,
    /// Nothing more is told of this connection but that it is gone.
    closing: bool,
    /// The peer sends no more.
    ended: bool,
    /// Served by single receives, as it takes too much of the others' time.
    greedy: bool,
    aim: Aim,
    /// The kernel seals what is sent.
    sealed: bool,
    /// So many receives more are single ones.
    singles: u8,
    /// The last turn in which bytes were received, and how many in it.
    turn: u16,
    taken: u32,
    /// What the immediate send said, or `SILENT`. No option, for the slot to be as small as it is.
    outcome: i32,
}

/// Whether a receive is armed in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Receiving {
    No,
    Armed,
    /// A cancel of it is under way.
    Stopping,
}

/// Where a connection's next bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Aim {
    /// Into a lent buffer.
    Buffers,
    /// It has a block, into which the next receive is to go.
    Block,
    /// The receive that is armed writes into the block.
    BlockArmed,
}

struct Listener {
    descriptor: OwnedFd,
    door: Door,
    /// An accept is armed in the kernel.
    accepting: bool,
    closing: bool,
}

/// Where the next bytes of a connection go.
struct Block {
    draft: Draft,
    bytes_max: usize,
}

/// The io_uring driver. See the module's documentation.
pub struct Uring {
    ring: Ring,
    buffers: Buffers,
    connections: Slots<Connection>,
    listeners: Slots<Listener>,
    spare: Spare,
    /// Immediate sends, in the order of their entries: what `push` said, and the connection.
    sends: Vec<(u32, u32)>,
    /// Immediate sends among those queued that tell of success too.
    telling: u32,
    /// Connections whose receive found no buffer, to be armed again when some are back.
    starved: Vec<u32>,
    /// Connections whose single receive is over, to be armed again when the next turn begins.
    unarmed: Vec<u32>,
    /// Where connections receive into, and how much at most.
    blocks: HashMap<u32, Block>,
    /// Closing connections with nothing in flight.
    departed: Vec<u32>,
    /// Completions taken from the queue and not yet worked off.
    reaped: Vec<cqueue::Entry>,
    waker: Waker,
    /// Where the counter of the waker's eventfd is read into.
    rung: Box<u64>,
    /// The next turn must not sleep: somebody waits for what it will find.
    hurry: bool,
    /// The number of this turn, wrapping.
    turn: u16,
    /// What a connection may receive in a turn before it counts as greedy.
    receive_bytes_max: u32,
    /// Completions are worked off, and buffers filled, only while this thread enters.
    deferred: bool,
    /// Receives that had found no buffer when the driver last rested.
    starved_before: u64,
}

impl Uring {
    /// Sets a driver up on the calling thread, which alone may use it, in the best way that works here.
    /// Says which way that is and, if it is not the best one, why.
    pub(super) fn open(options: &Options) -> io::Result<(Uring, String)> {
        trial::open(options)
    }

    fn new(options: &Options, deferred: bool) -> io::Result<Uring> {
        let ring = Ring::new(options.submissions, options.submissions * 8, deferred)?;
        let buffers = Buffers::new(&ring, options.buffers_max, options.buffers, options.buffer_bytes)?;
        let waker = Waker::new(sys::eventfd(false)?, Some(ring.duplicate()?));
        let mut driver = Uring {
            ring,
            buffers,
            connections: Slots::new(),
            listeners: Slots::new(),
            spare: Spare::new(),
            sends: Vec::new(),
            telling: 0,
            starved: Vec::new(),
            unarmed: Vec::new(),
            blocks: HashMap::new(),
            departed: Vec::new(),
            reaped: Vec::new(),
            waker,
            rung: Box::new(0),
            hurry: false,
            turn: 0,
            receive_bytes_max: options.receive_bytes_max,
            deferred,
            starved_before: 0,
        };
        driver.watch_event();
        Ok(driver)
    }

    /// Starts the end of a connection.
    fn shut(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if std::mem::replace(&mut connection.closing, true) {
            return;
        }
        if connection.in_flight == 0 {
            self.departed.push(index);
            return;
        }
        // An immediate send is over once submitted; only one that waits for the peer must be cancelled.
        let waiting = connection.waiting;
        self.stop_receiving(index);
        if waiting {
            self.cancel(Kind::SendRest, index);
        }
    }
}

impl Driver for Uring {
    fn name(&self) -> &'static str {
        "io_uring"
    }

    fn figures(&self) -> Figures {
        self.ring.figures
    }

    fn adopt(&mut self, descriptor: OwnedFd) -> io::Result<Socket> {
        // An operation on a non-blocking descriptor is not retried by the kernel: it fails.
        let stream = Stream::new(descriptor, false)?;
        let index = self.connections.insert(Connection {
            stream,
            buffer: Outgoing::nothing(),
            sent: 0,
            in_flight: 0,
            receiving: Receiving::No,
            wanted: true,
            waiting: false,
            closing: false,
            ended: false,
            greedy: false,
            aim: Aim::Buffers,
            sealed: false,
            singles: 0,
            turn: 0,
            taken: 0,
            outcome: SILENT,
        });
        self.receive(index);
        Ok(Socket(index))
    }

    fn peer(&self, socket: Socket) -> io::Result<Peer> {
        let connection = self.connections.get(socket.0).ok_or(io::ErrorKind::NotConnected)?;
        connection.stream.peer()
    }

    #[inline]
    fn send(&mut self, socket: Socket, output: impl Into<Outgoing>, report: Report) {
        self.hurry |= report == Report::AtOnce;
        self.send_now(socket.0, output.into());
    }

    fn untaken(&self, socket: Socket) -> io::Result<u64> {
        let connection = self.connections.get(socket.0).ok_or(io::ErrorKind::NotConnected)?;
        if connection.buffer.is_empty() {
            return Ok(0);
        }
        let left = connection.buffer.len() - connection.sent;
        Ok(left as u64 + sys::queued_bytes(connection.stream.raw())?)
    }

    fn receive_into(&mut self, socket: Socket, block: Draft, bytes_max: usize) {
        let Some(connection) = self.connections.get_mut(socket.0) else { return };
        if connection.closing {
            return;
        }
        debug_assert!(connection.aim == Aim::Buffers && !connection.ended);
        connection.aim = Aim::Block;
        connection.singles = SINGLE_RECEIVES;
        self.blocks.insert(socket.0, Block { draft: block, bytes_max });
        self.rearm_receive(socket.0);
        self.receive(socket.0);
    }

    fn is_quiet(&self, socket: Socket) -> bool {
        self.connections.get(socket.0).is_some_and(|connection| {
            !connection.closing
                && connection.in_flight == 0
                && connection.aim == Aim::Buffers
                && !connection.wanted
        })
    }

    fn prepare_offload(&mut self, socket: Socket) -> io::Result<()> {
        let connection = self.connections.get(socket.0).ok_or(io::ErrorKind::NotConnected)?;
        records::prepare(connection.stream.raw())
    }

    fn offload(&mut self, socket: Socket, secrets: &Secrets) -> io::Result<()> {
        debug_assert!(self.is_quiet(socket));
        let connection = self.connections.get_mut(socket.0).ok_or(io::ErrorKind::NotConnected)?;
        connection.sealed = true;
        records::give(connection.stream.raw(), secrets)
    }

    fn send_record(&mut self, socket: Socket, kind: u8, bytes: &[u8]) {
        if let Some(connection) = self.connections.get(socket.0)
            && connection.sealed
            && connection.buffer.is_empty()
        {
            // It is sent if that can be done at once.
            let _ = records::send(connection.stream.raw(), kind, bytes);
        }
    }

    fn receive_bytes(&self) -> u64 {
        self.buffers.held_bytes()
    }

    fn rest(&mut self) {
        let starved = self.ring.figures.starved;
        if std::mem::replace(&mut self.starved_before, starved) == starved {
            // With all completions seen, the buffers lent hold nothing; and nothing enters them before the next turn.
            let empty = self.deferred && self.reaped.is_empty() && self.ring.is_reaped();
            self.buffers.rest(empty);
        }
    }

    fn close(&mut self, socket: Socket) {
        self.shut(socket.0);
    }

    fn pause(&mut self, socket: Socket) {
        self.stop_receiving(socket.0);
    }

    fn resume(&mut self, socket: Socket) {
        if let Some(connection) = self.connections.get_mut(socket.0) {
            connection.wanted = !connection.ended;
            self.receive(socket.0);
        }
    }

    fn listen(&mut self, listener: OwnedFd, door: Door) -> io::Result<()> {
        sys::set_nonblocking(&listener, false)?;
        let listener = Listener { descriptor: listener, door, accepting: false, closing: false };
        let index = self.listeners.insert(listener);
        self.accept(index);
        Ok(())
    }

    fn stop_listening(&mut self) {
        for index in self.listeners.taken() {
            let Some(listener) = self.listeners.get_mut(index) else { continue };
            listener.closing = true;
            if listener.accepting {
                self.cancel_accept(index);
            } else {
                self.listeners.remove(index);
            }
        }
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn wake(&mut self, other: &Waker) {
        match other.ring() {
            Some(ring) => self.message(ring),
            None => other.wake(),
        }
    }

    fn turn<E: Events>(&mut self, wait: Wait, events: &mut E) -> io::Result<()> {
        let must_not_sleep = self.hurry || !self.departed.is_empty() || !self.reaped.is_empty();
        self.hurry = false;
        self.turn = self.turn.wrapping_add(1);
        while let Some(index) = self.unarmed.pop() {
            self.receive(index);
        }
        self.buffers.publish();
        let awaited = 1 + std::mem::take(&mut self.telling);
        match wait {
            Wait::For(time) if !must_not_sleep => self.ring.enter(awaited, Some(time))?,
            Wait::Forever if !must_not_sleep => self.ring.enter(awaited, None)?,
            _ => self.ring.enter(0, None)?,
        }
        self.ring.reap(&mut self.reaped);
        // A completion that did not fit into the queue may be about a send that is settled below.
        while self.ring.has_overflown() {
            self.ring.figures.overflows += 1;
            self.ring.enter(0, None)?;
            self.ring.reap(&mut self.reaped);
        }
        self.settle_sends(events);
        let mut reaped = std::mem::take(&mut self.reaped);
        for completion in reaped.drain(..) {
            self.completed(&completion, events);
        }
        // Nothing above reaps; entering for a full queue does, and what it finds waits for the next turn.
        if self.reaped.is_empty() {
            self.reaped = reaped;
        }
        self.feed_starved();
        self.bury(events);
        Ok(())
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        // The kernel must let go of buffers before they are freed, and of sockets so that they close; the ring
        // itself may live on, as wakers hold it. What is queued is submitted first, so that it can be cancelled.
        // Nothing can be done about failures here, and having nothing to cancel is one.
        let _ = self.ring.enter(0, None);
        let _ = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any());
        while self.ring.has_work() && self.ring.enter(0, None).is_ok() {
            self.ring.reap(&mut self.reaped);
            self.reaped.clear();
        }
        let _ = self.ring.submitter().unregister_buf_ring(buffers::GROUP);
    }
}

// 100,000 idle connections are to cost little: a slot takes no more than a cache line.
const _: () = assert!(Slots::<Connection>::SLOT_BYTES <= 64);
