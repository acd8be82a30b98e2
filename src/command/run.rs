//! Running a keyed command whose keys all lie on one shard: what every command does on one core, and what most
//! do on many. The steps of it (taking a copy of an item, making a write) are here for the coordinator of
//! commands over several shards too.
//!
//! It refuses to lock, to record changes and to look at `DENYOOM`: that is the caller's.

use super::{
    Call, Command, Fault, Gathered, Handler, Hops, KeyRef, Merge, Outcome, ShardFn, Write, flag, stores,
};
use crate::limits::{BATCH_REQUESTS_MAX, ITEMS_AHEAD, SCRATCH_KEYS_MAX, VALUES_AHEAD};
use crate::protocol::limits::MEMCACHE_KEY_BYTES_MAX;
use crate::protocol::memcache::meta;
use crate::protocol::{Args, Reply};
use crate::shard::{Key, Shard};
use slabs::Hasher;

/// Runs `command` entirely on `shard`, which must own all of its keys, for a client in logical database `db`.
/// No allocation for [`Handler::Shard`] and [`Handler::Spread`]. On a fault the caller takes back what was
/// written to `reply`.
///
/// # Panics
///
/// If the command has no keys of its own (sessions, every core, transactions, containers).
#[inline]
pub fn run_here(
    command: &'static Command,
    shard: &mut Shard,
    args: Args<'_>,
    db: u8,
    hasher: &Hasher,
    touch: bool,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    match command.handler {
        Handler::Shard(run) => {
            let key = Key::new(
                hasher,
                shard.physical(db),
                args.get(command.keys.first as usize).unwrap_or_default(),
            );
            run(shard, &Call { args, key, db, touch }, reply)
        }
        Handler::Meta(run) => {
            let mut place = [0; MEMCACHE_KEY_BYTES_MAX];
            let key = Key::new(hasher, shard.physical(db), meta::key(args, &mut place));
            run(shard, &Call { args, key, db, touch }, reply)
        }
        Handler::Spread { each, stride, merge } => {
            parts_fit(command, args)?;
            let spread = Spread { each, stride, merge, first: command.keys.first as usize };
            spread.run(shard, args, db, hasher, touch, reply)
        }
        Handler::Hops(hops) => hop_here(command, &hops, shard, args, db, hasher, touch, reply),
        Handler::Sort => super::sort::sort_here(command, shard, args, db, hasher, touch, reply),
        Handler::Cursor(run) => {
            let key = Key { db: shard.physical(db), bytes: b"", hash: 0 };
            run(shard, &Call { args, key, db, touch }, reply)
        }
        Handler::Session(_)
        | Handler::Every(_)
        | Handler::Dump(_)
        | Handler::Listen(_)
        | Handler::Control(_)
        | Handler::Container => {
            panic!("{} is not a command on keys", command.name)
        }
    }
}

/// Refuses a spread command whose last key lacks what belongs to it (`MSET key`), before any part of it runs.
#[inline]
pub fn parts_fit(command: &'static Command, args: Args<'_>) -> Result<(), Fault> {
    let Handler::Spread { stride, .. } = command.handler else { return Ok(()) };
    let behind_name = args.len().saturating_sub(command.keys.first as usize);
    if behind_name.is_multiple_of(stride) { Ok(()) } else { Err(Fault::Arity(command.name)) }
}

/// The arguments of the part of a spread command whose key is argument `at`. The handler finds its key in
/// place 1 and what belongs to it behind; place 0 is whatever stands before the key in the request.
#[inline]
pub fn part_args(args: Args<'_>, at: usize, stride: usize) -> Args<'_> {
    args.from(at - 1).first(1 + stride)
}

/// A spread command on one shard.
struct Spread {
    each: ShardFn,
    stride: usize,
    merge: Merge,
    first: usize,
}

impl Spread {
    fn run(
        &self,
        shard: &mut Shard,
        args: Args<'_>,
        db: u8,
        hasher: &Hasher,
        touch: bool,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome, Fault> {
        if self.merge.stores() {
            return self.store(shard, args, db, hasher, reply);
        }
        let physical = shard.physical(db);
        let mut whole = Outcome::READ;
        let mut refused = None;
        if self.merge == Merge::Array {
            reply.array((args.len() - self.first) / self.stride);
        }
        // Keys are hashed and fetched a batch ahead: more at once would evict each other from the CPU's caches.
        let mut keys = [Key { db: physical, bytes: b"", hash: 0 }; BATCH_REQUESTS_MAX];
        let mut next = self.first;
        while next < args.len() {
            let batch = next;
            let mut count = 0;
            while count < keys.len() && next < args.len() {
                keys[count] = Key::new(hasher, physical, args.get(next).unwrap_or_default());
                shard.store.prefetch_bucket(&keys[count]);
                count += 1;
                next += self.stride;
            }
            keys[..count].iter().take(ITEMS_AHEAD).for_each(|key| shard.store.prefetch_item(key));
            keys[..count].iter().take(VALUES_AHEAD).for_each(|key| shard.store.prefetch_value(key));
            for (i, key) in keys[..count].iter().enumerate() {
                if let Some(ahead) = keys[..count].get(i + ITEMS_AHEAD) {
                    shard.store.prefetch_item(ahead);
                }
                if let Some(ahead) = keys[..count].get(i + VALUES_AHEAD) {
                    shard.store.prefetch_value(ahead);
                }
                let args = part_args(args, batch + i * self.stride, self.stride);
                match (self.each)(shard, &Call { args, key: *key, db, touch }, reply) {
                    Ok(part) => {
                        whole.changed |= part.changed;
                        whole.count += part.count;
                    }
                    // The other parts run nevertheless, as they do where they lie on other shards.
                    Err(fault) => refused = refused.or(Some(fault)),
                }
            }
        }
        if let Some(fault) = refused {
            return Err(fault);
        }
        match self.merge {
            Merge::Array => {}
            Merge::Sum => reply.int(whole.count),
            Merge::Store | Merge::StoreNew => unreachable!("stored above"),
            Merge::Lines => reply.line("END"),
        }
        Ok(whole)
    }

    /// Stores all pairs, or none.
    fn store(
        &self,
        shard: &mut Shard,
        args: Args<'_>,
        db: u8,
        hasher: &Hasher,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome, Fault> {
        let physical = shard.physical(db);
        let mut hashes = std::mem::take(&mut shard.hashes);
        let mut room = std::mem::take(&mut shard.room);
        hashes.clear();
        let keys = args.from(self.first);
        hashes.extend(keys.iter().step_by(2).map(|key| hasher.hash(key)));
        let pairs = hashes.iter().enumerate().map(|(place, &hash)| {
            (Key { db: physical, bytes: &keys[2 * place], hash }, &keys[2 * place + 1])
        });
        let exists = self.merge == Merge::StoreNew && stores::any_exists(shard, pairs.clone());
        let done = if exists {
            Ok(())
        } else {
            stores::find_room(shard, pairs.clone(), &mut room)
                .map_err(|(_, fault)| fault)
                .and_then(|()| stores::store(shard, pairs, &mut room))
        };
        hashes.clear();
        hashes.shrink_to(SCRATCH_KEYS_MAX);
        room.shrink_to(SCRATCH_KEYS_MAX);
        (shard.hashes, shard.room) = (hashes, room);
        done?;
        if self.merge == Merge::Store {
            reply.ok()
        } else {
            reply.int(i64::from(!exists))
        }
        Ok(Outcome::changed_if(!exists))
    }
}

#[allow(clippy::too_many_arguments)]
fn hop_here(
    command: &'static Command,
    hops: &Hops,
    shard: &mut Shard,
    args: Args<'_>,
    db: u8,
    hasher: &Hasher,
    touch: bool,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let mut refs = Vec::new();
    (hops.keys)(args, db, shard.databases(), &mut refs)?;
    let key_of = |shard: &Shard, key: &KeyRef| {
        Key::new(hasher, shard.physical(key.db), args.get(key.arg).unwrap_or_default())
    };
    let mut found = Vec::with_capacity(refs.len());
    for key in &refs {
        let at = key_of(shard, key);
        found.push(gather(shard, &at, key.value, reads(command, key), touch));
    }
    let mut writes = (hops.decide)(args, &found, shard.now_ms(), reply)?;
    // Grown collections are not shared any more when they are changed.
    drop(found);
    let changed = !writes.is_empty();
    writes.sort_by_key(Write::rank);
    for write in writes {
        let at = key_of(shard, &refs[write.key()]);
        apply(shard, &at, write)?;
    }
    Ok(Outcome::changed_if(changed))
}

/// A command reads that key, as Redis sees it: those that store a combination of others read them too.
pub fn reads(command: &Command, key: &KeyRef) -> bool {
    const STORES: &[&str] = &[
        "sinterstore",
        "sunionstore",
        "sdiffstore",
        "zinterstore",
        "zunionstore",
        "zdiffstore",
        "zrangestore",
        "bitop",
        "copy",
    ];
    command.is(flag::READONLY) || key.value && STORES.contains(&command.name)
}

/// A copy of the item of `key`, its value only if `value`. Counts as a look-up if the command `reads` it.
pub fn gather(shard: &mut Shard, key: &Key<'_>, value: bool, reads: bool, touch: bool) -> Option<Gathered> {
    let now = shard.now_ms();
    if reads {
        shard.before_read(key);
    }
    let found = if touch { shard.store.get(key, now) } else { shard.store.peek(key, now) };
    if reads {
        let count = if found.is_some() { &mut shard.traffic.hits } else { &mut shard.traffic.misses };
        *count += 1;
    }
    let (value, meta) = Shard::gather(&found?, &shard.heap, value);
    Some(Gathered { value, meta })
}

/// Makes one write of a hopping command on the shard that owns its `key`. Refused where the store is full.
pub fn apply(shard: &mut Shard, key: &Key<'_>, write: Write) -> Result<(), Fault> {
    match write {
        Write::Put { value, meta, .. } => shard.install(key, value, &meta)?,
        Write::Copy { value, meta, .. } => shard.install(key, value.into_own(), &meta)?,
        Write::Remove { .. } => {
            let now = shard.now_ms();
            shard.store.remove(key, now);
        }
        Write::Edit { edit, with, .. } => edit(shard, key, &with)?,
        Write::Tell { class, name, .. } => shard.tell(class, name, key),
    }
    Ok(())
}
