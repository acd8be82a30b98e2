//! Who is who and may do what: this core's copy of the users, and what becomes of clients when they change.

use super::{Core, DOOR_MEMCACHE};
use crate::command::{Fault, acl};
use crate::parameters::Name;
use crate::protocol::Args;
use crate::reactor::Door as ListenerDoor;
use crate::session::{Door, Session, SessionId};
use socket2::SockRef;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What a Redis client of another machine reads in protected mode; Redis's text, because clients show it to people.
pub(super) const SHUT_RESP: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled \
and no password is set for the default user. In this mode connections are only accepted from the loopback interface. \
If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just \
disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting \
to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet \
if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected \
mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the \
server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. \
4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in \
order for the server to start accepting connections from the outside.\r\n";

/// The same for one of memcached.
pub(super) const SHUT_MEMCACHE: &[u8] =
    b"SERVER_ERROR protected-mode is on and there is no memcache_auth_file: \
only clients of this machine are served\r\n";

impl Core {
    /// Protected mode: where nobody is asked for a password, only clients of this machine are served.
    pub(super) fn is_shut_to(&mut self, descriptor: &OwnedFd, door: ListenerDoor) -> bool {
        if self.shared.parameters.number(Name::ProtectedMode) == 0 {
            return false;
        }
        self.follow_users(0);
        let is_asked = if door == DOOR_MEMCACHE {
            self.shared.asks_memcache_users()
        } else {
            !self.users.default_user().needs_no_password()
        };
        // A peer without an address is on a Unix socket, or gone.
        let peer = || SockRef::from(descriptor).peer_addr().ok().and_then(|peer| peer.as_socket());
        !is_asked && peer().is_some_and(|peer| !peer.ip().to_canonical().is_loopback())
    }

    /// The client has authenticated, or need not.
    #[inline]
    pub(super) fn is_let_in(&self, session: &Session) -> bool {
        session.authenticated || (session.door == Door::Resp && self.users.default_user().is_open())
    }

    /// Takes the users over if they have changed.
    #[inline]
    pub(super) fn follow_users(&mut self, by: u64) {
        if self.shared.acl.version() != self.acl_seen {
            self.take_users(by);
        }
    }

    /// Takes the users over as they are now. Clients get their rights anew. Those whose user is gone are closed, and
    /// until then they are strangers; so are those that listen to what they may not hear any more; `by` is the client who did it, and is answered first.
    #[cold]
    fn take_users(&mut self, by: u64) {
        (self.acl_seen, self.users) = self.shared.acl.snapshot();
        let users = &self.users;
        let mut closed = Vec::new();
        for (id, session) in self.sessions.iter_mut() {
            let Some(before) = session.user.clone() else { continue };
            match users.get(before.name()).filter(|user| user.id() == before.id()) {
                Some(user) if Arc::ptr_eq(user, &before) => {}
                Some(user) => {
                    let deaf = !user.keeps_channels_of(&before) && session.listens_beyond(user);
                    session.user = Some(user.clone());
                    if deaf {
                        closed.push(id);
                    }
                }
                None => {
                    session.authenticated = false;
                    session.user = Some(users.default_user().clone());
                    closed.push(id);
                }
            }
        }
        closed.into_iter().for_each(|id| self.sessions.doom(id, by));
    }

    /// What a client with few rights reads instead of a reply, if it may not give that request.
    pub(super) fn denial(&mut self, id: SessionId, row: u16, args: Args<'_>) -> Option<Fault> {
        let session = self.sessions.get(id)?;
        let denied = acl::check(session.user.as_ref()?, row, args).err()?;
        let in_multi = session.multi.is_some();
        acl::note_denied(&self.local(), id, row, args, denied, in_multi);
        Some(acl::fault(denied, row))
    }
}
