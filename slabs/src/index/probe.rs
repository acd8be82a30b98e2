#![allow(unsafe_code)]
//! Which lanes of a bucket have a tag: one compare where the CPU has it, a loop elsewhere.

use super::bucket::{Bucket, LANES};

const LANE_MASK: u32 = (1 << LANES) - 1;

/// A bit for each lane whose tag is `tag`.
#[inline]
pub(crate) fn lanes_with(bucket: &Bucket, tag: u8) -> u32 {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
    {
        lanes_with_sse2(bucket, tag)
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(miri))))]
    {
        lanes_with_loop(bucket, tag)
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
#[inline]
fn lanes_with_sse2(bucket: &Bucket, tag: u8) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_load_si128, _mm_movemask_epi8, _mm_set1_epi8};
    // SAFETY: a bucket is 64 bytes on a 64-byte boundary, so its first 16 bytes are there and aligned; SSE2 is
    // compiled in.
    let equal = unsafe {
        let tags = _mm_load_si128(std::ptr::from_ref(bucket).cast());
        _mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8(tag as i8)))
    };
    equal as u32 & LANE_MASK
}

/// The tag that a hash has, in each of 16 bytes, by bits 40..48 of the hash: reading them is five instructions less
/// than making them.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
#[repr(align(64))]
struct Tags([[u8; 16]; 256]);

#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
static TAGS: Tags = {
    let mut tags = [[0; 16]; 256];
    let mut bits = 0;
    while bits < 256 {
        tags[bits] = [super::bucket::tag_of((bits as u64) << 40); 16];
        bits += 1;
    }
    Tags(tags)
};

/// A bit for each lane whose tag is that of the hash.
#[inline(always)]
pub(crate) fn lanes_of_hash(bucket: &Bucket, hash: u64) -> u32 {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
    {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_load_si128, _mm_movemask_epi8};
        let row = (hash >> (40 - 4)) as usize & 0xff0;
        // SAFETY: as above; `row` is a multiple of 16 below the table's size, and the table is aligned.
        let equal = unsafe {
            let tag = _mm_load_si128(TAGS.0.as_ptr().byte_add(row).cast());
            let tags = _mm_load_si128(std::ptr::from_ref(bucket).cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(tags, tag))
        };
        equal as u32 & LANE_MASK
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(miri))))]
    {
        lanes_with_loop(bucket, super::bucket::tag_of(hash))
    }
}

/// The same without vector instructions.
#[cfg_attr(all(target_arch = "x86_64", target_feature = "sse2"), allow(dead_code))]
fn lanes_with_loop(bucket: &Bucket, tag: u8) -> u32 {
    let mut mask = 0;
    for (lane, &other) in bucket.tags.iter().enumerate() {
        mask |= u32::from(other == tag) << lane;
    }
    mask & LANE_MASK
}

/// Asks the CPU for a cache line; a hint without any effect on results.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
    // SAFETY: prefetching reads nothing that the program sees and is allowed for any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(miri))))]
    let _ = address;
}

/// Asks the CPU for what is going to be looked at soon, the first lines of it.
#[inline]
pub fn fetch_ahead<T>(what: &[T]) {
    const LINE_BYTES: usize = 64;
    const LINES_MAX: usize = 4;
    let from: *const u8 = what.as_ptr().cast();
    let bytes = size_of_val(what).min(LINES_MAX * LINE_BYTES);
    (0..bytes).step_by(LINE_BYTES).for_each(|at| prefetch(from.wrapping_add(at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_equal_the_loop() {
        // SAFETY: all-zero is a valid bucket.
        let mut bucket: Bucket = unsafe { std::mem::zeroed() };
        let mut seed = 1u32;
        for _ in 0..10_000 {
            for tag in &mut bucket.tags {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *tag = (seed >> 28) as u8;
            }
            bucket.next = seed;
            for tag in 0..16 {
                assert_eq!(lanes_with(&bucket, tag), lanes_with_loop(&bucket, tag));
                let hash = 0x5555_00aa_aaaa_aaaa | u64::from(tag) << 40;
                let of_hash = lanes_with_loop(&bucket, super::super::bucket::tag_of(hash));
                assert_eq!(lanes_of_hash(&bucket, hash), of_hash);
            }
        }
    }
}
