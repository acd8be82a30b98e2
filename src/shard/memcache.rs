//! What memcached's commands count, and a flush that they asked for in advance.

use crate::metrics::{Counter, Metrics};
use std::ops::{Deref, DerefMut};

/// Counts of memcached's commands on one shard since the start or the last `stats reset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemcacheCounters {
    /// Keys asked for by get, gets and mg without a time to set.
    pub get_commands: u64,
    /// Data blocks that were to be stored.
    pub set_commands: u64,
    /// Keys asked for by touch, gat, gats and mg with a time to set.
    pub touch_commands: u64,
    /// `flush_all`; counted by one core for all.
    pub flush_commands: u64,
    /// Hits of those.
    pub get_hits: u64,
    /// Misses of those.
    pub get_misses: u64,
    /// Hits of delete.
    pub delete_hits: u64,
    /// Misses of delete.
    pub delete_misses: u64,
    /// Hits of incr.
    pub incr_hits: u64,
    /// Misses of incr.
    pub incr_misses: u64,
    /// Hits of decr.
    pub decr_hits: u64,
    /// Misses of decr.
    pub decr_misses: u64,
    /// cas that found its unique.
    pub cas_hits: u64,
    /// cas without an item.
    pub cas_misses: u64,
    /// cas with another unique.
    pub cas_badval: u64,
    /// Hits of touch and gat.
    pub touch_hits: u64,
    /// Misses of touch and gat.
    pub touch_misses: u64,
    /// Values refused because they are too large.
    pub store_too_large: u64,
    /// Values refused for want of memory.
    pub store_no_memory: u64,
    /// Items stored.
    pub total_items: u64,
    /// `me`: memcached counts no other of the meta commands here.
    pub meta_commands: u64,
    /// Misses of get whose key a flush has just taken.
    pub get_flushed: u64,
}

impl MemcacheCounters {
    /// The counts with the counters of the process that show them.
    pub fn pairs(&self) -> [(Counter, u64); 22] {
        [
            (Counter::GetCommands, self.get_commands),
            (Counter::SetCommands, self.set_commands),
            (Counter::TouchCommands, self.touch_commands),
            (Counter::FlushCommands, self.flush_commands),
            (Counter::GetHits, self.get_hits),
            (Counter::GetMisses, self.get_misses),
            (Counter::DeleteHits, self.delete_hits),
            (Counter::DeleteMisses, self.delete_misses),
            (Counter::IncrHits, self.incr_hits),
            (Counter::IncrMisses, self.incr_misses),
            (Counter::DecrHits, self.decr_hits),
            (Counter::DecrMisses, self.decr_misses),
            (Counter::CasHits, self.cas_hits),
            (Counter::CasMisses, self.cas_misses),
            (Counter::CasBadval, self.cas_badval),
            (Counter::TouchHits, self.touch_hits),
            (Counter::TouchMisses, self.touch_misses),
            (Counter::StoreTooLarge, self.store_too_large),
            (Counter::StoreNoMemory, self.store_no_memory),
            (Counter::TotalItems, self.total_items),
            (Counter::MetaCommands, self.meta_commands),
            (Counter::GetFlushed, self.get_flushed),
        ]
    }

    /// Shows the counts in the metrics of the core that owns the shard.
    pub fn publish(&self, metrics: &Metrics) {
        for (counter, count) in self.pairs() {
            metrics.set(counter, count);
        }
    }
}

/// The counts of a shard. Turns without a command of memcached's, which are all of them where only Redis's clients are, do
/// not show them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counting {
    counters: MemcacheCounters,
    /// Some may have changed since they were shown.
    changed: bool,
}

impl Counting {
    /// Shows the counts as [`MemcacheCounters::publish`] does, if they have changed.
    #[inline]
    pub fn publish_changed(&mut self, metrics: &Metrics) {
        if std::mem::take(&mut self.changed) {
            self.counters.publish(metrics);
        }
    }
}

impl Deref for Counting {
    type Target = MemcacheCounters;

    #[inline]
    fn deref(&self) -> &MemcacheCounters {
        &self.counters
    }
}

impl DerefMut for Counting {
    #[inline]
    fn deref_mut(&mut self) -> &mut MemcacheCounters {
        self.changed = true;
        &mut self.counters
    }
}

/// A database that is to be flushed when its time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingFlush {
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// Which logical database.
    pub db: u8,
}
