//! Writing a number as C's `%.17Lf` does, less the zeros at its end.

use super::Extended;
use super::big::TEN_POWER_MAX;

/// Digits behind the point.
const DECIMALS: usize = 17;
/// Digits before it of the largest number.
const WHOLE_DIGITS_MAX: usize = 4_933;
/// Limbs of the whole part of the largest number.
const LIMBS: usize = 16_384 / 64;

/// Room for any number.
pub struct Text {
    bytes: [u8; 1 + WHOLE_DIGITS_MAX + 1 + DECIMALS],
}

impl Default for Text {
    fn default() -> Text {
        Text { bytes: [0; 1 + WHOLE_DIGITS_MAX + 1 + DECIMALS] }
    }
}

impl Extended {
    /// Writes a finite number in decimal, rounded to 17 decimals; without a point where none are left.
    pub fn format(self, text: &mut Text) -> &[u8] {
        debug_assert!(!self.is_infinite());
        let bytes = &mut text.bytes;
        let point = bytes.len() - DECIMALS - 1;
        let (whole, decimals) = self.split();
        let mut end = bytes.len();
        write_digits(&mut bytes[point + 1..], decimals);
        bytes[point] = b'.';
        while bytes[end - 1] == b'0' {
            end -= 1;
        }
        if end == point + 1 {
            end = point;
        }
        let mut start = match whole {
            Some(whole) => write_whole(bytes, point, whole),
            None => write_shifted(bytes, point, self.mantissa, self.exponent as usize),
        };
        // What rounds to zero has lost its sign.
        if self.negative && &bytes[start..end] != b"0" {
            start -= 1;
            bytes[start] = b'-';
        }
        &bytes[start..end]
    }

    /// The whole part, if it fits 128 bits, and the decimals.
    fn split(self) -> (Option<u128>, u64) {
        const SCALE: u128 = 10_u128.pow(DECIMALS as u32);
        let mantissa = u128::from(self.mantissa);
        if self.exponent >= 0 {
            return ((self.exponent <= 64).then(|| mantissa << self.exponent), 0);
        }
        let below = self.exponent.unsigned_abs();
        let whole = mantissa.checked_shr(below).unwrap_or(0);
        let fraction = if below < 64 { mantissa & ((1 << below) - 1) } else { mantissa };
        // At most 64 bits by 57.
        let scaled = fraction * SCALE;
        let decimals = match below {
            ..128 => super::round(scaled >> below, scaled & ((1 << below) - 1), 1 << (below - 1), false),
            _ => 0,
        };
        (Some(whole + decimals / SCALE), (decimals % SCALE) as u64)
    }
}

/// Writes `value` with leading zeros.
fn write_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Writes `value` before `end` and returns where it starts.
fn write_whole(bytes: &mut [u8], end: usize, mut value: u128) -> usize {
    let mut start = end;
    loop {
        start -= 1;
        bytes[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return start;
        }
    }
}

/// Writes `mantissa * 2^shift` before `end` and returns where it starts.
fn write_shifted(bytes: &mut [u8], end: usize, mantissa: u64, shift: usize) -> usize {
    let mut limbs = [0_u64; LIMBS];
    let at = shift / 64;
    limbs[at] = mantissa << (shift % 64);
    if !shift.is_multiple_of(64) && at + 1 < LIMBS {
        limbs[at + 1] = mantissa >> (64 - shift % 64);
    }
    let mut used = (at + 2).min(LIMBS);
    let mut start = end;
    while used > 0 {
        let mut rest = 0;
        for limb in limbs[..used].iter_mut().rev() {
            let value = u128::from(rest) << 64 | u128::from(*limb);
            *limb = (value / u128::from(10_u64.pow(TEN_POWER_MAX))) as u64;
            rest = (value % u128::from(10_u64.pow(TEN_POWER_MAX))) as u64;
        }
        while used > 0 && limbs[used - 1] == 0 {
            used -= 1;
        }
        let digits = (TEN_POWER_MAX as usize).min(start - 1);
        write_digits(&mut bytes[start - digits..start], rest);
        start -= digits;
    }
    start + bytes[start..end].iter().take_while(|digit| **digit == b'0').count()
}
