//! The receive buffers that a driver lends to the kernel: a provided-buffer ring.
//!
//! The kernel takes a buffer when bytes arrive, so idle connections hold none. A buffer is given back as soon
//! as its bytes have been seen. Few are lent at first, as the kernel walks through all of them in turn and
//! those that it has not touched for long are out of the processor's caches. What a burst has had lent beyond that is
//! withdrawn again, a half at a time: one of these that comes back is not given to the kernel again, and its memory
//! goes back to the system. One that does not come back, because nothing is received, stays lent without memory (where
//! it is known when the kernel writes: with deferred completions).
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::ring::Ring;

/// The one buffer group of a ring.
pub(super) const GROUP: u16 = 0;

/// Buffers of one size and the ring that they are lent through.
pub(super) struct Buffers {
    /// One mapping: the ring's entries, then the buffers.
    map: NonNull<u8>,
    map_bytes: usize,
    entries_bytes: usize,
    /// Power of two.
    count: u16,
    buffer_bytes: u32,
    /// How many are lent at least.
    least: u16,
    /// How many of the buffers have been lent so far: those of lower numbers.
    in_use: u16,
    /// Those of them that are withdrawn.
    withdrawn: Vec<u16>,
    /// Buffers of this number and above are withdrawn when they come back.
    keep: u16,
    /// Buffers given back so far, wrapping, and when the driver last rested.
    returned: u32,
    returned_before: u32,
    /// Those that are still lent beyond `keep` have no memory, as nothing was received since it was taken from them.
    discarded: bool,
    /// Entries written so far, wrapping. The kernel sees them when `publish` is called.
    tail: u16,
}

impl Buffers {
    /// Maps `count` buffers (a power of two) and lends the first `lent` to the kernel.
    pub fn new(ring: &Ring, count: u16, lent: u16, buffer_bytes: u32) -> io::Result<Buffers> {
        assert!(count.is_power_of_two() && lent >= 1 && lent <= count && buffer_bytes >= 1);
        let entries_bytes = (usize::from(count) * size_of::<BufRingEntry>()).next_multiple_of(4096);
        let map_bytes = entries_bytes + usize::from(count) * buffer_bytes as usize;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let map = unsafe { libc::mmap(std::ptr::null_mut(), map_bytes, protection, flags, -1, 0) };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let map = NonNull::new(map.cast::<u8>()).expect("a mapping is not at address 0");
        let mut buffers = Buffers {
            map,
            map_bytes,
            entries_bytes,
            count,
            buffer_bytes,
            least: lent,
            in_use: 0,
            withdrawn: Vec::new(),
            keep: count,
            returned: 0,
            returned_before: 0,
            discarded: false,
            tail: 0,
        };
        // SAFETY: the entries lie at the page-aligned start of the mapping, which lives until `drop`; whoever
        // owns both drops the ring's requests first (`Uring::drop`).
        unsafe { ring.submitter().register_buf_ring_with_flags(map.as_ptr() as u64, count, GROUP, 0)? };
        buffers.lend(lent);
        buffers.publish();
        Ok(buffers)
    }

    /// Lends twice as many buffers as before, if there are as many: the kernel has run out of them.
    pub fn lend_more(&mut self) {
        self.keep = self.count;
        self.discarded = false;
        self.lend(self.lent());
    }

    fn lend(&mut self, more: u16) {
        for _ in 0..more {
            let number = match self.withdrawn.pop() {
                Some(number) => number,
                None if self.in_use < self.count => {
                    self.in_use += 1;
                    self.in_use - 1
                }
                None => return,
            };
            self.queue(number);
        }
    }

    /// How many are lent, or filled and to be given back.
    fn lent(&self) -> u16 {
        self.in_use - self.withdrawn.len() as u16
    }

    /// Bytes of the buffers that may have memory.
    pub fn held_bytes(&self) -> u64 {
        let held = if self.discarded { self.lent().min(self.keep) } else { self.lent() };
        u64::from(held) * u64::from(self.buffer_bytes)
    }

    /// Fewer buffers have been enough since the last call. `empty`: none of those lent is filled or will be before the
    /// driver enters the kernel.
    pub fn rest(&mut self, empty: bool) {
        let idle = std::mem::replace(&mut self.returned_before, self.returned) == self.returned;
        self.discarded &= idle;
        if self.lent() <= self.least {
            return;
        }
        if self.keep >= self.lent() {
            self.keep = (self.lent() / 2).max(self.least);
        }
        if idle && empty && !self.discarded {
            self.keep = self.least;
            self.discard(self.keep, self.in_use);
            self.discarded = true;
        }
    }

    /// Gives the memory of these buffers back to the system; they hold nothing. What is written into them later gets
    /// fresh pages.
    fn discard(&self, from: u16, to: u16) {
        if from >= to {
            return;
        }
        let bytes = usize::from(to - from) * self.buffer_bytes as usize;
        let (start, end) = (self.address(from) as usize, self.address(from) as usize + bytes);
        // Whole pages only: buffers that are smaller than one share it with others.
        let (first, last) = (start.next_multiple_of(4096), end / 4096 * 4096);
        if first < last {
            // SAFETY: the range lies in the mapping, and its bytes are nobody's: neither filled nor read.
            unsafe {
                let page = self.map.as_ptr().add(first - self.map.as_ptr() as usize);
                libc::madvise(page.cast(), last - first, libc::MADV_DONTNEED);
            }
        }
    }

    fn address(&self, number: u16) -> *mut u8 {
        assert!(number < self.count);
        // SAFETY: buffer `number` lies within the mapping, as `number` is below `count`.
        unsafe {
            self.map.as_ptr().add(self.entries_bytes + usize::from(number) * self.buffer_bytes as usize)
        }
    }

    /// The first `len` bytes of a buffer that the kernel has filled and not been given back.
    #[inline]
    pub fn filled(&self, number: u16, len: usize) -> &[u8] {
        assert!(len <= self.buffer_bytes as usize);
        // SAFETY: the range lies within the mapping, which is initialised (zeroed by the kernel). The kernel
        // gave the buffer up with its completion and gets it back by `give_back`, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.address(number), len) }
    }

    /// Takes a buffer back whose bytes have been seen.
    #[inline]
    pub fn give_back(&mut self, number: u16) {
        self.returned = self.returned.wrapping_add(1);
        if number >= self.keep {
            return self.withdraw(number);
        }
        self.queue(number);
    }

    #[cold]
    fn withdraw(&mut self, number: u16) {
        if self.lent() <= self.least {
            return self.queue(number);
        }
        self.discard(number, number + 1);
        self.withdrawn.push(number);
    }

    /// Queues a buffer for the kernel, which sees it after `publish`.
    #[inline]
    fn queue(&mut self, number: u16) {
        let address = self.address(number) as u64;
        let at = usize::from(self.tail & (self.count - 1));
        // SAFETY: `at` is below `count`, so the entry lies in the mapping; the kernel does not read entries at
        // or past the published tail, and at most `count` buffers exist, so no unread entry is overwritten.
        let entry = unsafe { &mut *self.map.as_ptr().cast::<BufRingEntry>().add(at) };
        entry.set_addr(address);
        entry.set_len(self.buffer_bytes);
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel see what was given back.
    #[inline]
    pub fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry's reserved field, in the mapping and aligned for u16; the
        // kernel reads it concurrently, so it is written as an atomic.
        unsafe {
            let tail = BufRingEntry::tail(self.map.as_ptr().cast::<BufRingEntry>());
            (*tail.cast::<AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and whole; no slice of it outlives `self`, and the driver has cancelled
        // all requests that could write to it.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.map_bytes) };
    }
}
