//! Keys of a shard that multi-shard commands hold.

/// Lock table of one shard.
#[derive(Debug, Default)]
pub struct Locks {}
