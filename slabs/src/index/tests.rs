//! The index against a map.

use std::collections::{HashMap, HashSet};

use super::Index;
use crate::page::Handle;

/// Hashes that crowd: few tags, and every tenth handle in the same few buckets.
fn hash_of(handle: Handle) -> u64 {
    let mut mixed = u64::from(handle).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) & 0x0000_03ff_ffff_ffff;
    if handle.is_multiple_of(10) { mixed & 0xffff_ff00_0000_0007 } else { mixed }
}

fn check(index: &Index, twin: &HashSet<Handle>, of: Handle) {
    assert_eq!(index.count(), twin.len() as u64);
    for handle in 0..of {
        let found = index.find(hash_of(handle), |other| other == handle);
        assert_eq!(found.map(|found| found.1), twin.contains(&handle).then_some(handle));
    }
    let mut seen: HashMap<Handle, u32> = HashMap::new();
    let mut cursor = 0;
    loop {
        cursor = index.scan(cursor, |handle| *seen.entry(handle).or_default() += 1);
        if cursor == 0 {
            break;
        }
    }
    // Nothing changed meanwhile, so each entry is visited exactly once.
    assert!(seen.values().all(|&times| times == 1));
    assert_eq!(seen.into_keys().collect::<HashSet<_>>(), *twin);
}

#[test]
fn equals_a_set_while_it_grows_and_shrinks() {
    let mut index = Index::new(64 << 20, false).unwrap();
    let mut twin = HashSet::new();
    let mut seed = 3u64;
    // The share of inserts in 16 changes: growth, standstill, shrinkage, growth again.
    for (round, inserts) in [14, 8, 2, 15, 1, 12, 0].into_iter().enumerate() {
        for _ in 0..6000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let handle = (seed >> 40) as Handle % 8000;
            let hash = hash_of(handle);
            let found = index.find(hash, |other| other == handle);
            assert_eq!(found.is_some(), twin.contains(&handle));
            match found {
                None if (seed >> 33) % 16 < inserts => {
                    index.insert(hash, handle);
                    twin.insert(handle);
                    if index.wants_growth() {
                        index.divide(hash_of);
                    }
                }
                Some((slot, _)) if (seed >> 33) % 16 >= inserts => {
                    index.remove(hash, slot);
                    twin.remove(&handle);
                    if index.wants_shrinking() {
                        index.join();
                    }
                }
                _ => {}
            }
        }
        check(&index, &twin, if round % 2 == 0 { 8000 } else { 4000 });
    }
    index.clear();
    check(&index, &HashSet::new(), 100);
}

#[test]
fn memory_follows_the_number_of_entries() {
    let mut index = Index::new(256 << 20, false).unwrap();
    let least = index.bytes();
    let spread = |handle: Handle| u64::from(handle).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20);
    for handle in 0..500_000 {
        index.insert(spread(handle), handle);
        while index.wants_growth() {
            index.divide(spread);
        }
    }
    let per_entry = index.bytes() as f64 / 500_000.0;
    assert!((11.0..13.5).contains(&per_entry), "{per_entry}");
    for handle in 0..500_000 {
        let (slot, _) = index.find(spread(handle), |other| other == handle).unwrap();
        index.remove(spread(handle), slot);
        while index.wants_shrinking() {
            index.join();
        }
    }
    while index.release_unused() {}
    assert!(index.bytes() < least + (256 << 10), "{}", index.bytes());
}

#[test]
fn a_bucket_keeps_the_version_of_its_last_change_through_growth() {
    let mut index = Index::new(64 << 20, false).unwrap();
    for handle in 0..5000 {
        index.insert(hash_of(handle), handle);
        index.stamp(hash_of(handle), handle + 1);
        while index.wants_growth() {
            index.divide(hash_of);
        }
    }
    // A bucket's version is at least that of the changes of each of its entries.
    for handle in 0..5000 {
        assert!(index.version(hash_of(handle)) > handle);
    }
    for handle in 0..4900 {
        let (slot, _) = index.find(hash_of(handle), |other| other == handle).unwrap();
        index.remove(hash_of(handle), slot);
        while index.wants_shrinking() {
            index.join();
        }
    }
    for handle in 4900..5000 {
        assert!(index.version(hash_of(handle)) > handle);
    }
}
