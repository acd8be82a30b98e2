//! What the driver asks of the kernel: one function per kind of operation.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};

use super::buffers::GROUP;
use super::{Aim, Connection, Receiving, Uring};
use crate::reactor::outgoing::{Outgoing, PARTS_MAX, Pieces};
use crate::reactor::refuse;

/// The most that one operation is asked to send; the kernel takes less than 2 GiB at a time.
pub(super) const SEND_BYTES_MAX: usize = 1 << 30;

static ACCEPT_PAUSE: types::Timespec = types::Timespec::new().nsec(refuse::ACCEPT_PAUSE.subsec_nanos());

/// What an operation is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    Receive,
    /// Receives into a block of the connection's own.
    ReceiveInto,
    /// Sends what can be sent at once; silent when that was all.
    Send,
    /// Sends the rest, waiting for the peer.
    SendRest,
    Accept,
    /// A listener has rested.
    AcceptPause,
    /// A message from another ring.
    Message,
    /// The waker's eventfd was read.
    Event,
    /// A cancel.
    Cancel,
    /// Nothing follows from how this ends: waking another core, closing a listener.
    Aside,
}

impl Kind {
    #[inline]
    fn of(byte: u8) -> Kind {
        const KINDS: [Kind; 10] = [
            Kind::Receive,
            Kind::ReceiveInto,
            Kind::Send,
            Kind::SendRest,
            Kind::Accept,
            Kind::AcceptPause,
            Kind::Message,
            Kind::Event,
            Kind::Cancel,
            Kind::Aside,
        ];
        KINDS[usize::from(byte)]
    }
}

/// The user data of an operation.
#[inline]
pub(super) fn tag(kind: Kind, generation: u32, index: u32) -> u64 {
    (kind as u64) << 56 | u64::from(generation) << 32 | u64::from(index)
}

/// What `tag` put together.
#[inline]
pub(super) fn tag_of(completion: &cqueue::Entry) -> (Kind, u32, u32) {
    let tag = completion.user_data();
    (Kind::of((tag >> 56) as u8), (tag >> 32) as u32 & 0x00ff_ffff, tag as u32)
}

impl Connection {
    /// The bytes that the send which is about to be queued, or was queued last, is asked to send.
    #[inline]
    pub(super) fn aimed_bytes(&self) -> usize {
        match &self.buffer {
            Outgoing::Bytes(bytes) => (bytes.len() - self.sent).min(SEND_BYTES_MAX),
            Outgoing::Pieces(pieces) => pieces.aimed,
        }
    }

    /// An entry that sends what has not been sent. It points into the output.
    #[inline]
    fn send_entry(&mut self, flags: libc::c_int) -> squeue::Entry {
        let descriptor = types::Fd(self.stream.raw());
        match &mut self.buffer {
            Outgoing::Bytes(bytes) => {
                let rest = &bytes[self.sent..];
                let len = rest.len().min(SEND_BYTES_MAX) as u32;
                opcode::Send::new(descriptor, rest.as_ptr(), len).flags(flags).build()
            }
            Outgoing::Pieces(pieces) => {
                let message = aim(pieces, self.sent);
                opcode::SendMsg::new(descriptor, message).flags(flags as u32).build()
            }
        }
    }
}

/// Writes down where the parts from byte `sent` on lie, as many as one operation sends.
#[cold]
fn aim(pieces: &mut Pieces, sent: usize) -> *const libc::msghdr {
    let mut vectors = std::mem::take(&mut pieces.vectors);
    vectors.clear();
    let mut aimed = 0;
    for part in pieces.parts(sent).take(PARTS_MAX) {
        let len = part.len().min(SEND_BYTES_MAX - aimed);
        vectors.push(libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: len });
        aimed += len;
        if aimed == SEND_BYTES_MAX {
            break;
        }
    }
    pieces.vectors = vectors;
    pieces.aimed = aimed;
    // SAFETY: zeros are a message without address, parts and control data.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = pieces.vectors.as_mut_ptr();
    header.msg_iovlen = pieces.vectors.len() as _;
    std::ptr::from_ref(pieces.header.insert(header))
}

impl Uring {
    /// Queues an entry; a full queue is submitted first. Returns its place in the order of entries.
    ///
    /// # Safety
    ///
    /// As for [`super::ring::Ring::push`].
    #[inline]
    unsafe fn push(&mut self, entry: &squeue::Entry) -> u32 {
        loop {
            // SAFETY: the caller's promise.
            if let Some(place) = unsafe { self.ring.push(entry) } {
                return place;
            }
            self.submit_full_queue();
        }
    }

    #[cold]
    fn submit_full_queue(&mut self) {
        self.buffers.publish();
        self.ring.enter(0, None).expect("the ring works as it did when it was tried");
        // If the kernel wants its completions reaped first, this makes room for them.
        self.ring.reap(&mut self.reaped);
    }

    /// Arms the receive of a connection that wants one and has none.
    pub(super) fn receive(&mut self, index: u32) {
        let generation = self.connections.generation(index);
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.receiving != Receiving::No || connection.closing || !connection.wanted {
            return;
        }
        connection.receiving = Receiving::Armed;
        connection.in_flight += 1;
        if connection.aim != Aim::Buffers {
            return self.receive_direct(index);
        }
        let descriptor = types::Fd(connection.stream.raw());
        let receive = if connection.greedy || connection.singles > 0 {
            let single = opcode::Recv::new(descriptor, std::ptr::null_mut(), 0).buf_group(GROUP);
            single.build().flags(squeue::Flags::BUFFER_SELECT)
        } else {
            opcode::RecvMulti::new(descriptor, GROUP).build()
        };
        // SAFETY: the entry points to nothing; the buffers that it will use live until `drop` has cancelled all.
        unsafe { self.push(&receive.user_data(tag(Kind::Receive, generation, index))) };
    }

    /// Arms the receive into a connection's block; the rest is `receive`'s.
    #[cold]
    fn receive_direct(&mut self, index: u32) {
        let generation = self.connections.generation(index);
        let Some(connection) = self.connections.get_mut(index) else { return };
        let descriptor = types::Fd(connection.stream.raw());
        connection.aim = Aim::BlockArmed;
        let block = self.blocks.get_mut(&index).expect("it has a block");
        let Some(vacant) = block.draft.vacant() else {
            // No memory for what comes: as if the connection had failed.
            connection.aim = Aim::Block;
            connection.receiving = Receiving::No;
            connection.in_flight -= 1;
            return self.shut(index);
        };
        // No more than a share, so that the others get their turn.
        let len = vacant.len().min(block.bytes_max).min(self.receive_bytes_max as usize);
        let receive = opcode::Recv::new(descriptor, vacant.as_mut_ptr().cast(), len as u32).build();
        // SAFETY: the block stays in `blocks`, where nobody touches it, until this operation is no longer in flight.
        unsafe { self.push(&receive.user_data(tag(Kind::ReceiveInto, generation, index))) };
    }

    /// Ends the receive of a connection, if it has one.
    pub(super) fn stop_receiving(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.wanted = false;
        self.rearm_receive(index);
    }

    /// Ends the receive of a connection; if one is wanted still, it is armed anew when that has ended.
    pub(super) fn rearm_receive(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.receiving == Receiving::Armed {
            connection.receiving = Receiving::Stopping;
            let kind = if connection.aim == Aim::BlockArmed { Kind::ReceiveInto } else { Kind::Receive };
            self.cancel(kind, index);
        }
    }

    /// Sends what the kernel takes at once.
    #[inline]
    pub(super) fn send_now(&mut self, index: u32, output: Outgoing) {
        let generation = self.connections.generation(index);
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.closing {
            return;
        }
        assert!(connection.buffer.is_empty() && !output.is_empty(), "one send at a time, and not of nothing");
        connection.buffer = output;
        connection.sent = 0;
        connection.in_flight += 1;
        let send = if connection.sealed {
            self.telling += 1;
            connection.send_entry(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        } else {
            let send = connection.send_entry(libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL);
            send.flags(squeue::Flags::SKIP_SUCCESS)
        };
        let send = send.user_data(tag(Kind::Send, generation, index));
        // SAFETY: the output stays in the connection, untouched, until the entry was consumed; as the operation
        // may not wait, it is over then.
        let place = unsafe { self.push(&send) };
        self.sends.push((place, index));
    }

    /// Sends what the immediate send left over, waiting for the peer.
    pub(super) fn send_rest(&mut self, index: u32) {
        let generation = self.connections.generation(index);
        let Some(connection) = self.connections.get_mut(index) else { return };
        // Not `MSG_WAITALL`: each part that leaves is known as soon as it has left, so that a slow reader is told
        // from one that does not read.
        let send = connection.send_entry(libc::MSG_NOSIGNAL);
        connection.in_flight += 1;
        connection.waiting = true;
        // SAFETY: the output stays in the connection, untouched, until this operation is no longer in flight.
        unsafe { self.push(&send.user_data(tag(Kind::SendRest, generation, index))) };
    }

    /// Arms a listener.
    pub(super) fn accept(&mut self, index: u32) {
        let generation = self.listeners.generation(index);
        let Some(listener) = self.listeners.get_mut(index) else { return };
        listener.accepting = true;
        let accept = opcode::AcceptMulti::new(types::Fd(listener.descriptor.as_raw_fd()));
        let accept = accept.flags(libc::SOCK_CLOEXEC).build();
        // SAFETY: the entry points to nothing.
        unsafe { self.push(&accept.user_data(tag(Kind::Accept, generation, index))) };
    }

    /// Lets a listener rest.
    pub(super) fn pause_accepting(&mut self, index: u32) {
        let pause = opcode::Timeout::new(&raw const ACCEPT_PAUSE).build();
        let generation = self.listeners.generation(index);
        // SAFETY: the time is a static.
        unsafe { self.push(&pause.user_data(tag(Kind::AcceptPause, generation, index))) };
    }

    /// Reads the waker's eventfd when somebody has written it.
    pub(super) fn watch_event(&mut self) {
        let event = types::Fd(self.waker.event().as_raw_fd());
        let read = opcode::Read::new(event, (&raw mut *self.rung).cast(), 8).build();
        // SAFETY: `rung` is on the heap, nothing else uses it, and it is freed after `drop` has cancelled all.
        unsafe { self.push(&read.user_data(tag(Kind::Event, 0, 0))) };
    }

    /// Wakes another ring.
    pub(super) fn message(&mut self, ring: RawFd) {
        let message = opcode::MsgRingData::new(types::Fd(ring), 0, tag(Kind::Message, 0, 0), None).build();
        let message = message.flags(squeue::Flags::SKIP_SUCCESS).user_data(tag(Kind::Aside, 0, 0));
        // SAFETY: the entry points to nothing.
        unsafe { self.push(&message) };
    }

    /// Cancels the operation of `kind` of a connection.
    pub(super) fn cancel(&mut self, kind: Kind, index: u32) {
        let generation = self.connections.generation(index);
        let cancel = opcode::AsyncCancel::new(tag(kind, generation, index)).build();
        let cancel =
            cancel.flags(squeue::Flags::SKIP_SUCCESS).user_data(tag(Kind::Cancel, generation, index));
        // SAFETY: the entry points to nothing.
        unsafe { self.push(&cancel) };
    }

    /// Cancels the accept of a listener.
    pub(super) fn cancel_accept(&mut self, index: u32) {
        let cancel = opcode::AsyncCancel::new(tag(Kind::Accept, self.listeners.generation(index), index));
        let cancel = cancel.build().flags(squeue::Flags::SKIP_SUCCESS).user_data(tag(Kind::Aside, 0, 0));
        // SAFETY: the entry points to nothing.
        unsafe { self.push(&cancel) };
    }
}
