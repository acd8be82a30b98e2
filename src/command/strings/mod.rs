//! Strings: whole values (`get`, `set`), parts of them (`edit`), numbers in them (`count`), and the longest
//! common subsequence of two (`lcs`). `expiry` reads the options on when a value dies.
//!
//! An item of another kind is refused with `WRONGTYPE` except by commands that replace or skip it.

pub mod count;
pub mod edit;
mod expiry;
pub mod get;
pub mod lcs;
pub mod set;

use super::{Call, Fault};
use crate::shard::{Item, Kind, Meta, Shard};

/// The string of a reading command; counts a hit or a miss.
#[inline]
pub(super) fn read<'s>(shard: &'s mut Shard, call: &Call<'_>) -> Result<Option<Item<'s>>, Fault> {
    only_string(shard.read(&call.key, call.touch))
}

/// The string that a writing command is about to change; counts as use, but neither as a hit nor as a miss.
#[inline]
pub(super) fn find<'s>(shard: &'s mut Shard, call: &Call<'_>) -> Result<Option<Item<'s>>, Fault> {
    let now = shard.now_ms();
    only_string(if call.touch { shard.store.get(&call.key, now) } else { shard.store.peek(&call.key, now) })
}

#[inline]
fn only_string(found: Option<Item<'_>>) -> Result<Option<Item<'_>>, Fault> {
    match found {
        Some(item) if item.kind() != Kind::String => Err(Fault::WrongType),
        found => Ok(found),
    }
}

/// Gives a string another value and leaves its expiry and flags; creates it where there is none.
#[inline]
pub(super) fn rewrite(shard: &mut Shard, call: &Call<'_>, value: &[u8]) -> Result<(), Fault> {
    let now = shard.now_ms();
    match shard.store.resize(&call.key, value.len(), now)? {
        Some(place) => place.copy_from_slice(value),
        None => shard.store.put(&call.key, value, &Meta::default(), now)?,
    }
    Ok(())
}

/// A string of at least `length` bytes to write into, grown with zeros or made of them where it is not. Its
/// expiry and flags stay. The second value is true if it was made or grew.
pub(super) fn grow<'s>(
    shard: &'s mut Shard,
    call: &Call<'_>,
    length: u64,
) -> Result<(&'s mut [u8], bool), Fault> {
    let now = shard.now_ms();
    let found = find(shard, call)?.map(|item| item.value().len());
    if length > crate::limits::STRING_BYTES_MAX {
        return Err(Fault::TooLarge);
    }
    match found {
        None => {
            let value = shard.store.reserve(&call.key, length as usize, &Meta::default(), now)?;
            value.fill(0);
            Ok((value, true))
        }
        Some(old) => {
            let new = old.max(length as usize);
            let value = shard.store.resize(&call.key, new, now)?;
            Ok((value.expect("the string was found just now"), new > old))
        }
    }
}

#[cfg(test)]
mod tests;
