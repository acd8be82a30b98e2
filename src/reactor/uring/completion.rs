//! What follows from the kernel's answers.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue;

use super::operation::{Kind, tag_of};
use super::{Aim, Receiving, SILENT, Uring};
use crate::reactor::outgoing::Outgoing;
use crate::reactor::{Events, Socket, records, refuse};

/// So many connections without a buffer in one turn mean that too few are lent.
const STARVED_MANY: usize = 4;

/// Failures of an operation after which the same is tried again.
fn is_transient(errno: i32) -> bool {
    matches!(errno, libc::EAGAIN | libc::EINTR | libc::ENOMEM | libc::ENOBUFS)
}

impl Uring {
    /// Works off one completion.
    #[inline]
    pub(super) fn completed<E: Events>(&mut self, completion: &cqueue::Entry, events: &mut E) {
        let (kind, generation, index) = tag_of(completion);
        match kind {
            Kind::Receive => self.receive_completed(completion, generation, index, events),
            Kind::ReceiveInto => self.block_completed(completion.result(), generation, index, events),
            Kind::SendRest => self.send_rest_completed(completion.result(), generation, index, events),
            Kind::Accept => self.accept_completed(completion, generation, index, events),
            Kind::AcceptPause => {
                if self.listeners.of_generation(index, generation).is_some() {
                    self.accept(index);
                }
            }
            Kind::Message => events.woken(),
            Kind::Event => {
                self.watch_event();
                events.woken();
            }
            Kind::Cancel => self.cancel_failed(generation, index),
            // Settled before; of no consequence.
            Kind::Send | Kind::Aside => {}
        }
    }

    #[inline]
    fn receive_completed<E: Events>(
        &mut self,
        completion: &cqueue::Entry,
        generation: u32,
        index: u32,
        events: &mut E,
    ) {
        let result = completion.result();
        let buffer = cqueue::buffer_select(completion.flags());
        let ended = !cqueue::more(completion.flags());
        let Some(connection) = self.connections.of_generation(index, generation) else {
            // Not to be: slots are kept while something is in flight. A buffer is not to be lost for it.
            debug_assert!(false, "a completion for a slot that was freed");
            return buffer.into_iter().for_each(|number| self.buffers.give_back(number));
        };
        let open = !connection.closing;
        if connection.turn != self.turn {
            connection.greedy &= connection.turn.wrapping_add(1) == self.turn;
            connection.turn = self.turn;
            connection.taken = 0;
        }
        connection.taken = connection.taken.saturating_add(result.max(0) as u32);
        let too_much = !connection.greedy && connection.taken > self.receive_bytes_max;
        connection.greedy |= too_much;
        if ended {
            connection.receiving = Receiving::No;
        }
        connection.singles = connection.singles.saturating_sub(1);
        if connection.aim != Aim::Buffers && open && result >= 0 {
            self.return_block(index, 0, events);
        }
        if let (Some(number), true) = (buffer, open && result > 0) {
            events.received(Socket(index), self.buffers.filled(number, result as usize));
        }
        if let Some(number) = buffer {
            self.buffers.give_back(number);
        }
        if ended {
            self.receive_ended(index, result, events);
        } else if too_much {
            self.rearm_receive(index);
        }
    }

    /// The receive into a connection's block is over.
    #[cold]
    fn block_completed<E: Events>(&mut self, result: i32, generation: u32, index: u32, events: &mut E) {
        let Some(connection) = self.connections.of_generation(index, generation) else { return };
        connection.receiving = Receiving::No;
        connection.aim = Aim::Block;
        if !connection.closing && result >= 0 {
            self.return_block(index, result as usize, events);
        }
        self.receive_ended(index, result, events);
    }

    /// Gives the core its block back with so many bytes more.
    #[cold]
    fn return_block<E: Events>(&mut self, index: u32, bytes: usize, events: &mut E) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.aim = Aim::Buffers;
        let mut block = self.blocks.remove(&index).expect("it has a block");
        // SAFETY: the kernel has said that it wrote so many where it was told to, and writes no more.
        unsafe { block.draft.filled(bytes) };
        events.filled(Socket(index), block.draft, bytes);
    }

    /// A receive is no longer armed, for the reason that `result` gives.
    fn receive_ended<E: Events>(&mut self, index: u32, result: i32, events: &mut E) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if !connection.closing {
            match -result {
                0 => {
                    connection.wanted = false;
                    connection.ended = true;
                    events.ended(Socket(index));
                }
                libc::ENOBUFS => {
                    self.ring.figures.starved += 1;
                    self.starved.push(index);
                }
                // Cancelled by a pause, which may have been taken back; or ended for the kernel's own reasons.
                libc::ECANCELED => self.receive(index),
                // One of single receives mostly: the core may give a block yet.
                errno if errno < 0 => self.unarmed.push(index),
                errno if is_transient(errno) => self.receive(index),
                errno if records::is_no_data(errno) => self.receive_control(index, errno, events),
                _ => self.shut(index),
            }
        }
        self.landed(index);
    }

    /// What is next on a connection whose records the kernel opens is no data. Or it has failed.
    #[cold]
    fn receive_control<E: Events>(&mut self, index: u32, errno: i32, events: &mut E) {
        let Some(connection) = self.connections.get(index) else { return };
        let mut bytes = [0; records::CONTROL_BYTES];
        let Ok((kind, len)) = records::receive(connection.stream.raw(), errno, &mut bytes) else {
            return self.shut(index);
        };
        if connection.aim != Aim::Buffers {
            self.return_block(index, 0, events);
        }
        let goes_on = events.control(Socket(index), kind, &bytes[..len]);
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.ended |= !goes_on;
        connection.wanted &= goes_on;
        self.receive(index);
    }

    /// Arms the receives that found no buffer, now that some are back.
    #[inline]
    pub(super) fn feed_starved(&mut self) {
        // One greedy client is no reason to lend more: the buffers lent are what a turn may take.
        if self.starved.len() > STARVED_MANY {
            self.buffers.lend_more();
        }
        while let Some(index) = self.starved.pop() {
            self.receive(index);
        }
    }

    /// Tells of the sends that are over. Those which failed or came up short have said so among `reaped`.
    #[inline]
    pub(super) fn settle_sends<E: Events>(&mut self, events: &mut E) {
        if self.sends.is_empty() {
            return;
        }
        for completion in &self.reaped {
            if let (Kind::Send, generation, index) = tag_of(completion)
                && let Some(connection) = self.connections.of_generation(index, generation)
            {
                connection.outcome = completion.result();
            }
        }
        let consumed = self.ring.consumed();
        let mut sends = std::mem::take(&mut self.sends);
        let over = sends.iter().take_while(|(place, _)| consumed.wrapping_sub(*place) as i32 >= 0).count();
        for (_, index) in sends.drain(..over) {
            self.settle_send(index, events);
        }
        self.sends = sends;
    }

    #[inline]
    fn settle_send<E: Events>(&mut self, index: u32, events: &mut E) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let whole = connection.aimed_bytes() as i32;
        let outcome = std::mem::replace(&mut connection.outcome, SILENT);
        let result = if outcome == SILENT { whole } else { outcome };
        self.send_progressed(index, result, events);
    }

    fn send_rest_completed<E: Events>(&mut self, result: i32, generation: u32, index: u32, events: &mut E) {
        let Some(connection) = self.connections.of_generation(index, generation) else { return };
        connection.waiting = false;
        self.send_progressed(index, result, events);
    }

    /// An operation of a connection's send is over; `result` is what it came to.
    #[inline]
    fn send_progressed<E: Events>(&mut self, index: u32, result: i32, events: &mut E) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if !connection.closing {
            connection.sent += result.max(0) as usize;
            if result < 0 && !is_transient(-result) {
                self.shut(index);
            } else if connection.sent < connection.buffer.len() {
                self.send_rest(index);
            } else {
                let output = std::mem::replace(&mut connection.buffer, Outgoing::nothing());
                events.sent(Socket(index), output.into_buffer());
            }
        }
        self.landed(index);
    }

    /// One operation of a connection less; the last one of a closing connection leaves it to be buried.
    #[inline]
    fn landed(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.in_flight -= 1;
        if connection.closing && connection.in_flight == 0 {
            self.departed.push(index);
        }
    }

    /// A cancel has not found its operation. Mostly that has just ended by itself, and its completion
    /// is among the next; if not, it is to be cancelled still.
    #[cold]
    fn cancel_failed(&mut self, generation: u32, index: u32) {
        let Some(connection) = self.connections.of_generation(index, generation) else { return };
        let waiting = connection.closing && connection.waiting;
        if connection.receiving == Receiving::Stopping {
            connection.receiving = Receiving::Armed;
            self.rearm_receive(index);
        }
        if waiting {
            self.cancel(Kind::SendRest, index);
        }
    }

    /// Frees the connections that are over.
    #[inline]
    pub(super) fn bury<E: Events>(&mut self, events: &mut E) {
        while let Some(index) = self.departed.pop() {
            if let Some(connection) = self.connections.remove(index) {
                if connection.aim != Aim::Buffers {
                    self.blocks.remove(&index);
                }
                drop(connection);
                events.gone(Socket(index));
            }
        }
    }

    #[cold]
    fn accept_completed<E: Events>(
        &mut self,
        completion: &cqueue::Entry,
        generation: u32,
        index: u32,
        events: &mut E,
    ) {
        let result = completion.result();
        // SAFETY: an accept's result that is not negative is a new descriptor, handed over by this completion.
        let accepted = (result >= 0).then(|| unsafe { OwnedFd::from_raw_fd(result) });
        let Some(listener) = self.listeners.of_generation(index, generation) else { return };
        let door = listener.door;
        if let Some(descriptor) = accepted {
            events.accepted(descriptor, door);
        }
        if cqueue::more(completion.flags()) {
            return;
        }
        listener.accepting = false;
        if listener.closing {
            self.listeners.remove(index);
        } else if refuse::is_exhaustion(-result) {
            self.spare.refuse(&listener.descriptor, events.refusal(door));
            self.pause_accepting(index);
        } else {
            self.accept(index);
        }
    }
}
