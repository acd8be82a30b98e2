//! `SLOWLOG`, over the parts of all cores.

use super::{Done, help, misused, row};
use crate::command::answer::{self, Pack, Unpack};
use crate::command::{Command, Context, Every, Fault, Handler, Local, Outcome, flag};
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::text::parse_i64;

const FLAGS: u32 = flag::ADMIN | flag::LOADING | flag::STALE;

pub(super) static SUBS: &[Command] = &[
    Command {
        complexity: "O(N) for N entries",
        ..row("slowlog|get", -2, FLAGS, "2.2.12", "Returns the newest slow commands.", Handler::Every(GET))
    },
    row("slowlog|len", 2, FLAGS, "2.2.12", "Counts the slow commands that are kept.", Handler::Every(LEN)),
    Command {
        complexity: "O(N) for N entries",
        ..row("slowlog|reset", 2, FLAGS, "2.2.12", "Forgets the slow commands.", Handler::Every(RESET))
    },
    row("slowlog|help", 2, super::ANY_TIME, "6.2.0", "Lists the subcommands.", Handler::Session(list)),
];

/// Entries that `GET` returns where no number is said.
const DEFAULT_COUNT: usize = 10;

/// How many entries are asked for; `None` is all.
fn wanted(args: Args<'_>) -> Result<Option<usize>, Fault> {
    match args.get(2) {
        _ if args.len() > 3 => Err(misused(args)),
        None => Ok(Some(DEFAULT_COUNT)),
        Some(arg) => match parse_i64(arg) {
            Some(-1) => Ok(None),
            Some(count) if count >= 0 => Ok(Some(usize::try_from(count).unwrap_or(usize::MAX))),
            _ => Err(Fault::text("ERR count should be greater than or equal to -1")),
        },
    }
}

const GET: Every = Every {
    check: |args, _| wanted(args).map(|_| ()),
    ask: |local, args, _| entries(local, wanted(args).unwrap_or_default().unwrap_or(usize::MAX)),
    merge: |args, parts, _, reply| merge(wanted(args)?, parts, reply),
    atomic: false,
};

/// The core's newest entries. Numbers of cores interleave: each is unique, and on one core they are Redis's.
fn entries(local: &mut Local<'_>, count: usize) -> Vec<u8> {
    let mut answer = Pack::default();
    answer.number(local.shared.parameters.number(Name::SlowlogMaxLen) as u64);
    for entry in local.slowlog.entries().take(count) {
        answer.number(entry.number * u64::from(local.cores) + u64::from(local.core));
        answer.number(entry.unix_secs).number(entry.duration_us);
        answer.bytes(entry.peer.as_bytes()).bytes(&entry.name);
        answer.number(entry.args.len() as u64);
        entry.args.iter().for_each(|arg| {
            answer.bytes(arg);
        });
    }
    answer.finish()
}

struct Entry<'a> {
    number: u64,
    unix_secs: u64,
    duration_us: u64,
    peer: &'a [u8],
    name: &'a [u8],
    args: Vec<&'a [u8]>,
}

fn merge(count: Option<usize>, parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Done {
    let mut list = Vec::new();
    let mut len_max = usize::MAX;
    for part in parts {
        let mut part = Unpack::new(part);
        len_max = part.number() as usize;
        while !part.is_empty() {
            list.push(Entry {
                number: part.number(),
                unix_secs: part.number(),
                duration_us: part.number(),
                peer: part.bytes(),
                name: part.bytes(),
                args: (0..part.number()).map(|_| part.bytes()).collect(),
            });
        }
    }
    // Each core keeps as many as all of them together may.
    list.sort_by_key(|entry| std::cmp::Reverse((entry.unix_secs, entry.number)));
    list.truncate(len_max.min(count.unwrap_or(usize::MAX)));
    reply.array(list.len());
    for entry in list {
        reply.array(6);
        reply.int(entry.number as i64);
        reply.int(entry.unix_secs as i64);
        reply.int(entry.duration_us as i64);
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk(entry.peer);
        reply.bulk(entry.name);
    }
    Ok(Outcome::READ)
}

const LEN: Every = Every {
    check: |_, _| Ok(()),
    ask: |local, _, _| {
        let max = local.shared.parameters.number(Name::SlowlogMaxLen) as u64;
        Pack::default().number(local.slowlog.entries().len() as u64).number(max).finish()
    },
    merge: |_, parts, _, reply| {
        let mut first = Unpack::new(&parts[0]);
        let (_, max) = (first.number(), first.number());
        reply.int(answer::sum(parts).min(max) as i64);
        Ok(Outcome::READ)
    },
    atomic: false,
};

const RESET: Every = Every {
    check: |_, _| Ok(()),
    ask: |local, _, _| {
        local.slowlog.reset();
        Vec::new()
    },
    merge: |_, _, _, reply| {
        reply.ok();
        Ok(Outcome::READ)
    },
    atomic: false,
};

fn list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let subcommands = &[
        (
            "GET [<count>]",
            "The newest slow commands (10; -1 is all): id, time, microseconds, arguments, client, name.",
        ),
        ("LEN", "How many are kept."),
        ("RESET", "Forgets them."),
    ];
    help::write("SLOWLOG", subcommands, reply);
    Ok(Outcome::READ)
}
