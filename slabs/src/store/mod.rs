//! The store: pages, index, eviction and expiry put together behind one interface.
//!
//! Owns what belongs to no part alone: the budget, the number of the last change, the counts per database. It knows
//! no clock: whatever depends on time is told the time.

mod audit;
mod expiry;
mod facts;
mod hand_over;
mod occupied;
mod read;
mod reassign;
mod room;
mod stage;
#[cfg(test)]
mod tests;
mod walk;
mod watch;
mod witness;
mod write;

use crate::evict::Evictor;
use crate::hash::{Hasher, Key};
use crate::index::{Index, Slot};
use crate::item::{Raw, Wanted};
use crate::page::{ARENA_BYTES_FINE, ARENA_BYTES_MAX, Handle, Pages};
use crate::pin::Pins;
use crate::stats::Counters;
use crate::{BuildError, Options, Policy, VALUE_BYTES_MAX};
use expiry::Sweep;
pub use hand_over::Standing;
pub use occupied::Occupied;
pub use reassign::NotReassigned;
pub use stage::Staged;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
pub use watch::Arrived;
use witness::Witness;
pub use witness::{Evicted, Passage, Way};

/// Why an item leaves its chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// Deleted by a request.
    Removed,
    /// Replaced by a new value in another chunk.
    Replaced,
    /// Its time had come.
    Expired,
    /// Evicted.
    Evicted,
}

/// One shard's items.
///
/// A `Store` belongs to one thread. It allocates nothing on the path of an operation but pages of its arena and
/// blobs for large values.
pub struct Store {
    pub(crate) pages: Pages,
    pub(crate) index: Index,
    pub(crate) evictor: Evictor,
    pub(crate) policy: Policy,
    pins: Pins,
    hasher: Hasher,
    budget_bytes: u64,
    reserve_bytes: u64,
    item_bytes_max: u64,
    /// Blobs, as they are charged.
    pub(crate) large_bytes: u64,
    /// Blobs that were given up and that others hold still.
    lent_bytes: Arc<AtomicU64>,
    /// What the caller says of its buffers.
    buffer_bytes: u64,
    /// What the caller charged.
    heap_bytes: u64,
    /// Of this, what belongs to heap items that left the store and that the caller has still to free.
    heap_leaving_bytes: u64,
    /// Page records; they change only when pages do.
    table_bytes: u64,
    /// Number of the last change.
    pub(crate) change: u32,
    pub(crate) watches: watch::Watches,
    dropped: Vec<u64>,
    pub(crate) counters: Counters,
    by_db: Box<[DbCounts; 256]>,
    /// Some of these are others than when somebody asked.
    counts_changed: bool,
    sweep: Sweep,
    pub(crate) witness: Witness,
    purge_at: (u32, u32),
}

#[derive(Clone, Copy, Default)]
struct DbCounts {
    items: u64,
    volatile: u64,
}

impl Store {
    /// An empty store.
    pub fn new(options: &Options) -> Result<Store, BuildError> {
        if options.item_bytes_max > VALUE_BYTES_MAX {
            return Err(BuildError::ItemLimitTooLarge);
        }
        let minimum_bytes = room::BUDGET_BYTES_MIN;
        if options.budget_bytes < minimum_bytes {
            return Err(BuildError::BudgetTooSmall { minimum_bytes });
        }
        let reserve_bytes = match options.reserve_bytes {
            0 => room::machine_bytes().min(ARENA_BYTES_FINE),
            bytes => bytes,
        };
        let reserve_bytes = reserve_bytes.max(options.budget_bytes);
        if reserve_bytes > ARENA_BYTES_MAX {
            return Err(BuildError::BudgetTooLarge { maximum_bytes: ARENA_BYTES_MAX });
        }
        let page_bytes = room::page_bytes_for(options.budget_bytes);
        let pages = Pages::new(page_bytes, reserve_bytes, options.huge_pages).map_err(BuildError::Reserve)?;
        let huge_index = options.huge_pages && options.budget_bytes >= room::HUGE_INDEX_BUDGET_BYTES_MIN;
        let index = Index::new(reserve_bytes, huge_index).map_err(BuildError::Reserve)?;
        let evictor = Evictor::new(&pages, options.budget_bytes, options.goal);
        let mut store = Store {
            pages,
            index,
            evictor,
            policy: options.policy,
            pins: Pins::default(),
            hasher: Hasher::new(options.seeds),
            budget_bytes: options.budget_bytes,
            reserve_bytes,
            item_bytes_max: options.item_bytes_max,
            large_bytes: 0,
            lent_bytes: Arc::default(),
            buffer_bytes: 0,
            heap_bytes: 0,
            heap_leaving_bytes: 0,
            table_bytes: 0,
            change: 0,
            watches: watch::Watches::default(),
            dropped: Vec::new(),
            counters: Counters::default(),
            by_db: Box::new([DbCounts::default(); 256]),
            counts_changed: true,
            sweep: Sweep::default(),
            witness: Witness::default(),
            purge_at: (0, 0),
        };
        store.count_tables();
        Ok(store)
    }

    /// The hasher whose hashes the keys must carry.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// A new number of a change; never 0.
    #[inline]
    fn next_change(&mut self) -> u32 {
        self.change = self.change.wrapping_add(1).max(1);
        self.change
    }

    /// The item of a key, dead or alive.
    #[inline]
    fn find(&self, hash: u64, key: &Key) -> Option<(Slot, Handle)> {
        let wanted = Wanted::new(key.db, key.bytes);
        self.index.find(hash, |handle| self.pages.raw(handle).is(&wanted))
    }

    /// The live item of a key; a dead one is reclaimed.
    #[inline]
    fn find_live(&mut self, hash: u64, key: &Key, now_ms: u64) -> Option<(Slot, Handle)> {
        let (slot, handle) = self.find(hash, key)?;
        if self.pages.raw(handle).is_expired(now_ms) {
            self.expire_touched(hash, slot, handle, now_ms);
            return None;
        }
        Some((slot, handle))
    }

    #[cold]
    fn expire_touched(&mut self, hash: u64, slot: Slot, handle: Handle, now_ms: u64) {
        self.expire(hash, slot, handle, now_ms);
        self.counters.expired_by_touch += 1;
    }

    /// The whole hash of an item, as the index takes it.
    pub(crate) fn hash_of(&self, handle: Handle) -> u64 {
        hash_of(&self.pages, &self.hasher, handle)
    }

    /// Whether policy and pins allow to evict an item.
    #[inline]
    pub(crate) fn is_evictable(&self, raw: Raw) -> bool {
        !raw.is_pinned()
            && match self.policy {
                Policy::AllKeys => true,
                Policy::VolatileOnly | Policy::VolatileTtl => raw.has_expiry(),
                Policy::NoEviction => false,
            }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.free_blobs();
    }
}

fn hash_of(pages: &Pages, hasher: &Hasher, handle: Handle) -> u64 {
    let raw = pages.raw(handle);
    crate::hash::slot_hash(hasher.hash(raw.key()), raw.db())
}
