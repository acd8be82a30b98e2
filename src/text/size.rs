//! Amounts of memory as people write them: `100mb`, `1gib`, `80%`.

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths of what there is.
    Percent(u8),
}

/// An amount in bytes or, up to `100%`, a share. See [`parse_bytes`] for the units.
pub fn parse_size(text: &[u8]) -> Option<Size> {
    match text.strip_suffix(b"%") {
        Some(share) => {
            let percent = super::parse_u64(share).filter(|percent| *percent <= 100)?;
            Some(Size::Percent(percent as u8))
        }
        None => parse_bytes(text).map(Size::Bytes),
    }
}

/// An amount in bytes, with a unit in either case: `kb mb gb tb` and `kib mib gib tib` are powers of 1024,
/// `k m g t` powers of 1000, as in Redis; `b` or nothing are bytes.
pub fn parse_bytes(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at(digits);
    let amount = super::parse_u64(digits)?;
    let mut lower = [0; 3];
    let lower = lower.get_mut(..unit.len())?;
    lower.copy_from_slice(unit);
    lower.make_ascii_lowercase();
    let (prefix, base) = match &*lower {
        b"" | b"b" => return Some(amount),
        [prefix] => (*prefix, 1000u64),
        [prefix, b'b'] | [prefix, b'i', b'b'] => (*prefix, 1024),
        _ => return None,
    };
    let power = match prefix {
        b'k' => 1,
        b'm' => 2,
        b'g' => 3,
        b't' => 4,
        _ => return None,
    };
    amount.checked_mul(base.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_redis_and_the_binary_ones() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("7b", 7),
            ("1k", 1000),
            ("1kb", 1024),
            ("1KiB", 1024),
            ("2m", 2_000_000),
            ("2MB", 2 << 20),
            ("2mib", 2 << 20),
            ("3g", 3_000_000_000),
            ("3Gb", 3 << 30),
            ("3gib", 3 << 30),
            ("1tb", 1 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_bytes(text.as_bytes()), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "kb",
            "-1",
            "+1",
            "1.5gb",
            "1 gb",
            "1x",
            "1xb",
            "1ib",
            "1bb",
            "1kbb",
            "1%",
            "18446744073709551616",
            "18014398509481984kb",
            "99999999999tb",
        ] {
            assert_eq!(parse_bytes(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn shares_are_whole_percents_up_to_all() {
        assert_eq!(parse_size(b"80%"), Some(Size::Percent(80)));
        assert_eq!(parse_size(b"100%"), Some(Size::Percent(100)));
        assert_eq!(parse_size(b"1gb"), Some(Size::Bytes(1 << 30)));
        for text in ["101%", "%", "-1%", "1.5%", "80%%", "1kb%"] {
            assert_eq!(parse_size(text.as_bytes()), None, "{text}");
        }
    }
}
