//! Categories of commands, as their rows tell them.

use crate::command::{Command, flag};

/// Names of all categories, in Redis's order. Some have no commands here.
pub static NAMES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The categories of a command: bits by their places in [`NAMES`].
pub fn of(command: &Command) -> u32 {
    let is = |flags| command.is(flags);
    let name = command.name;
    let container = name.split('|').next().unwrap_or(name);
    let group = match (container, command.group) {
        // A container alone does nothing; its subcommands are what is allowed or not.
        _ if !command.subs.is_empty() && name != "command" => "",
        ("wait" | "command", _) | (_, "connection" | "cluster") => "connection",
        ("sort" | "sort_ro", _) => "",
        ("dbsize" | "flushdb" | "flushall" | "swapdb", _) | (_, "generic") => "keyspace",
        (_, "sorted-set" | "sorted_set") => "sortedset",
        (_, "transactions") => "transaction",
        // A subscription is told by its flag, as are all the others that have one.
        (_, "pubsub") => "",
        (_, group) => group,
    };
    let admin = is(flag::ADMIN) || matches!(name, "lastsave" | "role");
    let dangerous =
        admin || matches!(name, "info" | "keys" | "flushdb" | "flushall" | "swapdb" | "sort" | "sort_ro");
    let has = |category: &str| match category {
        "read" => is(flag::READONLY),
        "write" => is(flag::WRITE),
        "pubsub" => is(flag::PUBSUB),
        "admin" => admin,
        "fast" => is(flag::FAST),
        "slow" => !is(flag::FAST),
        "blocking" => is(flag::BLOCKING),
        "dangerous" => dangerous,
        // What a list or a set is, `SORT` knows too.
        "set" | "sortedset" | "list" if matches!(name, "sort" | "sort_ro") => true,
        category => group == category,
    };
    NAMES
        .iter()
        .enumerate()
        .filter(|(_, category)| has(category))
        .fold(0, |bits, (place, _)| bits | 1 << place)
}

/// The names of categories, as `COMMAND INFO` has them.
pub fn names(bits: u32) -> impl Iterator<Item = &'static str> {
    NAMES.iter().enumerate().filter(move |(place, _)| bits >> place & 1 != 0).map(|(_, name)| *name)
}
