//! The runs: many seeds, and worlds in which something is wrong on purpose.

use super::{Lie, Options, Report, run};
use crate::faults::{FAULTS, Fault};
use crate::world::{Sabotage, number};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Seeds that `tests/run` runs.
const SEEDS: u64 = 1000;

/// Seeds between two lines that tell how far a long run has come.
const PROGRESS: u64 = 2000;

fn options() -> Options {
    let ops = number("LARDER_SIM_OPS").map(|ops| ops as usize);
    Options { ops, audits: number("LARDER_SIM_AUDIT").is_some(), ..Options::default() }
}

/// Fewer operations that fail as well, if there are such.
fn shrink(seed: u64) -> Option<usize> {
    [3, 6, 12, 25, 50, 100].into_iter().find(|&ops| {
        let options = Options { ops: Some(ops), ..Options::default() };
        catch_unwind(AssertUnwindSafe(|| run(seed, options))).is_err()
    })
}

/// Runs seeds on all CPUs, up to the first that fails.
fn run_seeds(from: u64, count: u64) -> (u64, Report) {
    let next = AtomicU64::new(from);
    let failed = AtomicBool::new(false);
    let total = Mutex::new((0, Report::default()));
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - from >= count {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| run(seed, options()))) {
                Ok(report) => {
                    let mut total = total.lock().expect("nobody panics with it");
                    total.0 += 1;
                    total.1.join(&report);
                    if total.0 % PROGRESS == 0 {
                        eprintln!("{}", line(total.0, &total.1));
                    }
                }
                Err(_) if failed.swap(true, Ordering::Relaxed) => {}
                Err(_) => {
                    let ops = shrink(seed).map_or(String::new(), |ops| format!("LARDER_SIM_OPS={ops} "));
                    eprintln!(
                        "replay with: {ops}LARDER_SEED={seed} cargo test --test sim random_traffic -- --nocapture"
                    );
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    assert!(!failed.load(Ordering::Relaxed), "a seed has failed, see above");
    total.into_inner().expect("nobody panicked with it")
}

fn line(seeds: u64, report: &Report) -> String {
    format!(
        "{seeds} seeds: {} requests answered, {} operations of {} histories put into an order ({} histories undecided); {}",
        report.commands, report.ordered, report.histories, report.undecided, report.tally
    )
}

#[test]
fn random_traffic_in_a_world_that_goes_wrong() {
    if let Some(seed) = number("LARDER_SEED") {
        eprintln!("{}", line(1, &run(seed, options())));
        return;
    }
    let count = match std::env::var("LARDER_SIM_SEEDS") {
        Ok(forever) if forever == "forever" => u64::MAX,
        _ => number("LARDER_SIM_SEEDS").unwrap_or(SEEDS * number("LARDER_SEED_TIMES").unwrap_or(1)),
    };
    let (seeds, report) = run_seeds(number("LARDER_SIM_FROM").unwrap_or(0), count);
    eprintln!("{}", line(seeds, &report));
    assert!(
        report.undecided * 50 <= report.histories.max(50),
        "{} histories are undecided",
        report.undecided
    );
    if seeds >= SEEDS {
        let never: Vec<Fault> =
            FAULTS.into_iter().filter(|fault| report.tally.of(*fault) * 100 < seeds).collect();
        assert!(never.is_empty(), "too rare to mean anything: {never:?}");
    }
}

#[test]
fn a_seed_is_replayed_to_the_byte() {
    for seed in 0..20 {
        let (one, other) = (run(seed, Options::default()), run(seed, Options::default()));
        assert_eq!((one.digest, &one.tally), (other.digest, &other.tally), "seed {seed}");
    }
}

/// Of some seeds with something wrong on purpose, how many are found to be wrong.
fn found(seeds: u64, options: impl Fn(u64) -> Options) -> u64 {
    let wrong = |seed: &u64| catch_unwind(AssertUnwindSafe(|| run(*seed, options(*seed)))).is_err();
    (0..seeds).filter(wrong).count() as u64
}

#[test]
fn clients_that_lie_are_found_out() {
    for lie in [Lie::NoReply, Lie::TwoReplies, Lie::HalfMset, Lie::LostWrite, Lie::OldRead] {
        let found = found(20, |_| Options { lie: Some(lie), ..Options::default() });
        assert!(found >= 3, "{lie:?} is found {found} times of 20");
    }
}

#[test]
fn mail_that_is_lost_or_out_of_order_is_found_and_so_is_an_end_that_is_not_told() {
    let sabotaged = |sabotage| Options { sabotage: Some(sabotage), ..Options::default() };
    let lost = found(12, |seed| sabotaged(Sabotage::LostMail(30 + seed)));
    let swapped = found(20, |seed| sabotaged(Sabotage::MailOutOfOrder(30 + seed)));
    let untold = found(6, |_| sabotaged(Sabotage::UntoldEnd));
    assert!(lost >= 6 && swapped >= 3 && untold == 6, "{lost} of 12, {swapped} of 20, {untold} of 6");
}
