//! Reading: `get` and `gat` in all flavours, and `touch`, which answers the flags alone.

use super::{deadline_ms, extra_u32, header, key_row};
use crate::command::memcache::has_passed;
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::protocol::Reply;
use crate::protocol::binary::{Header, Op, Status};
use crate::shard::{Kind, Shard};
use slabs::Change;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    key_row("mcb:get", flag::READONLY | flag::FAST, "Returns the value of a key.", get),
    key_row("mcb:touch", flag::WRITE | flag::FAST, "Sets when a key dies.", touch),
    key_row("mcb:gat", flag::WRITE | flag::FAST, "Returns a value and sets when it dies.", touch),
];

fn get(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if write_hit(shard, call, reply, &header(call.args)) {
        shard.memcache.get_commands += 1;
        shard.memcache.get_hits += 1;
    } else {
        shard.count_get_miss(&call.key);
    }
    Ok(Outcome::READ)
}

/// The reply holds the unique, which stays: the value is the same.
fn touch(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let deadline = deadline_ms(extra_u32(call.args, 0), now);
    let to = header(call.args);
    let before = reply.len();
    let hit = write_hit(shard, call, reply, &to);
    let counters = &mut shard.memcache;
    counters.touch_commands += 1;
    counters.touch_hits += u64::from(hit);
    counters.touch_misses += u64::from(!hit);
    if !hit {
        shard.count_flushed(&call.key);
    }
    if hit && has_passed(deadline, now) {
        shard.store.remove(&call.key, now);
    } else if hit && shard.store.set_expiry(&call.key, deadline, Change::Keep, now).is_err() {
        reply.truncate(before);
        reply.packet_error(&to, Status::NoMemory);
        return Ok(Outcome::READ);
    }
    Ok(Outcome::changed_if(hit))
}

/// Answers what the key holds, or that it holds nothing. A hit is answered in silence too.
#[inline]
fn write_hit(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>, to: &Header) -> bool {
    let meaning = to.meaning();
    let key = if meaning.with_key { call.key.bytes } else { b"" };
    match shard.read(&call.key, call.touch) {
        Some(item) if item.kind() == Kind::String => {
            let value = if meaning.op == Op::Touch { b"" } else { item.value() };
            reply.packet(to, item.cas_unique(), &item.client_flags().to_be_bytes(), key, value);
            true
        }
        _ => {
            match (meaning.quiet, meaning.with_key) {
                (true, _) => {}
                (false, true) => reply.packet_miss(to, key),
                (false, false) => reply.packet_error(to, Status::NotFound),
            }
            false
        }
    }
}
