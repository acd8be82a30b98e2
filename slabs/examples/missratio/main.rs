//! Miss ratios of the store on traces: `key,size` lines, a read each; what misses is put with that size.
//!
//! ```text
//! cargo run --release -p slabs --example missratio -- TRACE.csv... [--fracs 0.05,0.10,0.25] [--goal hits|bytes]
//!     [--policy allkeys-lru] [--from LINE] [--caps BYTES,...] [--against POLICYSIM.jsonl] [--size-change]
//! ```
//!
//! Budgets are shares of the bytes of all keys and values; everything that the ledger counts comes out of them.
//! `--against` compares with what simulated policies reach on the same traces, as JSON lines with the fields `trace`,
//! `frac`, `policy`, `mr` and `bmr`: `policysim TRACE.csv --fracs 0.05,0.10,0.25 --overhead 60 --policies slab:seg3` and
//! `policysim TRACE.csv --fracs 0.05,0.10,0.25 --overhead 24 --policies round:s3`, one after the other into one file. `--size-change` takes no traces: keys whose values grow from 100 bytes to 2 KB half way,
//! compared with an empty store that sees the second half only.

mod against;
mod trace;

use against::Against;
use slabs::{EvictionGoal, Key, Meta, Options, Policy, Store};
use trace::Trace;

const NOW_MS: u64 = 1_700_000_000_000;

struct Settings {
    goal: EvictionGoal,
    policy: Policy,
    classes: bool,
}

struct Outcome {
    misses: u64,
    requests: u64,
    missed_bytes: u64,
    bytes: u64,
    ns_per_request: u128,
    store: Store,
}

impl Outcome {
    fn miss_ratio(&self) -> f64 {
        self.misses as f64 / self.requests as f64
    }

    fn byte_miss_ratio(&self) -> f64 {
        self.missed_bytes as f64 / self.bytes as f64
    }
}

/// Replays a trace; counts from request `from` on.
fn replay(trace: &Trace, budget_bytes: u64, from: usize, settings: &Settings) -> Outcome {
    let options = Options {
        budget_bytes,
        reserve_bytes: budget_bytes * 2,
        policy: settings.policy,
        goal: settings.goal,
        huge_pages: false,
        ..Options::default()
    };
    let store = Store::new(&options).unwrap_or_else(|error| panic!("{error}"));
    let mut outcome = Outcome { misses: 0, requests: 0, missed_bytes: 0, bytes: 0, ns_per_request: 0, store };
    let hasher = outcome.store.hasher().clone();
    let value = vec![b'v'; trace.value_bytes_max()];
    let expires = matches!(settings.policy, Policy::VolatileOnly | Policy::VolatileTtl);
    let meta = Meta { expire_at_ms: if expires { NOW_MS + 3_600_000 } else { 0 }, ..Meta::default() };
    let start = std::time::Instant::now();
    for (number, &(object, size)) in trace.requests.iter().enumerate() {
        let key = Key::new(&hasher, 0, trace.keys[object as usize].as_bytes());
        let found = outcome.store.get(&key, NOW_MS).is_some_and(|item| item.value().len() == size as usize);
        if !found {
            // A value that is too large for the store is not kept.
            let _ = outcome.store.put(&key, &value[..size as usize], &meta, NOW_MS);
        }
        if number >= from {
            outcome.requests += 1;
            outcome.bytes += u64::from(size);
            outcome.misses += u64::from(!found);
            outcome.missed_bytes += if found { 0 } else { u64::from(size) };
        }
    }
    outcome.ns_per_request = start.elapsed().as_nanos() / trace.requests.len().max(1) as u128;
    outcome
}

fn print(name: &str, label: &str, outcome: &Outcome) {
    let (ledger, counters) = (outcome.store.ledger(), outcome.store.counters());
    println!(
        "{name:16} {label:>5} {:8.2} MiB  miss {:.4}  bytes {:.4} | ledger {:5.1} %: pages {:.1} large {:.1} index {:.1} order {:.1} \
         ghosts {:.1} tables {:.1} | items {} evicted {} ghost hits {} moves {} {} ns",
        ledger.budget as f64 / 1048576.0,
        outcome.miss_ratio(),
        outcome.byte_miss_ratio(),
        share(ledger.total(), ledger.budget),
        share(ledger.pages, ledger.budget),
        share(ledger.large, ledger.budget),
        share(ledger.index, ledger.budget),
        share(ledger.order, ledger.budget),
        share(ledger.ghosts, ledger.budget),
        share(ledger.tables, ledger.budget),
        outcome.store.len(),
        counters.evicted,
        counters.ghost_hits,
        counters.page_moves,
        outcome.ns_per_request,
    );
}

fn print_classes(store: &Store) {
    for class in store.classes().iter().filter(|class| class.chunks_used > 0) {
        println!(
            "    to {:8} B: pages {:5} used {:6} free {:5} evicted {:7} ghost hits {:6} given {:5} taken {:5} age {}",
            class.item_bytes_max,
            class.pages,
            class.chunks_used,
            class.chunks_free,
            class.evicted,
            class.ghost_hits,
            class.pages_given,
            class.pages_taken,
            class.frontier_age
        );
    }
}

fn share(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole as f64
}

/// The second half after a first half of other sizes, against the second half alone.
fn size_change(fracs: &[String], settings: &Settings) {
    let trace = Trace::size_change(40_000, 1_500_000, 100, 2000);
    let half = trace.requests.len() / 2;
    let second = trace.second_half();
    let unique = trace.unique_bytes();
    for frac in fracs {
        let budget = (frac.parse::<f64>().expect("a fraction") * unique as f64) as u64;
        let changed = replay(&trace, budget, half, settings);
        let fresh = replay(&second, budget, 0, settings);
        print("after the change", frac, &changed);
        print("fresh", frac, &fresh);
        println!("  {:.3} times the fresh store's misses", changed.miss_ratio() / fresh.miss_ratio());
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned()
    };
    let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let settings = Settings {
        goal: match option("--goal").as_deref() {
            None | Some("hits") => EvictionGoal::Hits,
            Some("bytes") => EvictionGoal::Bytes,
            Some(other) => panic!("no goal {other}"),
        },
        policy: option("--policy").unwrap_or("allkeys-lru".into()).parse().expect("a policy"),
        classes: arguments.iter().any(|argument| argument == "--classes"),
    };
    let fracs = list(option("--fracs").unwrap_or("0.05,0.10,0.25".into()));
    if arguments.iter().any(|argument| argument == "--size-change") {
        return size_change(&fracs, &settings);
    }
    let mut against = option("--against").map(|path| Against::read(&path));
    for path in arguments.iter().filter(|argument| argument.ends_with(".csv")) {
        let trace = Trace::read(path);
        let unique = trace.unique_bytes();
        for frac in &fracs {
            let budget = (frac.parse::<f64>().expect("a fraction") * unique as f64) as u64;
            if budget < 1 << 20 {
                continue;
            }
            let outcome = replay(&trace, budget, 0, &settings);
            print(&trace.name, frac, &outcome);
            if settings.classes {
                print_classes(&outcome.store);
            }
            if let Some(against) = &mut against {
                against.add(&trace.name, frac, budget, outcome.miss_ratio(), outcome.byte_miss_ratio());
            }
        }
    }
    if let Some(against) = against {
        against.print();
    }
}
