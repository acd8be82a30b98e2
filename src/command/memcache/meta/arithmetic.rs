//! `ma`: counting.

use super::{bare, echo, flags_of, note, write_ttl};
use crate::command::memcache::arithmetic::{Changed, Direction, change, count_miss};
use crate::command::memcache::{deadline_of, has_passed};
use crate::command::{Call, Fault, Outcome};
use crate::protocol::Reply;
use crate::protocol::memcache::Verb;
use crate::protocol::memcache::meta::Flags;
use crate::shard::{Meta, Shard};
use crate::text::format_u64;
use slabs::{Change, Marks};

pub(super) fn ma(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let Some(flags) = flags_of(Verb::MetaArithmetic, call.args, reply) else { return Ok(Outcome::READ) };
    let direction = if matches!(flags.mode, b'D' | b'-') { Direction::Down } else { Direction::Up };
    let (number, created) = match change(shard, call, flags.delta, direction, flags.cas) {
        Changed::To(number) => {
            give_unique(shard, call, &flags);
            (number, false)
        }
        Changed::Missed if flags.has(b'N') => {
            if !vivify(shard, call, &flags) {
                reply.line("SERVER_ERROR Out of memory allocating new item");
                return Ok(Outcome::READ);
            }
            (flags.initial, true)
        }
        Changed::Missed => {
            count_miss(shard, &call.key, direction);
            bare("NF", &flags, call.args, reply);
            return Ok(Outcome::READ);
        }
        Changed::OtherUnique => {
            bare("EX", &flags, call.args, reply);
            return Ok(Outcome::READ);
        }
        Changed::Refused(line) => {
            reply.line(line);
            return Ok(Outcome::READ);
        }
    };
    let mark = reply.len();
    compose(shard, call, &flags, number, created, reply);
    if flags.has(b'q') {
        reply.truncate(mark);
    }
    Ok(Outcome::CHANGED)
}

/// A number that was changed gets the unique that the client wants, if there is room for one.
fn give_unique(shard: &mut Shard, call: &Call<'_>, flags: &Flags) {
    let now = shard.now_ms();
    if !flags.has(b'E') {
        return;
    }
    if let Some(old) = shard.store.peek(&call.key, now).map(|item| item.meta()) {
        let meta = Meta { cas: Some(flags.new_cas), ..old };
        let _ = shard.store.set_meta(&call.key, &meta, Change::Keep, now);
    }
}

/// Stores the initial value. False: there is no room.
fn vivify(shard: &mut Shard, call: &Call<'_>, flags: &Flags) -> bool {
    let now = shard.now_ms();
    let mut digits = [0; 21];
    let deadline_ms = deadline_of(flags.vivify_ttl, now);
    let expire_at_ms = if has_passed(deadline_ms, now) { 0 } else { deadline_ms };
    let cas = flags.has(b'E').then_some(flags.new_cas);
    let meta = Meta { expire_at_ms, cas, ..Meta::default() };
    let digits = format_u64(flags.initial, &mut digits);
    shard.store.put(&call.key, digits, &meta, now).inspect(|()| shard.memcache.total_items += 1).is_ok()
}

/// Writes what is asked for, in order, and sets the times that stand among it.
fn compose(
    shard: &mut Shard,
    call: &Call<'_>,
    flags: &Flags,
    number: u64,
    created: bool,
    reply: &mut Reply<'_>,
) {
    let now = shard.now_ms();
    let found = shard.store.peek(&call.key, now);
    let (unique, marks) = found.map_or((0, Marks::default()), |item| (item.cas_unique(), item.marks()));
    let mut deadline_ms = found.filter(|_| !created).map_or(0, |item| item.expire_at_ms());
    let mut digits = [0; 21];
    let digits = format_u64(number, &mut digits);
    if flags.has(b'v') {
        reply.meta_value_header(digits.len());
    } else {
        reply.raw(b"HD");
    }
    for word in call.args.from(2).iter() {
        match word[0] {
            b'c' => reply.meta_number(b'c', unique),
            b't' => write_ttl(deadline_ms, now, reply),
            b'T' => deadline_ms = deadline_of(flags.ttl, now),
            b'N' if created => deadline_ms = deadline_of(flags.vivify_ttl, now),
            _ => echo(word, flags, call.args, reply),
        }
    }
    reply.raw(b"\r\n");
    if flags.has(b'v') {
        reply.data(digits);
    }
    // Where there is no room for a time the number stays as long as it was to.
    note(shard, call, deadline_ms, marks);
}
