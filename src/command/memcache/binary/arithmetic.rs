//! Counting: `increment` and `decrement`, which can store the first number themselves.

use super::storage::stored_unique;
use super::{deadline_ms, done, extra_u32, extra_u64, header, key_row, refusal, refused};
use crate::command::memcache::arithmetic::{self, Changed, Direction};
use crate::command::memcache::has_passed;
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::protocol::Reply;
use crate::protocol::binary::{Header, Op, Status};
use crate::shard::{Meta, Shard};
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

fn change(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(call.args);
    let direction = direction(&to);
    match arithmetic::change(shard, call, extra_u64(call.args, 0), direction, to.cas) {
        Changed::To(number) => done(reply, &to, stored_unique(shard), &number.to_be_bytes()),
        Changed::Missed => create(shard, call, reply),
        Changed::OtherUnique => refused(reply, &to, Status::Exists),
        Changed::Refused(line) if line.starts_with("CLIENT_ERROR") => refused(reply, &to, Status::NotNumeric),
        Changed::Refused(_) => refused(reply, &to, Status::NoMemory),
    }
}

fn direction(to: &Header) -> Direction {
    if to.meaning().op == Op::Increment { Direction::Up } else { Direction::Down }
}

/// There is no number yet. memcached counts a miss only where it stores none.
fn create(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(call.args);
    let now = shard.now_ms();
    let exptime = extra_u32(call.args, 16);
    if exptime == DO_NOT_CREATE {
        arithmetic::count_miss(shard, &call.key, direction(&to));
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
