//! Ending the life of items, now or later: `delete`, `flush`.

use super::{done, extra_u32, header, key_row, packet_row, refused};
use crate::command::memcache::removal::schedule_flush;
use crate::command::{Asker, Call, Command, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::protocol::binary::Status;
use crate::protocol::{Args, Reply};
use crate::shard::Shard;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    key_row("mcb:delete", flag::WRITE | flag::FAST, "Removes a key.", delete),
    packet_row(
        "mcb:flush",
        flag::WRITE,
        Keys::NONE,
        "Removes all keys of the database, now or after a delay.",
        Handler::Every(Every { check: |_, _| Ok(()), ask: flush, merge: flushed, atomic: true }),
    ),
];

fn delete(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(call.args);
    let now = shard.now_ms();
    if to.cas != 0
        && let Some(item) = shard.store.peek(&call.key, now)
        && item.cas_unique() != to.cas
    {
        return refused(reply, &to, Status::Exists);
    }
    if shard.store.remove(&call.key, now) {
        shard.memcache.delete_hits += 1;
        return done(reply, &to, 0, b"");
    }
    shard.memcache.delete_misses += 1;
    shard.count_flushed(&call.key);
    refused(reply, &to, Status::NotFound)
}

fn flush(local: &mut Local<'_>, args: Args<'_>, asker: &Asker) -> Vec<u8> {
    let delay = if args[2].is_empty() { 0 } else { extra_u32(args, 0) };
    schedule_flush(local, i64::from(delay), asker.db)
}

fn flushed(args: Args<'_>, parts: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if parts.iter().any(|part| !part.is_empty()) {
        return refused(reply, &header(args), Status::AuthError);
    }
    done(reply, &header(args), 0, b"")
}
