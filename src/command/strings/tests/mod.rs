//! What the strings' commands answer, on one shard.

mod get;
mod set;
