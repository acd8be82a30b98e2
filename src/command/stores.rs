//! Several strings stored together, or none of them: `MSET` and `MSETNX`, on the keys of one shard.
//!
//! Room is found for all first (`slabs::Store::stage`), and only then is anything changed. Between the two a coordinator
//! asks the other shards, so what was found is kept meanwhile.

use super::Fault;
use crate::shard::{Key, Meta, Shard, events};
use slabs::Staged;

/// How far ahead of the pair that is worked on buckets and items are fetched.
const BUCKETS_AHEAD: usize = 16;
const ITEMS_AHEAD: usize = 8;

/// Visits keys in order, their memory fetched ahead.
pub fn each_ahead<'a, T>(
    shard: &mut Shard,
    parts: impl Iterator<Item = (Key<'a>, T)> + Clone,
    mut visit: impl FnMut(&mut Shard, Key<'a>, T),
) {
    let (mut buckets, mut items) = (parts.clone(), parts.clone());
    buckets.by_ref().take(BUCKETS_AHEAD).for_each(|(key, _)| shard.store.prefetch_bucket(&key));
    items.by_ref().take(ITEMS_AHEAD).for_each(|(key, _)| shard.store.prefetch_item(&key));
    for (key, part) in parts {
        if let Some((key, _)) = buckets.next() {
            shard.store.prefetch_bucket(&key);
        }
        if let Some((key, _)) = items.next() {
            shard.store.prefetch_item(&key);
        }
        visit(shard, key, part);
    }
}

/// Whether one of the keys exists.
pub fn any_exists<'a>(shard: &Shard, pairs: impl Iterator<Item = (Key<'a>, &'a [u8])>) -> bool {
    let now = shard.now_ms();
    { pairs }.any(|(key, _)| shard.store.peek(&key, now).is_some())
}

/// Finds room for all values. What is kept is added to `room`; on a fault (that of the pair whose place is given)
/// nothing is kept.
pub fn find_room<'a>(
    shard: &mut Shard,
    pairs: impl Iterator<Item = (Key<'a>, &'a [u8])> + Clone,
    room: &mut Vec<Staged>,
) -> Result<(), (u32, Fault)> {
    let now = shard.now_ms();
    let mut place = 0;
    let mut refused = None;
    each_ahead(shard, pairs, |shard, key, value| {
        if refused.is_some() {
            return;
        }
        match shard.store.stage(&key, value, &Meta::default(), now) {
            Ok(staged) if staged.is_kept() => {
                // Where nothing is kept, nothing is noted: most often that is everywhere.
                while room.len() < place {
                    room.push(Staged::NOTHING);
                }
                room.push(staged);
            }
            Ok(_) => {}
            Err(fault) => refused = Some((place as u32, fault.into())),
        }
        place += 1;
    });
    let Some(refused) = refused else { return Ok(()) };
    give_up(shard, room);
    Err(refused)
}

/// Gives back what is kept.
pub fn give_up(shard: &mut Shard, room: &mut Vec<Staged>) {
    room.drain(..).for_each(|staged| shard.store.unstage(staged));
}

/// Stores all values in the room that was found for them.
pub fn store<'a>(
    shard: &mut Shard,
    pairs: impl Iterator<Item = (Key<'a>, &'a [u8])> + Clone,
    room: &mut Vec<Staged>,
) -> Result<(), Fault> {
    let now = shard.now_ms();
    let mut room = room.drain(..);
    let mut refused = None;
    each_ahead(shard, pairs, |shard, key, value| {
        let staged = room.next().unwrap_or(Staged::NOTHING);
        if let Err(fault) = shard.store.commit(staged, &key, value, &Meta::default(), now) {
            refused = Some(fault.into());
        } else {
            shard.tell(events::STRING, "set", &key);
        }
    });
    refused.map_or(Ok(()), Err)
}
