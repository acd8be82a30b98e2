//! Reading a number as C's `strtold` does, as far as Redis takes what that reads: decimal or hexadecimal, with an
//! exponent or without, or an infinity in words.

use super::Extended;
use super::big::{Big, FIVE_POWER_MAX};

/// Redis copies a number into a buffer of 5 KiB, its final zero included.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

/// Exponents beyond this are as good as this one: no text is long enough to make up for it.
const WRITTEN_EXPONENT_MAX: i64 = 1_000_000;

impl Extended {
    /// The nearest number to a text that is one from its first to its last byte. `None` also where the number is
    /// too large, or not zero but so small that zero is nearest.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Some(Extended::infinity(negative));
        }
        let number = match text {
            [b'0', b'x' | b'X', rest @ ..] => hexadecimal(negative, Written::read(rest, b'p', hex_digit)?),
            _ => decimal(negative, Written::read(text, b'e', decimal_digit)?),
        };
        number.filter(|number| !number.is_infinite())
    }
}

fn decimal_digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// A number taken apart: its digits without the zeros around them, and how far the last one is from the point.
struct Written<'a> {
    /// May hold a point.
    digits: &'a [u8],
    /// Digits in `digits`.
    count: i64,
    /// Places that the last digit stands before (positive: zeros follow) or behind the point.
    scale: i64,
    /// The exponent that was written, within bounds.
    exponent: i64,
}

impl<'a> Written<'a> {
    fn read(text: &'a [u8], mark: u8, digit: fn(u8) -> Option<u8>) -> Option<Written<'a>> {
        let end = text.iter().position(|&byte| byte != b'.' && digit(byte).is_none()).unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let mut points = number.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let point = points.next();
        if points.next().is_some() || number.len() == usize::from(point.is_some()) {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [first, exponent @ ..] if first.eq_ignore_ascii_case(&mark) => written_exponent(exponent)?,
            _ => return None,
        };
        let is_digit = |byte: &u8| *byte != b'0' && *byte != b'.';
        let (Some(first), Some(last)) = (number.iter().position(is_digit), number.iter().rposition(is_digit))
        else {
            return Some(Written { digits: &[], count: 0, scale: 0, exponent });
        };
        let point = point.unwrap_or(number.len());
        let scale = point as i64 - last as i64 - i64::from(last < point);
        let count = (last - first + 1) as i64 - i64::from(first < point && point < last);
        Some(Written { digits: &number[first..=last], count, scale, exponent })
    }

    fn values(&self, digit: fn(u8) -> Option<u8>) -> impl Iterator<Item = u8> {
        self.digits.iter().filter_map(move |&byte| digit(byte))
    }
}

fn written_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0;
    for &byte in digits {
        value = (value * 10 + i64::from(decimal_digit(byte)?)).min(WRITTEN_EXPONENT_MAX);
    }
    Some(if negative { -value } else { value })
}

fn hexadecimal(negative: bool, written: Written<'_>) -> Option<Extended> {
    if written.count == 0 {
        return Some(Extended::zero(negative));
    }
    // 31 digits leave at least 121 bits, the others only have to leave a trace.
    let kept = written.count.min(31);
    let bits =
        written.values(hex_digit).take(kept as usize).fold(0, |bits, digit| bits << 4 | u128::from(digit));
    let exponent = written.exponent + 4 * (written.scale + written.count - kept);
    not_vanished(Extended::nearest(negative, bits, exponent as i32, written.count > kept))
}

fn decimal(negative: bool, written: Written<'_>) -> Option<Extended> {
    if written.count == 0 {
        return Some(Extended::zero(negative));
    }
    let scale = written.exponent + written.scale;
    // 10^4933 is above the largest number, half of the smallest one above 10^-4952.
    if scale + written.count > 4_934 || scale + written.count < -4_951 {
        return None;
    }
    let scale = scale as i32;
    let number = match short(negative, &written, scale) {
        Some(number) => number,
        None => long(negative, &written, scale),
    };
    not_vanished(number)
}

/// Redis refuses what is not zero and reads as zero.
fn not_vanished(number: Extended) -> Option<Extended> {
    (number.mantissa != 0 || number.is_infinite()).then_some(number)
}

/// A number whose digits fit 128 bits and whose power of five fits 64: nearly all that are ever seen.
fn short(negative: bool, written: &Written<'_>, scale: i32) -> Option<Extended> {
    if written.count > 38 || scale.unsigned_abs() > FIVE_POWER_MAX {
        return None;
    }
    let digits = written.values(decimal_digit).fold(0_u128, |value, digit| value * 10 + u128::from(digit));
    let five = 5_u128.pow(scale.unsigned_abs());
    if scale >= 0 {
        return Some(Extended::nearest(negative, digits.checked_mul(five)?, scale, false));
    }
    // 128 bits by at most 63 are 65 or more.
    let room = digits.leading_zeros();
    let digits = digits << room;
    Some(Extended::nearest(negative, digits / five, scale - room as i32, digits % five != 0))
}

/// Any number.
fn long(negative: bool, written: &Written<'_>, scale: i32) -> Extended {
    let mut digits = Big::of_digits(written.values(decimal_digit));
    if scale >= 0 {
        digits.multiply_five_to(scale as u32);
        let (top, below, more) = digits.top();
        return Extended::nearest(negative, top, scale + below as i32, more);
    }
    let mut divisor = Big::five_to(scale.unsigned_abs());
    // So that the quotient has 66 bits or more, and 127 at most.
    let below = (66 + divisor.bits()).saturating_sub(digits.bits());
    digits.shift_up(below);
    let above = (digits.bits() + 1).saturating_sub(divisor.bits() + 127);
    divisor.shift_up(above);
    let (quotient, more) = digits.divide(divisor);
    Extended::nearest(negative, quotient, scale - below as i32 + above as i32, more)
}
