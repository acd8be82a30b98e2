#![allow(unsafe_code)]
//! The store against `hashbrown::HashMap<Box<[u8]>, Box<[u8]>>` with the same hash, in one run.
//!
//! `cargo bench -p slabs --bench speed [small] [large] [limit]`. Each figure is the median of many short rounds
//! that take turns, in CPU time, so that what else runs on the machine disturbs both sides alike.

use std::hash::{BuildHasher, Hasher as StdHasher};
use std::hint::black_box;

use hashbrown::HashMap;
use slabs::{Hasher, Key, Meta, Options, Store};

const VALUE_BYTES: usize = 100;
const QUERIES: usize = 1_000_000;
const BATCH: usize = 16;
const PER_ROUND: usize = 50_000;
const ROUNDS: usize = 50;

type Bytes = [u8; 16];
type Map = HashMap<Box<[u8]>, Box<[u8]>, SameHash>;

#[derive(Clone)]
struct SameHash(Hasher);

struct SameHashState(Hasher, u64);

impl BuildHasher for SameHash {
    type Hasher = SameHashState;

    fn build_hasher(&self) -> SameHashState {
        SameHashState(self.0.clone(), 0)
    }
}

impl StdHasher for SameHashState {
    fn write(&mut self, bytes: &[u8]) {
        self.1 = self.0.hash(bytes);
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.1
    }
}

fn key_bytes(number: u64) -> Bytes {
    let mut bytes = *b"key:000000000000";
    let mut left = number;
    for digit in bytes[4..].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    bytes
}

fn queries(items: u64) -> Vec<Bytes> {
    let mut state = 0x1234_5678_9abc_def1u64;
    (0..QUERIES)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            key_bytes(state % items)
        })
        .collect()
}

/// CPU time of this thread in nanoseconds: what other processes take does not count.
fn cpu_ns() -> f64 {
    // SAFETY: clock_gettime only writes the timespec.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        time
    };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// What a race found: nanoseconds per operation of both sides and their ratio.
struct Times {
    store: f64,
    map: f64,
    ratio: f64,
}

/// Both sides in short rounds that take turns, which side begins too. Each figure is the median over the rounds: the
/// ratio of each round is taken by itself, so that what slows a part of the run slows both sides of these rounds.
fn race(per_round: usize, rounds: usize, mut one: impl FnMut(usize), mut other: impl FnMut(usize)) -> Times {
    let mut times: Vec<(f64, f64)> = Vec::new();
    let timed = |side: &mut dyn FnMut(usize), round: usize| {
        let start = cpu_ns();
        side(round);
        (cpu_ns() - start) / per_round as f64
    };
    for round in 0..rounds {
        if round % 2 == 0 {
            let first = timed(&mut one, round);
            times.push((first, timed(&mut other, round)));
        } else {
            let first = timed(&mut other, round);
            times.push((timed(&mut one, round), first));
        }
    }
    let median = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = times.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Times {
        store: median(&|time| time.0),
        map: median(&|time| time.1),
        ratio: median(&|time| time.0 / time.1),
    }
}

fn report(what: &str, Times { store, map, ratio }: Times, bar: f64) {
    let verdict = if ratio <= bar { "ok" } else { "MISSED" };
    println!("{what:34} {store:8.1} ns  map {map:8.1} ns  {ratio:5.2}x  bar {bar:.1}x {verdict}");
}

fn fill(items: u64, budget_bytes: u64) -> (Store, Map) {
    let options = Options { budget_bytes, ..Options::default() };
    let mut store = Store::new(&options).expect("budget");
    let hasher = store.hasher().clone();
    let mut map = Map::with_hasher(SameHash(hasher.clone()));
    let value = [7u8; VALUE_BYTES];
    for number in 0..items {
        let bytes = key_bytes(number);
        store.put(&Key::new(&hasher, 0, &bytes), &value, &Meta::default(), 1).expect("room");
        map.insert(bytes.as_slice().into(), value.as_slice().into());
    }
    assert_eq!(store.len(), items);
    (store, map)
}

fn get_all(store: &mut Store, hasher: &Hasher, queries: &[Bytes]) {
    for bytes in queries {
        let item = store.get(&Key::new(hasher, 0, bytes), 1).expect("hit");
        black_box(item.value()[VALUE_BYTES - 1]);
    }
}

fn get_batches(store: &mut Store, hasher: &Hasher, queries: &[Bytes]) {
    for batch in queries.chunks_exact(BATCH) {
        let keys: [Key; BATCH] = std::array::from_fn(|at| Key::new(hasher, 0, &batch[at]));
        for key in &keys {
            store.prefetch_bucket(key);
        }
        for key in &keys {
            store.prefetch_item(key);
        }
        for key in &keys {
            black_box(store.get(key, 1).expect("hit").value()[VALUE_BYTES - 1]);
        }
    }
}

fn get_all_map(map: &Map, queries: &[Bytes]) {
    for bytes in queries {
        black_box(map.get(bytes.as_slice()).expect("hit")[VALUE_BYTES - 1]);
    }
}

fn small() {
    let (mut store, map) = fill(100_000, 256 << 20);
    let hasher = store.hasher().clone();
    let queries = queries(100_000);
    // Rounds long enough that each side finds its items in the CPU's caches again.
    let queries = &queries[..8 * PER_ROUND];
    let times = race(
        queries.len(),
        ROUNDS,
        |_| get_all(&mut store, &hasher, queries),
        |_| get_all_map(&map, queries),
    );
    report("get hit, 100,000 items", times, 1.0);
}

fn large() {
    let (mut store, mut map) = fill(5_000_000, 2 << 30);
    let hasher = store.hasher().clone();
    let queries = queries(5_000_000);
    let part = |round: usize| part(&queries, round);
    let times = race(
        PER_ROUND,
        ROUNDS,
        |round| get_all(&mut store, &hasher, part(round)),
        |round| get_all_map(&map, part(round)),
    );
    report("get hit, 5,000,000 items", times, 0.9);
    let times = race(
        PER_ROUND,
        ROUNDS,
        |round| get_batches(&mut store, &hasher, part(round)),
        |round| get_all_map(&map, part(round)),
    );
    report("get in batches of 16", times, 0.4);
    let times = race(
        PER_ROUND,
        ROUNDS,
        |round| put_all(&mut store, &hasher, part(round), round as u8),
        |round| {
            let value = [round as u8; VALUE_BYTES];
            for bytes in part(round) {
                map.insert(bytes.as_slice().into(), value.as_slice().into());
            }
        },
    );
    report("overwrite, same size", times, 0.5);
}

fn put_all(store: &mut Store, hasher: &Hasher, keys: &[Bytes], fill: u8) {
    let value = [fill; VALUE_BYTES];
    for bytes in keys {
        store.put(&Key::new(hasher, 0, bytes), &value, &Meta::default(), 1).expect("room");
    }
}

fn insert_at_limit() {
    // The map takes new keys without growing its table in the measured part; the store evicts for each.
    let (mut store, mut map) = fill(4_000_000, 2 << 30);
    let hasher = store.hasher().clone();
    store.set_budget(store.ledger().total()).expect("a smaller budget");
    let keys: Vec<Bytes> =
        (0..(PER_ROUND * ROUNDS) as u64).map(|number| key_bytes(4_000_000 + number)).collect();
    let of = |round: usize| &keys[round * PER_ROUND..(round + 1) * PER_ROUND];
    let times = race(
        PER_ROUND,
        ROUNDS,
        |round| put_all(&mut store, &hasher, of(round), 9),
        |round| {
            let value = [9u8; VALUE_BYTES];
            for bytes in of(round) {
                map.insert(bytes.as_slice().into(), value.as_slice().into());
            }
        },
    );
    assert!(store.counters().evicted > (PER_ROUND * ROUNDS / 2) as u64);
    report("insert and evict at the limit", times, 1.5);
}

/// The queries of one round.
fn part(queries: &[Bytes], round: usize) -> &[Bytes] {
    let start = round * PER_ROUND % (QUERIES - PER_ROUND + 1);
    &queries[start..start + PER_ROUND]
}

fn main() {
    let parts: [(&str, fn()); 3] = [("small", small), ("large", large), ("limit", insert_at_limit)];
    let named: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    for (name, part) in parts {
        if named.is_empty() || named.iter().any(|other| other == name) {
            part();
        }
    }
}
