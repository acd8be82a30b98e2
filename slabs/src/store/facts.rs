//! What a store can tell about itself.

use super::Store;
use crate::class::ClassId;
use crate::stats::{ClassStats, Counters};
use crate::{EvictionGoal, Ledger, Policy};

impl Store {
    /// Items, dead ones that are not reclaimed yet included.
    pub fn len(&self) -> u64 {
        self.index.count()
    }

    /// No items at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Items of one database.
    pub fn len_db(&self, db: u8) -> u64 {
        self.by_db[usize::from(db)].items
    }

    /// Items of one database that have an expiry.
    pub fn expires_db(&self, db: u8) -> u64 {
        self.by_db[usize::from(db)].volatile
    }

    /// Whether `len_db` or `expires_db` of any database may be another than at the last call.
    #[inline]
    pub fn take_counts_changed(&mut self) -> bool {
        std::mem::take(&mut self.counts_changed)
    }

    /// Where the bytes are.
    pub fn ledger(&self) -> Ledger {
        Ledger {
            pages: self.pages.held_bytes(),
            index: self.index.bytes(),
            large: self.large_bytes,
            ghosts: self.evictor.ghost_bytes(),
            order: self.evictor.order_bytes(),
            tables: self.table_bytes,
            heap: self.heap_bytes,
            buffers: self.buffer_bytes + self.lent_bytes(),
            budget: self.budget_bytes,
        }
    }

    /// The budget.
    pub fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// Pages that are held and belong to no class.
    pub fn spare_pages(&self) -> u64 {
        self.pages.spare_count()
    }

    /// How many size classes there are.
    pub fn class_count(&self) -> usize {
        self.pages.classes().count()
    }

    /// The size classes, those of large values last.
    pub fn classes(&self) -> Vec<ClassStats> {
        let classes = self.pages.classes();
        let mut all: Vec<ClassStats> = (0..classes.count() as ClassId)
            .map(|class| {
                let mut stats = ClassStats {
                    chunk_bytes: classes.chunk_bytes(class) as u32,
                    item_bytes_max: classes.item_bytes_max(class),
                    ..ClassStats::default()
                };
                if !classes.is_large(class) {
                    stats.pages = self.pages.of_class(class).len() as u64;
                    stats.chunks_used = self.pages.chunks_used(class);
                    stats.chunks_free =
                        stats.pages * classes.chunks_per_page(class) as u64 - stats.chunks_used;
                    stats.requested_bytes = self.pages.requested_bytes(class);
                    stats.waste_bytes =
                        stats.chunks_used * u64::from(stats.chunk_bytes) - stats.requested_bytes;
                }
                self.evictor.describe(class, &mut stats);
                stats
            })
            .collect();
        self.describe_large(&mut all);
        all
    }

    /// Large values, counted by going through their descriptors.
    fn describe_large(&self, all: &mut [ClassStats]) {
        let classes = self.pages.classes();
        for &page in self.pages.of_class(classes.descriptor()) {
            for slot in 0..self.pages.slots_in(page) {
                let Some((handle, raw)) = self.pages.live(page, slot) else { continue };
                let stats = &mut all[usize::from(self.pages.eviction_class(handle))];
                let payload = (raw.key_len() + raw.value_len()) as u64;
                stats.chunks_used += 1;
                stats.requested_bytes += payload;
                stats.waste_bytes += crate::large::charged_bytes(raw.blob()) - payload;
            }
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        let (page_moves, ghost_hits) = self.evictor.counts();
        Counters { page_moves, ghost_hits, ..self.counters }
    }

    /// What may be evicted.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Changes what may be evicted.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Changes what eviction maximises.
    pub fn set_goal(&mut self, goal: EvictionGoal) {
        self.evictor.set_goal(goal);
    }

    /// Changes the largest value that is taken, at most 1 GiB.
    pub fn set_item_bytes_max(&mut self, bytes: u64) {
        self.item_bytes_max = bytes.min(crate::VALUE_BYTES_MAX);
    }
}
