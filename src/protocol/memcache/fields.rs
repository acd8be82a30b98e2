//! Numbers in memcached's requests: flags, times, amounts.
//!
//! memcached reads them with C's `strtol` family: blanks other than the space may stand before a number, a
//! sign too, and anything may follow after such a blank. The parser has checked the fields of the classic
//! commands with these functions; handlers read them with the same ones.

/// Expiry times up to this many seconds count from now, later ones are points in time: 30 days.
const RELATIVE_SECONDS_MAX: i64 = 60 * 60 * 24 * 30;

/// A moment that has passed whatever the clock says.
const LONG_AGO_MS: u64 = 1;

/// Client flags: 32 bits without a sign.
pub fn flags(field: &[u8]) -> Option<u32> {
    u32::try_from(unsigned(field)?).ok()
}

/// An unsigned number of 64 bits: a cas unique, what incr adds, the level of verbosity.
pub fn unsigned(field: &[u8]) -> Option<u64> {
    let (negative, magnitude) = number(field)?;
    (!negative || magnitude == 0).then_some(magnitude)
}

/// A time as the client states it; [`expires_at_ms`] says when that is.
pub fn exptime(field: &[u8]) -> Option<i64> {
    let (negative, magnitude) = number(field)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Length of a data block. memcached's limit leaves room for the line end in a signed 32-bit number.
pub(super) fn data_bytes(field: &[u8]) -> Option<u32> {
    const DATA_BYTES_MAX: u64 = i32::MAX as u64 - 2;
    unsigned(field).filter(|bytes| *bytes <= DATA_BYTES_MAX).map(|bytes| bytes as u32)
}

/// When an item with this `exptime` dies, in milliseconds since 1970, given that it is `now_ms`; `None` for
/// never (0). Negative times, and points in time that are over, lie before `now_ms`: the item is stored dead.
pub fn expires_at_ms(exptime: i64, now_ms: u64) -> Option<u64> {
    match exptime {
        0 => None,
        ..0 => Some(LONG_AGO_MS),
        1..=RELATIVE_SECONDS_MAX => Some(now_ms + exptime as u64 * 1000),
        _ => Some((exptime as u64).saturating_mul(1000)),
    }
}

/// The sign and the magnitude of a number as `strtoull` would find them; `None` if it is none, is followed by
/// something else than a blank, or needs more than 64 bits.
fn number(field: &[u8]) -> Option<(bool, u64)> {
    let start = field.iter().position(|&byte| !is_space(byte))?;
    let (negative, digits) = match &field[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let len = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(len);
    if rest.first().is_some_and(|&byte| !is_space(byte)) {
        return None;
    }
    Some((negative, crate::text::parse_u64(digits)?))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtol_reads_them() {
        for text in ["7", "007", "+7", "\t7", "7\t", "7\tx", "\x0b\x0c+007\r"] {
            assert_eq!(unsigned(text.as_bytes()), Some(7), "{text:?}");
            assert_eq!(exptime(text.as_bytes()), Some(7), "{text:?}");
        }
        for text in ["", "\t", "x", "7x", "0x7", "+", "-", "- 7", "+-7", "7.0", "18446744073709551616"] {
            assert_eq!(unsigned(text.as_bytes()), None, "{text:?}");
            assert_eq!(exptime(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(unsigned(b"-0"), Some(0));
        assert_eq!(unsigned(b"-1"), None);
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(exptime(b"-1"), Some(-1));
        assert_eq!(exptime(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(exptime(b"-9223372036854775809"), None);
        assert_eq!(exptime(b"9223372036854775808"), None);
    }

    #[test]
    fn flags_and_lengths_have_their_own_ranges() {
        assert_eq!(flags(b"4294967295"), Some(u32::MAX));
        assert_eq!(flags(b"4294967296"), None);
        assert_eq!(data_bytes(b"2147483645"), Some(i32::MAX as u32 - 2));
        assert_eq!(data_bytes(b"2147483646"), None);
        assert_eq!(data_bytes(b"99999999999"), None);
        assert_eq!(data_bytes(b"-1"), None);
    }

    #[test]
    fn times_are_relative_up_to_thirty_days() {
        const NOW_MS: u64 = 1_700_000_000_000;
        assert_eq!(expires_at_ms(0, NOW_MS), None);
        assert_eq!(expires_at_ms(1, NOW_MS), Some(NOW_MS + 1000));
        assert_eq!(expires_at_ms(2_592_000, NOW_MS), Some(NOW_MS + 2_592_000_000));
        assert_eq!(expires_at_ms(2_592_001, NOW_MS), Some(2_592_001_000));
        assert_eq!(expires_at_ms(1_700_000_010, NOW_MS), Some(NOW_MS + 10_000));
        assert!(expires_at_ms(-1, NOW_MS).is_some_and(|at| at < NOW_MS));
        assert!(expires_at_ms(i64::MIN, NOW_MS).is_some_and(|at| at < NOW_MS));
        assert_eq!(expires_at_ms(i64::MAX, NOW_MS), Some(u64::MAX));
    }
}
