//! The epoll driver, for hosts where io_uring is not permitted: `mio`, edge-triggered.
//!
//! All connections are read into one buffer, so idle ones hold none; one that has got a block for what comes next is
//! read into that, a share at a time, and for a while then once in a turn, for it to get another. A send is tried at once, which in the usual
//! case is all there is to it; what the socket does not take waits for it to become writable.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use slabs::Draft;

use super::outgoing::Outgoing;
use super::refuse::{self, Spare};
use super::slots::Slots;
use super::stream::Stream;
use super::{
    Door, Driver, Events, Options, Peer, Report, SINGLE_RECEIVES, Socket, Wait, Waker, records, sys,
};
use crate::secrets::Secrets;

/// Readiness reports taken from the kernel at a time.
const REPORTS_MAX: usize = 1024;

/// Connections accepted in one turn.
const ACCEPTS_MAX: usize = 64;

const LISTENER_BIT: u64 = 1 << 63;
const WAKER: Token = Token(usize::MAX);

struct Connection {
    stream: Stream,
    /// What is being sent, from `sent` on; empty when nothing is.
    buffer: Outgoing,
    sent: usize,
    /// All of `buffer` has left, and the core will be told.
    settled: bool,
    /// The kernel has reported bytes, or the end, and not said since that there are no more.
    readable: bool,
    /// Stands in the list of those to be read.
    listed: bool,
    /// Reading goes on until the socket says that there is no more: the peer or an error has ended the stream, which is to
    /// be seen; or the kernel opens records, of which a receive gives those before one without data.
    thorough: bool,
    wanted: bool,
    /// The peer sends no more.
    ended: bool,
    closing: bool,
    /// It has a block to be read into.
    has_block: bool,
    /// So many times more it is read from only once in a turn.
    singles: u8,
}

struct Listener {
    descriptor: OwnedFd,
    door: Door,
}

/// The epoll driver. See the module's documentation.
pub struct Poll {
    poll: mio::Poll,
    reports: mio::Events,
    connections: Slots<Connection>,
    listeners: Slots<Listener>,
    spare: Spare,
    /// Where bytes are received.
    bytes: Box<[u8]>,
    receive_bytes_max: usize,
    /// Where connections are read into, and how much at most.
    blocks: HashMap<u32, (Draft, usize)>,
    /// Connections to read from.
    readable: Vec<u32>,
    /// Connections whose send is over.
    settled: Vec<u32>,
    /// Connections to be freed.
    departed: Vec<u32>,
    /// Listeners to accept from.
    acceptable: Vec<u32>,
    /// Some listener may have clients waiting whom it could neither accept nor turn away.
    stuck: bool,
    hurry: bool,
    waker: Waker,
}

fn token(generation: u32, index: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(index)
}

impl Poll {
    /// Opens a driver.
    pub(super) fn open(options: &Options) -> io::Result<Poll> {
        let poll = mio::Poll::new()?;
        let event = sys::eventfd(true)?;
        // The counter is never read: edge-triggered, each write is reported anew.
        poll.registry().register(&mut SourceFd(&event.as_raw_fd()), WAKER, Interest::READABLE)?;
        Ok(Poll {
            poll,
            reports: mio::Events::with_capacity(REPORTS_MAX),
            connections: Slots::new(),
            listeners: Slots::new(),
            spare: Spare::new(),
            bytes: vec![0; options.buffer_bytes as usize].into_boxed_slice(),
            receive_bytes_max: options.receive_bytes_max as usize,
            blocks: HashMap::new(),
            readable: Vec::new(),
            settled: Vec::new(),
            departed: Vec::new(),
            acceptable: Vec::new(),
            stuck: false,
            hurry: false,
            waker: Waker::new(event, None),
        })
    }

    fn wait(&mut self, wait: Wait) -> io::Result<()> {
        let work = self.hurry
            || !(self.departed.is_empty() && self.readable.is_empty() && self.acceptable.is_empty());
        self.hurry = false;
        let timeout = match wait {
            _ if work => Some(Duration::ZERO),
            Wait::Poll => Some(Duration::ZERO),
            Wait::For(time) => Some(time),
            Wait::Forever => None,
        };
        let timeout = match timeout {
            _ if self.stuck => Some(timeout.map_or(refuse::ACCEPT_PAUSE, |t| t.min(refuse::ACCEPT_PAUSE))),
            timeout => timeout,
        };
        match self.poll.poll(&mut self.reports, timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => Err(e),
            _ => Ok(()),
        }
    }

    /// Notes what a report says; acts on what can be written.
    #[inline]
    fn reported<E: Events>(&mut self, event: &Event, events: &mut E) {
        if event.token() == WAKER {
            return events.woken();
        }
        let token = event.token().0 as u64;
        let (generation, index) = ((token & !LISTENER_BIT) >> 32, token as u32);
        if token & LISTENER_BIT != 0 {
            if self.listeners.of_generation(index, generation as u32).is_some() {
                self.acceptable.push(index);
            }
            return;
        }
        let Some(connection) = self.connections.of_generation(index, generation as u32) else { return };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            connection.readable = true;
            connection.thorough |= event.is_read_closed() || event.is_error();
            if connection.wanted && !std::mem::replace(&mut connection.listed, true) {
                self.readable.push(index);
            }
        }
        let pending = !connection.buffer.is_empty() && !connection.settled;
        if pending && (event.is_writable() || event.is_error()) {
            self.write(index);
        }
    }

    /// Writes what the socket takes.
    #[inline]
    fn write(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        while connection.sent < connection.buffer.len() {
            let written = match &connection.buffer {
                Outgoing::Bytes(bytes) => connection.stream.write(&bytes[connection.sent..]),
                Outgoing::Pieces(pieces) => {
                    let (slices, count) = pieces.slices(connection.sent);
                    connection.stream.write_vectored(&slices[..count])
                }
            };
            match written {
                Ok(sent) => connection.sent += sent,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.close(Socket(index)),
            }
        }
        connection.settled = true;
        self.settled.push(index);
    }

    /// Tells of the sends that are over.
    #[inline]
    fn settle_sends<E: Events>(&mut self, events: &mut E) {
        while let Some(index) = self.settled.pop() {
            let Some(connection) = self.connections.get_mut(index) else { continue };
            // A slot that was freed and taken again since then has nothing settled.
            if std::mem::replace(&mut connection.settled, false) && !connection.closing {
                let output = std::mem::replace(&mut connection.buffer, Outgoing::nothing());
                events.sent(Socket(index), output.into_buffer());
            }
        }
    }

    /// Reads until nothing is left or the others should get their turn.
    #[inline]
    fn read<E: Events>(&mut self, index: u32, events: &mut E) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.listed = false;
        let mut taken = 0;
        while connection.readable && connection.wanted && !connection.closing {
            if connection.has_block {
                return self.read_block(index, events);
            }
            if taken >= self.receive_bytes_max || taken > 0 && connection.singles > 0 {
                connection.listed = true;
                self.readable.push(index);
                return;
            }
            match connection.stream.read(&mut self.bytes) {
                Ok(0) => {
                    connection.readable = false;
                    connection.wanted = false;
                    connection.ended = true;
                    events.ended(Socket(index));
                }
                Ok(len) => {
                    taken += len;
                    // Less than was asked for means that there was no more; what comes then is a new edge.
                    connection.readable = connection.thorough || len == self.bytes.len();
                    connection.singles = connection.singles.saturating_sub(1);
                    events.received(Socket(index), &self.bytes[..len]);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => connection.readable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.raw_os_error().is_some_and(records::is_no_data) => {
                    return self.read_control(index, &e, events);
                }
                Err(_) => return self.close(Socket(index)),
            }
        }
    }

    /// What is next on a connection whose records the kernel opens is no data. Or it has failed.
    #[cold]
    fn read_control<E: Events>(&mut self, index: u32, error: &io::Error, events: &mut E) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let mut bytes = [0; records::CONTROL_BYTES];
        let errno = error.raw_os_error().unwrap_or(0);
        let Ok((kind, len)) = records::receive(connection.stream.raw(), errno, &mut bytes) else {
            return self.close(Socket(index));
        };
        if let Some((block, _)) = self.blocks.remove(&index) {
            connection.has_block = false;
            events.filled(Socket(index), block, 0);
        }
        let goes_on = events.control(Socket(index), kind, &bytes[..len]);
        connection.ended |= !goes_on;
        connection.wanted &= goes_on;
        if goes_on && !std::mem::replace(&mut connection.listed, true) {
            self.readable.push(index);
        }
    }

    /// Reads into a connection's block, once: the core has to look at what has come.
    #[cold]
    fn read_block<E: Events>(&mut self, index: u32, events: &mut E) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let Some((mut block, bytes_max)) = self.blocks.remove(&index) else { return };
        let most = bytes_max.min(self.receive_bytes_max).min(block.vacant().map_or(0, |vacant| vacant.len()));
        let received = loop {
            match sys::receive(connection.stream.raw(), &mut block, most) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                received => break received,
            }
        };
        match received {
            Ok(len) => {
                connection.has_block = false;
                connection.readable = len > 0 && (connection.thorough || len == most);
                connection.wanted &= len > 0;
                connection.ended = len == 0;
                connection.listed = connection.readable;
                if connection.readable {
                    self.readable.push(index);
                }
                events.filled(Socket(index), block, len);
                if len == 0 {
                    events.ended(Socket(index));
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                connection.readable = false;
                self.blocks.insert(index, (block, bytes_max));
            }
            Err(e) if e.raw_os_error().is_some_and(records::is_no_data) => {
                self.blocks.insert(index, (block, bytes_max));
                self.read_control(index, &e, events);
            }
            Err(_) => self.close(Socket(index)),
        }
    }

    fn accept<E: Events>(&mut self, index: u32, events: &mut E) {
        let Some(listener) = self.listeners.get(index) else { return };
        for _ in 0..ACCEPTS_MAX {
            match sys::accept(listener.descriptor.as_fd()) {
                Ok(descriptor) => events.accepted(descriptor, listener.door),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.raw_os_error().is_some_and(refuse::is_exhaustion) => {
                    self.spare.refuse(&listener.descriptor, events.refusal(listener.door));
                    self.stuck = true;
                    return;
                }
                // This client is lost; the next may be well.
                Err(_) => {}
            }
        }
        self.acceptable.push(index);
    }

    fn bury<E: Events>(&mut self, events: &mut E) {
        while let Some(index) = self.departed.pop() {
            if let Some(connection) = self.connections.remove(index) {
                if connection.has_block {
                    self.blocks.remove(&index);
                }
                // Closing takes the descriptor out of the kernel's set.
                drop(connection);
                events.gone(Socket(index));
            }
        }
    }
}

impl Driver for Poll {
    fn name(&self) -> &'static str {
        "epoll"
    }

    fn adopt(&mut self, descriptor: OwnedFd) -> io::Result<Socket> {
        let stream = Stream::new(descriptor, true)?;
        let raw = stream.raw();
        let index = self.connections.insert(Connection {
            stream,
            buffer: Outgoing::nothing(),
            sent: 0,
            settled: false,
            readable: false,
            listed: false,
            thorough: false,
            wanted: true,
            ended: false,
            closing: false,
            has_block: false,
            singles: 0,
        });
        let token = Token(token(self.connections.generation(index), index) as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&raw), token, interest) {
            self.connections.remove(index);
            return Err(error);
        }
        Ok(Socket(index))
    }

    fn peer(&self, socket: Socket) -> io::Result<Peer> {
        let connection = self.connections.get(socket.0).ok_or(io::ErrorKind::NotConnected)?;
        connection.stream.peer()
    }

    #[inline]
    fn send(&mut self, socket: Socket, output: impl Into<Outgoing>, report: Report) {
        let buffer = output.into();
        self.hurry |= report == Report::AtOnce;
        let Some(connection) = self.connections.get_mut(socket.0) else { return };
        if connection.closing {
            return;
        }
        assert!(connection.buffer.is_empty() && !buffer.is_empty(), "one send at a time, and not of nothing");
        connection.buffer = buffer;
        connection.sent = 0;
        self.write(socket.0);
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
        debug_assert!(!connection.has_block && !connection.ended);
        connection.has_block = true;
        connection.singles = SINGLE_RECEIVES;
        self.blocks.insert(socket.0, (block, bytes_max));
    }

    fn is_quiet(&self, socket: Socket) -> bool {
        self.connections.get(socket.0).is_some_and(|connection| {
            !connection.closing && connection.buffer.is_empty() && !connection.has_block && !connection.wanted
        })
    }

    fn prepare_offload(&mut self, socket: Socket) -> io::Result<()> {
        let connection = self.connections.get(socket.0).ok_or(io::ErrorKind::NotConnected)?;
        records::prepare(connection.stream.raw())
    }

    fn offload(&mut self, socket: Socket, secrets: &Secrets) -> io::Result<()> {
        debug_assert!(self.is_quiet(socket));
        let connection = self.connections.get_mut(socket.0).ok_or(io::ErrorKind::NotConnected)?;
        connection.thorough = true;
        // What has come meanwhile may have been told of before there were records.
        connection.readable = true;
        records::give(connection.stream.raw(), secrets)
    }

    fn send_record(&mut self, socket: Socket, kind: u8, bytes: &[u8]) {
        if let Some(connection) = self.connections.get(socket.0)
            && connection.buffer.is_empty()
        {
            // It is sent if that can be done at once.
            let _ = records::send(connection.stream.raw(), kind, bytes);
        }
    }

    fn receive_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn close(&mut self, socket: Socket) {
        let Some(connection) = self.connections.get_mut(socket.0) else { return };
        if !std::mem::replace(&mut connection.closing, true) {
            self.departed.push(socket.0);
        }
    }

    fn pause(&mut self, socket: Socket) {
        if let Some(connection) = self.connections.get_mut(socket.0) {
            connection.wanted = false;
        }
    }

    fn resume(&mut self, socket: Socket) {
        let Some(connection) = self.connections.get_mut(socket.0) else { return };
        connection.wanted = !connection.ended;
        if connection.wanted && connection.readable && !std::mem::replace(&mut connection.listed, true) {
            self.readable.push(socket.0);
        }
    }

    fn listen(&mut self, listener: OwnedFd, door: Door) -> io::Result<()> {
        sys::set_nonblocking(&listener, true)?;
        let raw = listener.as_raw_fd();
        let index = self.listeners.insert(Listener { descriptor: listener, door });
        let token = Token((LISTENER_BIT | token(self.listeners.generation(index), index)) as usize);
        self.poll.registry().register(&mut SourceFd(&raw), token, Interest::READABLE)
    }

    fn stop_listening(&mut self) {
        for index in self.listeners.taken() {
            self.listeners.remove(index);
        }
        self.stuck = false;
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn wake(&mut self, other: &Waker) {
        other.wake();
    }

    fn turn<E: Events>(&mut self, wait: Wait, events: &mut E) -> io::Result<()> {
        self.wait(wait)?;
        if std::mem::take(&mut self.stuck) {
            self.acceptable.extend(self.listeners.taken());
        }
        self.settle_sends(events);
        let reports = std::mem::replace(&mut self.reports, mio::Events::with_capacity(0));
        for event in &reports {
            self.reported(event, events);
        }
        self.reports = reports;
        // What was sent in this turn is told before what was received in it.
        self.settle_sends(events);
        // Those that are not through put themselves at the end, for the next turn.
        let listed = self.acceptable.len();
        for at in 0..listed {
            self.accept(self.acceptable[at], events);
        }
        self.acceptable.drain(..listed);
        let listed = self.readable.len();
        for at in 0..listed {
            self.read(self.readable[at], events);
        }
        self.readable.drain(..listed);
        self.bury(events);
        Ok(())
    }
}

// 100,000 idle connections are to cost little: a slot takes no more than a cache line.
const _: () = assert!(Slots::<Connection>::SLOT_BYTES <= 64);
