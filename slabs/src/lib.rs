//! One shard's memory: arena, size classes, item layout, hash index, eviction and expiry.

mod arena;
mod class;
mod evict;
mod hash;
mod index;
mod item;
mod large;
mod ledger;
mod meta;
mod options;
mod page;
mod pin;
mod stats;
mod store;

pub use hash::{Hasher, Key};
pub use item::Item;
pub use ledger::Ledger;
pub use meta::{Change, EXPIRE_AT_MS_MAX, Kind, Meta, Refused};
pub use options::{BuildError, EvictionGoal, Options, Policy, UnknownPolicy, VALUE_BYTES_MAX};
pub use pin::Pin;
pub use stats::{ClassStats, Counters, ExpiryStats, SweepReport};
pub use store::Store;
