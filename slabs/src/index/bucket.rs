//! One bucket of the index: a cache line of tags and handles.

use crate::page::Handle;

/// Entries of a bucket.
pub(crate) const LANES: usize = 11;

/// 64 bytes: tags, the bucket that continues this one, a version, handles. All zero is an empty bucket.
#[repr(C, align(64))]
pub(crate) struct Bucket {
    /// 8 bits of each entry's hash; 0 is a free lane.
    pub(crate) tags: [u8; LANES],
    spare: u8,
    /// The overflow bucket that continues this one; 0 is none.
    pub(crate) next: u32,
    /// The number of the last change of any item in the chain (kept in its first bucket).
    pub(crate) version: u32,
    /// The chunks.
    pub(crate) handles: [Handle; LANES],
}

impl Bucket {
    /// The handle in a lane that a probe found.
    #[inline(always)]
    pub(crate) fn handle(&self, lane: u32) -> Handle {
        self.handles[lane as usize]
    }

    /// No entries.
    pub(crate) const EMPTY: Bucket =
        Bucket { tags: [0; LANES], spare: 0, next: 0, version: 0, handles: [0; LANES] };
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// The tag of a hash: bits 40..48, never 0.
#[inline]
pub(crate) const fn tag_of(hash: u64) -> u8 {
    let tag = (hash >> 40) as u8;
    tag + (tag == 0) as u8
}
