//! Sorted sets: members and their scores (`members`), ranges of them (`ranges`, whose ends `limits` reads), members from
//! the ends (`pops`), the same for those who wait until there are some (`blocking`), by chance (`chance`), and several sets
//! together (`combine`).
//!
//! Keys of another kind are refused with `WRONGTYPE`, before or after wrong arguments as Redis does it. What a sorted set
//! is made of belongs to `shard::collections`.

pub mod blocking;
pub mod chance;
pub mod combine;
mod limits;
pub mod members;
pub mod pops;
pub mod ranges;
#[cfg(test)]
mod tests;

use super::collections::put;
use super::{Command, DecideFn, Fault, Handler, Hops, KeyRef, Keys, ShardFn};
use crate::data::packed::Element;
use crate::protocol::{Args, Proto, Reply};

const NAN: Fault = Fault::text("ERR resulting score is not a number (NaN)");

/// A row of a command on one sorted set.
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
        group: "sorted-set",
        since,
        summary,
        complexity,
        handler: Handler::Shard(run),
        subs: &[],
    }
}

type KeysFn = fn(Args<'_>, u8, u8, &mut Vec<KeyRef>) -> Result<(), Fault>;

/// A row of a command on several.
#[allow(clippy::too_many_arguments)]
const fn hop(
    name: &'static str,
    arity: i16,
    flags: u32,
    positions: Keys,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
    keys: KeysFn,
    decide: DecideFn,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys: positions,
        group: "sorted-set",
        since,
        summary,
        complexity,
        handler: Handler::Hops(Hops { keys, decide }),
        subs: &[],
    }
}

/// How entries are replied: with scores they lie flat in RESP2 and are pairs in RESP3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    with_scores: bool,
    pairs: bool,
}

impl Shape {
    fn new(with_scores: bool, reply: &Reply<'_>) -> Shape {
        Shape { with_scores, pairs: with_scores && reply.proto() == Proto::Resp3 }
    }

    /// The start of so many entries.
    fn header(self, count: usize, reply: &mut Reply<'_>) {
        reply.array(if self.with_scores && !self.pairs { 2 * count } else { count });
    }

    /// One entry.
    #[inline]
    fn entry(self, member: Element<'_>, score: f64, reply: &mut Reply<'_>) {
        if self.pairs {
            reply.array(2);
        }
        put(reply, member);
        if self.with_scores {
            reply.double(score);
        }
    }
}
