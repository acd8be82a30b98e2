//! What the strings' commands answer, on one shard.

mod count;
mod edit;
mod get;
mod lcs;
mod set;
