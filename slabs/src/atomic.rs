//! What holders of a blob on several threads share; `tests/interleavings` of the workspace puts loom's in their place.

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
