//! `lru` and `lru_crawler`: switches of memcached's own eviction and expiry.
//!
//! Eviction here has other parts and tunes itself, so `lru` is accepted, checked as memcached checks it, and shown by
//! `stats settings`. The crawler is the sweep for dead items, which runs whenever there may be some; it can be
//! switched off and on, and a crawl that is asked for is what it does anyway.

use super::dump::classes_of;
use crate::command::{Command, Context, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::{Args, Reply};
use crate::text::{parse_i64, parse_u64};
use std::sync::atomic::Ordering::Relaxed;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:lru",
        arity: -1,
        flags: flag::ADMIN | flag::FAST,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.4.30",
        summary: "Takes settings of memcached's eviction, which mean nothing to this one.",
        complexity: "O(1)",
        handler: Handler::Session(lru),
        subs: &[],
    },
    Command {
        name: "mc:lru_crawler",
        arity: -1,
        flags: flag::ADMIN | flag::FAST,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.4.18",
        summary: "Switches the search for dead items off and on.",
        complexity: "O(1)",
        handler: Handler::Session(lru_crawler),
        subs: &[],
    },
];

pub(super) const DISABLED: &str = "CLIENT_ERROR lru crawler disabled";
const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";

/// The longest pause of memcached's crawler, microseconds.
const SLEEP_US_MAX: u32 = 1_000_000;

/// HOT and WARM together, percent.
const HOT_AND_WARM_MAX: u64 = 80;

fn lru(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let tuning = &context.local.shared.tuning;
    let done = match (args.get(1), args.len()) {
        (Some(b"tune"), 6..) => tune(context, args),
        (Some(b"mode"), 3..) => match &args[2] {
            mode @ (b"flat" | b"segmented") => {
                tuning.segmented.store(mode == b"segmented", Relaxed);
                Some("OK")
            }
            _ => None,
        },
        (Some(b"temp_ttl"), 3..) => parse_i64(&args[2]).map(|ttl_secs| {
            tuning.temp_lru.store(ttl_secs >= 0, Relaxed);
            if ttl_secs >= 0 {
                tuning.temp_ttl_secs.store(u32::try_from(ttl_secs).unwrap_or(u32::MAX), Relaxed);
            }
            "OK"
        }),
        _ => None,
    };
    reply.line(done.unwrap_or("ERROR"));
    Ok(Outcome::READ)
}

/// `lru tune <percent hot> <percent warm> <hot factor> <warm factor>`
fn tune(context: &Context<'_, '_>, args: Args<'_>) -> Option<&'static str> {
    let percent = |place: usize| parse_u64(&args[place]).filter(|&percent| percent <= u64::from(u32::MAX));
    let factor = |place: usize| std::str::from_utf8(&args[place]).ok()?.parse::<f64>().ok();
    let (hot, warm) = (percent(2)?, percent(3)?);
    let (hot_factor, warm_factor) = (factor(4)?, factor(5)?);
    if hot + warm > HOT_AND_WARM_MAX {
        return Some("ERROR hot and warm pcts must not exceed 80");
    }
    if hot_factor <= 0.0 || warm_factor <= 0.0 {
        return Some("ERROR hot/warm age factors must be greater than 0");
    }
    let tuning = &context.local.shared.tuning;
    tuning.hot_pct.store(hot as u32, Relaxed);
    tuning.warm_pct.store(warm as u32, Relaxed);
    tuning.hot_factor.set(hot_factor);
    tuning.warm_factor.set(warm_factor);
    Some("OK")
}

fn lru_crawler(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let tuning = &context.local.shared.tuning;
    let number = || parse_u64(&args[2]);
    let line = match (args.get(1), args.len()) {
        (Some(b"enable"), 2) => match tuning.crawler.swap(true, Relaxed) {
            // memcached cannot start the thread that runs already.
            true => "ERROR failed to start lru crawler thread",
            false => "OK",
        },
        (Some(b"disable"), 2) => {
            tuning.crawler.store(false, Relaxed);
            "OK"
        }
        (Some(b"sleep"), 3) => match number().and_then(|us| u32::try_from(us).ok()) {
            None => BAD_FORMAT,
            Some(us) if us > SLEEP_US_MAX => "CLIENT_ERROR sleep must be one second or less",
            Some(us) => {
                tuning.crawler_sleep_us.store(us, Relaxed);
                "OK"
            }
        },
        (Some(b"tocrawl"), 3) => match number() {
            None => BAD_FORMAT,
            Some(items) => {
                tuning.crawler_tocrawl.store(u32::try_from(items).unwrap_or(u32::MAX), Relaxed);
                "OK"
            }
        },
        (Some(b"crawl"), 3) if !tuning.crawler.load(Relaxed) => DISABLED,
        // A word of dumps.
        (Some(b"crawl"), 3) if &args[2] == b"hash" => "ERROR an unknown error happened",
        (Some(b"crawl"), 3) => match classes_of(&args[2], context.local.shard.store.class_count()) {
            Err(line) => line,
            Ok(_) => {
                tuning.crawler_starts.fetch_add(1, Relaxed);
                "OK"
            }
        },
        _ => "ERROR",
    };
    reply.line(line);
    Ok(Outcome::READ)
}
