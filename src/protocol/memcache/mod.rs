//! memcached's text protocol: lines of words, some with a data block behind them.
//!
//! Owns the incremental parser and everything about a line that can be judged without the cache: arity, the
//! length of keys, the form of numbers, the data block's extent. What it lets pass is well formed, so handlers
//! index arguments freely. Verdicts and their order are memcached 1.6.18's; two of its slips are mended: numbers
//! beyond 32 bits are refused where it cuts bits off flags and lengths, and times beyond 2038 count.

mod credentials;
mod error;
pub mod fields;
mod line;
pub mod meta;
mod verb;

pub use error::{LINE_TOO_LONG, LineError, TOO_LARGE};
pub use verb::Verb;

use super::args::Span;
use super::limits::{Limits, MEMCACHE_LINE_BYTES_MAX};
use line::{Verdict, judge, words};

/// Blanks before a command that memcached puts up with in a long line.
const LEADING_BLANKS_MAX: usize = 100;

/// What the input begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request of `used` bytes. Its words were appended to `spans`, relative to its first byte, and behind
    /// them its data block without the line end if the verb has one. A final `noreply` stays among the words.
    Done {
        /// Bytes of input that belong to the request.
        used: usize,
        /// The command.
        verb: Verb,
        /// Nothing is to be answered.
        noreply: bool,
    },
    /// A storage command whose value is longer than allowed. Its words were appended to `spans`, for `ms` an empty
    /// data block too; the data block is reported as [`Parsed::Swallowed`] by the calls that follow. memcached removes the key of a
    /// `set` that fails so, because what it holds is outdated.
    TooLarge {
        /// Bytes of input in the line alone.
        used: usize,
        /// The command.
        verb: Verb,
        /// Nothing is to be answered.
        noreply: bool,
    },
    /// `used` bytes belong to a refused data block: drop them.
    Swallowed {
        /// Bytes to drop.
        used: usize,
    },
    /// The input ends within a request; nothing was appended. Call again with the same bytes and more.
    More,
    /// `used` bytes are no valid request; the next one follows them, or a data block that is reported as
    /// [`Parsed::Swallowed`] by the calls that follow.
    Bad {
        /// Bytes of input to drop.
        used: usize,
        /// What is wrong with them.
        error: LineError,
        /// Nothing is to be answered.
        noreply: bool,
    },
    /// A line without an end. memcached closes the connection.
    LineTooLong,
    /// A browser, or somebody who makes one talk to us. memcached closes the connection.
    Http,
}

/// Where the parsing of an unfinished request stands. It may be dropped when [`Parser::is_midway`] is false.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parser {
    /// Nothing new can be said before there are this many bytes of input.
    need: u32,
    /// The line does not end before here.
    scanned: u32,
    /// Bytes of a refused data block that are still to come.
    swallow: u32,
}

impl Parser {
    /// A parser at the start of a request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a request has begun and not ended, or a refused data block is still coming.
    pub fn is_midway(&self) -> bool {
        self.need > 0 || self.swallow > 0
    }

    /// Bytes of input, counted from the start of the request, without which [`Parser::parse`] has nothing new
    /// to say. Past the input's end it is what a buffer for the request must hold at least.
    pub fn need(&self) -> usize {
        self.need as usize
    }

    /// Finds the request at the start of `bytes`, the input that follows the last one.
    pub fn parse(&mut self, bytes: &[u8], spans: &mut Vec<Span>, limits: &Limits) -> Parsed {
        if bytes.len() < self.need as usize || bytes.is_empty() {
            return Parsed::More;
        }
        if self.swallow > 0 {
            let used = bytes.len().min(self.swallow as usize);
            self.swallow -= used as u32;
            return Parsed::Swallowed { used };
        }
        if !limits.authenticated {
            return self.credentials(bytes, spans);
        }
        let from = self.scanned as usize;
        let line_end = memchr::memchr(b'\n', &bytes[from..]).map(|at| from + at);
        let line_bytes = line_end.map_or(bytes.len(), |end| end + 1);
        if line_bytes > MEMCACHE_LINE_BYTES_MAX && !may_be_long(bytes, line_bytes, limits) {
            *self = Self::default();
            return Parsed::LineTooLong;
        }
        match line_end {
            Some(end) => self.line(bytes, end, spans, limits),
            None => self.wait(bytes.len() + 1, bytes.len()),
        }
    }

    /// Judges the line that ends with the line feed at `line_end`, and takes its data block.
    fn line(&mut self, bytes: &[u8], line_end: usize, spans: &mut Vec<Span>, limits: &Limits) -> Parsed {
        let before = spans.len();
        let line = &bytes[..line_end];
        words(line.strip_suffix(b"\r").unwrap_or(line), spans);
        let used = line_end + 1;
        let (verb, noreply, data) = match judge(bytes, &spans[before..]) {
            Verdict::Line { verb, noreply } => {
                self.reset();
                return Parsed::Done { used, verb, noreply };
            }
            Verdict::Data { verb, noreply, data_bytes } => (verb, noreply, data_bytes),
            Verdict::Bad { error, noreply, swallow } => {
                spans.truncate(before);
                self.reset();
                self.swallow = swallow;
                return Parsed::Bad { used, error, noreply };
            }
            Verdict::Http => {
                spans.truncate(before);
                self.reset();
                return Parsed::Http;
            }
        };
        let block = u64::from(data) + 2;
        let request = used as u64 + block;
        if u64::from(data) > limits.value_bytes_max || request > limits.span_bytes_max() {
            self.reset();
            self.swallow = block as u32;
            if verb == Verb::MetaSet {
                spans.push(Span::new(used, 0));
            }
            return Parsed::TooLarge { used, verb, noreply };
        }
        let request = request as usize;
        if bytes.len() < request {
            spans.truncate(before);
            return self.wait(request, line_end);
        }
        self.reset();
        if bytes[request - 2..request] != *b"\r\n" {
            let error = line::wrong_data(verb, bytes, &spans[before..]);
            spans.truncate(before);
            return Parsed::Bad { used: request, error, noreply };
        }
        spans.push(Span::new(used, data as usize));
        Parsed::Done { used: request, verb, noreply }
    }

    fn wait(&mut self, need: usize, scanned: usize) -> Parsed {
        // Lines and requests are held below what spans can follow before we come here.
        self.need = need as u32;
        self.scanned = scanned as u32;
        Parsed::More
    }

    fn reset(&mut self) {
        self.need = 0;
        self.scanned = 0;
    }
}

/// Whether the line at the start of `bytes` is a list of keys, and of bearable length as such.
#[cold]
fn may_be_long(bytes: &[u8], line_bytes: usize, limits: &Limits) -> bool {
    if line_bytes as u64 >= limits.span_bytes_max() {
        return false;
    }
    let blanks = bytes.iter().take(LEADING_BLANKS_MAX + 1).take_while(|&&byte| byte == b' ').count();
    let name = bytes[blanks..].split(|&byte| byte == b' ').next().unwrap_or_default();
    blanks <= LEADING_BLANKS_MAX && Verb::from_name(name).takes_keys()
}

#[cfg(test)]
mod tests;
