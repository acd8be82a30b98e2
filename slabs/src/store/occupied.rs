//! One item, found once for all steps of a change.
//!
//! Whoever changes a collection looks at its item, may ask for room, changes the value or what the value stands for,
//! and gives the item a new version. With [`Occupied`] the key is looked up once for all of that. It has the store:
//! nothing comes or goes meanwhile but through it, so what was found stays right.

use super::Store;
use crate::hash::Key;
use crate::item::{Item, Raw, Wanted};
use crate::meta::Refused;
use crate::page::Handle;

/// A live item of a store, to be changed.
pub struct Occupied<'s, 'k> {
    store: &'s mut Store,
    key: Key<'k>,
    hash: u64,
    handle: Handle,
}

impl Store {
    /// The live item of this key; a dead one is reclaimed. With `touch` it counts as a use, as with [`Store::get`].
    #[inline]
    pub fn occupied<'k>(&mut self, key: &Key<'k>, now_ms: u64, touch: bool) -> Option<Occupied<'_, 'k>> {
        let hash = key.slot_hash();
        let wanted = Wanted::new(key.db, key.bytes);
        let pages = &self.pages;
        let look = |handle: Handle| Some((handle, pages.raw(handle).match_with(&wanted)?));
        let (_, (handle, found)) = self.index.search(hash, look)?;
        if !found.plain {
            if found.raw.is_expired(now_ms) {
                self.reclaim_parts(hash, key.db, key.bytes, now_ms);
                return None;
            }
            if touch {
                found.raw.note_use(now_ms);
            }
        }
        if touch {
            found.touch();
        }
        Some(Occupied { store: self, key: *key, hash, handle })
    }
}

impl<'s> Occupied<'s, '_> {
    #[inline]
    fn raw(&self) -> Raw {
        self.store.pages.raw(self.handle)
    }

    /// The item as it is.
    #[inline]
    pub fn item(&self) -> Item<'_> {
        self.store.pages.item(self.handle)
    }

    /// The value to be changed in place, as [`Store::value_mut`] gives it.
    #[inline]
    pub fn value_mut(&mut self, now_ms: u64) -> Option<&mut [u8]> {
        let raw = self.raw();
        if raw.may_change_in_place() {
            self.store.renew(self.hash, raw);
            return Some(raw.value_mut());
        }
        self.store.value_mut(&self.key, now_ms)?;
        self.find_again();
        Some(self.raw().value_mut())
    }

    /// Takes bytes out of the value at a place and makes place there for others, which are the caller's to write. The
    /// whole value, whose item has a new version and no explicit CAS unique any more. A value that gets shorter is
    /// never refused, unless somebody reads it from where it is.
    ///
    /// # Panics
    ///
    /// If the value has no such bytes.
    #[inline]
    pub fn splice(
        self,
        at: usize,
        remove: usize,
        insert: usize,
        now_ms: u64,
    ) -> Result<&'s mut [u8], Refused> {
        let raw = self.raw();
        let (before, used) = (raw.value_len(), raw.chunk_bytes_used());
        assert!(at + remove <= before, "only what is there is taken out");
        let after = before - remove + insert;
        let Occupied { store, key, hash, handle } = self;
        if raw.may_change_in_place()
            && !raw.is_marked()
            && after as u64 <= store.item_bytes_max
            && store.pages.classes().of_item(used - before + after) == Some(store.pages.class_of(handle))
        {
            store.renew(hash, raw);
            if before != after {
                store.pages.requested_changed(handle, used, used - before + after);
            }
            // Nobody has read the new value.
            raw.set_fetched(false);
            return Ok(raw.splice_value(at, remove, insert));
        }
        let tail = at + remove..before;
        if after < before {
            store.value_mut(&key, now_ms).ok_or(Refused::NoMemory)?.copy_within(tail.clone(), at + insert);
        }
        let value = store.resize(&key, after, now_ms)?.expect("an item that is changed is there");
        if after >= before {
            value.copy_within(tail, at + insert);
        }
        Ok(value)
    }

    /// As [`Store::make_room_beside`] for this item.
    #[inline]
    pub fn make_room(&mut self, bytes: u64, now_ms: u64) -> Result<(), Refused> {
        if self.store.has_room(bytes) {
            return Ok(());
        }
        let made = self.store.make_room_beside(&self.key, bytes, now_ms);
        self.find_again();
        made
    }

    /// As [`Store::charge`].
    #[inline]
    pub fn charge(&mut self, delta: i64) {
        self.store.charge(delta);
    }

    /// Removes the item.
    pub fn remove(self, now_ms: u64) {
        self.store.remove(&self.key, now_ms);
    }

    /// The item may have been copied to another chunk; it has not gone.
    #[cold]
    fn find_again(&mut self) {
        let (_, handle) = self.store.find(self.hash, &self.key).expect("an item that is changed is there");
        self.handle = handle;
    }
}
