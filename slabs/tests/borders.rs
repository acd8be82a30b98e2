//! Sizes of zero, at the borders of classes and above the limits: a clear result, and nothing changed.

use slabs::{BuildError, Change, Key, Meta, Options, Policy, Refused, Store, VALUE_BYTES_MAX};

fn store(budget_bytes: u64) -> Store {
    Store::new(&Options { budget_bytes, huge_pages: false, ..Options::default() }).unwrap()
}

fn put(store: &mut Store, key: &[u8], value: &[u8]) -> Result<(), Refused> {
    let hasher = store.hasher().clone();
    store.put(&Key::new(&hasher, 0, key), value, &Meta::default(), 0)
}

fn get(store: &mut Store, key: &[u8]) -> Option<Vec<u8>> {
    let hasher = store.hasher().clone();
    store.get(&Key::new(&hasher, 0, key), 0).map(|item| item.value().to_vec())
}

#[test]
fn keys_of_every_length_are_told_apart() {
    let mut store = store(64 << 20);
    let lengths = [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 250, 8191, 65_534, 65_535];
    for length in lengths {
        put(&mut store, &vec![b'k'; length], &length.to_le_bytes()).unwrap();
    }
    for length in lengths {
        assert_eq!(get(&mut store, &vec![b'k'; length]).unwrap(), length.to_le_bytes());
        if length > 0 {
            let mut other = vec![b'k'; length];
            other[length - 1] = b'l';
            assert_eq!(get(&mut store, &other), None);
            other[length - 1] = b'k';
            other[0] = b'l';
            assert_eq!(get(&mut store, &other), None);
        }
    }
    assert_eq!(store.len(), lengths.len() as u64);
}

#[test]
fn a_key_that_is_too_long_is_refused() {
    let mut store = store(64 << 20);
    let key = vec![b'k'; 65_536];
    assert_eq!(put(&mut store, &key, b"v"), Err(Refused::KeyTooLong));
    assert_eq!(get(&mut store, &key), None);
    let hasher = store.hasher().clone();
    let key = Key::new(&hasher, 0, &key);
    assert!(!store.remove(&key, 0));
    assert_eq!(store.append(&key, b"x", 0), Ok(None));
    assert_eq!(store.set_expiry(&key, 1, Change::New, 0), Ok(false));
    // Not taken for a key whose length is the same in 16 bits.
    put(&mut store, b"", b"empty").unwrap();
    assert!(store.get(&key, 0).is_none());
    assert_eq!(store.len(), 1);
}

#[test]
fn values_at_the_borders_of_all_classes_come_back() {
    for budget_bytes in [16 << 20, 128 << 20, 1 << 30] {
        let mut store = store(budget_bytes);
        let borders: Vec<u64> = store.classes().iter().map(|class| class.item_bytes_max).collect();
        for border in borders.into_iter().filter(|&border| (20..=200_000).contains(&border)) {
            for length in border - 16..border + 3 {
                let value: Vec<u8> = (0..length).map(|at| at as u8).collect();
                put(&mut store, b"border", &value).unwrap();
                assert_eq!(get(&mut store, b"border").as_ref(), Some(&value), "{length}");
            }
        }
        let stats = store.classes();
        assert_eq!(stats.iter().map(|class| class.chunks_used).sum::<u64>(), 2, "item and descriptor");
        store.clear();
        assert_eq!(store.classes().iter().map(|class| class.chunks_used).sum::<u64>(), 0);
    }
}

#[test]
fn a_value_of_a_gib_is_kept_and_one_byte_more_is_not() {
    let mut store = store(1300 << 20);
    let hasher = store.hasher().clone();
    let key = Key::new(&hasher, 0, b"huge");
    put(&mut store, b"small", b"value").unwrap();
    let length = VALUE_BYTES_MAX as usize;
    let value = store.reserve(&key, length, &Meta::default(), 0).unwrap();
    value[0] = 1;
    value[length - 1] = 2;
    assert_eq!(store.append(&key, b"x", 0), Err(Refused::ValueTooLarge));
    assert_eq!(store.resize(&key, length + 1, 0).err(), Some(Refused::ValueTooLarge));
    let item = store.get(&key, 0).unwrap();
    assert_eq!((item.value().len(), item.value()[0], item.value()[length - 1]), (length, 1, 2));
    assert!(item.bytes() > VALUE_BYTES_MAX);
    assert!(store.ledger().large > VALUE_BYTES_MAX);
    assert_eq!(get(&mut store, b"small").unwrap(), b"value");
    assert!(store.remove(&key, 0));
    assert_eq!(store.ledger().large, 0);
}

#[test]
fn a_value_above_the_limit_or_the_budget_is_refused() {
    let mut store = Store::new(&Options {
        budget_bytes: 1 << 20,
        item_bytes_max: 1 << 20,
        huge_pages: false,
        ..Options::default()
    })
    .unwrap();
    put(&mut store, b"key", b"old").unwrap();
    assert_eq!(put(&mut store, b"key", &vec![0; (1 << 20) + 1]), Err(Refused::ValueTooLarge));
    assert_eq!(put(&mut store, b"key", &vec![0; 1 << 20]), Err(Refused::ValueTooLarge));
    let hasher = store.hasher().clone();
    let key = Key::new(&hasher, 0, b"key");
    assert_eq!(store.append(&key, &vec![0; 1 << 20], 0), Err(Refused::ValueTooLarge));
    assert_eq!(get(&mut store, b"key").unwrap(), b"old");
    let counters = store.counters();
    assert_eq!((counters.evicted, counters.expired), (0, 0));
}

#[test]
fn budgets_out_of_range_name_the_limit() {
    let build = |budget_bytes| Store::new(&Options { budget_bytes, ..Options::default() }).err();
    let Some(BuildError::BudgetTooSmall { minimum_bytes }) = build(1000) else { panic!() };
    assert!(build(minimum_bytes).is_none());
    assert!(BuildError::BudgetTooSmall { minimum_bytes }.to_string().contains(&minimum_bytes.to_string()));
    let Some(BuildError::BudgetTooLarge { maximum_bytes }) = build(100 << 30) else { panic!() };
    assert_eq!(maximum_bytes, 64 << 30);
    assert!(build(64 << 30).is_none());
    let error = BuildError::BudgetTooLarge { maximum_bytes }.to_string();
    assert!(error.contains(&maximum_bytes.to_string()));
    let options = Options { item_bytes_max: VALUE_BYTES_MAX + 1, ..Options::default() };
    assert_eq!(Store::new(&options).err(), Some(BuildError::ItemLimitTooLarge));
    let mut store = store(64 << 20);
    assert!(matches!(store.set_budget(1), Err(BuildError::BudgetTooSmall { .. })));
    assert!(matches!(store.set_budget(65 << 30), Err(BuildError::BudgetTooLarge { .. })));
    assert_eq!(store.budget_bytes(), 64 << 20);
}

#[test]
fn the_largest_arena_and_the_smallest_both_work() {
    for budget_bytes in [512 << 10, 20 << 30, 40 << 30] {
        let mut store = store(budget_bytes);
        for number in 0..20_000u32 {
            put(&mut store, &number.to_le_bytes(), &vec![number as u8; number as usize % 60]).unwrap();
        }
        let ledger = store.ledger();
        assert!(ledger.total() <= ledger.budget + (16 << 10));
        let newest = 19_999u32;
        assert_eq!(get(&mut store, &newest.to_le_bytes()).unwrap(), vec![newest as u8; newest as usize % 60]);
    }
}

#[test]
fn redis_policies_have_their_names() {
    for (name, policy) in [
        ("noeviction", Policy::NoEviction),
        ("allkeys-lru", Policy::AllKeys),
        ("allkeys-lfu", Policy::AllKeys),
        ("allkeys-random", Policy::AllKeys),
        ("volatile-lru", Policy::VolatileOnly),
        ("volatile-lfu", Policy::VolatileOnly),
        ("volatile-random", Policy::VolatileOnly),
        ("volatile-ttl", Policy::VolatileTtl),
    ] {
        assert_eq!(name.parse(), Ok(policy));
    }
    assert!("lru".parse::<Policy>().is_err());
}
