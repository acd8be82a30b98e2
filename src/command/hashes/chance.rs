//! Fields of a hash by chance: `HRANDFIELD`.

use super::row;
use crate::command::collections::{Draws, draw_one, put, reply_drawn};
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::protocol::Reply;
use crate::shard::random::Random;
use crate::shard::{Kind, Shard};

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("hrandfield", -2, flag::READONLY, "6.2.0", "Returns fields of a hash by chance.", "O(N) for N fields returned", hrandfield),
];

fn hrandfield(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let mut random = Random::new(shard.random.draw());
    let Some(count) = call.args.get(2) else {
        let hash = shard.read_collection(&call.key, Kind::Hash, call.touch)?;
        match hash.and_then(|hash| draw_one(&hash, &mut random, now)) {
            Some(entry) => put(reply, entry.field),
            None => reply.null(),
        }
        return Ok(Outcome::READ);
    };
    let draws = Draws::parse(count)?;
    let with_values = match (call.args.len(), call.args.get(3)) {
        (3, _) => false,
        (4, Some(option)) if option.eq_ignore_ascii_case(b"withvalues") => true,
        _ => return Err(Fault::Syntax),
    };
    if let (true, Draws::Any(count) | Draws::Distinct(count)) = (with_values, draws)
        && count > i64::MAX as u64 / 2
    {
        return Err(Fault::text("ERR value is out of range"));
    }
    match shard.read_collection(&call.key, Kind::Hash, call.touch)? {
        Some(hash) if !draws.is_zero() => reply_drawn(&hash, &mut random, draws, with_values, now, reply)?,
        _ => reply.array(0),
    }
    Ok(Outcome::READ)
}
