//! Counting: `increment` and `decrement`, which can store the first number themselves.

use super::storage::stored_unique;
use super::{deadline_ms, done, extra_u32, extra_u64, header, key_row, refusal, refused};
use crate::command::memcache::has_passed;
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::protocol::Reply;
use crate::protocol::binary::{Op, Status};
use crate::protocol::memcache::fields;
use crate::shard::{Kind, Meta, Shard};
use crate::text::format_u64;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    key_row(
        "mcb:increment",
        flag::WRITE | flag::FAST,
        "Adds to a number, which wraps after 64 bits, or stores a first one.",
        change,
    ),
    key_row(
        "mcb:decrement",
        flag::WRITE | flag::FAST,
        "Subtracts from a number, which stops at 0, or stores a first one.",
        change,
    ),
];

/// The time that means: store nothing where there is no number.
const DO_NOT_CREATE: u32 = u32::MAX;

/// Flags and expiry stay, and so does the length while the digits fit: blanks fill what a shorter number leaves.
fn change(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(call.args);
    let increments = to.meaning().op == Op::Increment;
    let now = shard.now_ms();
    let delta = extra_u64(call.args, 0);
    let Some(item) = shard.store.get(&call.key, now) else {
        return create(shard, call, reply);
    };
    let length = item.value().len();
    let is_text = item.kind() == Kind::String;
    // An empty value is no number whatever its unique.
    if !is_text || length == 0 {
        return refused(reply, &to, Status::NotNumeric);
    }
    if to.cas != 0 && item.cas_unique() != to.cas {
        return refused(reply, &to, Status::Exists);
    }
    let Some(old) = fields::unsigned(item.value()) else {
        return refused(reply, &to, Status::NotNumeric);
    };
    let new = if increments { old.wrapping_add(delta) } else { old.saturating_sub(delta) };
    let mut digits = [0; 21];
    let digits = format_u64(new, &mut digits);
    let place = if digits.len() <= length {
        shard.store.value_mut(&call.key, now)
    } else {
        match shard.store.resize(&call.key, digits.len(), now) {
            Ok(place) => place,
            Err(why) => return refused(reply, &to, refusal(why)),
        }
    };
    let Some(place) = place else {
        return refused(reply, &to, Status::NoMemory);
    };
    let (number, blanks) = place.split_at_mut(digits.len());
    number.copy_from_slice(digits);
    blanks.fill(b' ');
    let counters = &mut shard.memcache;
    counters.incr_hits += u64::from(increments);
    counters.decr_hits += u64::from(!increments);
    done(reply, &to, stored_unique(shard), &new.to_be_bytes())
}

/// There is no number yet. memcached counts a miss only where it stores none.
fn create(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(call.args);
    let now = shard.now_ms();
    let exptime = extra_u32(call.args, 16);
    if exptime == DO_NOT_CREATE {
        let increments = to.meaning().op == Op::Increment;
        shard.memcache.incr_misses += u64::from(increments);
        shard.memcache.decr_misses += u64::from(!increments);
        return refused(reply, &to, Status::NotFound);
    }
    let initial = extra_u64(call.args, 8);
    let mut digits = [0; 21];
    let digits = format_u64(initial, &mut digits);
    let expire_at_ms = deadline_ms(exptime, now);
    if !has_passed(expire_at_ms, now) {
        let meta = Meta { expire_at_ms, ..Meta::default() };
        if let Err(why) = shard.store.put(&call.key, digits, &meta, now) {
            return refused(reply, &to, refusal(why));
        }
    }
    shard.memcache.total_items += 1;
    done(reply, &to, stored_unique(shard), &initial.to_be_bytes())
}
