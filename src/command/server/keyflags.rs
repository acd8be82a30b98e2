//! What a command does to each of its keys, as `COMMAND INFO` and `COMMAND GETKEYSANDFLAGS` tell it.

use crate::command::{Command, Keys, flag};

/// Keys that are alike: where they lie, and what is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeySpec {
    /// Index of the first.
    pub first: i16,
    /// The last, counted from the first; negative: from the end of the arguments.
    pub last: i16,
    /// Distance between them.
    pub step: i16,
    /// Redis's words: how the key is touched (`RO`, `RW`, `OW`, `RM`), then what for.
    pub flags: &'static [&'static str],
}

const READ: &[&str] = &["RO", "access"];
/// Reads what is known about a key, and not its value.
const LOOK: &[&str] = &["RO"];
const CHANGE: &[&str] = &["RW", "update"];
const READ_AND_CHANGE: &[&str] = &["RW", "access", "update"];
const OVERWRITE: &[&str] = &["OW", "update"];
const INSERT: &[&str] = &["OW", "insert"];
const TAKE: &[&str] = &["RW", "access", "delete"];

/// The keys of a command.
pub(super) fn specs(command: &Command) -> Vec<KeySpec> {
    let Keys { first, last, step } = command.keys;
    if first == 0 {
        return Vec::new();
    }
    let one = |at, flags| KeySpec { first: at, last: 0, step: 1, flags };
    match command.name {
        "rename" => vec![one(1, TAKE), one(2, OVERWRITE)],
        "renamenx" => vec![one(1, TAKE), one(2, INSERT)],
        "copy" => vec![one(1, READ), one(2, OVERWRITE)],
        "bitop" => vec![one(2, OVERWRITE), KeySpec { first: 3, last: -1, step: 1, flags: READ }],
        _ => vec![KeySpec {
            first,
            last: if last < 0 { last } else { last - first },
            step,
            flags: flags(command),
        }],
    }
}

fn flags(command: &Command) -> &'static [&'static str] {
    match command.name {
        "strlen" | "exists" | "type" | "touch" | "watch" | "memory|usage" | "debug|object" => LOOK,
        name if name.starts_with("object|") => LOOK,
        "set" | "bitfield" => &["RW", "access", "update", "variable_flags"],
        "getset" | "incr" | "incrby" | "decr" | "decrby" | "incrbyfloat" | "setbit" | "move" | "getex" => {
            READ_AND_CHANGE
        }
        "setex" | "psetex" | "mset" => OVERWRITE,
        "setnx" | "msetnx" => INSERT,
        "append" | "prepend" => &["RW", "insert"],
        "getdel" => TAKE,
        "del" | "unlink" => &["RM", "delete"],
        _ if command.is(flag::READONLY) => READ,
        _ => CHANGE,
    }
}
