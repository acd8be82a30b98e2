//! Changing parts of a string: `APPEND` and its kin. Expiry and flags stay.

use super::{find, grow};
use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::limits::STRING_BYTES_MAX;
use crate::protocol::Reply;
use crate::shard::{Meta, Shard, events};
use crate::text::parse_i64;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "append",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since: "2.0.0",
        summary: "Adds bytes at the end of a string, which is made if there is none.",
        complexity: "O(N) for N bytes of the result, O(1) where there is room behind the string",
        handler: Handler::Shard(append),
        subs: &[],
    },
    Command {
        name: "prepend",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since: "0.1.0",
        summary: "Adds bytes at the start of a string, which is made if there is none.",
        complexity: "O(N) for N bytes of the result",
        handler: Handler::Shard(prepend),
        subs: &[],
    },
    Command {
        name: "setrange",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: Keys::FIRST,
        group: "string",
        since: "2.2.0",
        summary: "Overwrites bytes of a string from an offset on; zeros fill a gap before it.",
        complexity: "O(N) for N bytes written or added",
        handler: Handler::Shard(setrange),
        subs: &[],
    },
];

fn append(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    add(shard, call, false, reply)
}

fn prepend(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    add(shard, call, true, reply)
}

fn add(shard: &mut Shard, call: &Call<'_>, in_front: bool, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let (now, bytes) = (shard.now_ms(), &call.args[2]);
    let old = find(shard, call)?.map(|item| item.value().len());
    let grown = match old {
        None => None,
        Some(old) if (old + bytes.len()) as u64 > STRING_BYTES_MAX => return Err(Fault::TooLarge),
        Some(_) if in_front => shard.store.prepend(&call.key, bytes, now)?,
        Some(_) => shard.store.append(&call.key, bytes, now)?,
    };
    let length = match grown {
        Some(length) => length,
        None => {
            shard.store.put(&call.key, bytes, &Meta::default(), now)?;
            bytes.len()
        }
    };
    shard.tell(events::STRING, if in_front { "prepend" } else { "append" }, &call.key);
    reply.int(length as i64);
    Ok(Outcome::CHANGED)
}

fn setrange(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let offset = parse_i64(&call.args[2]).ok_or(Fault::NotInteger)?;
    let offset = u64::try_from(offset).map_err(|_| Fault::text("ERR offset is out of range"))?;
    let bytes = &call.args[3];
    if bytes.is_empty() {
        // Nothing is written, so nothing grows either.
        let length = find(shard, call)?.map_or(0, |item| item.value().len());
        reply.int(length as i64);
        return Ok(Outcome::READ);
    }
    let end = offset.saturating_add(bytes.len() as u64);
    let (value, _) = grow(shard, call, end)?;
    value[offset as usize..end as usize].copy_from_slice(bytes);
    reply.int(value.len() as i64);
    shard.tell(events::STRING, "setrange", &call.key);
    Ok(Outcome::CHANGED)
}
