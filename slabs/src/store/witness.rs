//! Who was evicted, for those who want to know. Costs a branch per eviction while nobody does.

use super::Store;
use crate::meta::Marks;
use crate::page::{Handle, Pages};

/// Evictions remembered between two looks; those beyond are only counted.
const KEPT_MAX: usize = 1024;

/// An item that was evicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// Its key.
    pub key: Vec<u8>,
    /// Its database.
    pub db: u8,
    /// It was read lately.
    pub read: bool,
    /// Unix time in ms from which on it would have been dead; 0: never.
    pub expire_at_ms: u64,
    /// The size class that it was counted under, by its place in [`Store::classes`].
    pub class: usize,
    /// Bytes of its value.
    pub value_bytes: usize,
    /// The number of its last change.
    pub version: u32,
    /// Its marks: where uses are followed, they tell the last one.
    pub marks: Marks,
}

/// An item that has come, or has left by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its database.
    pub db: u8,
    /// Its key.
    pub key: Vec<u8>,
    /// Which way.
    pub way: Way,
}

/// Which way an item has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing was under its key.
    Came,
    /// Its time had come.
    Expired,
    /// Room was needed.
    Evicted,
}

/// Evictions since the last look, if anybody looks.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    looks: bool,
    evicted: Vec<Evicted>,
    more: u64,
    /// Every item that comes, or leaves by itself, is remembered too.
    at_gate: bool,
    passed: Vec<Passage>,
}

impl Witness {
    /// Somebody wants to know.
    #[inline]
    pub(crate) fn looks(&self) -> bool {
        self.looks
    }

    /// Somebody wants to know of every item that comes, or leaves by itself.
    #[inline]
    pub(crate) fn is_at_gate(&self) -> bool {
        self.at_gate
    }

    /// An item has come, or is about to leave by itself.
    #[cold]
    pub(crate) fn note_passage(&mut self, pages: &Pages, handle: Handle, way: Way) {
        let raw = pages.raw(handle);
        self.passed.push(Passage { db: raw.db(), key: raw.key().to_vec(), way });
    }

    /// An item is about to be evicted.
    #[cold]
    pub(crate) fn note(&mut self, pages: &Pages, handle: Handle) {
        if self.evicted.len() == KEPT_MAX {
            self.more += 1;
            return;
        }
        let raw = pages.raw(handle);
        self.evicted.push(Evicted {
            key: raw.key().to_vec(),
            db: raw.db(),
            read: raw.frequency() > 0,
            expire_at_ms: raw.expire_at_ms(),
            class: usize::from(pages.eviction_class(handle)),
            value_bytes: raw.value_len(),
            version: raw.version(),
            marks: raw.marks(),
        });
    }
}

impl Store {
    /// Whether evictions are remembered for `take_evicted`. Forgets those so far when it ends.
    pub fn witness_evictions(&mut self, on: bool) {
        (self.witness.looks, self.witness.more) = (on, 0);
        if !on {
            self.witness.evicted = Vec::new();
        }
    }

    /// Whether every item that comes, expires or is evicted is remembered for `take_passed`. Forgets those so far when it
    /// ends.
    pub fn witness_passages(&mut self, on: bool) {
        self.witness.at_gate = on;
        if !on {
            self.witness.passed = Vec::new();
        }
    }

    /// Some have passed since the last `take_passed`.
    #[inline]
    pub fn any_passed(&self) -> bool {
        !self.witness.passed.is_empty()
    }

    /// Items that have come, or have left by themselves, since the last call, in order. All of them: whoever wants to know
    /// takes them as often as the store works.
    pub fn take_passed(&mut self) -> Vec<Passage> {
        std::mem::take(&mut self.witness.passed)
    }

    /// Items evicted since the last call, in order, and how many more there were.
    pub fn take_evicted(&mut self) -> (Vec<Evicted>, u64) {
        (std::mem::take(&mut self.witness.evicted), std::mem::take(&mut self.witness.more))
    }
}
