//! Replies that only memcached's protocol has.

use super::Reply;
use crate::limits::LENT_BYTES_MIN;
use crate::text::format_u64;
use slabs::Lent;

impl Reply<'_> {
    /// A line of text, its end added.
    #[inline]
    pub fn line(&mut self, text: &str) {
        self.out.reserve(text.len() + 2);
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// An unsigned number on a line, as incr and decr answer.
    #[inline]
    pub fn line_u64(&mut self, value: u64) {
        let mut digits = [0; 21];
        let digits = format_u64(value, &mut digits);
        self.out.reserve(digits.len() + 2);
        self.out.extend_from_slice(digits);
        self.out.extend_from_slice(b"\r\n");
    }

    /// One hit of a get, with its cas unique for gets and gats. `END` is not part of it.
    #[inline]
    pub fn memcache_value(&mut self, key: &[u8], flags: u32, value: &[u8], cas: Option<u64>) {
        // Three numbers, the word, the blanks and the two line ends need at most 62 bytes.
        self.out.reserve(key.len() + value.len() + 64);
        self.memcache_header(key, flags, value.len(), cas);
        self.out.extend_from_slice(value);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The same for a value whose bytes their owner may lend.
    #[inline]
    pub fn memcache_value_lent(
        &mut self,
        key: &[u8],
        flags: u32,
        value: &[u8],
        cas: Option<u64>,
        lend: impl FnOnce() -> Option<Lent>,
    ) {
        if value.len() >= LENT_BYTES_MIN && self.pieces.is_some() {
            self.memcache_header(key, flags, value.len(), cas);
            self.piece(value, lend());
        } else {
            self.memcache_value(key, flags, value, cas);
        }
    }

    /// The line before a value of `value_bytes`, for values that are sent from where they are. The
    /// value and a line end follow.
    #[inline]
    pub fn memcache_header(&mut self, key: &[u8], flags: u32, value_bytes: usize, cas: Option<u64>) {
        let out = &mut *self.out;
        out.extend_from_slice(b"VALUE ");
        out.extend_from_slice(key);
        if let (0, None, Some((tail, bytes))) = (flags, cas, short_tail(value_bytes)) {
            let end = out.len() + bytes;
            out.extend_from_slice(&tail);
            out.truncate(end);
            return;
        }
        let mut digits = [0; 21];
        out.push(b' ');
        out.extend_from_slice(format_u64(u64::from(flags), &mut digits));
        out.push(b' ');
        out.extend_from_slice(format_u64(value_bytes as u64, &mut digits));
        if let Some(cas) = cas {
            out.push(b' ');
            out.extend_from_slice(format_u64(cas, &mut digits));
        }
        out.extend_from_slice(b"\r\n");
    }

    /// A blank and a word, as meta commands give one back.
    #[inline]
    pub fn meta_word(&mut self, word: &[u8]) {
        self.out.push(b' ');
        self.out.extend_from_slice(word);
    }

    /// A blank, a flag's letter and its number.
    #[inline]
    pub fn meta_number(&mut self, letter: u8, value: u64) {
        let mut digits = [0; 21];
        self.out.extend_from_slice(&[b' ', letter]);
        self.out.extend_from_slice(format_u64(value, &mut digits));
    }

    /// The start of a meta reply with a value of `value_bytes`; flags, a line end and the value follow.
    #[inline]
    pub fn meta_value_header(&mut self, value_bytes: usize) {
        // Room for most flags too.
        self.out.reserve(value_bytes + 128);
        let mut digits = [0; 21];
        self.out.extend_from_slice(b"VA ");
        self.out.extend_from_slice(format_u64(value_bytes as u64, &mut digits));
    }

    /// A value and its line end.
    #[inline]
    pub fn data(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
        self.out.extend_from_slice(b"\r\n");
    }

    /// One statistic.
    pub fn stat(&mut self, name: &str, value: &[u8]) {
        self.out.reserve(name.len() + value.len() + 8);
        self.out.extend_from_slice(b"STAT ");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b' ');
        self.out.extend_from_slice(value);
        self.out.extend_from_slice(b"\r\n");
    }
}

/// What stands behind the key where the flags are 0 and the length has at most three digits, and how many bytes that is.
#[inline(always)]
fn short_tail(value_bytes: usize) -> Option<([u8; 8], usize)> {
    let digit = |n: usize| b'0' + n as u8;
    let (cr, lf) = (b'\r', b'\n');
    Some(match value_bytes {
        0..10 => ([b' ', b'0', b' ', digit(value_bytes), cr, lf, 0, 0], 6),
        10..100 => ([b' ', b'0', b' ', digit(value_bytes / 10), digit(value_bytes % 10), cr, lf, 0], 7),
        100..1000 => {
            let (hundreds, tens, ones) = (value_bytes / 100, value_bytes / 10 % 10, value_bytes % 10);
            ([b' ', b'0', b' ', digit(hundreds), digit(tens), digit(ones), cr, lf], 8)
        }
        _ => return None,
    })
}
