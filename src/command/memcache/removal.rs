//! Ending the life of items, now or later: `delete`, `touch`, `flush_all`.

use super::{deadline_ms, has_passed, refusal};
use crate::command::{Asker, Call, Command, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::parameters::Name;
use crate::protocol::memcache::fields;
use crate::protocol::{Args, Reply};
use crate::shard::Shard;
use crate::shard::memcache::PendingFlush;
use slabs::Change;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:delete",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Removes a key.",
        complexity: "O(1)",
        handler: Handler::Shard(delete),
        subs: &[],
    },
    Command {
        name: "mc:touch",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Sets when a key dies.",
        complexity: "O(1)",
        handler: Handler::Shard(touch),
        subs: &[],
    },
    Command {
        name: "mc:flush_all",
        arity: -1,
        flags: flag::WRITE,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.0.0",
        summary: "Removes all keys of the database, now or after a delay.",
        complexity: "O(1), and O(N) for N keys spread over the time after it",
        handler: Handler::Every(Every { check: well_formed, ask: flush, merge: flushed, atomic: true }),
        subs: &[],
    },
];

fn delete(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let removed = shard.store.remove(&call.key, now);
    if removed {
        shard.memcache.delete_hits += 1;
        reply.line("DELETED");
    } else {
        shard.memcache.delete_misses += 1;
        shard.count_flushed(&call.key);
        reply.line("NOT_FOUND");
    }
    Ok(Outcome::changed_if(removed))
}

/// The cas unique stays: the value is the same.
fn touch(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let deadline = deadline_ms(&call.args[2], now);
    shard.memcache.touch_commands += 1;
    if shard.store.get(&call.key, now).is_none() {
        shard.memcache.touch_misses += 1;
        shard.count_flushed(&call.key);
        reply.line("NOT_FOUND");
        return Ok(Outcome::READ);
    }
    if has_passed(deadline, now) {
        shard.store.remove(&call.key, now);
    } else if let Err(refused) = shard.store.set_expiry(&call.key, deadline, Change::Keep, now) {
        reply.line(refusal(refused));
        return Ok(Outcome::READ);
    }
    shard.memcache.touch_hits += 1;
    reply.line("TOUCHED");
    Ok(Outcome::CHANGED)
}

fn well_formed(_: Args<'_>, _: u8) -> Result<(), Fault> {
    Ok(())
}

/// Flushes the client's database, which is the only one that memcached's clients see, or notes when to. The
/// last word counts: a flush that is pending is forgotten.
fn flush(local: &mut Local<'_>, args: Args<'_>, asker: &Asker) -> Vec<u8> {
    // `noreply` may stand in the place of the time.
    schedule_flush(local, args.get(1).and_then(fields::exptime).unwrap_or(0), asker.db)
}

/// Flushes this shard's part of a database when a client's time says: now, or later. What is answered is not empty
/// where the user has forbidden it.
pub(super) fn schedule_flush(local: &mut Local<'_>, exptime: i64, db: u8) -> Vec<u8> {
    if local.shared.parameters.number(Name::DisableFlushAll) != 0 {
        return vec![0];
    }
    let now = local.shard.now_ms();
    local.shard.memcache.flush_commands += u64::from(local.core == 0);
    local.shard.pending_flush = None;
    match fields::expires_at_ms(exptime, now) {
        Some(at_ms) if at_ms > now => local.shard.pending_flush = Some(PendingFlush { at_ms, db }),
        _ => local.shard.flush_db(db),
    }
    Vec::new()
}

fn flushed(_: Args<'_>, parts: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if parts.iter().any(|part| !part.is_empty()) {
        return Err(Fault::text("CLIENT_ERROR flush_all not allowed"));
    }
    reply.line("OK");
    Ok(Outcome::CHANGED)
}
