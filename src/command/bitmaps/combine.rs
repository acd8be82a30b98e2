//! `BITOP`: whole strings, bit by bit.

use crate::command::{Command, Fault, Gathered, Handler, Hops, KeyRef, Keys, Write, flag};
use crate::data::bits::{self, Combine};
use crate::protocol::{Args, Reply};
use crate::shard::{Kind, Meta, Payload, events};

/// The commands of this file.
pub static ROWS: &[Command] = &[Command {
    name: "bitop",
    arity: -4,
    flags: flag::WRITE | flag::DENYOOM,
    keys: Keys { first: 2, last: -1, step: 1 },
    group: "bitmap",
    since: "2.6.0",
    summary: "Combines strings bit by bit and stores the result.",
    complexity: "O(N) for N bytes in all",
    handler: Handler::Hops(Hops { keys, decide }),
    subs: &[],
}];

fn operation(name: &[u8]) -> Result<Combine, Fault> {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    if is(b"and") {
        Ok(Combine::And)
    } else if is(b"or") {
        Ok(Combine::Or)
    } else if is(b"xor") {
        Ok(Combine::Xor)
    } else if is(b"not") {
        Ok(Combine::Not)
    } else {
        Err(Fault::Syntax)
    }
}

fn keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    if operation(&args[1])? == Combine::Not && args.len() != 4 {
        return Err(Fault::text("ERR BITOP NOT must be called with a single source key."));
    }
    // The destination is overwritten, whatever it holds.
    keys.extend((2..args.len()).map(|arg| KeyRef { arg, db, value: arg != 2 }));
    Ok(())
}

fn decide(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let sources = &found[1..];
    if sources.iter().flatten().any(|item| item.meta.kind != Kind::String) {
        return Err(Fault::WrongType);
    }
    let values = sources.iter().map(|item| item.as_ref().map_or(&b""[..], |item| item.value.bytes()));
    let value = bits::combine(operation(&args[1])?, values);
    reply.int(value.len() as i64);
    Ok(match (value.is_empty(), &found[0]) {
        (false, _) => vec![
            Write::Put { key: 0, value: Payload::Bytes(value), meta: Meta::default() },
            Write::Tell { key: 0, class: events::STRING, name: "set" },
        ],
        (true, Some(_)) => {
            vec![Write::Remove { key: 0 }, Write::Tell { key: 0, class: events::GENERIC, name: "del" }]
        }
        (true, None) => Vec::new(),
    })
}
