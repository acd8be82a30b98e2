//! One shard's memory: arena, size classes, item layout, hash index, eviction and expiry.

mod hash;
mod ledger;
mod meta;
mod options;
mod stats;
mod store;

pub use hash::{Hasher, Key};
pub use ledger::Ledger;
pub use meta::{Change, EXPIRE_AT_MS_MAX, Kind, Meta, Refused};
pub use options::{BuildError, EvictionGoal, Options, Policy, UnknownPolicy, VALUE_BYTES_MAX};
pub use stats::{ClassStats, Counters, ExpiryStats, SweepReport};
pub use store::{Item, Pin, Store};
