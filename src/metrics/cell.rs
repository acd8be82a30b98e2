//! A counter that one thread adds to and all read, and a base that is taken off, which any thread may set to what the counter
//! is now.

use crate::atomic::{AtomicU64, Ordering};

/// Adds to a counter; only its owner may. No read-modify-write, which would cost every request a locked instruction.
#[inline]
pub fn add(cell: &AtomicU64, by: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// What was added since the base was set.
pub fn since(cell: &AtomicU64, base: &AtomicU64) -> u64 {
    // The base first: who sees it sees the counter as it was when the base was made of it, or later. The other way round the
    // difference could be less than nothing.
    let base = base.load(Ordering::Acquire);
    cell.load(Ordering::Relaxed).wrapping_sub(base)
}

/// Lets the counter begin anew. Any thread may.
pub fn restart(cell: &AtomicU64, base: &AtomicU64) {
    base.store(cell.load(Ordering::Relaxed), Ordering::Release);
}
