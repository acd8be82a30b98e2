//! Changing things.

use super::{Gone, Store, Way};
use crate::hash::Key;
use crate::item::{FIELDS, Item, Raw, layout_of, payload_offset};
use crate::large::{self, Lent};
use crate::meta::{Change, EXPIRE_AT_MS_MAX, Marks, Meta, Refused};
use crate::page;
use crate::page::Handle;
use std::ops::Range;

/// The longest key.
const KEY_BYTES_MAX: usize = 65_535;

/// Which part of the old value a new chunk takes over.
#[derive(Clone, Copy)]
enum Old {
    Forget,
    /// At the start, as much as fits; zeros behind it.
    Keep,
    /// So many bytes further back.
    Shift(usize),
}

impl Store {
    /// Inserts or replaces an item as a whole. Its frequency of use is kept.
    #[inline]
    pub fn put(&mut self, key: &Key, value: &[u8], meta: &Meta, now_ms: u64) -> Result<(), Refused> {
        let replaced = if meta.heap { self.other_heap_handle(key, value, now_ms) } else { None };
        self.reserve(key, value.len(), meta, now_ms)?.copy_from_slice(value);
        self.dropped.extend(replaced);
        Ok(())
    }

    /// Inserts or replaces an item as a whole; the caller fills the value, whose bytes are arbitrary before. (A heap
    /// handle that a heap handle replaces in this way is not handed out by `take_dropped`; with `put` it is.)
    #[inline]
    pub fn reserve(
        &mut self,
        key: &Key,
        value_bytes: usize,
        meta: &Meta,
        now_ms: u64,
    ) -> Result<&mut [u8], Refused> {
        let hash = key.slot_hash();
        self.check_sizes(key, value_bytes)?;
        let found = self.find_live(hash, key, now_ms);
        let raw = match found {
            Some((_, old)) => self.rewrite(hash, old, key, value_bytes, meta, Old::Forget, now_ms)?,
            None => self.insert(hash, key, value_bytes, meta, now_ms)?,
        };
        Ok(raw.value_mut())
    }

    /// Inserts or replaces an item whose key and value lie in `block`, which becomes the item's memory without being
    /// copied: the block is charged as a whole, so it should hold little else. What is too small to have memory of its
    /// own is copied.
    ///
    /// # Panics
    ///
    /// If the key's bytes are not at `key_at`, or the value is not within the block.
    #[allow(clippy::too_many_arguments)]
    pub fn adopt(
        &mut self,
        key: &Key,
        block: &Lent,
        key_at: usize,
        value: Range<usize>,
        meta: &Meta,
        now_ms: u64,
    ) -> Result<(), Refused> {
        let payload = key.bytes.len() + value.len();
        if meta.heap
            || self.pages.classes().of_item(payload_offset(layout_of(meta, false)) + payload).is_some()
        {
            return self.put(key, &block[value], meta, now_ms);
        }
        assert!(
            block[key_at..].starts_with(key.bytes) && value.end <= block.len(),
            "key and value are in there"
        );
        let hash = key.slot_hash();
        self.check_sizes(key, value.len())?;
        let old = self.find_live(hash, key, now_ms).map(|(_, handle)| handle);
        self.unpin_released();
        let Some(old) = old else {
            let handle = self.adopt_blob(key, block, key_at, &value, meta, now_ms)?;
            self.join(hash, handle);
            return Ok(());
        };
        // As in `replace`: what has to go must not be what is replaced.
        let old_raw = self.pages.raw(old);
        let pinned = old_raw.is_pinned();
        old_raw.set_pinned(true);
        let made = self.adopt_blob(key, block, key_at, &value, meta, now_ms);
        old_raw.set_pinned(pinned);
        let handle = made?;
        self.pages.raw(handle).set_frequency(old_raw.frequency());
        self.note_heap_leaves(old_raw, meta);
        self.take_place_of(hash, old, handle);
        Ok(())
    }

    /// Gives the value another length, keeping its beginning and filling up with zeros. The item gets a new version
    /// and loses an explicit CAS unique. `None`: no such item.
    pub fn resize(
        &mut self,
        key: &Key,
        value_bytes: usize,
        now_ms: u64,
    ) -> Result<Option<&mut [u8]>, Refused> {
        Ok(self.change_value(key, |_| value_bytes, Old::Keep, true, now_ms)?.map(Raw::value_mut))
    }

    /// The value to be changed in place, its length kept; the item gets a new version and loses an explicit CAS
    /// unique. `None`: no such item, or it is pinned and there is no room for a copy.
    pub fn value_mut(&mut self, key: &Key, now_ms: u64) -> Option<&mut [u8]> {
        let hash = key.slot_hash();
        let (_, handle) = self.find_live(hash, key, now_ms)?;
        let raw = self.pages.raw(handle);
        if raw.may_change_in_place() {
            self.renew(hash, raw);
            return Some(raw.value_mut());
        }
        self.change_value(key, |length| length, Old::Keep, false, now_ms).ok()?.map(Raw::value_mut)
    }

    /// Adds bytes at the end of a value. The new length, or `None`: no such item.
    pub fn append(&mut self, key: &Key, bytes: &[u8], now_ms: u64) -> Result<Option<usize>, Refused> {
        let changed = self.change_value(key, |length| length + bytes.len(), Old::Keep, true, now_ms)?;
        Ok(changed.map(|raw| {
            let value = raw.value_mut();
            let length = value.len();
            value[length - bytes.len()..].copy_from_slice(bytes);
            length
        }))
    }

    /// Adds bytes at the start of a value. The new length, or `None`: no such item.
    pub fn prepend(&mut self, key: &Key, bytes: &[u8], now_ms: u64) -> Result<Option<usize>, Refused> {
        let old = Old::Shift(bytes.len());
        let changed = self.change_value(key, |length| length + bytes.len(), old, true, now_ms)?;
        Ok(changed.map(|raw| {
            let value = raw.value_mut();
            value[..bytes.len()].copy_from_slice(bytes);
            value.len()
        }))
    }

    /// Replaces everything beside the value. With `Change::Keep` the version stays, and so the CAS unique if
    /// `meta.cas` is the old one. False: no such item.
    pub fn set_meta(&mut self, key: &Key, meta: &Meta, change: Change, now_ms: u64) -> Result<bool, Refused> {
        let hash = key.slot_hash();
        let Some((_, old)) = self.find_live(hash, key, now_ms) else { return Ok(false) };
        let raw = self.pages.raw(old);
        let version = raw.version();
        let touched = self.touched(hash);
        let raw = if layout_of(meta, raw.is_large()) & FIELDS == raw.layout() & FIELDS {
            self.recount_expiry(old, meta.expire_at_ms);
            raw.set_meta(meta, raw.is_large());
            let version = self.next_change();
            raw.set_version(version);
            self.note_change(hash);
            raw
        } else {
            self.rewrite(hash, old, key, raw.value_len(), meta, Old::Keep, now_ms)?
        };
        if change == Change::Keep {
            raw.set_version(version);
            self.watches.restore(hash, touched);
        }
        self.index.stamp(hash, self.change);
        Ok(true)
    }

    /// Sets when the item dies; 0 is never. `Change::New` also drops an explicit CAS unique. False: no such item.
    pub fn set_expiry(
        &mut self,
        key: &Key,
        expire_at_ms: u64,
        change: Change,
        now_ms: u64,
    ) -> Result<bool, Refused> {
        let Some(item) = self.peek(key, now_ms) else { return Ok(false) };
        let mut meta = item.meta();
        meta.expire_at_ms = expire_at_ms;
        if change == Change::New {
            meta.cas = None;
        }
        self.set_meta(key, &meta, change, now_ms)
    }

    /// Removes the item. True: there was a live one.
    #[inline]
    pub fn remove(&mut self, key: &Key, now_ms: u64) -> bool {
        let hash = key.slot_hash();
        match self.find_live(hash, key, now_ms) {
            Some((slot, handle)) => {
                let version = self.next_change();
                self.index.stamp(hash, version);
                self.drop_item(hash, slot, handle, Gone::Removed);
                true
            }
            None => false,
        }
    }

    // -- inside

    /// The heap handle that a key has, if `value` is another one.
    #[cold]
    fn other_heap_handle(&self, key: &Key, value: &[u8], now_ms: u64) -> Option<u64> {
        let old = self.peek(key, now_ms).filter(Item::is_heap)?.value().first_chunk::<8>().copied()?;
        (value.first_chunk() != Some(&old)).then_some(u64::from_ne_bytes(old))
    }

    #[inline]
    pub(super) fn check_sizes(&self, key: &Key, value_bytes: usize) -> Result<(), Refused> {
        if key.bytes.len() > KEY_BYTES_MAX {
            return Err(Refused::KeyTooLong);
        }
        if value_bytes as u64 > self.item_bytes_max {
            return Err(Refused::ValueTooLarge);
        }
        Ok(())
    }

    /// Another length for a value, metadata kept. If it `is_new`, nobody has read it yet, and it is not outdated.
    fn change_value(
        &mut self,
        key: &Key,
        length: impl FnOnce(usize) -> usize,
        old: Old,
        is_new: bool,
        now_ms: u64,
    ) -> Result<Option<Raw>, Refused> {
        let hash = key.slot_hash();
        let Some((_, handle)) = self.find_live(hash, key, now_ms) else { return Ok(None) };
        let raw = self.pages.raw(handle);
        let value_bytes = length(raw.value_len());
        self.check_sizes(key, value_bytes)?;
        let marks = if is_new { Marks::default() } else { raw.marks() };
        let meta = Meta { cas: None, marks, ..raw.meta() };
        let longer = value_bytes > raw.value_len();
        let shared = raw.is_large() && large::is_shared(raw.blob());
        let raw = match self.rewrite(hash, handle, key, value_bytes, &meta, old, now_ms) {
            // A value that gets no longer is never refused: without a chunk of its size it stays in the one it has, and may
            // be in one that is too large for it since the last time. (What others read stays as it is.)
            Err(Refused::NoMemory) if !longer && !raw.is_pinned() && !shared => {
                self.rewrite_in_place(hash, handle, key, value_bytes, &meta, old)
            }
            done => done?,
        };
        if is_new && raw.is_fetched() {
            raw.set_fetched(false);
        }
        Ok(Some(raw))
    }

    /// An item changes where it lies: it gets a new version.
    #[inline]
    pub(super) fn renew(&mut self, hash: u64, raw: Raw) {
        let version = self.next_change();
        self.index.stamp(hash, version);
        self.note_change(hash);
        raw.set_version(version);
    }

    /// A new item that replaces none.
    fn insert(
        &mut self,
        hash: u64,
        key: &Key,
        value_bytes: usize,
        meta: &Meta,
        now_ms: u64,
    ) -> Result<Raw, Refused> {
        self.evictor.prefetch(hash);
        let handle = self.new_chunk(key, value_bytes, meta, now_ms)?;
        self.join(hash, handle);
        Ok(self.pages.raw(handle))
    }

    /// Puts a new chunk's item into the index, where none of its key is.
    #[inline]
    pub(super) fn join(&mut self, hash: u64, handle: Handle) {
        self.evictor.on_insert(&self.pages, &self.index, handle, hash);
        self.index.insert(hash, handle);
        self.enter(hash, handle);
        self.grow_index();
        if self.witness.is_at_gate() {
            self.witness.note_passage(&self.pages, handle, Way::Came);
        }
    }

    /// Another value or other metadata for an item: in its chunk if that is still the right one and nobody reads
    /// it, else in another.
    #[allow(clippy::too_many_arguments)]
    #[inline]
    fn rewrite(
        &mut self,
        hash: u64,
        handle: Handle,
        key: &Key,
        value_bytes: usize,
        meta: &Meta,
        old: Old,
        now_ms: u64,
    ) -> Result<Raw, Refused> {
        let raw = self.pages.raw(handle);
        if !self.fits_in_place(handle, raw, key, value_bytes, meta) {
            if matches!(old, Old::Forget) || !self.blob_can_grow(handle, raw, key, value_bytes, meta) {
                return self.replace(hash, handle, key, value_bytes, meta, old, now_ms);
            }
            self.resize_blob(handle, raw.blob_value_at() + value_bytes, now_ms)?;
            self.evictor.on_remove(&self.pages, handle, Gone::Replaced);
            let raw = self.rewrite_in_place(hash, handle, key, value_bytes, meta, old);
            self.evictor.on_insert(&self.pages, &self.index, handle, hash);
            return Ok(raw);
        }
        Ok(self.rewrite_in_place(hash, handle, key, value_bytes, meta, old))
    }

    /// Another value or other metadata for an item whose chunk (or blob) has room for them.
    #[inline]
    fn rewrite_in_place(
        &mut self,
        hash: u64,
        handle: Handle,
        key: &Key,
        value_bytes: usize,
        meta: &Meta,
        old: Old,
    ) -> Raw {
        let raw = self.pages.raw(handle);
        let version = self.next_change();
        self.index.stamp(hash, version);
        self.note_change(hash);
        self.note_heap_leaves(raw, meta);
        self.recount_expiry(handle, meta.expire_at_ms);
        let before = raw.chunk_bytes_used();
        let old_bytes = raw.value_len();
        if !matches!(old, Old::Forget) {
            raw.rewrite_keeping(key.bytes, value_bytes, meta);
        } else {
            raw.lay_out_again(key.bytes, value_bytes, meta);
        }
        raw.set_version(version);
        let after = raw.chunk_bytes_used();
        if before != after {
            self.pages.requested_changed(handle, before, after);
        }
        match old {
            // Nobody has read the new value.
            Old::Forget if raw.is_fetched() => raw.set_fetched(false),
            Old::Forget => {}
            Old::Keep => raw.value_mut()[old_bytes.min(value_bytes)..].fill(0),
            Old::Shift(by) => raw.value_mut().copy_within(..old_bytes, by),
        }
        raw
    }

    /// Whether the item is large, stays large, and nobody else reads its blob.
    fn blob_can_grow(&self, handle: Handle, raw: Raw, key: &Key, value_bytes: usize, meta: &Meta) -> bool {
        let item_bytes = payload_offset(layout_of(meta, false)) + key.bytes.len() + value_bytes;
        raw.is_large()
            && !large::is_shared(raw.blob())
            && self.pages.classes().of_item(item_bytes).is_none()
            && (!raw.is_pinned() || !self.pins.is_pinned(handle))
    }

    /// Whether the chunk (or blob) that an item has is the one that it would get.
    #[inline]
    pub(super) fn fits_in_place(
        &self,
        handle: Handle,
        raw: Raw,
        key: &Key,
        value_bytes: usize,
        meta: &Meta,
    ) -> bool {
        if raw.is_pinned() && (!self.pins.any_released() || self.pins.is_pinned(handle)) {
            return false;
        }
        let payload = key.bytes.len() + value_bytes;
        let wanted = self.pages.classes().of_item(payload_offset(layout_of(meta, false)) + payload);
        if !raw.is_large() {
            return wanted == Some(self.pages.class_of(handle));
        }
        let usable = large::usable_bytes(raw.blob());
        wanted.is_none()
            && raw.blob_value_at() + value_bytes <= usable
            && payload >= usable - usable / 8
            && !large::is_shared(raw.blob())
    }

    /// Puts the item into another chunk.
    #[allow(clippy::too_many_arguments)]
    fn replace(
        &mut self,
        hash: u64,
        old: Handle,
        key: &Key,
        value_bytes: usize,
        meta: &Meta,
        keep: Old,
        now_ms: u64,
    ) -> Result<Raw, Refused> {
        self.unpin_released();
        let old_raw = self.pages.raw(old);
        // What has to go for the new chunk must not be what it replaces: the write may still be refused.
        let pinned = old_raw.is_pinned();
        old_raw.set_pinned(true);
        let made = self.new_chunk(key, value_bytes, meta, now_ms);
        old_raw.set_pinned(pinned);
        let handle = made?;
        let raw = self.pages.raw(handle);
        raw.set_frequency(old_raw.frequency());
        raw.set_fetched(old_raw.is_fetched() && !matches!(keep, Old::Forget));
        match keep {
            Old::Forget => {}
            Old::Keep => {
                let both = old_raw.value_len().min(value_bytes);
                let (start, rest) = raw.value_mut().split_at_mut(both);
                start.copy_from_slice(&old_raw.value()[..both]);
                rest.fill(0);
            }
            Old::Shift(by) => raw.value_mut()[by..].copy_from_slice(old_raw.value()),
        }
        self.note_heap_leaves(old_raw, meta);
        self.take_place_of(hash, old, handle);
        Ok(raw)
    }

    /// Puts a new chunk's item where another was in the index, and gives that one's chunk up.
    pub(super) fn take_place_of(&mut self, hash: u64, old: Handle, handle: Handle) {
        self.evictor.on_remove(&self.pages, old, Gone::Replaced);
        self.evictor.on_insert(&self.pages, &self.index, handle, hash);
        // Eviction may have changed the index meanwhile, but not taken the old item out of it.
        if let Some((slot, _)) = self.index.find(hash, |other| other == old) {
            self.index.replace(slot, handle);
        }
        self.leave(old);
        self.give_chunk(old);
        self.enter(hash, handle);
    }

    /// A chunk with an item laid out in it, but for its value and version.
    pub(super) fn new_chunk(
        &mut self,
        key: &Key,
        value_bytes: usize,
        meta: &Meta,
        now_ms: u64,
    ) -> Result<Handle, Refused> {
        let payload = key.bytes.len() + value_bytes;
        let item_bytes = payload_offset(layout_of(meta, false)) + payload;
        if let Some(class) = self.pages.classes().of_item(item_bytes) {
            let handle = self.take_chunk(class, item_bytes, now_ms)?;
            self.pages.raw(handle).lay_out(key.db, key.bytes, value_bytes, meta, None);
            return Ok(handle);
        }
        let blob = self.take_blob(payload, now_ms)?;
        let class = self.pages.classes().descriptor();
        match self.take_chunk(class, payload_offset(layout_of(meta, true)), now_ms) {
            Ok(handle) => {
                self.pages.raw(handle).lay_out(key.db, key.bytes, value_bytes, meta, Some(blob));
                Ok(handle)
            }
            Err(refused) => {
                self.give_blob(blob);
                Err(refused)
            }
        }
    }

    /// Counts a new item, which is in the index.
    #[inline]
    fn enter(&mut self, hash: u64, handle: page::Handle) {
        let version = self.next_change();
        self.index.stamp(hash, version);
        self.note_change(hash);
        let raw = self.pages.raw(handle);
        raw.set_version(version);
        let expire_at_ms = raw.expire_at_ms();
        self.pages.expiry_came(handle, expire_at_ms);
        self.counts_changed = true;
        let counts = &mut self.by_db[usize::from(raw.db())];
        counts.items += 1;
        counts.volatile += u64::from(expire_at_ms != 0);
    }

    /// The item in a chunk is about to get another expiry.
    #[inline]
    fn recount_expiry(&mut self, handle: Handle, expire_at_ms: u64) {
        let raw = self.pages.raw(handle);
        let before = raw.expire_at_ms();
        let after = expire_at_ms.min(EXPIRE_AT_MS_MAX);
        if before == after {
            return;
        }
        self.pages.expiry_left(handle, before);
        self.pages.expiry_came(handle, after);
        self.counts_changed = true;
        let counts = &mut self.by_db[usize::from(raw.db())];
        counts.volatile = counts.volatile + u64::from(after != 0) - u64::from(before != 0);
    }
}
