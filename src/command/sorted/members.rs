//! Members of one sorted set and their scores: set, asked for, ranked, removed, listed.

use super::{NAN, row};
use crate::command::collections::{Filter, put};
use crate::command::keys::cursor::Cursor;
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::data::packed::Element;
use crate::protocol::{Args, Reply};
use crate::shard::collections::sorted::SortedView;
use crate::shard::{Shard, events};
use crate::text::{Digits, FloatDigits, format_f64, format_i64, format_u64, glob_matches, parse_f64};

const READ: u32 = flag::READONLY | flag::FAST;
const WRITE: u32 = flag::WRITE | flag::DENYOOM | flag::FAST;
const LOG: &str = "O(log(N)) for N members";

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("zadd", -4, WRITE, "1.2.0", "Gives members of a sorted set their scores and answers how many are new.", "O(log(N)) for each of them in a set of N members", zadd),
    row("zincrby", 4, WRITE, "1.2.0", "Adds to the score of a member of a sorted set; a missing one counts as 0.", LOG, zincrby),
    row("zrem", -3, flag::WRITE | flag::FAST, "1.2.0", "Removes members of a sorted set and answers how many there were.", "O(M*log(N)) for M of N members", zrem),
    row("zcard", 2, READ, "1.2.0", "Counts the members of a sorted set.", "O(1)", zcard),
    row("zscore", 3, READ, "1.2.0", "Returns the score of a member of a sorted set.", "O(1)", zscore),
    row("zmscore", -3, READ, "6.2.0", "Returns the scores of several members of a sorted set.", "O(N) for N members asked for", zmscore),
    row("zrank", -3, READ, "2.0.0", "Tells how many members of a sorted set are before one, from the lowest score.", LOG, zrank),
    row("zrevrank", -3, READ, "2.0.0", "Tells how many members of a sorted set are before one, from the highest score.", LOG, zrevrank),
    row("zscan", -3, flag::READONLY, "2.8.0", "Lists some members of a sorted set and answers a cursor that the next call goes on from.",
        "O(1) a call with a small COUNT; O(N) for all N members", zscan),
];

/// What a member takes besides its bytes, at most: for asking whether there is room.
const MEMBER_BYTES: usize = 48;

/// What `ZADD` was told besides scores and members.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    /// Only new members.
    nx: bool,
    /// Only members that there are.
    xx: bool,
    /// Only higher scores, where there is a member.
    gt: bool,
    /// Only lower ones.
    lt: bool,
    /// Members with other scores are counted too.
    ch: bool,
    /// The score is added.
    incr: bool,
}

impl Options {
    /// The options, and the scores with their members behind them.
    fn parse<'a>(args: Args<'a>) -> Result<(Options, Args<'a>), Fault> {
        let (mut options, mut at) = (Options::default(), 2);
        while let Some(word) = args.get(at) {
            let option = match word {
                [b'n' | b'N', b'x' | b'X'] => &mut options.nx,
                [b'x' | b'X', b'x' | b'X'] => &mut options.xx,
                [b'g' | b'G', b't' | b'T'] => &mut options.gt,
                [b'l' | b'L', b't' | b'T'] => &mut options.lt,
                [b'c' | b'C', b'h' | b'H'] => &mut options.ch,
                word if word.eq_ignore_ascii_case(b"incr") => &mut options.incr,
                _ => break,
            };
            *option = true;
            at += 1;
        }
        let pairs = args.from(at);
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(Fault::Syntax);
        }
        let Options { nx, xx, gt, lt, incr, .. } = options;
        if nx && xx {
            return Err(Fault::text("ERR XX and NX options at the same time are not compatible"));
        }
        if (gt && lt) || (nx && (gt || lt)) {
            return Err(Fault::text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if incr && pairs.len() > 2 {
            return Err(Fault::text("ERR INCR option supports a single increment-element pair"));
        }
        Ok((options, pairs))
    }

    /// What a member that has a score, or none, gets; `None`: it stays as it is.
    #[inline]
    fn decide(&self, old: Option<f64>, given: f64) -> Option<f64> {
        let Some(old) = old else { return (!self.xx).then_some(given) };
        let new = if self.incr { old + given } else { given };
        let stays = self.nx || (self.lt && new >= old) || (self.gt && new <= old);
        (!stays).then_some(new)
    }
}

fn zadd(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let (options, pairs) = Options::parse(call.args)?;
    add(shard, call, options, pairs, reply)
}

fn zincrby(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    add(shard, call, Options { incr: true, ..Options::default() }, call.args.from(2), reply)
}

fn add(
    shard: &mut Shard,
    call: &Call<'_>,
    options: Options,
    pairs: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    // All scores are read before anything is changed; a single one is not read twice.
    let first = parse_f64(&pairs[0]).ok_or(Fault::NotFloat)?;
    for at in (2..pairs.len()).step_by(2) {
        parse_f64(&pairs[at]).ok_or(Fault::NotFloat)?;
    }
    let several = pairs.len() > 2;
    if several {
        shard.find_sorted(&call.key, call.touch)?;
    }
    let (mut new, mut changed, mut result) = (0, 0, None);
    let mut put = |shard: &mut Shard, at: usize, given: f64| -> Result<(), Fault> {
        let mut is_nan = false;
        let touch = call.touch && !several;
        let (old, other) = shard.sorted_set(&call.key, &pairs[at + 1], touch, |old| {
            result = options.decide(old, given);
            is_nan = result.is_some_and(f64::is_nan);
            result.filter(|_| !is_nan)
        })?;
        if is_nan {
            return Err(NAN);
        }
        new += i64::from(other && old.is_none());
        changed += i64::from(other);
        Ok(())
    };
    if pairs.len() == 2 {
        // Whether there is room for a single one is asked where it is known that it needs some.
        put(shard, 0, first)?;
    } else {
        let bytes = pairs.total_bytes() + pairs.len() / 2 * MEMBER_BYTES;
        shard.add_all(&call.key, bytes, |shard| {
            (0..pairs.len()).step_by(2).try_for_each(|at| {
                let given = if at == 0 { first } else { parse_f64(&pairs[at]).ok_or(Fault::NotFloat)? };
                put(shard, at, given)
            })
        })?;
    }
    if changed > 0 {
        shard.tell(events::ZSET, if options.incr { "zincr" } else { "zadd" }, &call.key);
    }
    match result {
        _ if !options.incr => reply.int(if options.ch { changed } else { new }),
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(Outcome::changed_if(changed > 0))
}

fn zrem(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let members = call.args.from(2);
    let several = members.len() > 1;
    if several {
        shard.find_sorted(&call.key, call.touch)?;
    }
    let mut removed = 0;
    for member in members.iter() {
        removed += i64::from(shard.sorted_take(&call.key, member, call.touch && !several)?);
    }
    if removed > 0 {
        shard.tell(events::ZSET, "zrem", &call.key);
        shard.tell_if_gone(&call.key);
    }
    reply.int(removed);
    Ok(Outcome::changed_if(removed > 0))
}

fn zcard(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let set = shard.read_sorted(&call.key, call.touch)?;
    reply.int(set.map_or(0, |set| set.len()) as i64);
    Ok(Outcome::READ)
}

fn put_score(score: Option<f64>, reply: &mut Reply<'_>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

fn zscore(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let set = shard.read_sorted(&call.key, call.touch)?;
    put_score(set.and_then(|set| set.score(&call.args[2])), reply);
    Ok(Outcome::READ)
}

fn zmscore(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let set = shard.read_sorted(&call.key, call.touch)?;
    reply.array(call.args.len() - 2);
    for member in call.args.from(2).iter() {
        put_score(set.and_then(|set| set.score(member)), reply);
    }
    Ok(Outcome::READ)
}

fn zrank(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    rank(shard, call, "zrank", false, reply)
}

fn zrevrank(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    rank(shard, call, "zrevrank", true, reply)
}

fn rank(
    shard: &mut Shard,
    call: &Call<'_>,
    name: &'static str,
    back: bool,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let with_score = match call.args.get(3) {
        _ if call.args.len() > 4 => return Err(Fault::Arity(name)),
        None => false,
        Some(option) if option.eq_ignore_ascii_case(b"withscore") => true,
        Some(_) => return Err(Fault::Syntax),
    };
    let set = shard.read_sorted(&call.key, call.touch)?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(&call.args[2])?;
        Some((if back { set.len() - 1 - rank } else { rank }, score))
    });
    match found {
        None if with_score => reply.null_array(),
        None => reply.null(),
        Some((rank, score)) => {
            if with_score {
                reply.array(2);
            }
            reply.int(rank as i64);
            if with_score {
                reply.double(score);
            }
        }
    }
    Ok(Outcome::READ)
}

/// Whole numbers up to here are written without an exponent where the set is small.
const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;

/// A small set is answered whole, whatever the cursor says; a grown one by parts, with the guarantee of its scan. Scores
/// are strings here in RESP3 too.
fn zscan(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut cursor = Cursor::parse(&call.args[2])?.number();
    let proto = reply.proto();
    let (mut elements, mut found) = (Vec::new(), 0);
    match shard.read_sorted(&call.key, call.touch)? {
        None => cursor = 0,
        Some(set) => {
            let filter = Filter::parse(call.args.from(3), Some(b"noscores"))?;
            let mut composed = Reply::new(&mut elements, proto);
            let mut digits = Digits::default();
            let small = matches!(set, SortedView::Small(_));
            let mut visit = |member: Element<'_>, score: f64| {
                if filter.pattern.is_none_or(|pattern| glob_matches(pattern, member.text(&mut digits))) {
                    put(&mut composed, member);
                    if filter.with_values {
                        put_scanned(score, small, &mut composed);
                    }
                    found += 1 + usize::from(filter.with_values);
                }
            };
            match set {
                SortedView::Small(small) => {
                    small.iter().for_each(|(member, score)| visit(member, score));
                    cursor = 0;
                }
                SortedView::Grown(sorted) => {
                    let (mut seen, mut steps) = (0, 0);
                    while seen < filter.count && steps < filter.count.saturating_mul(10) {
                        cursor = sorted.scan(cursor, &mut |member, score| {
                            seen += 1;
                            visit(member, score);
                        });
                        steps += 1;
                        if cursor == 0 {
                            break;
                        }
                    }
                }
            }
        }
    }
    let mut digits = Digits::default();
    reply.array(2);
    reply.bulk(format_u64(cursor, &mut digits));
    reply.array(found);
    reply.raw(&elements);
    Ok(Outcome::READ)
}

/// A score as `ZSCAN` writes it: that of a small set may be a whole number.
fn put_scanned(score: f64, small: bool, reply: &mut Reply<'_>) {
    if small && score.trunc() == score && score.abs() < WHOLE_MAX {
        reply.bulk(format_i64(score as i64, &mut Digits::default()));
    } else {
        reply.bulk(format_f64(score, &mut FloatDigits::default()));
    }
}
