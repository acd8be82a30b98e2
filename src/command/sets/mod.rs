//! Sets: members (`members`), members by chance (`chance`), and several sets together (`combine`).
//!
//! Keys of another kind are refused with `WRONGTYPE`. What a set is made of belongs to `shard::collections`.

pub mod chance;
pub mod combine;
pub mod members;

use super::{Command, Handler, Keys, ShardFn};

/// A row of a command on one set.
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
        group: "set",
        since,
        summary,
        complexity,
        handler: Handler::Shard(run),
        subs: &[],
    }
}

#[cfg(test)]
mod tests;
