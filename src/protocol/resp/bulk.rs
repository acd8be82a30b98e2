//! Runs of bulk strings, and the lines that announce their number and their lengths.

use super::super::args::Span;
use super::super::limits::{INLINE_BYTES_MAX, Limits, UNAUTHENTICATED_BULK_BYTES_MAX};
use super::ProtocolError;
use crate::text::parse_i64;

/// How far a run of bulk strings was understood.
pub(super) enum Progress {
    Done { used: usize },
    Wait(Wait),
    Bad(ProtocolError),
}

/// The parser's place in an unfinished request; the fields are [`Parser`]'s.
pub(super) struct Wait {
    pub(super) need: usize,
    pub(super) at: usize,
    pub(super) scanned: usize,
    pub(super) left: u32,
}

/// Reads `left` bulk strings from `at` on, of which the first `scanned` bytes are known to hold no line end.
#[inline]
pub(super) fn bulks(
    bytes: &[u8],
    mut at: usize,
    mut scanned: usize,
    mut left: u32,
    spans: &mut Vec<Span>,
    limits: &Limits,
) -> Progress {
    while left > 0 {
        let header = match bulk_length(bytes, at, scanned, limits) {
            Ok(header) => header,
            Err(Stop::Wait { scanned }) => {
                return Progress::Wait(Wait { need: bytes.len() + 1, at, scanned: at + scanned, left });
            }
            Err(Stop::Bad(error)) => return Progress::Bad(error),
        };
        // Both are below 2^32, see `bulk_length`.
        let end = header.start + header.len + 2;
        if end > bytes.len() {
            return Progress::Wait(Wait { need: end, at, scanned: at, left });
        }
        spans.push(Span::new(header.start, header.len));
        at = end;
        scanned = 0;
        left -= 1;
    }
    Progress::Done { used: at }
}

/// A bulk string whose length is known.
struct Bulk {
    start: usize,
    len: usize,
}

enum Stop {
    /// No line end lies within `scanned` bytes.
    Wait {
        scanned: usize,
    },
    Bad(ProtocolError),
}

#[inline]
fn bulk_length(bytes: &[u8], at: usize, scanned: usize, limits: &Limits) -> Result<Bulk, Stop> {
    let tail = &bytes[at..];
    let (value, used) = match number(tail, scanned.saturating_sub(at)) {
        Line::Number { value, used } if tail[0] == b'$' => (value, used),
        Line::Number { .. } | Line::Invalid if tail[0] != b'$' => {
            return Err(Stop::Bad(ProtocolError::ExpectedDollar(tail[0])));
        }
        Line::Number { .. } | Line::Invalid => return Err(Stop::Bad(ProtocolError::BulkLength)),
        Line::TooLong => return Err(Stop::Bad(ProtocolError::BulkCountTooLong)),
        Line::Wait { scanned } => return Err(Stop::Wait { scanned }),
    };
    let Some(len) = u64::try_from(value).ok().filter(|len| *len <= limits.bulk_bytes_max) else {
        return Err(Stop::Bad(ProtocolError::BulkLength));
    };
    if len > UNAUTHENTICATED_BULK_BYTES_MAX && !limits.authenticated {
        return Err(Stop::Bad(ProtocolError::UnauthenticatedBulk));
    }
    let start = at + used;
    if (start as u64 + 2).saturating_add(len) > limits.span_bytes_max() {
        return Err(Stop::Bad(ProtocolError::RequestTooLong));
    }
    Ok(Bulk { start, len: len as usize })
}

/// A line of a type byte and a number.
pub(super) enum Line {
    /// The number and the length of the line in bytes, its end included.
    Number { value: i64, used: usize },
    /// The line has no end yet; none lies within `scanned` bytes.
    Wait { scanned: usize },
    /// What should be a number is none.
    Invalid,
    /// The line has no end within reason.
    TooLong,
}

/// Reads the line at the start of `tail`, whose first `scanned` bytes hold no line end.
#[inline]
pub(super) fn number(tail: &[u8], scanned: usize) -> Line {
    // Nearly all counts and lengths have up to three digits.
    let digit = |byte: u8| i64::from(byte - b'0');
    match *tail {
        [_, a @ b'0'..=b'9', b'\r', _, ..] => Line::Number { value: digit(a), used: 4 },
        [_, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, ..] => {
            Line::Number { value: digit(a) * 10 + digit(b), used: 5 }
        }
        [_, a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b'\r', _, ..] => {
            Line::Number { value: digit(a) * 100 + digit(b) * 10 + digit(c), used: 6 }
        }
        _ => long_number(tail, scanned),
    }
}

fn long_number(tail: &[u8], scanned: usize) -> Line {
    let from = scanned.min(tail.len());
    match memchr::memchr(b'\r', &tail[from..]).map(|at| from + at) {
        Some(end) if end > INLINE_BYTES_MAX => Line::TooLong,
        Some(end) if end + 2 > tail.len() => Line::Wait { scanned: end },
        // The type byte is not a digit, so an empty line is no number either.
        Some(end) => match tail.get(1..end).and_then(parse_i64) {
            Some(value) => Line::Number { value, used: end + 2 },
            None => Line::Invalid,
        },
        None if tail.len() > INLINE_BYTES_MAX => Line::TooLong,
        None => Line::Wait { scanned: tail.len() },
    }
}
