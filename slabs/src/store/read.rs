//! Looking things up.

use super::Store;
use crate::hash::Key;
use crate::item::{Item, Match, Wanted};
use crate::pin::Pin;

impl Store {
    /// The live item of this key; counts as a use. A dead one is reclaimed.
    #[inline(always)]
    pub fn get(&mut self, key: &Key, now_ms: u64) -> Option<Item<'_>> {
        let found = self.look_up(key)?;
        if !found.plain && found.raw.is_expired(now_ms) {
            self.reclaim_parts(key.slot_hash(), key.db, key.bytes, now_ms);
            return None;
        }
        found.raw.touch();
        Some(Item::matched(&found, key.bytes, self.pages.classes()))
    }

    /// The live item of this key; does not count as a use.
    #[inline(always)]
    pub fn peek(&self, key: &Key, now_ms: u64) -> Option<Item<'_>> {
        let found = self.look_up(key)?;
        if !found.plain && found.raw.is_expired(now_ms) {
            return None;
        }
        Some(Item::matched(&found, key.bytes, self.pages.classes()))
    }

    /// The item of a key, dead or alive. This is the hot path: how many lookups the CPU overlaps by itself depends on
    /// how few instructions each takes.
    #[inline(always)]
    fn look_up(&self, key: &Key) -> Option<Match> {
        let wanted = Wanted::new(key.db, key.bytes);
        let hash = key.slot_hash();
        let pages = &self.pages;
        match self.index.search_first(hash, |handle| pages.raw(handle).match_with(&wanted)) {
            Ok(found) => Some(found?.1),
            Err(next) => self.look_up_overflow(next, hash, key.db, key.bytes),
        }
    }

    #[cold]
    #[inline(never)]
    fn look_up_overflow(&self, next: u32, hash: u64, db: u8, key: &[u8]) -> Option<Match> {
        let wanted = Wanted::new(db, key);
        let pages = &self.pages;
        Some(self.index.search_overflow(next, hash, |handle| pages.raw(handle).match_with(&wanted))?.1)
    }

    /// Asks the CPU for the bucket of a key. First step of a batch; see the crate's page.
    #[inline]
    pub fn prefetch_bucket(&self, key: &Key) {
        self.index.prefetch(key.slot_hash());
    }

    /// Asks the CPU for the item of a key. Second step of a batch.
    #[inline]
    pub fn prefetch_item(&self, key: &Key) {
        if let Some(handle) = self.index.first_candidate(key.slot_hash()) {
            self.pages.prefetch(handle);
        }
    }

    /// Asks the CPU for the rest of the item of a key, whose beginning has come by now. Third step of a batch that is
    /// going to read values.
    #[inline]
    pub fn prefetch_value(&self, key: &Key) {
        if let Some(handle) = self.index.first_candidate(key.slot_hash()) {
            self.pages.prefetch_rest(handle);
        }
    }

    /// Keeps the value of an item readable where it is, for as long as the pin lives. Does not count as a use.
    pub fn pin(&mut self, key: &Key, now_ms: u64) -> Option<Pin> {
        self.unpin_released();
        let (_, handle) = self.find_live(key.slot_hash(), key, now_ms)?;
        let raw = self.pages.raw(handle);
        raw.set_pinned(true);
        let blob = raw.is_large().then(|| raw.blob());
        let pin = self.pins.pin(handle, raw.value(), blob, self.pages.range());
        self.count_tables();
        Some(pin)
    }

    /// A number that changes with every change of an item that shares its bucket with this key: the number of the
    /// last such change.
    pub fn bucket_version(&self, key: &Key) -> u32 {
        self.index.version(key.slot_hash())
    }
}
