//! Latencies counted in buckets: exact below 256 ns, within 1/256 of the value above, up to 18 minutes.

/// Buckets per doubling, as a power of two.
const FINE_BITS: u32 = 8;

/// Values of more bits than this count as the largest.
const VALUE_BITS: u32 = 40;

const BUCKETS: usize = ((VALUE_BITS - FINE_BITS + 1) as usize) << FINE_BITS;

/// How often each latency, in nanoseconds, was seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: vec![0; BUCKETS], count: 0, sum: 0, min: u64::MAX, max: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.buckets[bucket(ns)] += 1;
        self.count += 1;
        self.sum += u128::from(ns);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        for (to, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *to += from;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        if self.count > 0 {
            self.buckets.fill(0);
            (self.count, self.sum, self.min, self.max) = (0, 0, u64::MAX, 0);
        }
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; 0 where there are none.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// The largest, exactly.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The smallest, exactly; 0 where there are none.
    pub fn min(&self) -> u64 {
        if self.count == 0 { 0 } else { self.min }
    }

    /// The value that `percent` of all values do not exceed: the upper end of its bucket, so that it is
    /// never too small; 0 where there are none.
    pub fn percentile(&self, percent: f64) -> u64 {
        let rank = ((percent / 100.0 * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (index, &n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return highest(index).clamp(self.min, self.max);
            }
        }
        0
    }
}

#[inline]
fn bucket(ns: u64) -> usize {
    let ns = ns.min((1 << VALUE_BITS) - 1);
    if ns < 1 << FINE_BITS {
        return ns as usize;
    }
    // The highest `FINE_BITS + 1` bits, of which the first is always set.
    let shift = 63 - ns.leading_zeros() - FINE_BITS;
    (((shift + 1) as usize) << FINE_BITS) + ((ns >> shift) as usize - (1 << FINE_BITS))
}

/// The largest value of a bucket.
fn highest(index: usize) -> u64 {
    if index < 1 << FINE_BITS {
        return index as u64;
    }
    let shift = (index >> FINE_BITS) as u32 - 1;
    let fine = (index & ((1 << FINE_BITS) - 1)) as u64 + (1 << FINE_BITS);
    ((fine + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn every_value_lies_in_its_bucket_within_one_part_in_256() {
        let mut random = Random::new(1, 1);
        for round in 0..200_000u32 {
            let ns = random.next() >> (24 + round % 40);
            let top = highest(bucket(ns));
            assert!(top >= ns, "{ns} above its bucket's end {top}");
            assert!((top - ns) as f64 <= ns as f64 / 256.0, "{ns} is counted as {top}");
            assert!(
                bucket(top) == bucket(ns) && bucket(top + 1) == bucket(ns) + 1 || top + 1 == 1 << VALUE_BITS
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let mut random = Random::new(3, 0);
        let mut values: Vec<u64> = (0..100_000).map(|_| (random.exponential() * 50_000.0) as u64).collect();
        let (mut one, mut two) = (Histogram::default(), Histogram::default());
        for (i, &value) in values.iter().enumerate() {
            if i % 3 == 0 { one.record(value) } else { two.record(value) }
        }
        one.merge(&two);
        values.sort_unstable();
        assert_eq!((one.count(), one.min(), one.max()), (100_000, values[0], values[99_999]));
        for percent in [0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 99.999, 100.0] {
            let rank = ((percent / 100.0 * 100_000.0) as usize).clamp(1, 100_000);
            let (exact, counted) = (values[rank - 1] as f64, one.percentile(percent) as f64);
            assert!(
                counted >= exact && counted <= exact * (1.0 + 1.0 / 256.0) + 1.0,
                "{percent}: {exact} {counted}"
            );
        }
        let mean = values.iter().sum::<u64>() as f64 / 100_000.0;
        assert!((one.mean() - mean).abs() < 1e-6);
    }

    #[test]
    fn an_empty_one_is_all_zeros() {
        let mut histogram = Histogram::default();
        histogram.record(5);
        histogram.clear();
        assert_eq!((histogram.count(), histogram.min(), histogram.max()), (0, 0, 0));
        assert_eq!((histogram.percentile(99.0), histogram.mean()), (0, 0.0));
    }
}
