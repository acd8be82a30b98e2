//! The arguments of one request, borrowed from the bytes it arrived in.
//!
//! Owns the pairing of a byte range with the spans found in it. It copies nothing and interprets
//! nothing: what an argument means is the command's business.

use std::ops::Index;

/// A part of a request: offset and length within the bytes of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte from the start of the request.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// The span of `len` bytes at `start`. Parsers refuse requests of 4 GiB and more before they come here.
    pub(super) fn new(start: usize, len: usize) -> Self {
        debug_assert!(start + len <= u32::MAX as usize);
        Self { start: start as u32, len: len as u32 }
    }

    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..][..self.len as usize]
    }
}

/// The arguments of one request; `args[0]` is the command's name.
///
/// Borrowed and `Copy`: pass it by value.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Arguments at `spans` within `bytes`, the request from its first byte.
    ///
    /// A span that reaches beyond `bytes` makes the access to that argument panic.
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// The request that the arguments were found in.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where in it they are.
    pub fn spans(&self) -> &'a [Span] {
        self.spans
    }

    /// How many arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no argument at all, not even a name.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `i`, for as long as the request lives, or `None` past the end.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.spans.get(i).map(|span| span.of(self.bytes))
    }

    /// The last argument; memcached's storage commands have their data block there.
    #[inline]
    pub fn last(&self) -> Option<&'a [u8]> {
        self.spans.last().map(|span| span.of(self.bytes))
    }

    /// All arguments in order.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |span| span.of(bytes))
    }

    /// The arguments from `i` on; none if there are fewer. A container command's subcommand sees itself as
    /// `args[0]` this way.
    #[inline]
    pub fn from(&self, i: usize) -> Self {
        Self { bytes: self.bytes, spans: self.spans.get(i..).unwrap_or(&[]) }
    }

    /// The first `n` arguments; all of them if there are fewer.
    #[inline]
    pub fn first(&self, n: usize) -> Self {
        Self { bytes: self.bytes, spans: self.spans.get(..n).unwrap_or(self.spans) }
    }

    /// One key's part of a command on many: the first `head` arguments, then `len` from `at` on. `spans` is scratch.
    pub fn part<'s>(&self, head: usize, at: usize, len: usize, spans: &'s mut Vec<Span>) -> Args<'s>
    where
        'a: 's,
    {
        spans.clear();
        spans.extend_from_slice(&self.spans[..head]);
        spans.extend_from_slice(&self.spans[at..at + len]);
        Args { bytes: self.bytes, spans }
    }

    /// Sum of the arguments' lengths in bytes, without the protocol's framing.
    pub fn total_bytes(&self) -> usize {
        self.spans.iter().map(|span| span.len as usize).sum()
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.spans[i].of(self.bytes)
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|arg| arg.escape_ascii().to_string())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"set key value";
    const SPANS: [Span; 3] =
        [Span { start: 0, len: 3 }, Span { start: 4, len: 3 }, Span { start: 8, len: 5 }];

    #[test]
    fn arguments_are_found_by_position() {
        let args = Args::new(BYTES, &SPANS);
        assert_eq!(args.len(), 3);
        assert_eq!(&args[0], b"set");
        assert_eq!(args.get(2), Some(&b"value"[..]));
        assert_eq!(args.get(3), None);
        assert_eq!(args.last(), Some(&b"value"[..]));
        assert_eq!(args.total_bytes(), 11);
        assert_eq!(args.iter().rev().collect::<Vec<_>>(), [&b"value"[..], b"key", b"set"]);
    }

    #[test]
    fn a_part_of_the_arguments_is_arguments_again() {
        let args = Args::new(BYTES, &SPANS);
        assert_eq!(&args.from(1)[0], b"key");
        assert_eq!(args.from(1).first(1).len(), 1);
        assert!(args.from(4).is_empty());
        assert_eq!(args.first(9).len(), 3);
    }
}
