//! `lru_crawler metadump` and `mgdump`: a line for every item, of all size classes or of some.
//!
//! The lines are made a slice at a time, as fast as the client reads them (`core::dump`); an item that is there all
//! the while is shown at least once.

use super::lru::DISABLED;
use crate::command::{Asker, Command, Dump, Fault, Handler, Keys, Local, flag};
use crate::limits::DUMP_SLICE_ITEMS;
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::shard::{Item, Kind};
use crate::text::{base64, format_u64, parse_u64, uri_encode};
use std::sync::atomic::Ordering::Relaxed;

/// The commands of this file.
pub static ROWS: &[Command] = &[Command {
    name: "mc:lru_crawler_dump",
    arity: 3,
    flags: flag::ADMIN,
    keys: Keys::NONE,
    group: "memcache",
    since: "1.4.31",
    summary: "Shows all items, with what is known of them or as commands that read them.",
    complexity: "O(N) for N items, in slices",
    handler: Handler::Dump(Dump { check, slice, end }),
    subs: &[],
}];

/// Size classes as bits.
type ClassSet = u128;

/// The size classes that a list of their numbers names (`1,4,7`, or `all`; `hash` is said by dumps), or what memcached
/// answers to such a list.
pub(super) fn classes_of(list: &[u8], count: usize) -> Result<ClassSet, &'static str> {
    if matches!(list, b"all" | b"hash") {
        return Ok(ClassSet::MAX);
    }
    let mut classes = 0;
    for word in list.split(|&byte| byte == b',').filter(|word| !word.is_empty()) {
        let id = parse_u64(word).filter(|&id| id >= 1 && id <= count as u64);
        classes |= 1 << (id.ok_or("BADCLASS invalid class id")? - 1);
    }
    if classes == 0 { Err("NOTSTARTED no items to crawl") } else { Ok(classes) }
}

fn check(local: &mut Local<'_>, args: Args<'_>) -> Result<(), Fault> {
    if local.shared.parameters.number(Name::DisableDumping) != 0 {
        let facts = &args[1] == b"metadump";
        return Err(Fault::text(if facts {
            "ERROR metadump not allowed"
        } else {
            "ERROR key dump not allowed"
        }));
    }
    let tuning = &local.shared.tuning;
    if !tuning.crawler.load(Relaxed) {
        return Err(Fault::text(DISABLED));
    }
    classes_of(&args[2], local.shard.store.class_count()).map_err(Fault::text)?;
    tuning.crawler_starts.fetch_add(1, Relaxed);
    Ok(())
}

fn slice(local: &mut Local<'_>, args: Args<'_>, asker: &Asker, cursor: u64, reply: &mut Reply<'_>) -> u64 {
    let store = &local.shard.store;
    let classes = classes_of(&args[2], store.class_count()).unwrap_or(0);
    let db = local.shard.physical(asker.db);
    let facts = &args[1] == b"metadump";
    let now_ms = local.now.unix_ms;
    let (mut cursor, mut looked, mut line) = (cursor, 0, Vec::new());
    while looked < DUMP_SLICE_ITEMS {
        // A bucket without items costs a look too.
        looked += 1;
        cursor = store.scan(cursor, now_ms, &mut |item| {
            looked += 1;
            if item.db() == db && item.kind() == Kind::String && classes >> item.class() & 1 != 0 {
                line.clear();
                if facts {
                    let used_secs = (now_ms / 1000).saturating_sub(local.shard.ages.idle_secs(&item, now_ms));
                    show_facts(&item, used_secs, &mut line);
                } else {
                    show_command(&item, &mut line);
                }
                reply.raw(&line);
            }
        });
        if cursor == 0 {
            break;
        }
    }
    cursor
}

fn end(args: Args<'_>, reply: &mut Reply<'_>) {
    reply.line(if &args[1] == b"metadump" { "END" } else { "EN" });
}

/// What is known of an item, which was used last at a Unix second.
fn show_facts(item: &Item<'_>, used_secs: u64, line: &mut Vec<u8>) {
    let mut digits = [0; 21];
    let mut field = |line: &mut Vec<u8>, name: &str, value: u64| {
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(format_u64(value, &mut digits));
    };
    line.extend_from_slice(b"key=");
    uri_encode(item.key(), line);
    match item.expire_at_ms() {
        0 => line.extend_from_slice(b" exp=-1"),
        at_ms => field(line, " exp=", at_ms / 1000),
    }
    field(line, " la=", used_secs);
    field(line, " cas=", item.cas_unique());
    line.extend_from_slice(if item.is_fetched() { b" fetch=yes" } else { b" fetch=no" });
    field(line, " cls=", item.class() as u64 + 1);
    field(line, " size=", item.requested_bytes());
    field(line, " flags=", u64::from(item.client_flags()));
    line.push(b'\n');
}

/// The meta command that reads an item.
fn show_command(item: &Item<'_>, line: &mut Vec<u8>) {
    let key = item.key();
    line.extend_from_slice(b"mg ");
    if key.iter().all(|&byte| byte > b' ' && byte != 0x7f) {
        line.extend_from_slice(key);
        line.extend_from_slice(b"\r\n");
    } else {
        base64::encode(key, line);
        line.extend_from_slice(b" b\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_classes_are_read_as_memcached_reads_them() {
        assert_eq!(classes_of(b"all", 40), Ok(ClassSet::MAX));
        assert_eq!(classes_of(b"1,3,,40,", 40), Ok(1 | 1 << 2 | 1 << 39));
        for list in [&b"0"[..], b"41", b"x", b"1,x", b"1x", b"-1", b"ALL", b"noreply"] {
            assert_eq!(classes_of(list, 40), Err("BADCLASS invalid class id"));
        }
        for list in [&b","[..], b""] {
            assert_eq!(classes_of(list, 40), Err("NOTSTARTED no items to crawl"));
        }
    }
}
