//! Handing all items over to another process, and taking them from one.

use super::Store;
use crate::hash::Key;
use crate::item::Item;
use crate::meta::{Meta, Refused};

/// What an item brings from the store that it was in, beside what `put` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its version there, from which its CAS unique follows.
    pub version: u32,
    /// Its uses as [`Item::uses`] told them.
    pub uses: u8,
}

impl Store {
    /// Visits the items that are alive, and gives the memory back page by page as it goes, so that what the visitor
    /// writes may lie in memory, too. Pages are visited from the last to the first: taken in the opposite order,
    /// items lie as they did. What pins hold stays until they are dropped.
    pub fn hand_over(mut self, now_ms: u64, visit: &mut dyn FnMut(Item<'_>)) {
        self.unpin_released();
        for page in (0..self.pages.page_count()).rev() {
            if self.pages.class_of_page(page).is_none() {
                continue;
            }
            for slot in (0..self.pages.slots_in(page)).rev() {
                let Some((handle, raw)) = self.pages.live(page, slot) else { continue };
                if !raw.is_expired(now_ms) {
                    visit(self.pages.item(handle));
                }
                if raw.is_large() && !raw.is_pinned() {
                    self.give_blob(raw.blob());
                    raw.set_free(0);
                }
            }
            if !self.is_held(page) {
                self.pages.forget(page);
            }
        }
    }

    /// Inserts or replaces an item that another store handed over: as `put`, but it keeps its version and its uses.
    pub fn restore(
        &mut self,
        key: &Key,
        value: &[u8],
        meta: &Meta,
        standing: Standing,
        now_ms: u64,
    ) -> Result<(), Refused> {
        self.put(key, value, meta, now_ms)?;
        self.set_standing(key, standing);
        Ok(())
    }

    /// The second part of `restore`, for an item that was put by others.
    pub fn set_standing(&mut self, key: &Key, standing: Standing) {
        if let Some((_, handle)) = self.find(key.slot_hash(), key) {
            let raw = self.pages.raw(handle);
            raw.set_version(standing.version);
            raw.set_frequency(standing.uses);
        }
    }

    /// The number of the last change of the store, or stores, whose items were taken: later changes get later numbers,
    /// so that no CAS unique comes again.
    pub fn continue_changes(&mut self, last_change: u32) {
        self.change = self.change.max(last_change);
    }
}
