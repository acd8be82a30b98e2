//! A store and its naive twin, a map with expiry, doing the same.
//!
//! The twin has no budget, so an item that the store misses must have been evicted: there are never more such
//! misses than evictions.

use std::collections::HashMap;

use slabs::{
    Change, Draft, Hasher, Item, Key, Kind, Ledger, Lent, Marks, Meta, Options, Pin, Policy, Refused, Store,
};

/// What one step does, in plain numbers, so that any can be drawn and shrunk.
pub type Step = (u8, u16, u32, u8);

/// The largest value of a step: beyond the largest chunk of every page size.
pub const VALUE_BYTES_MAX: usize = 40_000;

type Id = (u8, Vec<u8>);

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    value: Vec<u8>,
    meta: Meta,
    fetched: bool,
}

impl Entry {
    fn of(item: &Item<'_>) -> Entry {
        Entry { value: item.value().to_vec(), meta: item.meta(), fetched: item.is_fetched() }
    }

    /// The value becomes another one.
    fn renew(&mut self) {
        (self.meta.cas, self.meta.marks, self.fetched) = (None, Marks::default(), false);
    }
}

pub struct Pair {
    pub store: Store,
    hasher: Hasher,
    twin: HashMap<Id, Entry>,
    pins: Vec<(Pin, Vec<u8>)>,
    lent: Vec<(Lent, Vec<u8>)>,
    now_ms: u64,
    explained: u64,
    page_bytes: u64,
    /// The largest blob that may be over the budget.
    slack_bytes: u64,
}

impl Pair {
    pub fn new(budget_bytes: u64, policy: Policy) -> Pair {
        let options = Options {
            budget_bytes,
            reserve_bytes: 1 << 30,
            item_bytes_max: 10 * VALUE_BYTES_MAX as u64,
            policy,
            huge_pages: false,
            ..Options::default()
        };
        let store = Store::new(&options).unwrap();
        Pair {
            hasher: store.hasher().clone(),
            store,
            twin: HashMap::new(),
            pins: Vec::new(),
            lent: Vec::new(),
            now_ms: 1_700_000_000_000,
            explained: 0,
            page_bytes: if budget_bytes < 64 << 20 { 16 << 10 } else { 32 << 10 },
            slack_bytes: 0,
        }
    }

    fn find(&mut self, id: &Id) -> Option<Entry> {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let found = self.store.peek(&key, self.now_ms);
        found.map(|item| Entry::of(&item))
    }

    /// Makes the twin forget what has died, and what the store evicted.
    fn agree(&mut self, id: &Id) {
        let now_ms = self.now_ms;
        if self.twin.get(id).is_some_and(|entry| dead(&entry.meta, now_ms)) {
            self.twin.remove(id);
        }
        let found = self.find(id);
        match (&found, self.twin.get(id)) {
            (None, Some(_)) => {
                self.twin.remove(id);
                self.explained += 1;
                assert!(self.explained <= self.store.counters().evicted, "an item is lost");
            }
            (found, twin) => assert_eq!(found.as_ref(), twin),
        }
    }

    /// Does one step on both and compares.
    pub fn step(&mut self, (what, which, size, extra): Step) {
        self.now_ms += u64::from(extra) / 8;
        let id = (extra % 3, key_bytes(which));
        let length = match size % 16 {
            0 => size as usize % VALUE_BYTES_MAX,
            1..4 => size as usize % 3000,
            _ => size as usize % 300,
        };
        self.agree(&id);
        match what % 16 {
            0..5 => self.put(&id, length, extra),
            5 => self.remove(&id),
            6 => self.extend(&id, length / 4, extra, false),
            7 => self.extend(&id, length / 4, extra, true),
            8 => self.resize(&id, length),
            9 => self.set_meta(&id, length, extra),
            10 => self.touch(&id, extra),
            11 => self.pin(&id),
            12 => {
                if !self.pins.is_empty() {
                    self.pins.swap_remove(size as usize % self.pins.len());
                }
                if !self.lent.is_empty() {
                    self.lent.swap_remove(size as usize % self.lent.len());
                }
            }
            13 => {
                self.store.sweep(self.now_ms, 50);
            }
            14 if extra % 4 == 0 => self.get_unread(&id),
            14 => self.get(&id),
            _ if extra.is_multiple_of(3) => self.value_mut(&id, extra),
            _ => self.splice(&id, length, extra),
        }
        self.check_ledger();
        for (pin, value) in &self.pins {
            assert_eq!(&pin[..], &value[..]);
        }
        for (lent, value) in &self.lent {
            assert_eq!(&lent[..], &value[..]);
        }
        self.store.take_dropped();
        self.agree(&id);
    }

    fn meta(&self, length: usize, extra: u8) -> Meta {
        Meta {
            kind: if extra.is_multiple_of(5) { Kind::Hash } else { Kind::String },
            heap: false,
            client_flags: u32::from(extra % 4 == 1),
            expire_at_ms: if extra.is_multiple_of(3) { 0 } else { self.now_ms + length as u64 * 5 },
            cas: (extra % 7 == 3).then_some(u64::from(extra)),
            marks: Marks::new(extra % 11 == 5, extra % 11 > 8),
        }
    }

    fn put(&mut self, id: &Id, length: usize, extra: u8) {
        let meta = self.meta(length, extra);
        let value = vec![extra; length];
        let key = Key::new(&self.hasher, id.0, &id.1);
        let stored = if length > 1000 && extra.is_multiple_of(2) {
            self.adopt(id, &value, &meta)
        } else {
            self.store.put(&key, &value, &meta, self.now_ms)
        };
        match stored {
            Ok(()) => {
                self.twin.insert(id.clone(), Entry { value, meta, fetched: false });
            }
            Err(refused) => self.refused(refused),
        }
        self.slack_bytes = self.slack_bytes.max(length as u64 + 65_536);
    }

    /// The value and its key come in a block, among other bytes.
    fn adopt(&mut self, id: &Id, value: &[u8], meta: &Meta) -> Result<(), Refused> {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let mut draft = Draft::new(20 + key.bytes.len() + value.len()).unwrap();
        for part in [&b"0123456"[..], key.bytes, b"89", value, b"0123456789"] {
            assert_eq!(draft.fill(part), Some(part.len()));
        }
        let block = draft.lend();
        let value_at = 9 + key.bytes.len();
        self.store.adopt(&key, &block, 7, value_at..value_at + value.len(), meta, self.now_ms)
    }

    fn refused(&self, refused: Refused) {
        assert_eq!(refused, Refused::NoMemory);
        let free_to_evict = self.store.policy() == Policy::AllKeys && self.pins.is_empty();
        assert!(!free_to_evict, "refused although everything may be evicted");
    }

    fn remove(&mut self, id: &Id) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        assert_eq!(self.store.remove(&key, self.now_ms), self.twin.remove(id).is_some());
    }

    fn extend(&mut self, id: &Id, length: usize, extra: u8, front: bool) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let bytes = vec![extra; length];
        let now_ms = self.now_ms;
        if self.twin.get(id).is_some_and(|entry| entry.value.len() > VALUE_BYTES_MAX) {
            return;
        }
        let done = if front {
            self.store.prepend(&key, &bytes, now_ms)
        } else {
            self.store.append(&key, &bytes, now_ms)
        };
        match done {
            Ok(length) => {
                let expected = self.twin.get_mut(id).map(|entry| {
                    let at = if front { 0 } else { entry.value.len() };
                    entry.value.splice(at..at, bytes);
                    entry.renew();
                    entry.value.len()
                });
                assert_eq!(length, expected);
                self.slack_bytes = self.slack_bytes.max(length.unwrap_or(0) as u64 + 65_536);
            }
            Err(refused) => self.refused(refused),
        }
    }

    fn resize(&mut self, id: &Id, length: usize) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        match self.store.resize(&key, length, self.now_ms).map(|value| value.map(|value| value.to_vec())) {
            Ok(value) => {
                let expected = self.twin.get_mut(id).map(|entry| {
                    entry.value.resize(length, 0);
                    entry.renew();
                    entry.value.clone()
                });
                assert_eq!(value, expected);
                self.slack_bytes = self.slack_bytes.max(length as u64 + 65_536);
            }
            Err(refused) => self.refused(refused),
        }
    }

    fn value_mut(&mut self, id: &Id, extra: u8) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let before = self.store.peek(&key, self.now_ms).map(|item| item.version());
        let Some(value) = self.store.value_mut(&key, self.now_ms) else { return };
        value.fill(extra);
        let entry = self.twin.get_mut(id).unwrap();
        entry.value.fill(extra);
        entry.meta.cas = None;
        let after = self.store.peek(&key, self.now_ms).map(|item| item.version());
        assert_ne!(before, after);
    }

    /// An item is found once, for all steps of a change.
    fn splice(&mut self, id: &Id, length: usize, extra: u8) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let (now_ms, touch) = (self.now_ms, extra % 8 < 4);
        let Some(mut item) = self.store.occupied(&key, now_ms, touch) else {
            return assert!(!self.twin.contains_key(id));
        };
        let entry = self.twin.get_mut(id).unwrap();
        if touch {
            entry.fetched = true;
            if entry.meta.marks != Marks::default() {
                entry.meta.marks = entry.meta.marks.used_at(now_ms);
            }
        }
        assert_eq!(&Entry::of(&item.item()), entry);
        if extra.is_multiple_of(5) {
            // What is not made now is made later, or is not needed.
            let _ = item.make_room(length as u64, now_ms);
            assert_eq!(item.item().value(), entry.value);
        }
        if extra.is_multiple_of(7)
            && let Some(value) = item.value_mut(now_ms)
        {
            value.fill(extra);
            entry.value.fill(extra);
            entry.meta.cas = None;
            assert_eq!(item.item().value(), entry.value);
        }
        let at = length % (entry.value.len() + 1);
        let remove = (length / 2).min(entry.value.len() - at);
        let insert = if entry.value.len() > VALUE_BYTES_MAX { 0 } else { length / 4 };
        let before = item.item().version();
        match item.splice(at, remove, insert, now_ms) {
            Ok(value) => {
                value[at..at + insert].fill(extra);
                entry.value.splice(at..at + remove, vec![extra; insert]);
                assert_eq!(value, entry.value);
                entry.renew();
                let length = value.len() as u64;
                assert_ne!(self.store.peek(&key, now_ms).map(|item| item.version()), Some(before));
                self.slack_bytes = self.slack_bytes.max(length + 65_536);
            }
            Err(refused) => self.refused(refused),
        }
    }

    fn set_meta(&mut self, id: &Id, length: usize, extra: u8) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let meta = self.meta(length, extra);
        match self.store.set_meta(&key, &meta, Change::New, self.now_ms) {
            Ok(done) => assert_eq!(done, self.twin.get_mut(id).map(|entry| entry.meta = meta).is_some()),
            Err(refused) => self.refused(refused),
        }
    }

    fn touch(&mut self, id: &Id, extra: u8) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let at = self.now_ms + u64::from(extra);
        let before = self.store.peek(&key, self.now_ms).map(|item| item.version());
        match self.store.set_expiry(&key, at, Change::Keep, self.now_ms) {
            Ok(done) => {
                assert_eq!(done, self.twin.get_mut(id).map(|entry| entry.meta.expire_at_ms = at).is_some());
                if extra > 0 {
                    assert_eq!(self.store.peek(&key, self.now_ms).map(|item| item.version()), before);
                }
            }
            Err(refused) => self.refused(refused),
        }
    }

    fn get(&mut self, id: &Id) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let found = self.store.get(&key, self.now_ms).map(|item| item.value().to_vec());
        let entry = self.twin.get_mut(id);
        assert_eq!(found.as_ref(), entry.as_ref().map(|entry| &entry.value));
        if let Some(entry) = entry {
            entry.fetched = true;
            if entry.meta.marks != Marks::default() {
                entry.meta.marks = entry.meta.marks.used_at(self.now_ms);
            }
        }
    }

    fn get_unread(&mut self, id: &Id) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let found = self.store.get_unread(&key, self.now_ms).map(|item| item.value().to_vec());
        assert_eq!(found.as_ref(), self.twin.get(id).map(|entry| &entry.value));
    }

    fn pin(&mut self, id: &Id) {
        let key = Key::new(&self.hasher, id.0, &id.1);
        let pin = self.store.pin(&key, self.now_ms);
        assert_eq!(pin.as_deref(), self.twin.get(id).map(|entry| &entry.value[..]));
        let lent = self.store.peek(&key, self.now_ms).and_then(|item| item.lend());
        if let Some(lent) = lent
            && self.lent.len() < 20
        {
            let value = pin.as_ref().unwrap().to_vec();
            self.lent.push((lent, value));
        }
        if let Some(pin) = pin
            && self.pins.len() < 20
        {
            let value = pin.to_vec();
            self.pins.push((pin, value));
        }
    }

    /// The ledger is over the budget by no more than a page and a large value.
    pub fn check_ledger(&self) {
        let ledger = self.store.ledger();
        let pinned: u64 = self.pins.iter().map(|(pin, _)| pin.len() as u64 + self.page_bytes).sum();
        assert!(
            ledger.data() <= ledger.budget + self.page_bytes + self.slack_bytes + pinned,
            "{ledger:?} slack {}",
            self.slack_bytes
        );
    }

    /// Everything that is left equals the twin, by key, by scan and by count.
    pub fn finish(mut self) {
        // The first round may have begun before the last items died.
        for _ in 0..2 {
            let mut calls = 0;
            while self.store.sweep(self.now_ms, 1000).pending {
                calls += 1;
                assert!(calls < 100_000, "the sweep does not end");
            }
        }
        let ids: Vec<Id> = self.twin.keys().cloned().collect();
        for id in &ids {
            self.agree(id);
        }
        let mut seen = HashMap::new();
        let mut cursor = 0;
        loop {
            cursor = self.store.scan(cursor, self.now_ms, &mut |item| {
                seen.insert((item.db(), item.key().to_vec()), Entry::of(&item));
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen, self.twin);
        assert_eq!(self.store.len(), self.twin.len() as u64);
        for db in 0..3 {
            let of_db = || self.twin.iter().filter(|(id, _)| id.0 == db);
            assert_eq!(self.store.len_db(db), of_db().count() as u64);
            let volatile = of_db().filter(|(_, entry)| entry.meta.expire_at_ms != 0).count();
            assert_eq!(self.store.expires_db(db), volatile as u64);
        }
        self.store.clear();
        assert_eq!(self.store.len(), 0);
        for (pin, value) in &self.pins {
            assert_eq!(&pin[..], &value[..]);
        }
        let (pins, lent) = (std::mem::take(&mut self.pins), std::mem::take(&mut self.lent));
        if pins.len().is_multiple_of(2) {
            // Half of the time the pins outlive the store.
            drop(self);
            for (pin, value) in &pins {
                assert_eq!(&pin[..], &value[..]);
            }
            for (lent, value) in &lent {
                assert_eq!(&lent[..], &value[..]);
            }
        } else {
            drop(pins);
            self.store.settle(1, self.now_ms);
            let left: u64 = lent.iter().map(|(lent, _)| lent.share_bytes()).sum();
            assert!(self.store.lent_bytes().abs_diff(left) <= lent.len() as u64, "shares add up");
            drop(lent);
            assert_eq!((self.store.lent_bytes(), self.store.ledger().buffers), (0, 0));
            self.store.settle(1, self.now_ms);
            self.store.clear();
            let Ledger { pages, large, .. } = self.store.ledger();
            assert_eq!((pages, large), (0, 0));
        }
    }
}

fn dead(meta: &Meta, now_ms: u64) -> bool {
    meta.expire_at_ms != 0 && meta.expire_at_ms <= now_ms
}

/// Keys of many lengths, the empty one among them.
fn key_bytes(which: u16) -> Vec<u8> {
    let length = match which % 17 {
        0 => usize::from(which) / 17,
        1 => 250,
        2 => 70,
        _ => 12,
    };
    let mut bytes = format!("{which:05}").into_bytes();
    bytes.resize(length.max(usize::from(which > 0) * 5), b'k');
    bytes
}
