use super::*;
use crate::clock::Now;
use crate::command::one_shard::OneShard;
use crate::data::list::End;
use proptest::prelude::*;
use slabs::{Hasher, Options, Policy, Store};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn shard_with(options: &Options) -> Shard {
    let mut shard = Shard::new(Store::new(options).expect("a valid store"), 16);
    shard.now = Now { unix_ms: 1_577_836_800_000, mono_us: 0 };
    shard
}

/// A shard whose collections grow early, so that every change of form is met often.
pub(super) fn shard() -> Shard {
    let mut shard = shard_with(&Options { huge_pages: false, ..Options::default() });
    shard.limits = Limits {
        hash_entries: 6,
        hash_value_bytes: 20,
        set_ints: 5,
        set_entries: 7,
        set_value_bytes: 20,
        list: Fill { bytes: 60, entries: 9 },
        sorted_entries: 7,
        sorted_value_bytes: 20,
    };
    shard
}

pub(super) fn key(bytes: &[u8]) -> Key<'_> {
    Key::new(&Hasher::new(Options::default().seeds), 0, bytes)
}

/// What the ledger counts is what there is.
pub(super) fn check_ledger(shard: &Shard, keys: &[&[u8]]) {
    let items = keys.iter().filter_map(|bytes| shard.store.peek(&key(bytes), shard.now_ms()));
    let held: usize = items
        .filter(|item| item.is_heap())
        .map(|item| {
            let bytes = shard.heap.get(handle_of(&item)).bytes();
            assert_eq!(structure_bytes(&item), bytes as u64);
            bytes
        })
        .sum();
    let lists = shard.heap.own_bytes() + shard.due.bytes();
    assert_eq!(shard.store.ledger().heap, (held + lists) as u64);
}

pub(super) fn shed_all(shard: &mut Shard) {
    shard.collect_dropped();
    while shard.shed_structures(5) {}
    shard.count_heap();
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>, Vec<u8>, Option<u64>),
    Remove(u8, Vec<u8>),
    Deadline(u8, Vec<u8>, u64),
    Pass(u64),
    Reap,
    Move(u8, u8),
    Drop(u8),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u32..12).prop_map(|number| number.to_string().into_bytes()),
        4 => (0u32..12).prop_map(|number| format!("f{number}").into_bytes()),
        1 => (18usize..23).prop_map(|length| vec![b'x'; length]),
        1 => Just(vec![b'y'; 300]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![3 => Just(0u64), 2 => 1u64..50];
    prop_oneof![
        10 => (0u8..3, text(), text(), proptest::option::of(after.clone()))
            .prop_map(|(k, field, value, deadline)| Step::Put(k, field, value, deadline)),
        5 => (0u8..3, text()).prop_map(|(k, field)| Step::Remove(k, field)),
        3 => (0u8..3, text(), after).prop_map(|(k, field, deadline)| Step::Deadline(k, field, deadline)),
        2 => (0u64..15).prop_map(Step::Pass),
        2 => Just(Step::Reap),
        1 => (0u8..3, 0u8..3).prop_map(|(from, to)| Step::Move(from, to)),
        1 => (0u8..3).prop_map(Step::Drop),
    ]
}

pub(super) const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];

type Twin = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

fn live(twin: &Twin, now: u64) -> Twin {
    let lives = |dies: u64| dies == 0 || dies > now;
    twin.iter().filter(|(_, (_, dies))| lives(*dies)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn contents(shard: &mut Shard, bytes: &[u8]) -> Twin {
    let now = shard.now_ms();
    let mut found = Twin::new();
    let mut digits = Digits::default();
    if let Some(view) = shard.read_collection(&key(bytes), Kind::Hash, true).unwrap() {
        view.each(now, |entry| {
            let value = entry.value.unwrap().text(&mut digits).to_vec();
            found.insert(entry.field.text(&mut digits).to_vec(), (value, entry.deadline_ms));
        });
        assert_eq!(view.live_count(now), found.len());
        assert!(view.len(now) >= found.len());
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn hashes_are_maps_through_every_change_of_form(steps in prop::collection::vec(step(), 1..250)) {
        let mut shard = shard();
        let mut twins = vec![Twin::new(); 3];
        for step in steps {
            let now = shard.now_ms();
            let at = |after: u64| if after == 0 { 0 } else { now + after };
            match step {
                Step::Put(k, field, value, deadline) => {
                    let old = live(&twins[k as usize], now).get(&field).cloned();
                    let deadline = deadline.map(at);
                    let new = shard.hash_put(&key(KEYS[k as usize]), &field, &value, deadline).unwrap();
                    prop_assert_eq!(new, old.is_none());
                    let dies = deadline.unwrap_or(old.map_or(0, |(_, dies)| dies));
                    twins[k as usize].insert(field, (value, dies));
                }
                Step::Remove(k, field) => {
                    let there = live(&twins[k as usize], now).contains_key(&field);
                    prop_assert_eq!(shard.hash_remove(&key(KEYS[k as usize]), &field).unwrap(), there);
                    twins[k as usize].remove(&field);
                }
                Step::Deadline(k, field, after) => {
                    let there = live(&twins[k as usize], now).contains_key(&field);
                    let set = shard.hash_set_deadline(&key(KEYS[k as usize]), &field, at(after)).unwrap();
                    prop_assert_eq!(set, there);
                    if there {
                        twins[k as usize].get_mut(&field).unwrap().1 = at(after);
                    }
                }
                Step::Pass(ms) => shard.now.unix_ms += ms,
                Step::Reap => {
                    while shard.reap_fields() {}
                    for (k, twin) in twins.iter_mut().enumerate() {
                        *twin = live(twin, now);
                        let exists = shard.store.peek(&key(KEYS[k]), now).is_some();
                        prop_assert!(!exists || !twin.is_empty(), "a hash without fields is still there");
                    }
                }
                Step::Move(from, to) => {
                    let item = shard.store.peek(&key(KEYS[from as usize]), now);
                    let Some((payload, meta)) = item.map(|item| Shard::gather(&item, &shard.heap, true)) else {
                        continue;
                    };
                    shard.install(&key(KEYS[to as usize]), payload, &meta).unwrap();
                    twins[to as usize] = twins[from as usize].clone();
                }
                Step::Drop(k) => {
                    shard.store.remove(&key(KEYS[k as usize]), now);
                    twins[k as usize].clear();
                }
            }
            for (k, twin) in twins.iter().enumerate() {
                prop_assert_eq!(contents(&mut shard, KEYS[k]), live(twin, shard.now_ms()));
            }
        }
        shed_all(&mut shard);
        check_ledger(&shard, &KEYS);
    }
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (-6i32..6).prop_map(|number| number.to_string().into_bytes()),
        1 => prop::sample::select(vec![b"70000".to_vec(), b"-5000000000".to_vec(), b"01".to_vec()]),
        2 => (0u32..9).prop_map(|number| format!("m{number}").into_bytes()),
        1 => Just(vec![b'x'; 21]),
    ]
}

#[derive(Clone, Debug)]
enum SetStep {
    Add(Vec<u8>),
    Remove(Vec<u8>),
    Pop,
    /// Written anew as a whole.
    Store,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn sets_are_sets_through_every_change_of_form(steps in prop::collection::vec(prop_oneof![
        10 => member().prop_map(SetStep::Add),
        7 => member().prop_map(SetStep::Remove),
        1 => Just(SetStep::Pop),
        1 => Just(SetStep::Store),
    ], 1..250)) {
        let mut shard = shard();
        let mut twin = BTreeSet::new();
        let at = key(b"s");
        for step in steps {
            match step {
                SetStep::Add(member) => prop_assert_eq!(shard.set_add(&at, &member).unwrap(), twin.insert(member)),
                SetStep::Remove(member) => {
                    prop_assert_eq!(shard.set_remove(&at, &member).unwrap(), twin.remove(&member));
                }
                SetStep::Pop => {
                    let popped = shard.set_pop(&at).unwrap();
                    prop_assert_eq!(popped.is_some(), !twin.is_empty());
                    prop_assert!(popped.is_none_or(|member| twin.remove(&member)));
                }
                SetStep::Store if !twin.is_empty() => {
                    let members = twin.iter().map(|member| {
                        parse_i64(member).map_or(Element::Bytes(member), Element::Int)
                    });
                    let meta = Meta { kind: Kind::Set, ..Meta::default() };
                    shard.install(&at, Payload::of_members(members), &meta).unwrap();
                }
                SetStep::Store => {}
            }
            let mut found = BTreeSet::new();
            let view = shard.read_collection(&at, Kind::Set, true).unwrap();
            prop_assert_eq!(view.is_some(), !twin.is_empty(), "a set without members is gone");
            if let Some(view) = view {
                prop_assert_eq!(view.len(0), twin.len());
                prop_assert!(twin.iter().all(|member| view.has(member)));
                view.each(0, |entry| {
                    found.insert(entry.field.text(&mut Digits::default()).to_vec());
                });
            }
            prop_assert_eq!(&found, &twin);
        }
        shed_all(&mut shard);
        check_ledger(&shard, &[b"s"]);
    }
}

#[test]
fn a_copy_of_a_grown_set_is_made_when_one_of_the_two_changes() {
    let mut shard = shard();
    for number in 0..1000 {
        shard.set_add(&key(b"a"), format!("m{number}").as_bytes()).unwrap();
    }
    let item = shard.store.peek(&key(b"a"), 0).unwrap();
    let (payload, meta) = Shard::gather(&item, &shard.heap, true);
    shard.install(&key(b"b"), payload, &meta).unwrap();
    assert!(shard.set_remove(&key(b"a"), b"m7").unwrap());
    let has = |shard: &mut Shard, name: &[u8]| {
        shard.read_collection(&key(name), Kind::Set, true).unwrap().unwrap().has(b"m7")
    };
    assert!(!has(&mut shard, b"a") && has(&mut shard, b"b"));
    check_ledger(&shard, &[b"a", b"b"]);
    shard.store.remove(&key(b"a"), 0);
    shard.store.remove(&key(b"b"), 0);
    shed_all(&mut shard);
    check_ledger(&shard, &[]);
}

#[test]
fn grown_collections_go_to_another_process_as_bytes() {
    let (mut from, mut to) = (shard(), shard());
    let far = from.now_ms() + 1000;
    for number in 0..500u64 {
        let field = format!("f{number}");
        let deadline_ms = if number % 3 == 0 { far + number } else { 0 };
        let value = vec![b'v'; number as usize];
        from.hash_put(&key(b"a"), field.as_bytes(), &value, Some(deadline_ms)).unwrap();
        from.set_add(&key(b"s"), number.to_string().as_bytes()).unwrap();
    }
    for name in [&b"a"[..], b"s"] {
        let item = from.store.peek(&key(name), from.now_ms()).unwrap();
        let bytes = Shard::written(&item, &from.heap);
        assert!(Shard::is_written(item.kind(), &bytes));
        to.adopt(&key(name), &bytes, &Meta { heap: false, ..item.meta() }).unwrap();
    }
    assert_eq!(contents(&mut to, b"a"), contents(&mut from, b"a"));
    assert_eq!(to.due.first_ms(), Some(far));
    let set = to.read_collection(&key(b"s"), Kind::Set, true).unwrap().unwrap();
    assert!(set.len(0) == 500 && (0..500).all(|number| set.has(number.to_string().as_bytes())));
    check_ledger(&to, &[b"a", b"s"]);
    from.hash_put(&key(b"c"), b"f", b"v", Some(far)).unwrap();
    let small = from.small(&key(b"c")).to_vec();
    assert!(!Shard::is_written(Kind::Hash, &small));
}

#[test]
fn a_collection_that_finds_no_room_stays_whole() {
    for policy in [Policy::NoEviction, Policy::AllKeys] {
        let mut shard =
            shard_with(&Options { budget_bytes: 2 << 20, policy, huge_pages: false, ..Options::default() });
        let mut added = 0;
        while shard.set_add(&key(b"s"), format!("member:{added}").as_bytes()).is_ok() {
            added += 1;
            assert!(added < 200_000, "two megabytes do not hold that");
        }
        assert!(added > 20_000, "{added}");
        let view = shard.read_collection(&key(b"s"), Kind::Set, true).unwrap().unwrap();
        assert_eq!(view.len(0), added);
        let ledger = shard.store.ledger();
        assert!(ledger.total() <= ledger.budget + (64 << 10), "{ledger:?}");
        // What takes something away is done nevertheless.
        assert!(shard.set_remove(&key(b"s"), b"member:1").unwrap());
        shard.store.remove(&key(b"s"), 0);
        shed_all(&mut shard);
        assert!(shard.set_add(&key(b"t"), b"x").unwrap());
    }
}

#[test]
fn evicted_collections_give_their_memory_back() {
    let mut shard = shard_with(&Options { budget_bytes: 4 << 20, huge_pages: false, ..Options::default() });
    for round in 0..400 {
        let name = format!("set{round}");
        for number in 0..1000 {
            shard.set_add(&key(name.as_bytes()), format!("member:{number}").as_bytes()).unwrap();
        }
        shard.collect_dropped();
        shard.shed_structures(4096);
        let ledger = shard.store.ledger();
        assert!(ledger.total() <= ledger.budget + (128 << 10), "{ledger:?}");
    }
    assert!(shard.store.counters().evicted > 100);
    let names: Vec<String> = (0..400).map(|round| format!("set{round}")).collect();
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    shed_all(&mut shard);
    check_ledger(&shard, &names);
}

#[test]
fn a_dropped_set_is_taken_apart_in_slices() {
    let mut shard = shard();
    for number in 0..50_000 {
        shard.set_add(&key(b"s"), format!("member:{number}").as_bytes()).unwrap();
    }
    let before = shard.store.ledger().heap;
    shard.store.remove(&key(b"s"), 0);
    shard.collect_dropped();
    let mut slices = 0;
    let mut last = shard.store.ledger().heap;
    while shard.shed_structures(100) {
        slices += 1;
        let now = shard.store.ledger().heap;
        assert!(now < last && last - now < 40_000, "a slice frees a little");
        last = now;
    }
    assert!(slices > 30 && shard.store.ledger().heap < before / 100, "{slices}");
}

#[test]
fn fields_die_though_nobody_asks() {
    let mut shard = shard();
    let now = shard.now_ms();
    for number in 0..1000u64 {
        let field = format!("f{number}");
        shard.hash_put(&key(b"large"), field.as_bytes(), b"v", Some(now + 10 + number % 10)).unwrap();
    }
    shard.hash_put(&key(b"large"), b"stays", b"v", Some(0)).unwrap();
    shard.hash_put(&key(b"small"), b"goes", b"v", Some(now + 5)).unwrap();
    let mut turn = Now { unix_ms: now + 30, mono_us: 0 };
    for _ in 0..100 {
        turn.unix_ms += 1;
        shard.tick(turn);
    }
    assert!(shard.store.peek(&key(b"small"), turn.unix_ms).is_none());
    let view = shard.read_collection(&key(b"large"), Kind::Hash, true).unwrap().unwrap();
    assert_eq!(view.len(turn.unix_ms), 1);
    assert!(shard.due.is_empty());
}

#[test]
fn keys_that_have_gone_are_forgotten_by_the_list_of_what_is_due() {
    let mut shard = shard();
    let far = shard.now_ms() + 1_000_000;
    for number in 0..2000 {
        let name = format!("h{number}");
        shard.hash_put(&key(name.as_bytes()), b"f", b"v", Some(far)).unwrap();
        if number >= 100 {
            shard.store.remove(&key(name.as_bytes()), 0);
        }
    }
    assert!(shard.due.len() < 300, "{}", shard.due.len());
}

// -- lists

#[derive(Clone, Debug)]
enum ListStep {
    Push(u8, bool, Vec<Vec<u8>>),
    Trim(u8, usize, usize),
    Set(u8, usize, Vec<u8>),
    Insert(u8, usize, Vec<u8>),
    Remove(u8, Vec<u8>, usize, bool),
    Move(u8, u8),
    Written(u8),
    Drop(u8),
}

fn list_step() -> impl Strategy<Value = ListStep> {
    let key = || 0u8..3;
    prop_oneof![
        8 => (key(), any::<bool>(), prop::collection::vec(text(), 1..5))
            .prop_map(|(k, front, texts)| ListStep::Push(k, front, texts)),
        5 => (key(), 0usize..4, 0usize..4).prop_map(|(k, front, back)| ListStep::Trim(k, front, back)),
        3 => (key(), any::<usize>(), text()).prop_map(|(k, at, text)| ListStep::Set(k, at, text)),
        3 => (key(), any::<usize>(), text()).prop_map(|(k, at, text)| ListStep::Insert(k, at, text)),
        3 => (key(), text(), 1usize..4, any::<bool>())
            .prop_map(|(k, text, most, front)| ListStep::Remove(k, text, most, front)),
        1 => (key(), key()).prop_map(|(from, to)| ListStep::Move(from, to)),
        1 => key().prop_map(ListStep::Written),
        1 => key().prop_map(ListStep::Drop),
    ]
}

fn elements(shard: &mut Shard, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    if let Some(list) = shard.read_list(&key(bytes), true).unwrap() {
        assert!(list.len() > 0);
        let mut digits = Digits::default();
        list.take(End::Front, usize::MAX, |element| found.push(element.text(&mut digits).to_vec()));
        assert_eq!(found.len(), list.len());
        assert_eq!(list.at_end(End::Back).unwrap().text(&mut digits), found.last().unwrap());
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn lists_are_sequences_through_every_change_of_form(steps in prop::collection::vec(list_step(), 1..200)) {
        let mut shard = shard();
        let mut twins = vec![Vec::<Vec<u8>>::new(); 3];
        let end = |front: bool| if front { End::Front } else { End::Back };
        for step in steps {
            match step {
                ListStep::Push(k, front, texts) => {
                    let twin = &mut twins[k as usize];
                    for text in &texts {
                        twin.insert(if front { 0 } else { twin.len() }, text.clone());
                    }
                    let len = twin.len();
                    let texts = texts.iter().map(Vec::as_slice);
                    prop_assert_eq!(shard.list_push(&key(KEYS[k as usize]), end(front), texts).unwrap(), len);
                }
                ListStep::Trim(k, front, back) => {
                    shard.list_drop(&key(KEYS[k as usize]), front, back).unwrap();
                    let twin = &mut twins[k as usize];
                    let front = front.min(twin.len());
                    let stop = (twin.len() - back.min(twin.len())).max(front);
                    *twin = twin[front..stop].to_vec();
                }
                ListStep::Set(k, at, text) if !twins[k as usize].is_empty() => {
                    let at = at % twins[k as usize].len();
                    shard.list_set(&key(KEYS[k as usize]), at, &text).unwrap();
                    twins[k as usize][at] = text;
                }
                ListStep::Insert(k, at, text) if !twins[k as usize].is_empty() => {
                    let at = at % (twins[k as usize].len() + 1);
                    shard.list_insert(&key(KEYS[k as usize]), at, &text).unwrap();
                    twins[k as usize].insert(at, text);
                }
                ListStep::Set(..) | ListStep::Insert(..) => {}
                ListStep::Remove(k, text, most, front) => {
                    let twin = &mut twins[k as usize];
                    let mut places: Vec<usize> = (0..twin.len()).filter(|at| twin[*at] == text).collect();
                    if !front {
                        places.reverse();
                    }
                    places.truncate(most);
                    let removed = shard.list_remove(&key(KEYS[k as usize]), &text, most, end(front)).unwrap();
                    prop_assert_eq!(removed, places.len());
                    places.sort_unstable();
                    places.into_iter().rev().for_each(|at| drop(twin.remove(at)));
                }
                ListStep::Move(from, to) => {
                    let (from_key, to_key) = (key(KEYS[from as usize]), key(KEYS[to as usize]));
                    let item = shard.store.peek(&from_key, shard.now_ms());
                    if let Some((payload, meta)) = item.map(|item| Shard::gather(&item, &shard.heap, true)) {
                        shard.install(&to_key, payload, &meta).unwrap();
                        twins[to as usize] = twins[from as usize].clone();
                    }
                }
                ListStep::Written(k) => {
                    let at = key(KEYS[k as usize]);
                    let item = shard.store.peek(&at, shard.now_ms()).filter(|item| item.is_heap());
                    let Some(item) = item else { continue };
                    let (bytes, meta) = (Shard::written(&item, &shard.heap), item.meta());
                    prop_assert!(Shard::is_written(Kind::List, &bytes));
                    shard.adopt(&at, &bytes, &Meta { heap: false, ..meta }).unwrap();
                }
                ListStep::Drop(k) => {
                    let now = shard.now_ms();
                    shard.store.remove(&key(KEYS[k as usize]), now);
                    twins[k as usize].clear();
                }
            }
            for (bytes, twin) in KEYS.iter().zip(&twins) {
                prop_assert_eq!(&elements(&mut shard, bytes), twin);
            }
            shed_all(&mut shard);
            check_ledger(&shard, &KEYS);
        }
    }
}

#[test]
fn what_a_long_list_loses_at_once_is_freed_in_slices() {
    let mut shard = shard();
    let texts: Vec<Vec<u8>> = (0..20_000).map(|number| format!("element:{number:05}").into_bytes()).collect();
    shard.list_push(&key(b"a"), End::Back, texts.iter().map(Vec::as_slice)).unwrap();
    let full = shard.store.ledger().heap;
    shard.list_drop(&key(b"a"), 10_000, 9_990).unwrap();
    assert!(shard.heap.is_leaving());
    assert!(shard.store.ledger().heap + 50_000 > full);
    assert_eq!(elements(&mut shard, b"a"), texts[10_000..10_010]);
    assert!(shard.shed_structures(100));
    shed_all(&mut shard);
    check_ledger(&shard, &[b"a"]);
    assert!(shard.store.ledger().heap < 10_000);
}

/// However a large collection goes, that takes nothing apart but a few blocks: slices do, later.
#[test]
fn large_collections_go_in_slices_whichever_way() {
    let ways: &[&[&str]] = &[
        &["unlink k"],
        &["set k x"],
        &["sunionstore k small"],
        &["zunionstore k 1 small"],
        &["pexpireat k 1"],
        // Another takes its place; and one that is not made, only named anew, while much waits already.
        &["rename large k"],
        &["del k", "rename large l"],
    ];
    for fill in ["hset k {} {}", "rpush k element:{} value:{}", "sadd k a{} b{}", "zadd k {} member:{}"] {
        for way in ways {
            let mut one = OneShard::new();
            one.shard.limits.list = Fill { bytes: 60, entries: 9 };
            let add = |one: &mut OneShard, words: &str, count: u32| {
                for number in 0..count {
                    one.run(&words.replace("{}", &number.to_string()));
                }
            };
            add(&mut one, "sadd small a{}", 3);
            add(&mut one, fill, 60_000);
            let bytes = one.shard.store.ledger().heap;
            add(&mut one, "sadd large other:{}", 100_000);
            let full = one.shard.store.ledger().heap;
            for command in *way {
                one.run(command);
                one.shard.collect_dropped();
            }
            assert!(one.shard.heap.is_leaving(), "{fill}, {way:?}");
            let left = one.shard.store.ledger().heap;
            let went = full.saturating_sub(left);
            assert!(went <= bytes * 9 / 10, "{fill}, {way:?}: {went} of {bytes} bytes");
            let mut slices = 0;
            while one.shard.shed_structures(256) {
                slices += 1;
            }
            assert!(slices > 1, "{fill}, {way:?}");
            one.run("unlink large l k");
            one.shard.collect_dropped();
            while one.shard.shed_slice() {}
            one.shard.count_heap();
            assert_eq!(
                one.shard.store.ledger().heap,
                one.shard.heap.own_bytes() as u64 + one.shard.due.bytes() as u64
            );
        }
    }
}

/// What somebody reads while it expires or is evicted is the reader's to free, in slices too.
#[test]
fn what_is_read_when_it_goes_is_put_away_in_slices() {
    let mut shard = shard();
    let texts: Vec<Vec<u8>> = (0..20_000).map(|number| format!("element:{number:05}").into_bytes()).collect();
    shard.list_push(&key(b"a"), End::Back, texts.iter().map(Vec::as_slice)).unwrap();
    let full = shard.store.ledger().heap;
    let read = |shard: &Shard| {
        let item = shard.store.peek(&key(b"a"), shard.now_ms()).unwrap();
        Shard::gather(&item, &shard.heap, true).0
    };
    let (one, other) = (read(&shard), read(&shard));
    shard.put_away(one);
    assert!(!shard.heap.is_leaving() && shard.store.ledger().heap == full);
    let now = shard.now_ms();
    shard.store.remove(&key(b"a"), now);
    shard.collect_dropped();
    assert!(!shard.heap.is_leaving() && shard.store.ledger().heap < 10_000);
    shard.put_away(other);
    assert!(shard.heap.is_leaving() && shard.store.ledger().heap + 10_000 > full);
    assert!(shard.shed_structures(100));
    shed_all(&mut shard);
    check_ledger(&shard, &[]);
}
