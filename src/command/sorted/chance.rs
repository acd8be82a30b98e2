//! Members of a sorted set by chance: `ZRANDMEMBER`.

use super::{Shape, row};
use crate::command::collections::{Draws, put};
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::data::table::below;
use crate::limits::{RANDOM_BYTES_MAX, RANDOM_ELEMENTS_MAX};
use crate::protocol::Reply;
use crate::shard::Shard;
use crate::shard::collections::sorted::SortedView;
use crate::shard::random::Random;
use std::collections::HashSet;

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("zrandmember", -2, flag::READONLY, "6.2.0", "Returns members of a sorted set by chance.", "O(log(N)) for each of them in a set of N members", zrandmember),
];

fn zrandmember(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut random = Random::new(shard.random.draw());
    let Some(count) = call.args.get(2) else {
        match shard.read_sorted(&call.key, call.touch)? {
            Some(set) => {
                let rank = below(random.draw(), set.len());
                set.range(rank, 1, false, |member, _| put(reply, member));
            }
            None => reply.null(),
        }
        return Ok(Outcome::READ);
    };
    let draws = Draws::parse(count)?;
    let with_scores = match (call.args.len(), call.args.get(3)) {
        (3, _) => false,
        (4, Some(option)) if option.eq_ignore_ascii_case(b"withscores") => true,
        _ => return Err(Fault::Syntax),
    };
    if let (true, Draws::Any(count) | Draws::Distinct(count)) = (with_scores, draws)
        && count > i64::MAX as u64 / 2
    {
        return Err(Fault::text("ERR value is out of range"));
    }
    let shape = Shape::new(with_scores, reply);
    match shard.read_sorted(&call.key, call.touch)? {
        Some(set) if !draws.is_zero() => reply_drawn(&set, &mut random, draws, shape, reply)?,
        _ => reply.array(0),
    }
    Ok(Outcome::READ)
}

fn reply_drawn(
    set: &SortedView<'_>,
    random: &mut Random,
    draws: Draws,
    shape: Shape,
    reply: &mut Reply<'_>,
) -> Result<(), Fault> {
    let len = set.len();
    match draws {
        Draws::Any(count) => {
            if count > RANDOM_ELEMENTS_MAX {
                return Err(Fault::text("ERR value is out of range"));
            }
            shape.header(count as usize, reply);
            let start = reply.len();
            // A place in a small set is found by walking to it: once for all.
            let small: Vec<_> = match set {
                SortedView::Small(small) => small.iter().collect(),
                SortedView::Grown(_) => Vec::new(),
            };
            for _ in 0..count {
                let rank = below(random.draw(), len);
                match small.get(rank) {
                    Some((member, score)) => shape.entry(*member, *score, reply),
                    None => set.range(rank, 1, false, |member, score| shape.entry(member, score, reply)),
                }
                if reply.len() - start > RANDOM_BYTES_MAX {
                    return Err(Fault::text("ERR the reply would be too long"));
                }
            }
        }
        Draws::Distinct(count) => {
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(len);
            shape.header(count, reply);
            if count < len / 4 {
                // Few of many: draw until they are different ones.
                let mut seen = HashSet::with_capacity(count);
                while seen.len() < count {
                    let rank = below(random.draw(), len);
                    if seen.insert(rank) {
                        set.range(rank, 1, false, |member, score| shape.entry(member, score, reply));
                    }
                }
            } else {
                // Each member in turn is chosen with the chance that leaves the rest as likely.
                let (mut wanted, mut left) = (count, len);
                set.walk(0, false, |member, score| {
                    if below(random.draw(), left) < wanted {
                        shape.entry(member, score, reply);
                        wanted -= 1;
                    }
                    left -= 1;
                    wanted > 0
                });
            }
        }
    }
    Ok(())
}
