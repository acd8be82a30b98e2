//! Strings that are numbers: `INCR` and its kin. Expiry and flags stay.

use super::{find, rewrite};
use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::data::extended::{Extended, Text};
use crate::protocol::Reply;
use crate::shard::{Shard, events};
use crate::text::{format_i64, parse_i64};

/// The commands of this file.
pub static ROWS: &[Command] = &[
    row("incr", 2, "1.0.0", "Adds 1 to an integer; a missing key counts as 0.", incr),
    row("decr", 2, "1.0.0", "Takes 1 from an integer; a missing key counts as 0.", decr),
    row("incrby", 3, "1.0.0", "Adds to an integer; a missing key counts as 0.", incrby),
    row("decrby", 3, "1.0.0", "Takes from an integer; a missing key counts as 0.", decrby),
    row("incrbyfloat", 3, "2.6.0", "Adds to a decimal number; a missing key counts as 0.", incrbyfloat),
];

const fn row(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    run: crate::command::ShardFn,
) -> Command {
    Command {
        name,
        arity,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since,
        summary,
        complexity: "O(1)",
        handler: Handler::Shard(run),
        subs: &[],
    }
}

fn incr(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    add(shard, call, 1, reply)
}

fn decr(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    add(shard, call, -1, reply)
}

fn incrby(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let by = parse_i64(&call.args[2]).ok_or(Fault::NotInteger)?;
    add(shard, call, by, reply)
}

fn decrby(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let by = parse_i64(&call.args[2]).ok_or(Fault::NotInteger)?;
    let by = by.checked_neg().ok_or(Fault::text("ERR decrement would overflow"))?;
    add(shard, call, by, reply)
}

fn add(shard: &mut Shard, call: &Call<'_>, by: i64, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let old = match find(shard, call)? {
        Some(item) => parse_i64(item.value()).ok_or(Fault::NotInteger)?,
        None => 0,
    };
    let new = old.checked_add(by).ok_or(Fault::Overflow)?;
    let mut digits = [0; 21];
    rewrite(shard, call, format_i64(new, &mut digits))?;
    shard.tell(events::STRING, "incrby", &call.key);
    reply.int(new);
    Ok(Outcome::CHANGED)
}

fn incrbyfloat(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let old = match find(shard, call)? {
        Some(item) => Extended::parse(item.value()).ok_or(Fault::NotFloat)?,
        None => Extended::ZERO,
    };
    let by = Extended::parse(&call.args[2]).ok_or(Fault::NotFloat)?;
    let new = old.sum(by).ok_or(Fault::text("ERR increment would produce NaN or Infinity"))?;
    let mut text = Text::default();
    let text = new.format(&mut text);
    rewrite(shard, call, text)?;
    shard.tell(events::STRING, "incrbyfloat", &call.key);
    reply.bulk(text);
    Ok(Outcome::CHANGED)
}
