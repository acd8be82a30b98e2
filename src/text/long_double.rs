//! The 80-bit floating point numbers of x86, in which Redis computes INCRBYFLOAT.
//!
//! A `f64` would give other digits than Redis does (10.5 + 0.1 is 10.59999999999999964 in it). So numbers are
//! read, added and written here as C's `strtold`, `+` and `%.17Lf` do on such a machine: 64 bits of mantissa,
//! rounded to the nearest, ties to even. Common numbers are read in 128-bit arithmetic, all others in naturals
//! of any size. There are no NaNs, and infinities can only be read, not computed with.

use super::natural::Natural;

/// A number of 64 significant bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Zero,
    /// `mantissa * 2^exponent`; the mantissa's highest bit is set.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
}

/// The exponent of the greatest numbers.
const EXPONENT_MAX: i32 = 16383 - 63;
/// The power of two of the smallest number; what is no more than half of it is zero.
const SMALLEST_POWER: i32 = -16445;
/// Redis takes no longer text for a number.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Digits behind the point.
const DECIMALS: usize = 17;
const DECIMALS_POWER: u128 = 10u128.pow(DECIMALS as u32);

impl LongDouble {
    /// Zero, which a missing key counts as.
    pub const ZERO: Self = Self { negative: false, magnitude: Magnitude::Zero };

    /// Reads a number as Redis does: decimal or hexadecimal, `inf` too, and nothing before or behind it.
    /// `None` for what is no number, NaN, and numbers so great or small that they become infinite or zero.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, text) = match text {
            [b'-', text @ ..] => (true, text),
            [b'+', text @ ..] => (false, text),
            text => (false, text),
        };
        let magnitude = match text {
            [b'0', b'x' | b'X', digits @ ..] => hexadecimal(digits)?,
            _ if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") => {
                Magnitude::Infinite
            }
            _ => decimal(text)?,
        };
        // There is one zero: the sign of another could show in no sum.
        let negative = negative && magnitude != Magnitude::Zero;
        Some(Self { negative, magnitude })
    }

    /// Seconds as milliseconds, rounded up, computed as such a machine does: the product has 64 bits too. `None` for what
    /// 64 bits cannot hold.
    pub fn to_millis(self) -> Option<i64> {
        let (mantissa, exponent) = match self.magnitude {
            Magnitude::Zero => return Some(0),
            Magnitude::Infinite => return None,
            Magnitude::Finite { mantissa, exponent } => (mantissa, exponent),
        };
        let product = u128::from(mantissa) * 1000;
        // The highest 64 bits; to the nearest, ties to even.
        let dropped = 64 - product.leading_zeros();
        let (kept, rest) = (product >> dropped, product & ((1 << dropped) - 1));
        let half = 1u128 << (dropped - 1);
        let up = rest > half || rest == half && kept & 1 == 1;
        let kept = kept + u128::from(up);
        let exponent = exponent + dropped as i32;
        let whole = match exponent {
            0..=63 => kept << exponent,
            64.. => return None,
            _ if exponent <= -66 => u128::from(!self.negative),
            _ => {
                let cut = kept & ((1 << -exponent) - 1) != 0;
                (kept >> -exponent) + u128::from(cut && !self.negative)
            }
        };
        let whole = i64::try_from(whole).ok()?;
        Some(if self.negative { -whole } else { whole })
    }

    /// The sum, if it is finite.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        use Magnitude::{Finite, Infinite, Zero};
        let (mut great, mut small) = match (self.magnitude, other.magnitude) {
            (Infinite, _) | (_, Infinite) => return None,
            (Zero, Zero) => return Some(Self::ZERO),
            (_, Zero) => return Some(self),
            (Zero, _) => return Some(other),
            (Finite { mantissa: a, exponent: a_exponent }, Finite { mantissa: b, exponent: b_exponent }) => {
                ((a_exponent, a, self.negative), (b_exponent, b, other.negative))
            }
        };
        if (great.0, great.1) < (small.0, small.1) {
            std::mem::swap(&mut great, &mut small);
        }
        let (exponent, great, negative) = great;
        let (small_exponent, small, small_negative) = small;
        // One bit above for the carry, 62 below so that only what cannot cancel is lost.
        const GUARD_BITS: i32 = 62;
        let distance = (exponent - small_exponent) as u32;
        let (great, small) = (u128::from(great) << GUARD_BITS, u128::from(small) << GUARD_BITS);
        let aligned = small.checked_shr(distance).unwrap_or(0);
        let lost = aligned.checked_shl(distance).unwrap_or(0) != small;
        let sum =
            if negative == small_negative { great + aligned } else { great - aligned - u128::from(lost) };
        if sum == 0 {
            return Some(Self::ZERO);
        }
        let magnitude = rounded(sum, exponent - GUARD_BITS, lost)?;
        Some(Self { negative, magnitude })
    }

    /// Appends the number with up to 17 digits behind the point and no exponent, as Redis stores the results of
    /// INCRBYFLOAT.
    pub fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        let (mantissa, exponent) = match self.magnitude {
            Magnitude::Zero => return out.push(b'0'),
            Magnitude::Infinite => {
                return out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" });
            }
            Magnitude::Finite { mantissa, exponent } => (mantissa, exponent),
        };
        if self.negative {
            out.push(b'-');
        }
        if exponent >= 0 {
            let mut whole = Natural::from_u64(mantissa);
            whole.shift_left(exponent as usize);
            return whole.write_decimal(out);
        }
        // Below 2^121, so what is shifted out by more than that rounds to zero.
        let scaled = u128::from(mantissa) * DECIMALS_POWER;
        let scaled = shift_right_rounded(scaled, exponent.unsigned_abs());
        if scaled == 0 {
            out.truncate(start);
            return out.push(b'0');
        }
        let mut digits = [0; 21];
        // The whole part is below 2^64, for the exponent is negative; rounding up could make it 2^64 only if
        // there were a fraction to round, and then it is below 2^63.
        let whole = (scaled / DECIMALS_POWER) as u64;
        out.extend_from_slice(super::format_u64(whole, &mut digits));
        let fraction = (scaled % DECIMALS_POWER) as u64;
        if fraction == 0 {
            return;
        }
        out.push(b'.');
        let fraction = super::format_u64(fraction, &mut digits);
        out.extend(std::iter::repeat_n(b'0', DECIMALS - fraction.len()));
        let kept = fraction.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        out.extend_from_slice(&fraction[..kept]);
    }
}

/// `value * 2^exponent`, more precisely a little above it if `lost`, to 64 bits; `None` if that is infinite or zero.
fn rounded(value: u128, exponent: i32, lost: bool) -> Option<Magnitude> {
    let surplus = 64 - value.leading_zeros() as i32;
    let (mut mantissa, mut exponent) = if surplus <= 0 {
        // Nothing is lost from less than 64 bits.
        ((value as u64) << -surplus, exponent + surplus)
    } else {
        let kept = (value >> surplus) as u64;
        let half = 1u128 << (surplus - 1);
        let rest = value & (2 * half - 1);
        let up = rest > half || (rest == half && (lost || kept & 1 == 1));
        match kept.checked_add(u64::from(up)) {
            Some(kept) => (kept, exponent + surplus),
            None => (1 << 63, exponent + surplus + 1),
        }
    };
    if mantissa == 0 || exponent > EXPONENT_MAX {
        return None;
    }
    // The smallest numbers have fewer bits; nobody can tell but for the very last, for only sums are written.
    match (exponent + 63 - SMALLEST_POWER, mantissa == 1 << 63) {
        (..-1, _) | (-1, true) => return None,
        (-1, false) => (mantissa, exponent) = (1 << 63, SMALLEST_POWER - 63),
        _ => {}
    }
    Some(Magnitude::Finite { mantissa, exponent })
}

fn shift_right_rounded(value: u128, bits: u32) -> u128 {
    if bits > 127 {
        return 0;
    }
    let kept = value >> bits;
    let half = 1u128 << (bits - 1);
    let rest = value & (2 * half - 1);
    kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
}

/// Digits with at most one point, and an exponent.
struct Scientific<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
}

/// Takes a number apart; `mark` announces the exponent. `None` if it is not wholly one.
fn scientific(text: &[u8], is_digit: fn(&u8) -> bool, mark: u8) -> Option<Scientific<'_>> {
    let digits = |text: &[u8]| text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len());
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => rest.split_at(digits(rest)),
        rest => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [letter, b'-', magnitude @ ..] if letter | 0x20 == mark => -saturating(magnitude)?,
        [letter, b'+', magnitude @ ..] | [letter, magnitude @ ..] if letter | 0x20 == mark => {
            saturating(magnitude)?
        }
        _ => return None,
    };
    Some(Scientific { whole, fraction, exponent })
}

/// A natural number; beyond a million they are all the same.
fn saturating(digits: &[u8]) -> Option<i32> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |sum, digit| (sum * 10 + i32::from(digit - b'0')).min(1_000_000)))
}

fn decimal(text: &[u8]) -> Option<Magnitude> {
    let Scientific { whole, fraction, exponent } = scientific(text, u8::is_ascii_digit, b'e')?;
    let digits = || whole.iter().chain(fraction).copied().skip_while(|&digit| digit == b'0');
    let count = digits().count() as i32;
    if count == 0 {
        return Some(Magnitude::Zero);
    }
    let exponent = exponent - fraction.len() as i32;
    // Powers of ten that are infinite or zero whatever the digits.
    if !(-5000..5000).contains(&(exponent + count)) {
        return None;
    }
    if count <= 19 && (-19..=19).contains(&exponent) {
        let value = digits().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        return short_decimal(value, exponent);
    }
    long_decimal(Natural::from_digits(digits()), exponent)
}

/// `value * 10^exponent` for exponents from -19 to 19, whose powers have 64 bits.
fn short_decimal(value: u64, exponent: i32) -> Option<Magnitude> {
    let power = 10u128.pow(exponent.unsigned_abs());
    if exponent >= 0 {
        return rounded(u128::from(value) * power, 0, false);
    }
    // Three digits of base 2^64, one before and two behind the point: at least 65 bits are significant.
    let (whole, rest) = (u128::from(value) / power, u128::from(value) % power);
    let (first, rest) = ((rest << 64) / power, (rest << 64) % power);
    let (second, rest) = ((rest << 64) / power, (rest << 64) % power);
    if whole > 0 {
        rounded(whole << 64 | first, -64, second > 0 || rest > 0)
    } else {
        rounded(first << 64 | second, -128, rest > 0)
    }
}

fn long_decimal(mut digits: Natural, exponent: i32) -> Option<Magnitude> {
    if exponent >= 0 {
        digits.multiply_power_of_ten(exponent as u32);
        let (top, below, lost) = digits.top();
        return rounded(top, below as i32, lost);
    }
    let mut power = Natural::from_u64(1);
    power.multiply_power_of_ten(exponent.unsigned_abs());
    // A quotient of 66 or 67 bits.
    let shift = 66 + power.bits() as i32 - digits.bits() as i32;
    if shift >= 0 {
        digits.shift_left(shift as usize);
    } else {
        power.shift_left(-shift as usize);
    }
    let (quotient, lost) = digits.divide_small_quotient(power);
    rounded(quotient, -shift, lost)
}

fn hexadecimal(text: &[u8]) -> Option<Magnitude> {
    let (value, exponent, lost) = hexadecimal_parts(text)?;
    if value == 0 { Some(Magnitude::Zero) } else { rounded(value, exponent, lost) }
}

/// The number behind `0x` as `value * 2^exponent`, a little above it if the last is true.
pub(super) fn hexadecimal_parts(text: &[u8]) -> Option<(u128, i32, bool)> {
    let Scientific { whole, fraction, mut exponent } = scientific(text, u8::is_ascii_hexdigit, b'p')?;
    let (mut value, mut lost) = (0u128, false);
    exponent -= 4 * fraction.len() as i32;
    for digit in whole.iter().chain(fraction) {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20) - b'a' + 10,
        };
        if value >> 124 == 0 {
            value = value << 4 | u128::from(digit);
        } else {
            exponent += 4;
            lost |= digit > 0;
        }
    }
    Some((value, exponent, lost))
}

#[cfg(test)]
mod tests;
