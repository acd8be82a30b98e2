//! Long requests: collected in a block of their final size, which a large value in them takes along into the store.
//!
//! The parser says how long the request that has begun is at least. From there on its bytes go into a
//! [`slabs::Draft`]: the first are copied there, and as long as much is missing the driver gets the block and has the
//! kernel put them in their place ([`Driver::receive_into`]). It gets no more than the request is known to need, so that
//! the next one begins in an ordinary buffer. The parser looks again when they are all there, at the same contiguous bytes as ever. While
//! the request is executed, its shard is offered the block (`Shard::offer`); to another core the block itself
//! travels. What is not taken is freed with the block.

use super::Core;
use crate::connection::{Away, Closing};
use crate::limits::{BLOCK_RECEIVE_BYTES_MIN, DRAFT_BYTES_MIN, DRAFT_TAIL_BYTES};
use crate::reactor::{Driver, Socket};
use crate::session::SessionId;
use slabs::Draft;

impl Core {
    /// Begins to collect a request of which `bytes` have come, if it is a long one. False: it is not.
    #[inline]
    pub(super) fn begin_draft(&mut self, id: SessionId, bytes: &[u8]) -> bool {
        let need = self.connections[id as usize].parser.need();
        need >= DRAFT_BYTES_MIN && self.begin_long(id, need, bytes)
    }

    #[cold]
    fn begin_long(&mut self, id: SessionId, need: usize, bytes: &[u8]) -> bool {
        let connection = &mut self.connections[id as usize];
        if !connection.serves() || bytes.len() > need {
            return false;
        }
        // What is too long for all requests of this core together is told so before anything is taken for it.
        let draft = Draft::new(need + DRAFT_TAIL_BYTES);
        let Some(mut draft) = draft.filter(|_| need as u64 <= self.inputs_bytes_max) else {
            self.refuse_input(id);
            return true;
        };
        draft.fill(bytes);
        self.connections[id as usize].incoming = Some(draft);
        self.mark_dirty(id);
        self.blocks_wanting.push(id);
        true
    }

    /// Gives the driver the blocks of requests of which much is missing.
    #[cold]
    pub(super) fn hand_out_blocks<D: Driver>(&mut self, driver: &mut D) {
        for id in std::mem::take(&mut self.blocks_wanting) {
            let connection = &mut self.connections[id as usize];
            let missing = match &connection.incoming {
                Some(draft) => connection.parser.need().saturating_sub(draft.len()),
                None => continue,
            };
            if missing < BLOCK_RECEIVE_BYTES_MIN
                || !connection.receives_plain()
                || !connection.held.is_empty()
                || connection.closing != Closing::No
                || connection.ended
            {
                continue;
            }
            let Some(mut draft) = connection.incoming.take() else { continue };
            if draft.vacant().is_none() {
                connection.incoming = Some(draft);
                self.refuse_input(id);
                continue;
            }
            connection.away =
                Some(Away { charged_bytes: draft.charged_bytes() as usize, arrived: draft.len() });
            driver.receive_into(Socket(id), draft, missing);
            self.mark_dirty(id);
        }
    }

    /// Bytes for a connection that collects a long request.
    #[cold]
    pub(super) fn receive_long(&mut self, id: SessionId, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let connection = &mut self.connections[id as usize];
            let Some(draft) = &mut connection.incoming else { break };
            if connection.held.is_empty() && draft.len() < draft.expected() {
                let Some(taken) = draft.fill(rest) else {
                    return self.refuse_input(id);
                };
                rest = &rest[taken..];
            }
            let complete = draft.len() >= connection.parser.need();
            if !complete {
                debug_assert!(rest.is_empty());
                self.blocks_wanting.push(id);
                break;
            }
            if !self.serve_draft(id) {
                break;
            }
        }
        self.mark_dirty(id);
        let connection = &mut self.connections[id as usize];
        if rest.is_empty() || connection.closing != Closing::No {
            return;
        }
        if connection.incoming.is_none() && connection.held.is_empty() {
            self.take_input(id, rest);
        } else {
            connection.held.push(rest, Vec::new);
            if connection.incoming.is_none() && connection.serves() {
                self.serve_held(id);
            }
        }
    }

    /// Serves a long request that is there. False: it has to wait.
    pub(super) fn serve_draft(&mut self, id: SessionId) -> bool {
        self.hold_if_flooded(id);
        let connection = &mut self.connections[id as usize];
        let need = connection.parser.need();
        if !connection.serves() || connection.incoming.as_ref().is_none_or(|draft| draft.len() < need) {
            return false;
        }
        let Some(mut draft) = connection.incoming.take() else { return false };
        self.shard.offer = Some(draft.lend());
        let used = self.serve(id, &draft);
        self.shard.offer = None;
        let connection = &mut self.connections[id as usize];
        if connection.closing != Closing::No {
            return false;
        }
        if used > 0 {
            // Behind the request some bytes of the next may have come.
            if used < draft.len() {
                connection.held.put_before(&draft[used..]);
            }
            return true;
        }
        // It waits, or is longer than was known.
        let need = connection.parser.need();
        if need > draft.len() {
            // In steps that grow with it, for a request of many arguments not to move for each.
            draft.expect(need + DRAFT_TAIL_BYTES.max(draft.len() / 16));
            // What came while it waited belongs to it.
            let mut held = std::mem::take(&mut connection.held);
            let Some(taken) = draft.fill(held.rest()) else {
                self.refuse_input(id);
                return false;
            };
            if taken == held.len() {
                self.pool.give(held.into_buffer());
            } else {
                held.pass(taken);
                connection.held = held;
            }
        }
        let connection = &mut self.connections[id as usize];
        connection.incoming = Some(draft);
        self.blocks_wanting.push(id);
        if need as u64 > self.inputs_bytes_max {
            self.refuse_input(id);
            return false;
        }
        self.connections[id as usize].serves()
    }
}
