//! Counters and figures per class that a store reports.

/// What happened since the store was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Items evicted for room.
    pub evicted: u64,
    /// Of these, items that were never read after they were written.
    pub evicted_unread: u64,
    /// Items reclaimed because their time had come.
    pub expired: u64,
    /// Of these, items found by a request and not by the sweep.
    pub expired_by_touch: u64,
    /// Of the expired, items that were not read lately.
    pub expired_unread: u64,
    /// Entries that the sweep looked at.
    pub swept: u64,
    /// Keys that came back while a ghost remembered them.
    pub ghost_hits: u64,
    /// Pages that went from one class to another.
    pub page_moves: u64,
    /// Items that were copied so that their page could go.
    pub rescued: u64,
    /// Writes that were refused for want of memory.
    pub refused: u64,
}

/// One size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Bytes of one chunk; 0 for classes of large values.
    pub chunk_bytes: u32,
    /// The largest item of the class.
    pub item_bytes_max: u64,
    /// Pages held.
    pub pages: u64,
    /// Chunks that hold an item.
    pub chunks_used: u64,
    /// Chunks that hold nothing.
    pub chunks_free: u64,
    /// Bytes that items asked for (header, optional fields, key and value).
    pub requested_bytes: u64,
    /// Bytes of used chunks that items did not ask for.
    pub waste_bytes: u64,
    /// Items evicted.
    pub evicted: u64,
    /// Keys that came back while a ghost of this class remembered them.
    pub ghost_hits: u64,
    /// Pages given to other classes.
    pub pages_given: u64,
    /// Pages taken from other classes.
    pub pages_taken: u64,
    /// How many changes ago the item that was evicted last was written: the age of the frontier.
    pub frontier_age: u64,
}

/// What one call of [`Store::sweep`](crate::Store::sweep) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Entries looked at.
    pub examined: u64,
    /// Entries reclaimed.
    pub expired: u64,
    /// More is (or may be) due already: call again soon.
    pub pending: bool,
    /// How long past its time the latest of the reclaimed was.
    pub late_ms_max: u64,
}

/// Expiry as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiryStats {
    /// Items with an expiry.
    pub volatile: u64,
    /// Estimate: items that are dead and not reclaimed yet.
    pub unreclaimed: u64,
    /// At most this long ago the oldest of them died.
    pub late_ms: u64,
    /// The longest that anything was reclaimed after its time, since the store was built.
    pub late_ms_max: u64,
}
