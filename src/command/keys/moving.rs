//! Giving a value another name or database: `RENAME`, `RENAMENX`, `COPY`, `MOVE`. All of them look at two keys
//! together, which may lie on two shards or in two databases, so they hop.

use super::database;
use crate::command::{Command, Fault, Gathered, Handler, Hops, KeyRef, Keys, Write, flag};
use crate::protocol::{Args, Reply};
use crate::shard::events;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "rename",
        arity: 3,
        flags: flag::WRITE,
        keys: Keys::TWO,
        group: "generic",
        since: "1.0.0",
        summary: "Gives a key another name, over a key that may have it.",
        complexity: "O(1), and O(N) for a value of N bytes that goes to another core",
        handler: Handler::Hops(Hops { keys: two_names, decide: rename }),
        subs: &[],
    },
    Command {
        name: "renamenx",
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::TWO,
        group: "generic",
        since: "1.0.0",
        summary: "Gives a key another name that no key has yet.",
        complexity: "O(1), and O(N) for a value of N bytes that goes to another core",
        handler: Handler::Hops(Hops { keys: two_names, decide: renamenx }),
        subs: &[],
    },
    Command {
        name: "copy",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: Keys::TWO,
        group: "generic",
        since: "6.2.0",
        summary: "Copies a value with its expiry to another key, also of another database.",
        complexity: "O(N) for a value of N bytes",
        handler: Handler::Hops(Hops { keys: copy_keys, decide: copy }),
        subs: &[],
    },
    Command {
        name: "move",
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "1.0.0",
        summary: "Moves a key into another database that has no such key.",
        complexity: "O(N) for a value of N bytes",
        handler: Handler::Hops(Hops { keys: move_keys, decide: move_over }),
        subs: &[],
    },
];

const SAME_OBJECT: Fault = Fault::text("ERR source and destination objects are the same");

/// The old name, and the new one unless it is the same.
fn two_names(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    keys.push(KeyRef { arg: 1, db, value: true });
    if args[1] != args[2] {
        keys.push(KeyRef { arg: 2, db, value: false });
    }
    Ok(())
}

/// A value as the other key's.
fn put(source: &Gathered) -> Write {
    Write::Put { key: 1, value: source.value.clone(), meta: source.meta }
}

fn rename(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let source = found[0].as_ref().ok_or(Fault::NoSuchKey)?;
    reply.ok();
    // A key that gets its own name stays as it is.
    let Some(target) = found.get(1) else { return Ok(Vec::new()) };
    let mut writes: Vec<Write> = target.iter().map(|_| NEW_AGAIN).collect();
    writes.extend(over(source, ["rename_from", "rename_to"]));
    Ok(writes)
}

fn renamenx(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let source = found[0].as_ref().ok_or(Fault::NoSuchKey)?;
    Ok(take_over(source, found.get(1), ["rename_from", "rename_to"], reply))
}

fn move_over(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let Some(source) = &found[0] else {
        reply.int(0);
        return Ok(Vec::new());
    };
    Ok(take_over(source, found.get(1), ["move_from", "move_to"], reply))
}

/// To Redis a key that is overwritten by a whole other one is a new key.
const NEW_AGAIN: Write = Write::Tell { key: 1, class: events::NEW, name: "new" };

/// Moves a value to the second place, and tells so of both.
fn over(source: &Gathered, [from, to]: [&'static str; 2]) -> Vec<Write> {
    let tell = |key, name| Write::Tell { key, class: events::GENERIC, name };
    vec![put(source), Write::Remove { key: 0 }, tell(0, from), tell(1, to)]
}

/// Moves a value to the second place if that is another key and nothing is there: 1, else 0.
fn take_over(
    source: &Gathered,
    target: Option<&Option<Gathered>>,
    events: [&'static str; 2],
    reply: &mut Reply<'_>,
) -> Vec<Write> {
    let free = matches!(target, Some(None));
    reply.int(i64::from(free));
    if free { over(source, events) } else { Vec::new() }
}

fn move_keys(args: Args<'_>, db: u8, databases: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let target = database(&args[2], databases)?;
    if target == db {
        return Err(SAME_OBJECT);
    }
    keys.push(KeyRef { arg: 1, db, value: true });
    keys.push(KeyRef { arg: 1, db: target, value: false });
    Ok(())
}

fn copy_keys(args: Args<'_>, db: u8, databases: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let options = CopyOptions::parse(args, db, databases)?;
    if options.db == db && args[1] == args[2] {
        return Err(SAME_OBJECT);
    }
    keys.push(KeyRef { arg: 1, db, value: true });
    keys.push(KeyRef { arg: 2, db: options.db, value: false });
    Ok(())
}

fn copy(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    // Which database was decided with the keys; here only REPLACE matters, so any will do.
    let replace = CopyOptions::parse(args, 0, u8::MAX)?.replace;
    match (&found[0], &found[1]) {
        (Some(source), target) if replace || target.is_none() => {
            reply.int(1);
            let told = Write::Tell { key: 1, class: events::GENERIC, name: "copy_to" };
            let copy = Write::Copy { key: 1, value: source.value.clone(), meta: source.meta };
            Ok([copy].into_iter().chain(target.iter().map(|_| NEW_AGAIN)).chain([told]).collect())
        }
        _ => {
            reply.int(0);
            Ok(Vec::new())
        }
    }
}

/// A command copies the value of its first key, which may take more than one turn: so it is a transaction wherever its
/// keys lie, and others may read that key meanwhile.
pub fn copies(command: &Command) -> bool {
    matches!(command.handler, Handler::Hops(_)) && command.name == "copy"
}

/// What stands behind the keys of `COPY`.
struct CopyOptions {
    /// The target's logical database.
    db: u8,
    /// An existing target is overwritten.
    replace: bool,
}

impl CopyOptions {
    fn parse(args: Args<'_>, db: u8, databases: u8) -> Result<CopyOptions, Fault> {
        let mut options = CopyOptions { db, replace: false };
        let mut at = 3;
        while at < args.len() {
            if args[at].eq_ignore_ascii_case(b"replace") {
                options.replace = true;
            } else if args[at].eq_ignore_ascii_case(b"db") && at + 1 < args.len() {
                at += 1;
                options.db = database(&args[at], databases)?;
            } else {
                return Err(Fault::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}
