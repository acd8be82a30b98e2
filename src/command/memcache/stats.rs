//! `stats` and its kinds. Every core tells what it knows; the answers are summed, or put one behind the other.

use super::{classes, report, settings};
use crate::command::answer::{Pack, Unpack};
use crate::command::{Asker, Command, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::shard::prefixes::PrefixCounts;
use crate::text::parse_u64;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

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
    /// Whether sizes are shown from now on.
    TrackSizes(bool),
    Conns,
    Reset,
    /// Whether prefixes are counted from now on.
    Detail(bool),
    DetailDump,
    /// Items of a class (from 1; 0 has none), at most so many.
    Cachedump {
        id: usize,
        items_max: usize,
    },
    /// A memcached without an external store has nothing to say.
    Extstore,
}

/// memcached has so many classes at most; larder's lists are shorter.
const CLASS_IDS_MAX: u64 = 128;

impl Topic {
    fn of(args: Args<'_>) -> Result<Topic, &'static str> {
        Ok(match args.get(1) {
            None => Topic::General,
            Some(b"settings") => Topic::Settings,
            Some(b"items") => Topic::Items,
            Some(b"slabs") => Topic::Slabs,
            Some(b"sizes") => Topic::Sizes,
            Some(b"sizes_enable") => Topic::TrackSizes(true),
            Some(b"sizes_disable") => Topic::TrackSizes(false),
            Some(b"conns") => Topic::Conns,
            Some(b"reset") => Topic::Reset,
            Some(b"detail") => match args.get(2) {
                Some(b"on") => Topic::Detail(true),
                Some(b"off") => Topic::Detail(false),
                Some(b"dump") => Topic::DetailDump,
                _ => return Err("CLIENT_ERROR usage: stats detail on|off|dump"),
            },
            Some(b"cachedump") => cachedump(args)?,
            Some(b"extstore") => Topic::Extstore,
            Some(_) => return Err("ERROR"),
        })
    }
}

fn cachedump(args: Args<'_>) -> Result<Topic, &'static str> {
    let (Some(id), Some(limit)) = (args.get(2), args.get(3)) else {
        return Err("CLIENT_ERROR bad command line");
    };
    let (Some(id), Some(limit)) = (parse_u64(id), parse_u64(limit)) else {
        return Err("CLIENT_ERROR bad command line format");
    };
    if id > CLASS_IDS_MAX {
        return Err("CLIENT_ERROR Illegal slab id");
    }
    let items_max = if limit == 0 { usize::MAX } else { limit as usize };
    Ok(Topic::Cachedump { id: id as usize, items_max })
}

fn check(args: Args<'_>, _: u8) -> Result<(), Fault> {
    Topic::of(args).map(drop).map_err(Fault::text)
}

/// A core's answer to what the user has switched off: no line, and no pack of numbers, is like it.
const NOT_ALLOWED: &[u8] = b"-";

/// What is said to who asks for it all the same.
fn not_allowed(args: Args<'_>) -> Fault {
    let of_prefixes = args.get(1) == Some(b"detail");
    Fault::text(if of_prefixes {
        "CLIENT_ERROR stats detail not allowed"
    } else {
        "CLIENT_ERROR stats cachedump not allowed"
    })
}

fn ask(local: &mut Local<'_>, args: Args<'_>, asker: &Asker) -> Vec<u8> {
    let Ok(topic) = Topic::of(args) else { return Vec::new() };
    let dumps = matches!(topic, Topic::Detail(_) | Topic::DetailDump | Topic::Cachedump { .. });
    if dumps && local.shared.parameters.number(Name::DisableDumping) != 0 {
        return NOT_ALLOWED.to_vec();
    }
    match topic {
        Topic::General => report::general(local),
        Topic::Settings => settings::settings(local),
        Topic::Items | Topic::Slabs => classes::classes(local.shard),
        Topic::Sizes if local.shared.tuning.sizes.load(Relaxed) => classes::classes(local.shard),
        Topic::Conns => report::connections(local, asker),
        Topic::Reset => {
            report::reset(local);
            local.shard.prefixes.clear();
            Vec::new()
        }
        Topic::TrackSizes(on) => {
            local.shared.tuning.sizes.store(on, Relaxed);
            Vec::new()
        }
        Topic::Detail(on) => {
            local.shared.watchers.set_detail(on);
            Vec::new()
        }
        Topic::DetailDump => prefixes(local),
        Topic::Cachedump { id: 0, .. } => Vec::new(),
        Topic::Cachedump { id, items_max } => classes::cachedump(local, id - 1, items_max, asker.db),
        Topic::Sizes | Topic::Extstore => Vec::new(),
    }
}

fn prefixes(local: &Local<'_>) -> Vec<u8> {
    let mut pack = Pack::default();
    for (prefix, counts) in local.shard.prefixes.iter() {
        pack.bytes(prefix).number(counts.gets).number(counts.hits).number(counts.sets).number(counts.deletes);
    }
    pack.finish()
}

fn write_prefixes(parts: &[Vec<u8>], reply: &mut Reply<'_>) {
    let mut sums: BTreeMap<&[u8], PrefixCounts> = BTreeMap::new();
    for part in parts {
        let mut rest = Unpack::new(part);
        while !rest.is_empty() {
            let sum = sums.entry(rest.bytes()).or_default();
            sum.gets += rest.number();
            sum.hits += rest.number();
            sum.sets += rest.number();
            sum.deletes += rest.number();
        }
    }
    for (prefix, PrefixCounts { gets, hits, sets, deletes }) in sums {
        let mut line = b"PREFIX ".to_vec();
        line.extend_from_slice(prefix);
        // Writing to a vector cannot fail.
        let _ = write!(line, " get {gets} hit {hits} set {sets} del {deletes}\r\n");
        reply.raw(&line);
    }
}

/// Lines of all cores, of which `items_max` are wanted.
fn write_items(parts: &[Vec<u8>], items_max: usize, reply: &mut Reply<'_>) {
    let lines = parts.iter().flat_map(|part| part.split_inclusive(|&byte| byte == b'\n'));
    lines.take(items_max).for_each(|line| reply.raw(line));
}

fn merge(args: Args<'_>, parts: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if parts.iter().any(|part| part == NOT_ALLOWED) {
        return Err(not_allowed(args));
    }
    match Topic::of(args).map_err(Fault::text)? {
        Topic::Reset => {
            reply.line("RESET");
            return Ok(Outcome::READ);
        }
        Topic::Detail(_) => {
            reply.line("OK");
            return Ok(Outcome::READ);
        }
        // memcached 1.6.18 writes no END here.
        Topic::TrackSizes(on) => {
            reply.stat("sizes_status", if on { b"enabled" } else { b"disabled" });
            return Ok(Outcome::READ);
        }
        Topic::General => report::write_general(parts, reply),
        Topic::Items => classes::write_items(parts, reply),
        Topic::Slabs => classes::write_slabs(parts, reply),
        // Nothing at all: it is not shown, as in a memcached that was not started for it.
        Topic::Sizes if parts.iter().all(Vec::is_empty) => reply.stat("sizes_status", b"disabled"),
        Topic::Sizes => classes::write_sizes(parts, reply),
        Topic::Settings | Topic::Conns => parts.iter().for_each(|part| reply.raw(part)),
        Topic::DetailDump => write_prefixes(parts, reply),
        Topic::Cachedump { items_max, .. } => write_items(parts, items_max, reply),
        Topic::Extstore => {}
    }
    reply.line("END");
    Ok(Outcome::READ)
}
