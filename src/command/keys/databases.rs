//! Databases as a whole: `DBSIZE`, `FLUSHDB`, `FLUSHALL`, `SWAPDB`.

use super::in_range;
use crate::command::{Asker, Command, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::protocol::{Args, Reply};
use crate::text::parse_i64;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "dbsize",
        arity: 1,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::NONE,
        group: "server",
        since: "1.0.0",
        summary: "Counts the keys of the selected database.",
        complexity: "O(1)",
        handler: Handler::Every(Every { check: anything, ask: count, merge: sum, atomic: false }),
        subs: &[],
    },
    Command {
        name: "flushdb",
        arity: -1,
        flags: flag::WRITE,
        keys: Keys::NONE,
        group: "server",
        since: "1.0.0",
        summary: "Removes all keys of the selected database; memory is reclaimed in the background either way.",
        complexity: "O(1), and O(N) for N keys spread over the time after it",
        handler: Handler::Every(Every { check: flush_mode, ask: flush_one, merge: changed, atomic: true }),
        subs: &[],
    },
    Command {
        name: "flushall",
        arity: -1,
        flags: flag::WRITE,
        keys: Keys::NONE,
        group: "server",
        since: "1.0.0",
        summary: "Removes all keys of all databases.",
        complexity: "O(P) for P pages of memory in use",
        handler: Handler::Every(Every { check: flush_mode, ask: flush_every, merge: changed, atomic: true }),
        subs: &[],
    },
    Command {
        name: "swapdb",
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::NONE,
        group: "server",
        since: "4.0.0",
        summary: "Exchanges two databases: clients of one see the keys of the other from now on.",
        complexity: "O(1)",
        handler: Handler::Every(Every { check: two_databases, ask: swap, merge: changed, atomic: true }),
        subs: &[],
    },
];

fn anything(_: Args<'_>, _: u8) -> Result<(), Fault> {
    Ok(())
}

fn count(local: &mut Local<'_>, _: Args<'_>, asker: &Asker) -> Vec<u8> {
    local.shard.len_db(asker.db).to_le_bytes().to_vec()
}

fn sum(_: Args<'_>, parts: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let counts = parts.iter().filter_map(|part| part.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)));
    reply.int(counts.sum::<u64>() as i64);
    Ok(Outcome::READ)
}

/// `ASYNC` and `SYNC` are told apart by nobody: a flush never waits for memory to be reclaimed.
fn flush_mode(args: Args<'_>, _: u8) -> Result<(), Fault> {
    let known = |mode: &[u8]| mode.eq_ignore_ascii_case(b"async") || mode.eq_ignore_ascii_case(b"sync");
    match args.len() {
        1 => Ok(()),
        2 if known(&args[1]) => Ok(()),
        _ => Err(Fault::Syntax),
    }
}

fn flush_one(local: &mut Local<'_>, _: Args<'_>, asker: &Asker) -> Vec<u8> {
    local.shard.flush_db(asker.db);
    Vec::new()
}

fn flush_every(local: &mut Local<'_>, _: Args<'_>, _: &Asker) -> Vec<u8> {
    local.shard.flush_all();
    Vec::new()
}

fn changed(_: Args<'_>, _: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.ok();
    Ok(Outcome::CHANGED)
}

fn two_databases(args: Args<'_>, databases: u8) -> Result<(), Fault> {
    let number = |text: &[u8]| parse_i64(text).filter(|&number| i32::try_from(number).is_ok());
    let first = number(&args[1]).ok_or(Fault::text("ERR invalid first DB index"))?;
    let second = number(&args[2]).ok_or(Fault::text("ERR invalid second DB index"))?;
    in_range(first, databases)?;
    in_range(second, databases)?;
    Ok(())
}

fn swap(local: &mut Local<'_>, args: Args<'_>, _: &Asker) -> Vec<u8> {
    let number = |text: &[u8]| parse_i64(text).and_then(|number| u8::try_from(number).ok());
    if let (Some(a), Some(b)) = (number(&args[1]), number(&args[2])) {
        local.shard.swap_db(a, b);
    }
    Vec::new()
}
