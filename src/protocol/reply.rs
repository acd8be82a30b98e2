//! Composing replies into a connection's output buffer.
//!
//! Owns the spelling of every reply type in RESP2, RESP3 and memcached's text protocol. A handler says what it
//! answers; which bytes that takes depends on the client. Lengths are trusted: who opens an array of `n` writes
//! `n` elements after it.

mod binary;
mod memcache;

use crate::limits::LENT_BYTES_MIN;
use crate::pieces::Piece;
use crate::text::{copy_short, format_f64, format_i64};
use slabs::Lent;

/// What a client reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    /// Redis before `HELLO 3`.
    #[default]
    Resp2,
    /// Redis after `HELLO 3`.
    Resp3,
    /// memcached's text protocol. `ok`, `simple`, `error` and `int` become lines of their own there; the other
    /// types do not exist in it and look as in RESP2.
    Memcache,
    /// memcached's binary protocol. Every reply is a packet that names its request, so handlers write it with
    /// [`Reply::packet`] and its kin; the other types do not exist in it.
    MemcacheBinary,
}

/// Appends replies to `out`.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    /// Where large values go that need not be copied, if whoever sends the reply can do that.
    pieces: Option<&'a mut Vec<Piece>>,
    proto: Proto,
}

impl<'a> Reply<'a> {
    /// Replies in `proto` are appended to `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, proto: Proto) -> Self {
        Self { out, pieces: None, proto }
    }

    /// The same, and large values that their owner lends become pieces, to be sent from where they lie. Their places
    /// count from the start of `out`.
    #[inline]
    pub fn with_pieces(out: &'a mut Vec<u8>, pieces: &'a mut Vec<Piece>, proto: Proto) -> Self {
        Self { out, pieces: Some(pieces), proto }
    }

    /// What the client reads; HELLO and a few shapes of replies depend on it.
    #[inline]
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// From here on replies have another form: HELLO answers in the protocol that it switches to.
    #[inline]
    pub fn set_proto(&mut self, proto: Proto) {
        self.proto = proto;
    }

    /// Bytes in the output buffer; a mark for [`Reply::truncate`].
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether the output buffer is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written since the mark `len`.
    #[inline]
    pub fn since(&self, len: usize) -> &[u8] {
        &self.out[len..]
    }

    /// Takes back everything after the mark `len`.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
        if let Some(pieces) = &mut self.pieces {
            while pieces.pop_if(|piece| piece.at > len).is_some() {}
        }
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(if self.proto == Proto::Memcache { b"OK\r\n" } else { b"+OK\r\n" });
    }

    /// A status. CR and LF in it become blanks: nobody smuggles a second reply through here (CVE-2025-67733).
    #[inline]
    pub fn simple(&mut self, text: &str) {
        self.one_line(b'+', text.as_bytes());
    }

    /// An error with its code first (`ERR no such key`, `SERVER_ERROR out of memory`); nothing is added to it,
    /// and CR and LF in it become blanks.
    #[inline]
    pub fn error(&mut self, text: &str) {
        self.one_line(b'-', text.as_bytes());
    }

    /// As [`Reply::error`], for texts that quote what the client sent and so may not be UTF-8.
    #[inline]
    pub fn error_bytes(&mut self, text: &[u8]) {
        self.one_line(b'-', text);
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        if self.proto == Proto::Memcache {
            let mut digits = [0; 21];
            let digits = format_i64(value, &mut digits);
            self.out.reserve(digits.len() + 2);
            self.out.extend_from_slice(digits);
            self.out.extend_from_slice(b"\r\n");
        } else {
            self.header(b':', value);
        }
    }

    /// A binary-safe string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if bytes.len() <= TINY_BULK_BYTES_MAX {
            return self.tiny_bulk(bytes);
        }
        self.out.reserve(HEADER + bytes.len() + 2);
        self.header(b'$', bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The same for one whose length is a single digit: elements of lists and sets are often so short, and a reply may have
    /// many of them.
    #[inline]
    fn tiny_bulk(&mut self, bytes: &[u8]) {
        let length = bytes.len();
        let mut whole = [b'$', b'0' + length as u8, b'\r', b'\n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        copy_short(bytes, &mut whole[4..4 + length]);
        whole[4 + length..6 + length].copy_from_slice(b"\r\n");
        let end = self.out.len() + 6 + length;
        self.out.extend_from_slice(&whole);
        self.out.truncate(end);
    }

    /// A binary-safe string whose bytes their owner may lend.
    #[inline]
    pub fn bulk_lent(&mut self, bytes: &[u8], lend: impl FnOnce() -> Option<Lent>) {
        if bytes.len() >= LENT_BYTES_MIN && self.pieces.is_some() {
            self.bulk_piece(bytes, lend());
        } else {
            self.bulk(bytes);
        }
    }

    #[cold]
    fn bulk_piece(&mut self, bytes: &[u8], lent: Option<Lent>) {
        let mut header = [0; HEADER];
        self.out.extend_from_slice(compose_header(b'$', bytes.len() as i64, &mut header));
        self.piece(bytes, lent);
    }

    /// A value and a line end, the value as a piece if it is lent.
    fn piece(&mut self, bytes: &[u8], lent: Option<Lent>) {
        match (&mut self.pieces, lent) {
            (Some(pieces), Some(lent)) => pieces.push(Piece { at: self.out.len(), bytes: lent }),
            _ => self.out.extend_from_slice(bytes),
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string: values stored as integers are strings to their readers.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        let mut digits = [0; 21];
        self.bulk(format_i64(value, &mut digits));
    }

    /// A bulk string, or null.
    #[inline]
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Nothing, where a string would stand.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(if self.proto == Proto::Resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing, where an array would stand (an aborted EXEC, a pop that timed out).
    #[inline]
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(if self.proto == Proto::Resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The start of an array of `n` replies.
    #[inline]
    pub fn array(&mut self, n: usize) {
        self.header(b'*', n as i64);
    }

    /// The start of a map of `n` pairs: a flat array of `2 * n` in RESP2.
    #[inline]
    pub fn map(&mut self, n: usize) {
        if self.proto == Proto::Resp3 {
            self.header(b'%', n as i64);
        } else {
            self.header(b'*', 2 * n as i64);
        }
    }

    /// The start of a set of `n` replies: an array in RESP2.
    #[inline]
    pub fn set(&mut self, n: usize) {
        self.header(if self.proto == Proto::Resp3 { b'~' } else { b'*' }, n as i64);
    }

    /// The start of an out-of-band message of `n` replies: an array in RESP2.
    #[inline]
    pub fn push(&mut self, n: usize) {
        self.header(if self.proto == Proto::Resp3 { b'>' } else { b'*' }, n as i64);
    }

    /// A floating point number: a bulk string in RESP2. Seventeen significant digits in both, as Redis 7.0.
    pub fn double(&mut self, value: f64) {
        let mut digits = [0; 32];
        let digits = format_f64(value, &mut digits);
        if self.proto == Proto::Resp3 {
            self.one_line(b',', digits);
        } else {
            self.bulk(digits);
        }
    }

    /// True or false: 1 or 0 in RESP2.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.proto == Proto::Resp3, value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    /// Text for people, in `format` (`txt`, `mkd`): a bulk string in RESP2.
    pub fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        if self.proto != Proto::Resp3 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() as i64 + 4);
        self.out.reserve(text.len() + 6);
        self.out.extend_from_slice(&format);
        self.out.push(b':');
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer of any size, as its decimal digits: a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &str) {
        if self.proto == Proto::Resp3 {
            self.one_line(b'(', digits.as_bytes());
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Bytes that are a reply, or several, already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    fn header(&mut self, kind: u8, n: i64) {
        if let Some((header, bytes)) = short_header(kind, n) {
            // All eight bytes are copied and what is not wanted is dropped: no call for a copy of unknown length.
            let end = self.out.len() + bytes;
            self.out.extend_from_slice(&header);
            self.out.truncate(end);
            return;
        }
        if let Some((header, bytes)) = middling_header(kind, n) {
            let end = self.out.len() + bytes;
            self.out.extend_from_slice(&header);
            self.out.truncate(end);
            return;
        }
        let mut header = [0; HEADER];
        self.out.extend_from_slice(compose_header(kind, n, &mut header));
    }

    fn one_line(&mut self, kind: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        if self.proto != Proto::Memcache {
            self.out.push(kind);
        }
        let start = self.out.len();
        self.out.extend_from_slice(text);
        for byte in &mut self.out[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// The longest string whose length is one digit.
const TINY_BULK_BYTES_MAX: usize = 9;

/// A type byte, 20 characters of number, a line end.
const HEADER: usize = 24;

/// `kind`, `n` and a line end, and how many bytes that is, if `n` has at most three digits.
#[inline(always)]
fn short_header(kind: u8, n: i64) -> Option<([u8; 8], usize)> {
    let n = u32::try_from(n).ok()?;
    let digit = |n: u32| b'0' + n as u8;
    let (cr, lf) = (b'\r', b'\n');
    Some(match n {
        0..10 => ([kind, digit(n), cr, lf, 0, 0, 0, 0], 4),
        10..100 => ([kind, digit(n / 10), digit(n % 10), cr, lf, 0, 0, 0], 5),
        100..1000 => ([kind, digit(n / 100), digit(n / 10 % 10), digit(n % 10), cr, lf, 0, 0], 6),
        _ => return None,
    })
}

/// The same if `n` has at most eight digits, as the lengths of collections have.
#[inline]
fn middling_header(kind: u8, n: i64) -> Option<([u8; 16], usize)> {
    let n = u32::try_from(n).ok().filter(|n| *n < 100_000_000)?;
    let (digits, count) = eight_digits(n);
    let mut header = [0; 16];
    header[0] = kind;
    header[1..9].copy_from_slice(&digits.to_le_bytes());
    header[1 + count..3 + count].copy_from_slice(b"\r\n");
    Some((header, 3 + count))
}

/// The decimal digits of a number below 10^8 as characters, the first one lowest, and how many they are. Each step halves
/// the groups of digits in all parts of the word at once; division is by multiplication, exact for so small numbers.
#[inline]
fn eight_digits(n: u32) -> (u64, usize) {
    let fours = u64::from(n / 10_000) | u64::from(n % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | (twos - 10 * tens) << 8;
    // The last digit is one even if it is zero.
    let leading = (ones.trailing_zeros() / 8).min(7);
    ((ones | 0x3030_3030_3030_3030) >> (8 * leading), 8 - leading as usize)
}

/// Writes `kind`, `n` and a line end into the end of `buffer`.
#[inline]
fn compose_header(kind: u8, n: i64, buffer: &mut [u8; HEADER]) -> &[u8] {
    let mut digits = [0; 21];
    let digits = format_i64(n, &mut digits);
    let len = digits.len();
    buffer[0] = kind;
    buffer[1..=len].copy_from_slice(digits);
    buffer[len + 1..len + 3].copy_from_slice(b"\r\n");
    &buffer[..len + 3]
}

#[cfg(test)]
mod tests;
