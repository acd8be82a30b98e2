//! Hashes: reading fields (`get`), setting and removing them (`set`), fields by chance (`chance`), and when fields
//! die (`deadline`).
//!
//! Keys of another kind are refused with `WRONGTYPE`. A field whose time has come is never shown, whether it has
//! been reclaimed or not. What a hash is made of belongs to `shard::collections`.

pub mod chance;
pub mod deadline;
pub mod get;
pub mod set;

use super::{Command, Handler, Keys, ShardFn};

/// A row of this family.
const fn row(
    name: &'static str,
    arity: i16,
    flags: u32,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
    run: ShardFn,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys: Keys::FIRST,
        group: "hash",
        since,
        summary,
        complexity,
        handler: Handler::Shard(run),
        subs: &[],
    }
}

#[cfg(test)]
mod tests;
