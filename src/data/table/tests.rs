use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

fn hasher() -> Hasher {
    Hasher::new([1, 2, 3, 4])
}

/// What the table counts is what it has.
fn check_bytes(table: &Table) {
    let buckets: usize = table.buckets.iter().map(|bucket| block_bytes(bucket.len())).sum();
    assert_eq!(table.bucket_bytes, buckets);
    let entries: usize = table.buckets.iter().map(|bucket| bucket::count(bucket)).sum();
    assert_eq!(table.len, entries);
    assert!(table.buckets.iter().all(|bucket| bucket::count(bucket) <= table.longest));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, Vec<u8>, Option<u64>),
    Remove(Vec<u8>),
    Deadline(Vec<u8>, u64),
    Pass(u64),
    Reap(usize),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u32..300).prop_map(|number| number.to_string().into_bytes()),
        6 => (0u32..300).prop_map(|number| format!("field-{number}").into_bytes()),
        1 => (0usize..4).prop_map(|number| vec![b'a' + number as u8; 150 + 50 * number]),
        1 => Just(Vec::new()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (text(), text(), prop_oneof![Just(None), Just(Some(0)), (1u64..100).prop_map(Some)])
            .prop_map(|(field, value, deadline)| Step::Insert(field, value, deadline)),
        4 => text().prop_map(Step::Remove),
        2 => (text(), 0u64..100).prop_map(|(field, deadline)| Step::Deadline(field, deadline)),
        1 => (0u64..20).prop_map(Step::Pass),
        1 => (1usize..40).prop_map(Step::Reap),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_table_is_a_map_whose_entries_may_die(steps in prop::collection::vec(step(), 1..1500)) {
        let mut table = Table::new(&hasher(), true);
        let mut twin: BTreeMap<Vec<u8>, (Vec<u8>, u64)> = BTreeMap::new();
        let mut now = 1000;
        let at = |now: u64, after: u64| if after == 0 { 0 } else { now + after };
        for step in steps {
            match step {
                Step::Insert(field, value, deadline) => {
                    let old = twin.get(&field).filter(|(_, dies)| is_live(*dies, now)).cloned();
                    let deadline = deadline.map(|after| at(now, after));
                    prop_assert_eq!(table.insert(&field, &value, deadline, now), old.is_none());
                    twin.insert(field, (value, deadline.unwrap_or(old.map_or(0, |(_, dies)| dies))));
                }
                Step::Remove(field) => {
                    let old = twin.remove(&field);
                    prop_assert_eq!(table.remove(&field, now), old.is_some_and(|(_, dies)| is_live(dies, now)));
                }
                Step::Deadline(field, after) => {
                    let live = twin.get_mut(&field).filter(|(_, dies)| is_live(*dies, now));
                    prop_assert_eq!(table.set_deadline(&field, at(now, after), now), live.is_some());
                    if let Some(entry) = live {
                        entry.1 = at(now, after);
                    }
                }
                Step::Pass(ms) => now += ms,
                Step::Reap(buckets) => {
                    let (_, done) = table.reap(now, buckets);
                    if done && table.due_ms() > now {
                        twin.retain(|_, (_, dies)| is_live(*dies, now));
                        prop_assert_eq!(table.len(), twin.len());
                    }
                }
            }
            let earliest = twin.values().map(|(_, dies)| *dies).filter(|dies| *dies > now).min();
            prop_assert!(earliest.is_none_or(|earliest| table.due_ms() != 0 && table.due_ms() <= earliest));
        }
        check_bytes(&table);
        let mut digits = Digits::default();
        let mut seen = BTreeMap::new();
        for entry in table.live(now) {
            let value = entry.value.unwrap().text(&mut digits).to_vec();
            seen.insert(entry.field.text(&mut digits).to_vec(), (value, entry.deadline_ms));
        }
        twin.retain(|_, (_, dies)| is_live(*dies, now));
        prop_assert_eq!(table.live_count(now), twin.len());
        for (field, (value, dies)) in &twin {
            let entry = table.get(field).unwrap();
            prop_assert_eq!(entry.value.unwrap().text(&mut digits), &value[..]);
            prop_assert_eq!(entry.deadline_ms, *dies);
        }
        prop_assert_eq!(seen, twin);
        let copy = table.clone();
        prop_assert_eq!(copy.iter().count(), table.len());
        while !table.shed(7) {}
        prop_assert_eq!((table.bucket_bytes, table.buckets.len()), (0, 0));
    }
}

fn set(range: std::ops::Range<u32>) -> Table {
    let mut table = Table::new(&hasher(), false);
    for number in range {
        assert!(table.insert(format!("m{number}").as_bytes(), b"", Some(0), 0));
    }
    table
}

/// Walks from cursor to cursor and changes the table in between.
fn walk(table: &mut Table, mut change: impl FnMut(&mut Table, usize)) -> BTreeSet<Vec<u8>> {
    let (mut cursor, mut calls, mut seen) = (0, 0, BTreeSet::new());
    loop {
        cursor = table.scan(cursor, &mut |entry| {
            seen.insert(entry.field.text(&mut Digits::default()).to_vec());
        });
        calls += 1;
        assert!(calls < 100_000, "a walk ends");
        if cursor == 0 {
            return seen;
        }
        change(table, calls);
    }
}

#[test]
fn a_scan_finds_what_stays_while_the_table_grows_and_shrinks() {
    let stays = set(0..3000).members();
    let mut table = set(0..3000);
    let seen = walk(&mut table, |table, call| {
        for number in 0..100 {
            table.insert(format!("more{call}-{number}").as_bytes(), b"", Some(0), 0);
        }
        if call > 60 {
            *table = set(0..3000);
        }
    });
    assert!(stays.iter().all(|member| seen.contains(member)));

    let mut table = set(0..20_000);
    let stays: Vec<Vec<u8>> = (0..500).map(|number| format!("m{number}").into_bytes()).collect();
    let mut next = 500;
    let seen = walk(&mut table, |table, _| {
        for number in next..(next + 60).min(20_000) {
            table.remove(format!("m{number}").as_bytes(), 0);
        }
        next += 60;
    });
    assert!(stays.iter().all(|member| seen.contains(member)));
    check_bytes(&table);
}

#[test]
fn any_cursor_is_taken() {
    let table = set(0..1000);
    for cursor in [1, 7, u64::from(u32::MAX), u64::MAX, 1 << 40] {
        let next = table.scan(cursor, &mut |_| {});
        assert!(next <= u64::from(u32::MAX));
    }
}

#[test]
fn every_member_is_drawn_as_often() {
    let table = set(0..300);
    let mut state = 7u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 33)
    };
    let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
    for _ in 0..300_000 {
        let spot = table.pick(&mut draw, 0).unwrap();
        *counts.entry(table.at(spot).field.text(&mut Digits::default()).to_vec()).or_default() += 1;
    }
    assert_eq!(counts.len(), 300);
    // A thousand times each, give or take five standard deviations.
    assert!(counts.values().all(|count| (840..1160).contains(count)), "{counts:?}");
}

#[test]
fn a_million_members_take_little_and_no_step_is_long() {
    let mut table = Table::new(&hasher(), false);
    for number in 0..200_000u32 {
        table.insert(format!("member:{number:06}").as_bytes(), b"", Some(0), 0);
    }
    check_bytes(&table);
    let per_member = table.bytes() as f64 / 200_000.0;
    // Thirteen bytes each; Redis 7 takes 56 and more.
    assert!(per_member < 24.0, "{per_member}");
    for number in 0..200_000u32 {
        assert!(table.remove(format!("member:{number:06}").as_bytes(), 0));
    }
    check_bytes(&table);
    assert!(table.is_empty() && table.bytes() < 1000, "{}", table.bytes());
}

#[test]
fn only_what_lives_is_drawn() {
    let mut table = set(0..500);
    for number in 0..499 {
        table.set_deadline(format!("m{number}").as_bytes(), 10, 0);
    }
    let mut draws = 0u64;
    let mut draw = || {
        draws = draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (draws ^ (draws >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(17)
    };
    assert_eq!(table.at(table.pick(&mut draw, 10).unwrap()).field, Element::Bytes(b"m499"));
    table.remove(b"m499", 10);
    assert!(table.pick(&mut draw, 10).is_none());
    for _ in 0..1000 {
        table.reap(10, 3);
    }
    assert!(table.is_empty() && table.due_ms() == 0);
}
