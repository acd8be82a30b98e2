//! Setting fields of a hash, counting in them, removing them.

use super::row;
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::data::extended::{Extended, Text};
use crate::protocol::{Args, Reply};
use crate::shard::{Kind, Shard, events};
use crate::text::{Digits, format_i64, parse_i64};

const WRITE: u32 = flag::WRITE | flag::DENYOOM | flag::FAST;

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("hset", -4, WRITE, "2.0.0", "Sets fields of a hash and answers how many are new.", "O(N) for N fields", hset),
    row("hmset", -4, WRITE, "2.0.0", "Sets fields of a hash; the old name of HSET.", "O(N) for N fields", hmset),
    row("hsetnx", 4, WRITE, "2.0.0", "Sets a field of a hash that has no such field.", "O(1)", hsetnx),
    row("hincrby", 4, WRITE, "2.0.0", "Adds to an integer in a field; a missing field counts as 0.", "O(1)", hincrby),
    row("hincrbyfloat", 4, WRITE, "2.6.0", "Adds to a decimal number in a field; a missing field counts as 0.", "O(1)", hincrbyfloat),
    row("hdel", -3, flag::WRITE | flag::FAST, "2.0.0", "Removes fields of a hash and answers how many there were.", "O(N) for N fields", hdel),
];

/// What an entry takes besides its bytes, at most: for asking whether there is room.
const ENTRY_BYTES: usize = 32;

/// Refuses arguments that will not fit, before any of them is stored.
pub(super) fn check_room(shard: &mut Shard, call: &Call<'_>, stored: Args<'_>) -> Result<(), Fault> {
    Ok(shard.make_room(&call.key, room_for(stored))?)
}

/// What fields and values may take.
pub(super) fn room_for(stored: Args<'_>) -> usize {
    stored.total_bytes() + stored.len() * ENTRY_BYTES
}

/// The key is no hash: that is said before anything else.
pub(super) fn check_kind(shard: &mut Shard, call: &Call<'_>) -> Result<(), Fault> {
    shard.find_collection(&call.key, Kind::Hash, call.touch)?;
    Ok(())
}

fn put_all(shard: &mut Shard, call: &Call<'_>) -> Result<i64, Fault> {
    let pairs = call.args.from(2);
    let touch = call.touch && pairs.len() == 2;
    let put = |shard: &mut Shard, at: usize| {
        shard.hash_set(&call.key, &pairs[at], &pairs[at + 1], Some(0), touch).map(i64::from)
    };
    let new = if pairs.len() == 2 {
        // Whether there is room for a single one is asked where it is known that it needs some.
        put(shard, 0)?
    } else {
        check_kind(shard, call)?;
        shard.add_all(&call.key, room_for(pairs), |shard| {
            (0..pairs.len()).step_by(2).try_fold(0, |new, at| put(shard, at).map(|more| new + more))
        })?
    };
    shard.tell(events::HASH, "hset", &call.key);
    Ok(new)
}

fn hset(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if !call.args.len().is_multiple_of(2) {
        return Err(Fault::Arity("hset"));
    }
    reply.int(put_all(shard, call)?);
    Ok(Outcome::CHANGED)
}

fn hmset(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if !call.args.len().is_multiple_of(2) {
        return Err(Fault::Arity("hmset"));
    }
    put_all(shard, call)?;
    reply.ok();
    Ok(Outcome::CHANGED)
}

fn hsetnx(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let hash = shard.find_collection(&call.key, Kind::Hash, call.touch)?;
    let found = hash.is_some_and(|hash| hash.get(&call.args[2], now).is_some());
    if !found {
        check_room(shard, call, call.args.from(2))?;
        shard.hash_put(&call.key, &call.args[2], &call.args[3], Some(0))?;
        shard.tell(events::HASH, "hset", &call.key);
    }
    reply.int(i64::from(!found));
    Ok(Outcome::changed_if(!found))
}

fn hincrby(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let by = parse_i64(&call.args[3]).ok_or(Fault::NotInteger)?;
    let now = shard.now_ms();
    let hash = shard.find_collection(&call.key, Kind::Hash, call.touch)?;
    let old = match hash.and_then(|hash| hash.get(&call.args[2], now)?.value) {
        Some(value) => parse_i64(value.text(&mut Digits::default()))
            .ok_or(Fault::text("ERR hash value is not an integer"))?,
        None => 0,
    };
    let new = old.checked_add(by).ok_or(Fault::Overflow)?;
    let mut digits = Digits::default();
    store_number(shard, call, format_i64(new, &mut digits))?;
    shard.tell(events::HASH, "hincrby", &call.key);
    reply.int(new);
    Ok(Outcome::CHANGED)
}

fn hincrbyfloat(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let by = Extended::parse(&call.args[3]).ok_or(Fault::NotFloat)?;
    if !by.is_finite() {
        return Err(Fault::text("ERR value is NaN or Infinity"));
    }
    let now = shard.now_ms();
    let hash = shard.find_collection(&call.key, Kind::Hash, call.touch)?;
    let old = match hash.and_then(|hash| hash.get(&call.args[2], now)?.value) {
        Some(value) => Extended::parse(value.text(&mut Digits::default()))
            .ok_or(Fault::text("ERR hash value is not a float"))?,
        None => Extended::ZERO,
    };
    let new = old.sum(by).ok_or(Fault::text("ERR increment would produce NaN or Infinity"))?;
    let mut text = Text::default();
    let text = new.format(&mut text);
    store_number(shard, call, text)?;
    shard.tell(events::HASH, "hincrbyfloat", &call.key);
    reply.bulk(text);
    Ok(Outcome::CHANGED)
}

/// The field gets a new number; when it dies stays.
fn store_number(shard: &mut Shard, call: &Call<'_>, number: &[u8]) -> Result<(), Fault> {
    shard.make_room(&call.key, call.args[2].len() + number.len() + ENTRY_BYTES)?;
    shard.hash_put(&call.key, &call.args[2], number, None)?;
    Ok(())
}

fn hdel(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let fields = call.args.from(2);
    let several = fields.len() > 1;
    if several {
        check_kind(shard, call)?;
    }
    let mut removed = 0;
    for field in fields.iter() {
        removed += i64::from(shard.hash_take(&call.key, field, call.touch && !several)?);
    }
    if removed > 0 {
        shard.tell(events::HASH, "hdel", &call.key);
        shard.tell_if_gone(&call.key);
    }
    reply.int(removed);
    Ok(Outcome::changed_if(removed > 0))
}
