//! Copying strings that are short.

/// Copies a string to where it has exactly its room. Most are short: those go in two pieces that may overlap, without a
/// call.
///
/// # Panics
///
/// If it has not.
#[inline]
pub fn copy_short(from: &[u8], to: &mut [u8]) {
    #[inline]
    fn pieces<const N: usize>(from: &[u8], to: &mut [u8]) -> Option<()> {
        let (first, last) = (*from.first_chunk::<N>()?, *from.last_chunk::<N>()?);
        *to.first_chunk_mut()? = first;
        *to.last_chunk_mut()? = last;
        Some(())
    }
    assert_eq!(from.len(), to.len(), "a string is copied as a whole");
    let copied = match from.len() {
        8..=16 => pieces::<8>(from, to),
        4..8 => pieces::<4>(from, to),
        2..4 => pieces::<2>(from, to),
        _ => None,
    };
    if copied.is_none() {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_every_length_are_copied() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..text.len() {
            let mut to = vec![0xff; length + 1];
            copy_short(&text[..length], &mut to[..length]);
            assert_eq!(to[..length], text[..length]);
            assert_eq!(to[length], 0xff);
        }
    }
}
