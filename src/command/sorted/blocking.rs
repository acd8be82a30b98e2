//! Members for those who wait until there are some. Each command here is a try (`command::blocking`); the waiting is the
//! core's.

use super::hop;
use super::pops::{counted, first_set, places, pop_counted, popped};
use crate::command::blocking::{keys_before_timeout, keys_behind_timeout, last, within_reach};
use crate::command::collections::put;
use crate::command::{Command, Fault, Gathered, KeyRef, Keys, Write, flag};
use crate::protocol::{Args, Reply};

const POP: u32 = flag::WRITE | flag::NOSCRIPT | flag::BLOCKING | flag::FAST;
const PER_KEY: &str = "O(K)+O(log(N)) for K keys and N members";

/// All arguments but the last.
const ALL_BUT_LAST: Keys = Keys { first: 1, last: -2, step: 1 };

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    hop("bzpopmin", -3, POP, ALL_BUT_LAST, "5.0.0", "Removes the member with the lowest score of the first of several sorted sets that has some, or waits for one.",
        PER_KEY, keys_before_timeout, bzpopmin),
    hop("bzpopmax", -3, POP, ALL_BUT_LAST, "5.0.0", "Removes the member with the highest score of the first of several sorted sets that has some, or waits for one.",
        PER_KEY, keys_before_timeout, bzpopmax),
    hop("bzmpop", -5, flag::WRITE | flag::BLOCKING | flag::MOVABLEKEYS, Keys::NONE, "7.0.0",
        "Removes members of the first of several sorted sets that has some, or waits for one.",
        "O(K)+O(log(N)*M) for K keys and M of N members", counted_keys, bzmpop),
];

fn counted_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let (count, ..) = counted(args.from(1))?;
    keys_behind_timeout(args, db, count, keys)
}

/// One member; key, member and score lie flat in RESP3 too.
fn pop_first(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    max: bool,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    within_reach(last(&args), now_ms)?;
    let Some((key, set)) = first_set(found)? else {
        reply.null_array();
        return Ok(Vec::new());
    };
    reply.array(3);
    reply.bulk(&args[1 + key]);
    let (first, _) = places(&set, 1, max);
    set.range(first, 1, max, |member, score| {
        put(reply, member);
        reply.double(score);
    });
    Ok(popped(key, &set, max, 1))
}

fn bzpopmin(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    pop_first(args, found, now_ms, false, reply)
}

fn bzpopmax(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    pop_first(args, found, now_ms, true, reply)
}

fn bzmpop(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    within_reach(&args[1], now_ms)?;
    pop_counted(args.from(1), found, reply)
}
