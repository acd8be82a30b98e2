//! Counters of one core, written by that core alone and read by all: relaxed atomics, no lock, no
//! read-modify-write. They are published before the turn's replies leave, so that a client that
//! has its reply finds the request counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is counted. Gauges are set, the others only grow until `CONFIG RESETSTAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Connections taken since the start.
    ConnectionsReceived,
    /// Connections refused because `maxclients` was reached.
    ConnectionsRejected,
    /// Gauge: clients connected now.
    Connections,
    /// Commands executed for this core's clients.
    Commands,
    /// Bytes read from clients.
    BytesIn,
    /// Bytes sent to clients.
    BytesOut,
    /// Error replies.
    Errors,
    /// Look-ups that found a live key.
    Hits,
    /// Look-ups that did not.
    Misses,
    /// Items reclaimed because they had expired.
    Expired,
    /// Items evicted for want of room.
    Evicted,
    /// Changes of the data set.
    Changes,
    /// Gauge: items in the shard.
    Items,
    /// Gauge: the ledger's total, bytes.
    UsedBytes,
    /// Gauge: the highest ledger total seen.
    PeakBytes,
    /// Gauge: bytes of keys, values and headers in use (`used_memory_dataset`).
    DatasetBytes,
    /// Gauge: bytes of the index.
    IndexBytes,
    /// Gauge: bytes of the buffers of connections.
    BufferBytes,
    /// Requests that went to another core.
    Hops,
    /// Mails sent to other cores.
    Mails,
    /// Turns of the loop.
    Turns,
    /// memcached: retrieval commands (keys asked for).
    GetCommands,
    /// memcached: storage commands.
    SetCommands,
    /// memcached: touch commands.
    TouchCommands,
    /// memcached: `flush_all`.
    FlushCommands,
    /// memcached: hits of get and gat.
    GetHits,
    /// memcached: misses of get and gat.
    GetMisses,
    /// memcached: hits of delete.
    DeleteHits,
    /// memcached: misses of delete.
    DeleteMisses,
    /// memcached: hits of incr.
    IncrHits,
    /// memcached: misses of incr.
    IncrMisses,
    /// memcached: hits of decr.
    DecrHits,
    /// memcached: misses of decr.
    DecrMisses,
    /// memcached: cas that found its unique.
    CasHits,
    /// memcached: cas without an item.
    CasMisses,
    /// memcached: cas with another unique.
    CasBadval,
    /// memcached: hits of touch and gat.
    TouchHits,
    /// memcached: misses of touch and gat.
    TouchMisses,
    /// memcached: values refused because they are too large.
    StoreTooLarge,
    /// memcached: values refused for want of memory.
    StoreNoMemory,
    /// memcached: items stored (`total_items`).
    TotalItems,
    /// Number of counters, not one itself.
    Count,
}

/// Logical databases that have counts of their own in `INFO keyspace`.
pub const DATABASES_MAX: usize = 256;

/// Rows of the command table that are counted.
pub const ROWS_MAX: usize = 1024;

/// One core's counters.
pub struct Metrics {
    counters: [AtomicU64; Counter::Count as usize],
    keys: Vec<AtomicU64>,
    expires: Vec<AtomicU64>,
    /// Calls, by row of the command table.
    calls: Vec<AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let zeroes = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Metrics {
            counters: [const { AtomicU64::new(0) }; Counter::Count as usize],
            keys: zeroes(DATABASES_MAX),
            expires: zeroes(DATABASES_MAX),
            calls: zeroes(ROWS_MAX),
        }
    }
}

impl Metrics {
    /// Adds to a counter; only the owning core may.
    #[inline]
    pub fn add(&self, counter: Counter, by: u64) {
        let cell = &self.counters[counter as usize];
        cell.store(cell.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// Counts a call of a command; only the owning core may.
    #[inline]
    pub fn command(&self, row: u16) {
        let cell = &self.calls[row as usize];
        cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Calls of a command so far.
    pub fn calls(&self, row: u16) -> u64 {
        self.calls[row as usize].load(Relaxed)
    }

    /// Sets a gauge; only the owning core may.
    #[inline]
    pub fn set(&self, counter: Counter, to: u64) {
        self.counters[counter as usize].store(to, Relaxed);
    }

    /// Reads a counter or gauge.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Relaxed)
    }

    /// Publishes a logical database's items and how many of them expire.
    pub fn set_db(&self, db: u8, keys: u64, expires: u64) {
        self.keys[db as usize].store(keys, Relaxed);
        self.expires[db as usize].store(expires, Relaxed);
    }

    /// Items of a logical database, and how many of them expire.
    pub fn db(&self, db: u8) -> (u64, u64) {
        (self.keys[db as usize].load(Relaxed), self.expires[db as usize].load(Relaxed))
    }
}

/// A counter over all cores.
pub fn sum(cores: &[Metrics], counter: Counter) -> u64 {
    cores.iter().map(|m| m.get(counter)).sum()
}
