//! The keyed hash of a key, computed once per request, and what is derived from it.
//!
//! Of the 64 bits the index addresses with the low ones and tags with bits 40..48; a server that deals keys
//! out to shards takes bits 48..64, which say nothing about either.

use std::hash::{BuildHasher, Hasher as _};

/// A keyed 64-bit hash of byte strings, safe against flooding while its seeds are secret.
///
/// All shards of a process use the same seeds; two hashers with the same seeds agree.
#[derive(Clone)]
pub struct Hasher {
    state: ahash::RandomState,
}

impl Hasher {
    /// A hasher with these secret seeds.
    pub fn new(seeds: [u64; 4]) -> Hasher {
        Hasher { state: ahash::RandomState::with_seeds(seeds[0], seeds[1], seeds[2], seeds[3]) }
    }

    /// The hash of one key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.state.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

/// A key as the store wants it: which database, which bytes, and their hash.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The database, 0..=255.
    pub db: u8,
    /// The key itself, at most 65,535 bytes.
    pub bytes: &'a [u8],
    /// `Hasher::hash(bytes)` with the seeds that the store was built with.
    pub hash: u64,
}

impl<'a> Key<'a> {
    /// Hashes `bytes` and puts the parts together.
    #[inline]
    pub fn new(hasher: &Hasher, db: u8, bytes: &'a [u8]) -> Key<'a> {
        Key { db, bytes, hash: hasher.hash(bytes) }
    }

    /// The hash with the database mixed in: what the index uses, and what a lock table should use.
    #[inline]
    pub fn slot_hash(&self) -> u64 {
        slot_hash(self.hash, self.db)
    }
}

/// Mixes a database number into the hash of a key. Database 0 leaves it as it is.
#[inline]
pub(crate) fn slot_hash(hash: u64, db: u8) -> u64 {
    hash ^ u64::from(db).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
