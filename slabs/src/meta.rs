//! What is stored beside a value, and how a write can be refused.

use std::fmt;

/// The type of a value, as far as the store cares: it keeps it and hands it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Bytes.
    #[default]
    String = 0,
    /// A list.
    List = 1,
    /// A hash of fields.
    Hash = 2,
    /// A set.
    Set = 3,
    /// A sorted set.
    SortedSet = 4,
    /// A stream.
    Stream = 5,
}

impl Kind {
    /// The kind whose number was stored in an item.
    pub(crate) fn from_bits(bits: u8) -> Kind {
        match bits {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Hash,
            3 => Kind::Set,
            4 => Kind::SortedSet,
            _ => Kind::Stream,
        }
    }
}

/// What is stored beside a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The value's type.
    pub kind: Kind,
    /// The value is a handle to a structure that the caller keeps: 8 bytes of it in native order, then, if the
    /// value is 16 bytes or more, 8 bytes that count the structure's memory (so that eviction can weigh it).
    pub heap: bool,
    /// memcached's opaque 32 bits; 0 costs no memory.
    pub client_flags: u32,
    /// Unix time in milliseconds from which on the item is dead, 48 bits; 0 is never.
    pub expire_at_ms: u64,
    /// A CAS unique given by the client; `None` derives one from the item's version.
    pub cas: Option<u64>,
    /// What herd control keeps; empty costs no memory.
    pub marks: Marks,
}

/// Seconds are kept modulo 2^30, which is 34 years.
const SECONDS: u32 = (1 << 30) - 1;

/// What herd control and those who ask for the age of a use need. Four bytes in an item that has any of it; most
/// items have nothing and spend nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The value is outdated, and served until there is a new one.
    pub stale: bool,
    /// Somebody was told to bring a new value.
    pub token_sent: bool,
    /// Unix second of the last use, modulo 2^30; 0: not kept.
    used: u32,
}

impl Marks {
    /// These marks, without the time of a use.
    pub fn new(stale: bool, token_sent: bool) -> Marks {
        Marks { stale, token_sent, used: 0 }
    }

    /// The same with a use at this time. From then on the store keeps the time of each use by `get`.
    #[must_use]
    pub fn used_at(self, now_ms: u64) -> Marks {
        // The one second in 34 years that would mean "not kept" counts as the next.
        Marks { used: ((now_ms / 1000) as u32 & SECONDS).max(1), ..self }
    }

    /// Seconds since the last use, if they are kept.
    pub fn idle_secs(self, now_ms: u64) -> Option<u64> {
        let now = (now_ms / 1000) as u32;
        // A clock that was set back makes a use that is still to come: that is now.
        let idle = now.wrapping_sub(self.used) & SECONDS;
        (self.used != 0).then_some(if idle > SECONDS / 2 { 0 } else { u64::from(idle) })
    }

    pub(crate) fn to_bits(self) -> u32 {
        u32::from(self.stale) << 31 | u32::from(self.token_sent) << 30 | self.used
    }

    pub(crate) fn from_bits(bits: u32) -> Marks {
        Marks { stale: bits >> 31 != 0, token_sent: bits >> 30 & 1 != 0, used: bits & SECONDS }
    }
}

/// The latest expiry that can be kept; later ones are kept as this (year 10889).
pub const EXPIRE_AT_MS_MAX: u64 = (1 << 48) - 1;

/// Whether a change of metadata counts as a change of the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The version and the CAS unique stay (memcached's touch).
    Keep,
    /// The item gets a new version.
    New,
}

/// Why a write was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The key is longer than 65,535 bytes.
    KeyTooLong,
    /// The value is larger than `Options::item_bytes_max` or can never fit the budget.
    ValueTooLarge,
    /// There is no room, and the policy (or the pins) leaves nothing to evict.
    NoMemory,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::KeyTooLong => "key too long",
            Refused::ValueTooLarge => "value too large",
            Refused::NoMemory => "out of memory",
        })
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_999;

    #[test]
    fn marks_survive_their_bits() {
        for marks in [Marks::default(), Marks::new(true, false), Marks::new(false, true).used_at(NOW_MS)] {
            assert_eq!(Marks::from_bits(marks.to_bits()), marks);
        }
        assert_eq!(Marks::default().to_bits(), 0);
    }

    #[test]
    fn the_age_of_a_use_is_known_where_it_is_kept() {
        let marks = Marks::new(true, true);
        assert_eq!(marks.idle_secs(NOW_MS), None);
        let marks = marks.used_at(NOW_MS);
        assert_eq!(marks.idle_secs(NOW_MS), Some(0));
        assert_eq!(marks.idle_secs(NOW_MS + 1), Some(1));
        assert_eq!(marks.idle_secs(NOW_MS + 86_400_000), Some(86_400));
        assert_eq!(marks.idle_secs(NOW_MS - 5000), Some(0), "the clock was set back");
        let wrap_ms = (2u64 << 30) * 1000;
        assert_eq!(Marks::default().used_at(wrap_ms).idle_secs(wrap_ms + 10_000), Some(9));
        assert_eq!(Marks::default().used_at(wrap_ms - 10_000).idle_secs(wrap_ms + 10_000), Some(20));
    }
}
