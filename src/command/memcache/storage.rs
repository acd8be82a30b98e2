//! Writing: `set`, `add`, `replace`, `append`, `prepend`, `cas`.
//!
//! Arguments: name, key, flags, time, length, for `cas` the unique, perhaps `noreply`, the data.

use super::{deadline_ms, has_passed, refusal};
use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::Reply;
use crate::protocol::memcache::{TOO_LARGE, fields};
use crate::shard::{Kind, Meta, Shard};
use slabs::Refused;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:set",
        arity: -6,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Stores a value.",
        complexity: "O(1)",
        handler: Handler::Shard(set),
        subs: &[],
    },
    Command {
        name: "mc:add",
        arity: -6,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Stores the value of a key that does not exist.",
        complexity: "O(1)",
        handler: Handler::Shard(add),
        subs: &[],
    },
    Command {
        name: "mc:replace",
        arity: -6,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Stores the value of a key that exists.",
        complexity: "O(1)",
        handler: Handler::Shard(replace),
        subs: &[],
    },
    Command {
        name: "mc:append",
        arity: -6,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Adds to the end of a value; its flags and expiry stay.",
        complexity: "O(N) for a value of N bytes",
        handler: Handler::Shard(append),
        subs: &[],
    },
    Command {
        name: "mc:prepend",
        arity: -6,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Adds to the start of a value; its flags and expiry stay.",
        complexity: "O(N) for a value of N bytes",
        handler: Handler::Shard(prepend),
        subs: &[],
    },
    Command {
        name: "mc:cas",
        arity: -7,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Stores a value if nobody has changed it since its unique was read.",
        complexity: "O(1)",
        handler: Handler::Shard(cas),
        subs: &[],
    },
    Command {
        name: "mc:too_large",
        arity: -5,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Refuses a value that is longer than allowed.",
        complexity: "O(1)",
        handler: Handler::Shard(too_large),
        subs: &[],
    },
];

const STORED: &str = "STORED";
const NOT_STORED: &str = "NOT_STORED";

/// Writes the reply of a command that has stored something or not.
fn done(reply: &mut Reply<'_>, line: &str) -> Result<Outcome, Fault> {
    reply.line(line);
    Ok(Outcome::changed_if(line == STORED))
}

#[inline]
fn set(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    shard.memcache.set_commands += 1;
    match put_words(shard, call) {
        Ok(()) => done(reply, STORED),
        Err(refused) => {
            // What the key held is outdated, and no longer to be had from here.
            let now = shard.now_ms();
            let removed = shard.store.remove(&call.key, now);
            reply.line(refused);
            Ok(Outcome::changed_if(removed))
        }
    }
}

fn add(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    store_if(shard, call, reply, |exists| !exists)
}

fn replace(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    store_if(shard, call, reply, |exists| exists)
}

fn store_if(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    wanted: fn(bool) -> bool,
) -> Result<Outcome, Fault> {
    shard.memcache.set_commands += 1;
    let now = shard.now_ms();
    if !wanted(shard.store.get_unread(&call.key, now).is_some()) {
        return done(reply, NOT_STORED);
    }
    match put_words(shard, call) {
        Ok(()) => done(reply, STORED),
        Err(refused) => done(reply, refused),
    }
}

fn cas(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    shard.memcache.set_commands += 1;
    let expected = fields::unsigned(&call.args[5]).expect("the parser lets only numbers pass");
    let now = shard.now_ms();
    let found = shard.store.get_unread(&call.key, now).filter(|item| item.kind() == Kind::String);
    match found.map(|item| item.cas_unique() == expected) {
        None => {
            shard.memcache.cas_misses += 1;
            done(reply, "NOT_FOUND")
        }
        Some(false) => {
            shard.memcache.cas_badval += 1;
            done(reply, "EXISTS")
        }
        Some(true) => match put_words(shard, call) {
            Ok(()) => {
                shard.memcache.cas_hits += 1;
                done(reply, STORED)
            }
            Err(refused) => done(reply, refused),
        },
    }
}

/// Stores the data of a classic request, with what its words say.
#[inline]
fn put_words(shard: &mut Shard, call: &Call<'_>) -> Result<(), &'static str> {
    let args = call.args;
    let client_flags = fields::flags(&args[2]).expect("the parser lets only numbers pass");
    let expire_at_ms = deadline_ms(&args[3], shard.now_ms());
    put(shard, call, &Meta { client_flags, expire_at_ms, ..Meta::default() })
}

/// Stores a request's data whatever the key holds. An error is the line to answer.
#[inline]
pub(super) fn put(shard: &mut Shard, call: &Call<'_>, meta: &Meta) -> Result<(), &'static str> {
    let now = shard.now_ms();
    if has_passed(meta.expire_at_ms, now) {
        // Stored and dead in the same moment: as good as never stored.
        shard.store.remove(&call.key, now);
    } else {
        let data = call.args.last().unwrap_or_default();
        shard.put(&call.key, data, meta).map_err(|refused| count_refusal(shard, refused))?;
    }
    shard.memcache.total_items += 1;
    Ok(())
}

#[cold]
fn count_refusal(shard: &mut Shard, refused: Refused) -> &'static str {
    match refused {
        Refused::ValueTooLarge => shard.memcache.store_too_large += 1,
        Refused::NoMemory => shard.memcache.store_no_memory += 1,
        Refused::KeyTooLong => {}
    }
    refusal(refused)
}

/// Which end of a value grows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

fn append(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    extend_words(shard, call, reply, End::Back)
}

fn prepend(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    extend_words(shard, call, reply, End::Front)
}

fn extend_words(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    end: End,
) -> Result<Outcome, Fault> {
    shard.memcache.set_commands += 1;
    let now = shard.now_ms();
    if !shard.store.get_unread(&call.key, now).is_some_and(|item| item.kind() == Kind::String) {
        return done(reply, NOT_STORED);
    }
    match extend(shard, call, end) {
        Ok(true) => done(reply, STORED),
        Ok(false) => done(reply, NOT_STORED),
        Err(refused) => done(reply, refused),
    }
}

/// Adds a request's data to the string that the key holds. False: the whole would be too large, although its parts
/// were not. An error is the line to answer.
pub(super) fn extend(shard: &mut Shard, call: &Call<'_>, end: End) -> Result<bool, &'static str> {
    let now = shard.now_ms();
    let data = call.args.last().unwrap_or_default();
    let old_bytes = shard.store.peek(&call.key, now).map_or(0, |item| item.value().len());
    let extended = if (old_bytes + data.len()) as u64 > shard.memcache_value_bytes_max {
        Err(Refused::ValueTooLarge)
    } else {
        match end {
            End::Back => shard.store.append(&call.key, data, now),
            End::Front => shard.store.prepend(&call.key, data, now),
        }
    };
    match extended {
        Ok(_) => {
            shard.memcache.total_items += 1;
            Ok(true)
        }
        Err(Refused::ValueTooLarge) => {
            shard.memcache.store_too_large += 1;
            Ok(false)
        }
        Err(refused) => Err(count_refusal(shard, refused)),
    }
}

/// The parser has refused the data block. Of all storage commands only `set` says that the old value is outdated.
fn too_large(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    shard.memcache.store_too_large += 1;
    let now = shard.now_ms();
    let removed = &call.args[0] == b"set" && shard.store.remove(&call.key, now);
    reply.line(TOO_LARGE);
    Ok(Outcome::changed_if(removed))
}
