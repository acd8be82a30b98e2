//! Whether keys exist: `DEL`, `UNLINK`, `EXISTS`, `TOUCH`, `TYPE`.

use super::kind_name;
use crate::command::{Call, Command, Fault, Handler, Keys, Merge, Outcome, flag};
use crate::protocol::Reply;
use crate::shard::{Shard, events};

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "del",
        arity: -2,
        flags: flag::WRITE,
        keys: Keys::ALL,
        group: "generic",
        since: "1.0.0",
        summary: "Removes keys and answers how many there were.",
        complexity: "O(N) for N keys and the elements of their collections",
        handler: Handler::Spread { each: remove, stride: 1, merge: Merge::Sum },
        subs: &[],
    },
    Command {
        name: "unlink",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::ALL,
        group: "generic",
        since: "4.0.0",
        summary: "Removes keys at once and leaves the memory of large values to be reclaimed later.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: remove, stride: 1, merge: Merge::Sum },
        subs: &[],
    },
    Command {
        name: "exists",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::ALL,
        group: "generic",
        since: "1.0.0",
        summary: "Counts how many of the keys exist; one named twice counts twice.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: exists, stride: 1, merge: Merge::Sum },
        subs: &[],
    },
    Command {
        name: "touch",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::ALL,
        group: "generic",
        since: "3.2.1",
        summary: "Counts the keys that exist and marks them as used.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: touch, stride: 1, merge: Merge::Sum },
        subs: &[],
    },
    Command {
        name: "type",
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "1.0.0",
        summary: "Names the kind of value that a key holds.",
        complexity: "O(1)",
        handler: Handler::Shard(kind),
        subs: &[],
    },
];

fn remove(shard: &mut Shard, call: &Call<'_>, _: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let removed = shard.store.remove(&call.key, now);
    if removed {
        shard.tell(events::GENERIC, "del", &call.key);
    }
    Ok(Outcome::removed(i64::from(removed)))
}

fn exists(shard: &mut Shard, call: &Call<'_>, _: &mut Reply<'_>) -> Result<Outcome, Fault> {
    Ok(Outcome::counted(i64::from(shard.read(&call.key, false).is_some())))
}

/// Counts as use whatever `CLIENT NO-TOUCH` says: that is what the command is for.
fn touch(shard: &mut Shard, call: &Call<'_>, _: &mut Reply<'_>) -> Result<Outcome, Fault> {
    Ok(Outcome::counted(i64::from(shard.read(&call.key, true).is_some())))
}

fn kind(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.simple(shard.read(&call.key, false).map_or("none", |item| kind_name(item.kind())));
    Ok(Outcome::READ)
}
