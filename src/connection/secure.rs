//! What a connection with TLS has beside the others: its records, and the replies that are being sealed.

use crate::limits::TLS_STATE_BYTES;
use crate::reactor::Outgoing;
use crate::tls::Stream;

/// How far it has come on its way to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handing {
    /// It stays.
    No,
    /// It is to go when it rests; so often that has been tried.
    Wanted(u8),
    /// Reading is paused, for as many turns, until nothing is under way.
    Quieting {
        /// How often it has been tried, with this time.
        tries: u8,
        /// For how many turns.
        turns: u16,
    },
    /// What a record lacks is being received, and nothing else.
    Aligning(u8),
}

/// TLS between a connection and its socket.
///
/// A reply passes in steps: `take` has it sealed up to a bound, the sealed bytes are sent, and the next step follows when
/// they have left. So a large value is there once, and a little of it twice.
#[derive(Debug)]
pub struct Secure {
    /// Handshake and records.
    pub stream: Stream,
    /// Replies that are being sealed, from `sealed` on.
    plain: Outgoing,
    sealed: usize,
    /// A send of sealed bytes is in flight, and its buffer is of this capacity.
    pub flying: Option<usize>,
    /// It waits for its turn in the handshakes' queue.
    pub queued: bool,
    /// When it connected, `mono_us`.
    pub since_us: u64,
    /// Whether the kernel is to have it.
    pub handing: Handing,
}

impl Secure {
    /// For a client that has just connected, and is the kernel's later (`hands`) if it can have it.
    pub fn new(stream: Stream, mono_us: u64, hands: bool) -> Secure {
        let plain = Outgoing::Bytes(Vec::new());
        let handing = if hands { Handing::Wanted(0) } else { Handing::No };
        Secure { stream, plain, sealed: 0, flying: None, queued: false, since_us: mono_us, handing }
    }

    /// Replies to be sealed. Those before have left.
    pub fn begin(&mut self, plain: Outgoing) {
        debug_assert!(self.plain.is_empty(), "one send at a time");
        self.plain = plain;
        self.sealed = 0;
    }

    /// Something of these is to be sealed.
    pub fn has_plain(&self) -> bool {
        self.sealed < self.plain.len()
    }

    /// Something has come or is leaving that must be done before it may be closed.
    pub fn is_busy(&self) -> bool {
        self.queued || self.flying.is_some() || !self.stream.wire.is_empty()
    }

    /// Seals the next `bytes_max` bytes of them. False: TLS has failed.
    pub fn seal(&mut self, bytes_max: usize) -> bool {
        let parts = self.plain.parts(self.sealed);
        let sealed = self.stream.seal(parts, bytes_max);
        self.sealed += sealed.as_ref().map_or(0, |sealed| *sealed);
        sealed.is_ok()
    }

    /// The buffer of the replies, all of which have been sealed and sent.
    pub fn end(&mut self) -> Vec<u8> {
        self.sealed = 0;
        std::mem::replace(&mut self.plain, Outgoing::Bytes(Vec::new())).into_buffer()
    }

    /// Memory of what has come and is not opened, and of what must be known to open it.
    pub fn input_bytes(&self) -> usize {
        self.stream.raw_capacity() + TLS_STATE_BYTES
    }

    /// Memory of what is sealed and has not left.
    pub fn output_bytes(&self) -> usize {
        self.stream.wire.capacity() + self.flying.unwrap_or(0)
    }
}
