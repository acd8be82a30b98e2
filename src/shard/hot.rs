//! The keys that are asked for most, found by counting a sample of the requests: the space-saving algorithm of
//! Metwally, Agrawal and El Abbadi (ICDT 2005), which knows every key with more than `1 / HOT_KEYS` of the requests,
//! whatever the number of keys. Half of what was counted is forgotten at intervals, so that what is hot is hot now.

use crate::limits::{HOT_KEY_BYTES_MAX, HOT_KEYS, HOT_KEYS_HALF_US};

/// A key that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HotKey {
    /// Logical database.
    pub db: u8,
    /// The key.
    pub key: Vec<u8>,
    /// Samples of it, at most: those of a key that it has displaced may be among them.
    pub count: u32,
    /// So many of them may be another key's.
    pub doubt: u32,
}

/// One core's sampled keys.
#[derive(Debug, Default)]
pub struct HotKeys {
    /// Hashes of the keys, in the order of `keys`: what is looked through for every sample.
    hashes: Vec<u64>,
    keys: Vec<HotKey>,
    sampled: u32,
    halved_us: u64,
}

impl HotKeys {
    /// Counts a request for a key, whose hash is `hash`.
    pub fn sample(&mut self, db: u8, key: &[u8], hash: u64, mono_us: u64) {
        self.forget(mono_us);
        self.sampled += 1;
        if key.len() > HOT_KEY_BYTES_MAX {
            return;
        }
        let hash = hash ^ u64::from(db).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Some(place) = self.hashes.iter().position(|known| *known == hash) {
            self.keys[place].count += 1;
        } else if self.keys.len() < HOT_KEYS {
            self.hashes.push(hash);
            self.keys.push(HotKey { db, key: key.to_vec(), count: 1, doubt: 0 });
        } else {
            let counts = self.keys.iter().map(|key| key.count).enumerate();
            let (place, least) = counts.min_by_key(|(_, count)| *count).expect("there are keys");
            self.hashes[place] = hash;
            let taken = &mut self.keys[place];
            taken.key.clear();
            taken.key.extend_from_slice(key);
            (taken.db, taken.count, taken.doubt) = (db, least + 1, least);
        }
    }

    fn forget(&mut self, mono_us: u64) {
        let passed = mono_us.saturating_sub(self.halved_us) / HOT_KEYS_HALF_US;
        if passed > 0 {
            self.halved_us = mono_us;
            let halvings = passed.min(31) as u32;
            self.sampled >>= halvings;
            for key in &mut self.keys {
                key.count >>= halvings;
                key.doubt >>= halvings;
            }
        }
    }

    /// The keys that are counted now, in no order.
    pub fn keys(&self) -> &[HotKey] {
        &self.keys
    }

    /// Samples that were taken, those of other keys included.
    pub fn sampled(&self) -> u32 {
        self.sampled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::random::Random;

    fn hash(key: &[u8]) -> u64 {
        slabs::Hasher::new([1, 2, 3, 4]).hash(key)
    }

    #[test]
    fn a_key_with_many_requests_is_found_among_very_many_keys() {
        let (mut hot, mut random) = (HotKeys::default(), Random::new(7));
        for _ in 0..20_000 {
            let number = random.draw() >> 34;
            let key = match number % 10 {
                0 => b"hot".to_vec(),
                _ => format!("key:{number}").into_bytes(),
            };
            hot.sample(0, &key, hash(&key), 1);
        }
        let most = hot.keys().iter().max_by_key(|key| key.count - key.doubt).unwrap();
        assert_eq!(most.key, b"hot");
        assert!((1_600..=2_400).contains(&(most.count - most.doubt)), "{most:?}");
        assert_eq!((hot.keys().len(), hot.sampled()), (HOT_KEYS, 20_000));
    }

    #[test]
    fn the_same_key_of_two_databases_is_two_keys() {
        let mut hot = HotKeys::default();
        hot.sample(0, b"k", 9, 1);
        hot.sample(1, b"k", 9, 1);
        hot.sample(1, b"k", 9, 1);
        let counts: Vec<(u8, u32)> = hot.keys().iter().map(|key| (key.db, key.count)).collect();
        assert_eq!(counts, [(0, 1), (1, 2)]);
    }

    #[test]
    fn what_was_hot_is_forgotten() {
        let mut hot = HotKeys::default();
        for _ in 0..1000 {
            hot.sample(0, b"old", 1, 1);
        }
        for _ in 0..100 {
            hot.sample(0, b"new", 2, 12 * HOT_KEYS_HALF_US);
        }
        assert!(hot.keys()[0].count == 0 && hot.keys()[1].count == 100 && hot.sampled() == 100);
        hot.sample(0, &[0; HOT_KEY_BYTES_MAX + 1], 3, 12 * HOT_KEYS_HALF_US);
        assert_eq!((hot.keys().len(), hot.sampled()), (2, 101));
    }
}
