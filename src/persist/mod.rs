//! Warm restart: the whole cache goes from a process that ends to the one that takes its place, through a file on a
//! disk or, better, in memory (tmpfs).
//!
//! Each core writes its own items as its thread ends, and gives their memory back as it goes; one reader deals the
//! blocks out to all cores of the next process, and cuts off what it has read. So neither side needs the memory twice.
//! A file holds items, not memory: keys are hashed anew with the new process's seeds, so that the seeds never leave a
//! process, and both the number of threads and `maxmemory` may be others. What eviction knows of an item goes along as its
//! uses and its place in the order.
//!
//! A file is taken once: its name is removed before the first item is, so that a crash never brings an old cache back.
//! A file that is not whole, or of another version, is refused with one line in the log, and the cache starts empty.

pub mod format;
mod load;
mod save;
#[cfg(test)]
mod tests;

pub use load::{Feed, feed, take};
pub use save::Saver;

/// Bytes of a block: enough that a block costs nothing beside its items, and few beside what a core holds.
const BLOCK_BYTES: usize = 1 << 20;
/// A foot may claim at most so many bytes: a block and the largest item.
const CONTENTS_BYTES_MAX: usize = BLOCK_BYTES + slabs::VALUE_BYTES_MAX as usize + (128 << 10);

/// What went through a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Items.
    pub items: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Items that cannot go through a file.
    pub left_out: u64,
}
