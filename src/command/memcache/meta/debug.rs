//! `me`: what is known about an item, for people.

use super::{idle_secs, left_secs};
use crate::command::{Call, Fault, Outcome};
use crate::protocol::Reply;
use crate::protocol::limits::MEMCACHE_KEY_BYTES_MAX;
use crate::protocol::memcache::LineError;
use crate::shard::Shard;

/// The time to live, the seconds since the last use, the unique, whether it was fetched, its size class and what it
/// takes there. Not a use of the item.
pub(super) fn me(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    // Of its flags it knows `b` alone, and minds no others. A key that could not be decoded has come as it was.
    let encoded = call.args.from(2).iter().any(|word| word[0] == b'b');
    if call.args[1].len() > MEMCACHE_KEY_BYTES_MAX || encoded && call.key.bytes == &call.args[1] {
        reply.line(LineError::BadFormat.message());
        return Ok(Outcome::READ);
    }
    shard.memcache.meta_commands += 1;
    let now = shard.now_ms();
    let Some(item) = shard.store.peek(&call.key, now) else {
        reply.line("EN");
        return Ok(Outcome::READ);
    };
    let expires = match item.expire_at_ms() {
        0 => "-1".to_owned(),
        deadline_ms => left_secs(deadline_ms, now).to_string(),
    };
    let fetched = if item.is_fetched() { "yes" } else { "no" };
    reply.raw(b"ME ");
    reply.raw(&call.args[1]);
    reply.line(&format!(
        " exp={expires} la={} cas={} fetch={fetched} cls={} size={}",
        idle_secs(shard, &item),
        item.cas_unique(),
        item.class() + 1,
        item.bytes(),
    ));
    Ok(Outcome::READ)
}
