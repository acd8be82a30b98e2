//! Numbers that every core reads at any time, and the count of changes that tells it to look again.

use crate::atomic::{AtomicI64, AtomicU64, Ordering};

/// So many numbers.
#[derive(Debug)]
pub struct Numbers<const COUNT: usize> {
    values: [AtomicI64; COUNT],
    changes: AtomicU64,
}

impl<const COUNT: usize> Numbers<COUNT> {
    /// All 0.
    pub fn new() -> Numbers<COUNT> {
        Numbers { values: std::array::from_fn(|_| AtomicI64::new(0)), changes: AtomicU64::new(0) }
    }

    /// A number now.
    #[inline]
    pub fn get(&self, place: usize) -> i64 {
        self.values[place].load(Ordering::Relaxed)
    }

    /// Sets a number. `changed` tells the cores of it.
    pub fn set(&self, place: usize, value: i64) {
        self.values[place].store(value, Ordering::Relaxed);
    }

    /// Tells the cores that numbers were set: whoever sees the count grown sees those numbers.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Grows with every change; a core that remembers it sees whether it must look again.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}
