//! Floating point numbers as Redis writes and reads them.

use std::io::Write;

/// Room for any double in the form that [`format_f64`] gives it.
pub type FloatDigits = [u8; 32];

/// Whole numbers below this are written without asking the standard library: they have at most 15 digits.
const WHOLE_MAX: f64 = 1e15;

/// Whole numbers of no more characters are doubles without loss.
const WHOLE_DIGITS_MAX: usize = 15;

/// A double as Redis takes it for a score or an increment: as C's `strtod` reads it, hexadecimal ones and `inf`
/// included, with nothing before or behind it. `None` for NaN, and for numbers so great or small that they
/// would become infinite or zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    // Whole numbers of so few digits are exact; that there is a negative zero, the long way knows.
    if text.len() <= WHOLE_DIGITS_MAX
        && let Some(whole) = super::parse_i64(text)
    {
        return Some(whole as f64);
    }
    let Parsed { value, is_zero, named } = parse(text)?;
    ((!value.is_infinite() || named) && (value != 0.0 || is_zero)).then_some(value)
}

/// A double as Redis takes it for an end of a range: what stands behind a zero byte is not looked at, blanks may stand
/// before it, nothing at all is 0, and what is too great is infinite. `None` for NaN and what is no number.
pub fn parse_lenient_f64(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    Some(parse(&text[blanks..])?.value)
}

/// What `strtod` makes of a text, and whether all of its digits are zeros, or it is no digits but the word for infinity.
struct Parsed {
    value: f64,
    is_zero: bool,
    named: bool,
}

fn parse(text: &[u8]) -> Option<Parsed> {
    let (negative, magnitude) = match text {
        [b'-', magnitude @ ..] => (true, magnitude),
        [b'+', magnitude @ ..] => (false, magnitude),
        magnitude => (false, magnitude),
    };
    // A second sign would be the standard library's to accept.
    let &first = magnitude.first()?;
    if matches!(first, b'-' | b'+') {
        return None;
    }
    let named = matches!(first, b'i' | b'I');
    let (value, is_zero) = match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => {
            let (value, exponent, lost) = super::long_double::hexadecimal_parts(digits)?;
            // A lost digit only says which way to round, and the lowest of 124 bits can say so too.
            (scale((value | u128::from(lost)) as f64, exponent), value == 0)
        }
        _ => {
            let mantissa = magnitude.split(|byte| byte | 0x20 == b'e').next()?;
            let is_zero = !mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
            (std::str::from_utf8(magnitude).ok()?.parse::<f64>().ok()?, is_zero)
        }
    };
    if value.is_nan() {
        return None;
    }
    Some(Parsed { value: if negative { -value } else { value }, is_zero, named })
}

/// `value * 2^exponent`.
fn scale(mut value: f64, exponent: i32) -> f64 {
    const STEP: i32 = 1000;
    // Beyond this any number is zero or infinite.
    let mut left = exponent.clamp(-4 * STEP, 4 * STEP);
    while left != 0 && value != 0.0 && value.is_finite() {
        let step = left.clamp(-STEP, STEP);
        value *= 2f64.powi(step);
        left -= step;
    }
    value
}

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

    #[test]
    fn doubles_are_read_as_strtod_reads_them() {
        for (text, value) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("0e9999", 0.0),
            ("5e-324", 5e-324),
            ("1.7976931348623157e308", f64::MAX),
            ("inf", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("+Infinity", f64::INFINITY),
            ("0x10", 16.0),
            ("-0X.8p1", -1.0),
            ("0x1p-1074", 5e-324),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1000000000000000000000000000000000001", 2f64.powi(144)),
            ("0x1000000000000080000000000000000000000", 2f64.powi(144)),
            ("0x1000000000000080000000000000000000001", 2f64.powi(144) + 2f64.powi(92)),
            ("0x0", 0.0),
        ] {
            let found = parse_f64(text.as_bytes()).map(f64::to_bits);
            assert_eq!(found, Some(value.to_bits()), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            " 1",
            "1 ",
            "1\0",
            "--1",
            "+-1",
            "1x",
            "nan",
            "-nan",
            "NaN(1)",
            "infinit",
            "1e309",
            "-1e309",
            "1e-400",
            "0x",
            "0x.",
            "0xp1",
            "0x1p",
            "0x1p9999",
            "0x1p-9999",
            "1_0",
            "\u{660}",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ends_of_ranges_are_read_with_liberties() {
        for (text, value) in [
            ("", 0.0),
            ("\0x", 0.0),
            (" \t\n1", 1.0),
            ("1\0x", 1.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("inf", f64::INFINITY),
            ("0x10", 16.0),
            ("2.5", 2.5),
        ] {
            assert_eq!(parse_lenient_f64(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in [" ", "x", "1 ", "nan", "+", "-", " nan", "1x", "--1", "("] {
            assert_eq!(parse_lenient_f64(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_double(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(formatted(value).parse::<f64>().unwrap().to_bits(), bits);
            prop_assert_eq!(parse_f64(formatted(value).as_bytes()).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn small_numbers_read_back_too(value in -1e6f64..1e6) {
            prop_assert_eq!(formatted(value).parse::<f64>().unwrap(), value);
        }
    }
}
