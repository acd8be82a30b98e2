use super::*;
use crate::text::Digits;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<u8>),
    Keep(usize, usize),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(Vec<u8>, usize, End),
    Copy,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u32..6).prop_map(|number| number.to_string().into_bytes()),
        3 => (0usize..40).prop_map(|length| vec![b'x'; length]),
        1 => (60usize..300).prop_map(|length| vec![b'y'; length]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (end(), text()).prop_map(|(end, text)| Step::Push(end, text)),
        4 => (0usize..3, 0usize..3).prop_map(|(front, back)| Step::Keep(front, back)),
        1 => (0usize..40, 0usize..40).prop_map(|(front, back)| Step::Keep(front, back)),
        3 => (any::<usize>(), text()).prop_map(|(at, text)| Step::Set(at, text)),
        4 => (any::<usize>(), text()).prop_map(|(at, text)| Step::Insert(at, text)),
        2 => (text(), prop_oneof![Just(usize::MAX), 1usize..4], end())
            .prop_map(|(text, most, end)| Step::Remove(text, most, end)),
        1 => Just(Step::Copy),
    ]
}

fn texts<'a>(elements: impl Iterator<Item = Element<'a>>) -> Vec<Vec<u8>> {
    elements.map(|element| element.text(&mut Digits::default()).to_vec()).collect()
}

fn check(list: &List, twin: &[Vec<u8>], fill: Fill) {
    assert_eq!(list.len(), twin.len());
    let mut walked = Vec::new();
    list.walk(0, false, |bytes| {
        walked.push(super::super::packed::read(bytes).0);
        true
    });
    assert_eq!(texts(walked.into_iter()), twin);
    assert_eq!(texts((0..twin.len()).filter_map(|index| list.get(index))), twin);
    assert!(list.get(twin.len()).is_none());
    let middle = twin.len() / 2;
    let mut back = Vec::new();
    list.walk(middle, true, |bytes| {
        back.push(super::super::packed::read(bytes).0);
        true
    });
    let expected: Vec<Vec<u8>> = twin.iter().take(middle + 1).rev().cloned().collect();
    assert_eq!(texts(back.into_iter()), expected);
    assert_eq!(list.buffer_bytes, list.blocks.iter().map(Block::bytes).sum::<usize>());
    for block in &list.blocks {
        assert!(block.count() > 0);
        assert!(block.count() == 1 || fill.allows(block.len(), block.count()), "{block:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_list_is_a_sequence(
        steps in prop::collection::vec(step(), 1..250),
        bytes in 40usize..400,
        entries in prop_oneof![Just(1usize), 2usize..40],
    ) {
        let fill = Fill { bytes, entries };
        let (mut list, mut twin) = (List::default(), Vec::<Vec<u8>>::new());
        for step in steps {
            match step {
                Step::Push(end, text) => {
                    list.push(end, &Packed::new(&text), fill);
                    twin.insert(if end == End::Front { 0 } else { twin.len() }, text);
                }
                Step::Keep(front, back) => {
                    let front = front.min(twin.len());
                    let len = twin.len() - front - back.min(twin.len() - front);
                    let gone = list.keep(front, len, fill).unwrap_or_default();
                    prop_assert_eq!(gone.buffer_bytes, gone.blocks.iter().map(Block::bytes).sum::<usize>());
                    twin = twin[front..front + len].to_vec();
                }
                Step::Set(at, text) if !twin.is_empty() => {
                    let at = at % twin.len();
                    list.set(at, &Packed::new(&text), fill);
                    twin[at] = text;
                }
                Step::Set(..) => {}
                Step::Insert(at, text) => {
                    let at = at % (twin.len() + 1);
                    list.insert(at, &Packed::new(&text), fill);
                    twin.insert(at, text);
                }
                Step::Remove(text, most, from) => {
                    let mut places: Vec<usize> = (0..twin.len()).filter(|at| twin[*at] == text).collect();
                    if from == End::Back {
                        places.reverse();
                    }
                    places.truncate(most);
                    let removed = list.remove(&Packed::new(&text), most, from, fill);
                    prop_assert_eq!(removed, places.len());
                    places.sort_unstable();
                    places.into_iter().rev().for_each(|at| drop(twin.remove(at)));
                }
                Step::Copy => list = list.clone(),
            }
            check(&list, &twin, fill);
        }
        while !list.shed(2) {}
        prop_assert_eq!(list.buffer_bytes, 0);
    }
}

#[test]
fn what_lies_between_the_ends_has_no_room_to_spare() {
    let fill = Fill::of_parameter(-2);
    for end in [End::Front, End::Back] {
        let mut list = List::default();
        for number in 0..100_000u32 {
            list.push(end, &Packed::new(format!("element:{number:08}").as_bytes()), fill);
        }
        let held: usize = list.runs().map(|(run, _)| run.0.len()).sum();
        assert_eq!(held, 100_000 * 18);
        assert!(list.bytes() < held + held / 50, "{} bytes for {held}", list.bytes());
    }
}

#[test]
fn the_parameter_says_bytes_or_elements() {
    for (value, bytes, entries) in [
        (-1, 4096, 65_535),
        (-2, 8192, 65_535),
        (-5, 65_536, 65_535),
        (-6, 65_536, 65_535),
        (i64::from(i32::MIN), 65_536, 65_535),
        (0, 8192, 1),
        (7, 8192, 7),
        (i64::from(i32::MAX), 8192, 65_535),
    ] {
        assert_eq!(Fill::of_parameter(value), Fill { bytes, entries }, "{value}");
    }
}
