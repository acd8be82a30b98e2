//! Eviction: which item has to go when a class needs a chunk, and which page when memory has to go.
//!
//! Two decisions, and neither costs a hit more than bits in the item's header:
//!
//! - **Within a class**, S3-FIFO: a new item enters the small queue; if it was used by the time it is at the front it
//!   goes on to the main queue, else it leaves and its ghost stays ([`Ghosts`]). A key that comes back while its ghost
//!   is known enters main at once. In main, a used item goes round again, up to three times for as many uses.
//! - **Between classes** ([`Worth`]): every front knows when it is due, later for what is worth more per byte. A class
//!   in need evicts its own front; if another class's front is due earlier by more than a page would change, a page
//!   goes over (`moves`): the giver evicts from its fronts until what is left fits in a page less, and the items of
//!   the emptiest page are copied to the others.
//!
//! Queues are kept only once memory has run out ([`Evictor::order`]): until then the order of chunks in their pages is
//! the order of arrival, and pages from that time are gone through before the queues (`unlisted`).
//!
//! The policies that spare items without an expiry look for their victims in the pages that have some (`volatile`).
//!
//! Owns queues, ghosts and the arithmetic. Chunks, index and counts are changed by the store's own functions.

mod ghosts;
mod moves;
mod order;
mod victim;
mod volatile;
mod worth;

#[cfg(test)]
mod tests;

use crate::class::ClassId;
use crate::index::Index;
use crate::page::{Handle, PageId, Pages};
use crate::stats::ClassStats;
use crate::store::Gone;
use crate::{EvictionGoal, item};
use ghosts::Ghosts;
use moves::Drain;
use order::{Queue, Segments, entry_of, hash_bits};
use worth::{NEVER, Worth};

/// A class's queues are cleared of stale entries when these are more than half of the entries and this many.
const STALE_MIN: u32 = 128;
/// Entries that are looked at for that, with each insertion.
const STALE_LOOKS: u32 = 4;
/// The first part of a ghost row: keys that a slightly larger queue would have kept.
const MARGIN_RANKS: usize = 2;
/// Evictions between two looks at the ghosts' number.
const FIT_EVICTIONS: u64 = 1024;

/// Queues and counts of one class.
struct Class {
    small: Queue,
    main: Queue,
    /// Pages from before there were queues, the next one last; their unmarked items are in no queue.
    unlisted: Vec<PageId>,
    /// Next slot in the last of them.
    unlisted_slot: u32,
    unlisted_level: f64,
    /// Entries whose items are gone, at most.
    stale: u32,
    /// Where `volatile` and `moves` looked last in the class's pages.
    hand: usize,
    evicted: u64,
    ghost_hits: u64,
    pages_given: u64,
    pages_taken: u64,
    frontier_age: u64,
}

/// The order of eviction.
pub(crate) struct Evictor {
    classes: Vec<Class>,
    segments: Segments,
    worth: Worth,
    ghosts: Ghosts,
    /// Memory ran out at some time: queues are kept.
    ordered: bool,
    /// Queues serve a policy that spares items without an expiry, too: most have one.
    serves: bool,
    drain: Option<Drain>,
    /// Pages stay in their classes as long as these can help themselves.
    pub(crate) pages_stay: bool,
    page_moves: u64,
    ghost_hits: u64,
    evicted: u64,
    /// Bytes of everything but segments and ghosts.
    table_bytes: u64,
}

impl Evictor {
    /// For a store with these classes.
    pub(crate) fn new(pages: &Pages, budget_bytes: u64, goal: EvictionGoal) -> Evictor {
        let classes = pages.classes();
        let count = classes.count();
        let sizes = (0..count as ClassId).map(|class| typical_bytes(pages, class));
        let mut evictor = Evictor {
            classes: (0..count)
                .map(|_| Class {
                    small: Queue::NEW,
                    main: Queue::NEW,
                    unlisted: Vec::new(),
                    unlisted_slot: 0,
                    unlisted_level: 0.0,
                    stale: 0,
                    hand: 0,
                    evicted: 0,
                    ghost_hits: 0,
                    pages_given: 0,
                    pages_taken: 0,
                    frontier_age: 0,
                })
                .collect(),
            segments: Segments::default(),
            worth: Worth::new(sizes, budget_bytes, goal),
            ghosts: Ghosts::default(),
            ordered: false,
            serves: false,
            drain: None,
            pages_stay: false,
            page_moves: 0,
            ghost_hits: 0,
            evicted: 0,
            table_bytes: 0,
        };
        evictor.count_tables();
        evictor
    }

    // -- what the store reports

    /// An item of this hash is going to be inserted: asks the CPU for what that needs.
    #[inline]
    pub(crate) fn prefetch(&self, slot_hash: u64) {
        self.ghosts.prefetch(slot_hash);
    }

    /// A new item stands in `handle`: header and key, perhaps not yet its value, and not yet in the index. Its
    /// frequency is 0, or that of the item that it replaces.
    #[inline]
    pub(crate) fn on_insert(&mut self, pages: &Pages, index: &Index, handle: Handle, slot_hash: u64) {
        if self.ordered || pages.raw(handle).is_large() {
            self.enter(pages, index, handle, slot_hash);
        }
    }

    fn enter(&mut self, pages: &Pages, index: &Index, handle: Handle, slot_hash: u64) {
        // Not `weigh`: the value is not written yet. What weighs more is found at the front.
        let id = pages.eviction_class(handle);
        let class = usize::from(id);
        let raw = pages.raw(handle);
        let mut to_main = false;
        if let Some(ghost) = self.ghosts.take(slot_hash) {
            to_main = true;
            self.ghost_hits += 1;
            self.classes[class].ghost_hits += 1;
            if ghost.rank < MARGIN_RANKS {
                self.worth.note_small_share(!ghost.from_main, index.count());
            }
            if self.worth.note_return(class) {
                self.settle_appetites(pages);
            }
        }
        if self.is_stale(pages, id) {
            self.drop_stale(pages, index, class);
        }
        raw.set_main(to_main);
        self.list(pages, class, raw, entry_of(slot_hash), to_main);
    }

    /// The item in `handle` is about to leave its chunk.
    #[inline]
    pub(crate) fn on_remove(&mut self, pages: &Pages, handle: Handle, _gone: Gone) {
        if pages.raw(handle).mark() != 0 {
            self.classes[usize::from(weigh(pages, handle))].stale += 1;
        }
    }

    /// The item was copied to another chunk. One that is in no queue enters the small one, since the page that it is
    /// in now may not be gone through any more.
    pub(crate) fn on_move(&mut self, pages: &Pages, to: Handle, slot_hash: u64) {
        let raw = pages.raw(to);
        if self.ordered && raw.mark() == 0 {
            self.list(pages, usize::from(weigh(pages, to)), raw, entry_of(slot_hash), false);
        }
    }

    /// The store was emptied.
    pub(crate) fn on_clear(&mut self) {
        for class in &mut self.classes {
            (class.small, class.main, class.stale) = (Queue::NEW, Queue::NEW, 0);
            class.unlisted = Vec::new();
        }
        self.segments.clear();
        self.ghosts.clear();
        self.worth.clear();
        self.ordered = false;
        self.drain = None;
        self.count_tables();
    }

    /// The goal changed.
    pub(crate) fn set_goal(&mut self, goal: EvictionGoal) {
        self.worth.set_goal(goal);
    }

    /// The budget changed.
    pub(crate) fn set_budget(&mut self, budget_bytes: u64) {
        self.worth.set_budget(budget_bytes);
    }

    // -- what the store asks

    /// Bytes of queues.
    #[inline]
    pub(crate) fn order_bytes(&self) -> u64 {
        self.segments.bytes() + self.table_bytes
    }

    /// Bytes of ghosts.
    #[inline]
    pub(crate) fn ghost_bytes(&self) -> u64 {
        self.ghosts.bytes()
    }

    /// Pages moved between classes, hits on ghosts.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.page_moves, self.ghost_hits)
    }

    /// Adds what eviction knows of a class.
    pub(crate) fn describe(&self, class: ClassId, stats: &mut ClassStats) {
        let class = &self.classes[usize::from(class)];
        stats.evicted = class.evicted;
        stats.ghost_hits = class.ghost_hits;
        stats.pages_given = class.pages_given;
        stats.pages_taken = class.pages_taken;
        stats.frontier_age = class.frontier_age;
    }

    // -- queues

    /// From now on there are queues. What is here already is found in its pages.
    pub(crate) fn order(&mut self, pages: &Pages, items: u64) {
        if self.ordered {
            return;
        }
        self.ordered = true;
        self.ghosts.fit(items);
        for id in 0..pages.classes().descriptor() {
            let class = &mut self.classes[usize::from(id)];
            class.unlisted = pages.of_class(id).to_vec();
            class.unlisted.sort_unstable_by_key(|&page| std::cmp::Reverse(page));
            class.unlisted_slot = 0;
            class.unlisted_level = self.worth.level();
            self.refresh(pages, usize::from(id));
        }
        self.count_tables();
    }

    /// Enters an item in a queue of its class, and marks it so.
    #[inline]
    fn list(&mut self, pages: &Pages, class: usize, raw: item::Raw, entry: order::Entry, to_main: bool) {
        let stamp = self.worth.stamp(class);
        let queues = &mut self.classes[class];
        let queue = if to_main { &mut queues.main } else { &mut queues.small };
        raw.set_mark(self.segments.push(queue, entry, stamp));
        if queue.len() == 1 {
            self.refresh(pages, class);
        }
    }

    /// Tells the arithmetic what stands at the fronts.
    #[inline]
    fn refresh(&mut self, pages: &Pages, class: usize) {
        let queues = &self.classes[class];
        let level = |queue: &Queue| match self.segments.front(queue) {
            Some(front) => self.worth.level_of(class, front.stamp),
            None => NEVER,
        };
        let small = if queues.unlisted.is_empty() { level(&queues.small) } else { queues.unlisted_level };
        let main = level(&queues.main);
        let (in_small, in_main) = (f64::from(queues.small.len()), f64::from(queues.main.len()));
        let main_part =
            if queues.unlisted.is_empty() { in_main / (in_small + in_main).max(1.0) } else { 1.0 };
        self.worth.set_front(class, small, main, main_part, self.pages_of(pages, class));
    }

    /// Pages that a class holds; for a large class, what its values would fill.
    #[inline]
    fn pages_of(&self, pages: &Pages, class: usize) -> f64 {
        let id = class as ClassId;
        if !pages.classes().is_large(id) {
            return pages.of_class(id).len() as f64;
        }
        let items = self.classes[class].small.len() + self.classes[class].main.len();
        f64::from(items) * typical_bytes(pages, id) / pages.page_bytes() as f64
    }

    fn settle_appetites(&mut self, pages: &Pages) {
        let held: Vec<f64> = (0..self.classes.len()).map(|class| self.pages_of(pages, class)).collect();
        self.worth.settle_appetites(|class| held[class]);
    }

    /// Whether more than half of a class's entries have no item, as far as is known.
    #[inline]
    fn is_stale(&self, pages: &Pages, id: ClassId) -> bool {
        let queues = &self.classes[usize::from(id)];
        let len = queues.small.len() + queues.main.len();
        if len < STALE_MIN {
            return false;
        }
        // An item may weigh something else when it goes than when it came, and be missing in the count.
        let missing = !pages.classes().is_large(id) && u64::from(len) > pages.chunks_used(id) * 2;
        queues.stale > len / 2 || missing
    }

    /// Takes stale entries from the fronts of a class's queues; what is found alive goes to the end.
    fn drop_stale(&mut self, pages: &Pages, index: &Index, class: usize) {
        let queues = &self.classes[class];
        let to_main = queues.main.len() > queues.small.len();
        for _ in 0..STALE_LOOKS {
            let queues = &mut self.classes[class];
            let queue = if to_main { &mut queues.main } else { &mut queues.small };
            let Some(front) = self.segments.front(queue) else { break };
            self.segments.pop(queue);
            queues.stale = queues.stale.saturating_sub(1);
            if let Some(handle) = find(pages, index, &front, to_main) {
                self.list(pages, class, pages.raw(handle), front.entry, to_main);
            }
        }
        self.refresh(pages, class);
        self.tidy();
    }

    /// Gives memory of segments back, a block at most.
    fn tidy(&mut self) {
        if self.segments.is_sparse() {
            let queues = self.classes.iter_mut().flat_map(|class| [&mut class.small, &mut class.main]);
            self.segments.shrink(queues);
        }
    }

    /// Counts the tables anew.
    fn count_tables(&mut self) {
        let unlisted: usize = self.classes.iter().map(|class| class.unlisted.capacity() * 4).sum();
        let classes = self.classes.capacity() * size_of::<Class>();
        self.table_bytes = (unlisted + classes) as u64 + self.worth.bytes();
    }
}

/// The item that an entry names, if it is still in that queue.
#[inline]
fn find(pages: &Pages, index: &Index, front: &order::Front, in_main: bool) -> Option<Handle> {
    let bits = hash_bits(front.entry);
    for high in 0..=(index.buckets() - 1) >> 24 {
        let found = index.find(bits | high << 24, |handle| {
            let raw = pages.raw(handle);
            raw.mark() == front.mark && raw.is_main() == in_main
        });
        if let Some((_, handle)) = found {
            return Some(handle);
        }
    }
    None
}

/// The class that an item counts under: one of large values if it, or the structure that it is a handle to, is large.
#[inline]
fn weigh(pages: &Pages, handle: Handle) -> ClassId {
    let class = pages.eviction_class(handle);
    let raw = pages.raw(handle);
    if !raw.is_heap() {
        return class;
    }
    match raw.value().get(8..16).and_then(|bytes| bytes.first_chunk::<8>()) {
        Some(&bytes) if u64::from_ne_bytes(bytes) >= 2048 => {
            pages.classes().of_blob(u64::from_ne_bytes(bytes).min(1 << 40) as usize)
        }
        _ => class,
    }
}

/// Bytes of an item of the class, about.
fn typical_bytes(pages: &Pages, class: ClassId) -> f64 {
    let classes = pages.classes();
    let most = classes.item_bytes_max(class) as f64;
    if classes.is_large(class) { most * 0.8 } else { most }
}
