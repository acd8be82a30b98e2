//! Several sorted sets together, and plain sets among them, whose members all count as 1: what is in any of them, in all,
//! in the first alone. They may lie on several shards, so these commands hop.

use super::ranges::store;
use super::{Shape, hop};
use crate::command::{Command, DecideFn, Fault, Gathered, KeyRef, Keys, Write, flag};
use crate::data::packed::Element;
use crate::data::sorted::small::push_entry;
use crate::protocol::{Args, Reply};
use crate::shard::collections::sorted::SortedView;
use crate::shard::{Kind, View};
use crate::text::{Digits, parse_f64, parse_i64};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

const UNION: &str = "O(N)+O(M*log(M)) for N members of all sets and M of the result";
const INTER: &str = "O(N*K)+O(M*log(M)) for N members of the smallest of K sets and M of the result";

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    read("zunion", "6.2.0", "Returns the members that any of several sorted sets has.", UNION, zunion),
    read("zinter", "6.2.0", "Returns the members that all of several sorted sets have.", INTER, zinter),
    read("zdiff", "6.2.0", "Returns the members of a sorted set that others do not have.", UNION, zdiff),
    read("zintercard", "7.0.0", "Counts the members that all of several sorted sets have.", INTER, zintercard),
    writing("zunionstore", "2.0.0", "Stores the members that any of several sorted sets has.", UNION, zunionstore),
    writing("zinterstore", "2.0.0", "Stores the members that all of several sorted sets have.", INTER, zinterstore),
    writing("zdiffstore", "6.2.0", "Stores the members of a sorted set that others do not have.", UNION, zdiffstore),
];

const fn read(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
    decide: DecideFn,
) -> Command {
    let flags = flag::READONLY | flag::MOVABLEKEYS;
    hop(name, -3, flags, Keys::NONE, since, summary, complexity, read_keys, decide)
}

const fn writing(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
    decide: DecideFn,
) -> Command {
    let flags = flag::WRITE | flag::DENYOOM | flag::MOVABLEKEYS;
    hop(name, -4, flags, Keys::FIRST, since, summary, complexity, write_keys, decide)
}

// -- which keys

/// How many keys follow the number in `args[at]`.
fn count_keys(args: Args<'_>, at: usize) -> Result<usize, Fault> {
    let count = parse_i64(&args[at]).ok_or(Fault::NotInteger)?;
    if count < 1 {
        let name = String::from_utf8_lossy(&args[0]).to_ascii_lowercase();
        let text = format!("ERR at least 1 input key is needed for '{name}' command");
        return Err(Fault::Text(text.into()));
    }
    usize::try_from(count).ok().filter(|count| *count < args.len() - at).ok_or(Fault::Syntax)
}

fn read_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let count = count_keys(args, 1)?;
    keys.extend((2..2 + count).map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

/// The destination is overwritten, whatever it holds.
fn write_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let count = count_keys(args, 2)?;
    keys.push(KeyRef { arg: 1, db, value: false });
    keys.extend((3..3 + count).map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

// -- what is in them

/// A set of either kind.
#[derive(Clone, Copy)]
enum Input<'a> {
    Sorted(SortedView<'a>),
    Plain(View<'a>),
    Nothing,
}

impl<'a> Input<'a> {
    fn of(item: &'a Option<Gathered>) -> Result<Input<'a>, Fault> {
        match item {
            None => Ok(Input::Nothing),
            Some(item) if item.meta.kind == Kind::Set => Ok(Input::Plain(item.view())),
            Some(item) => Ok(Input::Sorted(item.sorted()?)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Input::Sorted(set) => set.len(),
            Input::Plain(set) => set.len(0),
            Input::Nothing => 0,
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Input::Sorted(set) => set.score(member),
            Input::Plain(set) => set.has(member).then_some(1.0),
            Input::Nothing => None,
        }
    }

    /// Visits members while `more` says so.
    fn walk(&self, mut more: impl FnMut(Element<'a>, f64) -> bool) {
        match self {
            Input::Sorted(set) => set.walk(0, false, more),
            Input::Plain(set) => {
                set.all(0, |entry| more(entry.field, 1.0));
            }
            Input::Nothing => {}
        }
    }
}

/// How the scores of one member become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            // Infinities of both signs make nothing.
            Aggregate::Sum => not_nan(one + other),
            Aggregate::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Aggregate::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

/// An infinite score with weight 0, and the like, is 0.
fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Which options a command takes.
#[derive(Clone, Copy)]
struct Allowed {
    weights: bool,
    with_scores: bool,
    limit: bool,
}

const REPLIED: Allowed = Allowed { weights: true, with_scores: true, limit: false };
const STORED: Allowed = Allowed { weights: true, with_scores: false, limit: false };

/// The sets with their weights, and what is to be done with them.
struct Request<'a> {
    inputs: Vec<(Input<'a>, f64)>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Members that are counted at most; 0: all.
    limit: usize,
}

impl<'a> Request<'a> {
    fn parse(
        found: &'a [Option<Gathered>],
        options: Args<'_>,
        allowed: Allowed,
    ) -> Result<Request<'a>, Fault> {
        // The kinds of all keys come before the options.
        let inputs = found.iter().map(|item| Ok((Input::of(item)?, 1.0)));
        let inputs = inputs.collect::<Result<Vec<_>, Fault>>()?;
        let mut request = Request { inputs, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let keys = found.len();
        let mut at = 0;
        while let Some(option) = options.get(at) {
            let left = options.len() - at;
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            if allowed.weights && left > keys && is(b"weights") {
                for (input, weight) in request.inputs.iter_mut().zip(options.from(at + 1).iter()) {
                    input.1 = parse_f64(weight).ok_or(Fault::text("ERR weight value is not a float"))?;
                }
                at += keys;
            } else if allowed.weights && left > 1 && is(b"aggregate") {
                let is = |name: &[u8]| options[at + 1].eq_ignore_ascii_case(name);
                request.aggregate = match () {
                    () if is(b"sum") => Aggregate::Sum,
                    () if is(b"min") => Aggregate::Min,
                    () if is(b"max") => Aggregate::Max,
                    () => return Err(Fault::Syntax),
                };
                at += 1;
            } else if allowed.with_scores && is(b"withscores") {
                request.with_scores = true;
            } else if allowed.limit && left > 1 && is(b"limit") {
                let limit = parse_i64(&options[at + 1]).and_then(|limit| usize::try_from(limit).ok());
                request.limit = limit.ok_or(Fault::text("ERR LIMIT can't be negative"))?;
                at += 1;
            } else {
                return Err(Fault::Syntax);
            }
            at += 1;
        }
        Ok(request)
    }

    /// What any set has.
    fn union(mut self) -> Vec<(Element<'a>, f64)> {
        // Sums depend on the order of their parts: the smallest set comes first, as in Redis.
        self.inputs.sort_by_key(|input| input.0.len());
        let (mut places, mut members) = (HashMap::new(), Vec::new());
        for (input, weight) in &self.inputs {
            input.walk(|member, score| {
                let score = not_nan(score * weight);
                match places.entry(member) {
                    Entry::Vacant(place) => {
                        place.insert(members.len());
                        members.push((member, score));
                    }
                    Entry::Occupied(place) => {
                        let known: &mut (Element<'a>, f64) = &mut members[*place.get()];
                        known.1 = self.aggregate.of(known.1, score);
                    }
                }
                true
            });
        }
        members
    }

    /// What all sets have.
    fn intersection(mut self) -> Vec<(Element<'a>, f64)> {
        self.inputs.sort_by_key(|input| input.0.len());
        let (smallest, others) = self.inputs.split_first().expect("a command has keys");
        let mut members = Vec::new();
        let mut digits = Digits::default();
        smallest.0.walk(|member, score| {
            let text = member.text(&mut digits);
            let mut sum = Some(not_nan(score * smallest.1));
            for (input, weight) in others {
                let other = input.score(text);
                sum = sum.zip(other).map(|(sum, other)| self.aggregate.of(sum, other * weight));
                if sum.is_none() {
                    break;
                }
            }
            members.extend(sum.map(|sum| (member, sum)));
            self.limit == 0 || members.len() < self.limit
        });
        members
    }

    /// What the first set has and no other.
    fn difference(self) -> Vec<(Element<'a>, f64)> {
        let (first, others) = self.inputs.split_first().expect("a command has keys");
        let mut members = Vec::new();
        let mut digits = Digits::default();
        first.0.walk(|member, score| {
            let text = member.text(&mut digits);
            if !others.iter().any(|(input, _)| input.score(text).is_some()) {
                members.push((member, score));
            }
            true
        });
        members
    }
}

/// Puts entries in the order of a sorted set.
fn in_order(mut members: Vec<(Element<'_>, f64)>) -> Vec<(Element<'_>, f64)> {
    members.sort_unstable_by(|(one, one_score), (other, other_score)| {
        let scores = one_score.partial_cmp(other_score).expect("scores are numbers");
        let (mut digits, mut other_digits) = (Digits::default(), Digits::default());
        scores.then_with(|| one.text(&mut digits).cmp(other.text(&mut other_digits)))
    });
    members
}

// -- what is done with it

type Combine = for<'a> fn(Request<'a>) -> Vec<(Element<'a>, f64)>;

fn answer(
    args: Args<'_>,
    found: &[Option<Gathered>],
    allowed: Allowed,
    combine: Combine,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let request = Request::parse(found, args.from(2 + found.len()), allowed)?;
    let shape = Shape::new(request.with_scores, reply);
    let members = in_order(combine(request));
    shape.header(members.len(), reply);
    members.into_iter().for_each(|(member, score)| shape.entry(member, score, reply));
    Ok(Vec::new())
}

fn keep(
    args: Args<'_>,
    found: &[Option<Gathered>],
    allowed: Allowed,
    combine: Combine,
    event: &'static str,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let (destination, sources) = found.split_first().expect("the destination is a key");
    let members = in_order(combine(Request::parse(sources, args.from(3 + sources.len()), allowed)?));
    let mut run = Vec::new();
    members.iter().for_each(|(member, score)| push_entry(&mut run, *member, *score));
    Ok(store(run, members.len(), destination, event, reply))
}

type Decided = Result<Vec<Write>, Fault>;

fn zunion(args: Args<'_>, found: &[Option<Gathered>], _: u64, reply: &mut Reply<'_>) -> Decided {
    answer(args, found, REPLIED, |request| request.union(), reply)
}

fn zinter(args: Args<'_>, found: &[Option<Gathered>], _: u64, reply: &mut Reply<'_>) -> Decided {
    answer(args, found, REPLIED, |request| request.intersection(), reply)
}

fn zdiff(args: Args<'_>, found: &[Option<Gathered>], _: u64, reply: &mut Reply<'_>) -> Decided {
    answer(args, found, Allowed { weights: false, ..REPLIED }, |request| request.difference(), reply)
}

fn zunionstore(args: Args<'_>, found: &[Option<Gathered>], _: u64, reply: &mut Reply<'_>) -> Decided {
    keep(args, found, STORED, |request| request.union(), "zunionstore", reply)
}

fn zinterstore(args: Args<'_>, found: &[Option<Gathered>], _: u64, reply: &mut Reply<'_>) -> Decided {
    keep(args, found, STORED, |request| request.intersection(), "zinterstore", reply)
}

fn zdiffstore(args: Args<'_>, found: &[Option<Gathered>], _: u64, reply: &mut Reply<'_>) -> Decided {
    let allowed = Allowed { weights: false, ..STORED };
    keep(args, found, allowed, |request| request.difference(), "zdiffstore", reply)
}

fn zintercard(args: Args<'_>, found: &[Option<Gathered>], _: u64, reply: &mut Reply<'_>) -> Decided {
    let allowed = Allowed { weights: false, with_scores: false, limit: true };
    let request = Request::parse(found, args.from(2 + found.len()), allowed)?;
    reply.int(request.intersection().len() as i64);
    Ok(Vec::new())
}
