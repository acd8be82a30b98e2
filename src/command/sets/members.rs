//! Members of one set: adding, removing, asking, listing.

use super::row;
use crate::command::collections::{put, scan};
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::protocol::Reply;
use crate::shard::{Kind, Shard, events};

const READ: u32 = flag::READONLY | flag::FAST;

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("sadd", -3, flag::WRITE | flag::DENYOOM | flag::FAST, "1.0.0", "Adds members to a set and answers how many are new.", "O(N) for N members", sadd),
    row("srem", -3, flag::WRITE | flag::FAST, "1.0.0", "Removes members of a set and answers how many there were.", "O(N) for N members", srem),
    row("sismember", 3, READ, "1.0.0", "Tells whether a set has a member.", "O(1)", sismember),
    row("smismember", -3, READ, "6.2.0", "Tells which of several members a set has.", "O(N) for N members", smismember),
    row("scard", 2, READ, "1.0.0", "Counts the members of a set.", "O(1)", scard),
    row("smembers", 2, flag::READONLY, "1.0.0", "Returns all members of a set.", "O(N) for N members", smembers),
    row("sscan", -3, flag::READONLY, "2.8.0", "Lists some members of a set and answers a cursor that the next call goes on from.",
        "O(1) a call with a small COUNT; O(N) for all N members", sscan),
];

/// What a member takes besides its bytes, at most: for asking whether there is room.
const MEMBER_BYTES: usize = 32;

/// The key is no set: that is said before anything else.
fn check_kind(shard: &mut Shard, call: &Call<'_>) -> Result<(), Fault> {
    shard.find_collection(&call.key, Kind::Set, call.touch)?;
    Ok(())
}

fn sadd(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let members = call.args.from(2);
    let touch = call.touch && members.len() == 1;
    let add = |shard: &mut Shard, member| shard.set_extend(&call.key, member, touch).map(i64::from);
    let new = if members.len() == 1 {
        // Whether there is room for a single one is asked where it is known that it needs some.
        add(shard, &members[0])?
    } else {
        check_kind(shard, call)?;
        let bytes = members.total_bytes() + members.len() * MEMBER_BYTES;
        shard.add_all(&call.key, bytes, |shard| {
            members.iter().try_fold(0, |new, member| add(shard, member).map(|more| new + more))
        })?
    };
    if new > 0 {
        shard.tell(events::SET, "sadd", &call.key);
    }
    reply.int(new);
    Ok(Outcome::changed_if(new > 0))
}

fn srem(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let members = call.args.from(2);
    let several = members.len() > 1;
    if several {
        check_kind(shard, call)?;
    }
    let mut removed = 0;
    for member in members.iter() {
        removed += i64::from(shard.set_take(&call.key, member, call.touch && !several)?);
    }
    if removed > 0 {
        shard.tell(events::SET, "srem", &call.key);
        shard.tell_if_gone(&call.key);
    }
    reply.int(removed);
    Ok(Outcome::changed_if(removed > 0))
}

fn sismember(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let set = shard.read_collection(&call.key, Kind::Set, call.touch)?;
    reply.int(i64::from(set.is_some_and(|set| set.has(&call.args[2]))));
    Ok(Outcome::READ)
}

fn smismember(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let set = shard.read_collection(&call.key, Kind::Set, call.touch)?;
    reply.array(call.args.len() - 2);
    for member in call.args.from(2).iter() {
        reply.int(i64::from(set.is_some_and(|set| set.has(member))));
    }
    Ok(Outcome::READ)
}

fn scard(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let set = shard.read_collection(&call.key, Kind::Set, call.touch)?;
    reply.int(set.map_or(0, |set| set.len(0)) as i64);
    Ok(Outcome::READ)
}

fn smembers(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    match shard.read_collection(&call.key, Kind::Set, call.touch)? {
        None => reply.set(0),
        Some(set) => {
            reply.set(set.len(0));
            set.each(0, |entry| put(reply, entry.field));
        }
    }
    Ok(Outcome::READ)
}

fn sscan(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    scan(shard, call, Kind::Set, reply)
}
