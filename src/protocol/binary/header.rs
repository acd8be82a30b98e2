//! The 24 bytes that every packet begins with, and the status of a reply. Numbers are big-endian.
//!
//! ```text
//! 0 magic   1 opcode   2 key length       4 extras length   5 data type   6 vbucket, or status of a reply
//! 8 body length: extras, key and value    12 opaque         16 cas unique
//! ```

use super::Opcode;

/// Length of a header.
pub const HEADER_BYTES: usize = 24;

/// The first byte of every request.
pub const MAGIC: u8 = 0x80;

/// The first byte of every reply.
pub const REPLY_MAGIC: u8 = 0x81;

/// What a reply needs of its request: read where the reply is made, which may be another core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The opcode as the client sent it, flavour and all.
    pub opcode: u8,
    /// Whatever the client wants to have back.
    pub opaque: [u8; 4],
    /// The unique that the item must have; 0: any.
    pub cas: u64,
}

/// The lengths that a header states. Their sum says nothing about what has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub key: usize,
    pub extras: usize,
    pub body: u64,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` if they are too few or no request.
    #[inline]
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>().filter(|bytes| bytes[0] == MAGIC)?;
        let [.., c0, c1, c2, c3, c4, c5, c6, c7] = *bytes;
        Some(Header {
            opcode: bytes[1],
            opaque: [bytes[12], bytes[13], bytes[14], bytes[15]],
            cas: u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
        })
    }

    /// What the opcode means.
    #[inline]
    pub fn meaning(&self) -> Opcode {
        Opcode::of(self.opcode)
    }
}

impl Lengths {
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Lengths {
        Lengths {
            key: usize::from(u16::from_be_bytes([bytes[2], bytes[3]])),
            extras: usize::from(bytes[4]),
            body: u64::from(u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]])),
        }
    }
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// It was done.
    Success = 0x00,
    /// No such key.
    NotFound = 0x01,
    /// The key is there, or has another unique.
    Exists = 0x02,
    /// The value is larger than the server takes.
    TooLarge = 0x03,
    /// The packet is not well formed.
    Invalid = 0x04,
    /// What was to be extended is not there, or would grow too large.
    NotStored = 0x05,
    /// The value is no number.
    NotNumeric = 0x06,
    /// Who asks is not known.
    AuthError = 0x20,
    /// No such command.
    UnknownCommand = 0x81,
    /// There is no room.
    NoMemory = 0x82,
}

impl Status {
    /// The text in the body of an error, memcached's own.
    pub fn text(self) -> &'static str {
        match self {
            Status::Success => "",
            Status::NotFound => "Not found",
            Status::Exists => "Data exists for key.",
            Status::TooLarge => "Too large.",
            Status::Invalid => "Invalid arguments",
            Status::NotStored => "Not stored.",
            Status::NotNumeric => "Non-numeric server-side value for incr or decr",
            Status::AuthError => "Auth failure.",
            Status::UnknownCommand => "Unknown command",
            Status::NoMemory => "Out of memory",
        }
    }
}
