//! Memory by an administrator's will: `slabs reassign`, `slabs automove`, `cache_memlimit`.

use crate::command::answer::{Pack, Unpack};
use crate::command::{Asker, Command, Context, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::text::{parse_i64, parse_u64};
use slabs::{NotReassigned, Store};
use std::sync::atomic::Ordering::Relaxed;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:slabs",
        arity: -1,
        flags: flag::ADMIN,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.4.11",
        summary: "Moves a page between size classes, or says whether pages move by themselves.",
        complexity: "O(N) for N items of a page",
        handler: Handler::Every(Every { check, ask, merge, atomic: false }),
        subs: &[],
    },
    Command {
        name: "mc:cache_memlimit",
        arity: -1,
        flags: flag::ADMIN,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.4.33",
        summary: "Sets the memory limit in megabytes.",
        complexity: "O(1)",
        handler: Handler::Session(cache_memlimit),
        subs: &[],
    },
];

const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";

/// The least that memcached takes, megabytes.
const MEMLIMIT_MB_MIN: u64 = 8;
/// Beyond this memcached takes the number for one of bytes.
const MEMLIMIT_MB_MAX: u64 = 1_000_000_000;

/// Seconds that memcached takes for its window.
const WINDOW_SECS: std::ops::RangeInclusive<u64> = 3..=1800;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Order {
    /// Numbers of classes from 1; 0 is memory of no class, a source below 0 any class.
    Reassign { from: i64, to: i64 },
    /// Whether pages move.
    Automove(u8),
    /// Accepted and shown.
    Ratio(f64),
    /// Accepted and shown.
    FreeRatio(f64),
    /// Accepted and shown.
    Window(u32),
}

impl Order {
    fn of(args: Args<'_>) -> Result<Order, &'static str> {
        let fraction = || std::str::from_utf8(args.get(3)?).ok()?.parse().ok();
        match (args.get(1), args.len()) {
            (Some(b"reassign"), 4) => {
                let class = |place: usize| parse_i64(&args[place]).ok_or(BAD_FORMAT);
                let (from, to) = (class(2)?, class(3)?);
                if from == to {
                    Err("SAME src and dst class are identical")
                } else {
                    Ok(Order::Reassign { from, to })
                }
            }
            (Some(b"automove"), 3..) => match &args[2] {
                b"ratio" => fraction().map(Order::Ratio).ok_or("ERROR"),
                b"freeratio" => fraction().map(Order::FreeRatio).ok_or("ERROR"),
                b"window" => match args.get(3).map(parse_u64) {
                    None | Some(None) => Err("ERROR"),
                    Some(Some(secs)) if WINDOW_SECS.contains(&secs) => Ok(Order::Window(secs as u32)),
                    Some(Some(_)) => Err("CLIENT_ERROR automove window too low or too high"),
                },
                level => match parse_u64(level) {
                    None => Err(BAD_FORMAT),
                    Some(level @ 0..=2) => Ok(Order::Automove(level as u8)),
                    Some(_) => Err("ERROR"),
                },
            },
            _ => Err("ERROR"),
        }
    }
}

fn check(args: Args<'_>, _: u8) -> Result<(), Fault> {
    Order::of(args).map(drop).map_err(Fault::text)
}

/// Answers what came of a reassignment, as the place in `ENDS`.
fn ask(local: &mut Local<'_>, args: Args<'_>, _: &Asker) -> Vec<u8> {
    let tuning = &local.shared.tuning;
    let mut end = 0;
    match Order::of(args) {
        Err(_) => {}
        Ok(Order::Reassign { from, to }) => {
            let now_ms = local.shard.now_ms();
            end = match reassign(&mut local.shard.store, from, to, now_ms) {
                Ok(()) => 0,
                Err(NotReassigned::Stuck) => 1,
                Err(NotReassigned::NoneToSpare) => 2,
                Err(NotReassigned::NoSuchClass) => 3,
            };
        }
        Ok(Order::Automove(level)) => {
            tuning.automove.store(level, Relaxed);
            local.shard.store.set_page_moves(level > 0);
        }
        Ok(Order::Ratio(ratio)) => tuning.automove_ratio.set(ratio),
        Ok(Order::FreeRatio(ratio)) => tuning.automove_freeratio.set(ratio),
        Ok(Order::Window(secs)) => tuning.automove_window.store(secs, Relaxed),
    }
    Pack::default().number(end).finish()
}

/// What came of a reassignment on the shard where it got furthest.
const ENDS: [&str; 4] = [
    "OK",
    "BUSY currently processing reassign request",
    "NOSPARE source class has no spare pages",
    "BADCLASS invalid src or dst class id",
];

/// Every shard that can moves a page: pages are small here, and no shard is the one that is meant.
fn merge(_: Args<'_>, parts: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let furthest = parts.iter().map(|part| Unpack::new(part).number()).min().unwrap_or(0);
    reply.line(ENDS[furthest as usize]);
    Ok(Outcome::READ)
}

fn reassign(store: &mut Store, from: i64, to: i64, now_ms: u64) -> Result<(), NotReassigned> {
    let place = |id: i64| match usize::try_from(id) {
        Err(_) => Err(NotReassigned::NoSuchClass),
        Ok(0) => Ok(None),
        Ok(id) => Ok(Some(id - 1)),
    };
    let to = place(to)?;
    let from = match from {
        -1 => Some(richest(store, to).ok_or(NotReassigned::NoSuchClass)?),
        id => place(id)?,
    };
    store.reassign(from, to, now_ms)
}

/// The class with the most pages that can give one.
fn richest(store: &Store, except: Option<usize>) -> Option<usize> {
    let classes = store.classes();
    let rich = (0..classes.len()).filter(|&class| Some(class) != except && classes[class].pages > 1);
    rich.max_by_key(|&class| classes[class].pages)
}

fn cache_memlimit(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let megabytes = args.get(1).filter(|_| args.len() <= 3).and_then(parse_u64);
    reply.line(match megabytes {
        None => "ERROR",
        Some(..MEMLIMIT_MB_MIN) => "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
        Some(megabytes) if megabytes > MEMLIMIT_MB_MAX => {
            "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"
        }
        Some(megabytes) if set_limit(context.local, megabytes << 20) => "OK",
        Some(_) => "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust",
    });
    Ok(Outcome::READ)
}

/// Sets `maxmemory`, if every shard can have its part of that.
fn set_limit(local: &mut Local<'_>, bytes: u64) -> bool {
    let share = bytes / u64::from(local.cores);
    let before = local.shard.store.budget_bytes();
    if local.shard.store.set_budget(share).is_err() {
        return false;
    }
    let set =
        local.shared.parameters.set(Name::Maxmemory.row().text.as_bytes(), bytes.to_string().as_bytes());
    if set.is_err() {
        // It was in force a moment ago.
        let _ = local.shard.store.set_budget(before);
    }
    set.is_ok()
}
