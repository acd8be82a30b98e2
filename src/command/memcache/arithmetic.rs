//! Counting: `incr`, `decr`, on unsigned numbers of 64 bits in decimal.

use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::Reply;
use crate::protocol::memcache::fields;
use crate::shard::{Kind, Shard};
use crate::text::format_u64;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:incr",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Adds to a number, which wraps after 64 bits.",
        complexity: "O(1)",
        handler: Handler::Shard(incr),
        subs: &[],
    },
    Command {
        name: "mc:decr",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.0.0",
        summary: "Subtracts from a number, which stops at 0.",
        complexity: "O(1)",
        handler: Handler::Shard(decr),
        subs: &[],
    },
];

fn incr(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let changed = change(shard, call, reply, u64::wrapping_add);
    if changed != Changed::Refused {
        shard.memcache.incr_hits += u64::from(changed == Changed::Done);
        shard.memcache.incr_misses += u64::from(changed == Changed::Missed);
    }
    Ok(Outcome::changed_if(changed == Changed::Done))
}

fn decr(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let changed = change(shard, call, reply, u64::saturating_sub);
    if changed != Changed::Refused {
        shard.memcache.decr_hits += u64::from(changed == Changed::Done);
        shard.memcache.decr_misses += u64::from(changed == Changed::Missed);
    }
    Ok(Outcome::changed_if(changed == Changed::Done))
}

/// What became of a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Done,
    /// There is no such key.
    Missed,
    /// It is no number, or there is no room for a longer one.
    Refused,
}

/// Flags and expiry stay, and so does the length while the digits fit: blanks fill what a shorter number leaves.
fn change(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>, by: fn(u64, u64) -> u64) -> Changed {
    let delta = fields::unsigned(&call.args[2]).expect("the parser lets only numbers pass");
    let now = shard.now_ms();
    let Some(item) = shard.store.get(&call.key, now) else {
        reply.line("NOT_FOUND");
        return Changed::Missed;
    };
    let length = item.value().len();
    let Some(old) = fields::unsigned(item.value()).filter(|_| item.kind() == Kind::String) else {
        reply.line("CLIENT_ERROR cannot increment or decrement non-numeric value");
        return Changed::Refused;
    };
    let new = by(old, delta);
    let mut digits = [0; 21];
    let digits = format_u64(new, &mut digits);
    let place = if digits.len() <= length {
        shard.store.value_mut(&call.key, now)
    } else {
        match shard.store.resize(&call.key, digits.len(), now) {
            Ok(place) => place,
            Err(_) => {
                reply.line("SERVER_ERROR out of memory");
                return Changed::Refused;
            }
        }
    };
    let (number, blanks) = place.expect("the key was found just now").split_at_mut(digits.len());
    number.copy_from_slice(digits);
    blanks.fill(b' ');
    reply.line_u64(new);
    Changed::Done
}
