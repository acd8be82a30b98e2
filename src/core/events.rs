//! What the driver tells: clients, bytes, finished sends, ends.

use super::access::{SHUT_MEMCACHE, SHUT_RESP};
use super::blocking::Ending;
use super::{Core, DOOR_MEMCACHE, DOOR_TLS_BIT};
use crate::connection::{Closing, Connection, Held, Hold};
use crate::limits::{ACTIVE_BYTES_MIN, INPUT_HELD_BYTES, OUTPUT_SOFT_BYTES};
use crate::metrics::Counter;
use crate::protocol::Proto;
use crate::protocol::binary::{Header, Status};
use crate::reactor::{Door, Events, Socket};
use crate::session::SessionId;
use crate::shared::watchers::topic;
use crate::tls::ALERT_INTERNAL_ERROR;
use slabs::Draft;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

impl Events for Core {
    fn accepted(&mut self, descriptor: OwnedFd, door: Door) {
        self.refresh_now();
        if !self.shared.admit() {
            self.metrics().add(Counter::ConnectionsRejected, 1);
            self.log_crowd();
            super::turn::refuse(descriptor, refusal(door));
            return;
        }
        if self.is_shut_to(&descriptor, door) {
            self.metrics().add(Counter::ConnectionsRejected, 1);
            let line: &[u8] = if door == DOOR_MEMCACHE { SHUT_MEMCACHE } else { SHUT_RESP };
            super::turn::refuse(descriptor, line);
            return;
        }
        // Each goes to the core with the fewest clients: those that stay long would lump otherwise.
        let to = self.shared.least_loaded();
        self.shared.load[to as usize].fetch_add(1, Ordering::Relaxed);
        if to == self.index {
            self.newcomers.push((descriptor, door));
        } else {
            self.post(to, super::Mail::Client(descriptor, door));
        }
    }

    fn received(&mut self, socket: Socket, bytes: &[u8]) {
        self.refresh_now();
        let id = socket.0;
        if self.connections[id as usize].tls.is_some() {
            return self.received_sealed(id, bytes);
        }
        self.received_plain(id, bytes);
    }

    fn filled(&mut self, socket: Socket, block: Draft, bytes: usize) {
        self.refresh_now();
        let id = socket.0;
        if self.connections[id as usize].tls.is_some() {
            return self.filled_record(id, &block[block.len() - bytes..]);
        }
        self.metrics().add(Counter::BytesIn, bytes as u64);
        if let Some(session) = self.sessions.get_mut(id) {
            session.bytes_in += bytes as u64;
            if bytes >= ACTIVE_BYTES_MIN {
                session.active_ms = self.now.mono_ms();
            }
        }
        self.mark_dirty(id);
        let connection = &mut self.connections[id as usize];
        connection.away = None;
        if connection.closing != Closing::No {
            return;
        }
        connection.incoming = Some(block);
        if bytes > 0 {
            self.receive_long(id, b"");
            self.push_back(id);
        }
    }

    fn sent(&mut self, socket: Socket, buffer: Vec<u8>) {
        self.refresh_now();
        let id = socket.0;
        let buffer = if self.connections[id as usize].tls.is_none() {
            buffer
        } else if let Some(buffer) = self.sent_sealed(id, buffer) {
            buffer
        } else {
            return;
        };
        let bytes = self.connections[id as usize].sending_bytes as u64;
        self.metrics().add(Counter::BytesOut, bytes);
        if let Some(session) = self.sessions.get_mut(id) {
            session.bytes_out += bytes;
        }
        self.pool.give(buffer);
        let mono_us = self.now.mono_us;
        let connection = &mut self.connections[id as usize];
        connection.sending = false;
        connection.sending_capacity = 0;
        connection.sending_pieces_bytes = 0;
        connection.moved_us = mono_us;
        self.buffers.recount(connection);
        if connection.hold == Hold::Output && connection.output_bytes() < OUTPUT_SOFT_BYTES {
            connection.hold = Hold::None;
            self.mark_ready(id);
        }
        let connection = &self.connections[id as usize];
        if !connection.out.is_empty() || connection.closing != Closing::No || connection.ended {
            self.mark_dirty(id);
        }
    }

    fn ended(&mut self, socket: Socket) {
        self.refresh_now();
        self.connections[socket.0 as usize].ended = true;
        self.mark_dirty(socket.0);
        if self.connections[socket.0 as usize].hold == Hold::Blocked {
            self.end_block(socket.0, Ending::Gone);
        }
    }

    fn control(&mut self, socket: Socket, kind: u8, bytes: &[u8]) -> bool {
        self.refresh_now();
        let goes_on = self.received_control(socket.0, kind, bytes);
        if !goes_on {
            self.ended(socket);
        }
        goes_on
    }

    fn gone(&mut self, socket: Socket) {
        self.refresh_now();
        let id = socket.0;
        let mut connection = std::mem::replace(&mut self.connections[id as usize], Connection::free());
        self.buffers.forget(&connection);
        if connection.hold == Hold::Blocked {
            self.forget_gone(id);
        }
        if let Some(secure) = connection.tls.take() {
            self.forget_tls(!secure.stream.is_handshaking());
        } else if !self.offload.is_empty() && self.forget_offloaded(id) {
            self.forget_tls(true);
        }
        // The lists still name the slot until the turn ends.
        self.connections[id as usize].dirty = connection.dirty;
        self.connections[id as usize].ready = connection.ready;
        if !self.awaited.is_empty() {
            self.awaited.remove(&connection.client_id);
        }
        self.pool.give(connection.out);
        self.pool.give(connection.held.into_buffer());
        if self.watched & topic::CONNEVENTS != 0 {
            let closed_here = connection.closing == Closing::Told && !connection.ended;
            let reason = if self.shared.stopping.load(Ordering::Relaxed) {
                "shutdown"
            } else if closed_here {
                self.close_reason(id)
            } else {
                "normal"
            };
            self.tell_of_client(id, Some(reason));
        }
        self.log_client(id, "is gone");
        if self.sessions.get(id).is_some_and(|session| session.listens.is_some()) {
            self.stop_listening(id);
        }
        if let Some(mut session) = self.sessions.remove(id) {
            if session.watches != 0 {
                self.shared.watchers.leave(session.watches);
                self.watchers.retain(|&watcher| watcher != id);
            }
            if !session.watched.is_empty() {
                self.end_watches(std::mem::take(&mut session.watched).into_keys());
            }
            if session.monitor {
                self.sessions.set_monitor(id, false);
                self.shared.monitors.fetch_sub(1, Ordering::Relaxed);
            }
            self.shared.load[self.index as usize].fetch_sub(1, Ordering::Relaxed);
            self.metrics().set(Counter::Connections, u64::from(self.sessions.len()));
        }
    }

    fn woken(&mut self) {
        self.refresh_now();
    }

    fn refusal(&mut self, door: Door) -> &[u8] {
        self.refresh_now();
        self.log_exhausted(door);
        refusal(door)
    }
}

/// What a client is told for whom there is no room.
fn refusal(door: Door) -> &'static [u8] {
    if door.0 & DOOR_TLS_BIT != 0 {
        ALERT_INTERNAL_ERROR
    } else if door == DOOR_MEMCACHE {
        b"ERROR Too many open connections\r\n"
    } else {
        b"-ERR max number of clients reached\r\n"
    }
}

impl Core {
    /// Bytes of a client, as it means them.
    #[inline]
    pub(super) fn received_plain(&mut self, id: SessionId, bytes: &[u8]) {
        self.metrics().add(Counter::BytesIn, bytes.len() as u64);
        if let Some(session) = self.sessions.get_mut(id) {
            session.bytes_in += bytes.len() as u64;
            if bytes.len() >= ACTIVE_BYTES_MIN {
                session.active_ms = self.now.mono_ms();
            }
        }
        let connection = &mut self.connections[id as usize];
        debug_assert!(
            connection.away.is_none(),
            "the driver brings a block back before it receives elsewhere"
        );
        if connection.closing != Closing::No {
            return;
        }
        if connection.incoming.is_some() {
            self.receive_long(id, bytes);
        } else if connection.held.is_empty() {
            self.take_input(id, bytes);
        } else {
            connection.held.push(bytes, Vec::new);
            if connection.serves() {
                self.serve_held(id);
            }
        }
        self.push_back(id);
    }

    /// Serves input that nothing waits before, and keeps what cannot be served now.
    #[inline]
    pub(super) fn take_input(&mut self, id: SessionId, bytes: &[u8]) {
        let used = if self.connections[id as usize].serves() { self.serve(id, bytes) } else { 0 };
        if used < bytes.len() {
            self.hold_input(id, &bytes[used..]);
        }
    }

    fn hold_input(&mut self, id: SessionId, rest: &[u8]) {
        if self.connections[id as usize].closing != Closing::No || self.begin_draft(id, rest) {
            return;
        }
        let connection = &mut self.connections[id as usize];
        connection.held_since_us = self.now.mono_us;
        connection.held.push(rest, || self.pool.take());
        // Its buffers are counted at the end of the turn.
        self.mark_dirty(id);
    }

    /// A request is longer than may be kept of it before it is there: the client is told and closed, and nobody's keys
    /// are evicted for it.
    #[cold]
    pub(super) fn refuse_input(&mut self, id: SessionId) {
        let client = self.client(id);
        self.metrics().add(Counter::QueryLimitDisconnections, 1);
        let connection = &self.connections[id as usize];
        let packet = match &connection.incoming {
            Some(draft) => Header::read(draft),
            None => Header::read(connection.held.rest()),
        };
        self.answer(id, &client, false, |reply| match client.proto() {
            Proto::MemcacheBinary => {
                packet.iter().for_each(|to| reply.packet_error(to, Status::NoMemory));
            }
            Proto::Memcache => reply.line("SERVER_ERROR out of memory reading request"),
            _ => reply
                .error("ERR Protocol error: requests that are still coming exceed their share of maxmemory"),
        });
        let connection = &mut self.connections[id as usize];
        connection.held = Held::default();
        connection.incoming = None;
        connection.closing = Closing::AfterReplies;
        self.mark_dirty(id);
    }

    /// Stops reading from a client whose requests wait, once enough of them do.
    fn push_back(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        let waits = !connection.serves();
        let held = connection.held.len();
        if waits && !connection.paused && held > INPUT_HELD_BYTES {
            connection.paused = true;
            self.throttles.push((id, true));
        }
        if held as u64 > self.inputs_bytes_max {
            self.refuse_input(id);
        } else if held > 0 {
            self.mark_dirty(id);
        }
    }

    /// Serves what was held; called when the hold has ended, or more of a request has come.
    pub(super) fn serve_held(&mut self, id: SessionId) {
        self.hold_if_flooded(id);
        if !self.connections[id as usize].serves() {
            return;
        }
        while self.connections[id as usize].incoming.is_some() {
            if !self.serve_draft(id) {
                return self.go_on_receiving(id);
            }
        }
        let mut held = std::mem::take(&mut self.connections[id as usize].held);
        let used = self.serve(id, held.rest());
        let closing = self.connections[id as usize].closing != Closing::No;
        if used == held.len() || closing || self.begin_draft(id, &held.rest()[used..]) {
            self.pool.give(held.into_buffer());
        } else {
            held.pass(used);
            let connection = &mut self.connections[id as usize];
            connection.held = held;
            if used > 0 {
                connection.held_since_us = self.now.mono_us;
            }
        }
        // Its buffers have changed, and are counted at the end of the turn.
        self.go_on_receiving(id);
    }

    /// Has the driver receive again for a connection that is served again.
    fn go_on_receiving(&mut self, id: SessionId) {
        self.mark_dirty(id);
        let connection = &mut self.connections[id as usize];
        if connection.paused && connection.serves() {
            connection.paused = false;
            self.throttles.push((id, false));
        }
    }
}
