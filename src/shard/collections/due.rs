//! Which hashes have fields that die, and when the next of them does: so that dead fields are reclaimed though nobody
//! asks for them.
//!
//! A hash is known by its key; the entry is a hint and may be out of date (the hash has gone, the field has lost its
//! deadline). Whoever takes one looks, and notes the hash anew. Every note looks at two of the others too, so what is
//! out of date is never more than what is not.

use std::collections::{BTreeMap, HashMap};

/// When, the key's hash, the physical database.
type Place = (u64, u64, u8);

/// What an entry takes besides the key: its share of both maps' nodes.
const ENTRY_BYTES: usize = 96;

/// The hashes of a shard that have fields with deadlines.
#[derive(Debug, Default)]
pub struct Due {
    by_time: BTreeMap<Place, Box<[u8]>>,
    by_key: HashMap<(u64, u8), u64>,
    key_bytes: usize,
    /// Where the look at old entries is.
    audited: Place,
}

impl Due {
    /// Whether anything is due.
    #[inline]
    pub fn any(&self, now_ms: u64) -> bool {
        self.first_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// When the first is due.
    #[inline]
    pub fn first_ms(&self) -> Option<u64> {
        if self.by_key.is_empty() { None } else { self.by_time.first_key_value().map(|(place, _)| place.0) }
    }

    /// Notes that the hash of a key has a field that dies then. An earlier time that is known stays.
    pub fn note(&mut self, db: u8, hash: u64, key: &[u8], due_ms: u64) {
        let known = self.by_key.entry((hash, db)).or_insert(u64::MAX);
        if *known <= due_ms {
            return;
        }
        let before = std::mem::replace(known, due_ms);
        let key = match self.by_time.remove(&(before, hash, db)) {
            Some(key) => key,
            None => {
                self.key_bytes += key.len();
                key.into()
            }
        };
        self.by_time.insert((due_ms, hash, db), key);
    }

    /// Takes the hash that is due first out.
    pub fn take(&mut self, now_ms: u64) -> Option<(u8, u64, Box<[u8]>)> {
        if !self.any(now_ms) {
            return None;
        }
        let ((_, hash, db), key) = self.by_time.pop_first()?;
        self.by_key.remove(&(hash, db));
        self.key_bytes -= key.len();
        Some((db, hash, key))
    }

    /// The next entry to be looked at, in a round over all.
    pub fn next_to_audit(&mut self) -> Option<(u8, u64, &[u8])> {
        let after = (std::ops::Bound::Excluded(self.audited), std::ops::Bound::Unbounded);
        let next = self.by_time.range(after).next().or_else(|| self.by_time.first_key_value());
        let (&place, key) = next?;
        self.audited = place;
        Some((place.2, place.1, key))
    }

    /// Forgets a hash.
    pub fn forget(&mut self, db: u8, hash: u64) {
        if let Some(due_ms) = self.by_key.remove(&(hash, db))
            && let Some(key) = self.by_time.remove(&(due_ms, hash, db))
        {
            self.key_bytes -= key.len();
        }
    }

    /// Memory that it takes, about.
    pub fn bytes(&self) -> usize {
        self.by_key.len() * ENTRY_BYTES + self.key_bytes
    }

    /// How many hashes it knows.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// It knows none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_time_of_a_key_counts_and_it_comes_once() {
        let mut due = Due::default();
        due.note(0, 7, b"a", 50);
        due.note(0, 8, b"b", 40);
        due.note(0, 7, b"a", 60);
        assert_eq!((due.len(), due.first_ms()), (2, Some(40)));
        due.note(0, 7, b"a", 30);
        assert!(due.take(29).is_none());
        assert_eq!(due.take(45), Some((0, 7, b"a"[..].into())));
        assert_eq!(due.take(45), Some((0, 8, b"b"[..].into())));
        assert!(due.take(u64::MAX).is_none() && due.is_empty() && due.bytes() == 0);
    }

    #[test]
    fn every_entry_has_its_turn_to_be_looked_at() {
        let mut due = Due::default();
        (0..10).for_each(|hash| due.note(1, hash, b"key", 100 - hash));
        let mut seen: Vec<u64> = (0..10).map(|_| due.next_to_audit().unwrap().1).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..10));
        due.forget(1, 3);
        due.forget(1, 3);
        assert_eq!(due.len(), 9);
    }
}
