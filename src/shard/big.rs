//! The biggest keys of a shard, found by a walk over the index in slices that never ends: a key that is there for
//! one round is seen. Finding them costs writes nothing.

use super::collections::structure_bytes;
use super::{Item, Key, Kind, Shard};
use crate::limits::{BIG_KEYS, BIG_KEYS_AT_ONCE, BIG_KEYS_STEPS};
use std::cmp::Reverse;

/// A key and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigKey {
    /// Logical database.
    pub db: u8,
    /// The key.
    pub key: Vec<u8>,
    /// What the item takes.
    pub bytes: u64,
    /// What it is.
    pub kind: Kind,
}

/// What the walk has seen.
#[derive(Debug, Default)]
pub struct BigKeys {
    cursor: u64,
    /// The biggest of this round so far, by physical database.
    seen: Vec<(u64, u8, Vec<u8>)>,
    /// The biggest of the round before.
    before: Vec<(u64, u8, Vec<u8>)>,
}

fn note(seen: &mut Vec<(u64, u8, Vec<u8>)>, bytes: u64, db: u8, key: &[u8]) {
    if let Some(known) = seen.iter_mut().find(|(_, d, k)| *d == db && k == key) {
        known.0 = bytes;
        return;
    }
    if seen.len() < BIG_KEYS {
        seen.push((bytes, db, key.to_vec()));
        return;
    }
    let least = (0..seen.len()).min_by_key(|place| seen[*place].0).expect("it is full");
    if seen[least].0 < bytes {
        seen[least] = (bytes, db, key.to_vec());
    }
}

/// What an item takes, the structure of a grown collection included.
fn bytes_of(item: &Item<'_>) -> u64 {
    item.bytes() + structure_bytes(item)
}

impl Shard {
    /// Goes on with the walk for a slice.
    pub fn look_for_big_keys(&mut self) {
        if !self.store.is_empty() {
            self.walk_for_big_keys(BIG_KEYS_STEPS);
        }
    }

    fn walk_for_big_keys(&mut self, steps: usize) {
        let now_ms = self.now.unix_ms;
        let (store, big) = (&self.store, &mut self.big);
        for _ in 0..steps {
            let seen = &mut big.seen;
            // Most items are smaller than the least that is remembered, and are passed by.
            let floor = if seen.len() < BIG_KEYS { 0 } else { seen.iter().map(|s| s.0).min().unwrap_or(0) };
            big.cursor = store.scan(big.cursor, now_ms, &mut |item| {
                let bytes = bytes_of(&item);
                if bytes > floor {
                    note(seen, bytes, item.db(), item.key());
                }
            });
            if big.cursor == 0 {
                big.before = std::mem::take(&mut big.seen);
                break;
            }
        }
    }

    /// The biggest keys, biggest first, as they are now. A shard of few items is looked through for it.
    pub fn big_keys(&mut self) -> Vec<BigKey> {
        if self.store.len() <= BIG_KEYS_AT_ONCE {
            self.big.cursor = 0;
            self.big.seen.clear();
            self.walk_for_big_keys(usize::MAX);
        }
        let mut keys: Vec<BigKey> = Vec::new();
        for (_, physical, bytes) in self.big.before.iter().chain(&self.big.seen) {
            let key = Key::new(self.store.hasher(), *physical, bytes);
            let (Some(db), Some(item)) = (self.logical(*physical), self.store.peek(&key, self.now.unix_ms))
            else {
                continue;
            };
            keys.push(BigKey { db, key: bytes.clone(), bytes: bytes_of(&item), kind: item.kind() });
        }
        keys.sort_by(|a, b| (Reverse(a.bytes), a.db, &a.key).cmp(&(Reverse(b.bytes), b.db, &b.key)));
        keys.dedup();
        keys.truncate(BIG_KEYS);
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slabs::{Meta, Options, Store};

    fn shard() -> Shard {
        Shard::new(Store::new(&Options { huge_pages: false, ..Options::default() }).unwrap(), 16)
    }

    fn put(shard: &mut Shard, db: u8, key: &str, bytes: usize) {
        let key = Key::new(&shard.store.hasher().clone(), shard.physical(db), key.as_bytes());
        shard.store.put(&key, &vec![0; bytes], &Meta::default(), 0).unwrap();
    }

    #[test]
    fn the_biggest_keys_of_a_small_shard_are_told_as_they_are_now() {
        let mut shard = shard();
        (0..1000).for_each(|number| put(&mut shard, 0, &format!("small:{number}"), 10));
        put(&mut shard, 3, "big", 5_000);
        put(&mut shard, 0, "bigger", 200_000);
        let names = |shard: &mut Shard| -> Vec<(u8, String)> {
            let keys = shard.big_keys();
            assert!(keys.len() <= BIG_KEYS && keys.is_sorted_by_key(|key| Reverse(key.bytes)));
            keys.into_iter().take(2).map(|key| (key.db, String::from_utf8(key.key).unwrap())).collect()
        };
        assert_eq!(names(&mut shard), [(0, "bigger".into()), (3, "big".into())]);
        put(&mut shard, 0, "bigger", 6);
        assert_eq!(names(&mut shard)[0], (3, "big".into()));
        shard.flush_db(3);
        assert!(!names(&mut shard).contains(&(3, "big".into())));
    }

    #[test]
    fn the_walk_finds_them_in_slices() {
        let mut shard = shard();
        (0..BIG_KEYS_AT_ONCE + 1).for_each(|number| put(&mut shard, 0, &format!("small:{number}"), 10));
        put(&mut shard, 0, "big", 5_000);
        for _ in 0..BIG_KEYS_AT_ONCE {
            shard.look_for_big_keys();
        }
        assert_eq!(shard.big_keys()[0].key, b"big");
    }
}
