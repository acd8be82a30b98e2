//! The store, in its simplest form: a map. Budget and eviction come with the slabs.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use crate::{
    BuildError, Change, ClassStats, Counters, EvictionGoal, ExpiryStats, Hasher, Key, Kind, Ledger, Meta,
    Options, Policy, Refused, SweepReport,
};

struct Entry {
    value: Vec<u8>,
    meta: Meta,
    version: u32,
    frequency: u8,
}

impl Entry {
    fn live(&self, now_ms: u64) -> bool {
        self.meta.expire_at_ms == 0 || now_ms < self.meta.expire_at_ms
    }
}

/// One item as it is stored.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    db: u8,
    key: &'a [u8],
    value: &'a [u8],
    meta: Meta,
    version: u32,
    frequency: u8,
}

impl<'a> Item<'a> {
    /// The database.
    pub fn db(&self) -> u8 {
        self.db
    }
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.key
    }
    /// The value.
    pub fn value(&self) -> &'a [u8] {
        self.value
    }
    /// The value's type.
    pub fn kind(&self) -> Kind {
        self.meta.kind
    }
    /// The value is a handle to a structure of the caller's.
    pub fn is_heap(&self) -> bool {
        self.meta.heap
    }
    /// memcached's opaque flags.
    pub fn client_flags(&self) -> u32 {
        self.meta.client_flags
    }
    /// Unix time in ms from which on the item is dead; 0 is never.
    pub fn expire_at_ms(&self) -> u64 {
        self.meta.expire_at_ms
    }
    /// Never 0; differs after each change.
    pub fn cas_unique(&self) -> u64 {
        self.meta.cas.unwrap_or(u64::from(self.version))
    }
    /// The store-wide number of the item's last change, which wraps after 2^32.
    pub fn version(&self) -> u32 {
        self.version
    }
    /// Everything that is stored beside the value; `cas` only if it was given.
    pub fn meta(&self) -> Meta {
        self.meta
    }
    /// How often it was read lately, 0..=3.
    pub fn frequency(&self) -> u8 {
        self.frequency
    }
    /// Bytes that the item takes, its share of the index included.
    pub fn bytes(&self) -> u64 {
        (self.key.len() + self.value.len() + 24) as u64
    }
}

/// A value that stays where it is until the pin is dropped, whatever happens to its item.
pub struct Pin {
    value: Rc<[u8]>,
}

impl Deref for Pin {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.value
    }
}

/// One shard's items.
pub struct Store {
    map: BTreeMap<(u8, Vec<u8>), Entry>,
    item_bytes_max: u64,
    budget: u64,
    heap: u64,
    change: u32,
    hasher: Hasher,
    dropped: Vec<u64>,
    counters: Counters,
}

impl Store {
    /// An empty store.
    pub fn new(options: &Options) -> Result<Store, BuildError> {
        Ok(Store {
            map: BTreeMap::new(),
            item_bytes_max: options.item_bytes_max,
            budget: options.budget_bytes,
            heap: 0,
            change: 0,
            hasher: Hasher::new(options.seeds),
            dropped: Vec::new(),
            counters: Counters::default(),
        })
    }

    /// The hasher whose hashes the keys must carry.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    fn next(&mut self) -> u32 {
        self.change = self.change.wrapping_add(1).max(1);
        self.change
    }

    fn drop_entry(&mut self, entry: &Entry) {
        if entry.meta.heap && entry.value.len() >= 8 {
            let mut handle = [0; 8];
            handle.copy_from_slice(&entry.value[..8]);
            self.dropped.push(u64::from_ne_bytes(handle));
        }
    }

    fn reap(&mut self, key: &Key, now_ms: u64) -> Option<(u8, Vec<u8>)> {
        let id = (key.db, key.bytes.to_vec());
        let live = self.map.get(&id)?.live(now_ms);
        if live {
            return Some(id);
        }
        if let Some(entry) = self.map.remove(&id) {
            self.drop_entry(&entry);
            self.counters.expired += 1;
        }
        None
    }

    fn item<'a>(db: u8, key: &'a [u8], entry: &'a Entry) -> Item<'a> {
        let Entry { value, meta, version, frequency } = entry;
        Item { db, key, value, meta: *meta, version: *version, frequency: *frequency }
    }

    /// The live item of this key; counts as a use.
    pub fn get(&mut self, key: &Key, now_ms: u64) -> Option<Item<'_>> {
        let id = self.reap(key, now_ms)?;
        self.map.get_mut(&id)?.frequency = (self.map.get(&id)?.frequency + 1).min(3);
        self.peek(key, now_ms)
    }

    /// The live item of this key; does not count as a use.
    pub fn peek(&self, key: &Key, now_ms: u64) -> Option<Item<'_>> {
        let (id, entry) = self.map.get_key_value(&(key.db, key.bytes.to_vec()))?;
        entry.live(now_ms).then(|| Store::item(id.0, &id.1, entry))
    }

    /// Inserts or replaces an item as a whole.
    pub fn put(&mut self, key: &Key, value: &[u8], meta: &Meta, now_ms: u64) -> Result<(), Refused> {
        self.reserve(key, value.len(), meta, now_ms)?.copy_from_slice(value);
        Ok(())
    }

    /// Inserts or replaces an item as a whole; the caller fills the value, whose bytes are arbitrary before.
    pub fn reserve(
        &mut self,
        key: &Key,
        value_bytes: usize,
        meta: &Meta,
        now_ms: u64,
    ) -> Result<&mut [u8], Refused> {
        if key.bytes.len() > 65_535 {
            return Err(Refused::KeyTooLong);
        }
        if value_bytes as u64 > self.item_bytes_max {
            return Err(Refused::ValueTooLarge);
        }
        self.remove(key, now_ms);
        let version = self.next();
        let entry = Entry { value: vec![0; value_bytes], meta: *meta, version, frequency: 0 };
        Ok(&mut self.map.entry((key.db, key.bytes.to_vec())).or_insert(entry).value)
    }

    /// Gives the value another length, keeping its prefix and filling with zeros. `None`: no such item.
    pub fn resize(
        &mut self,
        key: &Key,
        value_bytes: usize,
        now_ms: u64,
    ) -> Result<Option<&mut [u8]>, Refused> {
        if value_bytes as u64 > self.item_bytes_max {
            return Err(Refused::ValueTooLarge);
        }
        let Some(id) = self.reap(key, now_ms) else { return Ok(None) };
        let version = self.next();
        Ok(self.map.get_mut(&id).map(|entry| {
            entry.version = version;
            entry.meta.cas = None;
            entry.value.resize(value_bytes, 0);
            &mut entry.value[..]
        }))
    }

    /// The value to be changed in place; the item gets a new version.
    pub fn value_mut(&mut self, key: &Key, now_ms: u64) -> Option<&mut [u8]> {
        let length = self.peek(key, now_ms)?.value().len();
        self.resize(key, length, now_ms).ok()?
    }

    /// Adds bytes at the end. The new length, or `None`: no such item.
    pub fn append(&mut self, key: &Key, bytes: &[u8], now_ms: u64) -> Result<Option<usize>, Refused> {
        let Some(item) = self.peek(key, now_ms) else { return Ok(None) };
        let old = item.value().len();
        let Some(value) = self.resize(key, old + bytes.len(), now_ms)? else { return Ok(None) };
        value[old..].copy_from_slice(bytes);
        Ok(Some(value.len()))
    }

    /// Adds bytes at the start. The new length, or `None`: no such item.
    pub fn prepend(&mut self, key: &Key, bytes: &[u8], now_ms: u64) -> Result<Option<usize>, Refused> {
        let Some(item) = self.peek(key, now_ms) else { return Ok(None) };
        let old = item.value().len();
        let Some(value) = self.resize(key, old + bytes.len(), now_ms)? else { return Ok(None) };
        value.copy_within(..old, bytes.len());
        value[..bytes.len()].copy_from_slice(bytes);
        Ok(Some(value.len()))
    }

    /// Replaces everything beside the value. False: no such item.
    pub fn set_meta(&mut self, key: &Key, meta: &Meta, change: Change, now_ms: u64) -> Result<bool, Refused> {
        let Some(id) = self.reap(key, now_ms) else { return Ok(false) };
        let version = if change == Change::New { Some(self.next()) } else { None };
        if let Some(entry) = self.map.get_mut(&id) {
            entry.meta = *meta;
            entry.version = version.unwrap_or(entry.version);
        }
        Ok(true)
    }

    /// Sets when the item dies; 0 is never. False: no such item.
    pub fn set_expiry(
        &mut self,
        key: &Key,
        expire_at_ms: u64,
        change: Change,
        now_ms: u64,
    ) -> Result<bool, Refused> {
        let Some(item) = self.peek(key, now_ms) else { return Ok(false) };
        let mut meta = item.meta();
        meta.expire_at_ms = expire_at_ms;
        if change == Change::New {
            meta.cas = None;
        }
        self.set_meta(key, &meta, change, now_ms)
    }

    /// Removes the item. True: there was a live one.
    pub fn remove(&mut self, key: &Key, now_ms: u64) -> bool {
        let Some(id) = self.reap(key, now_ms) else { return false };
        match self.map.remove(&id) {
            Some(entry) => {
                self.drop_entry(&entry);
                true
            }
            None => false,
        }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        for (_, entry) in std::mem::take(&mut self.map) {
            self.drop_entry(&entry);
        }
    }

    /// Removes the items of some databases, `examine_max` entries at a time. True: none is left.
    pub fn purge(&mut self, dbs: impl Fn(u8) -> bool, _examine_max: usize) -> bool {
        for ((db, key), entry) in std::mem::take(&mut self.map) {
            if dbs(db) {
                self.drop_entry(&entry);
            } else {
                self.map.insert((db, key), entry);
            }
        }
        true
    }

    /// Keeps the value of an item where it is, for as long as the pin lives.
    pub fn pin(&mut self, key: &Key, now_ms: u64) -> Option<Pin> {
        self.peek(key, now_ms).map(|item| Pin { value: item.value().into() })
    }

    /// Asks the CPU for the bucket of a key. First step of a batch.
    pub fn prefetch_bucket(&self, _key: &Key) {}

    /// Asks the CPU for the item of a key. Second step of a batch.
    pub fn prefetch_item(&self, _key: &Key) {}

    /// Visits the items of one bucket; returns the cursor of the next call, 0 at the end.
    ///
    /// An item that is present from the first call to the last is visited at least once. Cursors fit 48 bits.
    pub fn scan(&self, _cursor: u64, now_ms: u64, visit: &mut dyn FnMut(Item<'_>)) -> u64 {
        for ((db, key), entry) in &self.map {
            if entry.live(now_ms) {
                visit(Store::item(*db, key, entry));
            }
        }
        0
    }

    /// A live item, each about as likely as any other.
    pub fn random(&mut self, random: u64, now_ms: u64) -> Option<Item<'_>> {
        let live = self.map.values().filter(|entry| entry.live(now_ms)).count() as u64;
        let mut left = random.checked_rem(live)?;
        for ((db, key), entry) in &self.map {
            if entry.live(now_ms) {
                if left == 0 {
                    return Some(Store::item(*db, key, entry));
                }
                left -= 1;
            }
        }
        None
    }

    /// Reclaims dead items, looking at about `examine_max` entries.
    pub fn sweep(&mut self, now_ms: u64, _examine_max: usize) -> SweepReport {
        let mut report = SweepReport::default();
        for ((db, key), entry) in std::mem::take(&mut self.map) {
            report.examined += 1;
            if entry.live(now_ms) {
                self.map.insert((db, key), entry);
            } else {
                self.drop_entry(&entry);
                report.expired += 1;
                report.late_ms_max = report.late_ms_max.max(now_ms - entry.meta.expire_at_ms);
            }
        }
        self.counters.expired += report.expired;
        report
    }

    /// Sets the budget; [`settle`](Store::settle) then evicts down to it.
    pub fn set_budget(&mut self, bytes: u64) -> Result<(), BuildError> {
        self.budget = bytes;
        Ok(())
    }

    /// Evicts in at most `steps` steps of one page or large value. True: the ledger is within the budget.
    pub fn settle(&mut self, _steps: usize, _now_ms: u64) -> bool {
        true
    }

    /// Evicts one item, for a caller that needs room of its own. False: nothing may be evicted.
    pub fn evict_one(&mut self, _now_ms: u64) -> bool {
        match self.map.pop_first() {
            Some((_, entry)) => {
                self.drop_entry(&entry);
                self.counters.evicted += 1;
                true
            }
            None => false,
        }
    }

    /// Items, dead ones that are not reclaimed yet included.
    pub fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// No items at all.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Items of one database.
    pub fn len_db(&self, db: u8) -> u64 {
        self.map.keys().filter(|id| id.0 == db).count() as u64
    }

    /// Items of one database that have an expiry.
    pub fn expires_db(&self, db: u8) -> u64 {
        self.map.iter().filter(|(id, entry)| id.0 == db && entry.meta.expire_at_ms != 0).count() as u64
    }

    /// Where the bytes are.
    pub fn ledger(&self) -> Ledger {
        Ledger { heap: self.heap, budget: self.budget, ..Ledger::default() }
    }

    /// The size classes.
    pub fn classes(&self) -> Vec<ClassStats> {
        Vec::new()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How expiry does.
    pub fn expiry(&self, _now_ms: u64) -> ExpiryStats {
        ExpiryStats::default()
    }

    /// Changes what may be evicted.
    pub fn set_policy(&mut self, _policy: Policy) {}

    /// Changes what eviction maximises.
    pub fn set_goal(&mut self, _goal: EvictionGoal) {}

    /// Changes the largest value that is taken.
    pub fn set_item_bytes_max(&mut self, bytes: u64) {
        self.item_bytes_max = bytes;
    }

    /// Counts memory of the caller's (collections, buffers) in the ledger.
    pub fn charge(&mut self, delta: i64) {
        self.heap = self.heap.saturating_add_signed(delta);
    }

    /// Heap handles of items that left the store (evicted, expired, removed or replaced), each once.
    pub fn take_dropped(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.dropped)
    }
}
