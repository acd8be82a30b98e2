//! Asking when a key dies: `TTL`, `PTTL`, `EXPIRETIME`, `PEXPIRETIME`.

use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::Reply;
use crate::shard::Shard;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "ttl",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "1.0.0",
        summary: "Answers how many seconds a key has left.",
        complexity: "O(1)",
        handler: Handler::Shard(ttl),
        subs: &[],
    },
    Command {
        name: "pttl",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "2.6.0",
        summary: "Answers how many milliseconds a key has left.",
        complexity: "O(1)",
        handler: Handler::Shard(pttl),
        subs: &[],
    },
    Command {
        name: "expiretime",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "7.0.0",
        summary: "Answers the Unix time in seconds at which a key dies.",
        complexity: "O(1)",
        handler: Handler::Shard(expiretime),
        subs: &[],
    },
    Command {
        name: "pexpiretime",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "7.0.0",
        summary: "Answers the Unix time in milliseconds at which a key dies.",
        complexity: "O(1)",
        handler: Handler::Shard(pexpiretime),
        subs: &[],
    },
];

fn ttl(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    answer(shard, call, reply, |deadline_ms, now_ms| rounded_secs(deadline_ms - now_ms))
}

fn pttl(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    answer(shard, call, reply, |deadline_ms, now_ms| deadline_ms - now_ms)
}

fn expiretime(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    answer(shard, call, reply, |deadline_ms, _| rounded_secs(deadline_ms))
}

fn pexpiretime(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    answer(shard, call, reply, |deadline_ms, _| deadline_ms)
}

/// A key with half a second left has a second left, one with less has none: as Redis rounds.
fn rounded_secs(ms: u64) -> u64 {
    (ms + 500) / 1000
}

/// -2 without a key, -1 without an expiry, else what `of` makes of the deadline and the present, both in
/// Unix milliseconds. To ask is not to use.
#[inline]
fn answer(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    of: fn(u64, u64) -> u64,
) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    reply.int(match shard.read(&call.key, false).map(|item| item.expire_at_ms()) {
        None => -2,
        Some(0) => -1,
        Some(deadline_ms) => of(deadline_ms, now) as i64,
    });
    Ok(Outcome::READ)
}
