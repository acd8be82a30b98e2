//! Floating point numbers as Redis writes and reads them.

use std::io::Write;

/// Room for any double in the form that [`format_f64`] gives it.
pub type FloatDigits = [u8; 32];

/// Whole numbers below this are written without asking the standard library: they have at most 15 digits.
const WHOLE_MAX: f64 = 1e15;

/// Writes `value` with up to 17 significant digits, as C's `%.17g` does: no trailing zeros, an exponent below
/// 1e-4 and from 1e17 on, `inf`, `-inf` and `nan`.
pub fn format_f64(value: f64, buffer: &mut FloatDigits) -> &[u8] {
    if !value.is_finite() {
        let name: &[u8] = if value.is_nan() {
            b"nan"
        } else if value > 0.0 {
            b"inf"
        } else {
            b"-inf"
        };
        buffer[..name.len()].copy_from_slice(name);
        return &buffer[..name.len()];
    }
    if value == value.trunc() && value.abs() < WHOLE_MAX && !(value == 0.0 && value.is_sign_negative()) {
        let mut digits = [0; 21];
        let digits = super::format_i64(value as i64, &mut digits);
        buffer[..digits.len()].copy_from_slice(digits);
        return &buffer[..digits.len()];
    }
    let (digits, exponent) = significant_digits(value.abs());
    let kept = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..kept];

    let mut out = Tail { buffer, len: 0 };
    if value.is_sign_negative() {
        out.push(b"-");
    }
    if (-4..0).contains(&exponent) {
        out.push(b"0.");
        out.push(&b"000"[..(-1 - exponent) as usize]);
        out.push(digits);
    } else if (0..17).contains(&exponent) {
        let whole = exponent as usize + 1;
        if kept <= whole {
            out.push(digits);
            out.push(&b"0000000000000000"[..whole - kept]);
        } else {
            out.push(&digits[..whole]);
            out.push(b".");
            out.push(&digits[whole..]);
        }
    } else {
        out.push(&digits[..1]);
        if kept > 1 {
            out.push(b".");
            out.push(&digits[1..]);
        }
        out.push(if exponent < 0 { b"e-" } else { b"e+" });
        let magnitude = exponent.unsigned_abs();
        if magnitude < 10 {
            out.push(b"0");
        }
        let mut number = [0; 21];
        out.push(super::format_u64(u64::from(magnitude), &mut number));
    }
    let Tail { len, .. } = out;
    &buffer[..len]
}

/// The 17 significant decimal digits of a positive number or zero, and the power of ten of the first.
fn significant_digits(value: f64) -> ([u8; 17], i32) {
    let mut scratch = [0; FLOAT_SCRATCH];
    let mut rest = &mut scratch[..];
    let fits = write!(rest, "{value:.16e}");
    debug_assert!(fits.is_ok());
    let unused = rest.len();
    let text = &scratch[..FLOAT_SCRATCH - unused];
    let mut digits = [b'0'; 17];
    digits[0] = text[0];
    digits[1..].copy_from_slice(&text[2..18]);
    // After "d.dddddddddddddddd" comes "e" and the exponent with its sign if that is negative.
    let (negative, magnitude) = match &text[19..] {
        [b'-', magnitude @ ..] => (true, magnitude),
        magnitude => (false, magnitude),
    };
    let magnitude = magnitude.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    (digits, if negative { -magnitude } else { magnitude })
}

const FLOAT_SCRATCH: usize = 32;

struct Tail<'a> {
    buffer: &'a mut FloatDigits,
    len: usize,
}

impl Tail<'_> {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn formatted(value: f64) -> String {
        String::from_utf8(format_f64(value, &mut [0; 32]).to_vec()).unwrap()
    }

    #[test]
    fn doubles_look_as_percent_17g_makes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-3.5, "-3.5"),
            (0.1, "0.10000000000000001"),
            (10.6, "10.6"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.00001, "1.0000000000000001e-05"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (123456789.125, "123456789.125"),
            (99999999999999990.0, "99999999999999984"),
            (0.5, "0.5"),
        ] {
            assert_eq!(formatted(value), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_double(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(formatted(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn small_numbers_read_back_too(value in -1e6f64..1e6) {
            prop_assert_eq!(formatted(value).parse::<f64>().unwrap(), value);
        }
    }
}
