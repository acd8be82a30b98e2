//! The algorithms of the value types: pure functions over bytes. They know no keys, no store, no client.

pub mod bitfield;
pub mod bits;
pub mod extended;
pub mod lcs;
