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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_equals_the_loop() {
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
            }
        }
    }
}
