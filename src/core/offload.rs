//! TLS clients that are handed to the kernel: once their handshake is over and nothing is half done, the kernel gets the
//! keys, and from there on they are served as clients without TLS are, by the same code.
//!
//! For that moment the connection has to rest. Nothing may be under way that was sealed here, and what has come must
//! end with a record, as the kernel begins with one. So reading is paused; what is under way comes to its end within a few
//! turns; and where a part of a record is kept then, just what it lacks is received, by itself. A client that never reads
//! what it is sent stays as it is, after some tries. Closing, and what is received that is no data, is what is left of TLS
//! after that.

use super::Core;
use crate::connection::{Closing, Handing};
use crate::limits::{TLS_HANDING_TRIES, TLS_HANDING_TURNS, TLS_KERNEL_BYTES_MAX};
use crate::metrics::Counter;
use crate::reactor::{Driver, Socket};
use crate::session::SessionId;
use crate::tls::{self, GOODBYE, Opened};
use slabs::Draft;
use std::collections::HashSet;

/// Clients on their way to the kernel, and those that are there.
#[derive(Debug, Default)]
pub(super) struct Offload {
    /// Paused, and to be handed over when they rest.
    leaving: Vec<SessionId>,
    /// Those whose records the kernel seals and opens.
    there: HashSet<SessionId>,
    /// It has refused what it did at the trial; nobody is handed over any more.
    failed: bool,
}

impl Offload {
    /// Some wait for the next turn.
    #[inline]
    pub fn wait(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// There is nobody whose records the kernel has.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.there.is_empty()
    }
}

impl Core {
    /// Records of a client have been opened, the last of its handshake perhaps: it may be handed to the kernel.
    pub(super) fn consider_offload(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        let Some(secure) = &mut connection.tls else { return };
        let Handing::Wanted(tries) = secure.handing else { return };
        if secure.stream.is_handshaking() || connection.closing != Closing::No || connection.ended {
            return;
        }
        let known = self.shared.kernel_suites();
        let can = secure.stream.suite().is_some_and(|suite| known.contains(suite)) && !self.offload.failed;
        if !can || tries >= TLS_HANDING_TRIES {
            secure.handing = Handing::No;
            return;
        }
        secure.handing = Handing::Quieting { tries: tries + 1, turns: 0 };
        self.offload.leaving.push(id);
    }

    /// Hands over those who rest.
    #[cold]
    pub(super) fn hand_over<D: Driver>(&mut self, driver: &mut D) {
        for id in std::mem::take(&mut self.offload.leaving) {
            let connection = &mut self.connections[id as usize];
            let Some(secure) = &mut connection.tls else { continue };
            let Handing::Quieting { tries, turns } = secure.handing else { continue };
            if connection.closing != Closing::No || connection.ended {
                secure.handing = Handing::No;
                self.read_on(id, driver);
                continue;
            }
            // It may have been resumed for the others' sake.
            driver.pause(Socket(id));
            if secure.is_busy() || secure.has_plain() || connection.sending || !driver.is_quiet(Socket(id)) {
                if turns < TLS_HANDING_TURNS {
                    secure.handing = Handing::Quieting { tries, turns: turns + 1 };
                    self.offload.leaving.push(id);
                } else {
                    secure.handing = Handing::Wanted(tries);
                    self.read_on(id, driver);
                }
                continue;
            }
            if secure.stream.is_at_rest() {
                self.offload(id, driver);
            } else if let missing @ 1.. = secure.stream.missing()
                && let Some(block) = Draft::new(missing).filter(|_| !connection.paused)
            {
                secure.handing = Handing::Aligning(tries);
                driver.receive_into(Socket(id), block, missing);
            } else {
                secure.handing = Handing::Wanted(tries);
            }
            self.read_on(id, driver);
        }
    }

    /// The driver receives again, unless the client is paused for another reason.
    fn read_on<D: Driver>(&mut self, id: SessionId, driver: &mut D) {
        let connection = &self.connections[id as usize];
        if connection.client_id != 0 && !connection.paused && connection.closing <= Closing::AfterReplies {
            driver.resume(Socket(id));
        }
    }

    /// The rest of a record has come into the block for it.
    #[cold]
    pub(super) fn filled_record(&mut self, id: SessionId, block: &[u8]) {
        let connection = &mut self.connections[id as usize];
        let Some(secure) = &mut connection.tls else { return };
        if let Handing::Aligning(tries) = secure.handing {
            secure.handing = Handing::Quieting { tries, turns: 0 };
            self.offload.leaving.push(id);
        }
        if !block.is_empty() {
            self.received_sealed(id, block);
        }
    }

    /// Gives the kernel the keys of a client that rests.
    fn offload<D: Driver>(&mut self, id: SessionId, driver: &mut D) {
        let connection = &mut self.connections[id as usize];
        if let Err(error) = driver.prepare_offload(Socket(id)) {
            if let Some(secure) = &mut connection.tls {
                secure.handing = Handing::No;
            }
            log::debug!("client {}: the kernel does not take its TLS: {error}", self.peer(id));
            return;
        }
        let Some(secure) = connection.tls.take() else { return };
        let given = secure.stream.into_secrets().map_err(|fault| fault.to_string()).and_then(|secrets| {
            driver.offload(Socket(id), &secrets).map_err(|error| format!("the kernel refuses it: {error}"))
        });
        self.mark_dirty(id);
        if let Err(why) = given {
            // Neither side can go on; the next are not tried.
            self.connections[id as usize].closing = Closing::Now;
            self.metrics().add(Counter::TlsRecordErrors, 1);
            self.forget_tls(true);
            if !std::mem::replace(&mut self.offload.failed, true) {
                log::warn!("TLS of new clients stays in the process on core {}: {why}", self.index);
            }
            return;
        }
        self.offload.there.insert(id);
        self.metrics().set(Counter::TlsKernel, self.offload.there.len() as u64);
        if let Some(session) = self.sessions.get_mut(id) {
            session.tls.push_str("+kernel");
        }
    }

    /// A record without data has come. False: nothing more is to.
    #[cold]
    pub(super) fn received_control(&mut self, id: SessionId, kind: u8, bytes: &[u8]) -> bool {
        match tls::control(kind, bytes) {
            Ok(Opened::On) => true,
            Ok(Opened::Ended) => false,
            Err(fault) => {
                let connection = &mut self.connections[id as usize];
                connection.closing = connection.closing.max(Closing::Now);
                self.metrics().add(Counter::TlsRecordErrors, 1);
                self.mark_dirty(id);
                self.log_tls(id, &format!("its TLS is the kernel's, which cannot go on: {fault}"));
                false
            }
        }
    }

    /// The notice to a client of the kernel's that nothing more comes.
    #[cold]
    pub(super) fn say_kernel_goodbye<D: Driver>(&mut self, id: SessionId, driver: &mut D) {
        // Behind half of a reply it would be a lie.
        if self.offload.there.contains(&id) && !self.connections[id as usize].sending {
            driver.send_record(Socket(id), GOODBYE.0, &GOODBYE.1);
        }
    }

    /// A client is gone. True: the kernel had its TLS.
    #[cold]
    pub(super) fn forget_offloaded(&mut self, id: SessionId) -> bool {
        let was = self.offload.there.remove(&id);
        self.metrics().set(Counter::TlsKernel, self.offload.there.len() as u64);
        was
    }

    /// The kernel, which counts no records, has sealed or opened as much for this client as is safe with one key.
    pub(super) fn wears_its_key_out(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(id) else { return false };
        let worn = self.offload.there.contains(&id)
            && !session.tls.contains("CHACHA20")
            && session.bytes_in.max(session.bytes_out) > TLS_KERNEL_BYTES_MAX;
        if worn {
            self.log_tls(id, "it has used its key up: it is closed, to come back with another");
        }
        worn
    }
}
