//! Bytes per item at the worst point while a store grows from 1 to 4 million items, everything counted.
//!
//! `cargo run --release -p slabs --example memory [--details]`

use slabs::{Key, Meta, Options, Store};

const FROM: u64 = 1_000_000;
const TO: u64 = 4_000_000;

fn main() {
    let details = std::env::args().any(|argument| argument == "--details");
    println!("value B  worst B/item  at items   bar");
    let mut failed = false;
    for (value_bytes, bar) in [(8, 50.0), (32, 76.0), (100, 144.0), (256, 316.0), (1000, 1100.0)] {
        let (worst, at, line) = grow(value_bytes);
        let verdict = if worst <= bar { "ok" } else { "MISSED" };
        failed |= worst > bar;
        println!("{value_bytes:7}  {worst:12.2}  {at:8}  {bar:5} {verdict}");
        if details {
            println!("         {line}");
        }
    }
    std::process::exit(i32::from(failed));
}

/// The worst bytes per item, where, and the ledger there.
fn grow(value_bytes: usize) -> (f64, u64, String) {
    let options = Options { budget_bytes: 16 << 30, ..Options::default() };
    let mut store = Store::new(&options).expect("16 GiB can be reserved");
    let hasher = store.hasher().clone();
    let value = vec![b'v'; value_bytes];
    let mut worst = (0.0, 0, String::new());
    for number in 0..TO {
        let bytes = format!("key:{number:012}");
        let key = Key::new(&hasher, 0, bytes.as_bytes());
        store.put(&key, &value, &Meta::default(), 0).expect("the budget is ample");
        if number + 1 >= FROM {
            let ledger = store.ledger();
            let per_item = ledger.total() as f64 / store.len() as f64;
            if per_item > worst.0 {
                worst = (per_item, number + 1, format!("{ledger:?}"));
            }
        }
    }
    worst
}
