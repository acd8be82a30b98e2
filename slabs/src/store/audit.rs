//! Counting anew what a store counts as it changes, for the tests of whoever owns one.

use super::{DbCounts, Store};
use crate::class::ClassId;
use crate::hash::Key;
use crate::large;

impl Store {
    /// Goes through all chunks: the error names the first figure that is not what there is. Takes as long as there are
    /// items.
    pub fn audit(&self) -> Result<(), String> {
        let same = |what: &str, counted: u64, found: u64| {
            let text = || format!("{what}: {counted} are counted, {found} are there");
            if counted == found { Ok(()) } else { Err(text()) }
        };
        let classes = self.pages.classes();
        let (mut items, mut large_bytes) = (0, 0);
        let mut by_db = [DbCounts::default(); 256];
        for class in 0..=classes.descriptor() {
            let class = class as ClassId;
            let (mut used, mut requested) = (0, 0);
            for &page in self.pages.of_class(class) {
                let (mut used_here, mut volatile_here) = (0, 0);
                for slot in 0..self.pages.slots_in(page) {
                    let handle = self.pages.handle(page, slot);
                    let raw = self.pages.raw(handle);
                    if !raw.is_live() && !raw.is_orphan() {
                        continue;
                    }
                    used_here += 1;
                    requested += raw.chunk_bytes_used() as u64;
                    large_bytes += if raw.is_large() { large::charged_bytes(raw.blob()) } else { 0 };
                    if !raw.is_live() {
                        continue;
                    }
                    items += 1;
                    let counts = &mut by_db[usize::from(raw.db())];
                    counts.items += 1;
                    counts.volatile += u64::from(raw.has_expiry());
                    volatile_here += u64::from(raw.has_expiry());
                    let hash = self.hash_of(handle);
                    let key = Key { db: raw.db(), bytes: raw.key(), hash };
                    if self.find(hash, &key).map(|found| found.1) != Some(handle) {
                        return Err(format!("the index does not lead to {}", raw.key().escape_ascii()));
                    }
                }
                same("chunks of a page", u64::from(self.pages.used_in(page)), used_here)?;
                same("items of a page that die", u64::from(self.pages.volatile_in(page)), volatile_here)?;
                used += used_here;
            }
            same("chunks of a class", self.pages.chunks_used(class), used)?;
            same("bytes of a class", self.pages.requested_bytes(class), requested)?;
        }
        same("items", self.index.count(), items)?;
        same("bytes of large values", self.large_bytes, large_bytes)?;
        for (counted, found) in self.by_db.iter().zip(&by_db) {
            same("items of a database", counted.items, found.items)?;
            same("items of a database that die", counted.volatile, found.volatile)?;
        }
        Ok(())
    }
}
