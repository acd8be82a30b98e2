//! Members of a set by chance: `SRANDMEMBER` leaves them, `SPOP` takes them.

use super::row;
use crate::command::collections::{Draws, draw_one, put, reply_drawn};
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::protocol::Reply;
use crate::shard::random::Random;
use crate::shard::{Kind, Shard, events};
use crate::text::parse_i64;

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("spop", -2, flag::WRITE | flag::FAST, "1.0.0", "Removes members of a set by chance and returns them.", "O(N) for N members returned", spop),
    row("srandmember", -2, flag::READONLY, "1.0.0", "Returns members of a set by chance.", "O(N) for N members returned", srandmember),
];

fn srandmember(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut random = Random::new(shard.random.draw());
    let Some(count) = call.args.get(2) else {
        let set = shard.read_collection(&call.key, Kind::Set, call.touch)?;
        match set.and_then(|set| draw_one(&set, &mut random, 0)) {
            Some(entry) => put(reply, entry.field),
            None => reply.null(),
        }
        return Ok(Outcome::READ);
    };
    if call.args.len() > 3 {
        return Err(Fault::Syntax);
    }
    let draws = Draws::parse(count)?;
    match shard.read_collection(&call.key, Kind::Set, call.touch)? {
        Some(set) if !draws.is_zero() => reply_drawn(&set, &mut random, draws, false, 0, reply)?,
        _ => reply.array(0),
    }
    Ok(Outcome::READ)
}

fn spop(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if call.args.len() > 3 {
        return Err(Fault::Syntax);
    }
    let Some(count) = call.args.get(2) else {
        shard.find_collection(&call.key, Kind::Set, call.touch)?;
        let popped = shard.set_pop(&call.key)?;
        reply.bulk_or_null(popped.as_deref());
        if popped.is_some() {
            tell_popped(shard, call);
        }
        return Ok(Outcome::changed_if(popped.is_some()));
    };
    let count = parse_i64(count).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(Fault::text("ERR value is out of range, must be positive"))?;
    let set = shard.find_collection(&call.key, Kind::Set, call.touch)?;
    let members = set.map_or(0, |set| set.len(0));
    if count == 0 || members == 0 {
        reply.set(0);
        return Ok(Outcome::READ);
    }
    if let Some(set) = set.filter(|_| count >= members) {
        reply.set(members);
        set.each(0, |entry| put(reply, entry.field));
        let now = shard.now_ms();
        shard.store.remove(&call.key, now);
        tell_popped(shard, call);
        return Ok(Outcome::CHANGED);
    }
    reply.set(count);
    for _ in 0..count {
        let popped = shard.set_pop(&call.key)?;
        reply.bulk(&popped.expect("more members than are wanted"));
    }
    tell_popped(shard, call);
    Ok(Outcome::CHANGED)
}

fn tell_popped(shard: &mut Shard, call: &Call<'_>) {
    shard.tell(events::SET, "spop", &call.key);
    shard.tell_if_gone(&call.key);
}
