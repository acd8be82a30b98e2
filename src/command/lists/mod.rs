//! Lists: their ends (`ends`), places and ranges in them (`places`), elements that go from one to another or come
//! from the first of several (`moves`), and the same for those who wait until there is one (`blocking`).
//!
//! Keys of another kind are refused with `WRONGTYPE`, before or after wrong arguments as Redis does it. What a list
//! is made of belongs to `shard::collections`.

pub mod blocking;
pub mod ends;
pub mod moves;
pub mod places;
#[cfg(test)]
mod tests;

use super::{Command, Fault, Handler, Keys, ShardFn};
use crate::data::list::End;

/// A row of a command on one list.
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
        group: "list",
        since,
        summary,
        complexity,
        handler: Handler::Shard(run),
        subs: &[],
    }
}

/// `LEFT` or `RIGHT`.
fn parse_end(text: &[u8]) -> Result<End, Fault> {
    if text.eq_ignore_ascii_case(b"left") {
        Ok(End::Front)
    } else if text.eq_ignore_ascii_case(b"right") {
        Ok(End::Back)
    } else {
        Err(Fault::Syntax)
    }
}

/// The index of a client, who counts from the end with negative ones, in a list of `len` elements; it may lie outside.
fn absolute(index: i64, len: usize) -> i64 {
    if index < 0 { index.saturating_add(len as i64) } else { index }
}

/// A range with both ends in it, as start and length; `None` if nothing is in it.
pub(super) fn within(start: i64, stop: i64, len: usize) -> Option<(usize, usize)> {
    let start = absolute(start, len).max(0);
    let stop = absolute(stop, len).min(len as i64 - 1);
    (start <= stop).then(|| (start as usize, (stop - start + 1) as usize))
}
