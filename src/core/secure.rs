//! Clients that speak TLS: handshakes in turn, records opened before their bytes are served, replies sealed before they
//! are sent.
//!
//! A handshake takes up to a millisecond of the core. So what belongs to one is kept until its turn in a queue, and when
//! others are served the queue rests after each for some times as long as it took. Records of a session that stands are
//! opened at once, as they cost little more than copying.

use super::{Core, DOOR_TLS_BIT};
use crate::connection::{Closing, Secure};
use crate::limits::{
    TLS_HANDSHAKE_MS, TLS_HANDSHAKES_REST, TLS_HANDSHAKES_US, TLS_RAW_BYTES, TLS_SEAL_BYTES,
};
use crate::metrics::Counter;
use crate::reactor::{Door, Driver, Outgoing, Report, Socket};
use crate::session::SessionId;
use crate::tls::{Fault, Opened, Stream};
use std::collections::VecDeque;

/// Handshakes that wait for their turn, and scratch for all TLS connections of a core.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    queue: VecDeque<SessionId>,
    /// Until then the core is for others, `mono_us`.
    rest_until_us: u64,
    /// Commands that the core had served at the last look.
    served: u64,
    /// Bytes of opened records.
    plain: Vec<u8>,
    /// Where records are opened.
    sealed: Vec<u8>,
}

impl Handshakes {
    /// Some wait.
    #[inline]
    pub fn wait(&self) -> bool {
        !self.queue.is_empty()
    }
}

impl Core {
    /// TLS for a client that has come through this door: `Ok(None)` where the door has none.
    pub(super) fn begin_tls(&self, door: Door) -> Result<Option<Box<Secure>>, ()> {
        if door.0 & DOOR_TLS_BIT == 0 {
            return Ok(None);
        }
        let config = self.shared.tls.get().ok_or(())?;
        let stream = Stream::new(&config).map_err(|fault| log::warn!("TLS: {fault}"))?;
        let hands = config.kernel && !self.shared.kernel_suites().is_empty();
        Ok(Some(Box::new(Secure::new(stream, self.now.mono_us, hands))))
    }

    /// Sealed bytes of a client.
    pub(super) fn received_sealed(&mut self, id: SessionId, bytes: &[u8]) {
        let connection = &mut self.connections[id as usize];
        let Some(secure) = &mut connection.tls else { return };
        if connection.closing >= Closing::Now {
            return;
        }
        if !secure.stream.is_handshaking() && !secure.queued {
            return self.open_records(id, bytes);
        }
        secure.stream.keep(bytes);
        let much = secure.stream.raw_len() > TLS_RAW_BYTES;
        if !std::mem::replace(&mut secure.queued, true) {
            self.handshakes.queue.push_back(id);
        }
        if much && !connection.paused {
            connection.paused = true;
            self.throttles.push((id, true));
        }
        self.mark_dirty(id);
    }

    /// Goes on with handshakes, for as long as a turn has time for them.
    #[cold]
    pub(super) fn shake_hands(&mut self) {
        let served = self.metrics().get(Counter::Commands);
        let busy = std::mem::replace(&mut self.handshakes.served, served) != served;
        if busy && self.now.mono_us < self.handshakes.rest_until_us {
            return;
        }
        let began_us = (self.clock)().mono_us;
        let mut spent_us = 0;
        while spent_us < TLS_HANDSHAKES_US
            && let Some(id) = self.handshakes.queue.pop_front()
        {
            self.go_on_with_handshake(id);
            spent_us = (self.clock)().mono_us.saturating_sub(began_us);
        }
        self.handshakes.rest_until_us = began_us + spent_us * (1 + TLS_HANDSHAKES_REST);
    }

    fn go_on_with_handshake(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        let Some(secure) = &mut connection.tls else { return };
        if !std::mem::take(&mut secure.queued) || connection.closing >= Closing::Now {
            return;
        }
        let began = secure.stream.is_handshaking();
        self.open_records(id, b"");
        let connection = &mut self.connections[id as usize];
        let Some(secure) = &connection.tls else { return };
        if began && !secure.stream.is_handshaking() && connection.closing < Closing::Now {
            let (facts, resumed) = (secure.stream.describe(), secure.stream.is_resumed());
            if let Some(session) = self.sessions.get_mut(id) {
                session.tls = facts;
            }
            let metrics = self.metrics();
            metrics.add(Counter::TlsHandshakes, 1);
            metrics.add(Counter::TlsResumed, u64::from(resumed));
            metrics.set(Counter::TlsConnections, metrics.get(Counter::TlsConnections) + 1);
        }
        let connection = &mut self.connections[id as usize];
        if connection.paused && connection.serves() {
            connection.paused = false;
            self.throttles.push((id, false));
        }
    }

    /// Opens the records that have come and serves what was in them.
    fn open_records(&mut self, id: SessionId, bytes: &[u8]) {
        let mut plain = std::mem::take(&mut self.handshakes.plain);
        let mut sealed = std::mem::take(&mut self.handshakes.sealed);
        plain.clear();
        let connection = &mut self.connections[id as usize];
        let Some(secure) = &mut connection.tls else { return };
        let opened = secure.stream.open(bytes, &mut plain, &mut sealed);
        if !plain.is_empty() {
            self.received_plain(id, &plain);
        }
        // The scratch of a burst is not kept.
        if plain.capacity() <= TLS_RAW_BYTES {
            self.handshakes.plain = plain;
        }
        if sealed.capacity() <= TLS_RAW_BYTES {
            self.handshakes.sealed = sealed;
        }
        self.mark_dirty(id);
        match opened {
            Ok(Opened::On) => self.consider_offload(id),
            Ok(Opened::Ended) => self.connections[id as usize].ended = true,
            Err(fault) => self.fail_tls(id, &fault),
        }
    }

    /// Ends a connection whose TLS has failed. The alert about it leaves with the close.
    #[cold]
    fn fail_tls(&mut self, id: SessionId, fault: &Fault) {
        let connection = &mut self.connections[id as usize];
        let Some(secure) = &connection.tls else { return };
        let (counter, what) = if secure.stream.is_handshaking() {
            (Counter::TlsHandshakeErrors, "handshake")
        } else {
            (Counter::TlsRecordErrors, "session")
        };
        connection.closing = connection.closing.max(Closing::Now);
        self.metrics().add(counter, 1);
        self.mark_dirty(id);
        let peer = self.sessions.get(id).map_or("", |session| &session.peer);
        log::debug!("client {peer}: TLS {what} failed: {fault}");
    }

    /// Sends what a TLS client is to get next: of the handshake, or the next part of its replies, sealed.
    #[cold]
    pub(super) fn send_sealed<D: Driver>(&mut self, id: SessionId, report: Report, driver: &mut D) {
        let connection = &mut self.connections[id as usize];
        let closing = connection.closing;
        let Some(secure) = &mut connection.tls else { return };
        if secure.flying.is_some() || closing >= Closing::Now {
            return;
        }
        if secure.has_plain() {
            if secure.stream.wire.capacity() == 0 {
                secure.stream.wire = self.pool.take();
            }
            if !secure.seal(TLS_SEAL_BYTES) {
                self.connections[id as usize].closing = Closing::Now;
                self.metrics().add(Counter::TlsRecordErrors, 1);
                return;
            }
        }
        let Some(secure) = &mut self.connections[id as usize].tls else { return };
        if secure.stream.wire.is_empty() {
            return;
        }
        let report = if secure.has_plain() { Report::AtOnce } else { report };
        let wire = std::mem::take(&mut secure.stream.wire);
        secure.flying = Some(wire.capacity());
        driver.send(Socket(id), Outgoing::Bytes(wire), report);
    }

    /// Sealed bytes have left. True: with them the last of a reply has, whose buffer this was.
    #[cold]
    pub(super) fn sent_sealed(&mut self, id: SessionId, buffer: Vec<u8>) -> Option<Vec<u8>> {
        self.pool.give(buffer);
        let mono_us = self.now.mono_us;
        let connection = &mut self.connections[id as usize];
        connection.moved_us = mono_us;
        let secure = connection.tls.as_mut()?;
        secure.flying = None;
        self.mark_dirty(id);
        let connection = &mut self.connections[id as usize];
        let secure = connection.tls.as_mut()?;
        if secure.has_plain() || !connection.sending {
            return None;
        }
        Some(secure.end())
    }

    /// Last words to a TLS client that is closed: an alert, or the notice that nothing more comes. They are sent if the
    /// socket takes them at once; nobody waits for that.
    #[cold]
    pub(super) fn say_goodbye<D: Driver>(&mut self, id: SessionId, driver: &mut D) {
        let Some(secure) = &mut self.connections[id as usize].tls else { return };
        if secure.flying.is_some() {
            return;
        }
        // Behind half of a reply it would be a lie.
        if !secure.has_plain() {
            secure.stream.close();
        }
        if !secure.stream.wire.is_empty() {
            let wire = std::mem::take(&mut secure.stream.wire);
            driver.send(Socket(id), Outgoing::Bytes(wire), Report::AtOnce);
        }
    }

    /// A TLS client that is gone. `established`: its handshake was over.
    #[cold]
    pub(super) fn forget_tls(&mut self, established: bool) {
        if established {
            let metrics = self.metrics();
            metrics.set(Counter::TlsConnections, metrics.get(Counter::TlsConnections).saturating_sub(1));
        }
    }

    /// A TLS client that takes too long with its handshake.
    pub(super) fn shakes_too_long(&self, id: SessionId) -> bool {
        self.connections[id as usize].tls.as_ref().is_some_and(|secure| {
            let since_ms = self.now.mono_us.saturating_sub(secure.since_us) / 1000;
            secure.stream.is_handshaking() && since_ms > TLS_HANDSHAKE_MS
        })
    }
}
