//! The ends of a list: pushing and popping there; and how long it is.

use super::row;
use crate::command::collections::put;
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::data::list::End;
use crate::protocol::Reply;
use crate::shard::{Shard, events};
use crate::text::parse_i64;

const PUSH: u32 = flag::WRITE | flag::DENYOOM | flag::FAST;
const POP: u32 = flag::WRITE | flag::FAST;
const PER_ELEMENT: &str = "O(N) for N elements";

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("lpush", -3, PUSH, "1.0.0", "Adds elements at the left end of a list, which is made if need be.", PER_ELEMENT, lpush),
    row("rpush", -3, PUSH, "1.0.0", "Adds elements at the right end of a list, which is made if need be.", PER_ELEMENT, rpush),
    row("lpushx", -3, PUSH, "2.2.0", "Adds elements at the left end of a list, if there is one.", PER_ELEMENT, lpushx),
    row("rpushx", -3, PUSH, "2.2.0", "Adds elements at the right end of a list, if there is one.", PER_ELEMENT, rpushx),
    row("lpop", -2, POP, "1.0.0", "Removes the leftmost elements of a list and returns them.", PER_ELEMENT, lpop),
    row("rpop", -2, POP, "1.0.0", "Removes the rightmost elements of a list and returns them.", PER_ELEMENT, rpop),
    row("llen", 2, flag::READONLY | flag::FAST, "1.0.0", "Counts the elements of a list.", "O(1)", llen),
];

fn push(
    shard: &mut Shard,
    call: &Call<'_>,
    end: End,
    must_be: bool,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let len = shard.list_extend(&call.key, end, call.args.from(2).iter(), must_be, call.touch)?;
    reply.int(len as i64);
    if len == 0 {
        return Ok(Outcome::READ);
    }
    shard.tell(events::LIST, if end == End::Front { "lpush" } else { "rpush" }, &call.key);
    Ok(Outcome::CHANGED)
}

fn lpush(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    push(shard, call, End::Front, false, reply)
}

fn rpush(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    push(shard, call, End::Back, false, reply)
}

fn lpushx(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    push(shard, call, End::Front, true, reply)
}

fn rpushx(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    push(shard, call, End::Back, true, reply)
}

fn pop(
    shard: &mut Shard,
    call: &Call<'_>,
    end: End,
    name: &'static str,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    if call.args.len() > 3 {
        return Err(Fault::Arity(name));
    }
    let count = match call.args.get(2) {
        None => None,
        Some(text) => Some(
            parse_i64(text)
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(Fault::text("ERR value is out of range, must be positive"))?,
        ),
    };
    let taken = shard.list_pop(&call.key, end, count.unwrap_or(1), call.touch, |list, taken| {
        if count.is_some() {
            reply.array(taken);
        }
        list.take(end, taken, |element| put(reply, element));
    })?;
    match taken {
        Some(0) => return Ok(Outcome::READ),
        Some(_) => {}
        None => {
            if count.is_some() {
                reply.null_array();
            } else {
                reply.null();
            }
            return Ok(Outcome::READ);
        }
    }
    shard.tell(events::LIST, name, &call.key);
    shard.tell_if_gone(&call.key);
    Ok(Outcome::CHANGED)
}

fn lpop(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    pop(shard, call, End::Front, "lpop", reply)
}

fn rpop(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    pop(shard, call, End::Back, "rpop", reply)
}

fn llen(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let list = shard.read_list(&call.key, call.touch)?;
    reply.int(list.map_or(0, |list| list.len()) as i64);
    Ok(Outcome::READ)
}
