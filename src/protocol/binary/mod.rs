//! memcached's binary protocol: packets of a header and a body, recognised by the first byte of a connection.
//!
//! Owns the incremental parser and everything about a packet that can be judged without the cache: its lengths,
//! and whether they fit the command. Lengths are added in 64 bits and judged before anything is kept for them: most of
//! memcached's own holes were here (CVE-2011-4971, CVE-2016-8704 to 8706). Verdicts are memcached 1.6's, and so
//! is where it closes; two of its slips are mended. A command that it does not know has its body dropped, no more (it
//! drops the key and the extras twice, and so loses its place). And bytes behind the body of `touch` and `stat` are
//! an error, where it takes them for the next packet.

mod header;
mod opcode;

pub use header::{HEADER_BYTES, Header, MAGIC, REPLY_MAGIC, Status};
pub use opcode::{Op, Opcode};

use super::args::Span;
use super::limits::{
    Limits, MEMCACHE_KEY_BYTES_MAX, SASL_MECHANISM_BYTES_MAX, UNAUTHENTICATED_BULK_BYTES_MAX,
};
use header::Lengths;

/// What the input begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request of `used` bytes. Four spans were appended, relative to its first byte: header, key, extras, value.
    Done {
        /// Bytes of input that belong to the request.
        used: usize,
        /// The command.
        op: Op,
    },
    /// A storage command whose value is longer than allowed. Header, key, extras and an empty value were
    /// appended; the value is reported as [`Parsed::Swallowed`] by the calls that follow.
    TooLarge {
        /// Bytes of input before the value.
        used: usize,
        /// The command.
        op: Op,
    },
    /// Not to be done: answer with this status. Its body is reported as [`Parsed::Swallowed`].
    Refused {
        /// Bytes of input in the header.
        used: usize,
        /// Why.
        status: Status,
    },
    /// Not to be done: answer with this status and close the connection.
    Fatal(Status),
    /// `used` bytes belong to what was refused: drop them.
    Swallowed {
        /// Bytes to drop.
        used: usize,
    },
    /// The input ends within a request; nothing was appended. Call again with the same bytes and more.
    More,
    /// No packet. memcached closes the connection without a word.
    BadMagic,
}

/// Where the parsing of an unfinished request stands. The default is at the start of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parser {
    /// Nothing new can be said before there are this many bytes of input.
    need: u32,
    /// Bytes of a refused body that are still to come.
    swallow: u32,
}

impl Parser {
    /// Bytes of input, counted from the start of the request, without which [`Parser::parse`] has nothing new to say.
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
        if bytes[0] != MAGIC {
            return Parsed::BadMagic;
        }
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return self.wait(HEADER_BYTES);
        };
        let op = Opcode::of(header[1]).op;
        let lengths = Lengths::read(header);
        // Of 16 and 8 bits; with the header far from any bound.
        let before_value = HEADER_BYTES + lengths.extras + lengths.key;
        let Some(value) = lengths.body.checked_sub((lengths.extras + lengths.key) as u64) else {
            return self.fatal(Status::UnknownCommand);
        };
        if !limits.authenticated && !op.is_for_strangers() {
            return self.fatal(Status::AuthError);
        }
        if lengths.key > MEMCACHE_KEY_BYTES_MAX || !op.fits(lengths.extras, lengths.key, value) {
            return self.fatal(Status::Invalid);
        }
        let too_large =
            value > limits.value_bytes_max || before_value as u64 + value > limits.span_bytes_max();
        match op {
            Op::Unknown => return self.refuse(Status::UnknownCommand, lengths.body),
            Op::SaslAuth | Op::SaslStep if lengths.key > SASL_MECHANISM_BYTES_MAX => {
                return self.refuse(Status::Invalid, lengths.body);
            }
            Op::SaslAuth | Op::SaslStep if value > UNAUTHENTICATED_BULK_BYTES_MAX || too_large => {
                return self.refuse(Status::NoMemory, lengths.body);
            }
            _ => {}
        }
        let length = if too_large { before_value } else { before_value + value as usize };
        if bytes.len() < length {
            return self.wait(length);
        }
        self.need = 0;
        spans.push(Span::new(0, HEADER_BYTES));
        spans.push(Span::new(HEADER_BYTES + lengths.extras, lengths.key));
        spans.push(Span::new(HEADER_BYTES, lengths.extras));
        spans.push(Span::new(before_value, length - before_value));
        if too_large {
            self.swallow = value as u32;
            return Parsed::TooLarge { used: before_value, op };
        }
        Parsed::Done { used: length, op }
    }

    fn wait(&mut self, need: usize) -> Parsed {
        // Held below what spans can follow before we come here.
        self.need = need as u32;
        Parsed::More
    }

    #[cold]
    fn refuse(&mut self, status: Status, body: u64) -> Parsed {
        self.need = 0;
        self.swallow = body as u32;
        Parsed::Refused { used: HEADER_BYTES, status }
    }

    #[cold]
    fn fatal(&mut self, status: Status) -> Parsed {
        *self = Self::default();
        Parsed::Fatal(status)
    }
}

#[cfg(test)]
mod tests;
