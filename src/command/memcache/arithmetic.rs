//! Counting: `incr`, `decr`, on unsigned numbers of 64 bits in decimal.

use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::Reply;
use crate::protocol::memcache::fields;
use crate::shard::{Key, Kind, Shard};
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
    change_by_words(shard, call, reply, Direction::Up)
}

fn decr(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    change_by_words(shard, call, reply, Direction::Down)
}

fn change_by_words(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    direction: Direction,
) -> Result<Outcome, Fault> {
    let delta = fields::unsigned(&call.args[2]).expect("the parser lets only numbers pass");
    let changed = change(shard, call, delta, direction, 0);
    match changed {
        Changed::To(number) => reply.line_u64(number),
        Changed::Missed => {
            count_miss(shard, &call.key, direction);
            reply.line("NOT_FOUND");
        }
        Changed::OtherUnique => unreachable!("no unique was asked for"),
        Changed::Refused(line) => reply.line(line),
    }
    Ok(Outcome::changed_if(matches!(changed, Changed::To(_))))
}

/// Which way a number goes. Upwards it wraps, downwards it stops at 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// What became of a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    To(u64),
    /// There is no such key. Not counted yet: `ma` may make it.
    Missed,
    /// Somebody has changed it.
    OtherUnique,
    /// It is no number, or there is no room for a longer one: the line to answer.
    Refused(&'static str),
}

/// Counts a number that was not there.
pub(super) fn count_miss(shard: &mut Shard, key: &Key<'_>, direction: Direction) {
    shard.count_flushed(key);
    match direction {
        Direction::Up => shard.memcache.incr_misses += 1,
        Direction::Down => shard.memcache.decr_misses += 1,
    }
}

/// Changes a number, if its unique is this one (0: whatever it is), and counts that. Flags and expiry stay, and so does
/// the length while the digits fit: blanks fill what a shorter number leaves.
pub(super) fn change(
    shard: &mut Shard,
    call: &Call<'_>,
    delta: u64,
    direction: Direction,
    unique: u64,
) -> Changed {
    let now = shard.now_ms();
    let Some(item) = shard.store.get_unread(&call.key, now) else { return Changed::Missed };
    let length = item.value().len();
    // memcached says so of no bytes at all before it looks at the unique, of other bytes after it.
    if length > 0 && unique != 0 && item.cas_unique() != unique {
        return Changed::OtherUnique;
    }
    let Some(old) = fields::unsigned(item.value()).filter(|_| item.kind() == Kind::String) else {
        return Changed::Refused("CLIENT_ERROR cannot increment or decrement non-numeric value");
    };
    let new = match direction {
        Direction::Up => old.wrapping_add(delta),
        Direction::Down => old.saturating_sub(delta),
    };
    let mut digits = [0; 21];
    let digits = format_u64(new, &mut digits);
    let place = if digits.len() <= length {
        shard.store.value_mut(&call.key, now)
    } else {
        match shard.store.resize(&call.key, digits.len(), now) {
            Ok(place) => place,
            Err(_) => return Changed::Refused("SERVER_ERROR out of memory"),
        }
    };
    let (number, blanks) = place.expect("the key was found just now").split_at_mut(digits.len());
    number.copy_from_slice(digits);
    blanks.fill(b' ');
    match direction {
        Direction::Up => shard.memcache.incr_hits += 1,
        Direction::Down => shard.memcache.decr_hits += 1,
    }
    Changed::To(new)
}
