//! `mg`: reading, with herd control.
//!
//! Of all clients that find a value outdated (stale, or near its end with `R`, or absent with `N`) one is told `W`:
//! to bring a new one. The others are told `Z` and take what is there. A shard runs one command at a time, so looking
//! for the mark and setting it is one step.

use super::{bare, echo, flags_of, idle_secs, left_secs, note, write_ttl};
use crate::command::memcache::{deadline_of, has_passed};
use crate::command::{Call, Fault, Outcome};
use crate::protocol::Reply;
use crate::protocol::memcache::Verb;
use crate::protocol::memcache::meta::Flags;
use crate::shard::{Kind, Meta, Shard};
use slabs::Marks;

/// Flags for which an item is looked at before its use is counted, or changed.
const CAREFUL: &[u8] = b"NTRhl";

#[inline]
pub(super) fn mg(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let Some(flags) = flags_of(Verb::MetaGet, call.args, reply) else { return Ok(Outcome::READ) };
    if flags.has_any(CAREFUL) {
        return careful(shard, call, &flags, reply);
    }
    let now = shard.now_ms();
    let counts = call.touch && !flags.has(b'u');
    let found = if counts { shard.store.get(&call.key, now) } else { shard.store.peek(&call.key, now) };
    match found {
        Some(item) if item.kind() != Kind::String => miss(shard, call, &flags, reply),
        Some(item) if item.marks() != Marks::default() => return careful(shard, call, &flags, reply),
        Some(_) => {
            compose(shard, call, &flags, false, reply);
            hit(shard, false);
        }
        None => miss(shard, call, &flags, reply),
    }
    Ok(Outcome::READ)
}

fn hit(shard: &mut Shard, touched: bool) {
    let counters = &mut shard.memcache;
    if touched {
        counters.touch_commands += 1;
        counters.touch_hits += 1;
    } else {
        counters.get_commands += 1;
        counters.get_hits += 1;
    }
    shard.traffic.hits += 1;
}

/// As memcached counts it: a miss is one of a get, also where there was a time to set.
fn miss(shard: &mut Shard, call: &Call<'_>, flags: &Flags, reply: &mut Reply<'_>) {
    shard.count_get_miss(&call.key);
    shard.traffic.misses += 1;
    if !flags.has(b'q') {
        bare("EN", flags, call.args, reply);
    }
}

/// A reading that may make, mark or touch the item, or that tells what it was before this use.
fn careful(
    shard: &mut Shard,
    call: &Call<'_>,
    flags: &Flags,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    // A dead one is reclaimed here: memcached counts that.
    let created = match kind_of(shard, call) {
        Some(Kind::String) => false,
        None if flags.has(b'N') && vivify(shard, call, flags) => true,
        _ => {
            miss(shard, call, flags, reply);
            return Ok(Outcome::READ);
        }
    };
    let counts = call.touch && !flags.has(b'u');
    let Told { deadline_ms, mut marks, won } = compose(shard, call, flags, created, reply);
    if counts && (flags.has(b'l') || marks != Marks::default()) {
        // Who asks for the last use once will ask again: from now on it is followed.
        marks = marks.used_at(now);
    }
    let touched = flags.has(b'T');
    if !note(shard, call, deadline_ms, marks) && (touched || won) {
        return Err(Fault::text("SERVER_ERROR out of memory writing get response"));
    }
    if counts {
        shard.store.get(&call.key, now);
    }
    hit(shard, touched);
    Ok(Outcome::changed_if(touched || created))
}

/// The kind of what is there, without counting a use. A dead item is reclaimed.
fn kind_of(shard: &mut Shard, call: &Call<'_>) -> Option<Kind> {
    let now = shard.now_ms();
    let kind = shard.store.peek(&call.key, now).map(|item| item.kind());
    if kind.is_none() {
        shard.store.get_unread(&call.key, now);
    }
    kind
}

/// Makes an empty item, for which the client is to bring a value. False: there is no room.
fn vivify(shard: &mut Shard, call: &Call<'_>, flags: &Flags) -> bool {
    let now = shard.now_ms();
    let deadline_ms = deadline_of(flags.vivify_ttl, now);
    let expire_at_ms = if has_passed(deadline_ms, now) { 0 } else { deadline_ms };
    let cas = flags.has(b'E').then_some(flags.new_cas);
    let meta = Meta { expire_at_ms, cas, marks: Marks::new(false, true), ..Meta::default() };
    shard.store.put(&call.key, b"", &meta, now).inspect(|()| shard.memcache.total_items += 1).is_ok()
}

/// What a reply has told of an item, and so is to be true from now on.
struct Told {
    deadline_ms: u64,
    marks: Marks,
    /// The client is to bring a new value.
    won: bool,
}

/// Writes all that is asked for, in order: a `t` before `T` tells the old time to live, one behind it the new.
#[inline]
fn compose(shard: &Shard, call: &Call<'_>, flags: &Flags, created: bool, reply: &mut Reply<'_>) -> Told {
    let now = shard.now_ms();
    let item = shard.store.peek(&call.key, now).expect("it was found or made just now");
    let value = item.value();
    let mut marks = if created { Marks::default() } else { item.marks() };
    let mut deadline_ms = if created { 0 } else { item.expire_at_ms() };
    let mut won = false;
    let known = flags.has(b'C') && item.cas_unique() == flags.cas;
    let shows_value = flags.has(b'v') && !known;
    if shows_value {
        reply.meta_value_header(value.len());
    } else {
        reply.raw(b"HD");
    }
    for word in call.args.from(2).iter() {
        match word[0] {
            b'T' => deadline_ms = deadline_of(flags.ttl, now),
            b'N' if created => {
                deadline_ms = deadline_of(flags.vivify_ttl, now);
                won = true;
            }
            b'R' if !created && !marks.token_sent && deadline_ms != 0 => {
                let recache_ms = deadline_of(flags.recache_ttl, now);
                won |= left_secs(deadline_ms, now) < left_secs(recache_ms, now);
            }
            b's' => reply.meta_number(b's', value.len() as u64),
            b't' => write_ttl(deadline_ms, now, reply),
            b'c' => reply.meta_number(b'c', item.cas_unique()),
            b'f' => reply.meta_number(b'f', u64::from(item.client_flags())),
            b'l' => reply.meta_number(b'l', if created { 0 } else { idle_secs(shard, &item) }),
            b'h' => reply.meta_number(b'h', u64::from(!created && item.is_fetched())),
            _ => echo(word, flags, call.args, reply),
        }
    }
    if marks.token_sent {
        reply.raw(b" Z");
    }
    if marks.stale {
        reply.raw(b" X");
        won |= !marks.token_sent;
    }
    if won {
        reply.raw(b" W");
        marks.token_sent = true;
    }
    reply.raw(b"\r\n");
    if shows_value {
        reply.data(value);
    }
    Told { deadline_ms, marks, won }
}
