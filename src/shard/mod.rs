//! One core's slice of the keyspace: the store, its grown collections, which logical database is which physical
//! one, the counters of keyspace traffic, and which keys stand out. It knows no sockets and no other shard.

pub mod ages;
mod audit;
pub mod big;
pub mod collections;
pub mod events;
pub mod hot;
pub mod lifetimes;
pub mod locks;
pub mod memcache;
pub mod prefixes;
pub mod random;
pub mod waiters;

use crate::clock::Now;
use crate::limits::DRAFT_BYTES_MIN;
pub use collections::{Payload, Unmade, View, WrongKind};
pub use slabs::{Item, Key, Kind, Meta, Store};
use slabs::{Lent, Refused};

/// As many items as are purged without anybody noticing.
const FLUSH_AT_ONCE_ITEMS: u64 = 1024;

/// Keyspace traffic of one shard since the start or the last `CONFIG RESETSTAT`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Look-ups that found a live key.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Changes of the data set (Redis's `rdb_changes_since_last_save`).
    pub changes: u64,
}

/// One shard.
pub struct Shard {
    /// Items, index, eviction.
    pub store: Store,
    /// Time of this turn.
    pub now: Now,
    /// Keyspace traffic.
    pub traffic: Traffic,
    /// The keys that this core's clients ask for most, on whichever shard.
    pub hot: hot::HotKeys,
    /// The biggest keys of this shard.
    pub big: big::BigKeys,
    /// Keys held by multi-shard commands that are under way.
    pub locks: locks::Locks,
    /// Clients' blocking commands that wait for keys of this shard.
    pub waiters: waiters::Waiters,
    /// What memcached's commands did here.
    pub memcache: memcache::Counting,
    /// The longest value that memcached's commands may make (`item_size_max`).
    pub memcache_value_bytes_max: u64,
    /// When changes were made.
    pub ages: ages::Ages,
    /// Counts by prefix of keys, while they are wanted (`stats detail on`).
    pub prefixes: prefixes::Prefixes,
    /// `flush_all` with a delay that has not passed; `tick` looks.
    pub pending_flush: Option<memcache::PendingFlush>,
    /// Random numbers for commands that draw keys.
    pub random: random::Random,
    /// How long items still have to live.
    pub lifetimes: lifetimes::Lifetimes,
    /// Number of the core that owns this shard, and how many cores there are; 0 of 1 until told.
    pub core: u16,
    /// See `core`.
    pub cores: u16,
    /// `maxmemory_policy` is one of the LFU names: `OBJECT FREQ` answers and `OBJECT IDLETIME` does not.
    pub lfu: bool,
    /// Structures of grown collections.
    pub heap: collections::heap::Heap,
    /// Up to what size collections stay small.
    pub limits: collections::Limits,
    /// Hashes with fields that die.
    pub due: collections::due::Due,
    /// The command that runs has found the room for all that it adds.
    has_room: bool,
    /// What `heap` and `due` take for themselves, as it is charged.
    lists_bytes: i64,
    /// The block that holds the request which is being executed, if it came in one: a large value in it may stay there.
    pub offer: Option<Lent>,
    /// What happened to keys, for those who listen to it.
    pub events: events::Events,
    /// Active expiry may run (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: bool,
    /// Physical database of each logical one: `SWAPDB` swaps two, `FLUSHDB` puts an empty one in place.
    databases: Vec<u8>,
    /// It has changed since somebody asked for the databases' counts.
    databases_changed: bool,
    /// Physical databases that hold what a `FLUSHDB` left to be purged in slices.
    flushed: [bool; 256],
    purging: bool,
    /// Scratch of commands on many keys: their hashes.
    pub hashes: Vec<u64>,
    /// Scratch of commands that store many values: the room for them.
    pub room: Vec<slabs::Staged>,
}

impl Shard {
    /// A shard over an empty store, with `databases` logical databases.
    pub fn new(store: Store, databases: u8) -> Shard {
        Shard {
            store,
            now: Now::default(),
            traffic: Traffic::default(),
            hot: hot::HotKeys::default(),
            big: big::BigKeys::default(),
            locks: locks::Locks::default(),
            waiters: waiters::Waiters::default(),
            memcache: memcache::Counting::default(),
            memcache_value_bytes_max: u64::MAX,
            ages: ages::Ages::default(),
            prefixes: prefixes::Prefixes::default(),
            pending_flush: None,
            random: random::Random::new(0),
            lifetimes: lifetimes::Lifetimes::new(databases),
            core: 0,
            cores: 1,
            lfu: false,
            heap: collections::heap::Heap::default(),
            limits: collections::Limits::default(),
            due: collections::due::Due::default(),
            has_room: false,
            lists_bytes: 0,
            offer: None,
            events: events::Events::default(),
            active_expire: true,
            databases: (0..databases).collect(),
            databases_changed: true,
            flushed: [false; 256],
            purging: false,
            hashes: Vec::new(),
            room: Vec::new(),
        }
    }

    /// How many logical databases there are.
    pub fn databases(&self) -> u8 {
        self.databases.len() as u8
    }

    /// The store's number for a logical database.
    #[inline]
    pub fn physical(&self, db: u8) -> u8 {
        self.databases[db as usize]
    }

    /// The logical database that a stored item belongs to, or `None` for one that was flushed.
    pub fn logical(&self, physical: u8) -> Option<u8> {
        self.databases.iter().position(|&p| p == physical).map(|i| i as u8)
    }

    /// Tells the shard whose it is; `seed` makes its random numbers another stream than those of other cores.
    pub fn place(&mut self, core: u16, cores: u16, seed: u64) {
        self.core = core;
        self.cores = cores;
        self.random = random::Random::new(seed);
    }

    /// A turn begins: what was to happen by now happens before its first command.
    #[inline]
    pub fn tick(&mut self, now: Now) {
        self.now = now;
        self.ages.note(now.unix_secs(), self.store.last_change());
        if let Some(flush) = self.pending_flush.take_if(|flush| flush.at_ms <= now.unix_ms) {
            self.flush_db(flush.db);
        }
        if self.due.any(now.unix_ms) && self.active_expire {
            self.reap_fields();
        }
    }

    /// Milliseconds since the epoch, as of this turn.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.now.unix_ms
    }

    /// A look-up by a reading command: counts a hit or a miss, and as use unless `touch` is false.
    #[inline]
    pub fn read(&mut self, key: &Key<'_>, touch: bool) -> Option<Item<'_>> {
        self.before_read(key);
        self.look(key, touch)
    }

    /// The same for a command that looks at a key and not at its value: nobody is told that there is none.
    #[inline]
    pub fn look(&mut self, key: &Key<'_>, touch: bool) -> Option<Item<'_>> {
        let now = self.now.unix_ms;
        let found = if touch { self.store.get(key, now) } else { self.store.peek(key, now) };
        match found {
            Some(_) => self.traffic.hits += 1,
            None => self.traffic.misses += 1,
        }
        found
    }

    /// Stores a value whole. One that makes up most of a block which holds the request stays where it is; others are
    /// copied.
    #[inline]
    pub fn put(&mut self, key: &Key<'_>, value: &[u8], meta: &Meta) -> Result<(), Refused> {
        if value.len() >= DRAFT_BYTES_MIN / 2 && self.offer.is_some() {
            return self.put_large(key, value, meta);
        }
        self.store.put(key, value, meta, self.now.unix_ms)
    }

    #[cold]
    fn put_large(&mut self, key: &Key<'_>, value: &[u8], meta: &Meta) -> Result<(), Refused> {
        let now = self.now.unix_ms;
        if let Some(block) = &self.offer
            && let (Some(key_at), Some(at)) = (block.find(key.bytes), block.find(value))
            && block.charged_bytes() <= (value.len() + value.len() / 8) as u64
        {
            return self.store.adopt(key, block, key_at.start, at, meta, now);
        }
        self.store.put(key, value, meta, now)
    }

    /// Counts a miss of memcached's get.
    #[inline]
    pub fn count_get_miss(&mut self, key: &Key<'_>) {
        self.memcache.get_commands += 1;
        self.memcache.get_misses += 1;
        self.count_flushed(key);
    }

    /// A command of memcached's has found nothing: counts whether a flush is the reason for it. As in memcached, an item
    /// counts once, with the first command that misses it, and not at all once its memory is reclaimed.
    #[inline]
    pub fn count_flushed(&mut self, key: &Key<'_>) {
        if self.purging {
            self.forget_flushed(key);
        }
    }

    #[cold]
    fn forget_flushed(&mut self, key: &Key<'_>) {
        let now = self.now.unix_ms;
        let mut flushed = (0..=u8::MAX).filter(|&db| self.flushed[usize::from(db)]);
        // The item that was flushed last is meant; older ones of the key went with an earlier flush.
        let found = flushed.any(|db| self.store.remove(&Key { db, ..*key }, now));
        self.memcache.get_flushed += u64::from(found);
    }

    /// Live and dead items in a logical database.
    pub fn len_db(&self, db: u8) -> u64 {
        self.store.len_db(self.physical(db))
    }

    /// Whether any database has more or fewer items, or items that expire, than at the last call.
    #[inline]
    pub fn take_counts_changed(&mut self) -> bool {
        self.store.take_counts_changed() | std::mem::take(&mut self.databases_changed)
    }

    /// Exchanges two logical databases.
    pub fn swap_db(&mut self, a: u8, b: u8) {
        if a == b {
            return;
        }
        self.store.swap_watches(self.databases[a as usize], self.databases[b as usize], self.now.unix_ms);
        self.databases.swap(a as usize, b as usize);
        self.databases_changed = true;
    }

    /// Empties one logical database at once for its users; the memory comes back in slices
    /// (`purge_step`), so a flush of millions of items stalls nobody.
    pub fn flush_db(&mut self, db: u8) {
        let old = self.physical(db);
        if self.store.len_db(old) == 0 {
            return;
        }
        let free = (0..=255u8).find(|&p| self.logical(p).is_none() && !self.flushed[p as usize]);
        match free {
            Some(fresh) => {
                self.store.move_watches(old, fresh, self.now.unix_ms);
                self.databases[db as usize] = fresh;
                self.databases_changed = true;
                self.flushed[old as usize] = true;
                self.purging = true;
            }
            // Every spare number is still being purged: finish that first.
            None => {
                while self.purge_step(4096) {}
                self.flush_db(db);
            }
        }
    }

    /// Empties every database. What is little goes at once, the rest in slices.
    pub fn flush_all(&mut self) {
        for db in 0..self.databases() {
            self.flush_db(db);
        }
        if self.store.len() <= FLUSH_AT_ONCE_ITEMS {
            while self.purge_step(FLUSH_AT_ONCE_ITEMS as usize) {}
        }
    }

    /// Reclaims up to `items_max` flushed items; true while more may be left.
    pub fn purge_step(&mut self, items_max: usize) -> bool {
        if !self.purging {
            return false;
        }
        let flushed = self.flushed;
        if self.store.purge(|db| flushed[db as usize], items_max) {
            self.flushed = [false; 256];
            self.purging = false;
        }
        self.purging
    }
}
