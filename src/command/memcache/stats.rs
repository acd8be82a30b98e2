//! `stats` and its kinds: general, `settings`, `items`, `slabs`, `sizes`, `conns`, `reset`. Every core tells what
//! it knows; the answers are summed, or put one behind the other.

use super::report;
use crate::command::{Asker, Command, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::protocol::{Args, Reply};

/// The commands of this file.
pub static ROWS: &[Command] = &[Command {
    name: "mc:stats",
    arity: -1,
    flags: flag::ADMIN,
    keys: Keys::NONE,
    group: "memcache",
    since: "1.0.0",
    summary: "Answers statistics of the server.",
    complexity: "O(1); O(C) for C clients with conns",
    handler: Handler::Every(Every { check, ask, merge, atomic: false }),
    subs: &[],
}];

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Topic {
    General,
    Settings,
    Items,
    Slabs,
    Sizes,
    Conns,
    Reset,
}

impl Topic {
    fn of(args: Args<'_>) -> Option<Topic> {
        Some(match args.get(1) {
            None => Topic::General,
            Some(b"settings") => Topic::Settings,
            Some(b"items") => Topic::Items,
            Some(b"slabs") => Topic::Slabs,
            Some(b"sizes") => Topic::Sizes,
            Some(b"conns") => Topic::Conns,
            Some(b"reset") => Topic::Reset,
            Some(_) => return None,
        })
    }
}

fn check(args: Args<'_>, _: u8) -> Result<(), Fault> {
    Topic::of(args).map(drop).ok_or(Fault::text("ERROR"))
}

fn ask(local: &mut Local<'_>, args: Args<'_>, asker: &Asker) -> Vec<u8> {
    match Topic::of(args) {
        Some(Topic::General) => report::general(local),
        Some(Topic::Settings) => report::settings(local),
        Some(Topic::Items | Topic::Slabs) => report::classes(local.shard),
        Some(Topic::Conns) => report::connections(local, asker),
        Some(Topic::Reset) => {
            report::reset(local);
            Vec::new()
        }
        Some(Topic::Sizes) | None => Vec::new(),
    }
}

fn merge(args: Args<'_>, parts: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    match Topic::of(args) {
        None => return Err(Fault::text("ERROR")),
        Some(Topic::Reset) => {
            reply.line("RESET");
            return Ok(Outcome::READ);
        }
        Some(Topic::General) => report::write_general(parts, reply),
        Some(Topic::Items) => report::write_items(parts, reply),
        Some(Topic::Slabs) => report::write_slabs(parts, reply),
        // memcached counts sizes only where it was started so; clients know this answer.
        Some(Topic::Sizes) => reply.stat("sizes_status", b"disabled"),
        Some(Topic::Settings | Topic::Conns) => parts.iter().for_each(|part| reply.raw(part)),
    }
    reply.line("END");
    Ok(Outcome::READ)
}
