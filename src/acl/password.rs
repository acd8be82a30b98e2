//! Passwords: what is kept of them, and how one that is given is compared.

use sha2::{Digest, Sha256};
use std::hint::black_box;

/// Digits of a kept password: those of its SHA-256, in lower case.
pub const DIGITS: usize = 64;

/// What is kept of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; DIGITS]);

/// Not shown, although it is a hash: weak passwords can be guessed from it.
impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a password")
    }
}

impl Hash {
    /// Of a password.
    pub fn of(password: &[u8]) -> Hash {
        let mut digits = [0; DIGITS];
        for (place, byte) in digits.chunks_exact_mut(2).zip(Sha256::digest(password)) {
            place[0] = digit(byte >> 4);
            place[1] = digit(byte & 15);
        }
        Hash(digits)
    }

    /// As it is written: exactly so many digits, in lower case.
    pub fn read(digits: &[u8]) -> Option<Hash> {
        let digits: [u8; DIGITS] = digits.try_into().ok()?;
        digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Hash(digits))
    }

    /// Its digits.
    pub fn digits(&self) -> &[u8] {
        &self.0
    }

    /// 1 if they are equal, else 0, in the same time whatever differs.
    pub fn same(&self, other: &Hash) -> u8 {
        let differing = self.0.iter().zip(&other.0).fold(0, |differing, (a, b)| differing | (a ^ b));
        u8::from(black_box(differing) == 0)
    }
}

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[value as usize]
}

/// A password of so many bits, as hexadecimal digits, rounded up to whole ones. `random` gives entropy.
pub fn generate(bits: usize, mut random: impl FnMut(&mut [u8])) -> Vec<u8> {
    let digits = bits.div_ceil(4);
    let mut bytes = vec![0; digits];
    random(&mut bytes);
    bytes.iter().map(|byte| digit(byte & 15)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_sha256_in_hexadecimal() {
        let hash = Hash::of(b"abc");
        let digits = b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.digits(), digits);
        assert_eq!(Hash::read(digits), Some(hash));
        assert_eq!(hash.same(&Hash::of(b"abc")), 1);
        assert_eq!(hash.same(&Hash::of(b"abd")), 0);
    }

    #[test]
    fn only_whole_hashes_in_lower_case_are_read() {
        for bad in [&[b'a'; 63][..], &[b'a'; 65], &[b'A'; 64], &[b'g'; 64], b""] {
            assert_eq!(Hash::read(bad), None);
        }
    }

    #[test]
    fn generated_passwords_have_the_digits_that_their_bits_need() {
        for (bits, digits) in [(1, 1), (4, 1), (5, 2), (256, 64), (4096, 1024)] {
            assert_eq!(generate(bits, |bytes| bytes.fill(0xaf)), vec![b'f'; digits]);
        }
    }
}
