//! Numbers as the x87 keeps them: 64 bits of mantissa, 15 of exponent. Redis computes `INCRBYFLOAT` in them, and
//! what it answers cannot be had from 64-bit doubles. Reading (`parse`), adding, and writing with 17 decimals
//! (`format`), each rounded once, half to even.

mod big;
mod format;
mod parse;

pub use format::Text;

/// The exponent of the last bit of the smallest numbers.
const EXPONENT_MIN: i32 = -16_445;
/// The exponent of the last bit of the largest numbers.
const EXPONENT_MAX: i32 = 16_320;
/// Stands for infinity.
const INFINITE: i32 = i32::MAX;

/// One number: `mantissa * 2^exponent`, or infinite. There is no NaN.
///
/// The top bit of the mantissa is set unless the number is 0 or the exponent is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Extended {
    /// Zero.
    pub const ZERO: Extended = Extended::zero(false);

    const fn zero(negative: bool) -> Extended {
        Extended { negative, mantissa: 0, exponent: EXPONENT_MIN }
    }

    const fn infinity(negative: bool) -> Extended {
        Extended { negative, mantissa: 0, exponent: INFINITE }
    }

    /// It is no infinity.
    pub fn is_finite(self) -> bool {
        !self.is_infinite()
    }

    fn is_infinite(self) -> bool {
        self.exponent == INFINITE
    }

    /// The nearest number to `bits * 2^exponent`; with `more`, to something between that and the next `bits`.
    /// `more` needs 65 bits or more.
    fn nearest(negative: bool, bits: u128, exponent: i32, more: bool) -> Extended {
        if bits == 0 {
            return Extended::zero(negative);
        }
        let length = 128 - bits.leading_zeros() as i32;
        // How many bits go, so that 64 stay and the exponent is not below the least; negative: bits are put behind.
        let drop = (length - 64).max(EXPONENT_MIN.saturating_sub(exponent));
        let kept = match drop {
            ..=0 => bits << -drop.max(-127),
            1..=127 => round(bits >> drop, bits & ((1 << drop) - 1), 1 << (drop - 1), more),
            128 => round(0, bits, 1 << 127, more),
            _ => 0,
        };
        let exponent = exponent.saturating_add(drop);
        // Rounding up may have made a 65th bit, which is followed by zeros.
        let (mantissa, exponent) = if kept >> 64 != 0 { (kept >> 1, exponent + 1) } else { (kept, exponent) };
        match mantissa as u64 {
            0 => Extended::zero(negative),
            _ if exponent > EXPONENT_MAX => Extended::infinity(negative),
            mantissa => Extended { negative, mantissa, exponent },
        }
    }

    /// The sum, or `None` where it is not finite.
    pub fn sum(self, other: Extended) -> Option<Extended> {
        if self.is_infinite() || other.is_infinite() {
            return None;
        }
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        if small.mantissa == 0 && large.mantissa == 0 {
            return Some(Extended::zero(self.negative && other.negative));
        }
        // 62 bits below the larger one's last bit are enough to round rightly: what is shifted out of the smaller
        // one beyond them only has to leave a trace in the last.
        let shift = (large.exponent - small.exponent) as u32;
        let below = 62;
        let a = u128::from(large.mantissa) << below;
        let b = u128::from(small.mantissa) << below;
        let b = match b.checked_shr(shift) {
            Some(shifted) => shifted | u128::from(shifted << shift != b),
            None => u128::from(b != 0),
        };
        let exponent = large.exponent - below;
        let (negative, bits) = if large.negative == small.negative {
            (large.negative, a + b)
        } else if a >= b {
            (large.negative && a != b, a - b)
        } else {
            (small.negative, b - a)
        };
        let sum = Extended::nearest(negative, bits, exponent, false);
        if sum.is_infinite() { None } else { Some(sum) }
    }
}

/// `kept`, or the next number, whichever is nearer, the even one if both are; `rest` of twice `half` was cut off,
/// with `more` a little beyond `rest`.
fn round(kept: u128, rest: u128, half: u128, more: bool) -> u128 {
    let up = rest > half || (rest == half && (more || kept & 1 == 1));
    kept + u128::from(up)
}

#[cfg(test)]
mod tests;
