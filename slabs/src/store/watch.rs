//! Keys that somebody watches: whether anything has happened to them since.
//!
//! While nobody watches, a change costs one branch for this. A watched key is known by its hash with the database mixed in, 64 bits
//! whose seeds are secret; its bytes are kept for the moments at which whole databases change places.
//!
//! Some of these keys are *awaited*: whoever waits for them wants to be told, and does not ask. Changes of such keys are
//! collected, each key once, until somebody takes them.

use super::Store;
use crate::hash::{Key, slot_hash};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What an entry takes beside its key, about.
const WATCH_BYTES: i64 = 96;

/// The keys are hashes already.
#[derive(Default)]
pub(crate) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only whole hashes are looked up")
    }

    fn write_u64(&mut self, hash: u64) {
        // The table addresses with the low bits and tags with the high ones: both are mixed.
        self.0 = hash;
    }
}

struct Watch {
    db: u8,
    key: Box<[u8]>,
    hash: u64,
    watchers: u32,
    /// The moment of the last change.
    touched: u64,
    /// How many of the watchers await it.
    awaited: u32,
    /// It is among `Watches::arrived`.
    arrived: bool,
}

/// An awaited key that something has happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its database, as the store numbers them.
    pub db: u8,
    /// The key.
    pub key: Box<[u8]>,
}

/// Watched keys, by hash.
#[derive(Default)]
pub(crate) struct Watches {
    keys: HashMap<u64, Watch, BuildHasherDefault<Same>>,
    /// Counts changes of watched keys.
    moment: u64,
    /// Awaited keys that were touched, in that order, by the hash that they had then.
    arrived: Vec<u64>,
}

impl Watches {
    #[cold]
    fn touch(&mut self, hash: u64) {
        if let Some(watch) = self.keys.get_mut(&hash) {
            self.moment += 1;
            watch.touched = self.moment;
            if watch.awaited > 0 && !watch.arrived {
                watch.arrived = true;
                self.arrived.push(hash);
            }
        }
    }

    /// When a key was last touched, if it is watched.
    fn touched(&self, hash: u64) -> Option<u64> {
        Some(self.keys.get(&hash)?.touched)
    }

    /// Takes a touch back that was none.
    pub(crate) fn restore(&mut self, hash: u64, touched: Option<u64>) {
        if let (Some(watch), Some(touched)) = (self.keys.get_mut(&hash), touched) {
            watch.touched = touched;
        }
    }
}

impl Store {
    /// Something has happened to the item of this hash: it came, changed or went.
    #[inline]
    pub(crate) fn note_change(&mut self, hash: u64) {
        if !self.watches.keys.is_empty() {
            self.watches.touch(hash);
        }
    }

    /// When a key was last touched, if it is watched.
    #[inline]
    pub(crate) fn touched(&self, hash: u64) -> Option<u64> {
        if self.watches.keys.is_empty() { None } else { self.watches.touched(hash) }
    }

    /// Begins to watch a key for somebody; what is dead goes first. Returns the moment to ask `touched_since` for.
    pub fn watch(&mut self, key: &Key, now_ms: u64) -> u64 {
        self.reclaim(key, now_ms);
        let fresh = || Watch {
            db: key.db,
            key: key.bytes.into(),
            hash: key.hash,
            watchers: 0,
            touched: 0,
            awaited: 0,
            arrived: false,
        };
        let watch = self.watches.keys.entry(key.slot_hash()).or_insert_with(fresh);
        watch.watchers += 1;
        if watch.watchers == 1 {
            self.charge(WATCH_BYTES + key.bytes.len() as i64);
        }
        self.watches.moment
    }

    /// Ends one watch of a key.
    pub fn unwatch(&mut self, key: &Key) {
        let hash = key.slot_hash();
        let Some(watch) = self.watches.keys.get_mut(&hash) else { return };
        watch.watchers -= 1;
        if watch.watchers > 0 {
            return;
        }
        self.watches.keys.remove(&hash);
        if self.watches.keys.is_empty() {
            // A crowd of watchers leaves no table behind.
            self.watches.keys.shrink_to(16);
        }
        self.charge(-WATCH_BYTES - key.bytes.len() as i64);
    }

    /// What is charged for those who watch, counted anew, for tests.
    pub fn recount_watches(&self) -> i64 {
        self.watches.keys.values().map(|watch| WATCH_BYTES + watch.key.len() as i64).sum()
    }

    /// Begins to watch a key for somebody who awaits it.
    pub fn begin_await(&mut self, key: &Key, now_ms: u64) {
        self.watch(key, now_ms);
        self.watches.keys.get_mut(&key.slot_hash()).expect("it is watched").awaited += 1;
    }

    /// Ends one such watch.
    pub fn end_await(&mut self, key: &Key) {
        if let Some(watch) = self.watches.keys.get_mut(&key.slot_hash()) {
            watch.awaited -= 1;
            self.unwatch(key);
        }
    }

    /// Something has happened to awaited keys since they were last taken.
    #[inline]
    pub fn has_arrived(&self) -> bool {
        !self.watches.arrived.is_empty()
    }

    /// These keys, in the order in which they were touched first. What has become of each is to be seen in the store.
    pub fn take_arrived(&mut self) -> Vec<Arrived> {
        let arrived = std::mem::take(&mut self.watches.arrived);
        let known = arrived.into_iter().filter_map(|hash| {
            let watch = self.watches.keys.get_mut(&hash).filter(|watch| watch.arrived)?;
            watch.arrived = false;
            Some(Arrived { db: watch.db, key: watch.key.clone() })
        });
        known.collect()
    }

    /// Whether a watched key was stored, changed, removed, evicted, has died, or has come to be another database's since
    /// that moment.
    pub fn touched_since(&mut self, key: &Key, moment: u64, now_ms: u64) -> bool {
        self.reclaim(key, now_ms);
        self.watches.touched(key.slot_hash()).is_none_or(|touched| touched > moment)
    }

    /// How many keys are watched.
    pub fn watched(&self) -> usize {
        self.watches.keys.len()
    }

    /// Who watched keys of one database watches those of another from now on, because the one has been emptied by having the
    /// other put in its place. That touches the keys that were there.
    pub fn move_watches(&mut self, from: u8, to: u8, now_ms: u64) {
        let moved = self.take_watches(from, from, now_ms);
        self.put_watches(moved, to);
    }

    /// The same for two databases that change places. That touches the keys that are in either.
    pub fn swap_watches(&mut self, a: u8, b: u8, now_ms: u64) {
        let (of_a, of_b) = (self.take_watches(a, b, now_ms), self.take_watches(b, a, now_ms));
        self.put_watches(of_a, b);
        self.put_watches(of_b, a);
    }

    /// Takes the watches of a database out, those of keys that live there or in the other database touched.
    fn take_watches(&mut self, db: u8, other: u8, now_ms: u64) -> Vec<Watch> {
        if self.watches.keys.is_empty() {
            return Vec::new();
        }
        let of_db: Vec<u64> =
            self.watches.keys.iter().filter(|(_, watch)| watch.db == db).map(|(&hash, _)| hash).collect();
        let mut taken = Vec::with_capacity(of_db.len());
        for slot_hash in of_db {
            // The key is lent to the look-ups, which may touch the entry that is left.
            let watch = self.watches.keys.get_mut(&slot_hash).expect("it was found there");
            let (bytes, hash) = (std::mem::take(&mut watch.key), watch.hash);
            let lives = [db, other].into_iter().any(|db| {
                let key = Key { db, bytes: &bytes, hash };
                self.reclaim(&key, now_ms);
                self.peek(&key, now_ms).is_some()
            });
            if lives {
                self.watches.touch(slot_hash);
            }
            let mut watch = self.watches.keys.remove(&slot_hash).expect("it was found there");
            watch.key = bytes;
            taken.push(watch);
        }
        taken
    }

    fn put_watches(&mut self, watches: Vec<Watch>, db: u8) {
        for watch in watches {
            let hash = slot_hash(watch.hash, db);
            // What comes with the other database may be what somebody waits for.
            let arrived = watch.awaited > 0;
            if arrived {
                self.watches.arrived.push(hash);
            }
            self.watches.keys.insert(hash, Watch { db, arrived, ..watch });
        }
    }

    /// Everything is about to go.
    pub(crate) fn touch_all_watches(&mut self) {
        self.watches.moment += 1;
        let moment = self.watches.moment;
        self.watches.keys.values_mut().for_each(|watch| watch.touched = moment);
    }
}
