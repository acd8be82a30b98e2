//! What the driver tells: clients, bytes, finished sends, ends.

use super::{Core, DOOR_MEMCACHE};
use crate::connection::{Closing, Connection, Held, Hold};
use crate::limits::{INPUT_HELD_BYTES, LARGE_INPUT_BYTES, OUTPUT_SOFT_BYTES};
use crate::metrics::Counter;
use crate::protocol::Proto;
use crate::protocol::binary::{Header, Status};
use crate::reactor::{Door, Events, Socket};
use crate::session::SessionId;
use crate::shared::watchers::topic;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

impl Events for Core {
    fn accepted(&mut self, descriptor: OwnedFd, door: Door) {
        self.refresh_now();
        if !self.shared.admit() {
            self.metrics().add(Counter::ConnectionsRejected, 1);
            super::turn::refuse(descriptor, self.refusal(door));
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
        self.metrics().add(Counter::BytesIn, bytes.len() as u64);
        if let Some(session) = self.sessions.get_mut(id) {
            session.bytes_in += bytes.len() as u64;
        }
        let connection = &mut self.connections[id as usize];
        if connection.closing != Closing::No {
            return;
        }
        if connection.held.is_empty() {
            let used = if connection.serves() { self.serve(id, bytes) } else { 0 };
            if used < bytes.len() {
                self.hold_input(id, &bytes[used..]);
            }
        } else {
            connection.held.push(bytes, Vec::new);
            if connection.serves() {
                self.serve_held(id);
            }
        }
        self.push_back(id);
        if self.connections[id as usize].held.len() > LARGE_INPUT_BYTES {
            self.watch_large_input(id);
        }
    }

    fn sent(&mut self, socket: Socket, buffer: Vec<u8>) {
        self.refresh_now();
        let id = socket.0;
        self.metrics().add(Counter::BytesOut, buffer.len() as u64);
        if let Some(session) = self.sessions.get_mut(id) {
            session.bytes_out += buffer.len() as u64;
        }
        self.pool.give(buffer);
        let mono_us = self.now.mono_us;
        let connection = &mut self.connections[id as usize];
        connection.sending = false;
        connection.moved_us = mono_us;
        if connection.hold == Hold::Output && connection.out.len() < OUTPUT_SOFT_BYTES {
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
    }

    fn gone(&mut self, socket: Socket) {
        self.refresh_now();
        let id = socket.0;
        let connection = std::mem::replace(&mut self.connections[id as usize], Connection::free());
        // The lists still name the slot until the turn ends.
        self.connections[id as usize].dirty = connection.dirty;
        self.connections[id as usize].ready = connection.ready;
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
        if door == DOOR_MEMCACHE {
            b"ERROR Too many open connections\r\n"
        } else {
            b"-ERR max number of clients reached\r\n"
        }
    }
}

impl Core {
    /// Keeps input that cannot be served now.
    fn hold_input(&mut self, id: SessionId, rest: &[u8]) {
        let connection = &mut self.connections[id as usize];
        if connection.closing != Closing::No {
            return;
        }
        connection.held.push(rest, || self.pool.take());
    }

    /// Large requests that are still coming take a share of the memory at most; beyond it the client whose
    /// request grows is told and closed, and nobody's keys are evicted for it.
    #[cold]
    fn watch_large_input(&mut self, id: SessionId) {
        if !self.large_inputs.contains(&id) {
            self.large_inputs.push(id);
        }
        let connections = &self.connections;
        self.large_inputs.retain(|&id| connections[id as usize].held.len() > LARGE_INPUT_BYTES);
        let held: usize = self.large_inputs.iter().map(|&id| connections[id as usize].held.len()).sum();
        if held as u64 > self.inputs_bytes_max {
            let client = self.client(id);
            let packet = Header::read(self.connections[id as usize].held.rest());
            self.answer(id, &client, false, |reply| match client.proto() {
                Proto::MemcacheBinary => {
                    packet.iter().for_each(|to| reply.packet_error(to, Status::NoMemory));
                }
                Proto::Memcache => reply.line("SERVER_ERROR out of memory reading request"),
                _ => reply.error(
                    "ERR Protocol error: requests that are still coming exceed their share of maxmemory",
                ),
            });
            let connection = &mut self.connections[id as usize];
            connection.held = Held::default();
            connection.closing = Closing::AfterReplies;
            self.mark_dirty(id);
        }
    }

    /// Stops reading from a client whose requests wait, once enough of them do.
    fn push_back(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        let waits = !connection.serves();
        if waits && !connection.paused && connection.held.len() > INPUT_HELD_BYTES {
            connection.paused = true;
            self.throttles.push((id, true));
        }
    }

    /// Serves what was held; called when the hold has ended, or more of a request has come.
    pub(super) fn serve_held(&mut self, id: SessionId) {
        self.hold_if_flooded(id);
        if !self.connections[id as usize].serves() {
            return;
        }
        let mut held = std::mem::take(&mut self.connections[id as usize].held);
        let used = self.serve(id, held.rest());
        let connection = &mut self.connections[id as usize];
        if used == held.len() || connection.closing != Closing::No {
            self.pool.give(held.into_buffer());
        } else {
            held.pass(used);
            connection.held = held;
        }
        let connection = &mut self.connections[id as usize];
        if connection.paused && connection.serves() {
            connection.paused = false;
            self.throttles.push((id, false));
        }
    }
}
