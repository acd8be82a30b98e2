//! `md`: removing, or marking as outdated.

use super::{bare, flags_of, idle_secs};
use crate::command::memcache::{deadline_of, has_passed};
use crate::command::{Call, Fault, Outcome};
use crate::protocol::Reply;
use crate::protocol::memcache::Verb;
use crate::protocol::memcache::meta::Flags;
use crate::shard::{Kind, Meta, Shard};
use slabs::{Change, Marks};

pub(super) fn md(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let Some(flags) = flags_of(Verb::MetaDelete, call.args, reply) else { return Ok(Outcome::READ) };
    let now = shard.now_ms();
    let Some(item) = shard.store.get_unread(&call.key, now) else {
        shard.memcache.delete_misses += 1;
        shard.count_flushed(&call.key);
        bare("NF", &flags, call.args, reply);
        return Ok(Outcome::READ);
    };
    let unique = item.cas_unique();
    if flags.has(b'C') && unique != flags.cas {
        shard.memcache.delete_misses += 1;
        bare("EX", &flags, call.args, reply);
        return Ok(Outcome::READ);
    }
    let used_ms = if flags.has(b'I') { last_use_ms(shard, call) } else { 0 };
    if flags.has(b'x') && !empty(shard, call, &flags, unique) {
        reply.line("SERVER_ERROR out of memory");
        return Ok(Outcome::READ);
    }
    if flags.has(b'I') {
        invalidate(shard, call, &flags, used_ms);
    } else {
        shard.memcache.delete_hits += 1;
        if !flags.has(b'x') {
            shard.store.remove(&call.key, now);
        }
    }
    if !flags.has(b'q') {
        bare("HD", &flags, call.args, reply);
    }
    Ok(Outcome::CHANGED)
}

/// When the item was used last.
fn last_use_ms(shard: &Shard, call: &Call<'_>) -> u64 {
    let now = shard.now_ms();
    let idle_secs = shard.store.peek(&call.key, now).map_or(0, |item| idle_secs(shard, &item));
    now.saturating_sub(1000 * idle_secs)
}

/// Takes the value and the client flags away; the item stays, with its unique. False: there is no room.
fn empty(shard: &mut Shard, call: &Call<'_>, flags: &Flags, unique: u64) -> bool {
    let now = shard.now_ms();
    let expire_at_ms = deadline_of(flags.ttl, now);
    if has_passed(expire_at_ms, now) {
        shard.store.remove(&call.key, now);
        return true;
    }
    let cas = if flags.has(b'E') { flags.new_cas } else { unique };
    let meta = Meta { client_flags: flags.client_flags, expire_at_ms, cas: Some(cas), ..Meta::default() };
    shard.store.put(&call.key, b"", &meta, now).inspect(|()| shard.memcache.total_items += 1).is_ok()
}

/// Marks the value as outdated: the next client that reads it is told to bring a new one, and until it has, all are
/// served the old. Whoever has the unique that it had until now has seen an older value. This is no use of the item.
fn invalidate(shard: &mut Shard, call: &Call<'_>, flags: &Flags, used_ms: u64) {
    let now = shard.now_ms();
    let Some(item) = shard.store.peek(&call.key, now) else { return };
    let old = item.meta();
    let expire_at_ms = if flags.has(b'T') { deadline_of(flags.ttl, now) } else { old.expire_at_ms };
    let meta = Meta {
        expire_at_ms,
        cas: flags.has(b'E').then_some(flags.new_cas),
        marks: Marks::new(true, false).used_at(used_ms),
        ..old
    };
    let kept = old.kind == Kind::String
        && !has_passed(expire_at_ms, now)
        && shard.store.set_meta(&call.key, &meta, Change::New, now).is_ok();
    if !kept {
        // A value that cannot be marked must not be taken for a good one.
        shard.store.remove(&call.key, now);
    }
}
