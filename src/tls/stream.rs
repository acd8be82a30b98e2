//! Handshake and records of one connection, without a socket.

use super::files::Config;
use super::names;
use crate::secrets::{Secret, Secrets, Suite, Version, Way};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{ConnectionTrafficSecrets, HandshakeKind, ProtocolVersion};
use std::fmt::{self, Display, Formatter};

/// What a record takes more than the bytes in it, at most: its header, an explicit nonce, a type, a tag.
const RECORD_EXTRA_BYTES: usize = 5 + 8 + 1 + 16;

/// Before each record: its kind, a version, its length.
const HEADER_BYTES: usize = 5;

/// Bytes in one record.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Kinds of records that hold no data.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = super::HANDSHAKE_BYTE;
/// In an alert: its level, and what it says.
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;
const NO_RENEGOTIATION: u8 = 100;
/// In a handshake's record.
const KEY_UPDATE: u8 = 24;

/// The record that says that nothing more comes: its kind, and what is in it.
pub const GOODBYE: (u8, [u8; 2]) = (ALERT, [WARNING, CLOSE_NOTIFY]);

/// Why a connection cannot go on; shown in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault(String);

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far the records that have come lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// More may come.
    On,
    /// The peer has said that it sends no more.
    Ended,
}

/// One connection's end of TLS: sealed bytes come in and plain ones go out, and the other way round.
pub struct Stream {
    connection: UnbufferedServerConnection,
    /// Sealed bytes that have come: a record's beginning, or what waits for its turn.
    raw: Vec<u8>,
    /// Records to be sent, in order.
    pub wire: Vec<u8>,
    /// It has failed, or has said that nothing more comes: nothing is opened or sealed any more.
    over: bool,
    /// The peer sends no more; what it sends all the same is not looked at.
    ended: bool,
}

impl Stream {
    /// A connection whose client has not said anything.
    pub fn new(config: &Config) -> Result<Stream, Fault> {
        let connection = UnbufferedServerConnection::new(config.server.clone());
        let connection = connection.map_err(|error| Fault(error.to_string()))?;
        Ok(Stream { connection, raw: Vec::new(), wire: Vec::new(), over: false, ended: false })
    }

    /// Nothing can be said yet.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Sealed bytes that are kept.
    pub fn raw_len(&self) -> usize {
        self.raw.len()
    }

    /// Memory of what is kept of incoming records.
    #[inline]
    pub fn raw_capacity(&self) -> usize {
        self.raw.capacity()
    }

    /// Keeps bytes that have come, to be opened later.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
    }

    /// Opens the records in what was kept and in `bytes`, and adds what was in them to `plain`. What the peer has to be
    /// answered is in `wire` then, also the alert that tells it of a fault. `scratch` is lent for the work.
    pub fn open(
        &mut self,
        bytes: &[u8],
        plain: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) -> Result<Opened, Fault> {
        if self.over {
            return Err(Fault("records behind the end".into()));
        }
        if self.ended {
            return Ok(Opened::Ended);
        }
        scratch.clear();
        scratch.extend_from_slice(&std::mem::take(&mut self.raw));
        scratch.extend_from_slice(bytes);
        let (mut at, mut opened) = (0, Opened::On);
        let outcome = loop {
            let UnbufferedStatus { discard, state, .. } =
                self.connection.process_tls_records(&mut scratch[at..]);
            at += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let Ok(record) = record else { break };
                        plain.extend_from_slice(record.payload);
                        at += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut self.wire, |room| data.encode(room))
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => opened = Opened::Ended,
                Ok(
                    ConnectionState::WriteTraffic(_)
                    | ConnectionState::BlockedHandshake
                    | ConnectionState::Closed,
                ) => {
                    break Ok(opened);
                }
                Ok(_) => break Err(Fault("early data, which was not offered".into())),
                Err(error) => break Err(Fault(error.to_string())),
            }
        };
        match &outcome {
            Ok(Opened::On) if at < scratch.len() => {
                // Sized for what is there: an idle connection holds no more than a record's beginning.
                self.raw = scratch[at..].to_vec();
            }
            Ok(opened) => self.ended = *opened == Opened::Ended,
            Err(_) => self.fail(&mut scratch[at..]),
        }
        outcome
    }

    /// Puts the alert about what went wrong on the wire. `rest` is what was not opened.
    #[cold]
    fn fail(&mut self, rest: &mut [u8]) {
        self.over = true;
        // Asked for nothing else: behind a fault it is not to look at records again.
        while self.connection.wants_write()
            && let UnbufferedStatus { state: Ok(ConnectionState::EncodeTlsData(mut data)), .. } =
                self.connection.process_tls_records(rest)
        {
            encode(&mut self.wire, |room| data.encode(room));
        }
    }

    /// Seals the first `bytes_max` bytes of `parts` into records on the wire. Returns how many that were.
    pub fn seal<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a [u8]>,
        bytes_max: usize,
    ) -> Result<usize, Fault> {
        if self.over {
            return Err(Fault("replies behind the end".into()));
        }
        let mut sealed = 0;
        self.write(|traffic, wire| {
            for part in parts {
                let part = &part[..part.len().min(bytes_max - sealed)];
                let records = part.len().div_ceil(RECORD_BYTES_MAX);
                append(wire, part.len() + records * RECORD_EXTRA_BYTES, |room| traffic.encrypt(part, room))?;
                sealed += part.len();
                if sealed == bytes_max {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(sealed)
    }

    /// Lets `put` write to the wire, behind what is to go before.
    fn write(
        &mut self,
        put: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> Result<(), EncryptError>,
    ) -> Result<(), Fault> {
        loop {
            // Of what has come in part it remembers where it lay: it must see those bytes again.
            let UnbufferedStatus { discard, state, .. } = self.connection.process_tls_records(&mut self.raw);
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let put = put(&mut traffic, &mut self.wire);
                    self.raw.drain(..discard);
                    return put.map_err(|error| Fault(error.to_string()));
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut self.wire, |room| data.encode(room))
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(_) => return Err(Fault("nothing can be sent".into())),
                Err(error) => return Err(Fault(error.to_string())),
            }
            self.raw.drain(..discard);
        }
    }

    /// Puts the notice on the wire that nothing more will come, if the handshake is over.
    pub fn close(&mut self) {
        if self.over || self.is_handshaking() {
            return;
        }
        self.over = true;
        // It is a courtesy: one that cannot be said is left out.
        let _ = self.write(|traffic, wire| {
            append(wire, 2 + 2 * RECORD_EXTRA_BYTES, |room| traffic.queue_close_notify(room))
        });
    }

    /// What its records are sealed with, once the handshake is over, where the kernel could do that too.
    pub fn suite(&self) -> Option<Suite> {
        let version = match self.connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => Version::Tls12,
            ProtocolVersion::TLSv1_3 => Version::Tls13,
            _ => return None,
        };
        let cipher = names::cipher_of(self.connection.negotiated_cipher_suite()?.suite())?;
        Some(Suite { version, cipher })
    }

    /// All that has come is opened, to the end of a record, and all that was sealed is taken from the wire: somebody else
    /// can go on from here.
    pub fn is_at_rest(&self) -> bool {
        !self.is_handshaking() && !self.over && !self.ended && self.raw.is_empty() && self.wire.is_empty()
    }

    /// Bytes without which the record whose beginning is kept, or its header, is not whole; 0: there is none, or it lacks
    /// nothing.
    pub fn missing(&self) -> usize {
        let need = match *self.raw {
            [] => 0,
            [_, _, _, high, low, ..] => HEADER_BYTES + usize::from(u16::from_be_bytes([high, low])),
            _ => HEADER_BYTES,
        };
        need.saturating_sub(self.raw.len())
    }

    /// The keys, for somebody else to go on with a connection that is at rest.
    pub fn into_secrets(self) -> Result<Secrets, Fault> {
        let rests = self.is_at_rest();
        let Some(suite) = self.suite().filter(|_| rests) else {
            return Err(Fault("its keys are needed here still".into()));
        };
        let (secrets, _) =
            self.connection.dangerous_into_kernel_connection().map_err(|error| Fault(error.to_string()))?;
        let secret = |way, (sequence, secret): (u64, ConnectionTrafficSecrets)| {
            let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
            | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
            | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secret
            else {
                return None;
            };
            Secret::new(suite, way, key.as_ref(), iv.as_ref().try_into().ok()?, sequence)
        };
        let both = secret(Way::Out, secrets.tx).zip(secret(Way::In, secrets.rx));
        let (out, incoming) = both.ok_or(Fault("keys of an unknown kind".into()))?;
        Ok(Secrets { out, incoming })
    }

    /// Version, cipher and whether the client has shown a certificate, in words, once the handshake is over.
    pub fn describe(&self) -> String {
        let version =
            names::version_name(self.connection.protocol_version().unwrap_or(ProtocolVersion::TLSv1_3));
        let cipher = self
            .connection
            .negotiated_cipher_suite()
            .map_or("unknown", |suite| names::name_of(suite.suite()));
        let shown = if self.connection.peer_certificates().is_some() { "+certificate" } else { "" };
        format!("{version}/{cipher}{shown}")
    }

    /// The client has come back with a ticket.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Stream {{ handshaking: {}, raw: {} }}", self.is_handshaking(), self.raw.len())
    }
}

/// What a record means that holds no data, where somebody else opens them: the kernel.
pub fn control(kind: u8, bytes: &[u8]) -> Result<Opened, Fault> {
    match (kind, bytes) {
        (ALERT, [_, CLOSE_NOTIFY, ..]) => Ok(Opened::Ended),
        // Warnings that ask for nothing; what follows them comes as it always did.
        (ALERT, [WARNING, USER_CANCELED | NO_RENEGOTIATION, ..]) => Ok(Opened::On),
        (ALERT, [_, code, ..]) => {
            let alert = rustls::AlertDescription::from(*code);
            Err(Fault(format!("received fatal alert: {alert:?}")))
        }
        (HANDSHAKE, [KEY_UPDATE, ..]) => {
            Err(Fault("it goes on with new keys, which the kernel is not given".into()))
        }
        (HANDSHAKE, _) => Err(Fault("a handshake after the handshake".into())),
        (0, _) => Err(Fault("a record that cannot be opened".into())),
        _ => Err(Fault(format!("a record of kind {kind}, {} bytes", bytes.len()))),
    }
}

/// Appends what `write` writes into that much room, or into what it says that it needs: a change of keys goes ahead of the
/// first record.
fn append(
    wire: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), EncryptError> {
    let start = wire.len();
    wire.resize(start + room, 0);
    let mut written = write(&mut wire[start..]);
    if let Err(EncryptError::InsufficientSize(need)) = &written {
        wire.resize(start + need.required_size, 0);
        written = write(&mut wire[start..]);
    }
    wire.truncate(start + written.as_ref().map_or(0, |written| *written));
    written.map(|_| ())
}

/// Appends what `write` writes, once it is known how much that is.
fn encode(wire: &mut Vec<u8>, mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let start = wire.len();
    let written = match write(&mut []) {
        Err(EncodeError::InsufficientSize(need)) => {
            wire.resize(start + need.required_size, 0);
            write(&mut wire[start..])
        }
        other => other,
    };
    wire.truncate(start + written.unwrap_or(0));
}
