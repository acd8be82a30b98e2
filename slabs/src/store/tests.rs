//! The store against its naive twin, and what only its inside can show.

use super::*;
use crate::{Change, Kind, Marks, Meta, Refused};
use std::collections::HashMap;

const NOW: u64 = 1_700_000_000_000;

fn store(budget_bytes: u64) -> Store {
    Store::new(&Options { budget_bytes, reserve_bytes: 1 << 30, huge_pages: false, ..Options::default() })
        .unwrap()
}

fn put(store: &mut Store, key: &[u8], value: &[u8]) {
    let hasher = store.hasher().clone();
    store.put(&Key::new(&hasher, 0, key), value, &Meta::default(), NOW).unwrap();
}

fn get<'a>(store: &'a mut Store, key: &[u8]) -> Option<&'a [u8]> {
    let hasher = store.hasher().clone();
    store.get(&Key::new(&hasher, 0, key), NOW).map(|item| item.value())
}

#[test]
fn a_million_items_come_and_go() {
    let mut store = store(256 << 20);
    for number in 0..1_000_000u32 {
        put(&mut store, format!("key{number:013}").as_bytes(), &number.to_le_bytes());
    }
    assert_eq!(store.len(), 1_000_000);
    let ledger = store.ledger();
    assert!(ledger.total() <= ledger.budget);
    assert!(ledger.total() / 1_000_000 < 50, "{ledger:?}");
    for number in 0..1_000_000u32 {
        assert_eq!(get(&mut store, format!("key{number:013}").as_bytes()), Some(&number.to_le_bytes()[..]));
    }
    let hasher = store.hasher().clone();
    for number in 0..1_000_000u32 {
        let key = format!("key{number:013}");
        assert!(store.remove(&Key::new(&hasher, 0, key.as_bytes()), NOW));
    }
    assert!(store.is_empty());
    for _ in 0..10_000 {
        store.sweep(NOW, 1);
    }
    assert!(store.ledger().total() < 4 << 20, "{:?}", store.ledger());
}

#[test]
fn a_full_store_evicts_and_keeps_its_budget() {
    let mut store = store(2 << 20);
    for number in 0..100_000u32 {
        let value = vec![1; (number * 7919 % 3000) as usize];
        put(&mut store, format!("key{number}").as_bytes(), &value);
        let ledger = store.ledger();
        assert!(ledger.total() <= ledger.budget + (16 << 10) + 4096, "{ledger:?}");
    }
    assert!(store.counters().evicted > 0);
    assert!(store.len() > 500);
}

#[test]
fn random_operations_equal_the_twin() {
    let mut store = store(64 << 20);
    let hasher = store.hasher().clone();
    let mut twin: HashMap<(u8, Vec<u8>), (Vec<u8>, Meta)> = HashMap::new();
    let mut seed = 7u64;
    let mut next = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut now = NOW;
    for _ in 0..300_000 {
        now += next(3);
        let bytes = format!("k{}", next(2000)).into_bytes();
        let db = next(3) as u8;
        let key = Key::new(&hasher, db, &bytes);
        let id = (db, bytes.clone());
        if twin.get(&id).is_some_and(|(_, meta)| meta.expire_at_ms != 0 && meta.expire_at_ms <= now) {
            twin.remove(&id);
        }
        let length = match next(20) {
            0 => next(40_000),
            1..4 => next(3000),
            _ => next(200),
        } as usize;
        let fill = next(256) as u8;
        let meta = Meta {
            kind: Kind::String,
            heap: false,
            client_flags: (next(3) == 0).into(),
            expire_at_ms: if next(3) == 0 { now + next(100_000) } else { 0 },
            cas: (next(10) == 0).then_some(next(1000)),
            marks: Marks::default(),
        };
        match next(10) {
            0..3 => {
                store.put(&key, &vec![fill; length], &meta, now).unwrap();
                twin.insert(id.clone(), (vec![fill; length], meta));
                if meta.expire_at_ms != 0 && meta.expire_at_ms <= now {
                    twin.remove(&id);
                }
            }
            3 => assert_eq!(store.remove(&key, now), twin.remove(&id).is_some()),
            4 => {
                let done = store.append(&key, &vec![fill; length / 10], now).unwrap();
                let expected = twin.get_mut(&id).map(|(value, meta)| {
                    meta.cas = None;
                    value.extend(vec![fill; length / 10]);
                    value.len()
                });
                assert_eq!(done, expected);
            }
            5 => {
                let done = store.prepend(&key, &vec![fill; length / 10], now).unwrap();
                let expected = twin.get_mut(&id).map(|(value, meta)| {
                    meta.cas = None;
                    value.splice(0..0, vec![fill; length / 10]);
                    value.len()
                });
                assert_eq!(done, expected);
            }
            6 => {
                let done = store.resize(&key, length, now).unwrap().map(|value| value.to_vec());
                let expected = twin.get_mut(&id).map(|(value, meta)| {
                    meta.cas = None;
                    value.resize(length, 0);
                    value.clone()
                });
                assert_eq!(done, expected);
            }
            7 => {
                let done = store.set_meta(&key, &meta, Change::New, now).unwrap();
                assert_eq!(done, twin.get_mut(&id).map(|entry| entry.1 = meta).is_some());
                if meta.expire_at_ms != 0 && meta.expire_at_ms <= now {
                    twin.remove(&id);
                }
            }
            8 => {
                let version = store.peek(&key, now).map(|item| item.version());
                let at = now + next(50_000);
                let done = store.set_expiry(&key, at, Change::Keep, now).unwrap();
                assert_eq!(done, twin.get_mut(&id).map(|entry| entry.1.expire_at_ms = at).is_some());
                if at == now {
                    twin.remove(&id);
                }
                if at > now {
                    assert_eq!(store.peek(&key, now).map(|item| item.version()), version);
                }
            }
            _ => {
                store.sweep(now, 100);
            }
        }
        let found = store.get(&key, now).map(|item| (item.value().to_vec(), item.meta()));
        assert_eq!(found, twin.get(&id).cloned());
    }
    assert_eq!(store.counters().evicted, 0);
    while store.sweep(now, 1000).pending {}
    twin.retain(|_, (_, meta)| meta.expire_at_ms == 0 || meta.expire_at_ms > now);
    assert_eq!(store.len(), twin.len() as u64);
    for db in 0..3 {
        assert_eq!(store.len_db(db), twin.keys().filter(|id| id.0 == db).count() as u64);
        let volatile = twin.iter().filter(|(id, entry)| id.0 == db && entry.1.expire_at_ms != 0).count();
        assert_eq!(store.expires_db(db), volatile as u64);
    }
    let mut seen = HashMap::new();
    let mut cursor = 0;
    loop {
        cursor = store.scan(cursor, now, &mut |item| {
            seen.insert((item.db(), item.key().to_vec()), (item.value().to_vec(), item.meta()));
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, twin);
    store.clear();
    assert_eq!(store.len(), 0);
    assert!(store.ledger().large == 0 && store.ledger().pages == 0);
}

#[test]
fn memory_is_found_where_nothing_may_be_evicted() {
    let mut store = Store::new(&Options {
        budget_bytes: 8 << 20,
        policy: Policy::NoEviction,
        huge_pages: false,
        ..Options::default()
    })
    .unwrap();
    let hasher = store.hasher().clone();
    let fill = |store: &mut Store, name: &str, value: &[u8]| {
        let mut count = 0;
        loop {
            let bytes = format!("{name}{count}");
            match store.put(&Key::new(&hasher, 0, bytes.as_bytes()), value, &Meta::default(), NOW) {
                Ok(()) => count += 1,
                Err(refused) => {
                    assert_eq!(refused, Refused::NoMemory);
                    return count;
                }
            }
        }
    };
    let first = fill(&mut store, "first", &[1; 100]);
    assert!(first > 40_000, "{first}");
    for number in (0..first).filter(|number| number % 2 == 0) {
        let bytes = format!("first{number}");
        assert!(store.remove(&Key::new(&hasher, 0, bytes.as_bytes()), NOW));
    }
    // Every page is half full: the other class gets pages when items are moved together.
    let second = fill(&mut store, "second", &[2; 1000]);
    assert!(second > 2_500, "{second}");
    for number in (0..first).filter(|number| number % 2 == 1) {
        assert_eq!(get(&mut store, format!("first{number}").as_bytes()), Some(&[1; 100][..]));
    }
    let ledger = store.ledger();
    assert!(ledger.total() <= ledger.budget + (16 << 10), "{ledger:?}");
    // Larger values for the same key are refused and leave it as it was.
    let key = Key::new(&hasher, 0, b"first1");
    assert_eq!(store.append(&key, &[3; 200_000], NOW), Err(Refused::NoMemory));
    assert_eq!(get(&mut store, b"first1"), Some(&[1; 100][..]));
}

#[test]
fn a_value_that_gets_shorter_is_never_refused() {
    let options = Options {
        budget_bytes: 2 << 20,
        reserve_bytes: 1 << 30,
        policy: Policy::NoEviction,
        huge_pages: false,
        ..Options::default()
    };
    let mut store = Store::new(&options).unwrap();
    let hasher = store.hasher().clone();
    let mut stored = 0u32;
    let value: Vec<u8> = (0..1000u32).map(|byte| byte as u8).collect();
    while store.put(&Key::new(&hasher, 0, &stored.to_le_bytes()), &value, &Meta::default(), NOW).is_ok() {
        stored += 1;
    }
    assert!(stored > 500);
    for number in 0..stored {
        // No chunk of any such size is to be had: all pages are of the class of the whole values.
        let length = (number % 900) as usize;
        let shorter = store.resize(&Key::new(&hasher, 0, &number.to_le_bytes()), length, NOW).unwrap();
        assert_eq!(shorter.unwrap(), &value[..length]);
        // Nor is one that stays as long, in a chunk that is now too large for it.
        let same = store.value_mut(&Key::new(&hasher, 0, &number.to_le_bytes()), NOW);
        assert_eq!(same.map(|same| &*same), Some(&value[..length]));
    }
    for number in 0..stored {
        assert_eq!(get(&mut store, &number.to_le_bytes()), Some(&value[..(number % 900) as usize]));
        assert!(store.remove(&Key::new(&hasher, 0, &number.to_le_bytes()), NOW));
    }
    assert!(store.is_empty());
}

#[test]
fn room_beside_an_item_is_not_made_of_it() {
    let mut store = store(2 << 20);
    let hasher = store.hasher().clone();
    put(&mut store, b"owner", b"12345678");
    (0..3000u32).for_each(|number| put(&mut store, &number.to_le_bytes(), &[1; 500]));
    put(&mut store, b"owner", b"12345678");
    let owner = Key::new(&hasher, 0, b"owner");
    let mut charged = 0i64;
    while store.make_room_beside(&owner, 10_000, NOW).is_ok() {
        store.charge(10_000);
        charged += 10_000;
        let ledger = store.ledger();
        assert!(ledger.total() <= ledger.budget + (16 << 10), "{ledger:?}");
    }
    assert!(charged > 1 << 20);
    assert!(get(&mut store, b"owner").is_some());
    store.set_policy(Policy::NoEviction);
    store.charge(-charged / 2);
    assert_eq!(store.make_room_beside(&owner, 10_000, NOW), Ok(()));
    assert_eq!(store.make_room_beside(&owner, 2 << 20, NOW), Err(Refused::NoMemory));
}
