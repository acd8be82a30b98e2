//! What a command does to each of its keys, as `COMMAND INFO` and `COMMAND GETKEYSANDFLAGS` tell it.

use crate::command::{Command, Fault, Keys, flag};
use crate::protocol::Args;
use crate::text::parse_i64;

/// Keys that are alike: where they lie, and what is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeySpec {
    /// Index of the first.
    pub first: i16,
    /// The last, counted from the first; negative: from the end of the arguments.
    pub last: i16,
    /// Distance between them.
    pub step: i16,
    /// `first` is how many there are, and they stand behind it.
    pub counted: bool,
    /// Redis's words: how the key is touched (`RO`, `RW`, `OW`, `RM`), then what for.
    pub flags: &'static [&'static str],
}

impl KeySpec {
    /// The place of its key, where there is one only.
    #[inline]
    pub fn one(&self) -> Option<usize> {
        (self.last == 0 && !self.counted).then_some(self.first as usize)
    }

    /// Where these keys are among arguments.
    pub fn places(&self, args: Args<'_>) -> Result<Vec<usize>, Fault> {
        let last = if self.last < 0 { self.last } else { self.first + self.last };
        if !self.counted {
            return Ok(Keys { first: self.first, last, step: self.step }.positions(args.len()).collect());
        }
        let first = self.first as usize;
        let count = args.get(first).and_then(parse_i64).and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| *count > 0 && *count < args.len() - first);
        let count = count.ok_or(Fault::text("ERR Invalid arguments specified for command"))?;
        Ok((first + 1..=first + count).collect())
    }
}

/// A channel that decides which shard is asked.
pub(crate) const NO_KEY: &[&str] = &["not_key"];
const READ: &[&str] = &["RO", "access"];
/// Reads what is known about a key, and not its value.
const LOOK: &[&str] = &["RO"];
const CHANGE: &[&str] = &["RW", "update"];
const READ_AND_CHANGE: &[&str] = &["RW", "access", "update"];
const OVERWRITE: &[&str] = &["OW", "update"];
const INSERT: &[&str] = &["OW", "insert"];
const TAKE: &[&str] = &["RW", "access", "delete"];
const ADD: &[&str] = &["RW", "insert"];
const DELETE: &[&str] = &["RW", "delete"];

/// What a command does to keys whose places its description cannot name: those of `BY` and `GET`, which come from
/// values, and that of `STORE`, which may stand anywhere. (Redis notes them in `COMMAND INFO`.)
pub(crate) fn unknown_places(command: &Command) -> &'static [&'static [&'static str]] {
    match command.name {
        "sort" => &[READ, OVERWRITE],
        "sort_ro" => &[READ],
        _ => &[],
    }
}

/// The keys of a command.
pub(crate) fn specs(command: &Command) -> Vec<KeySpec> {
    let Keys { first, last, step } = command.keys;
    let one = |at, flags| KeySpec { first: at, last: 0, step: 1, counted: false, flags };
    let rest = |at, flags| KeySpec { first: at, last: -1, step: 1, counted: false, flags };
    match command.name {
        "sintercard" | "zunion" | "zinter" | "zdiff" | "zintercard" => {
            vec![KeySpec { counted: true, ..one(1, READ) }]
        }
        "lmpop" | "zmpop" => vec![KeySpec { counted: true, ..one(1, TAKE) }],
        "blmpop" | "bzmpop" => vec![KeySpec { counted: true, ..one(2, TAKE) }],
        "zunionstore" | "zinterstore" | "zdiffstore" => {
            vec![one(1, OVERWRITE), KeySpec { counted: true, ..one(2, READ) }]
        }
        "zrangestore" => vec![one(1, OVERWRITE), one(2, READ)],
        _ if first == 0 => Vec::new(),
        "ssubscribe" | "sunsubscribe" => vec![rest(1, NO_KEY)],
        "spublish" => vec![one(1, NO_KEY)],
        "rename" => vec![one(1, TAKE), one(2, OVERWRITE)],
        "renamenx" => vec![one(1, TAKE), one(2, INSERT)],
        "sort" => vec![one(1, READ)],
        "copy" => vec![one(1, READ), one(2, OVERWRITE)],
        "bitop" => vec![one(2, OVERWRITE), rest(3, READ)],
        "smove" | "lmove" | "rpoplpush" | "blmove" | "brpoplpush" => vec![one(1, TAKE), one(2, ADD)],
        "sinterstore" => vec![one(1, CHANGE), rest(2, READ)],
        "sunionstore" | "sdiffstore" => vec![one(1, OVERWRITE), rest(2, READ)],
        _ => vec![KeySpec {
            first,
            last: if last < 0 { last } else { last - first },
            step,
            counted: false,
            flags: flags(command),
        }],
    }
}

/// What this very call does: `SET` reads its key only where it is asked to return it, `BITFIELD` may only read.
pub(crate) fn used_as(command: &Command, args: Args<'_>, spec: &KeySpec) -> &'static [&'static str] {
    match command.name {
        "set" if args.from(3).iter().any(|arg| arg.eq_ignore_ascii_case(b"get")) => {
            &["RW", "access", "update"]
        }
        "set" => &["OW", "update"],
        "bitfield" if only_reads(args) => READ,
        "bitfield" => &["RW", "access", "update"],
        _ => spec.flags,
    }
}

/// A `BITFIELD` without `SET` or `INCRBY`, as far as its arguments make sense.
fn only_reads(args: Args<'_>) -> bool {
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let behind = args.len() - at - 1;
        at += if word.eq_ignore_ascii_case(b"get") && behind >= 2 {
            3
        } else if word.eq_ignore_ascii_case(b"overflow") && behind >= 1 {
            2
        } else {
            return false;
        };
    }
    true
}

fn flags(command: &Command) -> &'static [&'static str] {
    match command.name {
        "llen" | "hexists" | "hlen" | "hstrlen" | "scard" | "sismember" | "zcard" => LOOK,
        "hincrby" | "hincrbyfloat" | "zincrby" => READ_AND_CHANGE,
        "hsetnx" | "sadd" | "lpush" | "rpush" | "lpushx" | "rpushx" | "linsert" => ADD,
        "hdel" | "srem" | "lrem" | "ltrim" | "zrem" | "zremrangebyrank" | "zremrangebyscore"
        | "zremrangebylex" => DELETE,
        "hgetdel" | "spop" | "lpop" | "rpop" | "blpop" | "brpop" | "zpopmin" | "zpopmax" | "bzpopmin"
        | "bzpopmax" => TAKE,
        "strlen" | "exists" | "type" | "touch" | "watch" | "memory|usage" | "debug|object" => LOOK,
        name if name.starts_with("object|") => LOOK,
        "set" | "bitfield" => &["RW", "access", "update", "variable_flags"],
        "getset" | "incr" | "incrby" | "decr" | "decrby" | "incrbyfloat" | "setbit" | "move" | "getex" => {
            READ_AND_CHANGE
        }
        "setex" | "psetex" | "mset" => OVERWRITE,
        "setnx" | "msetnx" => INSERT,
        "append" | "prepend" => ADD,
        "getdel" => TAKE,
        "del" | "unlink" => &["RM", "delete"],
        _ if command.is(flag::READONLY) => READ,
        _ => CHANGE,
    }
}
