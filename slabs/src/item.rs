#![allow(unsafe_code)]
//! The bytes of an item.
//!
//! ```text
//!  0  version      u32   store-wide number of the last change
//!  4  value_len    u16   (0 if large)
//!  6  key_len      u16
//!  8  db           u8
//!  9  layout       u8    kind 0..3, MARKS, EXPIRY, FLAGS, CAS, LARGE
//! 10  state        u8    frequency 0..2, MAIN, PINNED, HEAP, LIVE, ORPHAN, FETCHED
//! 11  mark         u8    the eviction's own
//! 12  large only:  pointer 8, value_len 4, where in the blob key and value begin, 4 each
//!     optional:    expiry 6, client flags 4, marks 4, cas 8
//!     not large:   key, value        (large: both somewhere in the blob)
//! ```
//!
//! A free chunk has no LIVE and no ORPHAN bit; its first two bytes link the free list of its page.
//! Owns the layout; which chunk an item is in, and why, is not known here.

mod view;

use std::ptr::NonNull;

pub use view::Item;

use crate::meta::{EXPIRE_AT_MS_MAX, Kind, Marks, Meta};

const VALUE_LEN: usize = 4;
const KEY_LEN: usize = 6;
const DB: usize = 8;
const LAYOUT: usize = 9;
const STATE: usize = 10;
const MARK: usize = 11;
/// Bytes before the optional fields of an item in a chunk.
pub(crate) const HEADER_BYTES: usize = 12;
const BLOB: usize = 12;
const BLOB_VALUE_LEN: usize = 20;
const BLOB_KEY_AT: usize = 24;
const BLOB_VALUE_AT: usize = 28;
const LARGE_HEADER_BYTES: usize = 32;

/// Bits of the layout byte that hold the kind.
const KIND: u8 = 0x07;
const MARKS: u8 = 0x08;
const EXPIRY: u8 = 0x10;
const FLAGS: u8 = 0x20;
const CAS: u8 = 0x40;
const LARGE: u8 = 0x80;
/// Bits of the layout byte that say where everything lies.
pub(crate) const FIELDS: u8 = MARKS | EXPIRY | FLAGS | CAS | LARGE;

const FREQUENCY: u8 = 0x03;
/// The item is in its class's main queue (the eviction's to set).
pub(crate) const MAIN: u8 = 0x04;
/// Somebody reads the value, or an operation in progress holds on to it: it must stay where it is.
pub(crate) const PINNED: u8 = 0x08;
const HEAP: u8 = 0x10;
const LIVE: u8 = 0x20;
const ORPHAN: u8 = 0x40;
/// The value was read since it was written.
const FETCHED: u8 = 0x80;

/// Where key and value (or the end of a descriptor) begin, by the upper five bits of the layout byte.
const PAYLOAD: [u8; 32] = {
    let mut table = [0; 32];
    let mut bits = 0;
    while bits < 32 {
        let layout = (bits as u8) << 3;
        let mut at = if layout & LARGE != 0 { LARGE_HEADER_BYTES } else { HEADER_BYTES };
        at += if layout & EXPIRY != 0 { 6 } else { 0 };
        at += if layout & FLAGS != 0 { 4 } else { 0 };
        at += if layout & MARKS != 0 { 4 } else { 0 };
        at += if layout & CAS != 0 { 8 } else { 0 };
        table[bits] = at as u8;
        bits += 1;
    }
    table
};

/// The layout byte that this metadata needs.
#[inline]
pub(crate) fn layout_of(meta: &Meta, large: bool) -> u8 {
    let mut layout = meta.kind as u8;
    if meta.expire_at_ms != 0 {
        layout |= EXPIRY;
    }
    if meta.client_flags != 0 {
        layout |= FLAGS;
    }
    if meta.marks != Marks::default() {
        layout |= MARKS;
    }
    if meta.cas.is_some() {
        layout |= CAS;
    }
    if large { layout | LARGE } else { layout }
}

/// Bytes before key and value (or all bytes of a descriptor).
#[inline]
pub(crate) fn payload_offset(layout: u8) -> usize {
    usize::from(PAYLOAD[usize::from(layout >> 3)])
}

/// A key to be compared with items: their lengths and databases are compared at once.
pub(crate) struct Wanted<'a> {
    head: u64,
    key: &'a [u8],
}

/// What a lookup found.
pub(crate) struct Match {
    /// The item.
    pub(crate) raw: Raw,
    /// Where its key begins.
    payload: *mut u8,
    /// It is not large and has no optional fields, hence no expiry.
    pub(crate) plain: bool,
    /// The eight bytes from `VALUE_LEN` on, as they were read to compare them.
    head: u64,
}

/// Key length and database in the eight bytes from `VALUE_LEN` on.
const WANTED_MASK: u64 = 0x00ff_ffff_0000;

/// Where the state byte is in these eight bytes.
const STATE_SHIFT: usize = (STATE - VALUE_LEN) * 8;

/// The same, and the flags of the layout byte, which are all 0 in an item without optional fields.
const PLAIN_MASK: u64 = WANTED_MASK | (FIELDS as u64) << 40;

/// The same with what an item has whose count of uses is full and whose value was read.
const HOT_MASK: u64 = PLAIN_MASK | HOT;
const HOT: u64 = ((FREQUENCY | FETCHED) as u64) << STATE_SHIFT;

impl Match {
    /// Counts a use that reads the value. What is used often has a full count, and is not written to: the branch is
    /// then predicted, and the cache line stays clean. (Choosing the address instead of the way cost 5 ns a lookup.)
    #[inline(always)]
    pub(crate) fn touch(&self) {
        let state = (self.head >> STATE_SHIFT) as u8;
        if state & (FREQUENCY | FETCHED) != FREQUENCY | FETCHED {
            let used = if state & FREQUENCY == FREQUENCY { state } else { state + 1 };
            self.raw.store(STATE, used | FETCHED);
        }
    }

    /// Counts a use that does not read the value.
    #[inline]
    pub(crate) fn touch_unread(&self) {
        let state = (self.head >> STATE_SHIFT) as u8;
        if state & FREQUENCY != FREQUENCY {
            self.raw.store(STATE, state + 1);
        }
    }
}

impl<'a> Wanted<'a> {
    /// The key of an item in this database. Longer keys than items can have are equal to none.
    #[inline]
    pub(crate) fn new(db: u8, key: &'a [u8]) -> Wanted<'a> {
        Wanted { head: (key.len() as u64) << 16 ^ u64::from(db) << 32, key }
    }
}

/// Whether the bytes at `at`, as many as `key` has, are those of `key`. Keys are short: no call for them.
#[inline]
fn same_bytes(at: *const u8, key: &[u8]) -> bool {
    let length = key.len();
    let word = |offset: usize| {
        // SAFETY: `offset + 8 <= length`, and both sides have `length` bytes, as the caller knows.
        unsafe {
            (
                at.add(offset).cast::<u64>().read_unaligned(),
                key.as_ptr().add(offset).cast::<u64>().read_unaligned(),
            )
        }
    };
    if (8..=64).contains(&length) {
        let last = length - 8;
        if last <= 8 {
            let (first, other_first) = word(0);
            let (rest, other_rest) = word(last);
            return (first ^ other_first) | (rest ^ other_rest) == 0;
        }
        let mut offset = 0;
        while offset < last {
            let (one, other) = word(offset);
            if one != other {
                return false;
            }
            offset += 8;
        }
        let (one, other) = word(last);
        return one == other;
    }
    if (4..8).contains(&length) {
        let half = |offset: usize| {
            // SAFETY: `offset + 4 <= length`; otherwise as above.
            unsafe {
                at.add(offset).cast::<u32>().read_unaligned()
                    ^ key.as_ptr().add(offset).cast::<u32>().read_unaligned()
            }
        };
        return half(0) | half(length - 4) == 0;
    }
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(at, length) == key }
}

/// A chunk that holds an item, or held one.
///
/// Made by `Pages` only, for chunks inside its arena, of at least 16 bytes, whose contents are an item that was
/// laid out here; so the accessors can trust the lengths. It borrows nothing: whoever holds one keeps it no longer
/// than the chunk stays allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw(NonNull<u8>);

impl Raw {
    /// # Safety
    /// `chunk` points to a chunk of a live arena, and the contract of the type holds for it.
    #[inline]
    pub(crate) unsafe fn new(chunk: *mut u8) -> Raw {
        // SAFETY: chunks lie in a mapping, which does not begin at 0.
        Raw(unsafe { NonNull::new_unchecked(chunk) })
    }

    /// The chunk's address, for prefetching.
    #[inline]
    pub(crate) fn address(self) -> *const u8 {
        self.0.as_ptr()
    }

    #[inline]
    fn load<T: Copy>(self, offset: usize) -> T {
        // SAFETY: all offsets used here lie in the item, by the type's contract; plain integers have no invalid
        // values, and the read needs no alignment.
        unsafe { self.0.add(offset).cast::<T>().read_unaligned() }
    }

    #[inline]
    fn store<T: Copy>(self, offset: usize, value: T) {
        // SAFETY: as for `load`; the store that owns the arena is borrowed exclusively by whoever writes.
        unsafe { self.0.add(offset).cast::<T>().write_unaligned(value) }
    }

    // -- header

    #[inline]
    pub(crate) fn version(self) -> u32 {
        self.load(0)
    }

    #[inline]
    pub(crate) fn set_version(self, version: u32) {
        self.store(0, version);
    }

    #[inline]
    pub(crate) fn db(self) -> u8 {
        self.load(DB)
    }

    #[inline]
    pub(crate) fn layout(self) -> u8 {
        self.load(LAYOUT)
    }

    #[inline]
    pub(crate) fn is_large(self) -> bool {
        self.layout() & LARGE != 0
    }

    #[inline]
    fn state(self) -> u8 {
        self.load(STATE)
    }

    #[inline]
    fn set_state(self, bits: u8, on: bool) {
        let state = self.state();
        self.store(STATE, if on { state | bits } else { state & !bits });
    }

    /// The chunk holds an item of the index.
    #[inline]
    pub(crate) fn is_live(self) -> bool {
        self.state() & LIVE != 0
    }

    /// The item is gone, but a pin still reads its value.
    #[inline]
    pub(crate) fn is_orphan(self) -> bool {
        self.state() & ORPHAN != 0
    }

    #[inline]
    pub(crate) fn is_pinned(self) -> bool {
        self.state() & PINNED != 0
    }

    #[inline]
    pub(crate) fn set_pinned(self, on: bool) {
        self.set_state(PINNED, on);
    }

    /// The item is not in the index: only a pin keeps the chunk, or it is staged.
    pub(crate) fn orphan(self) {
        self.set_state(LIVE, false);
        self.set_state(ORPHAN, true);
    }

    /// An item that was kept out of the index is going to be in it.
    pub(crate) fn adopt(self) {
        self.set_state(ORPHAN, false);
        self.set_state(LIVE, true);
    }

    #[inline]
    pub(crate) fn is_heap(self) -> bool {
        self.state() & HEAP != 0
    }

    #[inline]
    pub(crate) fn is_main(self) -> bool {
        self.state() & MAIN != 0
    }

    #[inline]
    pub(crate) fn set_main(self, on: bool) {
        self.set_state(MAIN, on);
    }

    #[inline]
    pub(crate) fn frequency(self) -> u8 {
        self.state() & FREQUENCY
    }

    #[inline]
    pub(crate) fn set_frequency(self, frequency: u8) {
        self.store(STATE, (self.state() & !FREQUENCY) | frequency.min(FREQUENCY));
    }

    #[inline]
    pub(crate) fn is_fetched(self) -> bool {
        self.state() & FETCHED != 0
    }

    #[inline]
    pub(crate) fn set_fetched(self, on: bool) {
        self.set_state(FETCHED, on);
    }

    /// A change of the value that keeps its length leaves everything where it is: the value is the chunk's own, nobody
    /// reads it from there, and there is no CAS unique to be dropped.
    #[inline]
    pub(crate) fn may_change_in_place(self) -> bool {
        self.layout() & (LARGE | CAS) == 0 && !self.is_pinned()
    }

    /// There are marks.
    #[inline]
    pub(crate) fn is_marked(self) -> bool {
        self.layout() & MARKS != 0
    }

    /// A byte that only eviction uses. Zero in a new item.
    #[inline]
    pub(crate) fn mark(self) -> u8 {
        self.load(MARK)
    }

    #[inline]
    pub(crate) fn set_mark(self, mark: u8) {
        self.store(MARK, mark);
    }

    // -- optional fields

    #[inline]
    fn optional_offset(self) -> usize {
        if self.is_large() { LARGE_HEADER_BYTES } else { HEADER_BYTES }
    }

    #[inline]
    pub(crate) fn has_expiry(self) -> bool {
        self.layout() & EXPIRY != 0
    }

    #[inline]
    pub(crate) fn expire_at_ms(self) -> u64 {
        if !self.has_expiry() {
            return 0;
        }
        let at = self.optional_offset();
        u64::from(self.load::<u32>(at)) | u64::from(self.load::<u16>(at + 4)) << 32
    }

    /// Dead: its time has come.
    #[inline]
    pub(crate) fn is_expired(self, now_ms: u64) -> bool {
        self.has_expiry() && self.expire_at_ms() <= now_ms
    }

    pub(crate) fn client_flags(self) -> u32 {
        let layout = self.layout();
        if layout & FLAGS == 0 {
            return 0;
        }
        self.load(self.optional_offset() + if layout & EXPIRY != 0 { 6 } else { 0 })
    }

    /// Where the marks lie, if there are any: behind the client flags.
    #[inline]
    fn marks_offset(self) -> Option<usize> {
        let layout = self.layout();
        let behind = if layout & CAS != 0 { 12 } else { 4 };
        (layout & MARKS != 0).then(|| payload_offset(layout) - behind)
    }

    #[inline]
    pub(crate) fn marks(self) -> Marks {
        self.marks_offset().map_or(Marks::default(), |at| Marks::from_bits(self.load(at)))
    }

    /// Keeps the time of a use, where such times are kept.
    #[inline]
    pub(crate) fn note_use(self, now_ms: u64) {
        if let Some(at) = self.marks_offset() {
            let marks = Marks::from_bits(self.load(at));
            self.store(at, marks.used_at(now_ms).to_bits());
        }
    }

    pub(crate) fn cas(self) -> Option<u64> {
        if self.layout() & CAS == 0 {
            return None;
        }
        Some(self.load(payload_offset(self.layout()) - 8))
    }

    pub(crate) fn meta(self) -> Meta {
        Meta {
            kind: Kind::from_bits(self.layout() & KIND),
            heap: self.is_heap(),
            client_flags: self.client_flags(),
            expire_at_ms: self.expire_at_ms(),
            cas: self.cas(),
            marks: self.marks(),
        }
    }

    /// Writes layout and optional fields; their room must be there (`layout_of` equal to the old layout, or a new
    /// item being laid out).
    #[inline]
    pub(crate) fn set_meta(self, meta: &Meta, large: bool) {
        let layout = layout_of(meta, large);
        self.store(LAYOUT, layout);
        self.set_state(HEAP, meta.heap);
        let mut at = if large { LARGE_HEADER_BYTES } else { HEADER_BYTES };
        if layout & EXPIRY != 0 {
            let expiry = meta.expire_at_ms.min(EXPIRE_AT_MS_MAX);
            self.store(at, expiry as u32);
            self.store(at + 4, (expiry >> 32) as u16);
            at += 6;
        }
        if layout & FLAGS != 0 {
            self.store(at, meta.client_flags);
            at += 4;
        }
        if layout & MARKS != 0 {
            self.store(at, meta.marks.to_bits());
            at += 4;
        }
        if let Some(cas) = meta.cas {
            self.store(at, cas);
        }
    }

    // -- key and value

    #[inline]
    pub(crate) fn key_len(self) -> usize {
        usize::from(self.load::<u16>(KEY_LEN))
    }

    #[inline]
    pub(crate) fn value_len(self) -> usize {
        if self.is_large() {
            self.load::<u32>(BLOB_VALUE_LEN) as usize
        } else {
            usize::from(self.load::<u16>(VALUE_LEN))
        }
    }

    /// Where the key begins; the value follows it, unless the item is large.
    #[inline]
    fn payload(self) -> *mut u8 {
        if self.is_large() {
            return self.blob().wrapping_add(self.load::<u32>(BLOB_KEY_AT) as usize);
        }
        // SAFETY: key and value lie in the chunk, by the type's contract.
        unsafe { self.0.as_ptr().add(payload_offset(self.layout())) }
    }

    /// Where the item's bytes begin and how many there are, optional fields and all; of a large item its key and what follows.
    #[inline]
    pub(crate) fn extent(self) -> (*const u8, usize) {
        let bytes = self.key_len() + self.value_len();
        if self.is_large() {
            return (self.payload(), bytes);
        }
        (self.address(), payload_offset(self.layout()) + bytes)
    }

    /// Where the value begins.
    #[inline]
    fn value_start(self) -> *mut u8 {
        if self.is_large() {
            return self.blob().wrapping_add(self.blob_value_at());
        }
        self.payload().wrapping_add(self.key_len())
    }

    /// The blob of a large item, with its key and its value.
    #[inline]
    pub(crate) fn blob(self) -> *mut u8 {
        self.load(BLOB)
    }

    /// Where in its blob the value of a large item begins.
    pub(crate) fn blob_value_at(self) -> usize {
        self.load::<u32>(BLOB_VALUE_AT) as usize
    }

    /// The same blob, moved.
    pub(crate) fn set_blob(self, blob: *mut u8) {
        self.store(BLOB, blob);
    }

    /// The key, for as long as the caller knows the chunk to be allocated.
    #[inline]
    pub(crate) fn key<'a>(self) -> &'a [u8] {
        // SAFETY: the payload holds `key_len` bytes; the caller keeps to the type's contract on lifetimes.
        unsafe { std::slice::from_raw_parts(self.payload(), self.key_len()) }
    }

    /// The value, as for `key`.
    #[inline]
    pub(crate) fn value<'a>(self) -> &'a [u8] {
        // SAFETY: chunk or blob hold `value_len` bytes from there on; lifetimes as above.
        unsafe { std::slice::from_raw_parts(self.value_start(), self.value_len()) }
    }

    /// The value to be written, as for `key`; the store is borrowed exclusively.
    #[inline]
    pub(crate) fn value_mut<'a>(self) -> &'a mut [u8] {
        // SAFETY: as for `value`, and nobody else looks at the value: it is not pinned, its blob not lent (the callers
        // check), and `Item`s borrow the store.
        unsafe { std::slice::from_raw_parts_mut(self.value_start(), self.value_len()) }
    }

    /// Whether this is the item of that key.
    #[inline]
    pub(crate) fn is(self, wanted: &Wanted) -> bool {
        self.match_with(wanted).is_some()
    }

    /// The same for an item without optional fields whose count of uses is full, by one compare of its header.
    #[inline(always)]
    pub(crate) fn match_hot(self, wanted: &Wanted) -> Option<Match> {
        let head = u64::from_le(self.load(VALUE_LEN));
        let payload = self.0.as_ptr().wrapping_add(HEADER_BYTES);
        (head & HOT_MASK == wanted.head | HOT && same_bytes(payload, wanted.key)).then_some(Match {
            raw: self,
            payload,
            plain: true,
            head,
        })
    }

    /// The item's parts that a reader wants, if it is the item of that key. An item without optional fields is told
    /// by one compare of its header, and where its value begins follows from the key.
    #[inline(always)]
    pub(crate) fn match_with(self, wanted: &Wanted) -> Option<Match> {
        let head = u64::from_le(self.load(VALUE_LEN));
        if head & PLAIN_MASK == wanted.head {
            let payload = self.0.as_ptr().wrapping_add(HEADER_BYTES);
            return same_bytes(payload, wanted.key).then_some(Match {
                raw: self,
                payload,
                plain: true,
                head,
            });
        }
        if head & WANTED_MASK != wanted.head {
            return None;
        }
        let payload = self.payload();
        same_bytes(payload, wanted.key).then_some(Match { raw: self, payload, plain: false, head })
    }

    // -- laying out

    /// Starts an item in a free chunk: live, unread, everything but the value written. For a large one `blob`
    /// has room for key and value.
    pub(crate) fn lay_out(self, db: u8, key: &[u8], value_len: usize, meta: &Meta, blob: Option<*mut u8>) {
        self.store(KEY_LEN, key.len() as u16);
        self.store(DB, db);
        self.store(STATE, LIVE);
        self.store(MARK, 0u8);
        self.set_meta(meta, blob.is_some());
        match blob {
            Some(blob) => self.lay_out_blob(blob, 0, key.len(), value_len),
            None => self.store(VALUE_LEN, value_len as u16),
        }
        // SAFETY: chunk (or blob) was chosen for key and value of these lengths, and the caller's key is outside
        // of it.
        unsafe { std::ptr::copy_nonoverlapping(key.as_ptr(), self.payload(), key.len()) };
    }

    fn lay_out_blob(self, blob: *mut u8, key_at: usize, value_at: usize, value_len: usize) {
        self.store(BLOB, blob);
        self.store(BLOB_VALUE_LEN, value_len as u32);
        self.store(BLOB_KEY_AT, key_at as u32);
        self.store(BLOB_VALUE_AT, value_at as u32);
    }

    /// Starts an item in a free chunk whose key and value lie in `blob` already.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn lay_out_adopted(
        self,
        db: u8,
        key_len: usize,
        meta: &Meta,
        blob: *mut u8,
        key_at: usize,
        value_at: usize,
        value_len: usize,
    ) {
        self.store(KEY_LEN, key_len as u16);
        self.store(DB, db);
        self.store(STATE, LIVE);
        self.store(MARK, 0u8);
        self.set_meta(meta, true);
        self.lay_out_blob(blob, key_at, value_at, value_len);
    }

    /// Changes metadata and value length of an item that stays in its chunk, which has room for it. The key
    /// moves when optional fields come or go; the value's bytes are the caller's to write.
    pub(crate) fn lay_out_again(self, key: &[u8], value_len: usize, meta: &Meta) {
        let large = self.is_large();
        let layout = self.layout();
        self.set_meta(meta, large);
        if large {
            self.store(BLOB_VALUE_LEN, value_len as u32);
            return;
        }
        self.store(VALUE_LEN, value_len as u16);
        if payload_offset(layout) != payload_offset(self.layout()) {
            // SAFETY: the chunk has room for the new layout; the caller's key is outside of it.
            unsafe { std::ptr::copy_nonoverlapping(key.as_ptr(), self.payload(), key.len()) };
        }
    }

    /// The same, but the value's bytes stay: the shorter of old and new length of them.
    pub(crate) fn rewrite_keeping(self, key: &[u8], value_len: usize, meta: &Meta) {
        let (from, both) = (payload_offset(self.layout()), self.value_len().min(value_len));
        let to = payload_offset(layout_of(meta, self.is_large()));
        if from != to && !self.is_large() {
            let key_len = self.key_len();
            // SAFETY: old and new value lie in the chunk, which has room for the new layout; `copy` allows overlap.
            unsafe { self.0.add(from + key_len).copy_to(self.0.add(to + key_len), both) };
        }
        self.lay_out_again(key, value_len, meta);
    }

    /// Takes `remove` bytes of the value out at `at`, and makes place for `insert` others. The value is in a chunk that
    /// has room for it; the whole of it.
    #[inline]
    pub(crate) fn splice_value<'a>(self, at: usize, remove: usize, insert: usize) -> &'a mut [u8] {
        let before = self.value_len();
        let after = before - remove + insert;
        debug_assert!(!self.is_large());
        self.store(VALUE_LEN, before.max(after) as u16);
        self.value_mut().copy_within(at + remove..before, at + insert);
        self.store(VALUE_LEN, after as u16);
        self.value_mut()
    }

    /// Copies a whole item, of this many bytes, to a free chunk of another class or page.
    pub(crate) fn copy_to(self, other: Raw, item_bytes: usize) {
        // SAFETY: both chunks hold `item_bytes` and are different.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), other.0.as_ptr(), item_bytes) };
    }

    /// Bytes in its chunk: header, optional fields, and key and value unless large.
    #[inline]
    pub(crate) fn chunk_bytes_used(self) -> usize {
        let layout = self.layout();
        let head = payload_offset(layout);
        if layout & LARGE != 0 { head } else { head + self.key_len() + self.value_len() }
    }

    // -- free chunks

    /// Marks the chunk free and links it.
    #[inline]
    pub(crate) fn set_free(self, next: u16) {
        self.store(STATE, 0u8);
        self.store(0, next);
    }

    #[inline]
    pub(crate) fn next_free(self) -> u16 {
        self.load(0)
    }
}
