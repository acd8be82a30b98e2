//! The algorithms of the value types: pure functions over bytes, and the structures of collections. They know no
//! keys, no store, no client.
//!
//! A small collection is the bytes of one item: `entries` (hashes, sets, sorted sets), `ints` (sets of integers) or a run
//! of a `list`, all made of `packed` elements. A grown one is a `table` of such runs, a `list` of them, or a `sorted` tree.

pub mod bitfield;
pub mod bits;
pub mod copying;
pub mod entries;
pub mod extended;
pub mod ints;
pub mod lcs;
pub mod list;
pub mod packed;
pub mod sorted;
pub mod table;
