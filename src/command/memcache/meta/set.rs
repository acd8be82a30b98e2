//! `ms`: storing, in one of five modes.

use super::{echo, flags_of};
use crate::command::memcache::deadline_of;
use crate::command::memcache::storage::{End, extend, put};
use crate::command::{Call, Fault, Outcome};
use crate::protocol::memcache::meta::Flags;
use crate::protocol::memcache::{TOO_LARGE, Verb};
use crate::protocol::{Args, Reply};
use crate::shard::{Item, Kind, Meta, Shard};
use slabs::Marks;

/// What became of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Stored,
    NotStored,
    Exists,
    NotFound,
    /// There is no room, with the line that says so.
    Refused(&'static str),
}

/// The words of a request without its data.
fn words<'a>(call: &Call<'a>) -> Args<'a> {
    call.args.first(call.args.len() - 1)
}

pub(super) fn ms(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let Some(flags) = flags_of(Verb::MetaSet, words(call), reply) else { return Ok(Outcome::READ) };
    shard.memcache.set_commands += 1;
    let done = match flags.mode {
        b'E' => add(shard, call, &flags),
        b'A' => grow(shard, call, &flags, End::Back),
        b'P' => grow(shard, call, &flags, End::Front),
        _ if flags.has(b'C') => compare_and_store(shard, call, &flags),
        b'R' => replace(shard, call, &flags),
        _ => store(shard, call, &flags),
    };
    match done {
        Done::Stored if flags.has(b'q') => {}
        Done::Refused(line) => {
            // What the key held is outdated.
            let now = shard.now_ms();
            let removed = shard.store.remove(&call.key, now);
            reply.line(line);
            return Ok(Outcome::changed_if(removed));
        }
        _ => answer(shard, call, &flags, done, reply),
    }
    Ok(Outcome::changed_if(done == Done::Stored))
}

fn answer(shard: &Shard, call: &Call<'_>, flags: &Flags, done: Done, reply: &mut Reply<'_>) {
    reply.raw(match done {
        Done::Stored => b"HD",
        Done::NotStored => b"NS",
        Done::Exists => b"EX",
        Done::NotFound | Done::Refused(_) => b"NF",
    });
    let stored = || match done {
        Done::Stored => shard.store.peek(&call.key, shard.now_ms()),
        _ => None,
    };
    for word in words(call).from(3).iter() {
        match word[0] {
            b'c' => {
                // What was stored dead has a number of its own too, which nobody will meet again.
                let dead = if done == Done::Stored { u64::from(shard.store.last_change()) } else { 0 };
                reply.meta_number(b'c', stored().map_or(dead, |item| item.cas_unique()));
            }
            b's' => {
                let sent = call.args.last().unwrap_or_default().len();
                reply.meta_number(b's', stored().map_or(sent, |item| item.value().len()) as u64);
            }
            _ => echo(word, flags, call.args, reply),
        }
    }
    reply.raw(b"\r\n");
}

/// What is stored beside the value if nothing is taken over from an older one.
fn meta_of(flags: &Flags, ttl: i64, now_ms: u64) -> Meta {
    Meta {
        client_flags: flags.client_flags,
        expire_at_ms: deadline_of(ttl, now_ms),
        // 0 is no unique: the store gives one.
        cas: Some(flags.new_cas).filter(|&cas| cas != 0),
        ..Meta::default()
    }
}

fn store(shard: &mut Shard, call: &Call<'_>, flags: &Flags) -> Done {
    let meta = meta_of(flags, flags.ttl, shard.now_ms());
    put(shard, call, &meta).map_or_else(Done::Refused, |()| Done::Stored)
}

fn exists(shard: &mut Shard, call: &Call<'_>) -> bool {
    let now = shard.now_ms();
    shard.store.get_unread(&call.key, now).is_some()
}

fn add(shard: &mut Shard, call: &Call<'_>, flags: &Flags) -> Done {
    if exists(shard, call) { Done::NotStored } else { store(shard, call, flags) }
}

fn replace(shard: &mut Shard, call: &Call<'_>, flags: &Flags) -> Done {
    if exists(shard, call) { store(shard, call, flags) } else { Done::NotStored }
}

/// Whether a unique is older than an item. Those that the store gives go round after 32 bits.
fn is_older(unique: u64, item: &Item<'_>) -> bool {
    let current = item.cas_unique();
    let given_by_store = current == u64::from(item.version());
    match u32::try_from(unique) {
        Ok(unique) if given_by_store => {
            let behind = item.version().wrapping_sub(unique);
            u64::from(unique) < current || behind != 0 && behind < 1 << 31
        }
        _ => unique < current,
    }
}

fn compare_and_store(shard: &mut Shard, call: &Call<'_>, flags: &Flags) -> Done {
    let now = shard.now_ms();
    let Some(item) = shard.store.get_unread(&call.key, now).filter(|item| item.kind() == Kind::String) else {
        shard.memcache.cas_misses += 1;
        return Done::NotFound;
    };
    let mut meta = meta_of(flags, flags.ttl, now);
    if flags.cas == 0 || item.cas_unique() != flags.cas {
        if flags.cas == 0 || !flags.has(b'I') || !is_older(flags.cas, &item) {
            shard.memcache.cas_badval += 1;
            return Done::Exists;
        }
        // Newer than what is there, and not as new as what somebody knows already: it is served meanwhile.
        meta.expire_at_ms = item.expire_at_ms();
        meta.marks = Marks::new(true, item.marks().token_sent);
    }
    match put(shard, call, &meta) {
        Ok(()) => {
            shard.memcache.cas_hits += 1;
            Done::Stored
        }
        Err(refused) => Done::Refused(refused),
    }
}

/// Adds to one end of a value; with `N`, stores it where there is none.
fn grow(shard: &mut Shard, call: &Call<'_>, flags: &Flags, end: End) -> Done {
    let now = shard.now_ms();
    match shard.store.get_unread(&call.key, now) {
        None if flags.has(b'N') => {
            let meta = meta_of(flags, flags.vivify_ttl, now);
            return put(shard, call, &meta).map_or_else(Done::Refused, |()| Done::Stored);
        }
        Some(item) if item.kind() == Kind::String => {
            if flags.cas != 0 && item.cas_unique() != flags.cas {
                return Done::Exists;
            }
        }
        _ => return Done::NotStored,
    }
    match extend(shard, call, end) {
        Ok(true) => {}
        Ok(false) => return Done::NotStored,
        Err(refused) => return Done::Refused(refused),
    }
    if flags.new_cas != 0
        && let Some(item) = shard.store.peek(&call.key, now)
    {
        let meta = Meta { cas: Some(flags.new_cas), ..item.meta() };
        // Without room for it the item keeps the unique that it has just got: nobody knows either yet.
        let _ = shard.store.set_meta(&call.key, &meta, slabs::Change::Keep, now);
    }
    Done::Stored
}

/// The parser has refused the data block. In every mode what the key holds is outdated.
pub(super) fn too_large(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if flags_of(Verb::MetaSet, words(call), reply).is_none() {
        return Ok(Outcome::READ);
    }
    shard.memcache.store_too_large += 1;
    let now = shard.now_ms();
    let removed = shard.store.remove(&call.key, now);
    reply.line(TOO_LARGE);
    Ok(Outcome::changed_if(removed))
}
