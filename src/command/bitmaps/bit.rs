//! One bit: `SETBIT`, `GETBIT`.

use super::bit_offset;
use crate::command::strings::{find, grow, read};
use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::data::bits;
use crate::protocol::Reply;
use crate::shard::{Shard, events};
use crate::text::parse_i64;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "setbit",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: Keys::FIRST,
        group: "bitmap",
        since: "2.2.0",
        summary: "Sets or clears one bit of a string, which grows to hold it, and returns what it was.",
        complexity: "O(1), O(N) where the string grows to N bytes",
        handler: Handler::Shard(setbit),
        subs: &[],
    },
    Command {
        name: "getbit",
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "bitmap",
        since: "2.2.0",
        summary: "Returns one bit of a string.",
        complexity: "O(1)",
        handler: Handler::Shard(getbit),
        subs: &[],
    },
];

fn setbit(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let at = bit_offset(&call.args[2])?;
    let on = match parse_i64(&call.args[3]) {
        Some(bit @ (0 | 1)) => bit == 1,
        _ => return Err(Fault::text("ERR bit is not an integer or out of range")),
    };
    let bytes = (at >> 3) + 1;
    if let Some(item) = find(shard, call)?
        && item.value().len() as u64 >= bytes
        && bits::get(item.value(), at) == on
    {
        // Nothing changes, so the item keeps its version and no transaction that watches it is undone.
        reply.int(i64::from(on));
        return Ok(Outcome::READ);
    }
    let (value, _) = grow(shard, call, bytes)?;
    reply.int(i64::from(bits::get(value, at)));
    bits::set(value, at, on);
    shard.tell(events::STRING, "setbit", &call.key);
    Ok(Outcome::CHANGED)
}

fn getbit(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let at = bit_offset(&call.args[2])?;
    let on = read(shard, call)?.is_some_and(|item| bits::get(item.value(), at));
    reply.int(i64::from(on));
    Ok(Outcome::READ)
}
