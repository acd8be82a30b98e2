//! Several sets together: what is in all of them, in any, in the first alone; and a member that moves from one to
//! another. The sets may lie on several shards, so these commands hop.

use crate::command::collections::put;
use crate::command::{Command, DecideFn, Fault, Gathered, Handler, Hops, KeyRef, Keys, Write, flag};
use crate::data::packed::Element;
use crate::protocol::{Args, Reply};
use crate::shard::{Key, Kind, Meta, Payload, Shard, View, events};
use crate::text::{Digits, parse_i64};
use std::collections::HashSet;

type KeysFn = fn(Args<'_>, u8, u8, &mut Vec<KeyRef>) -> Result<(), Fault>;

const ALL_OF_ALL: &str = "O(N) for N members of all sets together";
const SMALLEST_BY_SETS: &str = "O(N*M) for N members of the smallest of M sets";

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    read("sinter", "Returns the members that all of several sets have.", SMALLEST_BY_SETS, sinter),
    read("sunion", "Returns the members that any of several sets has.", ALL_OF_ALL, sunion),
    read("sdiff", "Returns the members of a set that others do not have.", ALL_OF_ALL, sdiff),
    store("sinterstore", "Stores the members that all of several sets have.", SMALLEST_BY_SETS, sinterstore),
    store("sunionstore", "Stores the members that any of several sets has.", ALL_OF_ALL, sunionstore),
    store("sdiffstore", "Stores the members of a set that others do not have.", ALL_OF_ALL, sdiffstore),
    Command {
        arity: -3,
        flags: flag::READONLY | flag::MOVABLEKEYS,
        keys: Keys::NONE,
        since: "7.0.0",
        ..row("sintercard", "Counts the members that all of several sets have.", SMALLEST_BY_SETS, counted_keys, sintercard)
    },
    Command {
        arity: 4,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::TWO,
        ..row("smove", "Moves a member from one set to another.", "O(1)", two_keys, smove)
    },
];

const fn row(
    name: &'static str,
    summary: &'static str,
    complexity: &'static str,
    keys: KeysFn,
    decide: DecideFn,
) -> Command {
    Command {
        name,
        arity: -2,
        flags: flag::READONLY,
        keys: Keys::ALL,
        group: "set",
        since: "1.0.0",
        summary,
        complexity,
        handler: Handler::Hops(Hops { keys, decide }),
        subs: &[],
    }
}

const fn read(
    name: &'static str,
    summary: &'static str,
    complexity: &'static str,
    decide: DecideFn,
) -> Command {
    row(name, summary, complexity, all_keys, decide)
}

const fn store(
    name: &'static str,
    summary: &'static str,
    complexity: &'static str,
    decide: DecideFn,
) -> Command {
    let row = row(name, summary, complexity, destination_and_keys, decide);
    Command { arity: -3, flags: flag::WRITE | flag::DENYOOM, ..row }
}

// -- which keys

fn all_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    keys.extend((1..args.len()).map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

/// The destination is overwritten, whatever it holds.
fn destination_and_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    keys.extend((1..args.len()).map(|arg| KeyRef { arg, db, value: arg != 1 }));
    Ok(())
}

fn two_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    keys.push(KeyRef { arg: 1, db, value: true });
    if args[1] != args[2] {
        keys.push(KeyRef { arg: 2, db, value: false });
    }
    Ok(())
}

/// How many keys `SINTERCARD` has, and its limit (0: none).
fn counted(args: Args<'_>) -> Result<(usize, usize), Fault> {
    let keys = parse_i64(&args[1])
        .filter(|keys| *keys > 0)
        .ok_or(Fault::text("ERR numkeys should be greater than 0"))?;
    let keys = usize::try_from(keys).ok().filter(|keys| *keys <= args.len() - 2);
    let keys = keys.ok_or(Fault::text("ERR Number of keys can't be greater than number of args"))?;
    let (mut at, mut limit) = (2 + keys, 0);
    while let Some(option) = args.get(at) {
        let value =
            args.get(at + 1).filter(|_| option.eq_ignore_ascii_case(b"limit")).ok_or(Fault::Syntax)?;
        limit = parse_i64(value)
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(Fault::text("ERR LIMIT can't be negative"))?;
        at += 2;
    }
    Ok((keys, limit))
}

fn counted_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let (count, _) = counted(args)?;
    keys.extend((2..2 + count).map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

// -- what is in them

/// The sets, none where there is no key.
fn views(found: &[Option<Gathered>]) -> Result<Vec<Option<View<'_>>>, Fault> {
    if found.iter().flatten().any(|item| item.meta.kind != Kind::Set) {
        return Err(Fault::WrongType);
    }
    Ok(found.iter().map(|item| item.as_ref().map(Gathered::view)).collect())
}

/// What all sets have, up to `limit` members (0: all).
fn intersection(found: &[Option<Gathered>], limit: usize) -> Result<Vec<Element<'_>>, Fault> {
    let Some(mut sets) = views(found)?.into_iter().collect::<Option<Vec<View<'_>>>>() else {
        return Ok(Vec::new());
    };
    sets.sort_by_key(|set| set.len(0));
    let (smallest, others) = sets.split_first().expect("a command has keys");
    let mut members = Vec::new();
    let mut digits = Digits::default();
    smallest.all(0, |entry| {
        let text = entry.field.text(&mut digits);
        if others.iter().all(|set| set.has(text)) {
            members.push(entry.field);
        }
        limit == 0 || members.len() < limit
    });
    Ok(members)
}

/// What any set has.
fn union(found: &[Option<Gathered>]) -> Result<Vec<Element<'_>>, Fault> {
    let (mut seen, mut members) = (HashSet::new(), Vec::new());
    for set in views(found)?.into_iter().flatten() {
        set.each(0, |entry| {
            if seen.insert(entry.field) {
                members.push(entry.field);
            }
        });
    }
    Ok(members)
}

/// What the first set has and no other.
fn difference(found: &[Option<Gathered>]) -> Result<Vec<Element<'_>>, Fault> {
    let sets = views(found)?;
    let (first, others) = sets.split_first().expect("a command has keys");
    let mut members = Vec::new();
    let mut digits = Digits::default();
    if let Some(first) = first {
        first.each(0, |entry| {
            let text = entry.field.text(&mut digits);
            if !others.iter().flatten().any(|set| set.has(text)) {
                members.push(entry.field);
            }
        });
    }
    Ok(members)
}

// -- what is done with it

fn reply_members(members: &[Element<'_>], reply: &mut Reply<'_>) -> Vec<Write> {
    reply.set(members.len());
    members.iter().for_each(|member| put(reply, *member));
    Vec::new()
}

/// Stores members under the first key, or removes it where there are none.
fn store_members(
    members: Vec<Element<'_>>,
    destination: &Option<Gathered>,
    event: &'static str,
    reply: &mut Reply<'_>,
) -> Vec<Write> {
    let tell = |class, name| Write::Tell { key: 0, class, name };
    reply.int(members.len() as i64);
    if members.is_empty() {
        let gone = || vec![Write::Remove { key: 0 }, tell(events::GENERIC, "del")];
        return destination.as_ref().map_or_else(Vec::new, |_| gone());
    }
    let value = Payload::of_members(members.into_iter());
    let put = Write::Put { key: 0, value, meta: Meta { kind: Kind::Set, ..Meta::default() } };
    vec![put, tell(events::SET, event)]
}

fn sinter(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    Ok(reply_members(&intersection(found, 0)?, reply))
}

fn sunion(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    Ok(reply_members(&union(found)?, reply))
}

fn sdiff(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    Ok(reply_members(&difference(found)?, reply))
}

fn sinterstore(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    Ok(store_members(intersection(&found[1..], 0)?, &found[0], "sinterstore", reply))
}

fn sunionstore(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    Ok(store_members(union(&found[1..])?, &found[0], "sunionstore", reply))
}

fn sdiffstore(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    Ok(store_members(difference(&found[1..])?, &found[0], "sdiffstore", reply))
}

fn sintercard(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let (_, limit) = counted(args)?;
    reply.int(intersection(found, limit)?.len() as i64);
    Ok(Vec::new())
}

fn smove(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let Some(source) = &found[0] else {
        reply.int(0);
        return Ok(Vec::new());
    };
    if found.iter().flatten().any(|item| item.meta.kind != Kind::Set) {
        return Err(Fault::WrongType);
    }
    let set = source.view();
    let has = set.has(&args[3]);
    reply.int(i64::from(has));
    if !has || found.len() == 1 {
        return Ok(Vec::new());
    }
    let edit = |key, edit, removes| Write::Edit { key, edit, with: args[3].to_vec(), removes };
    let tell = |key, class, name| Write::Tell { key, class, name };
    let mut writes = vec![edit(1, add, false), edit(0, remove, true), tell(0, events::SET, "srem")];
    writes.extend((set.len(0) == 1).then(|| tell(0, events::GENERIC, "del")));
    Ok(writes)
}

fn add(shard: &mut Shard, key: &Key<'_>, member: &[u8]) -> Result<(), Fault> {
    // Told here, where it is seen whether the member is new: before what is told of the source.
    if shard.set_add(key, member)? {
        shard.tell(events::SET, "sadd", key);
    }
    Ok(())
}

fn remove(shard: &mut Shard, key: &Key<'_>, member: &[u8]) -> Result<(), Fault> {
    shard.set_remove(key, member)?;
    Ok(())
}
