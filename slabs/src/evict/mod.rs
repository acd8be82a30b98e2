//! Eviction: which item has to go when a class needs a chunk, and which page when memory has to go.
//!
//! The store calls:
//!
//! - [`Evictor::on_insert`] when a new item stands in its chunk (header, key written; value perhaps not yet; index
//!   entry not yet). Sets what eviction wants to know in the header (`MAIN`, frequency, mark) and enters queues.
//!   An item that outgrows its chunk is a new item in another chunk that inherits the old one's frequency.
//! - [`Evictor::on_remove`] when an item leaves its chunk for any reason ([`Gone`]), while its header can still be
//!   read. Whoever keeps handles in a queue forgets this one here, or finds out by himself later that the slot is
//!   free or holds another item.
//! - [`Evictor::on_move`] when an item was copied to another chunk by `Store::move_item`.
//! - a hit only sets the frequency in the header (0..=3), nothing is called.
//! - [`Store::make_room`]: the class has no free chunk and may have no page more: evict so that `Pages::alloc`
//!   succeeds or a page becomes spare. False: nothing may be evicted.
//! - [`Store::shed`]: the ledger is over the budget (or a large value is to come): give up memory, about one page or
//!   one large value. False: nothing may be given up.
//! - [`Store::note_ghosts`]... is left to the implementation: `on_insert` gets the hash.
//!
//! What it may use: `Pages` (pages of a class, slots, handles, raw headers, `volatile_in`), `Store::evict(handle)`
//! (takes the item out of index and chunk, counts, calls `on_remove`), `Store::move_item(handle)` (copies to another
//! free chunk of the same class outside `page`), `Store::hash_of(handle)`, `Store::is_evictable(raw)` (policy and
//! pins), `Pages::release_spare`. Pinned items and orphans stay where they are: a page with such cannot be emptied
//! now. Memory of queues and ghosts is reported by `bytes()` and cannot grow unseen.
//!
//! This file holds the simplest thing that works: a clock over the chunks of the class, a second chance by frequency,
//! and pages taken from the class that has most.

use crate::class::ClassId;
use crate::page::{Handle, NONE, PageId, Pages};
use crate::stats::ClassStats;
use crate::store::{Gone, Store};
use crate::{EvictionGoal, Policy};

/// Chunks that one eviction looks at before it takes the best seen.
const LOOKS_MAX: u32 = 128;
/// Items among which `volatile-ttl` chooses the one that dies first.
const TTL_SAMPLE: u32 = 16;

#[derive(Clone, Copy, Default)]
struct Hand {
    /// Place in the class's list of pages, and slot.
    position: u32,
    slot: u32,
    evicted: u64,
    pages_given: u64,
    pages_taken: u64,
    frontier_age: u64,
}

/// The order of eviction.
pub(crate) struct Evictor {
    hands: Vec<Hand>,
    page_moves: u64,
    /// The class in need, while a page is being taken for it.
    taker: Option<ClassId>,
}

impl Evictor {
    /// For a store with these classes.
    pub(crate) fn new(pages: &Pages, _budget_bytes: u64, _goal: EvictionGoal) -> Evictor {
        Evictor { hands: vec![Hand::default(); pages.classes().count()], page_moves: 0, taker: None }
    }

    /// A new item stands in `handle`.
    #[inline]
    pub(crate) fn on_insert(&mut self, _pages: &Pages, _handle: Handle, _slot_hash: u64) {}

    /// The item in `handle` is about to leave its chunk.
    #[inline]
    pub(crate) fn on_remove(&mut self, _pages: &Pages, _handle: Handle, _gone: Gone) {}

    /// The item moved.
    pub(crate) fn on_move(&mut self, _pages: &Pages, _from: Handle, _to: Handle) {}

    /// The store was emptied.
    pub(crate) fn on_clear(&mut self) {}

    /// The goal changed.
    pub(crate) fn set_goal(&mut self, _goal: EvictionGoal) {}

    /// The budget changed: queues and ghosts may be sized anew.
    pub(crate) fn set_budget(&mut self, _budget_bytes: u64) {}

    /// Bytes of queues.
    #[inline]
    pub(crate) fn order_bytes(&self) -> u64 {
        (self.hands.capacity() * size_of::<Hand>()) as u64
    }

    /// Bytes of ghosts.
    #[inline]
    pub(crate) fn ghost_bytes(&self) -> u64 {
        0
    }

    /// Pages moved between classes, hits on ghosts.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.page_moves, 0)
    }

    /// Adds what eviction knows of a class.
    pub(crate) fn describe(&self, class: ClassId, stats: &mut ClassStats) {
        let hand = &self.hands[usize::from(class)];
        stats.evicted = hand.evicted;
        stats.pages_given = hand.pages_given;
        stats.pages_taken = hand.pages_taken;
        stats.frontier_age = hand.frontier_age;
    }
}

impl Store {
    /// Evicts so that a chunk of this class (or a page for it) is free. False: nothing may be evicted.
    pub(crate) fn make_room(&mut self, class: ClassId, now_ms: u64) -> bool {
        if self.policy == Policy::NoEviction {
            return false;
        }
        if let Some(victim) = self.victim(class, now_ms) {
            self.evict_of_class(class, victim, now_ms);
            return true;
        }
        self.evictor.taker = Some(class);
        let took = self.empty_a_page(Some(class), now_ms);
        self.evictor.taker = None;
        if took {
            self.evictor.page_moves += 1;
            self.evictor.hands[usize::from(class)].pages_taken += 1;
        }
        took
    }

    /// Gives up about a page of memory. False: nothing may be given up.
    pub(crate) fn shed(&mut self, now_ms: u64) -> bool {
        if self.pages.release_spare() {
            return true;
        }
        if self.policy == Policy::NoEviction {
            return false;
        }
        let descriptor = self.pages.classes().descriptor();
        if self.large_bytes > self.pages.held_bytes()
            && let Some(victim) = self.victim(descriptor, now_ms)
        {
            self.evict_of_class(descriptor, victim, now_ms);
            return true;
        }
        if self.empty_a_page(None, now_ms) {
            self.pages.release_spare();
            return true;
        }
        match self.victim(descriptor, now_ms) {
            Some(victim) => {
                self.evict_of_class(descriptor, victim, now_ms);
                true
            }
            None => false,
        }
    }

    fn evict_of_class(&mut self, class: ClassId, victim: Handle, now_ms: u64) {
        let age = self.change.wrapping_sub(self.pages.raw(victim).version());
        let hand = &mut self.evictor.hands[usize::from(class)];
        hand.evicted += 1;
        hand.frontier_age = u64::from(age);
        self.evict(victim, now_ms);
    }

    /// The clock of a class: the next item that was not read since it was passed last.
    fn victim(&mut self, class: ClassId, now_ms: u64) -> Option<Handle> {
        let chunks = self.pages.chunks_used(class);
        if chunks == 0 {
            return None;
        }
        let mut best = None;
        let mut best_rank = (u8::MAX, u64::MAX);
        let mut seen = 0;
        let slots: u64 =
            self.pages.of_class(class).len() as u64 * self.pages.classes().chunks_per_page(class) as u64;
        for look in 0..slots + 1 {
            let Some(handle) = self.advance(class) else { continue };
            let raw = self.pages.raw(handle);
            if !self.is_evictable(raw) {
                continue;
            }
            if raw.is_expired(now_ms) {
                return Some(handle);
            }
            seen += 1;
            if self.policy == Policy::VolatileTtl {
                let rank = (0, raw.expire_at_ms());
                if rank < best_rank {
                    (best, best_rank) = (Some(handle), rank);
                }
                if seen == TTL_SAMPLE {
                    break;
                }
                continue;
            }
            let frequency = raw.frequency();
            if frequency == 0 {
                return Some(handle);
            }
            raw.set_frequency(frequency - 1);
            if (frequency, 0) < best_rank {
                (best, best_rank) = (Some(handle), (frequency, 0));
            }
            if look > u64::from(LOOKS_MAX) {
                break;
            }
        }
        best
    }

    /// Moves the hand by one slot; the live item there.
    fn advance(&mut self, class: ClassId) -> Option<Handle> {
        let list = self.pages.of_class(class);
        let hand = &mut self.evictor.hands[usize::from(class)];
        let page = match list.get(hand.position as usize) {
            Some(&page) => page,
            None => {
                (hand.position, hand.slot) = (0, 0);
                *list.first()?
            }
        };
        if hand.slot >= self.pages.slots_in(page) {
            hand.position += 1;
            hand.slot = 0;
            return None;
        }
        let slot = hand.slot;
        hand.slot += 1;
        self.pages.live(page, slot).map(|live| live.0)
    }

    /// Evicts everything in one page, of the class that has most. The page is spare then.
    fn empty_a_page(&mut self, not_of: Option<ClassId>, now_ms: u64) -> bool {
        let mut order: Vec<ClassId> = (0..=self.pages.classes().descriptor())
            .filter(|&class| Some(class) != not_of && !self.pages.of_class(class).is_empty())
            .collect();
        order.sort_by_key(|&class| std::cmp::Reverse(self.pages.of_class(class).len()));
        for class in order {
            let pages: Vec<PageId> = self.pages.of_class(class).to_vec();
            let start = self.evictor.hands[usize::from(class)].position as usize % pages.len();
            for offset in 0..pages.len() {
                let page = pages[(start + offset) % pages.len()];
                if self.can_empty(page) {
                    self.evict_page(page, now_ms);
                    self.evictor.hands[usize::from(class)].pages_given += 1;
                    return true;
                }
            }
        }
        false
    }

    fn can_empty(&self, page: PageId) -> bool {
        (0..self.pages.slots_in(page)).all(|slot| {
            let raw = self.pages.raw(self.pages.handle(page, slot));
            !raw.is_orphan() && (!raw.is_live() || self.is_evictable(raw))
        })
    }

    fn evict_page(&mut self, page: PageId, now_ms: u64) {
        let mut last = NONE;
        for slot in 0..self.pages.slots_in(page) {
            // The page loses its class with its last item.
            if self.pages.used_in(page) == 0 {
                break;
            }
            if let Some((handle, _)) = self.pages.live(page, slot) {
                last = handle;
                self.evict(handle, now_ms);
            }
        }
        debug_assert!(last != NONE && self.pages.class_of_page(page).is_none());
    }
}
