#![allow(unsafe_code)]
//! The hash index: from a key's hash to the handles of items that may have it.
//!
//! Linear hashing over cache-line buckets. The array of buckets lies in a reserved range and grows by one bucket at
//! a time: bucket `split` is divided between itself and a new one at the end, so there is neither a second table nor
//! a pause. Full buckets continue in overflow buckets of a second range. All buckets of a chain but the last are
//! full, and lanes fill from 0.
//!
//! Entries carry 8 bits of hash; whether an item really has the key is for the caller to say, and so is the whole
//! hash of an entry when its bucket is divided.

mod bucket;
mod growth;
mod probe;
mod scan;
#[cfg(test)]
mod tests;

use std::hint::select_unpredictable;
use std::num::NonZeroU32;

use crate::arena::{OS_PAGE_BYTES, Range};
use crate::page::Handle;
use bucket::{Bucket, LANES, tag_of};
pub use probe::fetch_ahead;
pub(crate) use probe::prefetch;
use probe::{lanes_of_hash, lanes_with};

/// log2 of the buckets of an empty index: one page of the kernel's.
const LEVEL_MIN: u32 = 6;
const BUCKET_BYTES: usize = size_of::<Bucket>();
/// Memory that shrinking frees is given back in spans of this size.
const RELEASE_BYTES: usize = 64 << 10;

/// The table.
pub(crate) struct Index {
    array: Range,
    overflow: Range,
    /// There are `2^level + split` buckets; those below `split` have been divided at this level.
    level: u32,
    /// `2^level`, `2^level - 1`, `2 * 2^level - 1` and `2^level + split`, ready for use.
    half: u64,
    narrow_mask: u64,
    wide_mask: u64,
    bucket_count: u64,
    split: u64,
    count: u64,
    /// Bytes of the array that were touched and not given back.
    array_bytes: usize,
    /// Overflow buckets that were ever used; number 0 is none.
    overflow_count: u32,
    overflow_live: u32,
    /// First free overflow bucket, linked by `next`.
    overflow_free: u32,
}

/// Where an entry is. Good until the index changes.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    bucket: *mut Bucket,
    lane: u32,
}

impl Index {
    /// An empty index that can grow to `reserve_bytes` of buckets. The error is an errno.
    pub(crate) fn new(reserve_bytes: u64, huge_pages: bool) -> Result<Index, i32> {
        let reserve = (reserve_bytes as usize).next_multiple_of(RELEASE_BYTES);
        Ok(Index {
            array: Range::reserve(reserve, huge_pages)?,
            overflow: Range::reserve(reserve, huge_pages)?,
            level: LEVEL_MIN,
            half: 1 << LEVEL_MIN,
            narrow_mask: (1 << LEVEL_MIN) - 1,
            wide_mask: (2 << LEVEL_MIN) - 1,
            bucket_count: 1 << LEVEL_MIN,
            split: 0,
            count: 0,
            array_bytes: BUCKET_BYTES << LEVEL_MIN,
            overflow_count: 1,
            overflow_live: 0,
            overflow_free: 0,
        })
    }

    /// Entries.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Bytes committed.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        let overflow = self.overflow_count as usize * BUCKET_BYTES;
        (self.array_bytes + overflow.next_multiple_of(OS_PAGE_BYTES)) as u64
    }

    fn set_size(&mut self, level: u32, split: u64) {
        (self.level, self.split) = (level, split);
        self.half = 1 << level;
        self.narrow_mask = (1 << level) - 1;
        self.wide_mask = (2 << level) - 1;
        self.bucket_count = self.half + split;
    }

    /// Buckets, overflow apart.
    #[inline]
    pub(crate) fn buckets(&self) -> u64 {
        self.bucket_count
    }

    /// The bucket that a hash belongs to.
    #[inline]
    fn address(&self, hash: u64) -> u64 {
        let wide = hash & self.wide_mask;
        select_unpredictable(wide < self.bucket_count, wide, hash & self.narrow_mask)
    }

    #[inline]
    fn at(&self, address: u64) -> *mut Bucket {
        debug_assert!(address < self.buckets());
        // SAFETY: growth keeps the number of buckets within the range, and addresses below that number.
        unsafe { self.array.base().cast::<Bucket>().add(address as usize) }
    }

    #[inline]
    fn overflow_at(&self, number: u32) -> *mut Bucket {
        debug_assert!(number > 0 && number < self.overflow_count);
        // SAFETY: numbers come from `take_overflow`, which stays within the range.
        unsafe { self.overflow.base().cast::<Bucket>().add(number as usize) }
    }

    /// Looks at a bucket.
    #[inline]
    fn see(&self, bucket: *mut Bucket) -> &Bucket {
        // SAFETY: from `at` or `overflow_at`: inside a mapped range, aligned; any bytes are a valid bucket, and
        // buckets are written only while the index is borrowed exclusively.
        unsafe { &*bucket }
    }

    /// Changes a bucket.
    #[inline]
    fn change(&mut self, bucket: *mut Bucket) -> &mut Bucket {
        // SAFETY: as for `see`; the exclusive borrow of the index covers all buckets.
        unsafe { &mut *bucket }
    }

    /// Asks the CPU for the bucket of a hash.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        prefetch(self.at(self.address(hash)).cast());
    }

    /// The first entry of this tag, without a look at the item: what to prefetch. If there is none, the overflow bucket
    /// is asked for.
    #[inline]
    pub(crate) fn first_candidate(&self, hash: u64) -> Option<Handle> {
        let bucket = self.see(self.at(self.address(hash)));
        let lanes = lanes_of_hash(bucket, hash);
        if lanes == 0 {
            if bucket.next != 0 {
                prefetch(self.overflow_at(bucket.next).cast());
            }
            return None;
        }
        Some(bucket.handles[lanes.trailing_zeros() as usize])
    }

    /// The first entry of this tag in the first bucket: mostly the one that is looked for.
    #[inline(always)]
    pub(crate) fn first_of_tag(&self, hash: u64) -> Option<Handle> {
        let bucket = self.see(self.at(self.address(hash)));
        let lanes = NonZeroU32::new(lanes_of_hash(bucket, hash))?;
        Some(bucket.handle(lanes.trailing_zeros()))
    }

    /// The entry of this hash that `is` the one.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(Handle) -> bool) -> Option<(Slot, Handle)> {
        self.search(hash, |handle| is(handle).then_some(handle))
    }

    /// The first entry of this hash that `what` makes something of.
    #[inline]
    pub(crate) fn search<T>(
        &self,
        hash: u64,
        mut what: impl FnMut(Handle) -> Option<T>,
    ) -> Option<(Slot, T)> {
        match self.search_first(hash, &mut what) {
            Ok(found) => found,
            Err(next) => self.search_overflow(next, hash, &mut what),
        }
    }

    /// The same, in the first bucket only; the error is the number of an overflow bucket where to go on. (Apart, so
    /// that what only the unlikely second part needs is not kept in memory for it.)
    #[inline]
    fn search_first<T>(
        &self,
        hash: u64,
        mut what: impl FnMut(Handle) -> Option<T>,
    ) -> Result<Option<(Slot, T)>, u32> {
        let at = self.at(self.address(hash));
        let bucket = self.see(at);
        let mut lanes = lanes_of_hash(bucket, hash);
        while lanes != 0 {
            let lane = lanes.trailing_zeros();
            if let Some(found) = what(bucket.handle(lane)) {
                return Ok(Some((Slot { bucket: at, lane }, found)));
            }
            lanes &= lanes - 1;
        }
        if bucket.next == 0 { Ok(None) } else { Err(bucket.next) }
    }

    /// The second part of a search.
    #[inline(never)]
    fn search_overflow<T>(
        &self,
        first: u32,
        hash: u64,
        mut what: impl FnMut(Handle) -> Option<T>,
    ) -> Option<(Slot, T)> {
        let tag = tag_of(hash);
        let mut number = first;
        while number != 0 {
            let at = self.overflow_at(number);
            let bucket = self.see(at);
            let mut lanes = lanes_with(bucket, tag);
            while lanes != 0 {
                let lane = lanes.trailing_zeros();
                if let Some(found) = what(bucket.handle(lane)) {
                    return Some((Slot { bucket: at, lane }, found));
                }
                lanes &= lanes - 1;
            }
            number = bucket.next;
        }
        None
    }

    /// The entry's item is in another chunk now.
    #[inline]
    pub(crate) fn replace(&mut self, slot: Slot, handle: Handle) {
        self.change(slot.bucket).handles[slot.lane as usize] = handle;
    }

    /// Notes that an item of this hash changed for the `version`th time.
    #[inline]
    pub(crate) fn stamp(&mut self, hash: u64, version: u32) {
        let first = self.at(self.address(hash));
        self.change(first).version = version;
    }

    /// The number of the last change of any item that shares its bucket with this hash. What a snapshot needs to
    /// see a bucket before its first later change.
    pub(crate) fn version(&self, hash: u64) -> u32 {
        self.see(self.at(self.address(hash))).version
    }

    /// Adds an entry. The caller lets the index grow afterwards.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, handle: Handle) {
        let first = self.at(self.address(hash));
        self.push(first, tag_of(hash), handle);
        self.count += 1;
    }

    /// Adds an entry at the end of a chain.
    #[inline]
    fn push(&mut self, first: *mut Bucket, tag: u8, handle: Handle) {
        let mut at = first;
        while self.see(at).next != 0 {
            at = self.overflow_at(self.see(at).next);
        }
        let lanes = lanes_with(self.see(at), 0);
        let lane = if lanes == 0 {
            let number = self.take_overflow();
            self.change(at).next = number;
            at = self.overflow_at(number);
            0
        } else {
            lanes.trailing_zeros() as usize
        };
        let bucket = self.change(at);
        bucket.tags[lane] = tag;
        bucket.handles[lane] = handle;
    }

    /// Takes an entry out. The caller lets the index shrink afterwards.
    pub(crate) fn remove(&mut self, hash: u64, slot: Slot) {
        let mut before: *mut Bucket = std::ptr::null_mut();
        let mut last = self.at(self.address(hash));
        while self.see(last).next != 0 {
            before = last;
            last = self.overflow_at(self.see(last).next);
        }
        let free = lanes_with(self.see(last), 0);
        let end = if free == 0 { LANES } else { free.trailing_zeros() as usize } - 1;
        let bucket = self.change(last);
        let (tag, handle) = (bucket.tags[end], bucket.handles[end]);
        // The last entry of the chain fills the hole.
        let hole = self.change(slot.bucket);
        hole.tags[slot.lane as usize] = tag;
        hole.handles[slot.lane as usize] = handle;
        self.change(last).tags[end] = 0;
        if end == 0 && !before.is_null() {
            let number = std::mem::take(&mut self.change(before).next);
            self.give_overflow(number);
        }
        self.count -= 1;
    }

    /// Drops all entries and gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.array.release(0, self.array_bytes.next_multiple_of(OS_PAGE_BYTES));
        let overflow = self.overflow_count as usize * BUCKET_BYTES;
        self.overflow.release(0, overflow.next_multiple_of(OS_PAGE_BYTES));
        self.set_size(LEVEL_MIN, 0);
        self.count = 0;
        self.array_bytes = BUCKET_BYTES << LEVEL_MIN;
        self.overflow_count = 1;
        self.overflow_live = 0;
        self.overflow_free = 0;
    }

    /// An empty overflow bucket.
    fn take_overflow(&mut self) -> u32 {
        self.overflow_live += 1;
        let number = self.overflow_free;
        if number != 0 {
            let at = self.overflow_at(number);
            self.overflow_free = std::mem::take(&mut self.change(at).next);
            return number;
        }
        let number = self.overflow_count;
        assert!((number as usize + 1) * BUCKET_BYTES <= self.overflow.bytes(), "overflow buckets used up");
        self.overflow_count += 1;
        let at = self.overflow_at(number);
        *self.change(at) = Bucket::EMPTY;
        number
    }

    /// Frees an overflow bucket, whose lanes are free and whose chain forgot it.
    fn give_overflow(&mut self, number: u32) {
        self.overflow_live -= 1;
        let at = self.overflow_at(number);
        let free = self.overflow_free;
        self.change(at).next = free;
        self.overflow_free = number;
    }
}
