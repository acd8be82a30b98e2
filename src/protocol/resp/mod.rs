//! Redis requests: multibulk and inline commands.
//!
//! Owns the incremental parser of what Redis clients send. Requests are found where they lie: a multibulk
//! command becomes spans into the input, and a command that arrives in many pieces is continued at the place
//! where the input ended, so the work is proportional to the bytes whatever their cut. As in Redis, the two
//! bytes that end a line or a bulk string are counted and not looked at.

mod error;
mod inline;

pub use error::ProtocolError;

use super::args::Span;
use super::limits::{INLINE_BYTES_MAX, Limits, UNAUTHENTICATED_ARGS_MAX, UNAUTHENTICATED_BULK_BYTES_MAX};
use crate::text::parse_i64;

/// What the input begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request of `used` bytes; its arguments were appended to `spans`, relative to its first byte. None
    /// were if it is empty (`*0`, `*-1`, an empty line), and then nothing is to be answered.
    Done {
        /// Bytes of input that belong to the request.
        used: usize,
    },
    /// An inline command with quotes: as `Done`, but the spans are relative to `bytes`, the line without
    /// quotes and escapes.
    Unquoted {
        /// Bytes of input that belong to the request.
        used: usize,
        /// What the spans of this request point into.
        bytes: Box<[u8]>,
    },
    /// The input ends within a request; nothing was appended. Call again with the same bytes and more.
    More,
    /// No further request can be found: say so and close the connection.
    Bad(ProtocolError),
}

/// Where the parsing of an unfinished request stands. A fresh parser expects the start of a request, and so
/// does one that has returned anything but [`Parsed::More`]; it may be dropped then.
#[derive(Debug, Default)]
pub struct Parser {
    /// Nothing new can be said before there are this many bytes of input.
    need: u32,
    /// Start of the first bulk string that is not complete, or 0.
    at: u32,
    /// No line end lies between `at` and here.
    scanned: u32,
    /// Bulk strings that are still to come; 0 before the count is known.
    left: u32,
    /// The complete arguments of an unfinished request.
    partial: Vec<Span>,
}

/// Spans kept allocated for the next unfinished request of a busy connection.
const PARTIAL_SPANS_KEPT: usize = 64;

impl Parser {
    /// A parser at the start of a request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds the request at the start of `bytes`, the input that follows the last complete request.
    #[inline]
    pub fn parse(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &Limits) -> Parsed {
        if self.left == 0 && self.scanned == 0 {
            self.begin(bytes, spans, limits)
        } else {
            self.resume(bytes, spans, limits)
        }
    }

    /// Whether a request has begun and not ended.
    pub fn is_midway(&self) -> bool {
        self.need > 0
    }

    /// Bytes of input, counted from the start of the request, without which [`Parser::parse`] has nothing new
    /// to say. Past the input's end it is what a buffer for the request must hold at least.
    pub fn need(&self) -> usize {
        self.need as usize
    }

    /// Memory behind the parser, in bytes, for the connection's account.
    pub fn heap_bytes(&self) -> usize {
        self.partial.capacity() * size_of::<Span>()
    }

    fn begin(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &Limits) -> Parsed {
        match bytes.first() {
            Some(b'*') => self.multibulk(bytes, spans, limits),
            Some(_) => self.inline(bytes, spans),
            None => Parsed::More,
        }
    }

    #[cold]
    fn resume(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &Limits) -> Parsed {
        if bytes.len() < self.need as usize {
            return Parsed::More;
        }
        if self.left == 0 {
            return self.begin(bytes, spans, limits);
        }
        let mut partial = std::mem::take(&mut self.partial);
        let progress = bulks(bytes, self.at as usize, self.scanned as usize, self.left, &mut partial, limits);
        match progress {
            Progress::Done { used } => {
                spans.extend_from_slice(&partial);
                self.reset();
                if partial.capacity() <= PARTIAL_SPANS_KEPT {
                    partial.clear();
                    self.partial = partial;
                }
                Parsed::Done { used }
            }
            Progress::Wait(wait) => {
                self.partial = partial;
                self.wait(wait)
            }
            Progress::Bad(error) => self.bad(error),
        }
    }

    #[inline]
    fn multibulk(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &Limits) -> Parsed {
        let (count, at) = match number(bytes, self.scanned as usize) {
            Line::Number { value, used } => (value, used),
            Line::Wait { scanned } => {
                return self.wait(Wait { need: bytes.len() + 1, at: 0, scanned, left: 0 });
            }
            Line::Invalid => return self.bad(ProtocolError::MultibulkLength),
            Line::TooLong => return self.bad(ProtocolError::MultibulkCountTooLong),
        };
        if count <= 0 {
            self.reset();
            return Parsed::Done { used: at };
        }
        let count = count as u64;
        if count > limits.args_max.min(u64::from(u32::MAX)) {
            return self.bad(ProtocolError::MultibulkLength);
        }
        if count > UNAUTHENTICATED_ARGS_MAX && !limits.authenticated {
            return self.bad(ProtocolError::UnauthenticatedMultibulk);
        }
        let before = spans.len();
        match bulks(bytes, at, 0, count as u32, spans, limits) {
            Progress::Done { used } => {
                self.scanned = 0;
                self.need = 0;
                Parsed::Done { used }
            }
            Progress::Wait(wait) => {
                self.partial.extend(spans.drain(before..));
                self.wait(wait)
            }
            Progress::Bad(error) => {
                spans.truncate(before);
                self.bad(error)
            }
        }
    }

    fn inline(&mut self, bytes: &[u8], spans: &mut Vec<Span>) -> Parsed {
        let from = self.scanned as usize;
        let Some(line_bytes) = memchr::memchr(b'\n', &bytes[from..]).map(|at| from + at) else {
            if bytes.len() > INLINE_BYTES_MAX {
                return self.bad(ProtocolError::InlineTooLong);
            }
            return self.wait(Wait { need: bytes.len() + 1, at: 0, scanned: bytes.len(), left: 0 });
        };
        if line_bytes > INLINE_BYTES_MAX {
            return self.bad(ProtocolError::InlineTooLong);
        }
        self.reset();
        let used = line_bytes + 1;
        let line = &bytes[..line_bytes];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !inline::is_quoted(line) {
            inline::split(line, spans);
            return Parsed::Done { used };
        }
        match inline::unquote(line, spans) {
            Some(bytes) => Parsed::Unquoted { used, bytes },
            None => Parsed::Bad(ProtocolError::UnbalancedQuotes),
        }
    }

    fn wait(&mut self, wait: Wait) -> Parsed {
        // All four are below the length of input that spans can follow, or one past it.
        self.need = wait.need as u32;
        self.at = wait.at as u32;
        self.scanned = wait.scanned as u32;
        self.left = wait.left;
        Parsed::More
    }

    #[cold]
    fn bad(&mut self, error: ProtocolError) -> Parsed {
        *self = Self::default();
        Parsed::Bad(error)
    }

    fn reset(&mut self) {
        self.need = 0;
        self.at = 0;
        self.scanned = 0;
        self.left = 0;
    }
}

/// How far a run of bulk strings was understood.
enum Progress {
    Done { used: usize },
    Wait(Wait),
    Bad(ProtocolError),
}

/// The parser's place in an unfinished request; the fields are [`Parser`]'s.
struct Wait {
    need: usize,
    at: usize,
    scanned: usize,
    left: u32,
}

/// Reads `left` bulk strings from `at` on, of which the first `scanned` bytes are known to hold no line end.
#[inline]
fn bulks(
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
enum Line {
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
fn number(tail: &[u8], scanned: usize) -> Line {
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

#[cfg(test)]
mod tests;
