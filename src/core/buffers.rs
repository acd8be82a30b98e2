//! What the buffers of a core take, and who has to go when that is too much.
//!
//! Buffers are counted where they are touched: each connection once in a turn in which anything happened to it, the pool
//! with every buffer that it takes or gives, parcels when they leave and when they are opened. The sum is in the
//! store's ledger, and no data is evicted for it. It has bounds of its own: one for requests that are still coming (or
//! wait for `EXEC`), which are to become data mostly, and a closer one for everything else. Beyond them buffers for reuse
//! are given back, and then the clients with the most waiting are closed, the greatest first. (One client alone may
//! hold more of it, so that a value which can be stored can be read.)
//!
//! A large value that is sent from where it lies costs nothing more as long as its item is there. Only values whose
//! items are gone are counted, by the store that had them.

use super::Core;
use crate::connection::{Closing, Connection, Holding};
use crate::metrics::{Counter, sum};
use crate::parameters::OutputLimit;
use crate::session::SessionId;
use std::cmp::Reverse;

/// Sums over the connections of a core.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// What they hold.
    held: Holding,
    /// The most that all but requests may take.
    pub bytes_max: u64,
    /// `client-output-buffer-limit` of ordinary clients.
    pub output_limit: OutputLimit,
    /// The same of those who listen.
    pub listener_limit: OutputLimit,
    /// Parcels that found no room in the mesh, as of the last turn.
    pub outbox: u64,
    /// What the driver receives into.
    pub receiving: u64,
}

impl Buffers {
    /// Counts a connection's buffers anew.
    #[inline]
    pub fn recount(&mut self, connection: &mut Connection) {
        let held = connection.held_bytes();
        self.held.add(&held);
        self.held.take(&std::mem::replace(&mut connection.counted, held));
    }

    /// A connection is gone.
    pub fn forget(&mut self, connection: &Connection) {
        self.held.take(&connection.counted);
    }
}

impl Core {
    /// Bytes of all buffers of this core, lent values apart.
    #[inline]
    fn buffer_bytes(&self) -> u64 {
        let Holding { input, output, .. } = self.buffers.held;
        let reused = self.pool.bytes() as u64 + slabs::spare_blob_bytes();
        (input + output) as u64 + reused + self.buffers.outbox + self.buffers.receiving
    }

    /// Tells the ledger, and looks whether the bounds are kept.
    #[inline]
    pub(super) fn settle_buffers(&mut self) {
        self.shard.store.set_buffer_bytes(self.buffer_bytes());
        let Holding { arrived, output, lent, .. } = self.buffers.held;
        if (output + lent + self.pool.bytes()) as u64 > self.buffers.bytes_max
            || arrived as u64 > self.inputs_bytes_max
        {
            self.shed_buffers();
        }
    }

    #[cold]
    fn shed_buffers(&mut self) {
        self.metrics().set(Counter::LentBytes, self.shard.store.lent_bytes());
        // Of what is lent here no more is lost to the stores than they say in all.
        let gone = sum(&self.shared.metrics, Counter::LentBytes) as usize;
        let output = self.buffers.held.output + self.buffers.held.lent.min(gone);
        let over = (output + self.pool.bytes()) as u64 > self.buffers.bytes_max;
        if over {
            self.pool.clear();
        }
        let size = |held: &Holding| held.output + held.lent.min(gone);
        // One reply may be greater than the bound, as long as a request might be: a value that can be stored can be read.
        let greatest =
            self.connections.iter().map(|connection| size(&connection.counted)).max().unwrap_or(0) as u64;
        let spared = greatest.min(self.inputs_bytes_max);
        self.close_greatest((output as u64).saturating_sub(self.buffers.bytes_max + spared), size);
        let over = (self.buffers.held.arrived as u64).saturating_sub(self.inputs_bytes_max);
        self.close_greatest(over, |held| held.arrived);
        self.shard.store.set_buffer_bytes(self.buffer_bytes());
    }

    /// Closes the clients with most of something, until so many bytes less of it are held.
    fn close_greatest(&mut self, over: u64, size: impl Fn(&Holding) -> usize) {
        let mut over = over;
        if over == 0 {
            return;
        }
        let mut victims: Vec<(usize, SessionId)> = Vec::new();
        for (id, session) in self.sessions.iter() {
            let connection = &self.connections[id as usize];
            let bytes = size(&connection.counted);
            if connection.closing >= Closing::Now {
                // What it holds is on its way back.
                over = over.saturating_sub(bytes as u64);
            } else if !session.no_evict && bytes > 0 {
                victims.push((bytes, id));
            }
        }
        victims.sort_unstable_by_key(|victim| Reverse(*victim));
        for (bytes, id) in victims {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(bytes as u64);
            self.close_for_buffers(id);
        }
    }

    /// Closes the client if it has more output waiting than the user allows.
    #[inline]
    pub(super) fn check_output_limit(&mut self, id: SessionId) {
        if *self.output_limit(id) != OutputLimit::default() {
            self.apply_output_limit(id);
        }
    }

    /// How much may wait for a client.
    #[inline]
    pub(super) fn output_limit(&self, id: SessionId) -> &OutputLimit {
        match self.connections[id as usize].listening_bytes {
            0 => &self.buffers.output_limit,
            _ => &self.buffers.listener_limit,
        }
    }

    /// The output of clients is beyond any bound: not even one reply as large as a request may be explains it.
    #[inline]
    pub(super) fn has_too_much_output(&self) -> bool {
        self.buffers.held.output as u64 > self.buffers.bytes_max + self.inputs_bytes_max
    }

    /// A client that is being closed will not read what waits for it.
    pub(super) fn drop_output(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        connection.out = Vec::new();
        connection.pieces = Vec::new();
        connection.pieces_bytes = 0;
        self.buffers.recount(connection);
    }

    #[cold]
    fn apply_output_limit(&mut self, id: SessionId) {
        let OutputLimit { hard_bytes, soft_bytes, soft_seconds } = *self.output_limit(id);
        let now_us = self.now.mono_us;
        let connection = &mut self.connections[id as usize];
        let bytes = connection.unsent_bytes() as u64;
        if connection.client_id == 0 || connection.closing >= Closing::Now {
            return;
        }
        if soft_bytes == 0 || bytes <= soft_bytes {
            connection.over_soft_us = 0;
        } else if connection.over_soft_us == 0 {
            connection.over_soft_us = now_us;
        }
        let since_us = connection.over_soft_us;
        let too_long = since_us != 0 && now_us - since_us > soft_seconds.saturating_mul(1_000_000);
        if hard_bytes > 0 && bytes > hard_bytes || too_long {
            self.close_for_buffers(id);
        }
    }

    /// Closes a client whose buffers take too much.
    pub(super) fn close_for_buffers(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        let (output, input) = (connection.unsent_bytes(), connection.input_bytes());
        connection.closing = Closing::Now;
        self.mark_dirty(id);
        let counter = if output >= input {
            Counter::OutputLimitDisconnections
        } else {
            Counter::QueryLimitDisconnections
        };
        self.metrics().add(counter, 1);
        self.log_buffers(id, output, input);
    }

    /// What connections hold, as it was counted and as it is, for tests.
    pub fn held_as_counted_and_as_is(&self) -> (Holding, Holding) {
        let mut held = Holding::default();
        for connection in self.connections.iter().filter(|connection| connection.client_id != 0) {
            held.add(&connection.held_bytes());
        }
        (self.buffers.held, held)
    }
}
