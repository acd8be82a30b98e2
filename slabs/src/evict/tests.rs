//! Eviction as the store shows it.

use crate::{EvictionGoal, Key, Meta, Options, Policy, Refused, Store};

const NOW_MS: u64 = 1_700_000_000_000;

fn store(budget_bytes: u64, policy: Policy) -> Store {
    let options = Options {
        budget_bytes,
        reserve_bytes: budget_bytes.max(1 << 30),
        policy,
        huge_pages: false,
        ..Options::default()
    };
    Store::new(&options).unwrap()
}

fn put(store: &mut Store, name: &str, bytes: usize, expire_at_ms: u64) -> Result<(), Refused> {
    let hasher = store.hasher().clone();
    let meta = Meta { expire_at_ms, ..Meta::default() };
    store.put(&Key::new(&hasher, 0, name.as_bytes()), &vec![7; bytes], &meta, NOW_MS)
}

fn get(store: &mut Store, name: &str) -> bool {
    let hasher = store.hasher().clone();
    store.get(&Key::new(&hasher, 0, name.as_bytes()), NOW_MS).is_some()
}

fn remove(store: &mut Store, name: &str) -> bool {
    let hasher = store.hasher().clone();
    store.remove(&Key::new(&hasher, 0, name.as_bytes()), NOW_MS)
}

fn assert_within_budget(store: &Store) {
    let ledger = store.ledger();
    assert!(ledger.total() <= ledger.budget + (16 << 10) + (64 << 10), "{ledger:?}");
}

/// A number that looks random.
fn scatter(number: u64) -> u64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

#[test]
fn what_is_used_outlasts_a_scan() {
    let mut store = store(4 << 20, Policy::AllKeys);
    for number in 0..1000 {
        put(&mut store, &format!("hot{number}"), 200, 0).unwrap();
    }
    for number in 0..200_000u64 {
        assert!(put(&mut store, &format!("scan{number}"), 100 + (scatter(number) % 400) as usize, 0).is_ok());
        get(&mut store, &format!("hot{}", number % 1000));
    }
    let kept = (0..1000).filter(|number| get(&mut store, &format!("hot{number}"))).count();
    assert!(kept > 960, "{kept}");
    assert_within_budget(&store);
}

#[test]
fn memory_goes_to_the_sizes_that_are_used() {
    let mut store = store(2 << 20, Policy::AllKeys);
    for number in 0..100_000u64 {
        put(&mut store, &format!("old{}", scatter(number) % 20_000), 100, 0).unwrap();
    }
    for round in 0..60_000u64 {
        let name = format!("new{}", scatter(round) % 1000);
        if !get(&mut store, &name) {
            put(&mut store, &name, 800, 0).unwrap();
        }
    }
    let kept = (0..1000).filter(|number| get(&mut store, &format!("new{number}"))).count();
    assert!(kept > 900, "{kept}");
    assert!(store.counters().page_moves > 50);
    let given: u64 = store.classes().iter().map(|class| class.pages_given).sum();
    let taken: u64 = store.classes().iter().map(|class| class.pages_taken).sum();
    assert!(given >= taken && taken == store.counters().page_moves);
}

#[test]
fn a_key_that_comes_back_soon_is_known() {
    let mut store = store(1 << 20, Policy::AllKeys);
    for number in 0..40_000u64 {
        let name = format!("key{}", scatter(number) % 6000);
        if !get(&mut store, &name) {
            put(&mut store, &name, 300, 0).unwrap();
        }
    }
    let counters = store.counters();
    assert!(counters.ghost_hits > 1000 && counters.evicted > 10_000, "{counters:?}");
    assert!(store.ledger().ghosts > 0 && store.ledger().order > 0);
    let of_classes: u64 = store.classes().iter().map(|class| class.evicted).sum();
    assert_eq!(of_classes, counters.evicted);
}

#[test]
fn pinned_items_survive_any_pressure() {
    let mut store = store(1 << 20, Policy::AllKeys);
    let hasher = store.hasher().clone();
    let mut pins = Vec::new();
    for number in 0..12 {
        put(&mut store, &format!("pinned{number}"), 100 + number * 250, 0).unwrap();
        let name = format!("pinned{number}");
        pins.push(store.pin(&Key::new(&hasher, 0, name.as_bytes()), NOW_MS).unwrap());
    }
    for number in 0..50_000u64 {
        put(&mut store, &format!("key{number}"), (scatter(number) % 4000) as usize, 0).unwrap();
        assert_within_budget(&store);
    }
    for (number, pin) in pins.iter().enumerate() {
        assert!(get(&mut store, &format!("pinned{number}")));
        assert!(pin.iter().all(|&byte| byte == 7));
    }
    drop(pins);
    for number in 0..50_000u64 {
        put(&mut store, &format!("more{number}"), (scatter(number) % 4000) as usize, 0).unwrap();
    }
    assert_within_budget(&store);
}

#[test]
fn nothing_is_evicted_under_noeviction() {
    let mut store = store(1 << 20, Policy::NoEviction);
    let mut stored = 0;
    while put(&mut store, &format!("key{stored}"), 500, 0).is_ok() {
        stored += 1;
    }
    assert_eq!(put(&mut store, "another", 500, 0), Err(Refused::NoMemory));
    assert!((0..stored).all(|number| get(&mut store, &format!("key{number}"))));
    assert_eq!(store.counters().evicted, 0);
    assert!(!store.evict_one(NOW_MS));
    // A policy that lets items go finds those that came before.
    store.set_policy(Policy::AllKeys);
    for number in 0..1000 {
        put(&mut store, &format!("late{number}"), 500, 0).unwrap();
    }
    assert!(get(&mut store, "late999"));
}

#[test]
fn volatile_policies_spare_what_has_no_expiry_and_find_the_few_that_have() {
    for policy in [Policy::VolatileOnly, Policy::VolatileTtl] {
        let mut store = store(1 << 20, policy);
        let (mut kept, mut briefs) = (0, 0);
        while put(&mut store, &format!("kept{kept}"), 300, 0).is_ok() {
            kept += 1;
            if kept % 50 == 0 {
                briefs +=
                    u64::from(put(&mut store, &format!("brief{kept}"), 300, NOW_MS + 1000 + kept).is_ok());
            }
        }
        let mut brief = 0;
        for number in 0..kept {
            assert!(get(&mut store, &format!("kept{number}")));
            brief += u64::from(get(&mut store, &format!("brief{number}")));
        }
        assert_eq!(brief, 0, "the write was refused while items with an expiry were left");
        assert!(briefs > 20);
        assert_eq!(store.counters().evicted, briefs);
        // Others of another size push them out as well, page by page.
        assert!(remove(&mut store, "kept0"));
        put(&mut store, "brief", 294, NOW_MS + 5000).unwrap();
        assert!(get(&mut store, "brief"));
        put(&mut store, "kept0", 300, 0).unwrap();
        assert!(!get(&mut store, "brief"));
    }
}

#[test]
fn volatile_items_give_their_pages_to_other_sizes() {
    for policy in [Policy::VolatileOnly, Policy::VolatileTtl] {
        let mut store = store(1 << 20, policy);
        for number in 0..1000u64 {
            let expire_at_ms = if number % 2 == 0 { NOW_MS + 100_000 } else { 0 };
            put(&mut store, &format!("key{number}"), 300, expire_at_ms).unwrap();
        }
        for number in 0..200u64 {
            put(&mut store, &format!("other{number}"), 1500, 0).unwrap();
        }
        for number in 0..40u64 {
            put(&mut store, &format!("large{number}"), 8000, NOW_MS + 1000).unwrap();
        }
        assert!((1..1000).step_by(2).all(|number| get(&mut store, &format!("key{number}"))));
        assert!((0..200).all(|number| get(&mut store, &format!("other{number}"))));
        assert!(get(&mut store, "large39"));
        assert_within_budget(&store);
    }
}

#[test]
fn the_first_to_die_goes_first_under_volatile_ttl() {
    let mut store = store(1 << 20, Policy::VolatileTtl);
    for number in 0..20_000u64 {
        put(&mut store, &format!("key{number}"), 300, NOW_MS + 1_000_000 - number * 10).unwrap();
    }
    let early = (0..500).filter(|number| get(&mut store, &format!("key{number}"))).count();
    assert!(early > 400, "{early}");
}

#[test]
fn a_smaller_budget_is_reached_in_steps_queues_and_ghosts_included() {
    let mut store = store(64 << 20, Policy::AllKeys);
    for number in 0..400_000u64 {
        put(&mut store, &format!("key{number}"), (scatter(number) % 500) as usize, 0).unwrap();
    }
    assert!(store.counters().evicted > 0);
    store.set_budget(4 << 20).unwrap();
    let mut steps = 0;
    while !store.settle(1, NOW_MS) {
        steps += 1;
        assert!(steps < 20_000);
    }
    let ledger = store.ledger();
    assert!(ledger.total() <= 4 << 20, "{ledger:?}");
    assert!(ledger.pages > 2 << 20, "{ledger:?}");
    for number in 0..10_000 {
        put(&mut store, &format!("late{number}"), 100, 0).unwrap();
    }
    assert!(get(&mut store, "late9999"));
}

#[test]
fn deletes_without_pressure_leave_no_queues_behind() {
    let mut store = store(2 << 20, Policy::AllKeys);
    for number in 0..20_000u64 {
        put(&mut store, &format!("first{number}"), 200, 0).unwrap();
    }
    let order = store.ledger().order;
    for number in 0..500_000u64 {
        put(&mut store, &format!("key{number}"), 50, 0).unwrap();
        assert!(remove(&mut store, &format!("key{number}")));
    }
    assert!(store.ledger().order < order + (64 << 10), "{order} {:?}", store.ledger());
}

#[test]
fn bytes_as_the_goal_treat_sizes_alike() {
    let run = |goal| {
        let mut store = store(8 << 20, Policy::AllKeys);
        store.set_goal(goal);
        let (mut misses, mut missed_bytes) = (0u64, 0u64);
        for number in 0..300_000u64 {
            // Popularity falls with the object's number and says nothing of its size.
            let object = (scatter(number) % 200) * (scatter(number * 7 + 1) % 200);
            let bytes = 20 + scatter(object * 31) % 1500;
            let name = format!("key{object}");
            if !get(&mut store, &name) {
                misses += 1;
                missed_bytes += bytes;
                put(&mut store, &name, bytes as usize, 0).unwrap();
            }
        }
        (misses, missed_bytes)
    };
    let (hits, bytes) = (run(EvictionGoal::Hits), run(EvictionGoal::Bytes));
    assert!(hits.0 < bytes.0 && hits.1 > bytes.1, "{hits:?} {bytes:?}");
}

#[test]
fn clearing_forgets_the_order() {
    let mut store = store(1 << 20, Policy::AllKeys);
    for _ in 0..3 {
        for number in 0..20_000 {
            put(&mut store, &format!("key{number}"), 100, 0).unwrap();
        }
        store.clear();
        assert_eq!(store.ledger().ghosts, 0);
        assert!(store.ledger().order < 64 << 10);
    }
}

#[test]
fn a_handle_weighs_what_its_structure_takes() {
    let mut store = store(4 << 20, Policy::AllKeys);
    let hasher = store.hasher().clone();
    let meta = Meta { heap: true, ..Meta::default() };
    let mut live = std::collections::HashSet::new();
    for number in 0..20_000u64 {
        put(&mut store, &format!("small{}", number % 3000), 100, 0).unwrap();
        get(&mut store, &format!("small{}", number % 3000));
        if number % 10 == 0 {
            let mut value = number.to_ne_bytes().to_vec();
            value.extend((50_000u64).to_ne_bytes());
            let name = format!("structure{number}");
            store.put(&Key::new(&hasher, 0, name.as_bytes()), &value, &meta, NOW_MS).unwrap();
            store.charge(50_000);
            live.insert(number);
        }
        for handle in store.take_dropped() {
            assert!(live.remove(&handle));
            store.charge(-50_000);
        }
    }
    let kept = (0..3000).filter(|number| get(&mut store, &format!("small{number}"))).count();
    assert!(kept > 2900, "{kept}");
    assert!((20..80).contains(&live.len()), "{}", live.len());
    assert_eq!(store.ledger().heap, live.len() as u64 * 50_000);
}

#[test]
fn structures_that_come_and_go_leave_no_queues_behind() {
    let mut store = store(2 << 20, Policy::AllKeys);
    for number in 0..20_000u64 {
        put(&mut store, &format!("first{number}"), 200, 0).unwrap();
    }
    let order = store.ledger().order;
    let hasher = store.hasher().clone();
    let meta = Meta { heap: true, ..Meta::default() };
    let value: Vec<u8> = [1u64, 5000].iter().flat_map(|word| word.to_ne_bytes()).collect();
    for number in 0..200_000u64 {
        let name = format!("structure{number}");
        store.put(&Key::new(&hasher, 0, name.as_bytes()), &value, &meta, NOW_MS).unwrap();
        assert!(remove(&mut store, &name));
        store.take_dropped();
    }
    assert!(store.ledger().order < order + (64 << 10), "{order} {:?}", store.ledger());
}

#[test]
fn what_is_used_outlasts_a_scan_among_items_with_an_expiry() {
    let mut store = store(4 << 20, Policy::VolatileOnly);
    for number in 0..500 {
        put(&mut store, &format!("spared{number}"), 300, 0).unwrap();
        put(&mut store, &format!("hot{number}"), 200, NOW_MS + 1_000_000).unwrap();
    }
    for number in 0..100_000u64 {
        put(&mut store, &format!("scan{number}"), 100 + (scatter(number) % 400) as usize, NOW_MS + 1000)
            .unwrap();
        get(&mut store, &format!("hot{}", number % 500));
    }
    assert!((0..500).all(|number| get(&mut store, &format!("spared{number}"))));
    let kept = (0..500).filter(|number| get(&mut store, &format!("hot{number}"))).count();
    assert!(kept > 400, "{kept}");
    assert_within_budget(&store);
}
