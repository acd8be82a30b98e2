use super::small::{ScoreBytes, pack_score, push_entry, unpack_score};
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn hasher() -> Hasher {
    Hasher::new([1, 2, 3, 4])
}

/// A member and its score.
type Entry = (Vec<u8>, f64);

/// Members and scores, in order.
fn entries(sorted: &Sorted) -> Vec<Entry> {
    let mut found = Vec::new();
    sorted.walk(0, false, |member, score| {
        found.push((member.text(&mut Digits::default()).to_vec(), score));
        true
    });
    found
}

/// The naive twin: a list that is sorted anew.
fn in_order(twin: &BTreeMap<Vec<u8>, f64>) -> Vec<Entry> {
    let mut all: Vec<Entry> = twin.iter().map(|(member, score)| (member.clone(), *score)).collect();
    all.sort_by(|one, other| one.1.total_cmp(&other.1).then_with(|| one.0.cmp(&other.0)));
    all
}

/// What nodes, links, index and counters say is so.
fn check_whole(sorted: &Sorted) {
    fn below(sorted: &Sorted, number: u32, height: usize, leaves: &mut Vec<u32>) -> (usize, u32, f64) {
        if height == 0 {
            leaves.push(number);
            let bytes = sorted.bytes_of(number);
            let score = if leaf::count(bytes) == 0 { 0.0 } else { leaf::score(bytes, 0) };
            return (leaf::count(bytes), number, score);
        }
        let node = &sorted.nodes[number as usize];
        assert!(node.len() > 0);
        let mut count = 0;
        for at in 0..node.len() {
            let child = node.child(at);
            let found = below(sorted, child.number, height - 1, leaves);
            assert_eq!((child.count as usize, child.first, child.score), found);
            count += found.0;
        }
        (count, node.child(0).first, node.child(0).score)
    }
    let mut leaves = Vec::new();
    assert_eq!(below(sorted, sorted.root, sorted.height, &mut leaves).0, sorted.len());
    assert_eq!((sorted.first, sorted.last), (leaves[0], leaves[leaves.len() - 1]));
    for (at, number) in leaves.iter().enumerate() {
        let leaf = &sorted.leaves[*number as usize];
        assert_eq!(leaf.previous, if at == 0 { NONE } else { leaves[at - 1] });
        assert_eq!(leaf.next, leaves.get(at + 1).copied().unwrap_or(NONE));
        let mut walk = leaf::Walk::new(&leaf.bytes);
        for at in 0..leaf::count(&leaf.bytes) {
            let hash = sorted.hash_of(sorted.member_at(walk.to(at)).text(&mut Digits::default()));
            assert!(sorted.index.leaves_of(hash).any(|leaf| leaf == *number));
            assert_eq!(leaf::tags(&leaf.bytes)[at], tag(hash));
        }
    }
    assert_eq!(leaves.len() + sorted.free_leaves.len(), sorted.leaves.len());
    let bytes: usize = sorted.leaves.iter().map(|leaf| leaf::block(&leaf.bytes)).sum();
    assert_eq!(sorted.leaf_bytes, bytes);
    let copy = sorted.clone();
    let copied: usize = copy.leaves.iter().map(|leaf| leaf::block(&leaf.bytes)).sum();
    assert_eq!((copied, copy.index.counted_anew()), (bytes, sorted.index.counted_anew()));
    assert_eq!(sorted.index.counted_anew(), sorted.index.bytes() - sorted.index.directory());
    let mut indexed = 0;
    let mut cursor = 0;
    loop {
        cursor = sorted.index.scan(cursor, |_, _| indexed += 1);
        if cursor == 0 {
            break;
        }
    }
    assert!(indexed <= sorted.len());
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-200i32..200).prop_map(|number| number.to_string().into_bytes()),
        6 => (0u32..300).prop_map(|number| format!("member-{number}").into_bytes()),
        1 => (0usize..4).prop_map(|number| vec![b'a' + number as u8; 150 + 50 * number]),
        1 => Just(Vec::new()),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3i32..4).prop_map(f64::from),
        4 => (-1000i32..1000).prop_map(|number| f64::from(number) / 8.0),
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, 1e300, -5e-324, 1e17]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, f64),
    /// So many in order from a number on, all with one score or each with its own, up or down.
    Many(u32, u32, bool, bool),
    Remove(Vec<u8>),
    RemoveRange(usize, usize),
    Ask(Vec<u8>, f64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (member(), score()).prop_map(|(member, score)| Step::Put(member, score)),
        2 => (0u32..2000, 1u32..400, any::<bool>(), any::<bool>())
            .prop_map(|(from, count, one, down)| Step::Many(from, count, one, down)),
        10 => member().prop_map(Step::Remove),
        3 => (0usize..3000, prop_oneof![Just(1usize), 1usize..500])
            .prop_map(|(rank, count)| Step::RemoveRange(rank, count)),
        4 => (member(), score(), any::<bool>()).prop_map(|(member, score, behind)| Step::Ask(member, score, behind)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_sorted_set_is_a_sorted_list_of_a_map(steps in prop::collection::vec(step(), 1..200)) {
        let mut sorted = Sorted::new(&hasher());
        let mut twin: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(member, score) => {
                    let old = twin.get(&member).copied();
                    prop_assert_eq!(sorted.put(&member, score), old);
                    twin.insert(member, score);
                }
                Step::Many(from, count, one, down) => {
                    for number in 0..count {
                        let number = if down { from + count - number } else { from + number };
                        let member = format!("many-{number:05}").into_bytes();
                        let score = if one { 7.0 } else { f64::from(number) };
                        prop_assert_eq!(sorted.put(&member, score), twin.insert(member, score));
                    }
                }
                Step::Remove(member) => prop_assert_eq!(sorted.remove(&member), twin.remove(&member)),
                Step::RemoveRange(rank, count) => {
                    let all = in_order(&twin);
                    let rank = rank.min(all.len());
                    let count = count.min(all.len() - rank);
                    sorted.remove_range(rank, count);
                    all[rank..rank + count].iter().for_each(|(member, _)| { twin.remove(member); });
                }
                Step::Ask(member, score, behind) => {
                    let all = in_order(&twin);
                    let before = |so: &dyn Fn(&Entry) -> bool| all.iter().filter(|one| so(one)).count();
                    let edge = Edge::Score { score, behind };
                    let expected = before(&|one| one.1 < score || (behind && one.1 == score));
                    prop_assert_eq!(sorted.count_before(&edge), expected);
                    let edge = Edge::Entry { score, member: &member, behind };
                    let expected = before(&|one| {
                        one.1 < score
                            || (one.1 == score && (one.0 < member || (behind && one.0 == member)))
                    });
                    prop_assert_eq!(sorted.count_before(&edge), expected);
                    prop_assert_eq!(sorted.score(&member), twin.get(&member).copied());
                    let rank = all.iter().position(|one| one.0 == member);
                    prop_assert_eq!(sorted.rank(&member), rank.map(|rank| (rank, all[rank].1)));
                    let rank = before(&|one| one.1 < score);
                    let mut back = Vec::new();
                    sorted.walk(rank, true, |member, score| {
                        back.push((member.text(&mut Digits::default()).to_vec(), score));
                        back.len() < 60
                    });
                    let expected = all.iter().take(rank + 1).rev().take(60).cloned();
                    prop_assert_eq!(back, if rank < all.len() { expected.collect() } else { Vec::new() });
                }
            }
            prop_assert_eq!(sorted.len(), twin.len());
        }
        check_whole(&sorted);
        prop_assert_eq!(entries(&sorted), in_order(&twin));
        while !sorted.shed(7) {}
        prop_assert_eq!((sorted.leaf_bytes, sorted.nodes.len(), sorted.index.shed(1)), (0, 0, 0));
    }

    #[test]
    fn ranges_of_members_are_found_where_all_have_one_score(
        members in prop::collection::btree_set(member(), 0..400), at in member(), behind: bool,
    ) {
        let mut sorted = Sorted::new(&hasher());
        let mut run = Vec::new();
        for member in &members {
            sorted.put(member, 1.5);
            push_entry(&mut run, Element::Bytes(member), 1.5);
        }
        let edge = Edge::Member { member: &at, behind };
        let expected = members.iter().filter(|member| **member < at || (behind && **member == at)).count();
        prop_assert_eq!(sorted.count_before(&edge), expected);
        prop_assert_eq!(Small::of_run(&run, members.len()).before(&edge).0, expected);
    }

    #[test]
    fn a_scan_finds_all_that_stays_while_scores_change(
        churn in prop::collection::vec((0u32..3000, score()), 0..3000), seed: u64,
    ) {
        let mut sorted = Sorted::new(&hasher());
        for number in 0..600u32 {
            sorted.put(format!("stays-{number}").as_bytes(), f64::from(number ^ seed as u32));
        }
        let mut churn = churn.into_iter();
        let (mut cursor, mut seen) = (0, BTreeSet::new());
        loop {
            cursor = sorted.scan(cursor, &mut |member, _| {
                seen.insert(member.text(&mut Digits::default()).to_vec());
            });
            if cursor == 0 {
                break;
            }
            for (number, score) in churn.by_ref().take(30) {
                let other = format!("other-{number}").into_bytes();
                if sorted.put(&other, score).is_some() {
                    sorted.remove(&other);
                }
                sorted.put(format!("stays-{}", number % 600).as_bytes(), score);
            }
        }
        let stayed = (0..600).filter(|number| seen.contains(format!("stays-{number}").as_bytes())).count();
        prop_assert_eq!(stayed, 600);
    }

    #[test]
    fn scores_come_back_from_elements(bits: u64, whole in -3_000_000_000i64..3_000_000_000) {
        for score in [f64::from_bits(bits), whole as f64, whole as f64 * 1e9] {
            prop_assume!(!score.is_nan());
            let mut bytes = ScoreBytes::default();
            let packed = pack_score(score, &mut bytes);
            let mut run = vec![0; packed.len()];
            packed.write(&mut run);
            prop_assert_eq!(unpack_score(read(&run).0), score);
        }
    }
}

#[test]
fn members_that_come_in_order_leave_full_leaves() {
    for down in [false, true] {
        let mut sorted = Sorted::new(&hasher());
        for number in 0..20_000u32 {
            let number = if down { 20_000 - number } else { number };
            sorted.put(format!("member:{number:06}").as_bytes(), f64::from(number));
        }
        check_whole(&sorted);
        assert!(sorted.leaves.len() <= 20_000 / 32 + 2, "{}", sorted.leaves.len());
    }
}

#[test]
fn what_is_left_after_many_removals_takes_few_leaves() {
    let mut sorted = Sorted::new(&hasher());
    for number in 0..20_000u32 {
        sorted.put(format!("member:{number:06}").as_bytes(), f64::from(number % 977));
    }
    for number in 0..20_000u32 {
        if !number.is_multiple_of(100) {
            sorted.remove(format!("member:{number:06}").as_bytes());
        }
    }
    check_whole(&sorted);
    assert_eq!(sorted.len(), 200);
    assert!(sorted.leaves.len() - sorted.free_leaves.len() <= 200 / 8, "{}", sorted.leaves.len());
    while let Some((member, _)) = sorted.at(0) {
        let member = member.text(&mut Digits::default()).to_vec();
        assert!(sorted.remove(&member).is_some());
        check_whole(&sorted);
    }
    assert_eq!((sorted.height, sorted.len()), (0, 0));
}

#[test]
fn a_member_takes_few_bytes_besides_its_own() {
    let mut sorted = Sorted::new(&hasher());
    for number in 0..100_000u64 {
        let number = number * 7919 % 100_003;
        sorted.put(format!("member:{number:06}").as_bytes(), number as f64 * 1.25);
    }
    let each = sorted.bytes() / sorted.len();
    assert!(each <= 44, "{each} bytes for a member of thirteen");
}
