//! Numbers of bytes with units, as people write them.

/// Reads a number of bytes: digits and a unit, in any case. As in redis.conf `k` is 1000 and `kb` is 1024; `kib`
/// is 1024 too.
pub fn parse(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number: u64 = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    let unit = text[digits..].to_ascii_lowercase();
    let factor = match unit.as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" | b"kib" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" | b"mib" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" | b"gib" => 1 << 30,
        b"t" => 1_000_000_000_000,
        b"tb" | b"tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The shortest exact spelling.
pub fn short(bytes: u64) -> String {
    for (shift, unit) in [(40, "tb"), (30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// A figure for people with two digits behind the point (`1.00M`), as INFO's `_human` fields have it.
pub fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64;
    let mut unit = 'B';
    for next in ['K', 'M', 'G', 'T', 'P'] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.2}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_redis_conf() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17b", 17),
            ("1k", 1000),
            ("1KB", 1024),
            ("1KiB", 1024),
            ("3m", 3_000_000),
            ("3mb", 3 << 20),
            ("2Gib", 2 << 30),
            ("1t", 1_000_000_000_000),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(bytes), "{text}");
        }
        for text in ["", "kb", "1x", "-1", "1 kb", "1.5gb", "99999999999999999999", "99999999999tb"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn short_spellings_read_back() {
        for bytes in [0, 1, 1023, 1024, 1536, 1 << 20, 512 << 20, 3 << 30, (1 << 30) + 1] {
            assert_eq!(parse(short(bytes).as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn human_figures_have_two_digits_behind_the_point() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(916_280), "894.80K");
        assert_eq!(human(25_276_063_744), "23.54G");
    }
}
