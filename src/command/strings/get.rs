//! Reading whole values and parts of them: `GET` and its kin.

use super::expiry::{Form, Given};
use super::read;
use crate::command::{Call, Command, Fault, Handler, Keys, Merge, Outcome, flag};
use crate::protocol::Reply;
use crate::shard::{Kind, Shard, events};
use crate::text::parse_i64;
use slabs::Change;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "get",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since: "1.0.0",
        summary: "Returns the string of a key.",
        complexity: "O(1)",
        handler: Handler::Shard(get),
        subs: &[],
    },
    Command {
        name: "mget",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::ALL,
        group: "string",
        since: "1.0.0",
        summary: "Returns the strings of several keys, all as of one moment.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: mget_part, stride: 1, merge: Merge::Array },
        subs: &[],
    },
    Command {
        name: "getdel",
        arity: 2,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since: "6.2.0",
        summary: "Returns the string of a key and removes the key.",
        complexity: "O(1)",
        handler: Handler::Shard(getdel),
        subs: &[],
    },
    Command {
        name: "getex",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since: "6.2.0",
        summary: "Returns the string of a key and changes when it expires.",
        complexity: "O(1)",
        handler: Handler::Shard(getex),
        subs: &[],
    },
    Command {
        name: "strlen",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since: "2.2.0",
        summary: "Returns the length of a string in bytes.",
        complexity: "O(1)",
        handler: Handler::Shard(strlen),
        subs: &[],
    },
    Command {
        name: "getrange",
        arity: 4,
        flags: flag::READONLY,
        keys: Keys::FIRST,
        group: "string",
        since: "2.4.0",
        summary: "Returns the bytes of a string between two offsets.",
        complexity: "O(N) for N bytes returned",
        handler: Handler::Shard(getrange),
        subs: &[],
    },
    Command {
        name: "substr",
        arity: 4,
        flags: flag::READONLY,
        keys: Keys::FIRST,
        group: "string",
        since: "1.0.0",
        summary: "Returns the bytes of a string between two offsets; the old name of GETRANGE.",
        complexity: "O(N) for N bytes returned",
        handler: Handler::Shard(getrange),
        subs: &[],
    },
];

fn get(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    write_string(shard, call, reply)?;
    Ok(Outcome::READ)
}

/// Replies the string of the key, or null. True: there is one.
#[inline]
pub(super) fn write_string(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<bool, Fault> {
    match shard.read(&call.key, call.touch) {
        Some(item) if item.kind() == Kind::String => {
            reply.bulk_lent(item.value(), || item.lend());
            Ok(true)
        }
        Some(_) => Err(Fault::WrongType),
        None => {
            reply.null();
            Ok(false)
        }
    }
}

fn mget_part(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    match shard.read(&call.key, call.touch) {
        Some(item) if item.kind() == Kind::String => reply.bulk_lent(item.value(), || item.lend()),
        _ => reply.null(),
    }
    Ok(Outcome::READ)
}

fn getdel(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let found = write_string(shard, call, reply)?;
    if found {
        let now = shard.now_ms();
        shard.store.remove(&call.key, now);
        shard.tell(events::GENERIC, "del", &call.key);
    }
    Ok(Outcome::changed_if(found))
}

fn getex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let (mut given, mut persist) = (Given::default(), false);
    let mut at = 2;
    while at < call.args.len() {
        if call.args[at].eq_ignore_ascii_case(b"persist") && !given.is_some() {
            persist = true;
            at += 1;
        } else {
            let form = Form::of(&call.args[at]).filter(|_| !persist).ok_or(Fault::Syntax)?;
            given.take(form, call.args, at)?;
            at += 2;
        }
    }
    let now = shard.now_ms();
    // Redis looks at the key before it looks at the time.
    let Some(item) = read(shard, call)? else {
        reply.null();
        return Ok(Outcome::READ);
    };
    let had_expiry = item.expire_at_ms() != 0;
    let expire_at_ms = given.unix_ms(now, "getex")?;
    reply.bulk_lent(item.value(), || item.lend());
    let changed = match expire_at_ms {
        Some(at) if at <= now => shard.store.remove(&call.key, now),
        Some(at) => shard.store.set_expiry(&call.key, at, Change::New, now)?,
        None if persist && had_expiry => shard.store.set_expiry(&call.key, 0, Change::New, now)?,
        None => false,
    };
    if changed {
        let event = match expire_at_ms {
            Some(at) if at <= now => "del",
            Some(_) => "expire",
            None => "persist",
        };
        shard.tell(events::GENERIC, event, &call.key);
    }
    Ok(Outcome::changed_if(changed))
}

fn strlen(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let length = read(shard, call)?.map_or(0, |item| item.value().len());
    reply.int(length as i64);
    Ok(Outcome::READ)
}

fn getrange(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let start = parse_i64(&call.args[2]).ok_or(Fault::NotInteger)?;
    let end = parse_i64(&call.args[3]).ok_or(Fault::NotInteger)?;
    let value = read(shard, call)?.map_or(&b""[..], |item| item.value());
    reply.bulk(part(value, start, end));
    Ok(Outcome::READ)
}

/// The bytes from offset `start` to offset `end`, both included; negative ones count from the end.
fn part(value: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let length = value.len() as i64;
    let absolute = |offset: i64| if offset < 0 { offset.saturating_add(length).max(0) } else { offset };
    let (start, end) = (absolute(start), absolute(end).min(length - 1));
    if start > end { b"" } else { &value[start as usize..=end as usize] }
}
