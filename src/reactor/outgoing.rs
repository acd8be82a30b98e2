//! What is sent at a time: a buffer, or a buffer with large values between its bytes.

use std::io::IoSlice;

use crate::pieces::{Piece, total_bytes};

/// Parts that one system call sends at most; the kernel takes 1024, and what is more than a few is sent in several.
pub(super) const PARTS_MAX: usize = 64;

/// What is sent at a time.
#[derive(Debug)]
pub enum Outgoing {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Bytes with values between them. In a box, for the usual case to stay small.
    Pieces(Box<Pieces>),
}

/// Bytes with values between them.
#[derive(Debug)]
pub struct Pieces {
    text: Vec<u8>,
    pieces: Vec<Piece>,
    total: usize,
    /// Where the kernel finds the parts while an operation is under way.
    pub(super) vectors: Vec<libc::iovec>,
    pub(super) header: Option<libc::msghdr>,
    /// Bytes in these.
    pub(super) aimed: usize,
}

impl Outgoing {
    /// `text` with `pieces` in it, which are in order and not empty.
    pub fn with_pieces(text: Vec<u8>, pieces: Vec<Piece>) -> Outgoing {
        let total = text.len() + total_bytes(&pieces);
        let (vectors, header, aimed) = (Vec::new(), None, 0);
        Outgoing::Pieces(Box::new(Pieces { text, pieces, total, vectors, header, aimed }))
    }

    /// Nothing.
    pub(super) fn nothing() -> Outgoing {
        Outgoing::Bytes(Vec::new())
    }

    /// Bytes in all.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Outgoing::Bytes(bytes) => bytes.len(),
            Outgoing::Pieces(pieces) => pieces.total,
        }
    }

    /// Whether there is nothing to send.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts from byte `sent` of the whole on, in order, none empty.
    pub fn parts(&self, sent: usize) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        match self {
            Outgoing::Bytes(bytes) => {
                Box::new(std::iter::once(&bytes[sent..]).filter(|part| !part.is_empty()))
            }
            Outgoing::Pieces(pieces) => Box::new(pieces.parts(sent)),
        }
    }

    /// The buffer, for reuse; the values are let go.
    #[inline]
    pub fn into_buffer(self) -> Vec<u8> {
        match self {
            Outgoing::Bytes(bytes) => bytes,
            Outgoing::Pieces(pieces) => pieces.text,
        }
    }
}

impl From<Vec<u8>> for Outgoing {
    #[inline]
    fn from(bytes: Vec<u8>) -> Outgoing {
        Outgoing::Bytes(bytes)
    }
}

impl Pieces {
    /// The parts from byte `sent` of the whole on, in order.
    pub(super) fn parts(&self, sent: usize) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        let around = self.pieces.iter().flat_map(move |piece| {
            let text = &self.text[std::mem::replace(&mut from, piece.at)..piece.at];
            [text, &piece.bytes[..]]
        });
        let last = self.pieces.last().map_or(0, |piece| piece.at);
        let mut skip = sent;
        around.chain([&self.text[last..]]).filter_map(move |part| {
            let skipped = skip.min(part.len());
            skip -= skipped;
            (skipped < part.len()).then_some(&part[skipped..])
        })
    }

    /// The same as the standard library's calls take them; the first few.
    pub(super) fn slices(&self, sent: usize) -> ([IoSlice<'_>; PARTS_MAX], usize) {
        let mut slices = [IoSlice::new(&[]); PARTS_MAX];
        let mut count = 0;
        for (slot, part) in slices.iter_mut().zip(self.parts(sent)) {
            *slot = IoSlice::new(part);
            count += 1;
        }
        (slices, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slabs::Draft;

    #[test]
    fn parts_from_any_byte_on_are_the_rest_of_the_whole() {
        let lent = |bytes: &[u8]| {
            let mut draft = Draft::new(bytes.len()).unwrap();
            draft.fill(bytes);
            draft.lend()
        };
        let pieces = [(0, &b"AA"[..]), (3, b"B"), (3, b"CCC"), (5, b"D")];
        let pieces = pieces.map(|(at, bytes)| Piece { at, bytes: lent(bytes) });
        let outgoing = Outgoing::with_pieces(b"12345".to_vec(), pieces.to_vec());
        let whole = b"AA123BCCC45D";
        assert_eq!(outgoing.len(), whole.len());
        let Outgoing::Pieces(pieces) = &outgoing else { panic!() };
        for sent in 0..=whole.len() {
            assert_eq!(pieces.parts(sent).collect::<Vec<_>>().concat(), whole[sent..]);
            assert!(outgoing.parts(sent).all(|part| !part.is_empty()));
            let (slices, count) = pieces.slices(sent);
            assert_eq!(slices[..count].iter().map(|slice| slice.len()).sum::<usize>(), whole.len() - sent);
        }
        assert_eq!(outgoing.into_buffer(), b"12345");
    }
}
