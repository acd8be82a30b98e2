//! What administrators ask for, on one shard.

use super::Client;
use crate::command::Effect;
use crate::limits::DUMP_SLICE_ITEMS;
use crate::shard::{Kind, Meta};
use crate::shared::watchers::topic;
use std::collections::HashSet;

#[test]
fn every_item_of_the_clients_database_is_dumped() {
    let mut client = Client::new();
    let count = 20 * DUMP_SLICE_ITEMS;
    for number in 0..count {
        client.put(&format!("k:{number}"), Meta::default());
    }
    client.put("dead", Meta { expire_at_ms: super::NOW_MS - 1, ..Meta::default() });
    client.put("dies", Meta { expire_at_ms: super::NOW_MS + 60_000, client_flags: 9, ..Meta::default() });
    client.put("other kind", Meta { kind: Kind::List, ..Meta::default() });
    let dump = client.talk(b"lru_crawler metadump all\r\n");
    let lines: Vec<&str> = dump.strip_suffix("END\r\n").expect("an end").lines().collect();
    let keys: HashSet<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        (lines.len(), keys.len()),
        (count + 1, count + 1),
        "nothing changed meanwhile: each comes once"
    );
    assert!((0..count).all(|number| keys.contains(format!("key=k%3A{number}").as_str())));
    let dies = lines.iter().find(|line| line.starts_with("key=dies ")).unwrap();
    assert!(dies.contains(" exp=1577836860 ") && dies.contains(" flags=9"), "{dies}");
    let mgdump = client.talk(b"lru_crawler mgdump hash\r\n");
    assert!(mgdump.contains("mg k:7\r\n") && mgdump.ends_with("EN\r\n"));
    assert_eq!(mgdump.lines().count(), count + 2);
}

#[test]
fn a_dump_tells_when_an_item_was_used_last() {
    let mut client = Client::new();
    client.check(&[("set k 0 0 1\r\nx", "STORED")]);
    let seconds = |client: &mut Client| {
        let dump = client.talk(b"lru_crawler metadump all\r\n");
        let (_, rest) = dump.split_once(" la=").expect("a time");
        let (secs, _) = rest.split_once(' ').expect("more facts");
        secs.parse::<u64>().expect("a number") - super::NOW_MS / 1000
    };
    client.pass_ms(30_000);
    assert_eq!(seconds(&mut client), 0, "without uses it is the last change");
    client.check(&[("mg k l", "HD l30")]);
    client.pass_ms(5_000);
    assert_eq!(seconds(&mut client), 30, "who asks once has uses followed");
    client.check(&[("get k", "VALUE k 0 1\r\nx\r\nEND")]);
    client.pass_ms(5_000);
    assert_eq!(seconds(&mut client), 35);
}

#[test]
fn a_watcher_is_one_of_few() {
    let mut client = Client::new();
    client.check(&[("watch bogus", "ERROR"), ("watch mutations evictions", "")]);
    assert_eq!(client.effects, [Effect::Watch]);
    assert_eq!(client.shared.watchers.topics(), topic::MUTATIONS | topic::EVICTIONS);
    assert_eq!(client.sessions.get(0).unwrap().watches, topic::MUTATIONS | topic::EVICTIONS);
    for _ in 1..20 {
        client.talk(b"watch\r\n");
    }
    client.check(&[("watch", "WATCHER_TOO_MANY log watcher limit reached")]);
}

#[test]
fn pages_are_moved_or_the_reason_is_told() {
    let mut client = Client::new();
    client.check(&[
        ("slabs reassign 1 1", "SAME src and dst class are identical"),
        ("slabs reassign 1 2", "NOSPARE source class has no spare pages"),
        ("slabs reassign 999 1", "BADCLASS invalid src or dst class id"),
        ("slabs automove 3", "ERROR"),
        ("slabs automove 0", "OK"),
    ]);
    for number in 0..10_000 {
        client.put(&format!("key{number:05}"), Meta::default());
    }
    let slabs = client.talk(b"stats slabs\r\n");
    let line = slabs.lines().find(|line| line.contains(":total_pages ") && !line.ends_with(" 1")).unwrap();
    let id = line.split([' ', ':']).nth(1).unwrap();
    client.check(&[(&format!("slabs reassign {id} 30"), "OK"), ("slabs reassign -1 0", "OK")]);
    assert!(client.talk(b"stats slabs\r\n").contains("STAT 30:total_pages 1\r\n"));
    assert!(client.talk(b"stats\r\n").contains("STAT slabs_moved 1\r\n"));
}

#[test]
fn the_limit_is_moved_within_bounds() {
    let mut client = Client::new();
    client.check(&[
        ("cache_memlimit 7", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"),
        ("cache_memlimit 64", "OK"),
    ]);
    assert!(client.talk(b"stats settings\r\n").contains("STAT maxbytes 67108864\r\n"));
    client.check(&[
        ("cache_memlimit 999999999", "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust"),
        ("cache_memlimit 1000000001", "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"),
    ]);
    assert!(client.talk(b"stats settings\r\n").contains("STAT maxbytes 67108864\r\n"));
}
