//! What is stored: for each key always the same bytes, so that any reply can be checked and nothing need be
//! remembered. Another run with the same options expects the same values.

use crate::random::{Random, mix, unit};
use std::str::FromStr;

/// Lengths of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sizes {
    /// One for all.
    Fixed(usize),
    /// Evenly between two.
    Uniform(usize, usize),
    /// `median * e ^ (sigma * normal)`, at least 1, at most `max`.
    Lognormal {
        /// Half of the values are longer.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
        /// Longer ones are cut to this.
        max: usize,
    },
}

/// Where lognormal sizes are cut if nothing else is asked for: an item that memcached takes.
const LOGNORMAL_BYTES_MAX: usize = 1_000_000;

/// The longest value that can be asked for: Redis's own bound.
const VALUE_BYTES_MAX: usize = 512 << 20;

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Sizes, String> {
        const FORMS: &str = "BYTES, uniform:LOW-HIGH or lognormal:MEDIAN,SIGMA[,MAX]";
        let bytes = |text: &str| match text.parse::<usize>() {
            Ok(bytes) if bytes <= VALUE_BYTES_MAX => Ok(bytes),
            Ok(_) => Err(format!("'{text}' is too long: at most {VALUE_BYTES_MAX} bytes")),
            Err(_) => Err(format!("'{text}' is no number of bytes; {FORMS}")),
        };
        let positive = |text: &str| match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
            _ => Err(format!("'{text}' is no positive number; {FORMS}")),
        };
        match text.split_once(':') {
            None => Ok(Sizes::Fixed(bytes(text)?)),
            Some(("uniform", range)) => {
                let (low, high) = range.split_once('-').ok_or(FORMS)?;
                let (low, high) = (bytes(low)?, bytes(high)?);
                if low > high { Err(format!("{low} is above {high}")) } else { Ok(Sizes::Uniform(low, high)) }
            }
            Some(("lognormal", rest)) => {
                let mut parts = rest.split(',');
                let median = positive(parts.next().unwrap_or_default())?;
                let sigma = positive(parts.next().ok_or(FORMS)?)?;
                let max = parts.next().map_or(Ok(LOGNORMAL_BYTES_MAX), bytes)?;
                if parts.next().is_some() || max == 0 {
                    return Err(FORMS.into());
                }
                Ok(Sizes::Lognormal { median, sigma, max })
            }
            Some(_) => Err(FORMS.into()),
        }
    }
}

impl Sizes {
    fn max(&self) -> usize {
        match *self {
            Sizes::Fixed(bytes) => bytes,
            Sizes::Uniform(_, high) => high,
            Sizes::Lognormal { max, .. } => max,
        }
    }
}

/// Bytes of the pattern before a value may begin anew.
const SHIFTS: usize = 4096;

/// A value begins with this many bytes that are its key's alone.
const STAMP_BYTES: usize = 8;

/// All values.
#[derive(Clone, Debug)]
pub struct Values {
    sizes: Sizes,
    pattern: Vec<u8>,
}

impl Values {
    /// Values of these sizes.
    pub fn new(sizes: Sizes) -> Values {
        let mut random = Random::new(0, 0);
        let pattern = (0..sizes.max() + SHIFTS).map(|_| letter(random.next() >> 58)).collect();
        Values { sizes, pattern }
    }

    /// Length of a key's value.
    #[inline]
    pub fn bytes(&self, key: u64) -> usize {
        match self.sizes {
            Sizes::Fixed(bytes) => bytes,
            Sizes::Uniform(low, high) => {
                low + ((u128::from(mix(key ^ 0x517e)) * (high - low + 1) as u128) >> 64) as usize
            }
            Sizes::Lognormal { median, sigma, max } => {
                // Box and Muller's transformation of two even numbers into a normal one.
                let (a, b) = (unit(mix(key ^ 0x517e)), unit(mix(key ^ 0x517f)));
                let normal = (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
                ((median * (sigma * normal).exp()).round() as usize).clamp(1, max)
            }
        }
    }

    /// Writes a key's value.
    #[inline]
    pub fn write(&self, key: u64, bytes: usize, out: &mut Vec<u8>) {
        let (shift, stamp) = marks(key);
        let start = out.len();
        out.extend_from_slice(&self.pattern[shift..shift + bytes]);
        let stamped = bytes.min(STAMP_BYTES);
        out[start..start + stamped].copy_from_slice(&stamp[..stamped]);
    }

    /// The bytes of `part`, which begin `at` bytes into the value, are those of the key. The value's length
    /// must have been found right.
    #[inline]
    pub fn matches(&self, key: u64, at: usize, part: &[u8]) -> bool {
        let (shift, stamp) = marks(key);
        let stamped = STAMP_BYTES.saturating_sub(at).min(part.len());
        part[..stamped] == stamp[STAMP_BYTES.min(at)..][..stamped]
            && part[stamped..] == self.pattern[shift + at + stamped..shift + at + part.len()]
    }
}

fn marks(key: u64) -> (usize, [u8; STAMP_BYTES]) {
    let bits = mix(key ^ 0xc0de);
    (bits as usize % SHIFTS, std::array::from_fn(|i| letter(bits >> (12 + 6 * i) & 63)))
}

fn letter(six_bits: u64) -> u8 {
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[six_bits as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!("0".parse(), Ok(Sizes::Fixed(0)));
        assert_eq!("uniform:1-10".parse(), Ok(Sizes::Uniform(1, 10)));
        let lognormal = Sizes::Lognormal { median: 300.0, sigma: 1.5, max: LOGNORMAL_BYTES_MAX };
        assert_eq!("lognormal:300,1.5".parse(), Ok(lognormal));
        assert_eq!("lognormal:3,1,9".parse(), Ok(Sizes::Lognormal { median: 3.0, sigma: 1.0, max: 9 }));
        for bad in [
            "",
            "x",
            "-1",
            "uniform:9",
            "uniform:9-1",
            "lognormal:1",
            "lognormal:1,0",
            "normal:3",
            "999999999999",
        ] {
            assert!(bad.parse::<Sizes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_follow_their_distribution() {
        let sizes = |spec: &str| {
            let values = Values::new(spec.parse().unwrap());
            let mut sizes: Vec<usize> = (0..100_000).map(|key| values.bytes(key)).collect();
            sizes.sort_unstable();
            sizes
        };
        assert!(sizes("77").iter().all(|&bytes| bytes == 77));
        let uniform = sizes("uniform:100-299");
        assert_eq!((uniform[0], uniform[99_999]), (100, 299));
        assert!((uniform.iter().sum::<usize>() as f64 / 1e5 - 199.5).abs() < 1.0);
        let lognormal = sizes("lognormal:1000,1,100000");
        assert!((lognormal[50_000] as f64 - 1000.0).abs() < 20.0);
        // 15.87 % lie more than one sigma above the median.
        assert!((lognormal[84_130] as f64 - 1000.0 * std::f64::consts::E).abs() < 80.0);
        assert!(lognormal[0] >= 1 && lognormal[99_999] <= 100_000);
    }

    #[test]
    fn a_value_is_known_in_any_pieces_and_a_wrong_byte_is_seen() {
        let values = Values::new("uniform:0-40".parse().unwrap());
        for key in 0..200 {
            let bytes = values.bytes(key);
            let mut value = Vec::new();
            values.write(key, bytes, &mut value);
            assert_eq!(value.len(), bytes);
            for cut in 0..=bytes {
                assert!(values.matches(key, 0, &value[..cut]) && values.matches(key, cut, &value[cut..]));
            }
            for at in 0..bytes {
                let mut wrong = value.clone();
                wrong[at] ^= 1;
                assert!(!values.matches(key, 0, &wrong));
                assert!(!values.matches(key, at, &wrong[at..]));
            }
            if bytes >= 8 {
                assert!(!values.matches(key + 1, 0, &value[..8]));
            }
        }
    }
}
