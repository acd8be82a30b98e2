//! Which keys there are: `KEYS`, `SCAN`, `RANDOMKEY`.

use super::cursor::Cursor;
use super::kind_name;
use crate::command::{Asker, Call, Command, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::shard::Shard;
use crate::text::{glob_matches, parse_i64};

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "keys",
        arity: 2,
        flags: flag::READONLY,
        keys: Keys::NONE,
        group: "generic",
        since: "1.0.0",
        summary: "Lists the keys whose names match a pattern.",
        complexity: "O(N) for the N keys of all databases",
        handler: Handler::Every(Every { check: anything, ask: matching, merge: listed, atomic: false }),
        subs: &[],
    },
    Command {
        name: "scan",
        arity: -2,
        flags: flag::READONLY,
        keys: Keys::NONE,
        group: "generic",
        since: "2.8.0",
        summary: "Lists some keys and answers a cursor that the next call goes on from.",
        complexity: "O(1) a call with a small COUNT; O(N) for all N keys of all databases",
        handler: Handler::Cursor(scan),
        subs: &[],
    },
    Command {
        name: "randomkey",
        arity: 1,
        flags: flag::READONLY,
        keys: Keys::NONE,
        group: "generic",
        since: "1.0.0",
        summary: "Answers some key of the selected database.",
        complexity: "O(1) where the database holds a fair share of all keys, else up to O(N) for N keys of all databases",
        handler: Handler::Every(Every { check: anything, ask: candidate, merge: drawn, atomic: false }),
        subs: &[],
    },
];

fn anything(_: Args<'_>, _: u8) -> Result<(), Fault> {
    Ok(())
}

/// This core's keys that match, each with its length before it, no more than `keys_output_limit`. The limit stands before
/// them, so that all cores' parts are cut where one of them saw it.
fn matching(local: &mut Local<'_>, args: Args<'_>, asker: &Asker) -> Vec<u8> {
    let shard = &mut *local.shard;
    let (db, now) = (shard.physical(asker.db), shard.now_ms());
    let limit = match local.shared.parameters.number(Name::KeysOutputLimit) {
        0 => u64::MAX,
        limit => limit as u64,
    };
    let mut found = limit.to_le_bytes().to_vec();
    let (mut position, mut count) = (0, 0);
    loop {
        position = shard.store.scan(position, now, &mut |item| {
            if count < limit && item.db() == db && glob_matches(&args[1], item.key()) {
                found.extend_from_slice(&(item.key().len() as u32).to_le_bytes());
                found.extend_from_slice(item.key());
                count += 1;
            }
        });
        if position == 0 || count >= limit {
            return found;
        }
    }
}

/// The limit that `matching` put before a part.
fn limit_of(part: &[u8]) -> u64 {
    part.first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
}

/// The keys that `matching` put into a part.
fn unpacked(part: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut part = part.get(size_of::<u64>()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (bytes, rest) = part.split_first_chunk()?;
        let (key, rest) = rest.split_at(u32::from_le_bytes(*bytes) as usize);
        part = rest;
        Some(key)
    })
}

fn listed(_: Args<'_>, parts: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let limit = parts.iter().map(|part| limit_of(part)).min().unwrap_or(u64::MAX);
    let count: usize = parts.iter().map(|part| unpacked(part).count()).sum();
    let count = count.min(usize::try_from(limit).unwrap_or(usize::MAX));
    reply.array(count);
    for key in parts.iter().flat_map(|part| unpacked(part)).take(count) {
        reply.bulk(key);
    }
    Ok(Outcome::READ)
}

/// What `SCAN` was asked for besides the cursor.
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    /// Keys to look at before answering, those that do not match included; at least 1.
    count: u64,
}

impl<'a> Filter<'a> {
    fn parse(options: Args<'a>) -> Result<Filter<'a>, Fault> {
        let mut filter = Filter { pattern: None, kind: None, count: 10 };
        let mut at = 0;
        while let Some(option) = options.get(at) {
            let value = options.get(at + 1).ok_or(Fault::Syntax)?;
            if option.eq_ignore_ascii_case(b"count") {
                let count = parse_i64(value).ok_or(Fault::NotInteger)?;
                filter.count = u64::try_from(count).ok().filter(|&count| count > 0).ok_or(Fault::Syntax)?;
            } else if option.eq_ignore_ascii_case(b"match") {
                filter.pattern = Some(value);
            } else if option.eq_ignore_ascii_case(b"type") && filter.kind.is_none() {
                filter.kind = Some(value);
            } else {
                return Err(Fault::Syntax);
            }
            at += 2;
        }
        Ok(filter)
    }

    fn accepts(&self, item: &slabs::Item<'_>) -> bool {
        self.pattern.is_none_or(|pattern| glob_matches(pattern, item.key()))
            && self.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(kind_name(item.kind()).as_bytes()))
    }
}

/// Walks on from the cursor until it has seen `COUNT` keys of the database, or ten times as many buckets where
/// they are rare, or the end of this core. The next core follows, and after the last one the walk ends.
fn scan(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut cursor = Cursor::parse(&call.args[1])?;
    let filter = Filter::parse(call.args.from(2))?;
    let (db, now) = (shard.physical(call.db), shard.now_ms());
    let mut keys = Vec::new();
    let mut found = 0;
    if cursor.core == shard.core {
        let mut composed = Reply::new(&mut keys, reply.proto());
        let (mut seen, mut steps) = (0, 0);
        while seen < filter.count && steps < filter.count.saturating_mul(10) {
            cursor.position = shard.store.scan(cursor.position, now, &mut |item| {
                if item.db() == db {
                    seen += 1;
                    if filter.accepts(&item) {
                        composed.bulk(item.key());
                        found += 1;
                    }
                }
            });
            steps += 1;
            if cursor.position == 0 {
                break;
            }
        }
        if cursor.position == 0 {
            cursor.core = if shard.core + 1 < shard.cores { shard.core + 1 } else { 0 };
        }
    } else {
        cursor = Cursor { core: 0, position: 0 };
    }
    let mut digits = [0; 21];
    reply.array(2);
    reply.bulk(crate::text::format_u64(cursor.number(), &mut digits));
    reply.array(found);
    reply.raw(&keys);
    Ok(Outcome::READ)
}

/// How often a random item of any database is drawn in the hope that it belongs to the one that is asked for.
const DRAWS_MAX: u32 = 64;

/// How many keys this core has of the database, a random number, and one of the keys behind a byte that says
/// that there is one.
fn candidate(local: &mut Local<'_>, _: Args<'_>, asker: &Asker) -> Vec<u8> {
    let shard = &mut *local.shard;
    let count = shard.len_db(asker.db);
    let mut part = Vec::with_capacity(64);
    part.extend_from_slice(&count.to_le_bytes());
    part.extend_from_slice(&shard.random.draw().to_le_bytes());
    if count > 0 {
        some_key(shard, asker.db, &mut part);
    }
    part
}

/// Appends some key of a database: a random one, or where the database is a small part of the shard the first
/// that a walk from the start finds.
fn some_key(shard: &mut Shard, db: u8, to: &mut Vec<u8>) {
    let (db, now) = (shard.physical(db), shard.now_ms());
    for _ in 0..DRAWS_MAX {
        let draw = shard.random.draw();
        if let Some(item) = shard.store.random(draw, now).filter(|item| item.db() == db) {
            to.push(1);
            return to.extend_from_slice(item.key());
        }
    }
    let mut position = 0;
    loop {
        let mut found = false;
        position = shard.store.scan(position, now, &mut |item| {
            if item.db() == db && !found {
                to.push(1);
                to.extend_from_slice(item.key());
                found = true;
            }
        });
        if found || position == 0 {
            return;
        }
    }
}

/// Picks a core, each as likely as it has keys, and answers its key.
fn drawn(_: Args<'_>, parts: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let fields = parts.iter().filter_map(|part| {
        let (count, rest) = part.split_first_chunk()?;
        let (random, rest) = rest.split_first_chunk()?;
        // Without a key the database is empty there, or all that is left of it is dead.
        let (_, key) = rest.split_first()?;
        Some((u64::from_le_bytes(*count), u64::from_le_bytes(*random), key))
    });
    let total: u64 = fields.clone().map(|(count, ..)| count).sum();
    let mixed = fields.clone().fold(0, |mixed: u64, (_, random, _)| mixed.wrapping_add(random));
    let mut left = mixed.checked_rem(total).unwrap_or(0);
    for (count, _, key) in fields {
        if left < count {
            reply.bulk(key);
            return Ok(Outcome::READ);
        }
        left -= count;
    }
    reply.null();
    Ok(Outcome::READ)
}
