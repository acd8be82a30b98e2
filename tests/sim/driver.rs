//! A driver without sockets: bytes lie in queues, and a seed decides what of them moves in a turn.

use crate::faults::{Fault, Rates, Tally};
use crate::kernel::Kernel;
use larder::reactor::{Door, Driver, Events, Outgoing, Peer, Report, Socket, Wait, Waker};
use larder::secrets::Secrets;
use slabs::Draft;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::rc::Rc;

/// Numbers that a seed determines (splitmix64).
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// Less than `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// The same, where 0 is never.
    pub fn at_rate(&mut self, n: usize) -> bool {
        n > 0 && self.once_in(n)
    }
}

/// A connection as both of its ends see it.
#[derive(Default)]
pub struct Wire {
    /// Written by the client, not received yet.
    pub up: VecDeque<u8>,
    /// Handed to the client.
    pub down: Vec<u8>,
    /// The client takes no more than this in all.
    pub window: usize,
    /// The client will send no more.
    pub ended: bool,
    /// The connection fails.
    pub reset: bool,
    /// A core serves it.
    pub adopted: bool,
    /// The server has let it go.
    pub gone: bool,
}

/// What all drivers and the clients share.
#[derive(Default)]
pub struct Net {
    /// Connections that wait to be accepted.
    pub backlog: VecDeque<(OwnedFd, Door)>,
    /// Connections by the descriptor that stands for them until they are adopted.
    pub dialled: HashMap<RawFd, Rc<RefCell<Wire>>>,
    pub tally: Tally,
    pub rates: Rates,
    /// The next end of a connection is not told to its core.
    pub untold: bool,
}

struct Slot {
    wire: Rc<RefCell<Wire>>,
    send: Option<(Outgoing, usize)>,
    /// What is really sent of it, where the kernel seals it.
    sealed: Option<Vec<u8>>,
    kernel: Option<Kernel>,
    /// It was paused, and a receive may be under way still.
    lingers: bool,
    paused: bool,
    closing: bool,
    told: bool,
    /// Where the next bytes go, and how many at most.
    block: Option<(Draft, usize)>,
}

/// One core's driver.
pub struct FakeDriver {
    pub dice: Dice,
    pub net: Rc<RefCell<Net>>,
    pub waker: Waker,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    accepts: bool,
    /// The kernel seals and opens TLS, if it is asked to.
    pub has_tls: bool,
    /// Turns for which there are no buffers to receive into.
    starved: usize,
}

impl FakeDriver {
    pub fn new(seed: u64, net: Rc<RefCell<Net>>, waker: Waker, accepts: bool) -> FakeDriver {
        FakeDriver {
            dice: Dice(seed),
            net,
            waker,
            slots: Vec::new(),
            free: Vec::new(),
            accepts,
            has_tls: false,
            starved: 0,
        }
    }

    /// There is no descriptor for a connection: it is told so, and closed.
    fn refuse<E: Events>(&mut self, descriptor: OwnedFd, door: Door, events: &mut E) {
        let mut net = self.net.borrow_mut();
        net.tally.count(Fault::Refused);
        if let Some(wire) = net.dialled.remove(&descriptor.as_raw_fd()) {
            let mut wire = wire.borrow_mut();
            wire.down.extend_from_slice(events.refusal(door));
            wire.gone = true;
        }
    }

    fn slot(&mut self, socket: Socket) -> &mut Slot {
        self.slots[socket.0 as usize].as_mut().expect("the socket has not gone")
    }

    /// Moves a part of a send; true when all of it has left.
    fn progress(&mut self, id: usize) -> bool {
        let Some(slot) = &mut self.slots[id] else { return false };
        let Some((output, sent)) = &mut slot.send else { return false };
        let mut wire = slot.wire.borrow_mut();
        let len = slot.sealed.as_ref().map_or(output.len(), Vec::len);
        let room = wire.window.saturating_sub(wire.down.len()).min(len - *sent);
        let mut left = if self.dice.once_in(3) { self.dice.below(room + 1) } else { room };
        if left < len - *sent {
            self.net.borrow_mut().tally.count(Fault::ShortSend);
        }
        let before = *sent;
        let parts: Box<dyn Iterator<Item = &[u8]>> = match &slot.sealed {
            Some(sealed) => Box::new(std::iter::once(&sealed[before..])),
            None => output.parts(before),
        };
        for part in parts {
            let part = &part[..left.min(part.len())];
            wire.down.extend_from_slice(part);
            *sent += part.len();
            left -= part.len();
            if left == 0 {
                break;
            }
        }
        *sent == len
    }

    fn arrived(&mut self, id: usize) -> Vec<u8> {
        let Some(slot) = &mut self.slots[id] else { return Vec::new() };
        let lingers = std::mem::take(&mut slot.lingers);
        if slot.paused && !lingers || slot.closing || slot.told || self.starved > 0 {
            return Vec::new();
        }
        let mut wire = slot.wire.borrow_mut();
        let most = wire.up.len().min(16 << 10);
        let part = match self.dice.below(4) {
            0 => 0,
            1 => self.dice.below(most.min(40) + 1),
            2 => self.dice.below(most + 1),
            _ => most,
        };
        if part > 0 && part < most {
            self.net.borrow_mut().tally.count(Fault::CutReceive);
        }
        let bytes = wire.up.drain(..part).collect::<Vec<u8>>();
        let Some(kernel) = &mut slot.kernel else { return bytes };
        kernel.take(&bytes);
        kernel.data(16 << 10)
    }
}

impl Driver for FakeDriver {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn adopt(&mut self, descriptor: OwnedFd) -> io::Result<Socket> {
        let mut net = self.net.borrow_mut();
        let wire = net.dialled.remove(&descriptor.as_raw_fd()).expect("somebody dialled");
        if self.dice.at_rate(net.rates.not_adopted) {
            net.tally.count(Fault::NotAdopted);
            wire.borrow_mut().gone = true;
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        wire.borrow_mut().adopted = true;
        drop(net);
        let slot = Some(Slot {
            wire,
            send: None,
            sealed: None,
            kernel: None,
            lingers: false,
            paused: false,
            closing: false,
            told: false,
            block: None,
        });
        if let Some(id) = self.free.pop() {
            self.slots[id as usize] = slot;
            return Ok(Socket(id));
        }
        self.slots.push(slot);
        Ok(Socket(self.slots.len() as u32 - 1))
    }

    fn peer(&self, _: Socket) -> io::Result<Peer> {
        Ok(Peer::Unix(PathBuf::from("/sim")))
    }

    fn send(&mut self, socket: Socket, output: impl Into<Outgoing>, _: Report) {
        let output = output.into();
        let slot = self.slot(socket);
        assert!(slot.send.is_none() && !output.is_empty() && !slot.closing, "one send at a time, while open");
        slot.send = Some((output, 0));
        let Slot { kernel, send, sealed, .. } = self.slots[socket.0 as usize].as_mut().expect("it is there");
        if let (Some(kernel), Some((output, _))) = (kernel, send) {
            *sealed = Some(kernel.seal(output.parts(0), &mut self.dice));
        }
    }

    fn is_quiet(&self, socket: Socket) -> bool {
        let slot = self.slots[socket.0 as usize].as_ref().expect("the socket has not gone");
        slot.paused && !slot.lingers && slot.send.is_none() && slot.block.is_none()
    }

    fn prepare_offload(&mut self, socket: Socket) -> io::Result<()> {
        assert!(self.is_quiet(socket));
        if self.has_tls { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    fn offload(&mut self, socket: Socket, secrets: &Secrets) -> io::Result<()> {
        assert!(self.is_quiet(socket));
        self.slot(socket).kernel = Some(Kernel::new(secrets));
        Ok(())
    }

    fn send_record(&mut self, socket: Socket, kind: u8, bytes: &[u8]) {
        let slot = self.slot(socket);
        assert!(slot.send.is_none(), "nothing is in flight");
        let record = slot.kernel.as_mut().expect("the kernel has it").seal_control(kind, bytes);
        slot.wire.borrow_mut().down.extend(record);
    }

    fn untaken(&self, socket: Socket) -> io::Result<u64> {
        let slot = self.slots[socket.0 as usize].as_ref().expect("the socket has not gone");
        Ok(slot.send.as_ref().map_or(0, |(output, sent)| (output.len() - sent) as u64))
    }

    fn receive_into(&mut self, socket: Socket, block: Draft, bytes_max: usize) {
        let slot = self.slot(socket);
        assert!(slot.block.is_none() && !slot.closing && bytes_max > 0);
        slot.block = Some((block, bytes_max));
    }

    fn receive_bytes(&self) -> u64 {
        0
    }

    fn close(&mut self, socket: Socket) {
        self.slot(socket).closing = true;
    }

    fn pause(&mut self, socket: Socket) {
        let lingers = self.has_tls && self.dice.once_in(2);
        let slot = self.slot(socket);
        slot.lingers |= lingers && !slot.paused;
        slot.paused = true;
    }

    fn resume(&mut self, socket: Socket) {
        self.slot(socket).paused = false;
    }

    fn listen(&mut self, _: OwnedFd, _: Door) -> io::Result<()> {
        Ok(())
    }

    fn stop_listening(&mut self) {
        self.accepts = false;
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn wake(&mut self, _: &Waker) {}

    fn turn<E: Events>(&mut self, _: Wait, events: &mut E) -> io::Result<()> {
        if self.accepts {
            loop {
                let Some((descriptor, door)) = self.net.borrow_mut().backlog.pop_front() else { break };
                let rate = self.net.borrow().rates.refused;
                if self.dice.at_rate(rate) {
                    self.refuse(descriptor, door, events);
                } else {
                    events.accepted(descriptor, door);
                }
            }
        }
        let rate = self.net.borrow().rates.no_buffers;
        if self.starved > 0 {
            self.starved -= 1;
        } else if self.dice.at_rate(rate) {
            self.starved = 1 + self.dice.below(10);
        }
        if self.starved > 0 {
            self.net.borrow_mut().tally.count(Fault::NoBuffers);
        }
        let first = self.dice.below(self.slots.len().max(1));
        for step in 0..self.slots.len() {
            let id = (first + step) % self.slots.len();
            let socket = Socket(id as u32);
            let Some(slot) = &self.slots[id] else { continue };
            let failed = slot.closing || slot.wire.borrow().reset;
            if failed && self.dice.once_in(2) {
                slot.wire.borrow_mut().gone = true;
                self.slots[id] = None;
                self.free.push(id as u32);
                if !std::mem::take(&mut self.net.borrow_mut().untold) {
                    events.gone(socket);
                }
                continue;
            }
            if failed {
                continue;
            }
            if self.progress(id)
                && let Some((output, _)) = self.slots[id].as_mut().and_then(|slot| slot.send.take())
            {
                self.slots[id].as_mut().expect("it is there").sealed = None;
                events.sent(socket, output.into_buffer());
            }
            let mut bytes = self.arrived(id);
            if !bytes.is_empty()
                && let Some((mut block, bytes_max)) =
                    self.slots[id].as_mut().and_then(|slot| slot.block.take())
            {
                // A receive into a buffer may have been under way.
                let direct = if self.dice.once_in(4) { 0 } else { bytes.len().min(bytes_max) };
                let filled = if direct > 0 { block.fill(&bytes[..direct]).expect("memory") } else { 0 };
                events.filled(socket, block, filled);
                if filled > 0 {
                    // What follows comes in another turn.
                    let slot = self.slots[id].as_mut().expect("it is there");
                    if let Some(kernel) = &mut slot.kernel {
                        kernel.put_back(bytes.split_off(filled));
                    } else {
                        let mut wire = slot.wire.borrow_mut();
                        bytes.drain(filled..).rev().for_each(|byte| wire.up.push_front(byte));
                    }
                    bytes.clear();
                }
            }
            if !bytes.is_empty() {
                events.received(socket, &bytes);
            }
            let Some(slot) = &mut self.slots[id] else { continue };
            let control =
                if slot.paused || slot.told { None } else { slot.kernel.as_mut().and_then(Kernel::control) };
            if let Some((kind, bytes)) = control {
                if let Some((block, _)) = slot.block.take() {
                    events.filled(socket, block, 0);
                }
                slot.told |= !events.control(socket, kind, &bytes);
            }
            let opened = slot.kernel.as_ref().is_none_or(Kernel::is_empty);
            let over = slot.wire.borrow().ended && slot.wire.borrow().up.is_empty() && opened;
            if over && !slot.told && !slot.paused {
                slot.told = true;
                if let Some((block, _)) = slot.block.take() {
                    events.filled(socket, block, 0);
                }
                events.ended(socket);
            }
        }
        Ok(())
    }
}
