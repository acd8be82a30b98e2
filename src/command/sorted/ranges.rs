//! Ranges of a sorted set, by place, score or member: listed, counted, stored, removed.

use super::limits::Span;
use super::{Shape, hop, row};
use crate::command::lists::within;
use crate::command::{Call, Command, Fault, Gathered, KeyRef, Keys, Outcome, Write, flag};
use crate::data::sorted::small::push_entry;
use crate::protocol::{Args, Reply};
use crate::shard::collections::sorted::SortedView;
use crate::shard::{Kind, Meta, Payload, Shard, events};
use crate::text::parse_i64;

const LISTED: &str = "O(log(N)+M) for M of N members";
const COUNTED: &str = "O(log(N)) for N members";

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("zrange", -4, flag::READONLY, "1.2.0", "Returns the members of a sorted set in a range of places, scores or members.", LISTED, zrange),
    row("zrevrange", -4, flag::READONLY, "1.2.0", "Returns the members of a sorted set in a range of places, from the highest score.", LISTED, zrevrange),
    row("zrangebyscore", -4, flag::READONLY, "1.0.5", "Returns the members of a sorted set in a range of scores.", LISTED, zrangebyscore),
    row("zrevrangebyscore", -4, flag::READONLY, "2.2.0", "Returns the members of a sorted set in a range of scores, the highest first.", LISTED, zrevrangebyscore),
    row("zrangebylex", -4, flag::READONLY, "2.8.9", "Returns the members of a sorted set between two, where all scores are equal.", LISTED, zrangebylex),
    row("zrevrangebylex", -4, flag::READONLY, "2.8.9", "Returns the members of a sorted set between two, the last first, where all scores are equal.", LISTED, zrevrangebylex),
    row("zcount", 4, flag::READONLY | flag::FAST, "2.0.0", "Counts the members of a sorted set in a range of scores.", COUNTED, zcount),
    row("zlexcount", 4, flag::READONLY | flag::FAST, "2.8.9", "Counts the members of a sorted set between two, where all scores are equal.", COUNTED, zlexcount),
    row("zremrangebyrank", 4, flag::WRITE, "2.0.0", "Removes the members of a sorted set in a range of places.", LISTED, zremrangebyrank),
    row("zremrangebyscore", 4, flag::WRITE, "1.2.0", "Removes the members of a sorted set in a range of scores.", LISTED, zremrangebyscore),
    row("zremrangebylex", 4, flag::WRITE, "2.8.9", "Removes the members of a sorted set between two, where all scores are equal.", LISTED, zremrangebylex),
    hop("zrangestore", -5, flag::WRITE | flag::DENYOOM, Keys::TWO, "6.2.0", "Stores the members of a sorted set in a range of places, scores or members.", LISTED, store_keys, zrangestore),
];

/// What a range goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// What is asked for.
enum Wanted<'a> {
    /// Places, which may count from the end.
    Ranks(i64, i64),
    Span(Span<'a>),
}

/// A range with its options.
struct Query<'a> {
    wanted: Wanted<'a>,
    /// From the last to the first.
    back: bool,
    with_scores: bool,
    /// How many of the range are left out at its beginning; negative: all.
    offset: i64,
    /// How many are wanted then; negative: all.
    limit: i64,
}

impl<'a> Query<'a> {
    /// Reads the ends of a range and the options behind them. `by` and `back` are what the command's name says of them.
    fn parse(args: Args<'a>, by: Option<By>, back: Option<bool>, storing: bool) -> Result<Query<'a>, Fault> {
        let (free_by, free_back) = (by.is_none(), back.is_none());
        let (mut by, mut back) = (by, back);
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut at = 2;
        while let Some(option) = args.get(at) {
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            if !storing && is(b"withscores") {
                with_scores = true;
            } else if is(b"limit") && args.len() - at > 2 {
                offset = parse_i64(&args[at + 1]).ok_or(Fault::NotInteger)?;
                limit = parse_i64(&args[at + 2]).ok_or(Fault::NotInteger)?;
                at += 2;
            } else if free_back && back.is_none() && is(b"rev") {
                back = Some(true);
            } else if free_by && by.is_none() && is(b"bylex") {
                by = Some(By::Member);
            } else if free_by && by.is_none() && is(b"byscore") {
                by = Some(By::Score);
            } else {
                return Err(Fault::Syntax);
            }
            at += 1;
        }
        let (by, back) = (by.unwrap_or(By::Rank), back.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(Fault::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Member {
            return Err(Fault::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (first, last) = args.get(0).zip(args.get(1)).ok_or(Fault::Syntax)?;
        // The greater end comes first where it goes back, save for places.
        let (min, max) = if back { (last, first) } else { (first, last) };
        let wanted = match by {
            By::Rank => {
                let number = |text| parse_i64(text).ok_or(Fault::NotInteger);
                Wanted::Ranks(number(first)?, number(last)?)
            }
            By::Score => Wanted::Span(Span::of_scores(min, max)?),
            By::Member => Wanted::Span(Span::of_members(min, max)?),
        };
        Ok(Query { wanted, back, with_scores, offset, limit })
    }

    /// The lowest place that is in it, and how many are.
    fn within(&self, set: &SortedView<'_>) -> (usize, usize) {
        let span = match &self.wanted {
            Wanted::Ranks(start, stop) => {
                let Some((start, count)) = within(*start, *stop, set.len()) else { return (0, 0) };
                return if self.back { (set.len() - start - count, count) } else { (start, count) };
            }
            Wanted::Span(span) => span,
        };
        let (start, count) = span.within(set);
        let Some(offset) = usize::try_from(self.offset).ok().filter(|offset| *offset < count) else {
            return (0, 0);
        };
        let left = count - offset;
        let taken = usize::try_from(self.limit).map_or(left, |limit| limit.min(left));
        (if self.back { start + left - taken } else { start + offset }, taken)
    }
}

fn list(
    shard: &mut Shard,
    call: &Call<'_>,
    by: Option<By>,
    back: Option<bool>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let query = Query::parse(call.args.from(2), by, back, false)?;
    let Some(set) = shard.read_sorted(&call.key, call.touch)? else {
        reply.array(0);
        return Ok(Outcome::READ);
    };
    let (start, count) = query.within(&set);
    let shape = Shape::new(query.with_scores, reply);
    shape.header(count, reply);
    let first = if query.back { (start + count).saturating_sub(1) } else { start };
    set.range(first, count, query.back, |member, score| shape.entry(member, score, reply));
    Ok(Outcome::READ)
}

fn zrange(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    list(shard, call, None, None, reply)
}

fn zrevrange(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    list(shard, call, Some(By::Rank), Some(true), reply)
}

fn zrangebyscore(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    list(shard, call, Some(By::Score), Some(false), reply)
}

fn zrevrangebyscore(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    list(shard, call, Some(By::Score), Some(true), reply)
}

fn zrangebylex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    list(shard, call, Some(By::Member), Some(false), reply)
}

fn zrevrangebylex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    list(shard, call, Some(By::Member), Some(true), reply)
}

fn count(
    shard: &mut Shard,
    call: &Call<'_>,
    span: &Span<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let set = shard.read_sorted(&call.key, call.touch)?;
    reply.int(set.map_or(0, |set| span.within(&set).1) as i64);
    Ok(Outcome::READ)
}

fn zcount(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    count(shard, call, &Span::of_scores(&call.args[2], &call.args[3])?, reply)
}

fn zlexcount(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    count(shard, call, &Span::of_members(&call.args[2], &call.args[3])?, reply)
}

fn remove(shard: &mut Shard, call: &Call<'_>, by: By, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let (min, max) = (&call.args[2], &call.args[3]);
    let wanted = match by {
        By::Rank => {
            let number = |text| parse_i64(text).ok_or(Fault::NotInteger);
            Wanted::Ranks(number(min)?, number(max)?)
        }
        By::Score => Wanted::Span(Span::of_scores(min, max)?),
        By::Member => Wanted::Span(Span::of_members(min, max)?),
    };
    let query = Query { wanted, back: false, with_scores: false, offset: 0, limit: -1 };
    let set = shard.find_sorted(&call.key, call.touch)?;
    let (start, count) = set.map_or((0, 0), |set| query.within(&set));
    shard.sorted_remove_range(&call.key, start, count)?;
    if count > 0 {
        let event = match by {
            By::Rank => "zremrangebyrank",
            By::Score => "zremrangebyscore",
            By::Member => "zremrangebylex",
        };
        shard.tell(events::ZSET, event, &call.key);
        shard.tell_if_gone(&call.key);
    }
    reply.int(count as i64);
    Ok(Outcome::changed_if(count > 0))
}

fn zremrangebyrank(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    remove(shard, call, By::Rank, reply)
}

fn zremrangebyscore(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    remove(shard, call, By::Score, reply)
}

fn zremrangebylex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    remove(shard, call, By::Member, reply)
}

fn store_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    Query::parse(args.from(3), None, None, true)?;
    keys.push(KeyRef { arg: 1, db, value: false });
    keys.push(KeyRef { arg: 2, db, value: true });
    Ok(())
}

fn zrangestore(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let query = Query::parse(args.from(3), None, None, true)?;
    let (mut run, mut count) = (Vec::new(), 0);
    if let Some(source) = &found[1] {
        let set = source.sorted()?;
        let (start, taken) = query.within(&set);
        set.range(start, taken, false, |member, score| push_entry(&mut run, member, score));
        count = taken;
    }
    Ok(store(run, count, &found[0], "zrangestore", reply))
}

/// Stores entries, which are in order, under the first key, or removes it where there are none.
pub(super) fn store(
    run: Vec<u8>,
    count: usize,
    destination: &Option<Gathered>,
    event: &'static str,
    reply: &mut Reply<'_>,
) -> Vec<Write> {
    let tell = |class, name| Write::Tell { key: 0, class, name };
    reply.int(count as i64);
    if count == 0 {
        let gone = |_: &Gathered| vec![Write::Remove { key: 0 }, tell(events::GENERIC, "del")];
        return destination.as_ref().map_or_else(Vec::new, gone);
    }
    let value = Payload::Scored { run, count };
    let put = Write::Put { key: 0, value, meta: Meta { kind: Kind::SortedSet, ..Meta::default() } };
    vec![put, tell(events::ZSET, event)]
}
