//! Lines of the log about clients. They name the peer and what it did; never a key, a value or a name that it gave.

use super::{Core, DOOR_MEMCACHE, DOOR_TLS_BIT};
use crate::parameters::Name;
use crate::reactor::Door;
use crate::seldom::Seldom;
use crate::session::SessionId;

/// What a client can bring about at will, and is said seldom.
#[derive(Debug, Default)]
pub(super) struct Lines {
    crowd: Seldom,
    exhausted: Seldom,
    logins: Seldom,
    buffers: Seldom,
    nonsense: Seldom,
    tls: Seldom,
}

impl Core {
    pub(super) fn peer(&self, id: SessionId) -> &str {
        self.sessions.get(id).map_or("", |session| &session.peer)
    }

    /// There are as many clients as there may be.
    #[cold]
    pub(super) fn log_crowd(&mut self) {
        if let Some(others) = self.lines.crowd.say(self.now.mono_us) {
            let max = self.shared.parameters.number(Name::Maxclients);
            log::warn!(
                "maxclients {max} reached: a client is turned away ({others} others since the last such line)"
            );
        }
    }

    /// The process has no descriptor left for a client.
    #[cold]
    pub(super) fn log_exhausted(&mut self, door: Door) {
        if let Some(others) = self.lines.exhausted.say(self.now.mono_us) {
            let whose = if door.0 & !DOOR_TLS_BIT == DOOR_MEMCACHE.0 { "memcached" } else { "Redis" };
            log::warn!(
                "no file descriptor is left: {whose} clients are turned away ({others} times since the last such line)"
            );
        }
    }

    /// A wrong password, or nobody of that name.
    #[cold]
    pub(super) fn log_login_failure(&mut self, id: SessionId) {
        if let Some(others) = self.lines.logins.say(self.now.mono_us) {
            let peer = self.peer(id);
            log::warn!("client {peer} failed to authenticate ({others} others since the last such line)");
        }
    }

    /// A client is closed for what its buffers take.
    #[cold]
    pub(super) fn log_buffers(&mut self, id: SessionId, output: usize, input: usize) {
        if let Some(others) = self.lines.buffers.say(self.now.mono_us) {
            let peer = self.peer(id);
            log::warn!(
                "client {peer} is closed for its buffers: {output} bytes of replies that it has not read, {input} bytes of \
                 unfinished requests ({others} others since the last such line)"
            );
        }
    }

    /// A client is closed for what is no request.
    #[cold]
    pub(super) fn log_nonsense(&mut self, id: SessionId, what: &str) {
        if let Some(others) = self.lines.nonsense.say(self.now.mono_us) {
            let peer = self.peer(id);
            log::debug!("client {peer} is closed: {what} ({others} others since the last such line)");
        }
    }

    /// A client is closed because its TLS, which the kernel has, cannot go on.
    #[cold]
    pub(super) fn log_tls(&mut self, id: SessionId, why: &str) {
        if let Some(others) = self.lines.tls.say(self.now.mono_us) {
            let peer = self.peer(id);
            log::warn!("client {peer} is closed: {why} ({others} others since the last such line)");
        }
    }

    /// A client is there, or is gone.
    #[inline]
    pub(super) fn log_client(&self, id: SessionId, what: &str) {
        log::debug!("client {} {what}", self.peer(id));
    }
}
