//! Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET take them.
//!
//! `?` is any byte, `*` any number of them, `[a-c]`, `[^x]` one of a class, and `\` makes the next byte plain.
//! Every element but `*` takes exactly one byte, so on a mismatch it is enough to go back to the last `*`: the
//! work is bounded by the product of the lengths, and there is no recursion, whatever the pattern
//! (CVE-2022-36021, CVE-2024-31228). One verdict differs from Redis, which lets an empty text match nothing but
//! an empty pattern, and then makes exceptions for `*` in most commands: here stars take nothing everywhere.

/// Whether all of `text` matches `pattern`.
pub fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    matches::<false>(pattern, text)
}

/// As [`glob_matches`], ASCII letters being equal in either case.
pub fn glob_matches_nocase(pattern: &[u8], text: &[u8]) -> bool {
    matches::<true>(pattern, text)
}

fn matches<const NOCASE: bool>(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut at) = (pattern, 0);
    // Where to go on after a mismatch: behind the last star, which then takes one byte more.
    let mut retry: Option<(&[u8], usize)> = None;
    loop {
        if let [b'*', behind @ ..] = rest {
            if behind.is_empty() {
                return true;
            }
            rest = behind;
            retry = Some((behind, at));
            continue;
        }
        let matched = match text.get(at) {
            Some(&byte) => element::<NOCASE>(rest, byte),
            None if rest.is_empty() => return true,
            // What is left wants a byte, and a longer star leaves fewer still.
            None => return false,
        };
        match (matched, retry) {
            (Some(behind), _) => {
                rest = behind;
                at += 1;
            }
            (None, Some((behind, star_end))) => {
                rest = behind;
                at = star_end + 1;
                retry = Some((behind, at));
            }
            (None, None) => return false,
        }
    }
}

/// The pattern behind its first element if that takes `byte`.
fn element<const NOCASE: bool>(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (taken, rest) = match pattern {
        [] => return None,
        [b'?', rest @ ..] => (true, rest),
        [b'[', class @ ..] => in_class::<NOCASE>(class, byte),
        [b'\\', plain, rest @ ..] | [plain, rest @ ..] => (equal::<NOCASE>(*plain, byte), rest),
    };
    taken.then_some(rest)
}

/// Whether the class that begins after `[` has `byte`, and the pattern behind it. A class that is not closed
/// reaches to the pattern's end; in `[a-]` the bracket is the range's upper end, as in Redis.
fn in_class<const NOCASE: bool>(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b'\\', plain, rest @ ..] => {
                found |= *plain == byte;
                rest
            }
            [b']', behind @ ..] => {
                rest = behind;
                break;
            }
            [from, b'-', to, rest @ ..] => {
                let (low, high) = (*from.min(to), *from.max(to));
                found |= (fold::<NOCASE>(low)..=fold::<NOCASE>(high)).contains(&fold::<NOCASE>(byte));
                rest
            }
            [plain, rest @ ..] => {
                found |= equal::<NOCASE>(*plain, byte);
                rest
            }
        };
    }
    (found != negated, rest)
}

fn equal<const NOCASE: bool>(a: u8, b: u8) -> bool {
    fold::<NOCASE>(a) == fold::<NOCASE>(b)
}

fn fold<const NOCASE: bool>(byte: u8) -> u8 {
    if NOCASE { byte.to_ascii_lowercase() } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, with a try for each length that a star may have.
    fn naive<const NOCASE: bool>(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|taken| naive::<NOCASE>(rest, &text[taken..])),
            _ => text.split_first().is_some_and(|(byte, text)| {
                element::<NOCASE>(pattern, *byte).is_some_and(|rest| naive::<NOCASE>(rest, text))
            }),
        }
    }

    /// Verdicts of redis-server 7.0 (`KEYS pattern` with the one key `text`), save for `**` and the empty text.
    #[test]
    fn patterns_mean_what_they_mean_to_redis() {
        let cases: [(&str, &str, bool); 49] = [
            ("*", "", true),
            ("**", "", true),
            ("**", "abc", true),
            ("a*", "", false),
            ("", "", true),
            ("", "a", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("abcd", "abc", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("a*c", "ac", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*a*", "bab", true),
            ("a**b", "ab", true),
            ("h[ae]llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-b]llo", "hcllo", false),
            ("[]", "a", false),
            ("[]]", "]", false),
            ("[^]", "a", true),
            ("[", "a", false),
            ("[", "[", false),
            ("[a", "a", true),
            ("[ab", "b", true),
            ("[^", "a", true),
            ("[a-", "a", true),
            ("[a-", "-", true),
            ("[a-]", "]", true),
            ("[a-]", "b", false),
            ("[a-]", "_", true),
            ("[a-]b", "_", true),
            ("[\\]]", "]", true),
            ("[\\", "\\", true),
            ("[a\\-z]", "-", true),
            ("[a\\-z]", "b", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("\\a", "a", true),
            ("\\[a]", "[a]", true),
            ("*\\", "b\\", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(glob_matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn letters_of_either_case_are_equal_on_request() {
        assert!(glob_matches_nocase(b"MAX*", b"maxmemory"));
        assert!(glob_matches_nocase(b"[A-C]x", b"bX"));
        assert!(glob_matches_nocase(b"[ABC]x", b"bX"));
        assert!(!glob_matches(b"MAX*", b"maxmemory"));
        // An escaped byte of a class is compared as it is, as in Redis.
        assert!(!glob_matches_nocase(b"[\\A]", b"a"));
    }

    #[test]
    fn patterns_made_to_backtrack_are_answered_at_once() {
        let pattern = [b"a*".repeat(2_000), b"b".to_vec()].concat();
        assert!(!glob_matches(&pattern, &b"a".repeat(20_000)));
        let pattern = [b"*?".repeat(5_000), b"b".to_vec()].concat();
        assert!(!glob_matches(&pattern, &b"a".repeat(5_000)));
        assert!(glob_matches(&b"*".repeat(1_000_000), b"a"));
    }

    proptest! {
        #[test]
        fn matching_equals_the_definition(
            pattern in "[ab*?\\[\\]^\\\\-]{0,10}",
            text in "[ab\\]\\\\^-]{0,8}",
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(glob_matches(pattern, text), naive::<false>(pattern, text));
        }

        #[test]
        fn matching_without_case_equals_the_definition(
            pattern in "[aAbB*?\\[\\]^\\\\-]{0,10}",
            text in "[aAbB\\]-]{0,8}",
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(glob_matches_nocase(pattern, text), naive::<true>(pattern, text));
        }
    }
}
