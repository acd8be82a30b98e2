//! The core: one thread's state machine, and the only place where an effect becomes an action.
//!
//! In come accepted descriptors, bytes, finished sends, closed connections and mail; out go sends,
//! closes and mail. It touches no socket itself and reads the clock through a function it is given, so
//! that a simulator can turn it as well as a reactor.
//!
//! | file | has |
//! |---|---|
//! | `mod` | the state, and the loop |
//! | `events` | what the driver tells |
//! | `serve` | from bytes to requests, a batch at a time |
//! | `access` | who is who and may do what, as the users change |
//! | `dispatch` | from a request to whoever executes it |
//! | `keyed` | commands on keys: here, on another core, or over several |
//! | `session_commands` | commands on the client's own state, `MULTI` and its kin |
//! | `shard_side` | what other cores' requests ask of this shard; who waits for keys |
//! | `blocking` | clients in blocking commands, and the protocol by which they are served |
//! | `waking` | those who stand in line at this shard, and what is offered to them |
//! | `coordinate` | multi-shard commands of this core's clients |
//! | `spread` | those that are the same for each of many keys |
//! | `incoming` | long requests |
//! | `mail` | what cores send each other |
//! | `turn` | the end of a turn: timers, replies, wakes, closes |
//! | `dump` | answers that are longer than memory, at the pace of their readers |
//! | `listen` | messages to those who listen, events of the keyspace among them; who listens |
//! | `monitor` | lines for `MONITOR` |
//! | `watch` | lines for memcached's `watch`, and what `stats detail` counts |
//! | `http` | the console's clients |
//! | `lines` | what the log says about clients |
//! | `secure` | clients that speak TLS |
//! | `offload` | those of them whose records the kernel seals and opens |
//! | `sampling` | a close look at one request in many |
//! | `pool` | buffers for reuse |
//! | `audit` | counting anew, for tests |
//! | `buffers` | what all buffers take, and who has to go when that is too much |

mod access;
mod audit;
mod blocking;
mod buffers;
mod coordinate;
mod copying;
mod dispatch;
mod dump;
mod events;
mod http;
mod incoming;
mod keyed;
mod lines;
mod listen;
mod mail;
mod monitor;
mod offload;
mod pool;
mod sampling;
mod secure;
mod serve;
mod session_commands;
mod shard_side;
mod spread;
mod turn;
mod waking;
mod watch;

pub use mail::Mail;

use crate::acl::Users;
use crate::clock::Now;
use crate::command::table::{TABLE, Table};
use crate::command::{Asker, KeyRef, Local};
use crate::connection::Connection;
use crate::mesh::Mesh;
use crate::protocol::{Limits, Proto, Span};
use crate::reactor::{Door, Driver, Waker};
use crate::session::listeners::{KINDS, Listens};
use crate::session::{SessionId, Sessions};
use crate::shard::Shard;
use crate::shard::locks::ClaimId;
use crate::shared::Shared;
use crate::slowlog::Slowlog;
use crate::transaction::Ticket;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// The number of the RESP listener.
pub const DOOR_RESP: Door = Door(0);
/// The number of the memcached listener.
pub const DOOR_MEMCACHE: Door = Door(1);
/// Added to either for a listener whose clients speak TLS.
pub const DOOR_TLS_BIT: u8 = 2;

/// What of a client a batch of its requests needs at hand.
#[derive(Clone, Copy, Debug)]
struct Client {
    asker: Asker,
    touch: bool,
    /// It may ask for more than the little that strangers get.
    authenticated: bool,
    /// Authenticated with all rights, not in `MULTI`, all replies wanted: the common case, decided once.
    plain: bool,
}

impl Client {
    fn proto(&self) -> Proto {
        self.asker.proto
    }
}

/// One core.
pub struct Core {
    index: u16,
    shared: Arc<Shared>,
    table: &'static Table,
    clock: fn() -> Now,
    now: Now,
    /// The clock was read since the last wait.
    now_is_fresh: bool,
    shard: Shard,
    sessions: Sessions,
    /// By slot, as the driver numbers them.
    connections: Vec<Connection>,
    slowlog: Slowlog,
    mesh: Mesh<Mail>,
    own_mail: VecDeque<Mail>,
    pool: pool::Pool,
    /// Scratch of `listen`.
    receivers: Vec<SessionId>,
    /// Scratch of `serve`.
    batch: Vec<serve::Request>,
    /// Scratch of `serve`: arguments of the batch.
    spans: Vec<Span>,
    /// Scratch for the arguments of parts and of parcels.
    part_spans: Vec<Span>,
    /// Scratch of `keyed`.
    keys: Vec<KeyRef>,
    /// Scratch of `keyed`: hash and shard of each key of a spread command.
    key_shards: Vec<(u64, u16)>,
    /// Connections with something to flush or to close.
    dirty: Vec<SessionId>,
    /// Connections whose held input may be served.
    ready: Vec<SessionId>,
    /// What all buffers of this core take.
    buffers: buffers::Buffers,
    /// What a request may take before it is there, bytes.
    inputs_bytes_max: u64,
    /// Clients to be adopted at the end of the turn.
    newcomers: Vec<(OwnedFd, Door)>,
    /// Connections whose reading is to be paused (true) or resumed.
    throttles: Vec<(SessionId, bool)>,
    /// Connections with a long request that is coming, whose blocks the driver may get.
    blocks_wanting: Vec<SessionId>,
    /// Connections whose output may have stopped moving: the driver is to say.
    suspects: Vec<SessionId>,
    /// Connections held by a pause or a sleep.
    sleepers: Vec<SessionId>,
    /// Multi-shard commands of this core's clients.
    running: Vec<Option<coordinate::Running>>,
    running_free: Vec<u32>,
    /// Spread commands that have ended, for their buffers. Boxed as they are in `running`, so that only a pointer moves.
    #[allow(clippy::vec_box)]
    spare_spreads: Vec<Box<spread::Spread>>,
    /// Parts that wait on this shard until all shards can make theirs.
    prepared: HashMap<ClaimId, shard_side::Prepared>,
    /// Changes that are made when what they store is copied.
    delayed: VecDeque<copying::Delayed>,
    /// What clients listened to that have left.
    leavers: VecDeque<(SessionId, Box<Listens>)>,
    /// What clients of cores listened to that have left, as their cores have told.
    forgotten: VecDeque<(u16, listen::Names)>,
    /// Single-shard commands that wait for keys of this shard.
    parked: HashMap<ClaimId, shard_side::Parked>,
    /// Multi-shard claims that wait for keys of this shard.
    waiting_claims: HashMap<ClaimId, shard_side::WaitingClaim>,
    /// Clients of this core in blocking commands.
    blocking: blocking::Blocking,
    /// What this shard has on offer for those who stand in line.
    waking: waking::Waking,
    /// What a request may ask for.
    limits: Limits,
    parameters_seen: u64,
    /// The users as of `acl_seen`, whose rights the sessions have.
    users: Arc<Users>,
    acl_seen: u64,
    /// What the replies become that HTTP clients await.
    awaited: http::Awaited,
    sampling: sampling::Sampling,
    /// When what was last logged about clients.
    lines: lines::Lines,
    handshakes: secure::Handshakes,
    offload: offload::Offload,
    /// `CLIENT PAUSE` as of this turn.
    pause: turn::Pause,
    /// Somebody is in `MONITOR`, as of this turn.
    monitored: bool,
    /// What watchers want to hear of, as of this turn (`shared::watchers::topic`).
    watched: u16,
    /// This core's watchers.
    watchers: Vec<SessionId>,
    /// Dumps for this core's clients.
    dumps: dump::Dumps,
    /// The slow log wants even the quick commands.
    time_all: bool,
    timers: turn::Timers,
    stopping: turn::Stopping,
}

impl Core {
    /// A core with its shard and its end of the mesh.
    pub fn new(index: u16, shared: Arc<Shared>, shard: Shard, mesh: Mesh<Mail>, clock: fn() -> Now) -> Core {
        let now = clock();
        let (acl_seen, users) = shared.acl.snapshot();
        let mut core = Core {
            index,
            table: &TABLE,
            clock,
            now,
            now_is_fresh: true,
            shard,
            sessions: Sessions::default(),
            connections: Vec::new(),
            slowlog: Slowlog::default(),
            mesh,
            own_mail: VecDeque::new(),
            pool: pool::Pool::default(),
            receivers: Vec::new(),
            batch: Vec::new(),
            spans: Vec::new(),
            part_spans: Vec::new(),
            keys: Vec::new(),
            key_shards: Vec::new(),
            dirty: Vec::new(),
            ready: Vec::new(),
            buffers: buffers::Buffers::default(),
            inputs_bytes_max: u64::MAX,
            newcomers: Vec::new(),
            throttles: Vec::new(),
            blocks_wanting: Vec::new(),
            suspects: Vec::new(),
            sleepers: Vec::new(),
            running: Vec::new(),
            running_free: Vec::new(),
            spare_spreads: Vec::new(),
            prepared: HashMap::new(),
            delayed: VecDeque::new(),
            leavers: VecDeque::new(),
            forgotten: VecDeque::new(),
            parked: HashMap::new(),
            waiting_claims: HashMap::new(),
            blocking: blocking::Blocking::default(),
            waking: waking::Waking::default(),
            limits: Limits::default(),
            parameters_seen: u64::MAX,
            users,
            acl_seen,
            awaited: http::Awaited::new(),
            sampling: sampling::Sampling::new(u64::from(index)),
            lines: lines::Lines::default(),
            handshakes: secure::Handshakes::default(),
            offload: offload::Offload::default(),
            pause: turn::Pause::No,
            monitored: false,
            watched: 0,
            watchers: Vec::new(),
            dumps: dump::Dumps::default(),
            time_all: false,
            timers: turn::Timers::new(now),
            stopping: turn::Stopping::No,
            shared,
        };
        core.shard.now = now;
        core.read_parameters();
        core
    }

    /// Turns until the server stops. `wakers` are those of all cores, in order. Returns the shard as it is then.
    pub fn run<D: Driver>(mut self, mut driver: D, wakers: &[Waker]) -> io::Result<Shard> {
        while !self.turn(&mut driver, wakers)? {}
        Ok(self.shard)
    }

    /// One turn: sleeps if there is nothing to do, and does all that has come. True once the server has stopped.
    pub fn turn<D: Driver>(&mut self, driver: &mut D, wakers: &[Waker]) -> io::Result<bool> {
        let wait = self.wait();
        driver.turn(wait, self)?;
        self.mesh.awake();
        self.end_turn(driver, wakers);
        self.now_is_fresh = false;
        Ok(self.has_stopped())
    }

    /// Commands that have begun and not ended: those that this core coordinates, and those that hold or await
    /// keys of its shard.
    pub fn unfinished(&self) -> usize {
        self.running.iter().flatten().count()
            + self.shard.locks.len()
            + self.parked.len()
            + self.waiting_claims.len()
            + self.prepared.len()
            + self.delayed.len()
            + self.leavers.len()
            + self.forgotten.len()
            + self.waking.len()
    }

    /// Clients of this core in blocking commands, and those that stand in line at its shard, for tests.
    pub fn blocked(&self) -> (usize, usize) {
        (self.blocking.len(), self.shard.waiters.len())
    }

    /// Keys of this shard that are under `WATCH`.
    pub fn watched(&self) -> usize {
        self.shard.store.watched()
    }

    /// Channels and patterns that this core knows listeners of, for tests.
    pub fn listened(&self) -> usize {
        let listeners = &self.sessions.listeners;
        let names = KINDS.map(|kind| listeners.count(kind)).iter().sum();
        assert!(names > 0 || listeners.bytes() == 0, "names that nobody listens to are forgotten");
        names
    }

    /// Bytes of values that have left this shard's store and are still sent, for tests.
    pub fn lent_bytes(&self) -> u64 {
        self.shard.store.lent_bytes()
    }

    /// Reads the clock, once a turn, at the first event after the wait.
    #[inline]
    fn refresh_now(&mut self) {
        if !self.now_is_fresh {
            self.now = (self.clock)();
            self.shard.tick(self.now);
            self.now_is_fresh = true;
            self.sampling.begin_turn(self.now.mono_us);
            self.read_switches();
        }
    }

    /// What commands may see of this core.
    fn local(&mut self) -> Local<'_> {
        Local {
            core: self.index,
            cores: self.shared.cores(),
            shard: &mut self.shard,
            sessions: &mut self.sessions,
            slowlog: &mut self.slowlog,
            shared: &self.shared,
            now: self.now,
        }
    }

    fn client(&self, id: SessionId) -> Client {
        let session = self.sessions.get(id).expect("a connection has a session");
        let authenticated = self.is_let_in(session);
        Client {
            asker: Asker { client_id: session.client_id, db: session.db, proto: session.proto },
            touch: !session.no_touch,
            authenticated,
            plain: authenticated
                && !session.is_restricted()
                && session.multi.is_none()
                && session.listens.is_none()
                && session.reply == crate::session::ReplyMode::On,
        }
    }

    #[inline]
    fn mark_dirty(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }

    fn mark_ready(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        if !connection.ready {
            connection.ready = true;
            self.ready.push(id);
        }
    }

    fn ticket(&self, slot: u32, number: u64) -> Ticket {
        Ticket { core: self.index, slot, number }
    }
}
