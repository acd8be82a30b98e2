//! Large values among the bytes of replies: sent from where they lie, not copied into a buffer.

use slabs::Lent;

/// A value that belongs between the bytes of a buffer.
#[derive(Clone, Debug)]
pub struct Piece {
    /// How many of the buffer's bytes come before it.
    pub at: usize,
    /// The value.
    pub bytes: Lent,
}

/// Bytes of some pieces.
pub fn total_bytes(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.bytes.len()).sum()
}

/// Puts a reply, text and the pieces in it, behind what is there.
pub fn append(text: &mut Vec<u8>, pieces: &mut Vec<Piece>, more: &[u8], more_pieces: Vec<Piece>) {
    let start = text.len();
    text.extend_from_slice(more);
    pieces.extend(more_pieces.into_iter().map(|piece| Piece { at: start + piece.at, ..piece }));
}
