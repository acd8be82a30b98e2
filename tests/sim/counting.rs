//! An allocator that counts what each thread asks of it: work that is the same under any load.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What has been done in a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Blocks taken.
    pub taken: u64,
    /// Their bytes.
    pub taken_bytes: u64,
    /// Blocks given back.
    pub freed: u64,
    /// Their bytes.
    pub freed_bytes: u64,
}

impl Work {
    /// The more of both, in each respect.
    pub fn most(self, other: Work) -> Work {
        Work {
            taken: self.taken.max(other.taken),
            taken_bytes: self.taken_bytes.max(other.taken_bytes),
            freed: self.freed.max(other.freed),
            freed_bytes: self.freed_bytes.max(other.freed_bytes),
        }
    }

    /// Both together.
    pub fn plus(self, other: Work) -> Work {
        Work {
            taken: self.taken + other.taken,
            taken_bytes: self.taken_bytes + other.taken_bytes,
            freed: self.freed + other.freed,
            freed_bytes: self.freed_bytes + other.freed_bytes,
        }
    }

    /// What has been done since an earlier moment.
    pub fn since(self, before: Work) -> Work {
        Work {
            taken: self.taken - before.taken,
            taken_bytes: self.taken_bytes - before.taken_bytes,
            freed: self.freed - before.freed,
            freed_bytes: self.freed_bytes - before.freed_bytes,
        }
    }
}

thread_local! {
    static TAKEN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    static FREED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// What this thread has done so far.
pub fn work() -> Work {
    let ((taken, taken_bytes), (freed, freed_bytes)) = (TAKEN.get(), FREED.get());
    Work { taken, taken_bytes, freed, freed_bytes }
}

fn add(count: &'static std::thread::LocalKey<Cell<(u64, u64)>>, bytes: usize) {
    let (blocks, before) = count.get();
    count.set((blocks + 1, before + bytes as u64));
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call goes on to the system's allocator as it came; the counters are plain cells of the thread, which have
// no destructor and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&TAKEN, layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(&TAKEN, layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        add(&TAKEN, bytes);
        add(&FREED, layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.realloc(block, layout, bytes) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add(&FREED, layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(block, layout) }
    }
}
