//! The algorithms of the value types: pure functions over bytes, and the structures of collections. They know no
//! keys, no store, no client.
//!
//! A small collection is the bytes of one item: `entries` (hashes, sets) or `ints` (sets of integers), both made of
//! `packed` elements. A grown one is a `table` of such runs.

pub mod bitfield;
pub mod bits;
pub mod entries;
pub mod extended;
pub mod ints;
pub mod lcs;
pub mod packed;
pub mod table;
