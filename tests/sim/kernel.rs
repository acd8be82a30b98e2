//! TLS as the kernel does it, from what it is told: records of all ciphers, written after the standards and linux/tls.h,
//! and not after the server.

use crate::driver::Dice;
use larder::secrets::{Secret, Secrets};
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use std::collections::{HashSet, VecDeque};

const DATA: u8 = 23;
const HANDSHAKE: u8 = 22;
const RECORD_BYTES_MAX: usize = 16 << 10;
const TAG_BYTES: usize = 16;

/// One way of a connection.
struct Half {
    tls_1_3: bool,
    chacha: bool,
    key: LessSafeKey,
    salt: Vec<u8>,
    iv: Vec<u8>,
    sequence: u64,
    /// All nonces so far.
    nonces: HashSet<[u8; 12]>,
}

impl Half {
    fn new(secret: &Secret) -> Half {
        let info = secret.bytes();
        let number = |at: usize| u16::from_ne_bytes([info[at], info[at + 1]]);
        let (algorithm, iv, key, salt) = match number(2) {
            51 => (&aead::AES_128_GCM, 4..12, 12..28, 28..32),
            52 => (&aead::AES_256_GCM, 4..12, 12..44, 44..48),
            54 => (&aead::CHACHA20_POLY1305, 4..16, 16..48, 48..48),
            other => panic!("no cipher {other}"),
        };
        let sequence = &info[salt.end..];
        Half {
            tls_1_3: match number(0) {
                0x303 => false,
                0x304 => true,
                other => panic!("no version {other:x}"),
            },
            chacha: number(2) == 54,
            key: LessSafeKey::new(UnboundKey::new(algorithm, &info[key]).unwrap()),
            salt: info[salt.clone()].to_vec(),
            iv: info[iv].to_vec(),
            sequence: u64::from_be_bytes(sequence.try_into().unwrap()),
            nonces: HashSet::new(),
        }
    }

    /// The nonce of a record is in it.
    fn is_explicit(&self) -> bool {
        !self.tls_1_3 && !self.chacha
    }

    fn nonce(&mut self, explicit: Option<&[u8]>) -> Nonce {
        let mut nonce: Vec<u8> = [&self.salt[..], explicit.unwrap_or(&self.iv)].concat();
        if explicit.is_none() {
            nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(byte, other)| *byte ^= other);
        }
        let nonce: [u8; 12] = nonce.try_into().unwrap();
        assert!(self.nonces.insert(nonce), "a nonce is used twice");
        Nonce::assume_unique_for_key(nonce)
    }

    fn additional(&self, kind: u8, plain_bytes: usize, header: &[u8]) -> Vec<u8> {
        if self.tls_1_3 {
            return header.to_vec();
        }
        let len = (plain_bytes as u16).to_be_bytes();
        [&self.sequence.to_be_bytes()[..], &[kind, 3, 3], &len].concat()
    }

    fn seal(&mut self, kind: u8, plain: &[u8]) -> Vec<u8> {
        let explicit = self.is_explicit().then(|| self.iv.clone());
        let mut body = plain.to_vec();
        if self.tls_1_3 {
            body.push(kind);
        }
        let len = explicit.as_ref().map_or(0, Vec::len) + body.len() + TAG_BYTES;
        let outer = if self.tls_1_3 { DATA } else { kind };
        let header = [&[outer, 3, 3][..], &(len as u16).to_be_bytes()].concat();
        let additional = self.additional(kind, plain.len(), &header);
        let nonce = self.nonce(explicit.as_deref());
        self.key.seal_in_place_append_tag(nonce, Aad::from(additional), &mut body).unwrap();
        self.sequence += 1;
        if let Some(explicit) = &explicit {
            let next = u64::from_be_bytes(explicit[..].try_into().unwrap()) + 1;
            self.iv = next.to_be_bytes().to_vec();
        }
        [header, explicit.unwrap_or_default(), body].concat()
    }

    fn open(&mut self, record: &[u8]) -> (u8, Vec<u8>) {
        let (header, body) = record.split_at(5);
        let (explicit, body) = body.split_at(if self.is_explicit() { 8 } else { 0 });
        let additional = self.additional(header[0], body.len() - TAG_BYTES, header);
        let nonce = self.nonce((!explicit.is_empty()).then_some(explicit));
        let mut body = body.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(additional), &mut body).expect("a good record");
        self.sequence += 1;
        if !self.tls_1_3 {
            return (header[0], plain.to_vec());
        }
        let end = plain.iter().rposition(|byte| *byte != 0).expect("a kind");
        (plain[end], plain[..end].to_vec())
    }
}

/// Both ways of a connection whose records the kernel has.
pub struct Kernel {
    out: Half,
    incoming: Half,
    /// What has come and is no whole record.
    part: Vec<u8>,
    /// What is opened: data, or a record without.
    opened: VecDeque<(u8, Vec<u8>)>,
}

impl Kernel {
    pub fn new(secrets: &Secrets) -> Kernel {
        let (out, incoming) = (Half::new(&secrets.out), Half::new(&secrets.incoming));
        Kernel { out, incoming, part: Vec::new(), opened: VecDeque::new() }
    }

    /// Records of these bytes, in sizes that the dice decide.
    pub fn seal<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>, dice: &mut Dice) -> Vec<u8> {
        let mut sealed = Vec::new();
        let mut plain = parts.collect::<Vec<_>>().concat();
        while !plain.is_empty() {
            let most = plain.len().min(RECORD_BYTES_MAX);
            let len = if dice.once_in(2) { most } else { 1 + dice.below(most) };
            sealed.extend(self.out.seal(DATA, &plain.drain(..len).collect::<Vec<_>>()));
        }
        sealed
    }

    /// One record that holds no data.
    pub fn seal_control(&mut self, kind: u8, bytes: &[u8]) -> Vec<u8> {
        self.out.seal(kind, bytes)
    }

    /// Bytes have come from the wire.
    pub fn take(&mut self, bytes: &[u8]) {
        self.part.extend_from_slice(bytes);
        // What follows new keys cannot be opened with the old ones.
        while self.part.len() >= 5 && self.opened.back().is_none_or(|(kind, _)| *kind != HANDSHAKE) {
            let len = 5 + usize::from(u16::from_be_bytes([self.part[3], self.part[4]]));
            if self.part.len() < len {
                break;
            }
            let record: Vec<u8> = self.part.drain(..len).collect();
            self.opened.push_back(self.incoming.open(&record));
        }
    }

    /// Data that may be received: up to `most` bytes, and none beyond a record without.
    pub fn data(&mut self, most: usize) -> Vec<u8> {
        let mut data = Vec::new();
        while let Some((DATA, bytes)) = self.opened.front_mut()
            && data.len() < most
        {
            let len = bytes.len().min(most - data.len());
            data.extend(bytes.drain(..len));
            if bytes.is_empty() {
                self.opened.pop_front();
            }
        }
        data
    }

    /// Data that was not received after all.
    pub fn put_back(&mut self, data: Vec<u8>) {
        if !data.is_empty() {
            self.opened.push_front((DATA, data));
        }
    }

    /// The record without data that is next.
    pub fn control(&mut self) -> Option<(u8, Vec<u8>)> {
        if self.opened.front().is_some_and(|(kind, _)| *kind != DATA) {
            self.opened.pop_front()
        } else {
            None
        }
    }

    /// Nothing is left to be received.
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty()
    }
}
