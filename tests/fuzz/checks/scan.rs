//! A scan's guarantee: what is there from its first call to its last is seen, whatever comes and goes meanwhile.

use slabs::{Hasher, Key, Meta, Options, Store};
use std::collections::HashSet;

struct World {
    store: Store,
    hasher: Hasher,
    present: HashSet<u32>,
    /// Those that were there since the scan began.
    lasting: HashSet<u32>,
}

/// The first byte says how many keys there are at first; each two that follow write or remove a run of keys, or take
/// steps of the scan.
pub fn check(data: &[u8]) {
    let [first, rest @ ..] = data else { return };
    let options =
        Options { budget_bytes: 16 << 20, reserve_bytes: 1 << 30, huge_pages: false, ..Options::default() };
    let store = Store::new(&options).expect("budget");
    let hasher = store.hasher().clone();
    let mut world = World { store, hasher, present: HashSet::new(), lasting: HashSet::new() };
    world.write(0, u32::from(*first) * 8);
    let (mut cursor, mut seen) = (0, HashSet::new());
    world.lasting = world.present.clone();
    for change in rest.chunks_exact(2) {
        let (from, count) = (u32::from(change[1]) * 8, u32::from(change[0] >> 2) * 8);
        match change[0] & 3 {
            0 => world.write(from, count),
            1 => world.remove(from, count),
            _ => {
                for _ in 0..=count / 8 {
                    cursor = world.step(cursor, &mut seen);
                    if cursor == 0 {
                        world.judge(&seen);
                        seen.clear();
                        world.lasting = world.present.clone();
                    }
                }
            }
        }
    }
    while cursor != 0 {
        cursor = world.step(cursor, &mut seen);
    }
    if !seen.is_empty() {
        world.judge(&seen);
    }
    assert_eq!(world.store.len(), world.present.len() as u64);
}

impl World {
    fn write(&mut self, from: u32, count: u32) {
        for number in from..from + count {
            let name = number.to_le_bytes();
            self.store.put(&Key::new(&self.hasher, 0, &name), b"value", &Meta::default(), 1).expect("room");
            self.present.insert(number);
        }
    }

    fn remove(&mut self, from: u32, count: u32) {
        for number in from..from + count {
            let removed = self.store.remove(&Key::new(&self.hasher, 0, &number.to_le_bytes()), 1);
            assert_eq!(removed, self.present.remove(&number));
            self.lasting.remove(&number);
        }
        self.store.settle(1, 8);
    }

    fn step(&self, cursor: u64, seen: &mut HashSet<u32>) -> u64 {
        self.store.scan(cursor, 1, &mut |item| {
            seen.insert(u32::from_le_bytes(item.key().try_into().expect("four bytes")));
        })
    }

    fn judge(&self, seen: &HashSet<u32>) {
        let missed: Vec<_> = self.lasting.difference(seen).collect();
        assert!(missed.is_empty(), "the scan missed {missed:?}");
    }
}
