#![allow(unsafe_code)]
//! Reserved address ranges: memory is there as soon as it is touched, and goes back to the kernel on request.
//!
//! Owns the mappings and nothing in them. What is never touched costs nothing; what is released reads as zero.

use std::ptr::NonNull;

/// What the kernel maps as one where it can.
pub(crate) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// The kernel's own page, the step in which memory is committed.
pub(crate) const OS_PAGE_BYTES: usize = 4096;

/// An anonymous private mapping that reserves addresses only.
pub(crate) struct Range {
    map: NonNull<libc::c_void>,
    map_bytes: usize,
    base: NonNull<u8>,
    bytes: usize,
}

impl Range {
    /// Reserves `bytes`, starting on a huge page. The error is an errno.
    pub(crate) fn reserve(bytes: usize, huge_pages: bool) -> Result<Range, i32> {
        let map_bytes = bytes + HUGE_PAGE_BYTES;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let map = unsafe {
            libc::mmap(std::ptr::null_mut(), map_bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        let errno = || std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOMEM);
        if map == libc::MAP_FAILED {
            return Err(errno());
        }
        let Some(map) = NonNull::new(map) else { return Err(libc::ENOMEM) };
        let skip = map.as_ptr().cast::<u8>().align_offset(HUGE_PAGE_BYTES);
        // SAFETY: `skip` is less than a huge page, by which the mapping is longer than `bytes`.
        let base = unsafe { map.cast::<u8>().add(skip) };
        if huge_pages {
            // SAFETY: the range lies in the mapping; advice changes no contents. Refusal is no error.
            unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        Ok(Range { map, map_bytes, base, bytes })
    }

    /// The first byte.
    #[inline]
    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Bytes reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives memory back to the kernel; it reads as zero from then on.
    pub(crate) fn release(&self, offset: usize, bytes: usize) {
        assert!(offset <= self.bytes && bytes <= self.bytes - offset, "release outside of the range");
        if bytes == 0 {
            return;
        }
        // SAFETY: the span lies in this mapping (asserted), which is private and anonymous; whoever calls has
        // given up what is in it.
        let failed = unsafe { libc::madvise(self.base().add(offset).cast(), bytes, libc::MADV_DONTNEED) };
        assert!(failed == 0, "madvise(MADV_DONTNEED) failed");
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `reserve` made, and nobody borrows from a dropped range.
        unsafe { libc::munmap(self.map.as_ptr(), self.map_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_memory_reads_as_zero() {
        let range = Range::reserve(1 << 30, false).unwrap();
        // SAFETY: both bytes lie in the range.
        unsafe {
            range.base().add(5000).write(7);
            range.release(4096, 4096);
            assert_eq!(range.base().add(5000).read(), 0);
        }
    }
}
