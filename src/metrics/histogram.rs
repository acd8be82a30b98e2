//! How long something took, by how often: buckets of microseconds, each an eighth wider than the one before.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Buckets per doubling: what is read off a histogram is at most an eighth too much.
const PER_DOUBLING: u64 = 8;

/// Number of buckets. The last one holds all from a minute on.
pub const BUCKETS: usize = 192;

/// Durations of one kind. Written by one thread, read by all.
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: [const { AtomicU64::new(0) }; BUCKETS], sum_us: AtomicU64::new(0) }
    }
}

/// The bucket of a duration.
fn bucket(us: u64) -> usize {
    if us < PER_DOUBLING {
        return us as usize;
    }
    let doubling = u64::from(us.ilog2());
    let part = (us >> (doubling - 3)) & (PER_DOUBLING - 1);
    (((doubling - 2) * PER_DOUBLING + part) as usize).min(BUCKETS - 1)
}

/// The first duration, in microseconds, that is too long for a bucket. The last bucket is said to end too.
pub fn bucket_end_us(bucket: usize) -> u64 {
    let next = bucket as u64 + 1;
    if next < PER_DOUBLING {
        return next;
    }
    let (doubling, part) = (next / PER_DOUBLING + 2, next % PER_DOUBLING);
    (PER_DOUBLING + part) << (doubling - 3)
}

impl Histogram {
    /// Counts a duration; only the owning core may.
    pub fn record(&self, us: u64) {
        super::add(&self.counts[bucket(us)], 1);
        super::add(&self.sum_us, us);
    }

    /// How many durations were in each bucket.
    pub fn counts(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|bucket| self.counts[bucket].load(Relaxed))
    }

    /// The sum of all durations, microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gaps_and_are_narrow() {
        let mut start = 0;
        for place in 0..BUCKETS {
            let end = bucket_end_us(place);
            assert!(
                end > start && (end - start) * PER_DOUBLING <= start.max(PER_DOUBLING),
                "{place}: {start} to {end}"
            );
            assert_eq!((bucket(start), bucket(end - 1)), (place, place));
            start = end;
        }
        assert_eq!((bucket(start), bucket(u64::MAX)), (BUCKETS - 1, BUCKETS - 1));
    }

    #[test]
    fn durations_are_counted_and_summed() {
        let histogram = Histogram::default();
        [0, 7, 8, 1000].iter().for_each(|us| histogram.record(*us));
        assert_eq!(histogram.counts().iter().sum::<u64>(), 4);
        assert_eq!(histogram.sum_us(), 1015);
        assert_eq!(histogram.counts()[bucket(1000)], 1);
    }
}
