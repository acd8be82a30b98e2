//! Reading fields of a hash: one, several, all.

use super::row;
use crate::command::collections::{put, scan};
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::data::entries::Entry;
use crate::protocol::Reply;
use crate::shard::{Kind, Shard, View};
use crate::text::Digits;

const READ: u32 = flag::READONLY | flag::FAST;

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("hget", 3, READ, "2.0.0", "Returns the value of a field of a hash.", "O(1)", hget),
    row("hmget", -3, READ, "2.0.0", "Returns the values of several fields of a hash.", "O(N) for N fields", hmget),
    row("hgetall", 2, flag::READONLY, "2.0.0", "Returns all fields of a hash and their values.", "O(N) for N fields", hgetall),
    row("hkeys", 2, flag::READONLY, "2.0.0", "Returns all fields of a hash.", "O(N) for N fields", hkeys),
    row("hvals", 2, flag::READONLY, "2.0.0", "Returns all values of a hash.", "O(N) for N fields", hvals),
    row("hlen", 2, READ, "2.0.0", "Counts the fields of a hash.", "O(1)", hlen),
    row("hexists", 3, READ, "2.0.0", "Tells whether a hash has a field.", "O(1)", hexists),
    row("hstrlen", 3, READ, "3.2.0", "Returns the length of a field's value in bytes.", "O(1)", hstrlen),
    row("hscan", -3, flag::READONLY, "2.8.0", "Lists some fields of a hash and answers a cursor that the next call goes on from.",
        "O(1) a call with a small COUNT; O(N) for all N fields", hscan),
];

/// The hash of a reading command.
#[inline]
fn read<'s>(shard: &'s mut Shard, call: &Call<'_>) -> Result<Option<View<'s>>, Fault> {
    Ok(shard.read_collection(&call.key, Kind::Hash, call.touch)?)
}

fn hget(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    match read(shard, call)?.and_then(|hash| hash.get(&call.args[2], now)?.value) {
        Some(value) => put(reply, value),
        None => reply.null(),
    }
    Ok(Outcome::READ)
}

fn hmget(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let hash = read(shard, call)?;
    reply.array(call.args.len() - 2);
    for field in call.args.from(2).iter() {
        match hash.and_then(|hash| hash.get(field, now)?.value) {
            Some(value) => put(reply, value),
            None => reply.null(),
        }
    }
    Ok(Outcome::READ)
}

fn hgetall(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    all(shard, call, reply, Reply::map, |entry, reply| {
        put(reply, entry.field);
        entry.value.into_iter().for_each(|value| put(reply, value));
    })
}

fn hkeys(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    all(shard, call, reply, Reply::array, |entry, reply| put(reply, entry.field))
}

fn hvals(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    all(shard, call, reply, Reply::array, |entry, reply| {
        entry.value.into_iter().for_each(|value| put(reply, value));
    })
}

fn all<'r>(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'r>,
    header: fn(&mut Reply<'r>, usize),
    each: fn(Entry<'_>, &mut Reply<'_>),
) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    match read(shard, call)? {
        None => header(reply, 0),
        Some(hash) => {
            header(reply, hash.live_count(now));
            hash.each(now, |entry| each(entry, reply));
        }
    }
    Ok(Outcome::READ)
}

fn hlen(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    reply.int(read(shard, call)?.map_or(0, |hash| hash.len(now)) as i64);
    Ok(Outcome::READ)
}

fn hexists(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let found = read(shard, call)?.is_some_and(|hash| hash.get(&call.args[2], now).is_some());
    reply.int(i64::from(found));
    Ok(Outcome::READ)
}

fn hstrlen(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let value = read(shard, call)?.and_then(|hash| hash.get(&call.args[2], now)?.value);
    reply.int(value.map_or(0, |value| value.text(&mut Digits::default()).len()) as i64);
    Ok(Outcome::READ)
}

fn hscan(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    scan(shard, call, Kind::Hash, reply)
}
