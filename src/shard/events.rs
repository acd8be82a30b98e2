//! What happened to keys, for those who listen to it (`notify-keyspace-events`): Redis's names of what commands did.
//!
//! A handler that has changed a key says so with [`Shard::tell`], where it is done and in the order in which it was done:
//! class, name, key. That is a load and a branch while nobody wants to know. What the store sees by itself (keys that
//! are made, that expire, that are evicted) it remembers, and it is put where it belongs between what handlers tell. The core turns
//! the list into messages at the end of the turn, and before anything whose order to it matters.

pub use crate::parameters::events::*;

use super::Shard;
use slabs::{Key, Way};

/// Events beyond which the list gives its memory back.
const KEPT_MAX: usize = 1024;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Logical database.
    pub db: u8,
    /// Redis's name of it.
    pub name: &'static str,
    /// The key.
    pub key: Vec<u8>,
}

impl Told {
    /// The channel that is told the event's name.
    pub fn name_keyspace(&self, channel: &mut Vec<u8>) {
        self.name_channel(b"__keyspace@", &self.key, channel);
    }

    /// The channel that is told the key.
    pub fn name_keyevent(&self, channel: &mut Vec<u8>) {
        self.name_channel(b"__keyevent@", self.name.as_bytes(), channel);
    }

    fn name_channel(&self, kind: &[u8], of: &[u8], channel: &mut Vec<u8>) {
        let mut digits = crate::text::Digits::default();
        channel.clear();
        channel.extend_from_slice(kind);
        channel.extend_from_slice(crate::text::format_u64(u64::from(self.db), &mut digits));
        channel.extend_from_slice(b"__:");
        channel.extend_from_slice(of);
    }
}

/// What is wanted, and what was told since the core looked.
#[derive(Debug, Default)]
pub struct Events {
    /// As the parameter has it.
    mode: u16,
    /// Classes that are told; 0 if none is, or nobody is told.
    wanted: u16,
    told: Vec<Told>,
}

impl Events {
    /// As the parameter has it.
    #[inline]
    pub fn mode(&self) -> u16 {
        self.mode
    }

    /// Some of these classes are wanted.
    #[inline]
    pub fn wants(&self, classes: u16) -> bool {
        self.wanted & classes != 0
    }

    /// The list's memory, for what comes next.
    pub fn give_back(&mut self, mut told: Vec<Told>) {
        told.clear();
        if self.told.capacity() == 0 && told.capacity() <= KEPT_MAX {
            self.told = told;
        }
    }

    /// Any class is wanted.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.wanted != 0
    }
}

impl Shard {
    /// Takes over what the parameter says.
    pub fn set_events(&mut self, mode: u16) {
        let told = mode & (KEYSPACE | KEYEVENT) != 0;
        self.events.mode = mode;
        self.events.wanted = if told { mode & !(KEYSPACE | KEYEVENT) } else { 0 };
        self.store.witness_passages(self.events.wants(EXPIRED | EVICTED | NEW));
    }

    /// Something has happened to a key: `class` is one of this module's, `name` Redis's word for it.
    #[inline]
    pub fn tell(&mut self, class: u16, name: &'static str, key: &Key<'_>) {
        if self.events.wanted & class != 0 {
            self.note_event(name, key.db, key.bytes);
        }
    }

    #[cold]
    fn note_event(&mut self, name: &'static str, physical: u8, key: &[u8]) {
        self.note_passages();
        if let Some(db) = self.logical(physical) {
            self.events.told.push(Told { db, name, key: key.to_vec() });
        }
    }

    /// A key is about to be read.
    #[inline]
    pub fn before_read(&mut self, key: &Key<'_>) {
        if self.events.wanted & MISS != 0 {
            self.tell_if_missed(key);
        }
    }

    #[cold]
    fn tell_if_missed(&mut self, key: &Key<'_>) {
        self.store.reclaim(key, self.now_ms());
        if !self.has(key) {
            self.tell(MISS, "keymiss", key);
        }
    }

    /// The last of a collection has been taken, and so its key is gone.
    #[inline]
    pub fn tell_if_gone(&mut self, key: &Key<'_>) {
        if self.events.wanted & GENERIC != 0 && !self.has(key) {
            self.note_event("del", key.db, key.bytes);
        }
    }

    /// The key is there.
    pub fn has(&self, key: &Key<'_>) -> bool {
        self.store.peek(key, self.now_ms()).is_some()
    }

    /// What has come to the store or has left it by itself since the last event.
    fn note_passages(&mut self) {
        if !self.store.any_passed() {
            return;
        }
        for passage in self.store.take_passed() {
            let (class, name) = match passage.way {
                Way::Came => (NEW, "new"),
                Way::Expired => (EXPIRED, "expired"),
                Way::Evicted => (EVICTED, "evicted"),
            };
            if self.events.wants(class)
                && let Some(db) = self.logical(passage.db)
            {
                self.events.told.push(Told { db, name, key: passage.key });
            }
        }
    }

    /// There are events that nobody has been told of.
    #[inline]
    pub fn any_event(&self) -> bool {
        !self.events.told.is_empty() || self.store.any_passed()
    }

    /// All of them, in order.
    pub fn take_events(&mut self) -> Vec<Told> {
        self.note_passages();
        std::mem::take(&mut self.events.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slabs::{Hasher, Kind, Meta, Options, Store};

    fn shard(mode: u16) -> (Shard, Hasher) {
        let options = Options { huge_pages: false, ..Options::default() };
        let mut shard = Shard::new(Store::new(&options).expect("a valid store"), 16);
        shard.now.unix_ms = 1_000_000;
        shard.set_events(mode);
        (shard, Hasher::new(options.seeds))
    }

    fn told(shard: &mut Shard) -> Vec<(u8, &'static str, Vec<u8>)> {
        shard.take_events().into_iter().map(|told| (told.db, told.name, told.key)).collect()
    }

    #[test]
    fn what_the_store_sees_comes_where_it_happened() {
        let (mut shard, hasher) = shard(KEYSPACE | STRING | NEW | EXPIRED | MISS);
        let key = Key::new(&hasher, shard.physical(3), b"k");
        let meta = Meta { kind: Kind::String, expire_at_ms: 1_000_100, ..Meta::default() };
        shard.put(&key, b"v", &meta).unwrap();
        shard.tell(STRING, "set", &key);
        shard.put(&key, b"w", &meta).unwrap();
        shard.tell(STRING, "set", &key);
        shard.tell(GENERIC, "expire", &key);
        shard.now.unix_ms += 200;
        assert!(shard.read(&key, true).is_none());
        let names: Vec<_> = told(&mut shard).into_iter().map(|(db, name, _)| (db, name)).collect();
        assert_eq!(names, [(3, "new"), (3, "set"), (3, "set"), (3, "expired"), (3, "keymiss")]);
        assert!(!shard.any_event());
    }

    #[test]
    fn nothing_is_told_where_no_channel_is_wanted() {
        for mode in [0, KEYSPACE, KEYEVENT, STRING | NEW] {
            let (mut shard, hasher) = shard(mode);
            let key = Key::new(&hasher, shard.physical(0), b"k");
            shard.put(&key, b"v", &Meta::default()).unwrap();
            shard.tell(STRING, "set", &key);
            assert!(told(&mut shard).is_empty(), "{mode}");
        }
    }

    #[test]
    fn channels_are_named_as_redis_names_them() {
        let told = Told { db: 12, name: "set", key: b"a:b".to_vec() };
        let mut channel = Vec::new();
        told.name_keyspace(&mut channel);
        assert_eq!(channel, b"__keyspace@12__:a:b");
        told.name_keyevent(&mut channel);
        assert_eq!(channel, b"__keyevent@12__:set");
    }
}
