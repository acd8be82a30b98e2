//! memcached's commands over the same items as Redis's: `retrieval`, `storage`, `arithmetic`, `removal`, `meta` (which
//! can do all of that), the connection's own (`session`, `access`, `stats` with what it shows in `report`), and the
//! administrators' (`pages`, `lru`, `dump`, `watch`, which `deed` gives words to). `binary` has those of the binary protocol.
//!
//! Their rows have names that no Redis client can call (`mc:get`). The parser has judged the line before a
//! handler sees it: arity, the length of keys and the form of numbers are right (the flags of meta commands are read
//! by their handlers). Arguments are the words of the
//! line, a final `noreply` among them, and the data block last; whether a reply is sent is the connection's
//! business. A value of another kind than a string is a miss for those who read it, and is replaced by those
//! who would replace a string.

pub mod access;
pub mod arithmetic;
pub mod binary;
mod classes;
pub mod deed;
pub mod dump;
pub mod lru;
pub mod meta;
pub mod pages;
pub mod removal;
mod report;
pub mod retrieval;
pub mod session;
mod settings;
pub mod stats;
pub mod storage;
pub mod watch;

use super::table::TABLE;
use crate::protocol::Span;
use crate::protocol::memcache::{Verb, fields};
use slabs::Refused;
use std::sync::LazyLock;

/// The verbs that are served, with the names of their rows.
const VERBS_SERVED: &[(Verb, &str)] = &[
    (Verb::Get, "mc:get"),
    (Verb::Gets, "mc:gets"),
    (Verb::Gat, "mc:gat"),
    (Verb::Gats, "mc:gats"),
    (Verb::Set, "mc:set"),
    (Verb::Add, "mc:add"),
    (Verb::Replace, "mc:replace"),
    (Verb::Append, "mc:append"),
    (Verb::Prepend, "mc:prepend"),
    (Verb::Cas, "mc:cas"),
    (Verb::Delete, "mc:delete"),
    (Verb::Incr, "mc:incr"),
    (Verb::Decr, "mc:decr"),
    (Verb::Touch, "mc:touch"),
    (Verb::FlushAll, "mc:flush_all"),
    (Verb::Version, "mc:version"),
    (Verb::Verbosity, "mc:verbosity"),
    (Verb::Stats, "mc:stats"),
    (Verb::Quit, "mc:quit"),
    (Verb::Auth, "mc:auth"),
    (Verb::Shutdown, "mc:shutdown"),
    (Verb::MetaGet, "mc:mg"),
    (Verb::MetaSet, "mc:ms"),
    (Verb::MetaDelete, "mc:md"),
    (Verb::MetaArithmetic, "mc:ma"),
    (Verb::MetaDebug, "mc:me"),
    (Verb::MetaNoop, "mc:mn"),
    (Verb::Slabs, "mc:slabs"),
    (Verb::Lru, "mc:lru"),
    (Verb::LruCrawler, "mc:lru_crawler"),
    (Verb::Dump, "mc:lru_crawler_dump"),
    (Verb::CacheMemlimit, "mc:cache_memlimit"),
    (Verb::Watch, "mc:watch"),
    (Verb::RefreshCerts, "mc:refresh_certs"),
];

/// Rows by verb; `u16::MAX` for verbs that are not served.
static ROWS_BY_VERB: LazyLock<[u16; VERBS]> = LazyLock::new(|| {
    let mut rows = [u16::MAX; VERBS];
    for &(verb, name) in VERBS_SERVED {
        rows[verb as usize] = row_of(name);
    }
    rows
});

static TOO_LARGE_ROWS: LazyLock<[u16; 2]> =
    LazyLock::new(|| [row_of("mc:too_large"), row_of("mc:ms_too_large")]);

const VERBS: usize = Verb::Other as usize + 1;

fn row_of(name: &str) -> u16 {
    TABLE.by_name(name.as_bytes()).expect("every verb that is served has a row")
}

/// The row that serves a verb; `None`: answer `ERROR`.
#[inline]
pub fn row(verb: Verb) -> Option<u16> {
    Some(ROWS_BY_VERB[verb as usize]).filter(|&row| row != u16::MAX)
}

/// The row for a storage command whose value is longer than allowed, given what the parser reports of it: it writes
/// the error, counts it, and removes the key of a `set` or `ms`, because what it holds is outdated.
pub fn too_large_row(verb: Verb) -> u16 {
    TOO_LARGE_ROWS[usize::from(verb == Verb::MetaSet)]
}

/// The row that tells all cores of a new watcher, and the watcher that they know.
pub fn watching_row() -> u16 {
    row_of("mc:watching")
}

/// Brings the words of a request, which are `spans` from `first` on, into the order that rows have them in: `gat` and
/// `gats` get their time behind every key, so that each key's part has what it needs. To be called for every
/// request before it is routed.
#[inline]
pub fn arrange(verb: Verb, spans: &mut Vec<Span>, first: usize) {
    if !matches!(verb, Verb::Gat | Verb::Gats) {
        return;
    }
    let keys = spans.len() - first - 2;
    let time = spans[first + 1];
    spans.resize(first + 1 + 2 * keys, time);
    for key in (0..keys).rev() {
        // The last first: a key only ever moves to the right, over places that are already done.
        spans[first + 1 + 2 * key] = spans[first + 2 + key];
        spans[first + 2 + 2 * key] = time;
    }
}

/// The moment that a request's time means, in Unix milliseconds; 0 is never. It may have passed.
#[inline]
fn deadline_ms(word: &[u8], now_ms: u64) -> u64 {
    deadline_of(fields::exptime(word).expect("the parser lets only numbers pass"), now_ms)
}

/// The same of a time that was read already.
#[inline]
fn deadline_of(exptime: i64, now_ms: u64) -> u64 {
    fields::expires_at_ms(exptime, now_ms).unwrap_or(0)
}

/// An item with that deadline is dead.
#[inline]
fn has_passed(deadline_ms: u64, now_ms: u64) -> bool {
    deadline_ms != 0 && deadline_ms <= now_ms
}

/// What memcached says where the store refuses a value.
fn refusal(refused: Refused) -> &'static str {
    match refused {
        Refused::NoMemory => "SERVER_ERROR out of memory storing object",
        Refused::ValueTooLarge => crate::protocol::memcache::TOO_LARGE,
        Refused::KeyTooLong => "CLIENT_ERROR bad command line format",
    }
}

#[cfg(test)]
mod tests;
