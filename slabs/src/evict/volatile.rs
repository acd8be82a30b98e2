//! The policies that spare items without an expiry.
//!
//! Such items may be few and anywhere, and then queues are of no help: pages know how many items with an expiry they
//! hold, and victims are chosen among some of these. `volatile-ttl` takes the one that dies first, the others the one
//! that was used least and then the one that was written first. While most items have an expiry, the others use the
//! queues and pass over what is to be spared.

use super::Evictor;
use crate::Policy;
use crate::class::ClassId;
use crate::page::Handle;
use crate::store::Store;

/// Items among which a victim is chosen.
const SAMPLE: usize = 16;
/// Steps that one operation does to empty a page.
const STEPS_MAX: u32 = 1 << 16;
/// Evictions between two looks at how many items have an expiry.
const SERVES_EVICTIONS: u64 = 256;

impl Store {
    /// `make_room` when only items with an expiry may go.
    pub(super) fn make_room_volatile(&mut self, class: ClassId, now_ms: u64) -> bool {
        if !self.any_volatile() {
            return false;
        }
        if self.evict_volatile(class, now_ms) {
            return true;
        }
        let descriptor = self.pages.classes().descriptor();
        if class != descriptor && self.evict_volatile(descriptor, now_ms) {
            return true;
        }
        let took = self.drain_volatile(class, now_ms);
        if took {
            self.note_move(class);
        }
        took
    }

    /// `shed` when only items with an expiry may go.
    pub(super) fn shed_volatile(&mut self, now_ms: u64) -> bool {
        if !self.any_volatile() {
            return false;
        }
        let descriptor = self.pages.classes().descriptor();
        if self.large_bytes > self.pages.held_bytes() && self.evict_volatile(descriptor, now_ms) {
            return true;
        }
        if self.drain_volatile(ClassId::MAX, now_ms) {
            self.pages.release_spare();
            return true;
        }
        self.evict_volatile(descriptor, now_ms)
    }

    /// Empties a page of the class that has most items with an expiry; if that does not do, of the next.
    fn drain_volatile(&mut self, except: ClassId, now_ms: u64) -> bool {
        let mut classes: Vec<(u64, ClassId)> = (0..self.pages.classes().descriptor())
            .filter(|&class| class != except)
            .map(|class| {
                let pages = self.pages.of_class(class);
                (pages.iter().map(|&page| u64::from(self.pages.volatile_in(page))).sum(), class)
            })
            .filter(|class| class.0 > 0)
            .collect();
        classes.sort_unstable_by_key(|class| std::cmp::Reverse(class.0));
        classes.into_iter().any(|(_, class)| self.drain(class, STEPS_MAX, now_ms))
    }

    /// Whether so many items have an expiry that queues will find one soon. Looked at every now and then.
    pub(super) fn queues_serve(&mut self) -> bool {
        if self.evictor.evicted.is_multiple_of(SERVES_EVICTIONS) {
            let volatile: u64 = (0..=u8::MAX).map(|db| self.expires_db(db)).sum();
            self.evictor.serves = volatile >= self.index.count() / 4 * 3;
        }
        self.evictor.serves
    }

    fn any_volatile(&self) -> bool {
        (0..=u8::MAX).any(|db| self.expires_db(db) > 0)
    }

    /// Evicts an item with an expiry out of the class's chunks. False: there is none that may go.
    pub(super) fn evict_volatile(&mut self, class: ClassId, now_ms: u64) -> bool {
        let Some(handle) = self.volatile_victim(class, now_ms) else { return false };
        let weighed = super::weigh(&self.pages, handle);
        let raw = self.pages.raw(handle);
        let main = raw.is_main();
        if raw.mark() != 0 {
            self.evictor.classes[usize::from(weighed)].stale += 1;
        }
        self.let_go(weighed, handle, main, now_ms);
        true
    }

    fn volatile_victim(&mut self, class: ClassId, now_ms: u64) -> Option<Handle> {
        let count = self.pages.of_class(class).len();
        let mut best = None;
        let mut best_rank = (u64::MAX, u32::MAX);
        let mut seen = 0;
        for _ in 0..count {
            let page = self.next_page(class);
            if self.pages.volatile_in(page) == 0 {
                continue;
            }
            for slot in 0..self.pages.slots_in(page) {
                let Some((handle, raw)) = self.pages.live(page, slot) else { continue };
                if !self.is_evictable(raw) {
                    continue;
                }
                if raw.is_expired(now_ms) {
                    return Some(handle);
                }
                let rank = match self.policy {
                    Policy::VolatileTtl => (raw.expire_at_ms(), 0),
                    _ => (u64::from(raw.frequency()), !self.change.wrapping_sub(raw.version())),
                };
                if self.policy != Policy::VolatileTtl {
                    raw.set_frequency(raw.frequency().saturating_sub(1));
                }
                if rank < best_rank {
                    (best, best_rank) = (Some(handle), rank);
                }
                seen += 1;
                if seen == SAMPLE {
                    return best;
                }
            }
        }
        best
    }

    /// The page of a class that the hand points to, which moves on.
    fn next_page(&mut self, class: ClassId) -> u32 {
        let Evictor { classes, .. } = &mut self.evictor;
        let pages = self.pages.of_class(class);
        let hand = &mut classes[usize::from(class)].hand;
        *hand = (*hand + 1) % pages.len();
        pages[*hand]
    }
}
