//! Elements for those who wait until there is one. Each command here is a try (`command::blocking`); the waiting is the
//! core's.

use super::moves::{counted, first_list, go, pop_counted, popped, two_keys};
use super::parse_end;
use crate::command::blocking::{keys_before_timeout, keys_behind_timeout, last, wait, within_reach};
use crate::command::collections::put;
use crate::command::{Command, DecideFn, Fault, Gathered, Handler, Hops, KeyRef, Keys, Write, flag};
use crate::data::list::End;
use crate::protocol::{Args, Reply};

type KeysFn = fn(Args<'_>, u8, u8, &mut Vec<KeyRef>) -> Result<(), Fault>;

const POP: u32 = flag::WRITE | flag::NOSCRIPT | flag::BLOCKING;
const MOVE: u32 = POP | flag::DENYOOM;
const PER_KEY: &str = "O(N) for N keys";

/// All arguments but the last.
const ALL_BUT_LAST: Keys = Keys { first: 1, last: -2, step: 1 };

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("blpop", -3, POP, ALL_BUT_LAST, "2.0.0", "Removes the leftmost element of the first of several lists that has some, or waits for one.",
        PER_KEY, keys_before_timeout, blpop),
    row("brpop", -3, POP, ALL_BUT_LAST, "2.0.0", "Removes the rightmost element of the first of several lists that has some, or waits for one.",
        PER_KEY, keys_before_timeout, brpop),
    row("blmove", 6, MOVE, Keys::TWO, "6.2.0", "Moves an element from an end of a list to an end of another, or waits for one.",
        "O(1)", move_keys, blmove),
    row("brpoplpush", 4, MOVE, Keys::TWO, "2.2.0", "Moves the rightmost element of a list to the left end of another, or waits for one.",
        "O(1)", turn_keys, brpoplpush),
    row("blmpop", -5, (POP & !flag::NOSCRIPT) | flag::MOVABLEKEYS, Keys::NONE, "7.0.0",
        "Removes elements of the first of several lists that has some, or waits for one.",
        "O(N+M) for N keys and M elements", counted_keys, blmpop),
];

#[allow(clippy::too_many_arguments)]
const fn row(
    name: &'static str,
    arity: i16,
    flags: u32,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
    find: KeysFn,
    decide: DecideFn,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys,
        group: "list",
        since,
        summary,
        complexity,
        handler: Handler::Hops(Hops { keys: find, decide }),
        subs: &[],
    }
}

// -- which keys

fn move_keys(args: Args<'_>, db: u8, databases: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    parse_end(&args[3])?;
    parse_end(&args[4])?;
    turn_keys(args, db, databases, keys)
}

fn turn_keys(args: Args<'_>, db: u8, databases: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    wait(last(&args))?;
    two_keys(args, db, databases, keys)
}

fn counted_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let (count, ..) = counted(args.from(1))?;
    keys_behind_timeout(args, db, count, keys)
}

// -- what is done

fn pop_first(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    end: End,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    within_reach(last(&args), now_ms)?;
    let Some((key, list)) = first_list(found)? else {
        reply.null_array();
        return Ok(Vec::new());
    };
    reply.array(2);
    reply.bulk(&args[1 + key]);
    put(reply, list.at_end(end).expect("a list has elements"));
    Ok(popped(key, &list, end, 1))
}

fn blpop(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    pop_first(args, found, now_ms, End::Front, reply)
}

fn brpop(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    pop_first(args, found, now_ms, End::Back, reply)
}

fn blmove(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    within_reach(last(&args), now_ms)?;
    go(found, parse_end(&args[3])?, parse_end(&args[4])?, reply)
}

fn brpoplpush(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    within_reach(last(&args), now_ms)?;
    go(found, End::Back, End::Front, reply)
}

fn blmpop(
    args: Args<'_>,
    found: &[Option<Gathered>],
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    within_reach(&args[1], now_ms)?;
    pop_counted(args.from(1), found, reply)
}
