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
    // What no bound concerns: lengths of few digits, within the input, of requests that spans can follow.
    let plain_end = if limits.bulk_bytes_max >= SHORT_MAX {
        bytes.len().min(limits.span_bytes_max() as usize)
    } else {
        0
    };
    while left > 0 {
        if let Some((len, used)) = short_number(bytes, at, b'$') {
            let start = at + used;
            let end = start + len + 2;
            if end <= plain_end {
                spans.push(Span::new(start, len));
                at = end;
                scanned = 0;
                left -= 1;
                continue;
            }
        }
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

/// The largest number that `short_number` knows.
const SHORT_MAX: u64 = 999;
const _: () = assert!(SHORT_MAX <= UNAUTHENTICATED_BULK_BYTES_MAX);

/// The number of up to three digits in the line at `at`, and the line's length, if the line begins with `kind` and
/// eight bytes of input are there: nearly all counts and lengths are such. What is not is for `number` to judge.
#[inline(always)]
pub(super) fn short_number(bytes: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let line: [u8; 8] = *bytes.get(at..)?.first_chunk()?;
    let digit = |i: usize| usize::from(line[i].wrapping_sub(b'0'));
    if line[0] != kind || digit(1) > 9 {
        return None;
    }
    if line[2] == b'\r' {
        return Some((digit(1), 4));
    }
    if digit(1) == 0 || digit(2) > 9 {
        return None;
    }
    let two = digit(1) * 10 + digit(2);
    if line[3] == b'\r' {
        return Some((two, 5));
    }
    if digit(3) > 9 || line[4] != b'\r' {
        return None;
    }
    Some((two * 10 + digit(3), 6))
}

/// Reads the line at the start of `tail`, whose first `scanned` bytes hold no line end.
#[inline]
pub(super) fn number(tail: &[u8], scanned: usize) -> Line {
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
