//! How much passes per second: windows of a second, turned over by the core that counts.

use super::Counter;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is told per second.
pub(super) const PACED: [Counter; 3] = [Counter::Commands, Counter::BytesIn, Counter::BytesOut];

/// Over how long it is told.
pub(super) const PACE_WINDOW_US: u64 = 1_000_000;

/// What passes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerSecond {
    /// Commands.
    pub commands: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes sent to clients.
    pub bytes_out: u64,
}

/// The counts at the start of a window of time, and what the window before came to.
#[derive(Default)]
pub(super) struct Pace {
    pub start_us: AtomicU64,
    at_start: [AtomicU64; PACED.len()],
    before: [AtomicU64; PACED.len()],
}

impl Pace {
    #[cold]
    pub fn turn_over(&self, mono_us: u64, counts: [u64; PACED.len()]) {
        let rates = self.rates(mono_us, counts);
        for (place, count) in counts.into_iter().enumerate() {
            self.before[place].store(rates[place], Relaxed);
            self.at_start[place].store(count, Relaxed);
        }
        self.start_us.store(mono_us, Relaxed);
    }

    fn rates(&self, mono_us: u64, counts: [u64; PACED.len()]) -> [u64; PACED.len()] {
        let us = mono_us.saturating_sub(self.start_us.load(Relaxed)).max(1);
        std::array::from_fn(|place| {
            let passed = counts[place].saturating_sub(self.at_start[place].load(Relaxed));
            (u128::from(passed) * 1_000_000 / u128::from(us)) as u64
        })
    }

    /// The window before, or this one once it has lasted (a core that sleeps turns none over).
    pub fn per_second(&self, mono_us: u64, counts: [u64; PACED.len()]) -> PerSecond {
        let lasted = mono_us.saturating_sub(self.start_us.load(Relaxed)) >= PACE_WINDOW_US;
        let [commands, bytes_in, bytes_out] = if lasted {
            self.rates(mono_us, counts)
        } else {
            std::array::from_fn(|place| self.before[place].load(Relaxed))
        };
        PerSecond { commands, bytes_in, bytes_out }
    }
}
