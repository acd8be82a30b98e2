//! Memory between classes: a chunk for a class in need, a page from one class to another, memory back.

use super::victim::LOOKS;
use crate::Policy;
use crate::class::ClassId;
use crate::page::PageId;
use crate::store::Store;

/// Evictions and copies that one operation does to empty a page while its own class can do without.
const DRAIN_STEPS: u32 = 8;
/// The same when nothing else helps: many times the chunks of a page.
pub(crate) const DRAIN_STEPS_MAX: u32 = 1 << 16;
/// Pages among which the emptiest is chosen.
const PAGE_SAMPLE: usize = 32;
/// How often the search for the front that is due first begins anew because that front had been used.
const SEARCHES: u32 = 4;

/// A page on its way out of its class.
#[derive(Clone, Copy)]
pub(super) struct Drain {
    class: ClassId,
    page: Option<PageId>,
    /// Slots of the page below this are empty.
    slot: u32,
}

impl Store {
    /// Evicts so that a chunk of this class (or memory for a page of it) is free. False: nothing may be evicted.
    pub(crate) fn make_room(&mut self, class: ClassId, now_ms: u64) -> bool {
        // A spare page that the class did not get is one too many.
        if self.pages.release_spare() {
            return true;
        }
        let policy = self.policy;
        match policy {
            Policy::NoEviction => false,
            Policy::AllKeys => self.make_room_by_queues(class, now_ms),
            Policy::VolatileOnly if self.queues_serve() => {
                self.make_room_by_queues(class, now_ms) || self.make_room_volatile(class, now_ms)
            }
            Policy::VolatileOnly | Policy::VolatileTtl => self.make_room_volatile(class, now_ms),
        }
    }

    fn make_room_by_queues(&mut self, class: ClassId, now_ms: u64) -> bool {
        self.evictor.order(&self.pages, self.index.count());
        let mut looks = LOOKS;
        let own = self.own_front(class, now_ms, &mut looks);
        let other = self.lowest(own.unwrap_or(class), |_| true, now_ms, &mut looks);
        let worth = &mut self.evictor.worth;
        let due = |class: Option<ClassId>| class.map_or(super::NEVER, |class| worth.due(usize::from(class)));
        let lowest = due(own).min(due(other));
        worth.pull(lowest);
        let (own, other) = match (own, other) {
            (None, None) => return false,
            (Some(own), Some(other))
                if !self.evictor.pages_stay && worth.should_give(usize::from(other), usize::from(own)) =>
            {
                (Some(own), other)
            }
            (Some(own), _) => return self.evict_front(own, now_ms, &mut looks),
            (None, Some(other)) => (None, other),
        };
        if self.pages.classes().is_large(other) {
            return self.evict_front(other, now_ms, &mut looks);
        }
        if self.drain(other, if own.is_some() { DRAIN_STEPS } else { DRAIN_STEPS_MAX }, now_ms) {
            self.note_move(class);
            return true;
        }
        match own {
            Some(own) => self.evict_front(own, now_ms, &mut looks),
            None => self.make_room_anywhere(class, now_ms),
        }
    }

    /// Evicts whatever may be evicted, class after class, until there is memory for a page: pins are in the way.
    #[cold]
    fn make_room_anywhere(&mut self, class: ClassId, now_ms: u64) -> bool {
        for other in 0..self.pages.classes().count() as ClassId {
            let mut looks = LOOKS;
            let descriptor = self.pages.classes().descriptor();
            if other < descriptor && self.drain(other, DRAIN_STEPS_MAX, now_ms) {
                self.note_move(class);
                return true;
            }
            if other > descriptor && self.evict_front(other, now_ms, &mut looks) {
                return true;
            }
        }
        false
    }

    pub(crate) fn note_move(&mut self, to: ClassId) {
        self.evictor.page_moves += 1;
        self.evictor.classes[usize::from(to)].pages_taken += 1;
    }

    /// Gives up about a page of memory. False: nothing may be given up.
    pub(crate) fn shed(&mut self, now_ms: u64) -> bool {
        if self.pages.release_spare() {
            return true;
        }
        match self.policy {
            Policy::NoEviction => return false,
            Policy::VolatileOnly | Policy::VolatileTtl => return self.shed_volatile(now_ms),
            Policy::AllKeys => {}
        }
        self.evictor.order(&self.pages, self.index.count());
        let mut looks = LOOKS;
        let none = self.pages.classes().count() as ClassId;
        let descriptor = self.pages.classes().descriptor();
        let large = self.lowest(none, |class| class > descriptor, now_ms, &mut looks);
        let paged = self.lowest(none, |class| class < descriptor, now_ms, &mut looks);
        let worth = &mut self.evictor.worth;
        let due = |class: Option<ClassId>| class.map_or(super::NEVER, |class| worth.due(usize::from(class)));
        let lowest = due(large).min(due(paged));
        worth.pull(lowest);
        match (large, paged) {
            (Some(large), Some(paged)) if !worth.should_give(usize::from(paged), usize::from(large)) => {
                self.evict_front(large, now_ms, &mut looks)
            }
            (_, Some(paged)) if self.drain(paged, DRAIN_STEPS_MAX, now_ms) => {
                self.pages.release_spare();
                true
            }
            (Some(large), _) => self.evict_front(large, now_ms, &mut looks),
            _ => self.shed_anywhere(now_ms),
        }
    }

    /// Empties a page of any class that has one without pins.
    #[cold]
    fn shed_anywhere(&mut self, now_ms: u64) -> bool {
        (0..self.pages.classes().descriptor())
            .any(|class| self.drain(class, DRAIN_STEPS_MAX, now_ms) && self.pages.release_spare())
    }

    /// The class whose front a new item of `class` would push out: itself, or for descriptors the class of large
    /// values that is due first.
    fn own_front(&mut self, class: ClassId, now_ms: u64, looks: &mut u32) -> Option<ClassId> {
        let descriptor = self.pages.classes().descriptor();
        if class == descriptor {
            let none = self.pages.classes().count() as ClassId;
            return self.lowest(none, |class| class > descriptor, now_ms, looks);
        }
        self.settle_front(class, now_ms, looks).map(|_| class)
    }

    /// The class whose front is due first, among those that `may`.
    fn lowest(
        &mut self,
        except: ClassId,
        may: impl Fn(ClassId) -> bool,
        now_ms: u64,
        looks: &mut u32,
    ) -> Option<ClassId> {
        // Classes whose fronts are pinned.
        let mut stuck = 0u128;
        let mut searches = SEARCHES;
        loop {
            let worth = &self.evictor.worth;
            let open = |class: usize| stuck >> class & 1 == 0 && may(class as ClassId);
            let best = worth.lowest(usize::from(except), open)? as ClassId;
            let due = worth.due(usize::from(best));
            if self.settle_front(best, now_ms, looks).is_none() {
                stuck |= 1 << best;
            } else if searches == 0 || self.evictor.worth.due(usize::from(best)) <= due {
                return Some(best);
            } else {
                searches -= 1;
            }
        }
    }

    /// Empties a page of a class, in so many steps of one item. True: there is a spare page now.
    pub(crate) fn drain(&mut self, class: ClassId, steps: u32, now_ms: u64) -> bool {
        if self.evictor.drain.is_none_or(|drain| drain.class != class) {
            self.stop_drain();
            self.evictor.drain = Some(Drain { class, page: None, slot: 0 });
        }
        let mut looks = LOOKS;
        for _ in 0..steps {
            if self.pages.has_spare() {
                self.stop_drain();
                self.evictor.classes[usize::from(class)].pages_given += 1;
                return true;
            }
            looks = looks.max(2);
            if !self.drain_step(class, now_ms, &mut looks) {
                break;
            }
        }
        let spare = self.pages.has_spare();
        if spare {
            self.stop_drain();
            self.evictor.classes[usize::from(class)].pages_given += 1;
        }
        spare
    }

    /// Evicts one item of a class, as the policy has it.
    fn evict_of(&mut self, class: ClassId, now_ms: u64, looks: &mut u32) -> bool {
        match self.policy {
            Policy::NoEviction => false,
            Policy::AllKeys => self.evict_front(class, now_ms, looks),
            Policy::VolatileOnly if self.evictor.serves => {
                self.evict_front(class, now_ms, looks) || self.evict_volatile(class, now_ms)
            }
            Policy::VolatileOnly | Policy::VolatileTtl => self.evict_volatile(class, now_ms),
        }
    }

    /// One item evicted or copied. False: there is nothing to be done.
    fn drain_step(&mut self, class: ClassId, now_ms: u64, looks: &mut u32) -> bool {
        let Some(drain) = self.evictor.drain else { return false };
        let chunks = self.pages.classes().chunks_per_page(class) as u64;
        let free = self.pages.of_class(class).len() as u64 * chunks - self.pages.chunks_used(class);
        let Some(page) = drain.page.filter(|&page| self.pages.class_of_page(page) == Some(class)) else {
            if free < chunks {
                return self.evict_of(class, now_ms, looks);
            }
            let Some(page) = self.emptiest_page(class) else { return false };
            self.pages.seal(page);
            self.evictor.drain = Some(Drain { class, page: Some(page), slot: 0 });
            return true;
        };
        for slot in drain.slot..self.pages.slots_in(page) {
            let Some((handle, raw)) = self.pages.live(page, slot) else { continue };
            if raw.is_pinned() {
                break;
            }
            if self.move_item(handle).is_none() {
                return self.evict_of(class, now_ms, looks);
            }
            if let Some(drain) = &mut self.evictor.drain {
                drain.slot = slot + 1;
            }
            return true;
        }
        // What is left is pinned. Another page, then.
        self.stop_drain();
        self.evictor.drain = Some(Drain { class, page: None, slot: 0 });
        true
    }

    /// Lets the page that was being emptied be used again.
    pub(super) fn stop_drain(&mut self) {
        let Some(Drain { class, page: Some(page), .. }) = self.evictor.drain.take() else { return };
        if self.pages.class_of_page(page) == Some(class) {
            self.pages.unseal(page);
        }
    }

    /// A page of a class with few items and no pins, among some that are others each time.
    fn emptiest_page(&mut self, class: ClassId) -> Option<PageId> {
        let pages = self.pages.of_class(class);
        let sample = PAGE_SAMPLE.min(pages.len());
        let hand = &mut self.evictor.classes[usize::from(class)].hand;
        let start = std::mem::replace(hand, (*hand + sample) % pages.len().max(1));
        let mut used = u32::MAX;
        let mut best = None;
        for offset in 0..pages.len() {
            if offset >= sample && best.is_some() {
                break;
            }
            let page = pages[(start + offset) % pages.len()];
            if self.pages.used_in(page) < used && !self.holds_pins(page) {
                (used, best) = (self.pages.used_in(page), Some(page));
            }
        }
        best
    }

    fn holds_pins(&self, page: PageId) -> bool {
        (0..self.pages.slots_in(page)).any(|slot| {
            let raw = self.pages.raw(self.pages.handle(page, slot));
            raw.is_orphan() || (raw.is_live() && raw.is_pinned())
        })
    }
}
