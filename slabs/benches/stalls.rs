#![allow(unsafe_code)]
//! How long single operations take at 5,000,000 items, page faults apart.
//!
//! `cargo bench -p slabs --bench stalls`. The store does the same work each time it is given the same operations, so
//! each operation is timed in several runs and its best time counts: what an interrupt or another process took is
//! gone, what the store itself takes is not. Operations that the kernel charged with a page fault are counted apart.

use std::time::Instant;

use slabs::{Key, Meta, Options, Store};

const ITEMS: u64 = 5_000_000;
const RUNS: usize = 3;
const LIMIT_NS: u32 = 20_000;

#[derive(Clone, Copy)]
struct Timing {
    ns: u32,
    faulted: bool,
}

fn faults() -> i64 {
    // SAFETY: all-zero is a valid rusage, and getrusage only writes it.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage.ru_minflt
    }
}

/// Grows to the full size, evicting at the end, then deletes all; calls `note` with each operation's time.
fn run(mut note: impl FnMut(Timing)) {
    let options = Options { budget_bytes: 700 << 20, ..Options::default() };
    let mut store = Store::new(&options).expect("budget");
    let hasher = store.hasher().clone();
    let value = [7u8; 100];
    let mut timed = |store: &mut Store, operation: &mut dyn FnMut(&mut Store)| {
        let before = faults();
        let start = Instant::now();
        operation(store);
        let ns = start.elapsed().as_nanos().min(u128::from(u32::MAX)) as u32;
        note(Timing { ns, faulted: faults() != before });
    };
    for number in 0..ITEMS {
        let bytes = format!("key:{number:012}");
        let key = Key::new(&hasher, 0, bytes.as_bytes());
        timed(&mut store, &mut |store| store.put(&key, &value, &Meta::default(), 1).expect("room"));
    }
    for number in (0..ITEMS).map(|number| number * 7919 % ITEMS) {
        let bytes = format!("key:{number:012}");
        let key = Key::new(&hasher, 0, bytes.as_bytes());
        timed(&mut store, &mut |store| {
            std::hint::black_box(store.get(&key, 1).is_some());
        });
    }
    for number in (0..ITEMS).map(|number| number * 7919 % ITEMS) {
        let bytes = format!("key:{number:012}");
        let key = Key::new(&hasher, 0, bytes.as_bytes());
        timed(&mut store, &mut |store| {
            store.remove(&key, 1);
        });
    }
}

fn main() {
    let mut best: Vec<Timing> = Vec::new();
    for round in 0..RUNS {
        let mut at = 0;
        run(|timing| {
            if round == 0 {
                best.push(timing);
            } else {
                let old = &mut best[at];
                old.ns = old.ns.min(timing.ns);
                old.faulted |= timing.faulted;
            }
            at += 1;
        });
    }
    let phases = [("insert", 0), ("get", 1), ("remove", 2)];
    let mut over = 0;
    for (name, phase) in phases {
        let timings = &best[phase * ITEMS as usize..(phase + 1) * ITEMS as usize];
        println!("{name}: up to us  operations  with a page fault");
        let mut from = 0;
        for up_to in [250, 500, 1000, 2000, 5000, 10_000, LIMIT_NS, u32::MAX] {
            let within = timings.iter().filter(|timing| timing.ns > from && timing.ns <= up_to);
            let (faulted, plain): (Vec<&Timing>, Vec<_>) = within.partition(|timing| timing.faulted);
            let label = if up_to == u32::MAX { "more".into() } else { format!("{}", f64::from(up_to) / 1e3) };
            println!("{label:>16}  {:10}  {:10}", plain.len(), faulted.len());
            if up_to == u32::MAX {
                over += plain.len();
            }
            from = up_to;
        }
    }
    println!("over 20 us without a page fault: {over} {}", if over == 0 { "ok" } else { "MISSED" });
}
