//! Counters of one core, written by that core alone and read by all: relaxed atomics, no lock, no
//! read-modify-write. They are published before the turn's replies leave, so that a client that
//! has its reply finds the request counted.

mod cell;
mod counter;
mod histogram;
mod pace;

pub use counter::Counter;
pub use histogram::{BUCKETS, Histogram, bucket_end_us};
pub use pace::PerSecond;

use cell::{add, restart, since};
use counter::GAUGES;
use pace::{PACE_WINDOW_US, PACED, Pace};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Logical databases that have counts of their own in `INFO keyspace`.
pub const DATABASES_MAX: usize = 256;

/// Rows of the command table that are counted.
pub const ROWS_MAX: usize = 1024;

/// Families of commands (`command::table::Table::family_names`) whose latency is told apart.
pub const FAMILIES_MAX: usize = 24;

/// Codes of error replies that are counted apart; all others count as the last.
pub const ERROR_CODES: &[&str] = &[
    "ERR",
    "WRONGTYPE",
    "OOM",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "NOPROTO",
    "EXECABORT",
    "BUSYKEY",
    "NOSCRIPT",
    "NOGROUP",
    "BUSYGROUP",
    "UNBLOCKED",
    "OTHER",
];

/// One core's counters.
pub struct Metrics {
    counters: [AtomicU64; Counter::Count as usize],
    keys: Vec<AtomicU64>,
    expires: Vec<AtomicU64>,
    lifetimes_ms: Vec<AtomicU64>,
    /// Calls, by row of the command table.
    calls: Vec<AtomicU64>,
    /// By row: microseconds spent, where they were measured.
    spent_us: Vec<AtomicU64>,
    /// By row: calls that were answered with an error.
    failed: Vec<AtomicU64>,
    /// By row: calls that were refused before they ran.
    rejected: Vec<AtomicU64>,
    errors: Vec<AtomicU64>,
    pace: Pace,
    /// By family: how long sampled requests have taken.
    latency: Vec<Histogram>,
    /// How long sampled turns have taken.
    turn: Histogram,
    /// What all of these were at the last `reset`.
    base: Base,
}

/// Values that are taken off: resetting writes here, so that only the owning core writes counters.
struct Base {
    counters: [AtomicU64; Counter::Count as usize],
    calls: Vec<AtomicU64>,
    spent_us: Vec<AtomicU64>,
    failed: Vec<AtomicU64>,
    rejected: Vec<AtomicU64>,
    errors: Vec<AtomicU64>,
}

fn zeroes(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

impl Default for Metrics {
    fn default() -> Metrics {
        let counters = || [const { AtomicU64::new(0) }; Counter::Count as usize];
        Metrics {
            counters: counters(),
            keys: zeroes(DATABASES_MAX),
            expires: zeroes(DATABASES_MAX),
            lifetimes_ms: zeroes(DATABASES_MAX),
            calls: zeroes(ROWS_MAX),
            spent_us: zeroes(ROWS_MAX),
            failed: zeroes(ROWS_MAX),
            rejected: zeroes(ROWS_MAX),
            errors: zeroes(ERROR_CODES.len()),
            pace: Pace::default(),
            latency: (0..FAMILIES_MAX).map(|_| Histogram::default()).collect(),
            turn: Histogram::default(),
            base: Base {
                counters: counters(),
                calls: zeroes(ROWS_MAX),
                spent_us: zeroes(ROWS_MAX),
                failed: zeroes(ROWS_MAX),
                rejected: zeroes(ROWS_MAX),
                errors: zeroes(ERROR_CODES.len()),
            },
        }
    }
}

impl Metrics {
    /// Adds to a counter; only the owning core may.
    #[inline]
    pub fn add(&self, counter: Counter, by: u64) {
        add(&self.counters[counter as usize], by);
    }

    /// Counts a call of a command; only the owning core may.
    #[inline]
    pub fn command(&self, row: u16) {
        add(&self.calls[row as usize], 1);
    }

    /// Adds to the time that a command has taken, where it was measured; only the owning core may.
    #[inline]
    pub fn spent(&self, row: u16, us: u64) {
        add(&self.spent_us[row as usize], us);
    }

    /// Counts a call that was answered with an error; only the owning core may.
    pub fn failed(&self, row: u16) {
        add(&self.failed[row as usize], 1);
    }

    /// Counts a call that was refused before it ran; only the owning core may.
    pub fn rejected(&self, row: u16) {
        add(&self.rejected[row as usize], 1);
    }

    /// Counts an error reply, by its code; only the owning core may. `line` is the reply without the leading `-`.
    pub fn error(&self, line: &str) {
        let code = line.split(' ').next().unwrap_or_default();
        let other = ERROR_CODES.len() - 1;
        let place = ERROR_CODES.iter().position(|known| *known == code).unwrap_or(other);
        add(&self.errors[place], 1);
        self.add(Counter::Errors, 1);
    }

    /// Calls of a command so far.
    pub fn calls(&self, row: u16) -> u64 {
        since(&self.calls[row as usize], &self.base.calls[row as usize])
    }

    /// Microseconds that calls of a command have taken, where they were measured.
    pub fn spent_us(&self, row: u16) -> u64 {
        since(&self.spent_us[row as usize], &self.base.spent_us[row as usize])
    }

    /// Calls of a command that were answered with an error.
    pub fn failures(&self, row: u16) -> u64 {
        since(&self.failed[row as usize], &self.base.failed[row as usize])
    }

    /// Calls of a command that were refused before they ran.
    pub fn rejections(&self, row: u16) -> u64 {
        since(&self.rejected[row as usize], &self.base.rejected[row as usize])
    }

    /// Error replies with the code of that place in [`ERROR_CODES`].
    pub fn errors(&self, code: usize) -> u64 {
        since(&self.errors[code], &self.base.errors[code])
    }

    /// Sets a gauge or a counter that is kept elsewhere; only the owning core may.
    #[inline]
    pub fn set(&self, counter: Counter, to: u64) {
        self.counters[counter as usize].store(to, Relaxed);
    }

    /// Reads a counter, as of the last `reset`, or a gauge.
    pub fn get(&self, counter: Counter) -> u64 {
        since(&self.counters[counter as usize], &self.base.counters[counter as usize])
    }

    /// A counter since the start of the process, whatever was reset since; or a gauge.
    pub fn total(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Relaxed)
    }

    /// Calls of a command since the start of the process.
    pub fn total_calls(&self, row: u16) -> u64 {
        self.calls[row as usize].load(Relaxed)
    }

    /// Error replies since the start of the process with the code of that place in [`ERROR_CODES`].
    pub fn total_errors(&self, code: usize) -> u64 {
        self.errors[code].load(Relaxed)
    }

    /// How long sampled requests of a family have taken.
    pub fn latency(&self, family: u8) -> &Histogram {
        &self.latency[family as usize]
    }

    /// How long sampled turns have taken.
    pub fn turn(&self) -> &Histogram {
        &self.turn
    }

    /// Lets every counter begin anew (`CONFIG RESETSTAT`). Any thread may.
    pub fn reset(&self) {
        let restart_all = |cells: &[AtomicU64], base: &[AtomicU64]| {
            cells.iter().zip(base).for_each(|(cell, base)| restart(cell, base));
        };
        for (place, (cell, base)) in self.counters.iter().zip(&self.base.counters).enumerate() {
            if !GAUGES.iter().any(|gauge| *gauge as usize == place) {
                restart(cell, base);
            }
        }
        restart_all(&self.calls, &self.base.calls);
        restart_all(&self.spent_us, &self.base.spent_us);
        restart_all(&self.failed, &self.base.failed);
        restart_all(&self.rejected, &self.base.rejected);
        restart_all(&self.errors, &self.base.errors);
    }

    /// Publishes a logical database's items and how many of them expire.
    pub fn set_db(&self, db: u8, keys: u64, expires: u64) {
        self.keys[db as usize].store(keys, Relaxed);
        self.expires[db as usize].store(expires, Relaxed);
    }

    /// Items of a logical database, and how many of them expire.
    pub fn db(&self, db: u8) -> (u64, u64) {
        (self.keys[db as usize].load(Relaxed), self.expires[db as usize].load(Relaxed))
    }

    /// Publishes how long items of a logical database still live on average; 0: not known.
    pub fn set_lifetime(&self, db: u8, average_ms: u64) {
        self.lifetimes_ms[db as usize].store(average_ms, Relaxed);
    }

    /// How long items of a logical database that expire still live on average.
    pub fn lifetime_ms(&self, db: u8) -> u64 {
        self.lifetimes_ms[db as usize].load(Relaxed)
    }

    /// Takes a sample of what is told per second; to be called once a turn by the owning core.
    #[inline]
    pub fn sample(&self, mono_us: u64) {
        if mono_us.wrapping_sub(self.pace.start_us.load(Relaxed)) >= PACE_WINDOW_US {
            self.pace.turn_over(mono_us, self.paced());
        }
    }

    /// What passes per second now.
    pub fn per_second(&self, mono_us: u64) -> PerSecond {
        self.pace.per_second(mono_us, self.paced())
    }

    fn paced(&self) -> [u64; PACED.len()] {
        PACED.map(|counter| self.counters[counter as usize].load(Relaxed))
    }
}

/// A counter over all cores.
pub fn sum(cores: &[Metrics], counter: Counter) -> u64 {
    cores.iter().map(|m| m.get(counter)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_begins_counters_anew_and_leaves_gauges() {
        let metrics = Metrics::default();
        metrics.add(Counter::Commands, 5);
        metrics.set(Counter::Hits, 7);
        metrics.set(Counter::Items, 9);
        metrics.command(3);
        metrics.error("WRONGTYPE no");
        metrics.error("STRANGE no");
        assert_eq!(metrics.errors(1), 1);
        assert_eq!(metrics.errors(ERROR_CODES.len() - 1), 1);
        metrics.reset();
        for counter in [Counter::Commands, Counter::Hits, Counter::Errors] {
            assert_eq!(metrics.get(counter), 0);
        }
        assert_eq!((metrics.get(Counter::Items), metrics.calls(3), metrics.errors(1)), (9, 0, 0));
        metrics.set(Counter::Hits, 8);
        metrics.command(3);
        assert_eq!((metrics.get(Counter::Hits), metrics.calls(3)), (1, 1));
    }

    #[test]
    fn what_passes_per_second_is_that_of_the_last_whole_window() {
        let metrics = Metrics::default();
        metrics.sample(10_000_000);
        metrics.add(Counter::Commands, 3_000);
        metrics.sample(10_500_000);
        assert_eq!(metrics.per_second(10_500_000).commands, 0);
        metrics.sample(11_500_000);
        assert_eq!(metrics.per_second(11_600_000).commands, 2_000);
        // The core sleeps and turns no window over: what is told fades all the same.
        assert_eq!(metrics.per_second(21_500_000).commands, 0);
    }
}
