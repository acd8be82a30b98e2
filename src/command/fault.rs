//! A client's mistake, or a limit that it met: always a reply, never a reason to stop.

use crate::protocol::Reply;
use crate::shard::{Unmade, WrongKind};
use slabs::Refused;
use std::borrow::Cow;

/// Why a command was not done. The texts are Redis's, because clients match on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The key holds another kind of value.
    WrongType,
    /// Options that do not fit together or are unknown.
    Syntax,
    /// An argument is not a 64-bit integer.
    NotInteger,
    /// An argument is not a float.
    NotFloat,
    /// An increment would leave 64 bits.
    Overflow,
    /// The key does not exist and must.
    NoSuchKey,
    /// The store is full and may not evict.
    NoMemory,
    /// A string would grow past the limit on values.
    TooLarge,
    /// A key longer than the store takes.
    KeyTooLong,
    /// An expire time that is not positive or leaves the range; the command's name in lower case.
    ExpireTime(&'static str),
    /// Wrong number of arguments; the command's name (`set`, `client|list`).
    Arity(&'static str),
    /// A text with a client's own bytes in it, up to the first zero as Redis prints them.
    Quoted {
        /// What stands before the client's bytes.
        before: &'static str,
        /// The client's bytes.
        bytes: Vec<u8>,
        /// What stands behind them.
        after: Cow<'static, str>,
    },
    /// Any other text, with its code (`ERR ...`).
    Text(Cow<'static, str>),
}

impl Fault {
    /// An error with a fixed text.
    pub const fn text(text: &'static str) -> Fault {
        Fault::Text(Cow::Borrowed(text))
    }

    /// An error that quotes a client's bytes between two fixed texts.
    pub fn quoted(before: &'static str, bytes: &[u8], after: &'static str) -> Fault {
        Fault::Quoted { before, bytes: bytes.to_vec(), after: Cow::Borrowed(after) }
    }

    /// The line that a RESP client reads, without the leading `-`; of one that quotes, what stands before the quotation.
    pub fn line(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Fault::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Fault::Syntax => "ERR syntax error",
            Fault::NotInteger => "ERR value is not an integer or out of range",
            Fault::NotFloat => "ERR value is not a valid float",
            Fault::Overflow => "ERR increment or decrement would overflow",
            Fault::NoSuchKey => "ERR no such key",
            Fault::NoMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Fault::TooLarge => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Fault::KeyTooLong => "ERR key is longer than 65535 bytes",
            Fault::ExpireTime(name) => return format!("ERR invalid expire time in '{name}' command").into(),
            Fault::Arity(name) => {
                return format!("ERR wrong number of arguments for '{name}' command").into();
            }
            Fault::Quoted { before, .. } => before,
            Fault::Text(text) => return text.clone(),
        })
    }

    /// Writes the error reply of a RESP client.
    pub fn write(&self, reply: &mut Reply<'_>) {
        match self {
            Fault::Quoted { before, bytes, after } => {
                let shown = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
                let line = [before.as_bytes(), shown, after.as_bytes()].concat();
                // Redis cuts line ends off the end, and makes blanks of the others.
                let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
                reply.error_bytes(&line[..end]);
            }
            _ => reply.error(&self.line()),
        }
    }
}

impl From<WrongKind> for Fault {
    fn from(_: WrongKind) -> Fault {
        Fault::WrongType
    }
}

impl From<Unmade> for Fault {
    fn from(unmade: Unmade) -> Fault {
        match unmade {
            Unmade::WrongKind => Fault::WrongType,
            Unmade::Refused(refused) => refused.into(),
        }
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Fault {
        match refused {
            Refused::KeyTooLong => Fault::KeyTooLong,
            Refused::ValueTooLarge => Fault::TooLarge,
            Refused::NoMemory => Fault::NoMemory,
        }
    }
}
