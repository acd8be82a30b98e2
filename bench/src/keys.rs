//! Which key is next, and how keys are written.

use crate::random::Random;
use std::str::FromStr;

/// How often each key is asked for. Keys are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// All alike.
    Uniform,
    /// Key `k` in proportion to `1 / (k + 1) ^ exponent`.
    Zipf(f64),
    /// One after the other, again and again.
    Sequential,
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Distribution, String> {
        match text.split_once(':') {
            None if text == "uniform" => Ok(Distribution::Uniform),
            None if text == "sequential" => Ok(Distribution::Sequential),
            None if text == "zipf" => Ok(Distribution::Zipf(0.99)),
            Some(("zipf", exponent)) => match exponent.parse() {
                Ok(exponent) if exponent > 0.0 && exponent <= 10.0 => Ok(Distribution::Zipf(exponent)),
                _ => Err(format!("'{exponent}' is no exponent: a number above 0, at most 10")),
            },
            _ => Err("one of uniform, sequential, zipf, zipf:EXPONENT".into()),
        }
    }
}

/// Draws keys.
#[derive(Clone, Debug)]
pub enum Chooser {
    /// See [`Distribution::Uniform`].
    Uniform {
        /// Number of keys.
        keys: u64,
    },
    /// See [`Distribution::Zipf`].
    Zipf(Zipf),
    /// Every `step`th key, so that threads share the sequence.
    Sequential {
        /// The next one.
        next: u64,
        /// How many threads there are.
        step: u64,
        /// Number of keys.
        keys: u64,
    },
}

impl Chooser {
    /// The chooser of one thread of `threads`.
    pub fn new(distribution: Distribution, keys: u64, thread: u64, threads: u64) -> Chooser {
        match distribution {
            Distribution::Uniform => Chooser::Uniform { keys },
            Distribution::Zipf(exponent) => Chooser::Zipf(Zipf::new(keys, exponent)),
            Distribution::Sequential => Chooser::Sequential { next: thread % keys, step: threads, keys },
        }
    }

    /// The next key's number.
    #[inline]
    pub fn next(&mut self, random: &mut Random) -> u64 {
        match self {
            Chooser::Uniform { keys } => random.below(*keys),
            Chooser::Zipf(zipf) => zipf.next(random),
            Chooser::Sequential { next, step, keys } => {
                let key = *next;
                *next = (key + *step) % *keys;
                key
            }
        }
    }
}

/// Zipf's distribution by rejection from the integral of its continuous twin (Hörmann and Derflinger, 1996): no
/// table, and few draws are repeated.
#[derive(Clone, Debug)]
pub struct Zipf {
    exponent: f64,
    keys: f64,
    /// The integral from 1 to 3/2, less the weight of the first key.
    low: f64,
    /// The integral up to the last key.
    high: f64,
    /// Draws this close below a whole number need no test.
    sure: f64,
}

impl Zipf {
    fn new(keys: u64, exponent: f64) -> Zipf {
        let mut zipf = Zipf { exponent, keys: keys as f64, low: 0.0, high: 0.0, sure: 0.0 };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(zipf.keys + 0.5);
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    fn next(&self, random: &mut Random) -> u64 {
        loop {
            let area = self.high + random.unit() * (self.low - self.high);
            let x = self.inverse(area);
            let rank = x.round().clamp(1.0, self.keys);
            if rank - x <= self.sure || area >= self.integral(rank + 0.5) - self.weight(rank) {
                return rank as u64 - 1;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// The integral of `x ^ -exponent`, up to a constant, in a form that is exact near exponent 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        expm1_over((1.0 - self.exponent) * log) * log
    }

    fn inverse(&self, area: f64) -> f64 {
        let t = (area * (1.0 - self.exponent)).max(-1.0);
        (ln1p_over(t) * area).exp()
    }
}

/// `(e^x - 1) / x`.
fn expm1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x / 2.0 }
}

/// `ln(1 + x) / x`.
fn ln1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x / 2.0 }
}

/// How keys are written: a prefix and the key's number in decimal, padded to one length.
#[derive(Clone, Debug)]
pub struct KeyText {
    template: Vec<u8>,
    prefix_bytes: usize,
}

impl KeyText {
    /// Keys of `bytes` bytes that begin with `prefix`. The error says what does not fit.
    pub fn new(prefix: &str, bytes: usize, keys: u64) -> Result<KeyText, String> {
        let digits = bytes.saturating_sub(prefix.len());
        let needed = (keys - 1).max(1).ilog10() as usize + 1;
        if digits < needed {
            return Err(format!(
                "--key-bytes {bytes}: too short for the prefix '{prefix}' and {needed} digits of {keys} keys"
            ));
        }
        if prefix.bytes().any(|byte| byte <= b' ' || byte == 127) {
            return Err("--key-prefix: no blanks and no control characters".into());
        }
        let mut template = prefix.as_bytes().to_vec();
        template.resize(bytes, b'0');
        Ok(KeyText { template, prefix_bytes: prefix.len() })
    }

    /// Length of every key.
    pub fn bytes(&self) -> usize {
        self.template.len()
    }

    /// Writes a key.
    #[inline]
    pub fn write(&self, key: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.template);
        let mut left = key;
        for digit in out.iter_mut().rev() {
            if left == 0 {
                break;
            }
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }

    /// The number of a key that was written so.
    #[inline]
    pub fn read(&self, text: &[u8]) -> Option<u64> {
        let digits = text.strip_prefix(&self.template[..self.prefix_bytes])?;
        if text.len() != self.template.len() {
            return None;
        }
        digits.iter().try_fold(0u64, |key, digit| {
            let value = digit.wrapping_sub(b'0');
            if value > 9 { None } else { key.checked_mul(10)?.checked_add(u64::from(value)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_distributions_are_read() {
        assert_eq!("uniform".parse(), Ok(Distribution::Uniform));
        assert_eq!("zipf".parse(), Ok(Distribution::Zipf(0.99)));
        assert_eq!("zipf:1.2".parse(), Ok(Distribution::Zipf(1.2)));
        for bad in ["", "zipf:0", "zipf:x", "zipf:-1", "zipf:NaN", "normal", "uniform:3"] {
            assert!(bad.parse::<Distribution>().is_err(), "{bad}");
        }
    }

    #[test]
    fn zipf_follows_its_law() {
        for exponent in [0.5, 0.99, 1.0, 1.4] {
            let keys = 1000;
            let mut chooser = Chooser::new(Distribution::Zipf(exponent), keys, 0, 1);
            let mut random = Random::new(5, 5);
            let mut counts = vec![0u32; keys as usize];
            let draws = 1_000_000;
            for _ in 0..draws {
                counts[chooser.next(&mut random) as usize] += 1;
            }
            let total: f64 = (1..=keys).map(|k| (k as f64).powf(-exponent)).sum();
            for key in [0usize, 1, 2, 9, 99, 999] {
                let expected = f64::from(draws) * ((key + 1) as f64).powf(-exponent) / total;
                let seen = f64::from(counts[key]);
                assert!(
                    (seen - expected).abs() < 5.0 * expected.sqrt() + 1.0,
                    "{exponent} {key}: {seen} {expected}"
                );
            }
        }
    }

    #[test]
    fn one_key_is_enough_for_every_distribution() {
        let mut random = Random::new(1, 1);
        for distribution in [Distribution::Uniform, Distribution::Zipf(1.0), Distribution::Sequential] {
            let mut chooser = Chooser::new(distribution, 1, 0, 1);
            assert!((0..100).all(|_| chooser.next(&mut random) == 0));
        }
    }

    #[test]
    fn threads_share_the_sequence() {
        let mut random = Random::new(1, 1);
        let mut seen = Vec::new();
        for thread in 0..3 {
            let mut chooser = Chooser::new(Distribution::Sequential, 9, thread, 3);
            seen.extend((0..3).map(|_| chooser.next(&mut random)));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn keys_are_read_as_they_were_written() {
        let text = KeyText::new("key:", 16, 1_000_000_000_000).unwrap();
        for key in [0, 1, 9, 10, 123_456, 999_999_999_999] {
            let mut out = b"xyz".to_vec();
            text.write(key, &mut out);
            assert_eq!(out.len(), 3 + 16);
            assert_eq!(text.read(&out[3..]), Some(key));
        }
        for bad in [&b"key:00000000000"[..], b"kez:000000000000", b"key:00000000000a", b"key:0000000000000"] {
            assert_eq!(text.read(bad), None);
        }
        assert!(KeyText::new("key:", 6, 101).is_err());
        assert!(KeyText::new("key:", 6, 100).is_ok());
        assert!(KeyText::new("a b", 16, 100).is_err());
    }
}
