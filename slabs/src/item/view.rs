#![allow(unsafe_code)]
//! An item as the store's users see it: what can be asked of it, and nothing that changes it.

use super::{FREQUENCY, KIND, Match, Raw};
use crate::class::Classes;
use crate::large::Lent;
use crate::meta::{Kind, Marks, Meta};

/// One item as it is stored. Borrows the store.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    raw: Raw,
    value: *const u8,
    value_len: usize,
    classes: &'a Classes,
}

impl<'a> Item<'a> {
    /// The item in a chunk of a store with these classes, which lends it.
    #[inline]
    pub(crate) fn new(raw: Raw, classes: &'a Classes) -> Item<'a> {
        Item { raw, value: raw.value_start(), value_len: raw.value_len(), classes }
    }

    /// The item that was found for this key.
    #[inline(always)]
    pub(crate) fn matched(found: &Match, key: &[u8], classes: &'a Classes) -> Item<'a> {
        let (value, value_len) = if found.plain {
            (found.payload.wrapping_add(key.len()), (found.head & 0xffff) as usize)
        } else {
            (found.raw.value_start(), found.raw.value_len())
        };
        Item { raw: found.raw, value, value_len, classes }
    }

    /// The database.
    #[inline]
    pub fn db(&self) -> u8 {
        self.raw.db()
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        self.raw.key()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &'a [u8] {
        // SAFETY: `value` is where the item's value begins; the item borrows the store, so it stays.
        unsafe { std::slice::from_raw_parts(self.value, self.value_len) }
    }

    /// The value to be kept and read elsewhere, whatever becomes of the item, if it is large enough to have memory of
    /// its own. Costs no copy; an item that is changed meanwhile gets other memory.
    #[inline]
    pub fn lend(&self) -> Option<Lent> {
        self.raw.is_large().then(|| Lent::of(self.raw.blob(), self.raw.blob_value_at(), self.raw.value_len()))
    }

    /// The value's type.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind::from_bits(self.raw.layout() & KIND)
    }

    /// The value is a handle to a structure of the caller's.
    #[inline]
    pub fn is_heap(&self) -> bool {
        self.raw.is_heap()
    }

    /// memcached's opaque flags.
    #[inline]
    pub fn client_flags(&self) -> u32 {
        self.raw.client_flags()
    }

    /// Unix time in ms from which on the item is dead; 0 is never.
    #[inline]
    pub fn expire_at_ms(&self) -> u64 {
        self.raw.expire_at_ms()
    }

    /// The CAS unique that was given, or else the version. Never 0 unless 0 was given.
    #[inline]
    pub fn cas_unique(&self) -> u64 {
        self.raw.cas().unwrap_or(u64::from(self.raw.version()))
    }

    /// The store-wide number of the item's last change, never 0; wraps after 2^32 changes.
    #[inline]
    pub fn version(&self) -> u32 {
        self.raw.version()
    }

    /// What herd control keeps; empty for most.
    #[inline]
    pub fn marks(&self) -> Marks {
        self.raw.marks()
    }

    /// Its value was read since it was written: `get` counts, `peek` and `get_unread` do not.
    #[inline]
    pub fn is_fetched(&self) -> bool {
        self.raw.is_fetched()
    }

    /// Everything that is stored beside the value; `cas` only if one was given.
    pub fn meta(&self) -> Meta {
        self.raw.meta()
    }

    /// How often it was read lately, 0..=3.
    pub fn frequency(&self) -> u8 {
        self.raw.frequency()
    }

    /// How much of its use another store should know of: its frequency, and one more if it has earned a place in its
    /// main queue.
    pub fn uses(&self) -> u8 {
        (self.raw.frequency() + u8::from(self.raw.is_main())).min(FREQUENCY)
    }

    /// The size class that the item is counted under, by its place in [`Store::classes`](crate::Store::classes).
    pub fn class(&self) -> usize {
        if self.raw.is_large() {
            return usize::from(self.classes.of_blob(self.raw.key_len() + self.raw.value_len()));
        }
        usize::from(self.classes.of_item(self.raw.chunk_bytes_used()).unwrap_or(0))
    }

    /// Bytes that the item asks for: header, optional fields, key and value.
    pub fn requested_bytes(&self) -> u64 {
        let blob = if self.raw.is_large() { self.raw.key_len() + self.raw.value_len() } else { 0 };
        (self.raw.chunk_bytes_used() + blob) as u64
    }

    /// Bytes that the item takes: its chunk and, if large, its blob. Not its share of the index.
    pub fn bytes(&self) -> u64 {
        if self.raw.is_large() {
            let descriptor = self.classes.chunk_bytes(self.classes.descriptor());
            return descriptor as u64 + crate::large::charged_bytes(self.raw.blob());
        }
        let class = self.classes.of_item(self.raw.chunk_bytes_used()).unwrap_or(0);
        self.classes.chunk_bytes(class) as u64
    }
}
