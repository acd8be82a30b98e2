//! How many hold a blob, on any thread, and where its bytes are counted once the store has left it to the others.
#![allow(unsafe_code)]

use crate::atomic::{Arc, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::ptr;

/// What stands before a blob's bytes.
#[repr(C)]
pub struct Holders {
    count: AtomicU32,
    /// An `Arc`, given away; null before the store has left the blob to others.
    left_to: AtomicPtr<AtomicU64>,
}

impl Holders {
    /// One holder, the store or whoever is going to fill the blob.
    pub fn one() -> Holders {
        Holders { count: AtomicU32::new(1), left_to: AtomicPtr::new(ptr::null_mut()) }
    }

    /// One more, at the hands of one who holds it.
    #[inline]
    pub fn more(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether others than the caller hold the blob: then it must not be written.
    #[inline]
    pub fn is_shared(&self) -> bool {
        // What the others read is read before this; new holders come only from the one who asks.
        self.count.load(Ordering::Acquire) > 1
    }

    /// The store is about to let go: if others hold the blob, its bytes are counted in `left` until the last of them does.
    pub fn leave(&self, bytes: impl FnOnce() -> u64, left: &Arc<AtomicU64>) {
        if self.is_shared() {
            // Before letting go: whoever is the last finds it.
            left.fetch_add(bytes(), Ordering::Relaxed);
            self.left_to.store(Arc::into_raw(left.clone()).cast_mut(), Ordering::Relaxed);
        }
    }

    /// One less. True: it was the last, and the blob is the caller's to free.
    pub fn less(&self, bytes: impl FnOnce() -> u64) -> bool {
        if self.count.fetch_sub(1, Ordering::AcqRel) > 1 {
            return false;
        }
        let counter = self.left_to.load(Ordering::Relaxed);
        if !counter.is_null() {
            // SAFETY: it came from `Arc::into_raw` in `leave`, and is taken back here alone: only one holder is the last.
            let counter = unsafe { Arc::from_raw(counter.cast_const()) };
            counter.fetch_sub(bytes(), Ordering::Relaxed);
        }
        true
    }

    /// How many share what the store has left to them; `None` as long as it holds the blob itself.
    pub fn sharers(&self) -> Option<u32> {
        (!self.left_to.load(Ordering::Relaxed).is_null()).then(|| self.count.load(Ordering::Relaxed).max(1))
    }
}
