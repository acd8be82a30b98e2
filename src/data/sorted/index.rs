//! Which leaf a member is in, by a hash of 32 bits: a hash table that grows and shrinks by one bucket at a time
//! (linear hashing), so that no change moves more than a few dozen entries.
//!
//! Two members may have one hash: whoever asks gets every leaf that is written under it, and looks there.

use crate::data::copying::Effort;
use crate::data::table::block_bytes;

/// Entries per bucket, on the average, from which on there is one more.
const FILL_MAX: usize = 12;
/// Entries per bucket, on the average, below which there is one less.
const FILL_MIN: usize = 4;

/// A member's hash, and the leaf that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    hash: u32,
    leaf: u32,
}

type Bucket = Vec<Slot>;

/// A table of no more buckets is in the CPU's caches anyway.
const FETCHED_BUCKETS_MIN: usize = 256;

/// Buckets grow by so many entries, so that not every one that comes asks the allocator.
const STEP: usize = 4;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Index {
    buckets: Vec<Bucket>,
    len: usize,
    /// Blocks of buckets, as the allocator rounds them.
    bucket_bytes: usize,
}

/// The capacity of a bucket of so many entries: the allocator's own bytes fit beside them.
fn capacity_for(entries: usize) -> usize {
    (entries + 1).next_multiple_of(STEP) - 1
}

fn bucket_bytes(bucket: &Bucket) -> usize {
    block_bytes(bucket.capacity() * size_of::<Slot>())
}

impl Clone for Index {
    /// With as much room: it is counted.
    fn clone(&self) -> Index {
        Index { buckets: self.buckets.iter().map(super::with_room).collect(), ..*self }
    }
}

impl Index {
    /// The bucket of a hash. There is one.
    #[inline]
    fn address(&self, hash: u32) -> usize {
        let mask = self.buckets.len().next_power_of_two() - 1;
        let bucket = hash as usize & mask;
        if bucket < self.buckets.len() { bucket } else { bucket & (mask >> 1) }
    }

    /// The leaves in which a member with this hash may be.
    #[inline]
    pub(super) fn leaves_of(&self, hash: u32) -> impl Iterator<Item = u32> {
        let bucket = if self.buckets.is_empty() { &[][..] } else { &self.buckets[self.address(hash)] };
        bucket.iter().filter(move |slot| slot.hash == hash).map(|slot| slot.leaf)
    }

    /// Asks the CPU for what is known of a hash, where that is more than its caches hold for long.
    #[inline]
    pub(super) fn fetch(&self, hash: u32) {
        if self.buckets.len() > FETCHED_BUCKETS_MIN {
            slabs::fetch_ahead(&self.buckets[self.address(hash)]);
        }
    }

    /// Notes a member that has come.
    pub(super) fn add(&mut self, hash: u32, leaf: u32) {
        if self.buckets.is_empty() {
            self.buckets.reserve_exact(1);
            self.buckets.push(Bucket::default());
        }
        let address = self.address(hash);
        self.change(address, |slots| {
            if slots.len() == slots.capacity() {
                slots.reserve_exact(capacity_for(slots.len() + 1) - slots.len());
            }
            slots.push(Slot { hash, leaf });
        });
        self.len += 1;
        if self.len > self.buckets.len() * FILL_MAX {
            self.split();
        }
    }

    /// Notes that a member has gone.
    pub(super) fn remove(&mut self, hash: u32, leaf: u32) {
        let address = self.address(hash);
        self.change(address, |slots| {
            let at = slots.iter().position(|slot| *slot == Slot { hash, leaf });
            slots.swap_remove(at.expect("every member is in the index"));
            if slots.capacity() - slots.len() > 2 * STEP {
                slots.shrink_to(capacity_for(slots.len()));
            }
        });
        self.len -= 1;
        self.shrink();
        self.shrink();
    }

    /// Notes that a member is in another leaf.
    pub(super) fn moved(&mut self, hash: u32, from: u32, to: u32) {
        let address = self.address(hash);
        let slot = self.buckets[address].iter_mut().find(|slot| **slot == Slot { hash, leaf: from });
        slot.expect("every member is in the index").leaf = to;
    }

    /// Visits the entries of one bucket; gives the cursor of the next call, 0 at the end. Start with 0.
    ///
    /// What is there from the first call to the last is visited at least once, whatever comes and goes in between. Any
    /// number may be passed. The walk is that of `table`.
    pub(super) fn scan(&self, cursor: u64, mut visit: impl FnMut(u32, u32)) -> u64 {
        if self.buckets.is_empty() {
            return 0;
        }
        let position = cursor as u32;
        let number = self.address(position.reverse_bits());
        let bucket = &self.buckets[number];
        for (at, slot) in bucket.iter().enumerate() {
            // Two members with one hash in one leaf are found together.
            if !bucket[..at].contains(slot) {
                visit(slot.hash, slot.leaf);
            }
        }
        let buckets = self.buckets.len();
        let depth = buckets.next_power_of_two().trailing_zeros();
        let half = buckets.next_power_of_two() >> 1;
        // Buckets that are not divided yet in this round are as wide as two others.
        let undivided = !buckets.is_power_of_two() && number >= buckets - half && number < half;
        let width = 1u64 << (u32::BITS - depth + u32::from(undivided));
        let next = (u64::from(position) & !(width - 1)) + width;
        if next >> u32::BITS == 0 { next } else { 0 }
    }

    /// Memory that it takes.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bucket_bytes + self.directory()
    }

    #[inline]
    pub(super) fn directory(&self) -> usize {
        block_bytes(self.buckets.capacity() * size_of::<Bucket>())
    }

    /// What its buckets take, for tests.
    #[cfg(test)]
    pub(super) fn counted_anew(&self) -> usize {
        self.buckets.iter().map(bucket_bytes).sum()
    }

    /// Frees up to so many blocks of an index that nobody will look at again. How many went.
    pub(super) fn shed(&mut self, most: usize) -> usize {
        let kept = self.buckets.len().saturating_sub(most);
        let went = self.buckets.len() - kept;
        for gone in self.buckets.drain(kept..) {
            self.bucket_bytes -= bucket_bytes(&gone);
        }
        went
    }

    /// What is to become a copy.
    pub(super) fn begin_copy(&self) -> Index {
        Index { buckets: Vec::with_capacity(self.buckets.len()), bucket_bytes: 0, ..*self }
    }

    /// Makes more of a copy. True: all of it is there.
    pub(super) fn copy_on(&mut self, of: &Index, effort: &mut Effort) -> bool {
        let Index { buckets, bucket_bytes: counted, .. } = self;
        effort.go_on(buckets, &of.buckets, |bucket| {
            *counted += bucket_bytes(bucket);
            (super::with_room(bucket), size_of_val(&**bucket))
        })
    }

    /// Changes a bucket and counts what it takes then.
    fn change(&mut self, address: usize, change: impl FnOnce(&mut Vec<Slot>)) {
        let bucket = &mut self.buckets[address];
        self.bucket_bytes -= bucket_bytes(bucket);
        change(bucket);
        self.bucket_bytes += bucket_bytes(bucket);
    }

    /// One bucket more: it takes its share of another's entries.
    fn split(&mut self) {
        let new = self.buckets.len();
        let bit = new.next_power_of_two() >> usize::from(!new.is_power_of_two());
        let old = new - bit;
        let whole = std::mem::take(&mut self.buckets[old]);
        self.bucket_bytes -= bucket_bytes(&whole);
        let part = |goes: bool| -> Bucket {
            let belongs = |slot: &&Slot| (slot.hash as usize & bit != 0) == goes;
            let mut part = Vec::with_capacity(capacity_for(whole.iter().filter(belongs).count()));
            part.extend(whole.iter().filter(belongs));
            part
        };
        let (stays, goes) = (part(false), part(true));
        self.bucket_bytes += bucket_bytes(&stays) + bucket_bytes(&goes);
        if self.buckets.len() == self.buckets.capacity() {
            // By an eighth: the allocator moves a long directory by mapping it elsewhere, without a copy.
            self.buckets.reserve_exact((new / 8).max(4));
        }
        self.buckets[old] = stays;
        self.buckets.push(goes);
    }

    /// One bucket less, where few entries are left.
    fn shrink(&mut self) {
        if self.buckets.len() == 1 || self.len >= self.buckets.len() * FILL_MIN {
            return;
        }
        let Some(last) = self.buckets.pop() else { return };
        self.bucket_bytes -= bucket_bytes(&last);
        let number = self.buckets.len();
        let partner = number - (number.next_power_of_two() >> usize::from(!number.is_power_of_two()));
        self.change(partner, |slots| {
            slots.reserve_exact(capacity_for(slots.len() + last.len()) - slots.len());
            slots.extend_from_slice(&last);
        });
        if self.buckets.capacity() > self.buckets.len() * 2 + 8 {
            self.buckets.shrink_to(self.buckets.len() + self.buckets.len() / 8 + 4);
        }
    }
}
