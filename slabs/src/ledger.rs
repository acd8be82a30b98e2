//! Where a store's bytes are, by use.

/// All memory of a store, exactly, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Slab pages held, used or not.
    pub pages: u64,
    /// Index buckets committed.
    pub index: u64,
    /// Blobs of large values as the process allocator rounds them.
    pub large: u64,
    /// Ghost entries of eviction.
    pub ghosts: u64,
    /// Order of eviction: queues and clocks.
    pub order: u64,
    /// Records per page and class, and the pins.
    pub tables: u64,
    /// What the caller charged: collections.
    pub heap: u64,
    /// The caller's buffers, and large values that somebody reads still although their items are gone. No data is evicted
    /// for them.
    pub buffers: u64,
    /// The limit of all but the buffers.
    pub budget: u64,
}

impl Ledger {
    /// Everything that counts against the budget.
    pub fn data(&self) -> u64 {
        self.pages + self.index + self.large + self.ghosts + self.order + self.tables + self.heap
    }

    /// All memory: data and buffers.
    pub fn total(&self) -> u64 {
        self.data() + self.buffers
    }
}
