//! Looking things up.

use super::Store;
use crate::hash::Key;
use crate::item::{Item, Match, Wanted};
use crate::pin::Pin;

impl Store {
    /// The live item of this key; counts as a use. A dead one is reclaimed.
    ///
    /// This is the hot path: how many lookups the CPU overlaps by itself depends on how few instructions, and loads, each
    /// takes. So what nearly every lookup finds comes first: the first entry of its tag has the key, and the header
    /// tells in one compare that it has no optional fields and needs no counting.
    #[inline(always)]
    pub fn get(&mut self, key: &Key, now_ms: u64) -> Option<Item<'_>> {
        let hash = key.slot_hash();
        if let Some(handle) = self.index.first_of_tag(hash) {
            let wanted = Wanted::new(key.db, key.bytes);
            let raw = self.pages.raw(handle);
            if let Some(found) = raw.match_hot(&wanted) {
                return Some(Item::matched(&found, key.bytes, self.pages.classes()));
            }
            if let Some(found) = raw.match_with(&wanted)
                && (found.plain || !raw.is_expired(now_ms))
            {
                if !found.plain {
                    raw.note_use(now_ms);
                }
                found.touch();
                return Some(Item::matched(&found, key.bytes, self.pages.classes()));
            }
        }
        self.get_slowly(hash, key.db, key.bytes, now_ms)
    }

    /// The rest of `get`: tags that mislead, overflow buckets, dead items and misses. Takes the parts of the key in
    /// registers: `get` would otherwise keep it in memory for this.
    #[cold]
    #[inline(never)]
    fn get_slowly(&mut self, hash: u64, db: u8, bytes: &[u8], now_ms: u64) -> Option<Item<'_>> {
        let found = self.look_up(hash, db, bytes)?;
        if !found.plain {
            if found.raw.is_expired(now_ms) {
                self.reclaim_parts(hash, db, bytes, now_ms);
                return None;
            }
            found.raw.note_use(now_ms);
        }
        found.touch();
        Some(Item::matched(&found, bytes, self.pages.classes()))
    }

    /// As [`Store::get`] for somebody who wants to know whether there is an item, or to change it: counts as a use,
    /// but not as having been fetched.
    pub fn get_unread(&mut self, key: &Key, now_ms: u64) -> Option<Item<'_>> {
        let found = self.look_up(key.slot_hash(), key.db, key.bytes)?;
        if !found.plain && found.raw.is_expired(now_ms) {
            self.reclaim_parts(key.slot_hash(), key.db, key.bytes, now_ms);
            return None;
        }
        found.touch_unread();
        Some(Item::matched(&found, key.bytes, self.pages.classes()))
    }

    /// The live item of this key; does not count as a use.
    #[inline]
    pub fn peek(&self, key: &Key, now_ms: u64) -> Option<Item<'_>> {
        let found = self.look_up(key.slot_hash(), key.db, key.bytes)?;
        if !found.plain && found.raw.is_expired(now_ms) {
            return None;
        }
        Some(Item::matched(&found, key.bytes, self.pages.classes()))
    }

    /// The item of a key, dead or alive.
    #[inline]
    fn look_up(&self, hash: u64, db: u8, key: &[u8]) -> Option<Match> {
        let wanted = Wanted::new(db, key);
        let pages = &self.pages;
        Some(self.index.search(hash, |handle| pages.raw(handle).match_with(&wanted))?.1)
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

    /// The number of the last change of any item.
    pub fn last_change(&self) -> u32 {
        self.change
    }

    /// A number that changes with every change of an item that shares its bucket with this key: the number of the
    /// last such change.
    pub fn bucket_version(&self, key: &Key) -> u32 {
        self.index.version(key.slot_hash())
    }
}
