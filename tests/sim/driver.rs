//! A driver without sockets: bytes lie in queues, and a seed decides what of them moves in a turn.

use crate::faults::{Fault, Rates, Tally};
use larder::reactor::{Door, Driver, Events, Outgoing, Peer, Report, Socket, Wait, Waker};
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
    /// Turns for which there are no buffers to receive into.
    starved: usize,
}

impl FakeDriver {
    pub fn new(seed: u64, net: Rc<RefCell<Net>>, waker: Waker, accepts: bool) -> FakeDriver {
        FakeDriver { dice: Dice(seed), net, waker, slots: Vec::new(), free: Vec::new(), accepts, starved: 0 }
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
        let room = wire.window.saturating_sub(wire.down.len()).min(output.len() - *sent);
        let mut left = if self.dice.once_in(3) { self.dice.below(room + 1) } else { room };
        if left < output.len() - *sent {
            self.net.borrow_mut().tally.count(Fault::ShortSend);
        }
        let before = *sent;
        for part in output.parts(before) {
            let part = &part[..left.min(part.len())];
            wire.down.extend_from_slice(part);
            *sent += part.len();
            left -= part.len();
            if left == 0 {
                break;
            }
        }
        *sent == output.len()
    }

    fn arrived(&mut self, id: usize) -> Vec<u8> {
        let Some(slot) = &mut self.slots[id] else { return Vec::new() };
        if slot.paused || slot.closing || self.starved > 0 {
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
        wire.up.drain(..part).collect()
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
        let slot = Some(Slot { wire, send: None, paused: false, closing: false, told: false, block: None });
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
        self.slot(socket).paused = true;
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
                    let slot = self.slots[id].as_ref().expect("it is there");
                    let mut wire = slot.wire.borrow_mut();
                    bytes.drain(filled..).rev().for_each(|byte| wire.up.push_front(byte));
                    bytes.clear();
                }
            }
            if !bytes.is_empty() {
                events.received(socket, &bytes);
            }
            let Some(slot) = &mut self.slots[id] else { continue };
            let over = slot.wire.borrow().ended && slot.wire.borrow().up.is_empty();
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
