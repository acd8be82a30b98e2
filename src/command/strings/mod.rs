//! Strings: whole values (`get`, `set`), parts of them (`edit`), numbers in them (`count`), and the longest
//! common subsequence of two (`lcs`). `expiry` reads the options on when a value dies.
//!
//! An item of another kind is refused with `WRONGTYPE` except by commands that replace or skip it.

mod expiry;
pub mod get;

pub mod set;

use super::{Call, Fault};
use crate::shard::{Item, Kind, Shard};

/// The string of a reading command; counts a hit or a miss.
#[inline]
pub(super) fn read<'s>(shard: &'s mut Shard, call: &Call<'_>) -> Result<Option<Item<'s>>, Fault> {
    only_string(shard.read(&call.key, call.touch))
}

#[inline]
fn only_string(found: Option<Item<'_>>) -> Result<Option<Item<'_>>, Fault> {
    match found {
        Some(item) if item.kind() != Kind::String => Err(Fault::WrongType),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests;
