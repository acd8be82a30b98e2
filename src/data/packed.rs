//! Elements of collections as they lie in memory: strings, and integers in few bytes.
//!
//! ```text
//! tag        behind it            element
//!   0..=127                       that integer
//! 128..=191  bytes                a string of tag - 128 bytes
//! 192..=223  1, bytes             a string of 64 + 256 * (tag - 192) + that many bytes
//! 224..=239  1                    the integer 128 + 256 * (tag - 224) + that
//! 240..=247  1..=8                an integer of tag - 239 bytes, two's complement, little-endian
//! 248        4, bytes             a string of so many bytes
//! 249        4                    kept elsewhere, under that number ([`ELSEWHERE`])
//! 250        6                    no element: the deadline of the entry behind it ([`DEADLINE`])
//! ```
//!
//! A string that is the decimal form of a 64-bit integer is kept as that integer, and everything in the shortest
//! form: so equal strings have equal bytes here, and comparing needs no decoding. What an element is for, and where
//! a run of them ends, belongs to `entries`.

use crate::text::{Digits, copy_short, format_i64, parse_i64};

/// Longest string whose length fits the tag.
const TINY_BYTES_MAX: usize = 63;
/// Longest string whose length fits the tag and one byte.
const SHORT_BYTES_MAX: usize = TINY_BYTES_MAX + (32 << 8);
const TINY: u8 = 128;
const SHORT: u8 = 192;
const SMALL_INT: u8 = 224;
const SMALL_INT_MAX: i64 = 127 + (16 << 8);
const INT: u8 = 239;
const LONG: u8 = 248;

/// The tag of an element that is kept elsewhere.
pub const ELSEWHERE: u8 = 249;

/// The tag in front of an entry that dies.
pub const DEADLINE: u8 = 250;

/// The most bytes before those of a string.
const HEAD_BYTES_MAX: usize = 9;

/// Digits of the longest integer with its sign; longer strings are not looked at.
const INT_DIGITS_MAX: usize = 20;

/// An element as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element<'a> {
    /// A string that is no integer.
    Bytes(&'a [u8]),
    /// The string of an integer.
    Int(i64),
    /// Kept under this number by whoever keeps the run.
    Elsewhere(u32),
}

impl<'a> Element<'a> {
    /// The string. `digits` is room for that of an integer.
    ///
    /// # Panics
    ///
    /// If it is kept elsewhere: who keeps it there looks first.
    #[inline]
    pub fn text<'t>(self, digits: &'t mut Digits) -> &'t [u8]
    where
        'a: 't,
    {
        match self {
            Element::Bytes(bytes) => bytes,
            Element::Int(number) => format_i64(number, digits),
            Element::Elsewhere(_) => {
                panic!("an element that is kept elsewhere is looked up before it is shown")
            }
        }
    }
}

/// An element in its packed form, ready to be compared and written; borrows the string.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: u8,
    body: &'a [u8],
}

impl<'a> Packed<'a> {
    /// A string, or the integer that it spells.
    #[inline]
    pub fn new(text: &'a [u8]) -> Packed<'a> {
        let may_be_int = text.len() <= INT_DIGITS_MAX
            && text.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-');
        match may_be_int.then(|| parse_i64(text)).flatten() {
            Some(number) => Packed::int(number),
            None => Packed::bytes(text),
        }
    }

    /// An integer.
    #[inline]
    pub fn int(number: i64) -> Packed<'static> {
        let mut head = [0; HEAD_BYTES_MAX];
        let head_bytes = match number {
            0..=127 => {
                head[0] = number as u8;
                1
            }
            128..=SMALL_INT_MAX => {
                let above = number - 128;
                head[0] = SMALL_INT + (above >> 8) as u8;
                head[1] = above as u8;
                2
            }
            _ => {
                // Bits that say something, and the sign.
                let bits = 65 - (number ^ (number >> 63)).leading_zeros();
                let bytes = bits.div_ceil(8) as u8;
                head[0] = INT + bytes;
                head[1..].copy_from_slice(&number.to_le_bytes());
                1 + bytes
            }
        };
        Packed { head, head_bytes, body: b"" }
    }

    /// Bytes that are no string of a client: what looks like an integer among them stays as it is.
    #[inline]
    pub fn opaque(bytes: &'a [u8]) -> Packed<'a> {
        Packed::bytes(bytes)
    }

    /// A string that is no integer.
    fn bytes(body: &'a [u8]) -> Packed<'a> {
        let mut head = [0; HEAD_BYTES_MAX];
        let length = body.len();
        let head_bytes = if length <= TINY_BYTES_MAX {
            head[0] = TINY + length as u8;
            1
        } else if length <= SHORT_BYTES_MAX {
            let above = length - TINY_BYTES_MAX - 1;
            head[0] = SHORT + (above >> 8) as u8;
            head[1] = above as u8;
            2
        } else {
            head[0] = LONG;
            head[1..5].copy_from_slice(&(length as u32).to_le_bytes());
            5
        };
        Packed { head, head_bytes, body }
    }

    /// What stands for an element that is kept under this number.
    pub fn elsewhere(number: u32) -> Packed<'static> {
        let mut head = [0; HEAD_BYTES_MAX];
        head[0] = ELSEWHERE;
        head[1..5].copy_from_slice(&number.to_le_bytes());
        Packed { head, head_bytes: 5, body: b"" }
    }

    /// Bytes that it takes.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        usize::from(self.head_bytes) + self.body.len()
    }

    /// Writes it at the start of `to`, which has room; gives what is behind it.
    #[inline]
    pub fn write<'t>(&self, to: &'t mut [u8]) -> &'t mut [u8] {
        let (head, rest) = to.split_at_mut(usize::from(self.head_bytes));
        match head {
            [tag] => *tag = self.head[0],
            head => head.copy_from_slice(&self.head[..head.len()]),
        }
        let (body, rest) = rest.split_at_mut(self.body.len());
        copy_short(self.body, body);
        rest
    }

    /// Whether `run` begins with this element.
    #[inline]
    pub fn is_at(&self, run: &[u8]) -> bool {
        let head = usize::from(self.head_bytes);
        run.len() >= head + self.body.len()
            && run[0] == self.head[0]
            && (head == 1 || run[1..head] == self.head[1..head])
            && run[head..head + self.body.len()] == *self.body
    }
}

/// Bytes of the element at the start of `run`.
#[inline]
pub fn skip(run: &[u8]) -> usize {
    let tag = run[0];
    // Short strings, as most elements are.
    if (TINY..SHORT).contains(&tag) {
        return 1 + usize::from(tag - TINY);
    }
    match tag {
        0..SHORT => 1,
        tag @ SHORT..SMALL_INT => 2 + short_length(tag, run[1]),
        SMALL_INT..=INT => 2,
        tag @ 240..LONG => 1 + usize::from(tag - INT),
        LONG => 5 + u32_behind_tag(run) as usize,
        ELSEWHERE => 5,
        tag => unreachable!("{tag} is the tag of no element"),
    }
}

/// The element at the start of `run`, and its bytes.
#[inline]
pub fn read(run: &[u8]) -> (Element<'_>, usize) {
    match run[0] {
        tag @ 0..TINY => (Element::Int(i64::from(tag)), 1),
        tag @ TINY..SHORT => {
            let end = 1 + usize::from(tag - TINY);
            (Element::Bytes(&run[1..end]), end)
        }
        tag @ SHORT..SMALL_INT => {
            let end = 2 + short_length(tag, run[1]);
            (Element::Bytes(&run[2..end]), end)
        }
        tag @ SMALL_INT..=INT => {
            let above = i64::from(tag - SMALL_INT) << 8 | i64::from(run[1]);
            (Element::Int(128 + above), 2)
        }
        tag @ 240..LONG => {
            let bytes = usize::from(tag - INT);
            let negative = run[bytes] & 0x80 != 0;
            let mut number = if negative { [0xff; 8] } else { [0; 8] };
            number[..bytes].copy_from_slice(&run[1..=bytes]);
            (Element::Int(i64::from_le_bytes(number)), 1 + bytes)
        }
        LONG => {
            let end = 5 + u32_behind_tag(run) as usize;
            (Element::Bytes(&run[5..end]), end)
        }
        ELSEWHERE => (Element::Elsewhere(u32_behind_tag(run)), 5),
        tag => unreachable!("{tag} is the tag of no element"),
    }
}

#[inline]
fn short_length(tag: u8, low: u8) -> usize {
    TINY_BYTES_MAX + 1 + (usize::from(tag - SHORT) << 8 | usize::from(low))
}

#[inline]
fn u32_behind_tag(run: &[u8]) -> u32 {
    u32::from_le_bytes([run[1], run[2], run[3], run[4]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &[u8]) -> usize {
        let packed = Packed::new(text);
        let mut run = vec![0xee; packed.len() + 3];
        packed.write(&mut run);
        assert!(packed.is_at(&run), "{text:?}");
        assert_eq!(skip(&run), packed.len());
        let (element, end) = read(&run);
        assert_eq!(end, packed.len());
        assert_eq!(element.text(&mut Digits::default()), text);
        assert!(!Packed::new(b"another").is_at(&run));
        assert!(!Packed::new(b"").is_at(&run) || text.is_empty());
        end
    }

    #[test]
    fn integers_take_as_few_bytes_as_they_need() {
        for (number, bytes) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (SMALL_INT_MAX, 2),
            (SMALL_INT_MAX + 1, 3),
            (-1, 2),
            (-128, 2),
            (-129, 3),
            (32_767, 3),
            (32_768, 4),
            (-32_768, 3),
            (i64::from(i32::MAX), 5),
            (i64::from(i32::MAX) + 1, 6),
            (i64::MAX, 9),
            (i64::MIN, 9),
        ] {
            assert_eq!(round(number.to_string().as_bytes()), bytes, "{number}");
        }
        for shift in 0..63 {
            for near in -2..=2 {
                round(((1i64 << shift) + near).to_string().as_bytes());
                round((-(1i64 << shift) + near).to_string().as_bytes());
            }
        }
    }

    #[test]
    fn strings_of_every_length_come_back() {
        for length in [0, 1, 2, 62, 63, 64, 65, 255, 319, 320, 8254, 8255, 8256, 8257, 100_000] {
            let head = if length <= 63 {
                1
            } else if length <= 8255 {
                2
            } else {
                5
            };
            assert_eq!(round(&vec![b'x'; length]), head + length);
        }
        for no_integer in
            ["01", "+1", "-0", " 1", "1 ", "-", "1e3", "9223372036854775808", "00000000000000000001"]
        {
            assert_eq!(round(no_integer.as_bytes()), 1 + no_integer.len());
        }
    }

    #[test]
    fn what_is_elsewhere_is_a_number() {
        let packed = Packed::elsewhere(0x1234_5678);
        let mut run = [0; 5];
        packed.write(&mut run);
        assert_eq!(read(&run), (Element::Elsewhere(0x1234_5678), 5));
        assert_eq!(skip(&run), 5);
    }
}
