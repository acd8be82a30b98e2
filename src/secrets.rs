//! What the kernel is told for it to seal and open the records of a TLS connection, in the form in which it reads it.
//!
//! Owns the layouts (`struct tls12_crypto_info_*` of linux/tls.h) and the choice of nonces behind those that are used
//! already. Who has the keys (`tls`) and who talks to the kernel (`reactor`) know this and not each other. The bytes
//! are overwritten when they are no longer needed, and are shown to nobody.

use std::fmt::{self, Debug, Formatter};
use std::hint::black_box;

/// `TLS_1_2_VERSION`, `TLS_1_3_VERSION`.
const VERSIONS: [u16; 2] = [0x0303, 0x0304];

/// The longest layout: AES-256-GCM's and ChaCha20-Poly1305's.
const INFO_BYTES_MAX: usize = 56;

/// Versions of TLS that the kernel speaks too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Ciphers that the kernel has too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cipher {
    /// AES-128 in Galois/counter mode.
    Aes128Gcm,
    /// AES-256 in Galois/counter mode.
    Aes256Gcm,
    /// ChaCha20-Poly1305.
    Chacha20Poly1305,
}

impl Cipher {
    /// `TLS_CIPHER_*` of linux/tls.h.
    fn number(self) -> u16 {
        match self {
            Cipher::Aes128Gcm => 51,
            Cipher::Aes256Gcm => 52,
            Cipher::Chacha20Poly1305 => 54,
        }
    }

    /// Bytes of its key.
    pub fn key_bytes(self) -> usize {
        if self == Cipher::Aes128Gcm { 16 } else { 32 }
    }
}

/// What a connection's records are sealed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Suite {
    /// The version.
    pub version: Version,
    /// The cipher.
    pub cipher: Cipher,
}

impl Suite {
    /// All that both sides could know.
    pub fn all() -> impl Iterator<Item = Suite> {
        let ciphers = [Cipher::Aes128Gcm, Cipher::Aes256Gcm, Cipher::Chacha20Poly1305];
        [Version::Tls12, Version::Tls13]
            .into_iter()
            .flat_map(move |version| ciphers.into_iter().map(move |cipher| Suite { version, cipher }))
    }

    fn bit(self) -> u8 {
        1 << (self.version as u8 * 3 + self.cipher as u8)
    }
}

/// Some of them: those that a kernel has been seen to do.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Suites(u8);

impl Suites {
    /// One more.
    pub fn insert(&mut self, suite: Suite) {
        self.0 |= suite.bit();
    }

    /// It is among them.
    pub fn contains(self, suite: Suite) -> bool {
        self.0 & suite.bit() != 0
    }

    /// There is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Suite> for Suites {
    fn from_iter<T: IntoIterator<Item = Suite>>(some: T) -> Suites {
        let mut suites = Suites::default();
        some.into_iter().for_each(|suite| suites.insert(suite));
        suites
    }
}

/// Which way records go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// They are sealed and sent.
    Out,
    /// They are received and opened.
    In,
}

/// Key, nonce and number of the next record for one way, as `setsockopt` takes them.
pub struct Secret {
    bytes: [u8; INFO_BYTES_MAX],
    len: usize,
}

impl Secret {
    /// What `key` and `iv` seal from record `sequence` on. `None`: the key is not as long as the cipher's.
    pub fn new(suite: Suite, way: Way, key: &[u8], iv: &[u8; 12], sequence: u64) -> Option<Secret> {
        if key.len() != suite.cipher.key_bytes() {
            return None;
        }
        let mut secret = Secret { bytes: [0; INFO_BYTES_MAX], len: 0 };
        secret.put(&VERSIONS[suite.version as usize].to_ne_bytes());
        secret.put(&suite.cipher.number().to_ne_bytes());
        let (salt, rest) = iv.split_at(4);
        match (suite.cipher, suite.version, way) {
            // The nonce is the whole of it and the number of the record, on both sides.
            (Cipher::Chacha20Poly1305, ..) => secret.put(iv),
            // The kernel begins with what it is given here and counts on, whatever the number of the record. rustls has
            // used this value, and it with the first numbers in its last bits. One nonce used twice would give the key
            // away, so the kernel gets the half that begins with the other bit: 2^63 records are in it.
            (_, Version::Tls12, Way::Out) => secret.put(&[(rest[0] & 0x80) ^ 0x80, 0, 0, 0, 0, 0, 0, 0]),
            _ => secret.put(rest),
        }
        secret.put(key);
        if suite.cipher != Cipher::Chacha20Poly1305 {
            secret.put(salt);
        }
        secret.put(&sequence.to_be_bytes());
        Some(secret)
    }

    fn put(&mut self, part: &[u8]) {
        self.bytes[self.len..][..part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    /// The structure.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes.fill(0);
        // Or it would not be done, as nobody reads it.
        black_box(&self.bytes);
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Both ways of a connection.
#[derive(Debug)]
pub struct Secrets {
    /// For what is sent.
    pub out: Secret,
    /// For what is received.
    pub incoming: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    const IV: [u8; 12] = [1, 2, 3, 4, 0x85, 6, 7, 8, 9, 10, 11, 12];

    fn secret(version: Version, cipher: Cipher, way: Way) -> Vec<u8> {
        let key: Vec<u8> = (100..).take(cipher.key_bytes()).collect();
        let secret = Secret::new(Suite { version, cipher }, way, &key, &IV, 0x0102_0304_0506_0708).unwrap();
        secret.bytes().to_vec()
    }

    #[test]
    fn layouts_are_those_of_the_kernel() {
        let (out, sequence) = (Way::Out, [1, 2, 3, 4, 5, 6, 7, 8]);
        let key: Vec<u8> = (100..132).collect();
        let gcm = secret(Version::Tls13, Cipher::Aes128Gcm, out);
        assert_eq!(gcm.len(), size_of::<libc::tls12_crypto_info_aes_gcm_128>());
        assert_eq!(gcm[..2], libc::TLS_1_3_VERSION.to_ne_bytes());
        assert_eq!(gcm[2..4], libc::TLS_CIPHER_AES_GCM_128.to_ne_bytes());
        assert_eq!(gcm[4..], [&IV[4..], &key[..16], &IV[..4], &sequence].concat());
        let gcm = secret(Version::Tls13, Cipher::Aes256Gcm, out);
        assert_eq!(gcm.len(), size_of::<libc::tls12_crypto_info_aes_gcm_256>());
        assert_eq!(gcm[2..4], libc::TLS_CIPHER_AES_GCM_256.to_ne_bytes());
        assert_eq!(gcm[4..], [&IV[4..], &key, &IV[..4], &sequence].concat());
        let chacha = secret(Version::Tls12, Cipher::Chacha20Poly1305, out);
        assert_eq!(chacha.len(), size_of::<libc::tls12_crypto_info_chacha20_poly1305>());
        assert_eq!(chacha[..2], libc::TLS_1_2_VERSION.to_ne_bytes());
        assert_eq!(chacha[2..4], libc::TLS_CIPHER_CHACHA20_POLY1305.to_ne_bytes());
        assert_eq!(chacha[4..], [&IV[..], &key, &sequence].concat());
    }

    #[test]
    fn no_nonce_of_tls_1_2_is_used_twice() {
        let start = u64::from_be_bytes(IV[4..].try_into().unwrap());
        for cipher in [Cipher::Aes128Gcm, Cipher::Aes256Gcm] {
            let nonce = |way| secret(Version::Tls12, cipher, way)[4..12].to_vec();
            // Records of the client name their nonces themselves.
            assert_eq!(nonce(Way::In), IV[4..]);
            let begins = u64::from_be_bytes(nonce(Way::Out).try_into().unwrap());
            // rustls has used `start` with the number of a record in it, for numbers below 2^63.
            assert_eq!(begins << 1, 0, "all of one half is to come");
            assert_ne!(begins >> 63, start >> 63);
        }
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        let suite = Suite { version: Version::Tls13, cipher: Cipher::Aes256Gcm };
        assert!(Secret::new(suite, Way::Out, &[0; 16], &IV, 0).is_none());
    }

    #[test]
    fn each_suite_is_a_member_of_its_own() {
        let all: Suites = Suite::all().collect();
        for suite in Suite::all() {
            let others: Suites = Suite::all().filter(|other| *other != suite).collect();
            assert!(all.contains(suite) && !others.contains(suite) && !others.is_empty());
        }
        assert!(Suites::default().is_empty());
    }
}
