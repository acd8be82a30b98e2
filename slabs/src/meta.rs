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
