//! Decimal integers: parsing as strictly as Redis stores them, formatting without `fmt`.

/// Room for the longest integer: a sign and 20 digits.
pub type Digits = [u8; 21];

const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut i = 0;
    while i < 100 {
        pairs[2 * i] = b'0' + (i / 10) as u8;
        pairs[2 * i + 1] = b'0' + (i % 10) as u8;
        i += 1;
    }
    pairs
};

/// A signed integer in the only spelling that Redis takes for one: no sign but `-`, no leading zero, no
/// blank, nothing after it. So `format_i64(parse_i64(s)) == s` for all that is accepted, which is what lets a
/// string be stored as an integer.
#[inline]
pub fn parse_i64(s: &[u8]) -> Option<i64> {
    let (negative, digits) = match s {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = match digits {
        [b'0'] if !negative => 0,
        [b'1'..=b'9', ..] => parse_u64(digits)?,
        _ => return None,
    };
    if negative {
        // The most negative number has no positive twin.
        (magnitude <= i64::MIN.unsigned_abs()).then(|| (magnitude as i64).wrapping_neg())
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// An unsigned integer of decimal digits only; leading zeros are allowed.
#[inline]
pub fn parse_u64(s: &[u8]) -> Option<u64> {
    if s.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    // Nineteen digits always fit; only what is longer has to watch for overflow.
    let (head, tail) = s.split_at(s.len().min(19));
    for &byte in head {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    for &byte in tail {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Writes `value` into the end of `buffer` and returns that part.
#[inline]
pub fn format_u64(mut value: u64, buffer: &mut Digits) -> &[u8] {
    let mut at = buffer.len();
    while value >= 100 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if value >= 10 {
        let pair = value as usize * 2;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        buffer[at] = b'0' + value as u8;
    }
    &buffer[at..]
}

/// Writes `value` into the end of `buffer` and returns that part.
#[inline]
pub fn format_i64(value: i64, buffer: &mut Digits) -> &[u8] {
    let digits = format_u64(value.unsigned_abs(), buffer).len();
    let mut at = buffer.len() - digits;
    if value < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_canonical_spelling_is_an_integer() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "-0",
            "00",
            "01",
            " 1",
            "1 ",
            "1a",
            "a",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "18446744073709551616",
            "1.0",
            "0x1",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn unsigned_integers_reach_to_the_last_bit() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"0000000000000000000000018"), Some(18));
        for text in ["", "-1", "+1", "18446744073709551616", "99999999999999999999", "1 "] {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn formatting_equals_the_standard_library(value: i64, shift in 0u32..64) {
            let value = value >> shift;
            let mut buffer = [0; 21];
            let naive = value.to_string();
            prop_assert_eq!(format_i64(value, &mut buffer), naive.as_bytes());
            prop_assert_eq!(parse_i64(naive.as_bytes()), Some(value));
            let naive = (value as u64).to_string();
            prop_assert_eq!(format_u64(value as u64, &mut buffer), naive.as_bytes());
        }

        #[test]
        fn what_is_accepted_is_what_formatting_gives(text in "[-+]?[0-9]{0,21}") {
            let naive = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), naive);
            let naive = text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
            prop_assert_eq!(parse_u64(text.as_bytes()), naive);
        }
    }
}
