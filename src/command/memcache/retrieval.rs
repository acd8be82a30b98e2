//! Reading: `get`, `gets`, and `gat`, `gats`, which set a new expiry too. One part per key writes its own
//! `VALUE`; the merge ends them with `END`.

use super::{deadline_ms, has_passed};
use crate::command::{Call, Command, Fault, Handler, Keys, Merge, Outcome, flag};
use crate::protocol::Reply;
use crate::shard::{Kind, Shard};
use slabs::Change;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:get",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::ALL,
        group: "memcache",
        since: "1.0.0",
        summary: "Returns the values of those keys that exist.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: get, stride: 1, merge: Merge::Lines },
        subs: &[],
    },
    Command {
        name: "mc:gets",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::ALL,
        group: "memcache",
        since: "1.0.0",
        summary: "Returns values with their cas uniques.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: gets, stride: 1, merge: Merge::Lines },
        subs: &[],
    },
    Command {
        name: "mc:gat",
        arity: -1,
        flags: flag::WRITE | flag::FAST,
        keys: KEYS_WITH_TIMES,
        group: "memcache",
        since: "1.0.0",
        summary: "Returns values and sets when they expire.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: gat, stride: 2, merge: Merge::Lines },
        subs: &[],
    },
    Command {
        name: "mc:gats",
        arity: -1,
        flags: flag::WRITE | flag::FAST,
        keys: KEYS_WITH_TIMES,
        group: "memcache",
        since: "1.0.0",
        summary: "Returns values with their cas uniques and sets when they expire.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: gats, stride: 2, merge: Merge::Lines },
        subs: &[],
    },
];

/// As `arrange` puts them: every key with the time behind it.
const KEYS_WITH_TIMES: Keys = Keys { first: 1, last: -1, step: 2 };

fn get(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    fetch(shard, call, reply, false);
    Ok(Outcome::READ)
}

fn gets(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    fetch(shard, call, reply, true);
    Ok(Outcome::READ)
}

fn gat(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    fetch_and_touch(shard, call, reply, false)
}

fn gats(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    fetch_and_touch(shard, call, reply, true)
}

/// Writes the value of a key, if it has one.
#[inline]
fn fetch(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>, with_cas: bool) {
    let hit = write_value(shard, call, reply, with_cas);
    if hit {
        shard.memcache.get_commands += 1;
        shard.memcache.get_hits += 1;
    } else {
        shard.count_get_miss(&call.key);
    }
}

#[inline]
fn write_value(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>, with_cas: bool) -> bool {
    match shard.read(&call.key, call.touch) {
        Some(item) if item.kind() == Kind::String => {
            let cas = with_cas.then(|| item.cas_unique());
            reply.memcache_value_lent(call.key.bytes, item.client_flags(), item.value(), cas, || item.lend());
            true
        }
        _ => false,
    }
}

/// As `fetch`, and the key dies when `args[2]` says. Its cas unique stays. memcached counts this as a touch and
/// not as a get.
fn fetch_and_touch(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    with_cas: bool,
) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let deadline = deadline_ms(&call.args[2], now);
    let hit = write_value(shard, call, reply, with_cas);
    let counters = &mut shard.memcache;
    counters.touch_commands += 1;
    counters.touch_hits += u64::from(hit);
    counters.touch_misses += u64::from(!hit);
    if !hit {
        shard.count_flushed(&call.key);
    }
    if hit && has_passed(deadline, now) {
        shard.store.remove(&call.key, now);
    } else if hit && shard.store.set_expiry(&call.key, deadline, Change::Keep, now).is_err() {
        return Err(Fault::text("SERVER_ERROR out of memory writing get response"));
    }
    Ok(Outcome::changed_if(hit))
}
