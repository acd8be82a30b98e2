//! How the index follows the number of its entries: one bucket divided, or two joined, at a time.

use super::bucket::{Bucket, LANES, tag_of};
use super::{BUCKET_BYTES, Index, LEVEL_MIN, OS_PAGE_BYTES, RELEASE_BYTES};
use crate::arena::HUGE_PAGE_BYTES;
use crate::page::Handle;

/// Entries per bucket, in tenths, above which the index grows.
const LOAD_MAX_TENTHS: u64 = 53;
/// Entries per bucket, in tenths, below which it shrinks.
const LOAD_MIN_TENTHS: u64 = 35;

impl Index {
    /// Whether the buckets are fuller than they should be.
    #[inline]
    pub(crate) fn wants_growth(&self) -> bool {
        self.count * 10 > self.buckets() * LOAD_MAX_TENTHS
            && (self.buckets() as usize + 1) * BUCKET_BYTES <= self.array.bytes()
    }

    /// Whether the buckets are emptier than they should be.
    #[inline]
    pub(crate) fn wants_shrinking(&self) -> bool {
        self.count * 10 < self.buckets() * LOAD_MIN_TENTHS && self.buckets() > 1 << LEVEL_MIN
    }

    /// The handles of the bucket that is divided next, so that their hashes can be asked for.
    #[inline]
    pub(crate) fn next_to_divide(&self) -> impl Iterator<Item = Handle> {
        let bucket = self.see(self.at(self.split));
        bucket.handles.iter().zip(bucket.tags).filter(|entry| entry.1 != 0).map(|entry| *entry.0)
    }

    /// Divides one bucket. `hash_of` knows the whole hash of an entry.
    pub(crate) fn divide(&mut self, hash_of: impl Fn(Handle) -> u64) {
        let old = self.split;
        let new = (1 << self.level) + old;
        if old + 1 == self.half {
            self.set_size(self.level + 1, 0);
        } else {
            self.set_size(self.level, old + 1);
        }
        let bytes = (self.buckets() as usize * BUCKET_BYTES).next_multiple_of(OS_PAGE_BYTES);
        self.array_bytes = self.array_bytes.max(bytes);
        let (old, new) = (self.at(old), self.at(new));
        let first = self.take_bucket(old);
        // The new place may hold what a bucket left there before the index shrank.
        *self.change(new) = Bucket::EMPTY;
        self.change(new).version = first.version;
        self.change(old).version = first.version;
        self.each_entry(first, |index, _, handle| {
            let hash = hash_of(handle);
            let to = index.at(index.address(hash));
            index.push(to, tag_of(hash), handle);
        });
    }

    /// Joins the last bucket with the one it was divided from.
    pub(crate) fn join(&mut self) {
        let (level, split) =
            if self.split == 0 { (self.level - 1, self.half / 2 - 1) } else { (self.level, self.split - 1) };
        let into = split;
        // The last bucket, while it is still within the bounds.
        let last = self.at(self.buckets() - 1);
        self.set_size(level, split);
        let into = self.at(into);
        let first = self.take_bucket(last);
        let version = self.see(into).version;
        if (first.version.wrapping_sub(version) as i32) > 0 {
            self.change(into).version = first.version;
        }
        self.each_entry(first, |index, tag, handle| index.push(into, tag, handle));
    }

    /// Gives back to the kernel what shrinking left, if it is worth a call. Takes tens of microseconds, so it is not
    /// done by the operations that shrink the index. True: it gave something back.
    pub(crate) fn release_unused(&mut self) -> bool {
        let overflow_bytes = self.overflow_count as usize * BUCKET_BYTES;
        if self.overflow_live == 0 && overflow_bytes >= RELEASE_BYTES {
            self.overflow.release(0, overflow_bytes.next_multiple_of(OS_PAGE_BYTES));
            self.overflow_count = 1;
            self.overflow_free = 0;
            return true;
        }
        let bytes = self.buckets() as usize * BUCKET_BYTES;
        // Large spans of whole huge pages cost the kernel the least; a small index is worth less waste.
        let step = if bytes >= 8 * HUGE_PAGE_BYTES { HUGE_PAGE_BYTES } else { RELEASE_BYTES };
        let keep = bytes.next_multiple_of(step);
        if self.array_bytes < keep + step {
            return false;
        }
        let span = (self.array_bytes - keep).min(4 * HUGE_PAGE_BYTES);
        self.array_bytes -= span;
        self.array.release(self.array_bytes, span);
        true
    }

    /// Empties a bucket and returns what was in it.
    fn take_bucket(&mut self, at: *mut Bucket) -> Bucket {
        std::mem::replace(self.change(at), Bucket::EMPTY)
    }

    /// Calls `each` for the entries of a detached chain, whose overflow buckets are freed before their entries
    /// are placed anew.
    fn each_entry(&mut self, first: Bucket, mut each: impl FnMut(&mut Index, u8, Handle)) {
        let mut bucket = first;
        loop {
            let next = bucket.next;
            for lane in 0..LANES {
                if bucket.tags[lane] != 0 {
                    each(self, bucket.tags[lane], bucket.handles[lane]);
                }
            }
            if next == 0 {
                return;
            }
            let at = self.overflow_at(next);
            bucket = self.take_bucket(at);
            self.give_overflow(next);
        }
    }
}
