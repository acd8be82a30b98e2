//! Members from the ends of a sorted set, removed and returned: of one, or of the first of several that has some.

use super::{Shape, hop, row};
use crate::command::collections::{counted_pop, put};
use crate::command::{Call, Command, Fault, Gathered, KeyRef, Keys, Outcome, Write, flag};
use crate::protocol::{Args, Reply};
use crate::shard::collections::sorted::SortedView;
use crate::shard::{Key, Shard, events};
use crate::text::parse_i64;

const POP: &str = "O(log(N)*M) for M of N members";

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("zpopmin", -2, flag::WRITE | flag::FAST, "5.0.0", "Removes the members of a sorted set with the lowest scores and returns them.", POP, zpopmin),
    row("zpopmax", -2, flag::WRITE | flag::FAST, "5.0.0", "Removes the members of a sorted set with the highest scores and returns them.", POP, zpopmax),
    hop("zmpop", -4, flag::WRITE | flag::MOVABLEKEYS, Keys::NONE, "7.0.0", "Removes members of the first of several sorted sets that has some, and returns them.",
        "O(K)+O(log(N)*M) for K keys and M of N members", counted_keys, zmpop),
];

/// Where the popped members of a set lie: the first of them in the order in which they are answered, and the lowest.
pub(super) fn places(set: &SortedView<'_>, count: usize, max: bool) -> (usize, usize) {
    if max { (set.len().saturating_sub(1), set.len() - count) } else { (0, 0) }
}

fn pop(shard: &mut Shard, call: &Call<'_>, max: bool, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if call.args.len() > 3 {
        return Err(Fault::Syntax);
    }
    let count = match call.args.get(2) {
        None => None,
        Some(text) => Some(
            parse_i64(text)
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(Fault::text("ERR value is out of range, must be positive"))?,
        ),
    };
    let popped = shard.sorted_pop(&call.key, max, count.unwrap_or(1), call.touch, |set, taken| {
        // Without a count the one pair lies flat in RESP3 too.
        let shape =
            if count.is_some() { Shape::new(true, reply) } else { Shape { with_scores: true, pairs: false } };
        shape.header(taken, reply);
        let first = if max { set.len() - 1 } else { 0 };
        set.range(first, taken, max, |member, score| shape.entry(member, score, reply));
    })?;
    match popped {
        None => reply.array(0),
        Some(0) => {}
        Some(_) => {
            shard.tell(events::ZSET, if max { "zpopmax" } else { "zpopmin" }, &call.key);
            shard.tell_if_gone(&call.key);
        }
    }
    Ok(Outcome::changed_if(popped.is_some_and(|popped| popped > 0)))
}

fn zpopmin(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    pop(shard, call, false, reply)
}

fn zpopmax(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    pop(shard, call, true, reply)
}

/// How many keys `ZMPOP` has, whether it pops the highest scores, and how many members.
pub(super) fn counted(args: Args<'_>) -> Result<(usize, bool, usize), Fault> {
    counted_pop(args, |end| match end {
        _ if end.eq_ignore_ascii_case(b"max") => Ok(true),
        _ if end.eq_ignore_ascii_case(b"min") => Ok(false),
        _ => Err(Fault::Syntax),
    })
}

fn counted_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let (count, ..) = counted(args)?;
    keys.extend((2..2 + count).map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

fn zmpop(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    pop_counted(args, found, reply)
}

/// `ZMPOP`, from its number of keys on.
pub(super) fn pop_counted(
    args: Args<'_>,
    found: &[Option<Gathered>],
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let (_, max, count) = counted(args)?;
    let Some((key, set)) = first_set(found)? else {
        reply.null_array();
        return Ok(Vec::new());
    };
    let count = count.min(set.len());
    reply.array(2);
    reply.bulk(&args[2 + key]);
    reply.array(count);
    let (first, _) = places(&set, count, max);
    set.range(first, count, max, |member, score| {
        reply.array(2);
        put(reply, member);
        reply.double(score);
    });
    Ok(popped(key, &set, max, count))
}

/// The first key that there is, and its sorted set.
pub(super) fn first_set(found: &[Option<Gathered>]) -> Result<Option<(usize, SortedView<'_>)>, Fault> {
    let first = found.iter().enumerate().find_map(|(key, item)| Some((key, item.as_ref()?)));
    first.map(|(key, item)| Ok((key, item.sorted()?))).transpose()
}

/// Takes so many members off an end of a sorted set, and tells so.
pub(super) fn popped(key: usize, set: &SortedView<'_>, max: bool, count: usize) -> Vec<Write> {
    let (_, lowest) = places(set, count, max);
    let with = [lowest.to_ne_bytes(), count.to_ne_bytes()].concat();
    let name = if max { "zpopmax" } else { "zpopmin" };
    let mut writes = vec![Write::Edit { key, edit: remove, with, removes: true }];
    writes.push(Write::Tell { key, class: events::ZSET, name });
    writes.extend((count == set.len()).then_some(Write::Tell { key, class: events::GENERIC, name: "del" }));
    writes
}

fn remove(shard: &mut Shard, key: &Key<'_>, with: &[u8]) -> Result<(), Fault> {
    let (numbers, _) = with.as_chunks();
    Ok(shard.sorted_remove_range(key, usize::from_ne_bytes(numbers[0]), usize::from_ne_bytes(numbers[1]))?)
}
