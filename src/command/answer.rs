//! What a core answers to another that asked every core: numbers and byte strings, one behind the other.

/// An answer while it is written.
#[derive(Debug, Default)]
pub struct Pack(Vec<u8>);

impl Pack {
    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Pack {
        self.0.extend(number.to_le_bytes());
        self
    }

    /// Adds a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Pack {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// The whole answer.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// An answer while it is read.
#[derive(Debug)]
pub struct Unpack<'a>(&'a [u8]);

impl<'a> Unpack<'a> {
    /// From the start of an answer.
    pub fn new(answer: &'a [u8]) -> Unpack<'a> {
        Unpack(answer)
    }

    /// The next number.
    ///
    /// # Panics
    ///
    /// If the core that answered wrote something else: both are the same program.
    pub fn number(&mut self) -> u64 {
        let (number, rest) = self.0.split_first_chunk().expect("a number in the answer");
        self.0 = rest;
        u64::from_le_bytes(*number)
    }

    /// The next byte string. Panics as `number` does.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = self.number() as usize;
        let (bytes, rest) = self.0.split_at_checked(len).expect("a string in the answer");
        self.0 = rest;
        bytes
    }

    /// Everything has been read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The sum of answers that are one number each.
pub fn sum(parts: &[Vec<u8>]) -> u64 {
    parts.iter().map(|part| Unpack::new(part).number()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_in_order() {
        let answer = Pack::default().number(7).bytes(b"").bytes(b"abc").number(u64::MAX).finish();
        let mut read = Unpack::new(&answer);
        assert_eq!(
            (read.number(), read.bytes(), read.bytes(), read.number()),
            (7, &b""[..], &b"abc"[..], u64::MAX)
        );
        assert!(read.is_empty());
        assert_eq!(sum(&[Pack::default().number(2).finish(), Pack::default().number(3).finish()]), 5);
    }
}
