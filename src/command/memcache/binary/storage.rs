//! Storing: `set`, `add`, `replace`, each of which is a `cas` if its packet names a unique; `append`, `prepend`.

use super::{deadline_ms, done, extra_u32, header, key_row, refusal, refused};
use crate::command::memcache::has_passed;
use crate::command::memcache::storage::{self, End};
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::protocol::Reply;
use crate::protocol::binary::{Op, Status};
use crate::shard::{Kind, Meta, Shard};
use slabs::Refused;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    key_row("mcb:set", flag::WRITE, "Stores a value.", set),
    key_row("mcb:add", flag::WRITE, "Stores the value of a key that does not exist.", add),
    key_row("mcb:replace", flag::WRITE, "Stores the value of a key that exists.", replace),
    key_row("mcb:append", flag::WRITE, "Adds to the end of a value.", extend),
    key_row("mcb:prepend", flag::WRITE, "Adds to the start of a value.", extend),
    key_row("mcb:too_large", flag::WRITE, "Refuses a value that is longer than allowed.", too_large),
];

#[inline]
fn set(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    store_if(shard, call, reply, |_| Ok(()))
}

fn add(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    store_if(shard, call, reply, |exists| if exists { Err(Status::Exists) } else { Ok(()) })
}

fn replace(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    store_if(shard, call, reply, |exists| if exists { Ok(()) } else { Err(Status::NotFound) })
}

/// Stores the packet's value if `wanted` of the key's being there; where the packet names a unique, only that counts.
#[inline]
fn store_if(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    wanted: fn(bool) -> Result<(), Status>,
) -> Result<Outcome, Fault> {
    let to = header(call.args);
    let op = to.meaning().op;
    let now = shard.now_ms();
    shard.memcache.set_commands += 1;
    if to.cas != 0 {
        if let Err(status) = compare(shard, call, to.cas) {
            return refused(reply, &to, status);
        }
    } else if op != Op::Set
        && let Err(status) = wanted(shard.store.get_unread(&call.key, now).is_some())
    {
        return refused(reply, &to, status);
    }
    match put(shard, call) {
        Ok(()) => {
            shard.memcache.cas_hits += u64::from(to.cas != 0);
            done(reply, &to, stored_unique(shard), b"")
        }
        Err(why) => {
            count_refusal(shard, why);
            // What the key held is outdated, and no longer to be had from here.
            let removed = op == Op::Set && shard.store.remove(&call.key, now);
            reply.packet_error(&to, refusal(why));
            Ok(Outcome::changed_if(removed))
        }
    }
}

/// The item has that unique, or what is to be answered.
fn compare(shard: &mut Shard, call: &Call<'_>, expected: u64) -> Result<(), Status> {
    let now = shard.now_ms();
    let found = shard.store.get_unread(&call.key, now).filter(|item| item.kind() == Kind::String);
    match found.map(|item| item.cas_unique() == expected) {
        None => {
            shard.memcache.cas_misses += 1;
            Err(Status::NotFound)
        }
        Some(false) => {
            shard.memcache.cas_badval += 1;
            Err(Status::Exists)
        }
        Some(true) => Ok(()),
    }
}

/// Stores the packet's value whatever the key holds.
#[inline]
fn put(shard: &mut Shard, call: &Call<'_>) -> Result<(), Refused> {
    let now = shard.now_ms();
    let expire_at_ms = deadline_ms(extra_u32(call.args, 4), now);
    if has_passed(expire_at_ms, now) {
        // Stored and dead in the same moment: as good as never stored.
        shard.store.remove(&call.key, now);
    } else {
        let meta = Meta { client_flags: extra_u32(call.args, 0), expire_at_ms, ..Meta::default() };
        shard.store.put(&call.key, &call.args[3], &meta, now)?;
    }
    shard.memcache.total_items += 1;
    Ok(())
}

/// The unique of what was stored just now: without one of its own an item has the number of its last change.
#[inline]
pub(super) fn stored_unique(shard: &Shard) -> u64 {
    u64::from(shard.store.last_change())
}

#[cold]
fn count_refusal(shard: &mut Shard, refused: Refused) {
    match refused {
        Refused::ValueTooLarge => shard.memcache.store_too_large += 1,
        Refused::NoMemory => shard.memcache.store_no_memory += 1,
        Refused::KeyTooLong => {}
    }
}

/// `append` and `prepend`. Flags and expiry stay.
fn extend(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(call.args);
    let now = shard.now_ms();
    shard.memcache.set_commands += 1;
    match shard.store.get_unread(&call.key, now).filter(|item| item.kind() == Kind::String) {
        None => return refused(reply, &to, Status::NotStored),
        Some(item) if to.cas != 0 && item.cas_unique() != to.cas => {
            return refused(reply, &to, Status::Exists);
        }
        Some(_) => {}
    }
    let end = if to.meaning().op == Op::Prepend { End::Front } else { End::Back };
    match storage::extend(shard, call, end) {
        Ok(true) => done(reply, &to, stored_unique(shard), b""),
        // memcached's word where the whole would be too large, although its parts were not.
        Ok(false) => refused(reply, &to, Status::NotStored),
        Err(_) => refused(reply, &to, Status::NoMemory),
    }
}

/// The parser has refused the value. Of all storage commands only `set` says that the old one is outdated.
fn too_large(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(call.args);
    let now = shard.now_ms();
    shard.memcache.store_too_large += 1;
    let removed = to.meaning().op == Op::Set && shard.store.remove(&call.key, now);
    reply.packet_error(&to, Status::TooLarge);
    Ok(Outcome::changed_if(removed))
}
