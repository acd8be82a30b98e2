//! What cores share without locks is made of these, and nothing else: `tests/interleavings` compiles the files that use
//! them once more, with loom's in their place, and runs every order in which their operations can be seen.
//!
//! Flags and counters that mean nothing but themselves (`shared`) take the standard library's directly.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
