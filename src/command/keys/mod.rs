//! The keyspace itself: which keys exist (`existence`), when they die (`deadline`, `ttl`), what they are called
//! (`moving`), how they are listed (`listing`, with the cursor of `SCAN` in `cursor`), what is known about one
//! (`object`), and databases as a whole (`databases`).
//!
//! It works on items of every kind and refuses to look into their values.

pub mod cursor;
pub mod databases;
pub mod deadline;
pub mod existence;
pub mod listing;
pub mod moving;
pub mod object;
pub mod ttl;

use super::Fault;
use crate::shard::Kind;
use crate::text::parse_i64;

/// What `TYPE` answers for a kind, and `SCAN ... TYPE` takes.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::List => "list",
        Kind::Hash => "hash",
        Kind::Set => "set",
        Kind::SortedSet => "zset",
        Kind::Stream => "stream",
    }
}

/// The logical database that an argument names.
pub(in crate::command) fn database(text: &[u8], databases: u8) -> Result<u8, Fault> {
    let number = parse_i64(text).ok_or(Fault::NotInteger)?;
    if i32::try_from(number).is_err() {
        return Err(Fault::text("ERR value is out of range, value must between -2147483648 and 2147483647"));
    }
    in_range(number, databases)
}

/// A number as that of a logical database.
fn in_range(number: i64, databases: u8) -> Result<u8, Fault> {
    match u8::try_from(number) {
        Ok(db) if db < databases => Ok(db),
        _ => Err(Fault::text("ERR DB index is out of range")),
    }
}

#[cfg(test)]
mod tests;
