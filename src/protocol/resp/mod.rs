//! Redis requests: multibulk and inline commands.
//!
//! Owns the incremental parser of what Redis clients send. Requests are found where they lie: a multibulk
//! command becomes spans into the input, and a command that arrives in many pieces is continued at the place
//! where the input ended, so the work is proportional to the bytes whatever their cut. As in Redis, the two
//! bytes that end a line or a bulk string are counted and not looked at.

mod bulk;
mod error;
mod inline;

pub use error::ProtocolError;

use super::args::Span;
use super::limits::{INLINE_BYTES_MAX, Limits, UNAUTHENTICATED_ARGS_MAX};
use bulk::{Line, Progress, Wait, bulks, number, short_number};

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
        let (count, at) = match short_number(bytes, 0, b'*') {
            Some((count, used)) => (count as i64, used),
            None => match number(bytes, self.scanned as usize) {
                Line::Number { value, used } => (value, used),
                Line::Wait { scanned } => {
                    return self.wait(Wait { need: bytes.len() + 1, at: 0, scanned, left: 0 });
                }
                Line::Invalid => return self.bad(ProtocolError::MultibulkLength),
                Line::TooLong => return self.bad(ProtocolError::MultibulkCountTooLong),
            },
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

#[cfg(test)]
mod tests;
