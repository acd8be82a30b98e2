//! `LCS`: what two strings have in common.

use crate::command::{Command, Fault, Gathered, Handler, Hops, KeyRef, Keys, Write, flag};
use crate::data::lcs;
use crate::protocol::{Args, Reply};
use crate::shard::Kind;
use crate::text::parse_i64;

/// The commands of this file.
pub static ROWS: &[Command] = &[Command {
    name: "lcs",
    arity: -3,
    flags: flag::READONLY,
    keys: Keys::TWO,
    group: "string",
    since: "7.0.0",
    summary: "Finds the longest common subsequence of two strings.",
    complexity: "O(N*M) for strings of N and M bytes",
    handler: Handler::Hops(Hops { keys, decide }),
    subs: &[],
}];

fn keys(_: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    // Options are read later: Redis names a wrong kind of key first.
    keys.extend([1, 2].map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

/// What is asked for besides the subsequence itself.
#[derive(Default)]
struct Options {
    length: bool,
    ranges: bool,
    with_length: bool,
    length_min: usize,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Options, Fault> {
        let mut options = Options::default();
        let mut rest = args.iter().skip(3);
        while let Some(option) = rest.next() {
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            if is(b"idx") {
                options.ranges = true;
            } else if is(b"len") {
                options.length = true;
            } else if is(b"withmatchlen") {
                options.with_length = true;
            } else if is(b"minmatchlen") {
                let text = rest.next().ok_or(Fault::Syntax)?;
                let least = parse_i64(text).ok_or(Fault::NotInteger)?;
                options.length_min = usize::try_from(least).unwrap_or(0);
            } else {
                return Err(Fault::Syntax);
            }
        }
        if options.ranges && options.length {
            return Err(Fault::text("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

fn decide(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    if found.iter().flatten().any(|item| item.meta.kind != Kind::String) {
        return Err(Fault::text("ERR The specified keys must contain string values"));
    }
    let options = Options::parse(args)?;
    let value = |nth: usize| found[nth].as_ref().map_or(&b""[..], |item| item.value.bytes());
    let (a, b) = (value(0), value(1));
    if lcs::work_words(a.len(), b.len()) > lcs::WORK_WORDS_MAX {
        return Err(Fault::text("ERR Insufficient memory, failed allocating transient memory for LCS"));
    }
    if options.length {
        reply.int(lcs::length(a, b) as i64);
    } else if options.ranges {
        write_ranges(a, b, &options, reply);
    } else {
        let mut common = Vec::new();
        lcs::trace(a, b, |i, _| common.push(a[i]));
        common.reverse();
        reply.bulk(&common);
    }
    Ok(Vec::new())
}

/// A run of common bytes: where it starts in both strings, and its length.
struct Run {
    a: usize,
    b: usize,
    length: usize,
}

/// Replies the common runs from the last to the first, and the length of the whole.
fn write_ranges(a: &[u8], b: &[u8], options: &Options, reply: &mut Reply<'_>) {
    let mut runs: Vec<Run> = Vec::new();
    let mut total = 0;
    lcs::trace(a, b, |i, j| {
        total += 1;
        match runs.last_mut() {
            Some(run) if run.a == i + 1 && run.b == j + 1 => {
                *run = Run { a: i, b: j, length: run.length + 1 };
            }
            _ => runs.push(Run { a: i, b: j, length: 1 }),
        }
    });
    runs.retain(|run| run.length >= options.length_min);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(runs.len());
    for run in runs {
        reply.array(2 + usize::from(options.with_length));
        for start in [run.a, run.b] {
            reply.array(2);
            reply.int(start as i64);
            reply.int((start + run.length - 1) as i64);
        }
        if options.with_length {
            reply.int(run.length as i64);
        }
    }
    reply.bulk(b"len");
    reply.int(total);
}
