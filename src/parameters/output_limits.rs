//! `client-output-buffer-limit`: how many bytes of replies may wait for a client, by its class.

use super::bytes;
use std::fmt::Write;

/// Limits of one class; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes beyond which a client is closed at once.
    pub hard_bytes: u64,
    /// Bytes beyond which it may be for `soft_seconds` without a break.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u64,
}

/// The classes, as Redis shows them, and what it sets for those that a value does not name.
const CLASSES: [(&str, OutputLimit); 3] = [
    ("normal", OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 }),
    ("slave", OutputLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_seconds: 60 }),
    ("pubsub", OutputLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 }),
];

/// Redis's own default.
pub(super) const DEFAULT: &str = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";

/// Reads groups of class, hard limit, soft limit and seconds. Classes that are not named keep what they have in `limits`.
fn parse(value: &[u8], mut limits: [OutputLimit; 3]) -> Option<[OutputLimit; 3]> {
    let words: Vec<&[u8]> = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let groups = words.chunks_exact(4);
    if words.is_empty() || !groups.remainder().is_empty() {
        return None;
    }
    for group in groups {
        let class = if group[0].eq_ignore_ascii_case(b"replica") { b"slave" } else { group[0] };
        let place = CLASSES.iter().position(|(name, _)| name.as_bytes().eq_ignore_ascii_case(class))?;
        let soft_seconds = std::str::from_utf8(group[3]).ok()?.parse().ok()?;
        let (hard_bytes, soft_bytes) = (bytes::parse(group[1])?, bytes::parse(group[2])?);
        limits[place] = OutputLimit { hard_bytes, soft_bytes, soft_seconds };
    }
    Some(limits)
}

/// What Redis sets for each class.
fn defaults() -> [OutputLimit; 3] {
    CLASSES.map(|(_, limit)| limit)
}

/// A value as it is kept and shown: every class, in bytes.
pub(super) fn normalized(value: &[u8]) -> Option<Vec<u8>> {
    shown(parse(value, defaults())?)
}

/// The same, where another value held before: of the classes that this one does not name, it stays.
pub(super) fn merged(before: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    shown(parse(value, parse(before, defaults())?)?)
}

fn shown(limits: [OutputLimit; 3]) -> Option<Vec<u8>> {
    let mut text = String::new();
    for ((name, _), limit) in CLASSES.iter().zip(limits) {
        let OutputLimit { hard_bytes, soft_bytes, soft_seconds } = limit;
        let blank = if text.is_empty() { "" } else { " " };
        write!(text, "{blank}{name} {hard_bytes} {soft_bytes} {soft_seconds}").ok()?;
    }
    Some(text.into_bytes())
}

/// The limits of ordinary clients, and of those who listen, in a value that was kept.
pub(super) fn of_clients(value: &[u8]) -> (OutputLimit, OutputLimit) {
    parse(value, defaults()).map_or_else(Default::default, |[normal, _, pubsub]| (normal, pubsub))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_in_any_order_and_shown_in_redis_order() {
        assert_eq!(normalized(DEFAULT.as_bytes()).unwrap(), DEFAULT.as_bytes());
        let shown = normalized(b"PUBSUB 1mb 1kb 5  normal 2mb 0 0").unwrap();
        assert_eq!(shown, b"normal 2097152 0 0 slave 268435456 67108864 60 pubsub 1048576 1024 5");
        let limit = OutputLimit { hard_bytes: 2 << 20, soft_bytes: 0, soft_seconds: 0 };
        let pubsub = OutputLimit { hard_bytes: 1 << 20, soft_bytes: 1 << 10, soft_seconds: 5 };
        assert_eq!(of_clients(&shown), (limit, pubsub));
        assert_eq!(
            merged(&shown, b"normal 1 1 1 slave 2 2 2").unwrap(),
            b"normal 1 1 1 slave 2 2 2 pubsub 1048576 1024 5"
        );
        assert_eq!(normalized(b"replica 1 2 3").unwrap(), normalized(b"slave 1 2 3").unwrap());
        for bad in [
            &b""[..],
            b"normal",
            b"normal 0 0",
            b"master 0 0 0",
            b"normal x 0 0",
            b"normal 0 0 -1",
            b"normal 0 0 0 pubsub",
        ] {
            assert_eq!(normalized(bad), None);
        }
    }
}
