//! How a piece of work is measured: by time, or, under callgrind, by instructions.
//!
//! `cargo bench --bench NAME [FILTER]` prints nanoseconds per operation of the pieces whose names contain the filter
//! (with `--exact`: are the filter): the best and the median of many short rounds, because whatever else runs on the
//! machine can only add. With `--count` each piece runs a fixed number of times inside [`section_counted`], which is
//! what `benches/guard` lets callgrind look at.

use std::time::{Duration, Instant};

/// A round is at least this long.
const ROUND: Duration = Duration::from_millis(10);

const ROUNDS: usize = 25;

/// Calls that are counted: enough for what happens every few calls to show.
const COUNTED_CALLS: u64 = 256;

/// Measures one piece after the other.
pub struct Bench {
    /// Instructions are counted, in a machine that is some fifty times slower.
    pub count: bool,
    filter: Option<String>,
    exact: bool,
}

impl Bench {
    /// As the command line says.
    pub fn from_args() -> Bench {
        let mut bench = Bench { count: false, filter: None, exact: false };
        for arg in std::env::args().skip(1) {
            match arg.as_str() {
                "--bench" => {}
                "--count" => bench.count = true,
                "--exact" => bench.exact = true,
                _ => bench.filter = Some(arg),
            }
        }
        bench
    }

    /// A piece of that name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| if self.exact { name == filter } else { name.contains(filter.as_str()) })
    }

    /// Measures `call`, which does `operations` of what the name says. Returns nanoseconds per operation.
    pub fn run(&self, name: &str, operations: u64, mut call: impl FnMut()) -> Option<f64> {
        if !self.wants(name) {
            return None;
        }
        if self.count {
            (0..COUNTED_CALLS).for_each(|_| call());
            section_counted(&mut || (0..COUNTED_CALLS).for_each(|_| call()));
            section_ended();
            println!("{}\t{name}", COUNTED_CALLS * operations);
            return None;
        }
        let mut calls = 1u64;
        let time = |calls: u64, call: &mut dyn FnMut()| {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            start.elapsed()
        };
        while time(calls, &mut call) < ROUND {
            calls *= 2;
        }
        let per_operation = |spent: Duration| spent.as_nanos() as f64 / (calls * operations) as f64;
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| per_operation(time(calls, &mut call))).collect();
        rounds.sort_by(f64::total_cmp);
        println!("{name:44} {:9.1} ns   median {:9.1}", rounds[0], rounds[ROUNDS / 2]);
        Some(rounds[0])
    }
}

/// What callgrind counts is from here to [`section_ended`]; `benches/guard` knows both by their names.
#[inline(never)]
fn section_counted(work: &mut dyn FnMut()) {
    work();
}

/// See [`section_counted`].
#[inline(never)]
fn section_ended() {
    std::hint::black_box(0);
}
