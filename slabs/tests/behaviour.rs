//! What the store promises beside values: scan's guarantee, pins, heap handles, versions, chance, purging.

use std::collections::{HashMap, HashSet};

use slabs::{Change, Draft, Key, Kind, Meta, Options, Policy, Refused, Store};

fn store(budget_bytes: u64) -> Store {
    Store::new(&Options { budget_bytes, huge_pages: false, ..Options::default() }).unwrap()
}

fn put(store: &mut Store, db: u8, key: &[u8], value: &[u8], meta: &Meta) {
    let hasher = store.hasher().clone();
    store.put(&Key::new(&hasher, db, key), value, meta, 1).unwrap();
}

fn remove(store: &mut Store, key: &[u8]) -> bool {
    let hasher = store.hasher().clone();
    store.remove(&Key::new(&hasher, 0, key), 1)
}

#[test]
fn scan_returns_what_is_there_throughout_while_the_index_grows_and_shrinks() {
    for (before, during) in [(1000u32, 200_000u32), (200_000, 1000), (30_000, 30_000)] {
        let mut store = store(256 << 20);
        let stays = |number: u32| number.is_multiple_of(7);
        for number in 0..before {
            put(&mut store, 0, &number.to_le_bytes(), b"", &Meta::default());
        }
        let expected: HashSet<u32> = (0..before).filter(|&number| stays(number)).collect();
        let mut seen = HashSet::new();
        let (mut cursor, mut next, mut calls) = (0, 0u32, 0u32);
        loop {
            cursor = store.scan(cursor, 1, &mut |item| {
                seen.insert(u32::from_le_bytes(item.key().try_into().unwrap()));
            });
            assert!(cursor < 1 << 48);
            calls += 1;
            if cursor == 0 {
                break;
            }
            // Between two calls the store changes a lot: it grows, then shrinks.
            for _ in 0..20 {
                next += 1;
                if next < during {
                    put(&mut store, 0, &(1 << 31 | next).to_le_bytes(), b"", &Meta::default());
                }
                if next < before && !stays(next) {
                    remove(&mut store, &next.to_le_bytes());
                }
                if next > during && next < 2 * during {
                    remove(&mut store, &(1 << 31 | (next - during)).to_le_bytes());
                }
            }
        }
        assert!(calls > 64);
        assert!(expected.is_subset(&seen), "{before} {during}: an item was left out");
    }
}

#[test]
fn any_cursor_may_be_passed() {
    let mut store = store(16 << 20);
    for number in 0..10_000u32 {
        put(&mut store, 0, &number.to_le_bytes(), b"", &Meta::default());
    }
    for cursor in [1, 12_345, u64::MAX, 1 << 47, 0xdead_beef_dead_beef] {
        let mut left = 100_000;
        let mut cursor = cursor;
        while cursor != 0 && left > 0 {
            cursor = store.scan(cursor, 1, &mut |_| {});
            left -= 1;
        }
        assert!(left > 0);
    }
}

#[test]
fn a_pinned_value_stays_whatever_happens_to_its_item() {
    for length in [10, 1000, 100_000] {
        let mut store = store(4 << 20);
        let hasher = store.hasher().clone();
        let key = Key::new(&hasher, 0, b"pinned");
        let value = vec![7; length];
        put(&mut store, 0, b"pinned", &value, &Meta::default());
        let (one, two) = (store.pin(&key, 1).unwrap(), store.pin(&key, 1).unwrap());
        put(&mut store, 0, b"pinned", &vec![8; length], &Meta::default());
        assert_eq!(store.get(&key, 1).unwrap().value(), vec![8; length]);
        let three = store.pin(&key, 1).unwrap();
        store.value_mut(&key, 1).unwrap().fill(9);
        assert_eq!(three[..], vec![8; length]);
        let four = store.pin(&key, 1).unwrap();
        assert!(store.remove(&key, 1));
        for number in 0..20_000u32 {
            put(&mut store, 0, &number.to_le_bytes(), &[1; 300], &Meta::default());
        }
        store.set_budget(1 << 20).unwrap();
        while !store.settle(10, 1) {}
        assert_eq!((&one[..], &two[..]), (&value[..], &value[..]));
        assert_eq!((&three[..], &four[..]), (&vec![8; length][..], &vec![9; length][..]));
        store.clear();
        drop(one);
        drop(three);
        drop(store);
        assert_eq!((&two[..], &four[..]), (&value[..], &vec![9; length][..]));
    }
}

#[test]
fn an_adopted_value_is_its_block_and_can_be_changed_like_any_other() {
    let mut store = store(4 << 20);
    let hasher = store.hasher().clone();
    let key = Key::new(&hasher, 0, b"key");
    let block = |value: &[u8]| {
        let mut draft = Draft::new(value.len() + 8).unwrap();
        for part in [&b"<key>"[..], value, b"end"] {
            assert_eq!(draft.fill(part), Some(part.len()));
        }
        draft.lend()
    };
    let meta = Meta { client_flags: 5, ..Meta::default() };
    let first = block(&[1; 100_000]);
    store.adopt(&key, &first, 1, 5..100_005, &meta, 1).unwrap();
    let held = store.ledger().large;
    assert_eq!(held, first.charged_bytes());
    let lent = store.get(&key, 1).unwrap().lend().unwrap();
    assert_eq!(lent.as_ptr(), first[5..].as_ptr(), "nothing was copied");
    // Lent as it is, it is not written: a change has memory of its own.
    store.value_mut(&key, 1).unwrap()[0] = 2;
    assert_eq!((lent[0], store.get(&key, 1).unwrap().value()[0]), (1, 2));
    assert_eq!(store.lent_bytes(), first.charged_bytes());
    drop((lent, first));
    assert_eq!(store.lent_bytes(), 0);

    let second = block(&[3; 100_000]);
    store.adopt(&key, &second, 1, 5..100_005, &Meta::default(), 1).unwrap();
    drop(second);
    let before = store.get(&key, 1).unwrap().value().as_ptr();
    store.value_mut(&key, 1).unwrap()[99_999] = 4;
    assert_eq!(store.get(&key, 1).unwrap().value().as_ptr(), before, "nobody else reads it");
    assert_eq!(store.append(&key, &[5; 50_000], 1), Ok(Some(150_000)));
    assert_eq!(store.prepend(&key, &[6; 5], 1), Ok(Some(150_005)));
    let expected = [&[6; 5][..], &[3; 99_999], &[4], &[5; 50_000]].concat();
    let item = store.get(&key, 1).unwrap();
    assert!(item.value() == expected && item.key() == b"key");
    assert!(store.set_expiry(&key, 50, Change::Keep, 1).unwrap());
    assert!(store.get(&key, 1).unwrap().value() == expected);

    // Small ones are copied; one over the budget is refused and the old value stays.
    let small = Key::new(&hasher, 0, b"k");
    let third = block(&[7; 10]);
    store.adopt(&small, &third, 1, 5..15, &meta, 1).unwrap();
    assert_eq!(store.get(&small, 1).unwrap().value(), [7; 10]);
    let huge = block(&vec![8; 5 << 20]);
    let refused = store.adopt(&key, &huge, 1, 5..5 + (5 << 20), &meta, 1);
    assert_eq!(refused, Err(Refused::ValueTooLarge));
    assert!(store.get(&key, 1).unwrap().value() == expected);
    store.clear();
    assert_eq!(store.ledger().large, 0);
}

#[test]
fn memory_of_dropped_pins_is_used_again() {
    let mut store = store(4 << 20);
    let hasher = store.hasher().clone();
    let key = Key::new(&hasher, 0, b"key");
    for _ in 0..10_000 {
        put(&mut store, 0, b"key", &[1; 100_000], &Meta::default());
        let pin = store.pin(&key, 1).unwrap();
        store.remove(&key, 1);
        assert_eq!(pin.len(), 100_000);
    }
    store.settle(1, 1);
    assert_eq!(store.ledger().large, 0);
}

#[test]
fn heap_handles_come_back_once_when_their_items_go() {
    let mut store = store(16 << 20);
    let heap = Meta { kind: Kind::Hash, heap: true, ..Meta::default() };
    let value = |handle: u64| [handle.to_ne_bytes(), 1000u64.to_ne_bytes()].concat();
    for handle in 1..=6u64 {
        put(&mut store, 0, &handle.to_le_bytes(), &value(handle), &heap);
    }
    assert!(store.take_dropped().is_empty());
    assert!(remove(&mut store, &1u64.to_le_bytes()));
    put(&mut store, 0, &2u64.to_le_bytes(), b"string", &Meta::default());
    put(&mut store, 0, &3u64.to_le_bytes(), &value(33), &heap);
    put(&mut store, 0, &4u64.to_le_bytes(), &value(4), &heap);
    put(&mut store, 0, &5u64.to_le_bytes(), &value(5), &Meta { expire_at_ms: 10, ..heap });
    let mut dropped = store.take_dropped();
    dropped.sort_unstable();
    assert_eq!(dropped, [1, 2, 3]);
    while store.sweep(11, 100).pending {}
    assert_eq!(store.take_dropped(), [5]);
    store.clear();
    let mut dropped = store.take_dropped();
    dropped.sort_unstable();
    assert_eq!(dropped, [4, 6, 33]);
}

#[test]
fn versions_change_with_items_and_stay_with_touches() {
    let mut store = store(16 << 20);
    let hasher = store.hasher().clone();
    let key = Key::new(&hasher, 0, b"key");
    put(&mut store, 0, b"key", b"one", &Meta::default());
    let mut last = store.get(&key, 1).unwrap().cas_unique();
    assert_ne!(last, 0);
    let bucket = store.bucket_version(&key);
    store.set_expiry(&key, 1000, Change::Keep, 1).unwrap();
    assert_eq!(store.get(&key, 1).unwrap().cas_unique(), last);
    assert_ne!(store.bucket_version(&key), bucket);
    let mut differs = |store: &mut Store| {
        let unique = store.get(&key, 1).unwrap().cas_unique();
        assert_ne!(unique, last);
        last = unique;
    };
    store.set_expiry(&key, 2000, Change::New, 1).unwrap();
    differs(&mut store);
    store.append(&key, b"x", 1).unwrap();
    differs(&mut store);
    store.put(&key, b"onex", &Meta::default(), 1).unwrap();
    differs(&mut store);
    store.value_mut(&key, 1).unwrap();
    differs(&mut store);
    store.put(&key, b"v", &Meta { cas: Some(77), ..Meta::default() }, 1).unwrap();
    assert_eq!(store.get(&key, 1).unwrap().cas_unique(), 77);
    store.append(&key, b"x", 1).unwrap();
    assert_ne!(store.get(&key, 1).unwrap().cas_unique(), 77);
}

#[test]
fn random_items_are_drawn_evenly() {
    let mut store = store(16 << 20);
    for number in 0..500u32 {
        let expire_at_ms = if number % 5 == 0 { 10 } else { 0 };
        put(&mut store, 0, &number.to_le_bytes(), b"", &Meta { expire_at_ms, ..Meta::default() });
    }
    let mut drawn: HashMap<u32, u32> = HashMap::new();
    for random in 0..40_000u64 {
        let item = store.random(random.wrapping_mul(0xd134_2543_de82_ef95), 20).unwrap();
        *drawn.entry(u32::from_le_bytes(item.key().try_into().unwrap())).or_default() += 1;
    }
    assert_eq!(drawn.len(), 400);
    assert!(drawn.keys().all(|number| number % 5 != 0), "a dead item was drawn");
    assert!(drawn.values().all(|&times| (40..250).contains(&times)), "{drawn:?}");
    store.clear();
    assert!(store.random(1, 20).is_none());
}

#[test]
fn databases_are_apart_and_purged_in_slices() {
    let mut store = store(64 << 20);
    for number in 0..30_000u32 {
        put(&mut store, (number % 3) as u8, &(number / 3).to_le_bytes(), &[number as u8], &Meta::default());
    }
    assert_eq!((store.len_db(0), store.len_db(1), store.len_db(2)), (10_000, 10_000, 10_000));
    let mut slices = 0;
    while !store.purge(|db| db == 1, 500) {
        slices += 1;
    }
    assert!(slices > 20);
    assert_eq!((store.len_db(0), store.len_db(1), store.len_db(2)), (10_000, 0, 10_000));
    assert_eq!(store.len(), 20_000);
}

#[test]
fn what_nothing_may_evict_is_refused_and_counted() {
    let mut store = store(1 << 20);
    store.set_policy("volatile-lru".parse().unwrap());
    let hasher = store.hasher().clone();
    let mut refused = 0;
    for number in 0..20_000u32 {
        let bytes = number.to_le_bytes();
        let done = store.put(&Key::new(&hasher, 0, &bytes), &[0; 100], &Meta::default(), 1);
        refused += u64::from(done == Err(Refused::NoMemory));
    }
    assert!(refused > 10_000);
    assert_eq!(store.counters().refused, refused);
    assert_eq!(store.counters().evicted, 0);
}

#[test]
fn a_million_due_keys_are_reclaimed_by_slices_that_follow_them() {
    let mut store = store(512 << 20);
    for number in 0..1_000_000u32 {
        let meta = Meta { expire_at_ms: 1000 + u64::from(number % 2) * 1_000_000, ..Meta::default() };
        put(&mut store, 0, &number.to_le_bytes(), b"value", &meta);
    }
    // Nothing is due: a round over the pages costs little.
    let report = store.sweep(999, 10_000);
    assert_eq!((report.examined, report.expired, report.pending), (0, 0, false));
    let stats = store.expiry(1500);
    assert_eq!((stats.volatile, stats.late_ms), (1_000_000, 500));
    let (mut expired, mut examined) = (0, 0);
    loop {
        let report = store.sweep(1500, 256);
        assert!(report.examined <= 256);
        expired += report.expired;
        examined += report.examined;
        if !report.pending {
            break;
        }
    }
    assert_eq!(expired, 500_000);
    assert!(examined < 1_100_000, "{examined}");
    let stats = store.expiry(1500);
    assert_eq!((stats.volatile, stats.unreclaimed, stats.late_ms, stats.late_ms_max), (500_000, 0, 0, 500));
    assert_eq!(store.counters().expired, 500_000);
}

fn key<'a>(store: &Store, db: u8, bytes: &'a [u8]) -> Key<'a> {
    Key::new(store.hasher(), db, bytes)
}

/// Values that are staged take their room before they are there, and give it back.
#[test]
fn staged_values_are_stored_all_or_none_in_a_full_store() {
    let options = Options {
        budget_bytes: 2 << 20,
        huge_pages: false,
        policy: Policy::NoEviction,
        ..Options::default()
    };
    let mut store = Store::new(&options).unwrap();
    let meta = Meta::default();
    let value = |number: u32| vec![number as u8; [10, 300, 5000, 40_000][number as usize % 4]];
    let mut twin: HashMap<u32, Vec<u8>> = HashMap::new();
    let (mut stored, mut refused) = (0, 0);
    for round in 0..3000u32 {
        // Some keys are new, some have a value of the same or of another size.
        let pairs: Vec<(u32, Vec<u8>)> =
            (0..1 + round % 7).map(|n| ((round * 31 + n * 17) % 600, value(round + n))).collect();
        let mut staged = Vec::new();
        let mut full = false;
        for (number, value) in &pairs {
            let bytes = number.to_le_bytes();
            let key = key(&store, 0, &bytes);
            match store.stage(&key, value, &meta, 1) {
                Ok(room) => staged.push(room),
                Err(error) => {
                    assert_eq!(error, Refused::NoMemory);
                    full = true;
                    break;
                }
            }
        }
        assert!(store.ledger().total() <= store.ledger().budget + (48 << 10));
        if full {
            refused += 1;
            staged.into_iter().for_each(|room| store.unstage(room));
            let gone = (round * 7) % 600;
            remove(&mut store, &gone.to_le_bytes());
            twin.remove(&gone);
        } else {
            stored += 1;
            // What comes between must not take the room; nor is it found, swept or scanned.
            let other = key(&store, 0, b"between");
            let _ = store.put(&other, &[0; 900], &meta, 1);
            store.remove(&other, 1);
            store.sweep(1, 100);
            for ((number, value), room) in pairs.into_iter().zip(staged) {
                let bytes = number.to_le_bytes();
                let key = key(&store, 0, &bytes);
                store.commit(room, &key, &value, &meta, 1).expect("room was kept for it");
                twin.insert(number, value);
            }
        }
        assert_eq!(store.len(), twin.len() as u64);
    }
    assert!(stored > 100 && refused > 100, "{stored} {refused}");
    for (number, value) in &twin {
        let bytes = number.to_le_bytes();
        let key = key(&store, 0, &bytes);
        assert_eq!(store.peek(&key, 1).unwrap().value(), value);
    }
}

/// A watch tells of every change that a client could see, and of no other.
#[test]
fn a_watched_key_is_touched_by_what_changes_it() {
    let mut store = store(8 << 20);
    let meta = Meta::default();
    let (a, b) = (key(&store, 0, b"a"), key(&store, 0, b"b"));
    let elsewhere = key(&store, 1, b"a");
    let mut change = |what: &str, touches: bool, change: &mut dyn FnMut(&mut Store)| {
        let since = store.watch(&a, 5);
        change(&mut store);
        assert_eq!(store.touched_since(&a, since, 100), touches, "{what}");
        store.unwatch(&a);
        assert_eq!(store.watched(), 0, "{what}");
    };
    change("nothing", false, &mut |_| {});
    change("another key", false, &mut |store| store.put(&b, b"1", &meta, 5).unwrap());
    change("another database", false, &mut |store| store.put(&elsewhere, b"1", &meta, 5).unwrap());
    change("stored", true, &mut |store| store.put(&a, b"1", &meta, 5).unwrap());
    change("read", false, &mut |store| assert!(store.get(&a, 5).is_some()));
    change("stored again", true, &mut |store| store.put(&a, b"1", &meta, 5).unwrap());
    change("in another chunk", true, &mut |store| store.put(&a, &[1; 500], &meta, 5).unwrap());
    change("touched", false, &mut |store| assert!(store.set_expiry(&a, 900, Change::Keep, 5).unwrap()));
    change("expiry", true, &mut |store| assert!(store.set_expiry(&a, 500, Change::New, 5).unwrap()));
    change("died", true, &mut |store| assert!(store.get(&a, 600).is_none()));
    change("came and went", true, &mut |store| {
        store.put(&a, b"1", &meta, 5).unwrap();
        store.remove(&a, 5);
    });
    change("came and expired", true, &mut |store| {
        store.put(&a, b"1", &Meta { expire_at_ms: 50, ..meta }, 5).unwrap();
    });
    for moves in
        [|store: &mut Store| store.swap_watches(0, 2, 5), |store: &mut Store| store.move_watches(0, 2, 5)]
    {
        let since = store.watch(&a, 60);
        store.remove(&a, 60);
        let since = since.max(store.watch(&a, 60));
        store.unwatch(&a);
        moves(&mut store);
        let there = key(&store, 2, b"a");
        assert!(!store.touched_since(&there, since, 60), "the key was in neither");
        store.unwatch(&there);
        assert_eq!(store.watched(), 0);
    }
    store.put(&key(&store, 0, b"a"), b"1", &meta, 5).unwrap();
    let since = store.watch(&a, 5);
    store.swap_watches(0, 2, 5);
    let there = key(&store, 2, b"a");
    assert!(store.touched_since(&there, since, 5), "the key was in one of them");
    store.unwatch(&there);
    assert_eq!(store.watched(), 0);
}

#[test]
fn an_awaited_key_is_told_of_once_wherever_its_database_goes() {
    let mut store = store(8 << 20);
    let meta = Meta::default();
    let (a, b) = (key(&store, 0, b"a"), key(&store, 0, b"b"));
    let moved = key(&store, 1, b"a");
    store.begin_await(&a, 5);
    store.put(&b, b"1", &meta, 5).unwrap();
    assert!(!store.has_arrived());
    store.put(&a, b"1", &meta, 5).unwrap();
    store.remove(&a, 5);
    store.put(&a, b"2", &meta, 5).unwrap();
    let told = |store: &mut Store| {
        store.take_arrived().into_iter().map(|a| (a.db, a.key.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut store), [(0, b"a".to_vec())]);
    assert!(!store.has_arrived() && told(&mut store).is_empty());
    // Touched, and then another database's.
    store.put(&a, b"3", &meta, 5).unwrap();
    store.swap_watches(0, 1, 5);
    assert_eq!(told(&mut store), [(1, b"a".to_vec())]);
    store.end_await(&moved);
    assert_eq!(store.watched(), 0);
    store.put(&moved, b"4", &meta, 5).unwrap();
    assert!(!store.has_arrived());
}
