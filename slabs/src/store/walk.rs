//! Going through the items, and taking one by chance.

use super::Store;
use crate::class::ClassId;
use crate::item::Item;
use crate::page::Handle;

/// Entries of a chain among which `random` chooses: few chains are longer.
const PICK_ENTRIES: u64 = 24;
/// Attempts before `random` takes whatever lives.
const PICKS_MAX: usize = 1024;

impl Store {
    /// Visits the live items of one bucket; returns the cursor of the next call, 0 at the end. Start with 0.
    ///
    /// An item that is there from the first call to the last is visited at least once, whatever else is written,
    /// removed or evicted in between; one that comes or goes meanwhile may be visited or not, and some may be visited
    /// twice. Cursors fit 32 bits; any number may be passed.
    pub fn scan(&self, cursor: u64, now_ms: u64, visit: &mut dyn FnMut(Item<'_>)) -> u64 {
        self.index.scan(cursor, |handle| {
            if !self.pages.raw(handle).is_expired(now_ms) {
                visit(self.pages.item(handle));
            }
        })
    }

    /// Visits live items of a size class, given by its place in [`classes`](Store::classes), in the order of their
    /// places in memory, looking at no more than so many chunks; ends early where `visit` says false.
    pub fn visit_class(
        &self,
        class: usize,
        chunks_max: usize,
        now_ms: u64,
        visit: &mut dyn FnMut(Item<'_>) -> bool,
    ) {
        let descriptor = self.pages.classes().descriptor();
        let class = class.min(usize::from(ClassId::MAX)) as ClassId;
        let mut left = chunks_max;
        for &page in self.pages.of_class(class.min(descriptor)) {
            for slot in 0..self.pages.slots_in(page) {
                if left == 0 {
                    return;
                }
                left -= 1;
                let Some((handle, raw)) = self.pages.live(page, slot) else { continue };
                let counts = !raw.is_expired(now_ms) && self.pages.eviction_class(handle) == class;
                if counts && !visit(self.pages.item(handle)) {
                    return;
                }
            }
        }
    }

    /// A live item, each about as likely as any other. `random` is a random number.
    pub fn random(&mut self, random: u64, now_ms: u64) -> Option<Item<'_>> {
        if self.index.count() == 0 {
            return None;
        }
        let mut state = random;
        for _ in 0..PICKS_MAX {
            let entry = step(&mut state) % PICK_ENTRIES;
            let picked = self.index.pick(step(&mut state), entry as usize);
            if let Some(handle) = picked.filter(|&handle| !self.pages.raw(handle).is_expired(now_ms)) {
                return Some(self.pages.item(handle));
            }
        }
        self.first_live(step(&mut state), now_ms).map(|handle| self.pages.item(handle))
    }

    /// The first live item at or after a cursor, all the way round.
    fn first_live(&self, start: u64, now_ms: u64) -> Option<Handle> {
        let mut found = None;
        let mut cursor = start & u64::from(u32::MAX);
        for round in 0..2 {
            loop {
                cursor = self.index.scan(cursor, |handle| {
                    if !self.pages.raw(handle).is_expired(now_ms) {
                        found = Some(handle);
                    }
                });
                if found.is_some() {
                    return found;
                }
                if cursor == 0 {
                    break;
                }
            }
            debug_assert!(round < 2);
        }
        found
    }
}

/// The next of a sequence of random numbers (SplitMix64).
fn step(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
