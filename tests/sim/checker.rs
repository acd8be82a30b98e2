//! Is a history linearizable? The search of Wing and Gong with Lowe's memory: operations are put into an order that
//! respects who was over before whom began, one after the other, and a state that was reached with the same operations
//! before is not gone on from again. A model says what an operation may do to a state, given what was answered.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

/// What the operations are about, alone and one after the other.
pub trait Model {
    type State: Clone + Eq + Hash;
    type Op;

    /// The states that an operation with its reply may lead to, the likely ones first; none if it cannot have happened
    /// here.
    fn after(&self, state: &Self::State, op: &Self::Op) -> Vec<Self::State>;

    /// Wherever it happens, the operation leaves the state as it was. Where one can be, it is as well there as later, and
    /// nothing else need be tried.
    fn is_look(&self, op: &Self::Op) -> bool;
}

/// One operation of a history. No two moments of a history are the same.
pub struct Entry<O> {
    pub op: O,
    /// When it was asked for.
    pub begin: u64,
    /// When it was answered. Of one that never was, nobody knows whether it happened: it may have at any time since it began, or never.
    pub end: Option<u64>,
    /// Those that come before it although they overlap: places in the history.
    pub behind: Vec<usize>,
}

/// What was found out.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    /// It is not; the longest beginning of an order that was found.
    Wrong(Vec<usize>),
    /// Too many orders to try.
    Unknown,
}

const WORDS: usize = 6;

/// Which operations are in the order so far.
type Done = [u64; WORDS];

/// As many operations as a history may have.
pub const ENTRIES_MAX: usize = WORDS * 64;

fn has(done: &Done, at: usize) -> bool {
    done[at / 64] & 1 << (at % 64) != 0
}

/// A quick hash (FxHash's step): what is hashed here nobody has chosen to collide.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
}

type Seen<S> = HashSet<(Done, S), std::hash::BuildHasherDefault<Quick>>;

/// One place of the search: how it was come to, and where it may go on.
struct Step<S> {
    state: S,
    done: Done,
    required_left: usize,
    /// Operations that may be next, the best last.
    ways: Vec<usize>,
    /// The one that is being tried, and the states that it may lead to.
    way: usize,
    states: Vec<S>,
}

/// Looks for an order, visiting so many states at most.
pub fn check<M: Model>(model: &M, start: M::State, history: &[Entry<M::Op>], states_max: usize) -> Verdict {
    assert!(history.len() <= ENTRIES_MAX, "{} operations are too many for one history", history.len());
    // Those that were answered first are tried first: that is mostly the order in which things happened.
    let mut order: Vec<usize> = (0..history.len()).collect();
    order.sort_unstable_by_key(|&at| (history[at].end.unwrap_or(u64::MAX), history[at].begin));
    let ways = |done: &Done, state: &M::State| {
        let mut open = order.iter().copied().filter(|&at| !has(done, at)).peekable();
        let first_end = open.peek().and_then(|&at| history[at].end).unwrap_or(u64::MAX);
        let waits = |&before: &usize| history[before].end.is_some() && !has(done, before);
        let may = |&at: &usize| history[at].begin < first_end && !history[at].behind.iter().any(waits);
        let mut ways: Vec<usize> = open.filter(may).collect();
        let looks = |&&at: &&usize| {
            let Entry { op, end, .. } = &history[at];
            end.is_some() && model.is_look(op) && !model.after(state, op).is_empty()
        };
        if let Some(&look) = ways.iter().find(looks) {
            return vec![look];
        }
        ways.reverse();
        ways
    };
    let required_left = history.iter().filter(|entry| entry.end.is_some()).count();
    if required_left == 0 {
        return Verdict::Linearizable;
    }
    let mut seen = Seen::default();
    let mut best: Vec<usize> = Vec::new();
    let mut left = states_max;
    let none = [0; WORDS];
    let first_ways = ways(&none, &start);
    let first =
        Step { state: start, done: none, required_left, ways: first_ways, way: 0, states: Vec::new() };
    let mut steps = vec![first];
    while let Some(step) = steps.last_mut() {
        let Some(state) = step.states.pop() else {
            match step.ways.pop() {
                Some(way) => {
                    step.way = way;
                    step.states = model.after(&step.state, &history[way].op);
                    step.states.reverse();
                }
                None => drop(steps.pop()),
            }
            continue;
        };
        let mut done = step.done;
        done[step.way / 64] |= 1 << (step.way % 64);
        let required_left = step.required_left - usize::from(history[step.way].end.is_some());
        if required_left == 0 {
            return Verdict::Linearizable;
        }
        if !seen.insert((done, state.clone())) {
            continue;
        }
        if left == 0 {
            return Verdict::Unknown;
        }
        left -= 1;
        if steps.len() > best.len() {
            best = steps.iter().map(|step| step.way).collect();
        }
        let ways = ways(&done, &state);
        steps.push(Step { state, done, required_left, ways, way: 0, states: Vec::new() });
    }
    Verdict::Wrong(best)
}

/// A register and a pair of registers: histories that are right, and the same with one thing wrong.
mod tests {
    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Write(usize, u32),
        Read(usize, u32),
        WriteBoth(u32, u32),
        ReadBoth(u32, u32),
    }
    use Op::*;

    struct Registers;

    impl Model for Registers {
        type State = [u32; 2];
        type Op = Op;

        fn after(&self, state: &[u32; 2], op: &Op) -> Vec<[u32; 2]> {
            let mut state = *state;
            let possible = match *op {
                Write(at, value) => {
                    state[at] = value;
                    true
                }
                Read(at, value) => state[at] == value,
                WriteBoth(x, y) => {
                    state = [x, y];
                    true
                }
                ReadBoth(x, y) => state == [x, y],
            };
            if possible { vec![state] } else { Vec::new() }
        }

        fn is_look(&self, op: &Op) -> bool {
            matches!(op, Read(..) | ReadBoth(..))
        }
    }

    fn verdict(history: &[(u64, u64, Op)]) -> Verdict {
        let entries: Vec<Entry<Op>> = history
            .iter()
            .map(|(begin, end, op)| Entry {
                op: op.clone(),
                begin: *begin,
                end: (*end != NEVER).then_some(*end),
                behind: Vec::new(),
            })
            .collect();
        check(&Registers, [0, 0], &entries, 100_000)
    }

    const NEVER: u64 = u64::MAX;

    fn is_right(history: &[(u64, u64, Op)]) {
        assert_eq!(verdict(history), Verdict::Linearizable, "{history:?}");
    }

    fn is_wrong(history: &[(u64, u64, Op)]) {
        assert!(matches!(verdict(history), Verdict::Wrong(_)), "{history:?}");
    }

    #[test]
    fn a_read_returns_the_last_write_or_one_beside_it() {
        is_right(&[]);
        is_right(&[(0, 1, Read(0, 0))]);
        is_right(&[(0, 1, Write(0, 1)), (2, 3, Read(0, 1))]);
        is_wrong(&[(0, 1, Write(0, 1)), (2, 3, Read(0, 0))]);
        is_right(&[(0, 3, Write(0, 1)), (1, 2, Read(0, 0))]);
        is_right(&[(0, 3, Write(0, 1)), (1, 2, Read(0, 1))]);
        is_wrong(&[(0, 1, Write(0, 1)), (2, 3, Write(0, 2)), (4, 5, Read(0, 1))]);
        is_right(&[(0, 3, Write(0, 1)), (1, 2, Write(0, 2)), (4, 5, Read(0, 1))]);
    }

    #[test]
    fn a_new_value_does_not_become_an_old_one_again() {
        let write = (0, 9, Write(0, 1));
        is_right(&[write.clone(), (1, 2, Read(0, 0)), (3, 4, Read(0, 1))]);
        is_wrong(&[write, (1, 2, Read(0, 1)), (3, 4, Read(0, 0))]);
        // Nor do two readers see two writes in different orders.
        let writes = [(0, 9, Write(0, 1)), (1, 8, Write(0, 2))];
        let first = [(2, 3, Read(0, 1)), (4, 5, Read(0, 2))];
        let agreeing = [writes.to_vec(), first.to_vec(), vec![(6, 7, Read(0, 2))]].concat();
        is_right(&agreeing);
        let apart = [writes.to_vec(), first.to_vec(), vec![(6, 7, Read(0, 1))]].concat();
        is_wrong(&apart);
    }

    #[test]
    fn what_was_never_answered_may_have_happened_at_any_time_or_never() {
        let lost = (1, NEVER, Write(0, 1));
        is_right(&[lost.clone(), (2, 3, Read(0, 0)), (4, 5, Read(0, 0))]);
        is_right(&[lost.clone(), (2, 3, Read(0, 0)), (4, 5, Read(0, 1))]);
        is_wrong(&[lost.clone(), (2, 3, Read(0, 1)), (4, 5, Read(0, 0))]);
        is_wrong(&[(0, 1, Read(0, 1)), (2, NEVER, Write(0, 1))]);
        // Once, not twice.
        is_wrong(&[lost, (2, 3, Read(0, 1)), (4, 5, Write(0, 2)), (6, 7, Read(0, 2)), (8, 9, Read(0, 1))]);
    }

    #[test]
    fn several_values_change_at_once() {
        let both = (0, 9, WriteBoth(1, 1));
        is_right(&[both.clone(), (1, 2, Read(0, 0)), (3, 4, Read(1, 1))]);
        is_wrong(&[both.clone(), (1, 2, Read(0, 1)), (3, 4, Read(1, 0))]);
        is_wrong(&[both.clone(), (1, 2, ReadBoth(0, 1))]);
        // Two readers of one value each: whoever comes later sees no less.
        is_wrong(&[both, (1, 2, Read(1, 1)), (3, 4, Read(0, 0))]);
        // Two writers and two readers that cannot both be right.
        is_wrong(&[
            (0, 9, WriteBoth(1, 1)),
            (1, 8, WriteBoth(2, 2)),
            (10, 11, Read(0, 1)),
            (12, 13, Read(1, 2)),
        ]);
    }

    #[test]
    fn those_of_one_client_keep_their_order_where_it_is_said() {
        let history = |behind: Vec<usize>| {
            vec![
                Entry { op: Write(0, 1), begin: 0, end: Some(9), behind: Vec::new() },
                Entry { op: Read(0, 0), begin: 1, end: Some(8), behind },
            ]
        };
        assert_eq!(check(&Registers, [0, 0], &history(Vec::new()), 100), Verdict::Linearizable);
        assert!(matches!(check(&Registers, [0, 0], &history(vec![0]), 100), Verdict::Wrong(_)));
    }

    /// Against trying all orders, over small histories that dice have made.
    #[test]
    fn it_agrees_with_a_search_without_wit() {
        fn any_order(history: &[(u64, u64, Op)], state: [u32; 2], left: &[usize]) -> bool {
            if left.iter().all(|&at| history[at].1 == NEVER) {
                return true;
            }
            left.iter().any(|&at| {
                let first = left.iter().all(|&other| history[other].1 > history[at].0);
                let rest: Vec<usize> = left.iter().copied().filter(|&other| other != at).collect();
                first
                    && Registers
                        .after(&state, &history[at].2)
                        .into_iter()
                        .any(|state| any_order(history, state, &rest))
            })
        }
        let mut dice = crate::driver::Dice(7);
        let mut wrong = 0;
        for _ in 0..3000 {
            let count = 2 + dice.below(4);
            let mut moments: Vec<u64> = (0..2 * count as u64).collect();
            (1..moments.len()).rev().for_each(|at| moments.swap(at, dice.below(at + 1)));
            let mut value = || dice.below(3) as u32;
            let history: Vec<(u64, u64, Op)> = moments
                .chunks(2)
                .map(|pair| {
                    let op = match value() * 3 + value() {
                        0..3 => Write(value() as usize % 2, value()),
                        3..6 => Read(value() as usize % 2, value()),
                        6 | 7 => WriteBoth(value(), value()),
                        _ => ReadBoth(value(), value()),
                    };
                    let end = if value() + value() == 0 { NEVER } else { pair[0].max(pair[1]) };
                    (pair[0].min(pair[1]), end, op)
                })
                .collect();
            let all: Vec<usize> = (0..history.len()).collect();
            let right = any_order(&history, [0, 0], &all);
            assert_eq!(verdict(&history) == Verdict::Linearizable, right, "{history:?}");
            wrong += usize::from(!right);
        }
        assert!((300..2700).contains(&wrong), "{wrong} are wrong");
    }
}
