//! A run of list elements, to be walked from both ends.
//!
//! ```text
//! element    of `packed`
//! length     1..=5 bytes: how long the element is, seven bits in each, the lowest in the last one; a byte with the
//!            highest bit has another before it
//! ```

use crate::data::packed::{Element, Packed, read, skip};

/// Bytes of the length behind an element of so many.
#[inline]
fn length_bytes(element: usize) -> usize {
    match element {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// Bytes that an element takes with its length.
#[inline]
pub fn entry_bytes(element: &Packed<'_>) -> usize {
    element.len() + length_bytes(element.len())
}

/// Writes an element with its length at the start of `to`; gives what is behind it.
#[inline]
pub fn write<'t>(element: &Packed<'_>, to: &'t mut [u8]) -> &'t mut [u8] {
    let bytes = element.len();
    let rest = element.write(to);
    let (length, rest) = rest.split_at_mut(length_bytes(bytes));
    if let [only] = length {
        *only = bytes as u8;
        return rest;
    }
    let mut left = bytes;
    for (place, byte) in length.iter_mut().rev().enumerate() {
        *byte = left as u8 & 0x7f;
        left >>= 7;
        debug_assert!(place < 5);
        if left > 0 {
            *byte |= 0x80;
        }
    }
    rest
}

/// Whole elements with their lengths.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a>(pub &'a [u8]);

impl<'a> Run<'a> {
    /// Where the element that begins at `start` ends, its length included.
    #[inline]
    pub fn end_of(&self, start: usize) -> usize {
        let bytes = skip(&self.0[start..]);
        start + bytes + length_bytes(bytes)
    }

    /// Where the element that ends at `end` begins.
    #[inline]
    pub fn start_of(&self, end: usize) -> usize {
        let (mut bytes, mut shift, mut at) = (0, 0, end);
        loop {
            at -= 1;
            bytes |= usize::from(self.0[at] & 0x7f) << shift;
            shift += 7;
            if self.0[at] & 0x80 == 0 {
                return at - bytes;
            }
        }
    }

    /// Where the element of an index begins, of `count` in the run; the end of the run for `count` itself.
    pub fn start_at(&self, index: usize, count: usize) -> usize {
        if index <= count / 2 {
            (0..index).fold(0, |start, _| self.end_of(start))
        } else {
            (index..count).fold(self.0.len(), |end, _| self.start_of(end))
        }
    }

    /// The element that begins at `start`.
    #[inline]
    pub fn element(&self, start: usize) -> Element<'a> {
        read(&self.0[start..]).0
    }

    /// Where each element begins, from the one at `start` on.
    #[inline]
    pub fn starts(self, start: usize) -> impl Iterator<Item = usize> + use<'a> {
        let mut next = start;
        std::iter::from_fn(move || {
            let start = next;
            (start < self.0.len()).then(|| {
                next = self.end_of(start);
                start
            })
        })
    }

    /// Where each element begins, from the one that ends at `end` backwards.
    #[inline]
    pub fn starts_back(self, end: usize) -> impl Iterator<Item = usize> + use<'a> {
        let mut next = end;
        std::iter::from_fn(move || {
            (next > 0).then(|| {
                next = self.start_of(next);
                next
            })
        })
    }

    /// Where those elements lie that equal `element`, as start and end, in order: the first `most` of them, or the last.
    pub fn matches(&self, element: &Packed<'_>, most: usize, last: bool) -> Vec<(usize, usize)> {
        let is_it = |start: &usize| element.is_at(&self.0[*start..]);
        let mut found: Vec<usize> = if last {
            self.starts_back(self.0.len()).filter(is_it).take(most).collect()
        } else {
            self.starts(0).filter(is_it).take(most).collect()
        };
        if last {
            found.reverse();
        }
        found.into_iter().map(|start| (start, self.end_of(start))).collect()
    }

    /// The run without some of its parts, which are in order; behind what `to` has.
    pub fn without(&self, parts: &[(usize, usize)], to: &mut Vec<u8>) {
        let mut from = 0;
        for (start, end) in parts {
            to.extend_from_slice(&self.0[from..*start]);
            from = *end;
        }
        to.extend_from_slice(&self.0[from..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Digits;

    #[test]
    fn elements_of_every_length_are_walked_from_both_ends() {
        let lengths = [0, 1, 62, 63, 64, 125, 126, 127, 128, 300, 16_379, 16_380, 16_384, 70_000, 2_100_000];
        let texts: Vec<Vec<u8>> = lengths.iter().map(|length| vec![b'x'; *length]).collect();
        let mut bytes = Vec::new();
        for text in &texts {
            let element = Packed::new(text);
            let start = bytes.len();
            bytes.resize(start + entry_bytes(&element), 0);
            assert!(write(&element, &mut bytes[start..]).is_empty());
        }
        let run = Run(&bytes);
        let forward: Vec<usize> = run.starts(0).collect();
        let mut back: Vec<usize> = run.starts_back(bytes.len()).collect();
        back.reverse();
        assert_eq!(forward, back);
        for (index, text) in texts.iter().enumerate() {
            let start = run.start_at(index, texts.len());
            assert_eq!(start, forward[index]);
            assert_eq!(run.element(start).text(&mut Digits::default()), text);
        }
        assert_eq!(run.start_at(texts.len(), texts.len()), bytes.len());
    }
}
