//! The fronts of a class: who is passed over, who goes.

use super::order::{entry_of, hash_bits};
use super::{FIT_EVICTIONS, find};
use crate::class::ClassId;
use crate::page::Handle;
use crate::store::Store;

/// Used items that one operation passes over; then the one at the front goes whatever its use.
pub(super) const LOOKS: u32 = 128;
/// Entries without an item, and items that are pinned or spared, that one operation passes over.
const SKIPS: u32 = 256;

/// Where a victim stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Unlisted,
    Small,
    Main,
}

/// An item that may go next. It is still at the front.
#[derive(Clone, Copy)]
pub(super) struct Victim {
    handle: Handle,
    place: Place,
}

impl Store {
    /// Passes over what was used (`looks` at most), is gone or is to be spared, until an item that can be evicted stands at
    /// the front of the class; the front that is due first. `None`: there is nothing.
    pub(super) fn settle_front(&mut self, class: ClassId, now_ms: u64, looks: &mut u32) -> Option<Victim> {
        let mut skips = SKIPS;
        while skips > 0 {
            let id = usize::from(class);
            let small_first = self.evictor.worth.small_first(id);
            let queues = &self.evictor.classes[id];
            if small_first && !queues.unlisted.is_empty() {
                match self.unlisted_front(class) {
                    Some(handle) if super::weigh(&self.pages, handle) != class => {
                        self.evictor.classes[id].unlisted_slot += 1;
                        let entry = entry_of(self.hash_of(handle));
                        self.relist(handle, false, entry);
                    }
                    Some(handle) if self.stays(handle, 0, now_ms, looks) => {
                        self.evictor.classes[id].unlisted_slot += 1;
                        self.enlist(class, handle);
                    }
                    Some(handle) => return Some(Victim { handle, place: Place::Unlisted }),
                    None => self.evictor.refresh(&self.pages, id),
                }
                continue;
            }
            let queue = if small_first { &queues.small } else { &queues.main };
            let front = self.evictor.segments.front(queue)?;
            let found = find(&self.pages, &self.index, &front, !small_first);
            let Some(handle) = found else {
                skips -= 1;
                let stale = &mut self.evictor.classes[id].stale;
                *stale = stale.saturating_sub(1);
                self.pop(class, !small_first);
                continue;
            };
            let place = if small_first { Place::Small } else { Place::Main };
            if super::weigh(&self.pages, handle) != class {
                skips -= 1;
                self.pop(class, !small_first);
                self.relist(handle, !small_first, front.entry);
                continue;
            }
            if !self.stays(handle, 0, now_ms, looks) {
                return Some(Victim { handle, place });
            }
            skips -= 1;
            self.pop(class, !small_first);
            self.pass_over(class, handle, place, front.entry);
        }
        None
    }

    /// Whether an item at a front is passed over.
    #[inline]
    fn stays(&self, handle: Handle, frequency: u8, now_ms: u64, looks: &mut u32) -> bool {
        let raw = self.pages.raw(handle);
        if !self.is_evictable(raw) {
            return true;
        }
        if raw.frequency() <= frequency || *looks == 0 || raw.is_expired(now_ms) {
            return false;
        }
        *looks -= 1;
        true
    }

    /// Takes the front out of a queue.
    #[inline]
    fn pop(&mut self, class: ClassId, main: bool) {
        let id = usize::from(class);
        let queues = &mut self.evictor.classes[id];
        let queue = if main { &mut queues.main } else { &mut queues.small };
        self.evictor.segments.pop(queue);
        self.evictor.refresh(&self.pages, id);
    }

    /// An item that was at a front goes to the end of the main queue, if it was used.
    fn pass_over(&mut self, class: ClassId, handle: Handle, place: Place, entry: u32) {
        let raw = self.pages.raw(handle);
        let id = usize::from(class);
        let frequency = raw.frequency();
        let to_main = frequency > 0 || place == Place::Main;
        if frequency > 0 {
            self.evictor.worth.pass(id, place != Place::Main);
            self.evictor.worth.note_use(id);
            raw.set_frequency(if place == Place::Main { frequency - 1 } else { 0 });
        }
        raw.set_main(to_main);
        self.evictor.list(&self.pages, id, raw, entry, to_main);
    }

    /// An item that has come to weigh something else enters the queue of its new class.
    fn relist(&mut self, handle: Handle, main: bool, entry: u32) {
        let class = usize::from(super::weigh(&self.pages, handle));
        self.evictor.list(&self.pages, class, self.pages.raw(handle), entry, main);
    }

    /// An item that was in no queue enters one, as it does when it is passed over.
    fn enlist(&mut self, class: ClassId, handle: Handle) {
        let entry = entry_of(self.hash_of(handle));
        self.pass_over(class, handle, Place::Unlisted, entry);
    }

    /// The next item in the pages from before there were queues.
    fn unlisted_front(&mut self, class: ClassId) -> Option<Handle> {
        let queues = &mut self.evictor.classes[usize::from(class)];
        while let Some(&page) = queues.unlisted.last() {
            if self.pages.class_of_page(page) == Some(class) {
                while queues.unlisted_slot < self.pages.slots_in(page) {
                    match self.pages.live(page, queues.unlisted_slot) {
                        Some((handle, raw)) if raw.mark() == 0 => return Some(handle),
                        _ => queues.unlisted_slot += 1,
                    }
                }
            }
            queues.unlisted.pop();
            queues.unlisted_slot = 0;
        }
        queues.unlisted = Vec::new();
        self.evictor.count_tables();
        None
    }

    /// Evicts the item at the front of a class. False: there is none.
    pub(super) fn evict_front(&mut self, class: ClassId, now_ms: u64, looks: &mut u32) -> bool {
        let Some(victim) = self.settle_front(class, now_ms, looks) else { return false };
        let id = usize::from(class);
        let main = victim.place == Place::Main;
        if victim.place != Place::Unlisted {
            self.pop(class, main);
        }
        self.evictor.worth.pass(id, !main);
        self.look_ahead(class, victim.place);
        self.let_go(class, victim.handle, main, now_ms);
        self.evictor.refresh(&self.pages, id);
        true
    }

    /// Evicts an item that is in no queue any more (or whose entry is left behind), with a ghost.
    pub(super) fn let_go(&mut self, class: ClassId, handle: Handle, from_main: bool, now_ms: u64) {
        let hash = self.hash_of(handle);
        self.evictor.ghosts.prefetch(hash);
        let raw = self.pages.raw(handle);
        let age = self.change.wrapping_sub(raw.version());
        let expired = raw.is_expired(now_ms);
        raw.set_mark(0);
        self.evict(handle, hash, now_ms);
        if !expired {
            self.evictor.ghosts.add(hash, from_main);
            let queues = &mut self.evictor.classes[usize::from(class)];
            queues.evicted += 1;
            queues.frontier_age = u64::from(age);
        }
        self.evictor.evicted += 1;
        if self.evictor.evicted.is_multiple_of(FIT_EVICTIONS) {
            self.evictor.ghosts.fit(self.index.count());
            self.evictor.tidy();
        }
    }

    /// Asks the CPU for what the next eviction out of the same place is going to look at.
    #[inline]
    fn look_ahead(&mut self, class: ClassId, place: Place) {
        let queues = &self.evictor.classes[usize::from(class)];
        let queue = match place {
            Place::Small => &queues.small,
            Place::Main => &queues.main,
            Place::Unlisted => {
                let Some(&page) = queues.unlisted.last() else { return };
                let slot = queues.unlisted_slot + 1;
                if self.pages.class_of_page(page) == Some(class)
                    && slot < self.pages.slots_in(page)
                    && let Some((handle, _)) = self.pages.live(page, slot)
                {
                    self.index.prefetch(self.hash_of(handle));
                }
                return;
            }
        };
        // The item of the next, whose bucket was asked for last time, and the bucket of the one after it.
        let [next, after] = self.evictor.segments.next_two(queue);
        if let Some(handle) = next.and_then(|entry| self.index.first_candidate(hash_bits(entry))) {
            self.pages.prefetch(handle);
        }
        if let Some(entry) = after {
            self.index.prefetch(hash_bits(entry));
        }
    }
}
