//! Strings as rows of bits: one (`bit`), ranges of them (`range`), whole strings (`combine`), and integers of any
//! width among them (`field`).

pub mod bit;
pub mod combine;
pub mod field;
pub mod range;

use super::Fault;
use crate::limits::STRING_BYTES_MAX;
use crate::protocol::Args;
use crate::text::parse_i64;

/// Reads a bit's offset, which must lie within the longest string.
fn bit_offset(text: &[u8]) -> Result<u64, Fault> {
    parse_i64(text).and_then(in_longest_string).ok_or(BAD_OFFSET)
}

const BAD_OFFSET: Fault = Fault::text("ERR bit offset is not an integer or out of range");

fn in_longest_string(offset: i64) -> Option<u64> {
    u64::try_from(offset).ok().filter(|offset| offset >> 3 < STRING_BYTES_MAX)
}

/// Whether argument `at` says that offsets are those of bits; without it they are those of bytes.
fn counts_bits(args: Args<'_>, at: usize) -> Result<bool, Fault> {
    match args.get(at) {
        None => Ok(false),
        Some(unit) if unit.eq_ignore_ascii_case(b"bit") => Ok(true),
        Some(unit) if unit.eq_ignore_ascii_case(b"byte") => Ok(false),
        Some(_) => Err(Fault::Syntax),
    }
}

#[cfg(test)]
mod tests;
