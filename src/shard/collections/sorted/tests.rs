use super::super::tests::{KEYS, check_ledger, key, shard, shard_with, shed_all};
use super::*;
use proptest::prelude::*;
use slabs::{Options, Policy};
use std::collections::BTreeMap;

type Twin = BTreeMap<Vec<u8>, f64>;

fn in_order(twin: &Twin) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<(Vec<u8>, f64)> = twin.iter().map(|(member, score)| (member.clone(), *score)).collect();
    all.sort_by(|one, other| one.1.total_cmp(&other.1).then_with(|| one.0.cmp(&other.0)));
    all
}

fn contents(shard: &mut Shard, bytes: &[u8]) -> Vec<(Vec<u8>, f64)> {
    let mut found = Vec::new();
    if let Some(set) = shard.read_sorted(&key(bytes), true).unwrap() {
        assert!(set.len() > 0, "a set without members is still there");
        set.range(0, usize::MAX, false, |member, score| {
            found.push((member.text(&mut Digits::default()).to_vec(), score));
        });
        assert_eq!(set.len(), found.len());
        for (rank, (member, score)) in found.iter().enumerate() {
            assert_eq!((set.rank(member), set.score(member)), (Some((rank, *score)), Some(*score)));
        }
    }
    found
}

fn put(shard: &mut Shard, name: &[u8], member: &[u8], score: f64) -> (Option<f64>, bool) {
    shard.sorted_change(&key(name), member, |_| Some(score)).unwrap()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-6i32..12).prop_map(|number| number.to_string().into_bytes()),
        4 => (0u32..12).prop_map(|number| format!("m{number}").into_bytes()),
        1 => (18usize..23).prop_map(|length| vec![b'x'; length]),
        1 => Just(vec![b'y'; 300]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3i32..4).prop_map(f64::from),
        2 => (-100i32..100).prop_map(|number| f64::from(number) / 8.0),
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e17]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>, f64),
    /// Only if it is new.
    Leave(u8, Vec<u8>, f64),
    Remove(u8, Vec<u8>),
    RemoveRange(u8, usize, usize),
    /// Written anew as a whole.
    Store(u8),
    Move(u8, u8),
    Written(u8),
    Drop(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0u8..3;
    prop_oneof![
        14 => (key(), text(), score()).prop_map(|(k, member, score)| Step::Put(k, member, score)),
        2 => (key(), text(), score()).prop_map(|(k, member, score)| Step::Leave(k, member, score)),
        6 => (key(), text()).prop_map(|(k, member)| Step::Remove(k, member)),
        3 => (key(), 0usize..20, 1usize..4).prop_map(|(k, rank, count)| Step::RemoveRange(k, rank, count)),
        1 => key().prop_map(Step::Store),
        1 => (key(), key()).prop_map(|(from, to)| Step::Move(from, to)),
        1 => key().prop_map(Step::Written),
        1 => key().prop_map(Step::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn sorted_sets_are_sorted_through_every_change_of_form(steps in prop::collection::vec(step(), 1..200)) {
        let mut shard = shard();
        let mut twins = vec![Twin::new(); 3];
        for step in steps {
            match step {
                Step::Put(k, member, score) => {
                    let old = twins[k as usize].insert(member.clone(), score);
                    let expected = (old, old != Some(score));
                    prop_assert_eq!(put(&mut shard, KEYS[k as usize], &member, score), expected);
                }
                Step::Leave(k, member, score) => {
                    let twin = &mut twins[k as usize];
                    let old = twin.get(&member).copied();
                    let at = key(KEYS[k as usize]);
                    let changed = shard.sorted_change(&at, &member, |old| old.is_none().then_some(score)).unwrap();
                    prop_assert_eq!(changed, (old, old.is_none()));
                    twin.entry(member).or_insert(score);
                }
                Step::Remove(k, member) => {
                    let there = twins[k as usize].remove(&member).is_some();
                    prop_assert_eq!(shard.sorted_remove(&key(KEYS[k as usize]), &member).unwrap(), there);
                }
                Step::RemoveRange(k, rank, count) => {
                    let all = in_order(&twins[k as usize]);
                    let rank = rank.min(all.len());
                    let count = count.min(all.len() - rank);
                    shard.sorted_remove_range(&key(KEYS[k as usize]), rank, count).unwrap();
                    for (member, _) in &all[rank..rank + count] {
                        twins[k as usize].remove(member);
                    }
                }
                Step::Store(k) if !twins[k as usize].is_empty() => {
                    let (mut run, all) = (Vec::new(), in_order(&twins[k as usize]));
                    for (member, score) in &all {
                        push_entry(&mut run, Element::Bytes(member), *score);
                    }
                    let meta = Meta { kind: Kind::SortedSet, ..Meta::default() };
                    let value = Payload::Scored { run, count: all.len() };
                    shard.install(&key(KEYS[k as usize]), value, &meta).unwrap();
                }
                Step::Store(_) => {}
                Step::Move(from, to) => {
                    let item = shard.store.peek(&key(KEYS[from as usize]), shard.now_ms());
                    if let Some((payload, meta)) = item.map(|item| Shard::gather(&item, &shard.heap, true)) {
                        shard.install(&key(KEYS[to as usize]), payload, &meta).unwrap();
                        twins[to as usize] = twins[from as usize].clone();
                    }
                }
                Step::Written(k) => {
                    let at = key(KEYS[k as usize]);
                    let item = shard.store.peek(&at, shard.now_ms()).filter(|item| item.is_heap());
                    let Some(item) = item else { continue };
                    let (bytes, meta) = (Shard::written(&item, &shard.heap), item.meta());
                    prop_assert!(Shard::is_written(Kind::SortedSet, &bytes));
                    shard.adopt(&at, &bytes, &Meta { heap: false, ..meta }).unwrap();
                }
                Step::Drop(k) => {
                    let now = shard.now_ms();
                    shard.store.remove(&key(KEYS[k as usize]), now);
                    twins[k as usize].clear();
                }
            }
            for (bytes, twin) in KEYS.iter().zip(&twins) {
                prop_assert_eq!(contents(&mut shard, bytes), in_order(twin));
            }
            shed_all(&mut shard);
            check_ledger(&shard, &KEYS);
        }
    }
}

fn filled(shard: &mut Shard, name: &[u8], members: u32) {
    for number in 0..members {
        let scattered = u64::from(number) * 7919 % u64::from(members);
        put(shard, name, format!("member:{scattered:06}").as_bytes(), scattered as f64);
    }
}

#[test]
fn what_a_large_range_leaves_is_made_anew_and_the_rest_freed_in_slices() {
    let mut shard = shard();
    filled(&mut shard, b"a", 20_000);
    let full = shard.store.ledger().heap;
    shard.sorted_remove_range(&key(b"a"), 5, 19_990).unwrap();
    assert!(shard.heap.is_leaving() && shard.store.ledger().heap + 50_000 > full);
    let left: Vec<f64> = contents(&mut shard, b"a").iter().map(|one| one.1).collect();
    assert_eq!(left, [0.0, 1.0, 2.0, 3.0, 4.0, 19_995.0, 19_996.0, 19_997.0, 19_998.0, 19_999.0]);
    let (mut last, mut slices) = (shard.store.ledger().heap, 0);
    while shard.shed_structures(50) {
        let now = shard.store.ledger().heap;
        assert!(now < last && last - now < 100_000, "a slice frees a little");
        (last, slices) = (now, slices + 1);
    }
    shed_all(&mut shard);
    check_ledger(&shard, &[b"a"]);
    assert!(slices > 10 && shard.store.ledger().heap < 10_000);
}

#[test]
fn a_copy_is_made_when_one_of_two_changes() {
    let mut shard = shard();
    filled(&mut shard, b"a", 1000);
    let item = shard.store.peek(&key(b"a"), 0).unwrap();
    let (payload, meta) = Shard::gather(&item, &shard.heap, true);
    shard.install(&key(b"b"), payload, &meta).unwrap();
    assert!(shard.sorted_remove(&key(b"a"), b"member:000007").unwrap());
    assert_eq!((contents(&mut shard, b"a").len(), contents(&mut shard, b"b").len()), (999, 1000));
    check_ledger(&shard, &[b"a", b"b"]);
}

#[test]
fn a_sorted_set_that_finds_no_room_stays_whole() {
    for policy in [Policy::NoEviction, Policy::AllKeys] {
        let mut shard =
            shard_with(&Options { budget_bytes: 4 << 20, policy, huge_pages: false, ..Options::default() });
        let mut added = 0;
        while shard.sorted_change(&key(b"z"), format!("member:{added}").as_bytes(), |_| Some(1.0)).is_ok() {
            added += 1;
            assert!(added < 200_000, "four megabytes do not hold that");
        }
        assert!(added > 20_000, "{added}");
        assert_eq!(shard.read_sorted(&key(b"z"), true).unwrap().unwrap().len(), added);
        let ledger = shard.store.ledger();
        assert!(ledger.total() <= ledger.budget + (64 << 10), "{ledger:?}");
        // What takes something away is done nevertheless.
        assert!(shard.sorted_remove(&key(b"z"), b"member:1").unwrap());
        shard.sorted_remove_range(&key(b"z"), 0, 100).unwrap();
        check_ledger(&shard, &[b"z"]);
        shard.store.remove(&key(b"z"), 0);
        shed_all(&mut shard);
        assert!(put(&mut shard, b"y", b"x", 1.0).1);
    }
}
