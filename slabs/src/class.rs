//! Size classes: which chunk an item of so many bytes gets.
//!
//! Chunks divide their page evenly (to 4 bytes, 8 above 128, 16 in the largest arenas) and neighbours are at most an eighth apart, from 16
//! bytes to an eighth of a page (a ninth where the even split allows it, which suits values of 2^n bytes). One class more holds the descriptors of large values; above it, large values
//! are told apart by size in half doublings, so that eviction can weigh them like the others. Those classes have
//! no pages.

/// Number of a class: slab classes first, then [`Classes::descriptor`], then the large ones.
pub(crate) type ClassId = u8;

/// The smallest chunk.
pub(crate) const CHUNK_BYTES_MIN: usize = 16;
/// A page holds at least this many chunks.
const CHUNKS_PER_PAGE_MIN: usize = 8;
/// Chunk of a large value's descriptor: header, pointer, length, offsets and all optional fields.
const DESCRIPTOR_BYTES: usize = 56;
/// Large values in half doublings: 2 KiB, 3 KiB, 4 KiB ... 1 GiB and what its key adds.
const LARGE_CLASSES: usize = 2 * 19 + 1;

/// The table of classes for one page size.
pub(crate) struct Classes {
    /// Bytes of a chunk, by class; 0 for large classes.
    chunk_bytes: Vec<u16>,
    /// The class of an item, by its bytes in units of 4, rounded up.
    by_size: Vec<ClassId>,
    descriptor: ClassId,
    page_bytes: usize,
}

impl Classes {
    /// The classes for pages of this size (16 KiB to 64 KiB), whose chunks are multiples of `unit_bytes` (4 to 16).
    pub(crate) fn new(page_bytes: usize, unit_bytes: usize) -> Classes {
        let largest = page_bytes / CHUNKS_PER_PAGE_MIN;
        let mut chunk_bytes = vec![CHUNK_BYTES_MIN as u16];
        let mut last = CHUNK_BYTES_MIN;
        while last < largest {
            let step = (last * 10 / 9).clamp(last + unit_bytes, largest);
            let chunks = page_bytes.div_ceil(step).min(page_bytes / last - 1);
            let align = if step > 128 { unit_bytes.max(8) } else { unit_bytes };
            let next = (page_bytes / chunks / align * align).max(last + align);
            chunk_bytes.push(next as u16);
            last = next;
        }
        let descriptor = chunk_bytes.len() as ClassId;
        let mut by_size = vec![0; largest / 4 + 1];
        let mut class = 0;
        for (units, entry) in by_size.iter_mut().enumerate() {
            while usize::from(chunk_bytes[class]) < units * 4 {
                class += 1;
            }
            *entry = class as ClassId;
        }
        chunk_bytes.push(DESCRIPTOR_BYTES.next_multiple_of(unit_bytes) as u16);
        chunk_bytes.resize(chunk_bytes.len() + LARGE_CLASSES, 0);
        Classes { chunk_bytes, by_size, descriptor, page_bytes }
    }

    /// How many classes there are.
    pub(crate) fn count(&self) -> usize {
        self.chunk_bytes.len()
    }

    /// The class of an item in a chunk; `None` if it does not fit the largest chunk.
    #[inline]
    pub(crate) fn of_item(&self, item_bytes: usize) -> Option<ClassId> {
        self.by_size.get(item_bytes.div_ceil(4)).copied()
    }

    /// The class of a value that is a blob of its own.
    pub(crate) fn of_blob(&self, blob_bytes: usize) -> ClassId {
        let doublings = blob_bytes.max(2048).ilog2();
        let half = (blob_bytes.max(2048) >> (doublings - 1)) & 1;
        let rank = ((doublings as usize - 11) * 2 + half).min(LARGE_CLASSES - 1);
        self.descriptor + 1 + rank as ClassId
    }

    /// The class whose chunks describe large values.
    #[inline]
    pub(crate) fn descriptor(&self) -> ClassId {
        self.descriptor
    }

    /// Whether the class has values of the process allocator and no pages.
    #[inline]
    pub(crate) fn is_large(&self, class: ClassId) -> bool {
        class > self.descriptor
    }

    /// Bytes of a chunk; 0 for a large class.
    #[inline]
    pub(crate) fn chunk_bytes(&self, class: ClassId) -> usize {
        usize::from(self.chunk_bytes[usize::from(class)])
    }

    /// Chunks in a page of this class.
    #[inline]
    pub(crate) fn chunks_per_page(&self, class: ClassId) -> usize {
        self.page_bytes / self.chunk_bytes(class)
    }

    /// The largest item of the class, in bytes.
    pub(crate) fn item_bytes_max(&self, class: ClassId) -> u64 {
        if !self.is_large(class) {
            return self.chunk_bytes(class) as u64;
        }
        let rank = u32::from(class - self.descriptor - 1);
        let doubling = 1u64 << (11 + rank / 2);
        if rank % 2 == 0 { doubling + doubling / 2 - 1 } else { doubling * 2 - 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_at_most_an_eighth_apart() {
        for (page_bytes, unit) in [(16 << 10, 4), (32 << 10, 4), (64 << 10, 4), (64 << 10, 8), (64 << 10, 16)]
        {
            let classes = Classes::new(page_bytes, unit);
            let sizes: Vec<_> = (0..classes.descriptor()).map(|class| classes.chunk_bytes(class)).collect();
            assert_eq!(*sizes.last().unwrap(), page_bytes / 8);
            for pair in sizes.windows(2) {
                assert!(pair[1] > pair[0] && pair[1] % unit == 0);
                // Both are rounded down to their alignment.
                let eighth = pair[0] / 8 + 8;
                assert!(pair[1] - pair[0] <= eighth.max(unit), "{} {}", pair[0], pair[1]);
            }
            assert!(classes.count() <= 128, "{}", classes.count());
        }
    }

    #[test]
    fn an_item_gets_the_smallest_chunk_that_holds_it() {
        let classes = Classes::new(64 << 10, 4);
        for bytes in 0..=8192 {
            let class = classes.of_item(bytes).unwrap();
            assert!(classes.chunk_bytes(class) >= bytes);
            assert!(class == 0 || classes.chunk_bytes(class - 1) < bytes);
        }
        assert_eq!(classes.of_item(8193), None);
    }

    #[test]
    fn blobs_are_classed_in_half_doublings() {
        let classes = Classes::new(64 << 10, 4);
        for bytes in [2048, 3071, 3072, 4095, 4096, 100_000, 536_870_911, 1 << 30] {
            let class = classes.of_blob(bytes);
            assert!(classes.is_large(class) && usize::from(class) < classes.count());
            assert!(classes.item_bytes_max(class) >= bytes as u64);
            assert!(classes.item_bytes_max(class - 1) < bytes as u64 || class == classes.descriptor() + 1);
        }
        assert_eq!(usize::from(classes.of_blob(1200 << 20)), classes.count() - 1);
    }
}
