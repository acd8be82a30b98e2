//! Walking the index while it changes.
//!
//! Read backwards, the low bits of a hash are a number in `0..2^32`, and every bucket owns an interval of these
//! numbers: dividing a bucket halves its interval, joining two puts the halves together again. So a cursor is a
//! number up to which everything has been visited, whatever the index looked like at the time. A bucket that has
//! grown by joining may be visited again from its start; nothing is left out.

use super::Index;
use super::bucket::Bucket;
use crate::page::Handle;

/// Bits of a cursor.
const CURSOR_BITS: u32 = 32;

impl Index {
    /// Visits the entries of the bucket at `cursor`; returns the next cursor, 0 at the end.
    pub(crate) fn scan(&self, cursor: u64, mut visit: impl FnMut(Handle)) -> u64 {
        let cursor = cursor & ((1 << CURSOR_BITS) - 1);
        let address = self.address(u64::from((cursor as u32).reverse_bits()));
        self.each_in_chain(address, &mut visit);
        let divided = address < self.split || address >= 1 << self.level;
        let bits = if divided { self.level + 1 } else { self.level };
        let interval = 1u64 << (CURSOR_BITS - bits);
        ((cursor | (interval - 1)) + 1) & ((1 << CURSOR_BITS) - 1)
    }

    fn each_in_chain(&self, address: u64, visit: &mut impl FnMut(Handle)) {
        let mut at = self.at(address);
        loop {
            let bucket: &Bucket = self.see(at);
            for (lane, &tag) in bucket.tags.iter().enumerate() {
                if tag != 0 {
                    visit(bucket.handles[lane]);
                }
            }
            if bucket.next == 0 {
                return;
            }
            at = self.overflow_at(bucket.next);
        }
    }

    /// An entry of a bucket: `bucket` chooses the bucket, `entry` (below `of`) the entry. `None`: the bucket has
    /// no such entry, so that retrying with other numbers chooses evenly.
    pub(crate) fn pick(&self, bucket: u64, entry: usize) -> Option<Handle> {
        let mut left = entry;
        let mut found = None;
        self.each_in_chain(bucket % self.buckets(), &mut |handle| {
            if left == 0 {
                found = Some(handle);
            }
            left = left.wrapping_sub(1);
        });
        found
    }
}
