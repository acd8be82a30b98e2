//! What a client *is*: its database, protocol, name, transaction queue. Plain data, no I/O: the
//! bytes and buffers of its connection live in `connection`. What clients listen to stands in `listeners`.

pub mod listeners;

use crate::acl::User;
use crate::protocol::{Args, Proto, Span};
use listeners::{Kind, Listens};
use std::collections::HashMap;
use std::sync::Arc;

/// Index of a session in its core's table; the same number as its connection's.
pub type SessionId = u32;

/// Which of the listeners a client came through; decides the protocol it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `--port`: RESP.
    Resp,
    /// `--memcache_port`: memcached's text protocol.
    Memcache,
}

/// `CLIENT REPLY`: whether replies leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Every reply is sent.
    #[default]
    On,
    /// No reply is sent.
    Off,
    /// The reply to the next command is dropped (set by `CLIENT REPLY SKIP`, which itself answers nothing).
    SkipNext,
}

/// A command kept for `EXEC`: its bytes and where the arguments lie in them.
#[derive(Clone, Debug, Default)]
pub struct Queued {
    /// The arguments, one behind the other.
    pub bytes: Vec<u8>,
    /// Where each argument lies.
    pub spans: Vec<Span>,
    /// Index of the command's row (`command::table::Table::row`).
    pub row: u16,
}

impl Queued {
    /// Copies a request out of the buffer it was parsed from.
    pub fn copy_of(row: u16, args: Args<'_>) -> Queued {
        let mut bytes = Vec::with_capacity(args.iter().map(<[u8]>::len).sum());
        let mut spans = Vec::with_capacity(args.len());
        for arg in args.iter() {
            spans.push(Span { start: bytes.len() as u32, len: arg.len() as u32 });
            bytes.extend_from_slice(arg);
        }
        Queued { bytes, spans, row }
    }

    /// A request of these words.
    pub fn of_words(row: u16, words: &[Vec<u8>]) -> Queued {
        let mut queued = Queued { row, ..Queued::default() };
        for word in words {
            queued.spans.push(Span { start: queued.bytes.len() as u32, len: word.len() as u32 });
            queued.bytes.extend_from_slice(word);
        }
        queued
    }

    /// One key's part of a spread command: what stands before its keys, then this key and what belongs to it.
    pub fn part(&self, head: usize, key: usize, stride: usize) -> Queued {
        let mut part = Queued { bytes: Vec::new(), spans: Vec::with_capacity(head + stride), row: self.row };
        let args = self.args();
        for at in (0..head).chain(key..key + stride) {
            part.spans.push(Span { start: part.bytes.len() as u32, len: args[at].len() as u32 });
            part.bytes.extend_from_slice(&args[at]);
        }
        part
    }

    /// What it takes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>() + size_of::<Queued>()
    }

    /// The arguments, as the parser gave them.
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }
}

/// The state between `MULTI` and `EXEC`.
#[derive(Clone, Debug, Default)]
pub struct Multi {
    /// The commands in order.
    pub queue: Vec<Queued>,
    /// A command was refused while queueing: `EXEC` answers `EXECABORT`.
    pub refused: bool,
}

/// A key under `WATCH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watched {
    /// Logical database at the time of `WATCH`.
    pub db: u8,
    /// The key.
    pub key: Box<[u8]>,
}

/// One client.
#[derive(Clone, Debug)]
pub struct Session {
    /// Unique and growing over the life of the process, never reused.
    pub client_id: u64,
    /// The listener it came through.
    pub door: Door,
    /// Reply format; `HELLO` changes it.
    pub proto: Proto,
    /// Selected database.
    pub db: u8,
    /// False until `AUTH` where a password is set.
    pub authenticated: bool,
    /// Who it is, with its rights as of the core's last look. `None` for memcached's clients, whose rights are no
    /// business of the access control list.
    pub user: Option<Arc<User>>,
    /// `CLIENT SETNAME`.
    pub name: Vec<u8>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub lib_name: Vec<u8>,
    /// `CLIENT SETINFO LIB-VER`.
    pub lib_version: Vec<u8>,
    /// `address:port` of the client, for `CLIENT LIST`.
    pub peer: String,
    /// `address:port` that it connected to.
    pub local: String,
    /// It came through a Unix socket, whose path `peer` and `local` are.
    pub unix: bool,
    /// Version and cipher where it speaks TLS, once its handshake is over; else empty.
    pub tls: String,
    /// Descriptor number, for `CLIENT LIST`.
    pub fd: i32,
    /// When it connected, by the clock that never steps (`Now::mono_ms`).
    pub created_ms: u64,
    /// When its last request was read, by the same clock: a system clock that is set right makes nobody idle.
    pub active_ms: u64,
    /// Row of the last command, if any (`command::table`).
    pub last_row: Option<u16>,
    /// `CLIENT REPLY`.
    pub reply: ReplyMode,
    /// `CLIENT NO-EVICT`.
    pub no_evict: bool,
    /// `CLIENT NO-TOUCH`: reads do not count as use.
    pub no_touch: bool,
    /// `MONITOR`: it is sent every command. [`Sessions::set_monitor`] sets it.
    pub monitor: bool,
    /// memcached's `watch`: topics that it is told of (`shared::watchers::topic`); 0: it is no watcher.
    pub watches: u16,
    /// Lines that were skipped since the last that it got, because it does not read.
    pub lines_skipped: u64,
    /// `READONLY` was said; changes nothing on a lone primary, but `CLIENT LIST` shows it.
    pub readonly: bool,
    /// What it listens to (`SUBSCRIBE`), if to anything.
    pub listens: Option<Box<Listens>>,
    /// Between `MULTI` and `EXEC`.
    pub multi: Option<Multi>,
    /// Keys under `WATCH`, and since which moment of their shard's. Their shards know of them too: only the core forgets one.
    pub watched: HashMap<Watched, u64>,
    /// Commands executed.
    pub commands: u64,
    /// Bytes read and sent, for `CLIENT LIST`.
    pub bytes_in: u64,
    /// See `bytes_in`.
    pub bytes_out: u64,
    /// Bytes of requests read and not yet executed; kept by `connection` for `CLIENT LIST`.
    pub query_bytes: u32,
    /// Bytes of replies waiting; kept by `connection`.
    pub output_bytes: u32,
    /// It is in a blocking command, and nobody has ended that.
    pub blocked: bool,
    /// The connection is to be closed at the end of the turn (`CLIENT KILL`); `connection` looks.
    pub doomed: bool,
}

impl Session {
    /// A client that has just connected, at `now_ms` of the clock that never steps.
    pub fn new(client_id: u64, door: Door, authenticated: bool, now_ms: u64) -> Session {
        Session {
            client_id,
            door,
            proto: match door {
                Door::Resp => Proto::Resp2,
                Door::Memcache => Proto::Memcache,
            },
            db: 0,
            authenticated,
            user: None,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_version: Vec::new(),
            peer: String::new(),
            local: String::new(),
            unix: false,
            tls: String::new(),
            fd: -1,
            created_ms: now_ms,
            active_ms: now_ms,
            last_row: None,
            reply: ReplyMode::On,
            no_evict: false,
            no_touch: false,
            monitor: false,
            watches: 0,
            lines_skipped: 0,
            readonly: false,
            listens: None,
            multi: None,
            watched: HashMap::new(),
            commands: 0,
            bytes_in: 0,
            bytes_out: 0,
            query_bytes: 0,
            output_bytes: 0,
            blocked: false,
            doomed: false,
        }
    }

    /// What it asks for has to be checked against its rights.
    #[inline]
    pub fn is_restricted(&self) -> bool {
        self.user.as_ref().is_some_and(|user| !user.is_unrestricted())
    }

    /// The name of its user. memcached's clients have none that others could have.
    pub fn user_name(&self) -> &[u8] {
        self.user.as_ref().map_or(b"(memcached)", |user| user.name())
    }

    /// It is that user from now on.
    pub fn log_in(&mut self, user: Arc<User>) {
        self.authenticated = true;
        self.user = Some(user);
    }

    /// It is who everybody is at first, `user`.
    pub fn log_out(&mut self, user: &Arc<User>) {
        self.authenticated = user.is_open();
        self.user = Some(user.clone());
    }

    /// Channels, patterns and channels of the shard that it listens to.
    pub fn subscriptions(&self) -> [usize; 3] {
        let count = |kind| self.listens.as_ref().map_or(0, |listens| listens.count(kind));
        [count(Kind::Channel), count(Kind::Pattern), count(Kind::Shard)]
    }

    /// It listens to something: Redis's clients of type `pubsub`.
    pub fn is_listening(&self) -> bool {
        self.listens.as_ref().is_some_and(|listens| !listens.is_empty())
    }

    /// It listens to something that `user` may not hear.
    pub fn listens_beyond(&self, user: &User) -> bool {
        let beyond = |kind, name: &[u8]| !user.may_use_channel(name, kind == Kind::Pattern);
        self.listens.as_ref().is_some_and(|listens| listens.all().any(|(kind, name)| beyond(kind, name)))
    }

    /// It listens, and cannot tell replies from messages: few commands are allowed.
    pub fn only_listens(&self) -> bool {
        self.proto == Proto::Resp2 && self.is_listening()
    }
}

/// The clients of one core.
#[derive(Debug, Default)]
pub struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    connected: u32,
    /// Sessions marked for closing since the core last looked, and whether it was by themselves.
    pub doomed: Vec<(SessionId, bool)>,
    /// Those whose wait in a blocking command is to end, with their ids and whether with an error, since the core last
    /// looked.
    pub unblocked: Vec<(SessionId, u64, bool)>,
    monitors: Vec<SessionId>,
    /// Who listens to which channel, on all cores.
    pub listeners: listeners::Listeners,
}

impl Sessions {
    /// Puts a client into its connection's slot.
    pub fn insert(&mut self, id: SessionId, session: Session) {
        if self.slots.len() <= id as usize {
            self.slots.resize_with(id as usize + 1, || None);
        }
        assert!(self.slots[id as usize].is_none(), "session slot {id} is taken");
        self.slots[id as usize] = Some(Box::new(session));
        self.connected += 1;
    }

    /// Takes a client out when its connection is gone.
    pub fn remove(&mut self, id: SessionId) -> Option<Box<Session>> {
        let gone = self.slots.get_mut(id as usize)?.take();
        self.connected -= u32::from(gone.is_some());
        gone
    }

    /// The client in a slot, if there is one.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id as usize)?.as_deref()
    }

    /// The client in a slot, if there is one.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id as usize)?.as_deref_mut()
    }

    /// Every client of this core.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.slots.iter().enumerate().filter_map(|(id, s)| Some((id as SessionId, s.as_deref()?)))
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SessionId, &mut Session)> {
        self.slots.iter_mut().enumerate().filter_map(|(id, s)| Some((id as SessionId, s.as_deref_mut()?)))
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.connected
    }

    /// True where nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.connected == 0
    }

    /// A client enters or leaves `MONITOR`. Returns whether that is news.
    pub fn set_monitor(&mut self, id: SessionId, on: bool) -> bool {
        if let Some(session) = self.get_mut(id) {
            session.monitor = on;
        }
        let known = self.monitors.iter().position(|monitor| *monitor == id);
        match (on, known) {
            (true, None) => self.monitors.push(id),
            (false, Some(at)) => {
                self.monitors.remove(at);
            }
            _ => return false,
        }
        true
    }

    /// Clients in `MONITOR`.
    pub fn monitors(&self) -> &[SessionId] {
        &self.monitors
    }

    /// Ends a client's wait in a blocking command, with an error or as if its time were over. False: it is in none.
    pub fn unblock(&mut self, client_id: u64, error: bool) -> bool {
        let blocked = self.iter().find(|(_, session)| session.client_id == client_id && session.blocked);
        let Some((id, _)) = blocked else { return false };
        self.unblocked.push((id, client_id, error));
        if let Some(session) = self.get_mut(id) {
            session.blocked = false;
        }
        true
    }

    /// Marks a client for closing at the end of this turn: once it has its replies if it is `killer`, the client that
    /// asks for it, and else whether it reads or not.
    pub fn doom(&mut self, id: SessionId, killer: u64) {
        if let Some(session) = self.get_mut(id) {
            session.doomed = true;
            let by_itself = session.client_id == killer;
            self.doomed.push((id, by_itself));
        }
    }
}
