//! `notify-keyspace-events`: which events of keys are told, as bits and as Redis's letters.

/// Tell `__keyspace@<db>__:<key>` which event it was.
pub const KEYSPACE: u16 = 1;
/// Tell `__keyevent@<db>__:<event>` which key it was.
pub const KEYEVENT: u16 = 1 << 1;
/// Commands on keys of any kind.
pub const GENERIC: u16 = 1 << 2;
/// Commands on strings.
pub const STRING: u16 = 1 << 3;
/// Commands on lists.
pub const LIST: u16 = 1 << 4;
/// Commands on sets.
pub const SET: u16 = 1 << 5;
/// Commands on hashes.
pub const HASH: u16 = 1 << 6;
/// Commands on sorted sets.
pub const ZSET: u16 = 1 << 7;
/// Keys whose time has come.
pub const EXPIRED: u16 = 1 << 8;
/// Keys evicted for want of room.
pub const EVICTED: u16 = 1 << 9;
/// Commands on streams.
pub const STREAM: u16 = 1 << 10;
/// Values of modules, of which there are none.
pub const MODULE: u16 = 1 << 11;
/// Keys that were looked for and not found.
pub const MISS: u16 = 1 << 12;
/// Keys that are made.
pub const NEW: u16 = 1 << 13;

/// What `A` stands for: everything but misses and new keys.
const ALL: u16 = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// Letters of classes in the order in which they are shown.
const CLASSES: &[(u8, u16)] = &[
    (b'g', GENERIC),
    (b'$', STRING),
    (b'l', LIST),
    (b's', SET),
    (b'h', HASH),
    (b'z', ZSET),
    (b'x', EXPIRED),
    (b'e', EVICTED),
    (b't', STREAM),
    (b'd', MODULE),
    (b'n', NEW),
];

/// Letters that are shown behind those of the classes, whatever these are.
const OTHERS: &[(u8, u16)] = &[(b'K', KEYSPACE), (b'E', KEYEVENT), (b'm', MISS)];

/// Reads letters in any order.
pub(super) fn parse(letters: &[u8]) -> Option<u16> {
    letters.iter().try_fold(0, |bits, letter| match letter {
        b'A' => Some(bits | ALL),
        _ => CLASSES.iter().chain(OTHERS).find(|(known, _)| known == letter).map(|(_, bit)| bits | bit),
    })
}

/// The letters of bits as Redis 7.0 shows them: `A` hides that of new keys.
pub(super) fn show(bits: u16) -> String {
    let letter = |(letter, bit): &(u8, u16)| (bits & bit != 0).then_some(char::from(*letter));
    let others = OTHERS.iter().filter_map(letter);
    if bits & ALL == ALL {
        return std::iter::once('A').chain(others).collect();
    }
    CLASSES.iter().filter_map(letter).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_shown_as_redis_shows_them() {
        for (given, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("g$lshzxetdm", "Am"),
            ("KEg$lshzxetdmn", "AKEm"),
            ("nA", "A"),
            ("KEx", "xKE"),
            ("KEg$lshzxet", "g$lshzxetKE"),
            ("KK", "K"),
            ("mEnK", "nKEm"),
        ] {
            assert_eq!(show(parse(given.as_bytes()).unwrap()), shown, "{given}");
        }
        for bad in ["q", "ke", "K E", "KE\0"] {
            assert_eq!(parse(bad.as_bytes()), None);
        }
        // Hidden is not forgotten.
        assert_ne!(parse(b"An").unwrap() & NEW, 0);
    }
}
