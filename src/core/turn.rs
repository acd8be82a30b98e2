//! The end of a turn: mail, what waited, timers, and then all that leaves this core at once.

use super::{Client, Core, DOOR_MEMCACHE, DOOR_TLS_BIT, Mail};
use crate::clock::Now;
use crate::command::{Command, flag};
use crate::connection::{Closing, Connection, Hold, Parser};
use crate::data::list::Fill;
use crate::limits::{
    BUFFER_SHARE, BUFFERS_BYTES_MIN, GIVE_BACK_BYTES_MIN, GIVE_BACK_SHARE, INPUT_SHARE, INPUTS_BYTES_MIN,
    READER_LOOK_MS, READY_ROUNDS_MAX, SPARE_BYTES_MAX, SPARE_SHARE, STALLED_LEAVER_MS, STALLED_READER_MS,
};
use crate::metrics::{Counter, Metrics};
use crate::parameters::Name;
use crate::protocol::resp;
use crate::reactor::{Door as ListenerDoor, Driver, Figures, Outgoing, Peer, Report, Socket, Wait, Waker};
use crate::session::{Door, Session, SessionId};
use crate::shard::collections::Limits;
use crate::shard::prefixes::DELIMITER;
use crate::shared::watchers::topic;
use socket2::{SockRef, TcpKeepalive};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Output that is sent although replies behind it are still awaited.
const SEND_ANYWAY_BYTES: usize = 16 << 10;

/// How long clients get to read their last replies when the server stops.
const DRAIN_MS: u64 = 3_000;

/// Items that a slice of background work examines: some tens of microseconds.
const SLICE_ITEMS: usize = 256;

/// `CLIENT PAUSE` as of this turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// There is none.
    No,
    /// Commands that write wait.
    Writes,
    /// All commands wait.
    All,
}

impl Pause {
    /// This command waits.
    #[inline]
    pub fn holds(self, command: &Command) -> bool {
        match self {
            Pause::No => false,
            Pause::Writes => command.is(flag::WRITE) || command.name == "exec",
            Pause::All => !command.is(flag::DURING_PAUSE),
        }
    }
}

/// When background work is due, `mono_us`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    housekeeping_us: u64,
    /// Time between two looks at what only needs one now and then (`hz`).
    housekeeping_ms: u64,
    /// A slice of background work has left more to do: do not sleep.
    work_left: bool,
    /// Background work may have changed what is published.
    publish: bool,
    /// The driver may give back what it does not need.
    rest: bool,
    /// Somebody waits for a time: do not sleep long.
    busy: bool,
    /// Where the walk over idle connections stands.
    walk: usize,
    /// The most of the allocator's memory that was held since it gave free pages back.
    most_bytes: u64,
}

impl Timers {
    /// All due now.
    pub fn new(now: Now) -> Timers {
        Timers {
            housekeeping_us: now.mono_us,
            housekeeping_ms: 100,
            work_left: false,
            publish: true,
            rest: false,
            busy: false,
            walk: 0,
            most_bytes: 0,
        }
    }
}

/// How far the core's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    /// It runs.
    No,
    /// Clients read their last replies, until this `mono_us` at most.
    Draining(u64),
    /// It has no clients; the others' may still need this shard.
    Drained,
}

/// Tells a client that there is no room, and closes. What does not fit into the socket at once is not sent.
pub(super) fn refuse(descriptor: OwnedFd, line: &[u8]) {
    let mut stream = std::net::TcpStream::from(descriptor);
    let _ = stream.set_nonblocking(true);
    let _ = stream.write(line);
}

impl Core {
    /// This core's counters.
    #[inline]
    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics[self.index as usize]
    }

    /// How long the next turn may sleep.
    pub(super) fn wait(&mut self) -> Wait {
        if self.timers.work_left
            || self.dumps.go_on()
            || self.handshakes.wait()
            || self.offload.wait()
            || !self.ready.is_empty()
            || !self.dirty.is_empty()
            || !self.own_mail.is_empty()
            || !self.mesh.may_sleep()
        {
            return Wait::Poll;
        }
        let ms = if self.timers.busy || self.mesh.is_congested() { 1 } else { self.timers.housekeeping_ms };
        let wait = Duration::from_millis(ms);
        let Some(at_us) = self.blocking.next_deadline_us() else { return Wait::For(wait) };
        match at_us.saturating_sub(self.now.mono_us) {
            0 => Wait::Poll,
            us => Wait::For(wait.min(Duration::from_micros(us))),
        }
    }

    /// Everything that a turn owes once the driver's events are told.
    pub(super) fn end_turn<D: Driver>(&mut self, driver: &mut D, wakers: &[Waker]) {
        self.refresh_now();
        self.end_timeouts();
        if self.handshakes.wait() {
            self.shake_hands();
        }
        self.open_mail();
        // Bounded: what is ready again and again has its next turn soon, after the others' sends.
        for _ in 0..READY_ROUNDS_MAX {
            if self.ready.is_empty() {
                break;
            }
            self.serve_ready();
            self.open_mail();
        }
        self.end_unblocked();
        self.background();
        self.go_on_dumping();
        if self.watched != 0 {
            self.tell_of_evictions();
        }
        self.tell_events();
        self.publish();
        if self.timers.publish {
            self.publish_driver(&driver.figures());
        }
        let mut posted = 0;
        let sent =
            self.mesh.flush(|core| driver.wake(&wakers[core as usize]), |mail| posted += mail.buffer_bytes());
        self.metrics().add(Counter::Mails, sent as u64);
        self.metrics().add(Counter::MailBytesPosted, posted);
        self.buffers.outbox = self.mesh.waiting().map(Mail::buffer_bytes).sum();
        if std::mem::take(&mut self.timers.rest) {
            driver.rest();
        }
        self.buffers.receiving = driver.receive_bytes();
        self.metrics().add(Counter::Turns, 1);
        self.adopt(driver);
        self.close_doomed();
        if !self.suspects.is_empty() {
            self.look_at_suspects(driver);
        }
        if !self.blocks_wanting.is_empty() {
            self.hand_out_blocks(driver);
        }
        if self.offload.wait() {
            self.hand_over(driver);
        }
        self.flush(driver);
        self.settle_buffers();
        self.take_times();
        for (id, pause) in self.throttles.drain(..) {
            // Asked for by this client, not by one whose slot it has got since.
            let connection = &self.connections[id as usize];
            if connection.client_id != 0 && connection.paused == pause {
                if pause { driver.pause(Socket(id)) } else { driver.resume(Socket(id)) }
            }
        }
        self.stop_by_steps(driver);
    }

    /// Takes over parameters that `CONFIG SET` has changed.
    pub(super) fn read_parameters(&mut self) {
        let parameters = &self.shared.parameters;
        self.parameters_seen = parameters.changes();
        self.limits.bulk_bytes_max = parameters.number(Name::ProtoMaxBulkLen) as u64;
        self.limits.value_bytes_max = parameters.memcache_value_bytes_max();
        self.shard.memcache_value_bytes_max = self.limits.value_bytes_max;
        let budget = parameters.maxmemory_bytes() / u64::from(self.shared.cores());
        self.inputs_bytes_max = (budget / INPUT_SHARE).max(INPUTS_BYTES_MIN);
        self.buffers.bytes_max = (budget / BUFFER_SHARE).max(BUFFERS_BYTES_MIN);
        slabs::keep_spare_blobs((budget / SPARE_SHARE).min(SPARE_BYTES_MAX));
        let clients = parameters.number(Name::MaxmemoryClients) as u64 / u64::from(self.shared.cores());
        if clients > 0 {
            self.buffers.bytes_max = self.buffers.bytes_max.min(clients);
        }
        (self.buffers.output_limit, self.buffers.listener_limit) = parameters.output_limits();
        self.limits.request_bytes_max = parameters.number(Name::ClientQueryBufferLimit) as u64;
        if budget != self.shard.store.ledger().budget
            && let Err(error) = self.shard.store.set_budget(budget)
        {
            log::warn!("maxmemory stays as it was on core {}: {error}", self.index);
        }
        self.shard.store.set_policy(parameters.policy());
        self.shard.store.set_goal(parameters.eviction_goal());
        self.shard.lfu = parameters.policy_name().ends_with("-lfu");
        let delimiter = parameters.text(Name::PrefixDelimiter);
        self.shard.prefixes.delimiter = delimiter.first().copied().unwrap_or(DELIMITER);
        let small = |name| parameters.number(name) as usize;
        self.shard.limits = Limits {
            hash_entries: small(Name::HashMaxListpackEntries),
            hash_value_bytes: small(Name::HashMaxListpackValue),
            set_ints: small(Name::SetMaxIntsetEntries),
            set_entries: small(Name::SetMaxListpackEntries),
            set_value_bytes: small(Name::SetMaxListpackValue),
            list: Fill::of_parameter(parameters.number(Name::ListMaxListpackSize)),
            sorted_entries: small(Name::ZsetMaxListpackEntries),
            sorted_value_bytes: small(Name::ZsetMaxListpackValue),
        };
        let events = parameters.number(Name::NotifyKeyspaceEvents) as u16;
        self.slowlog.follow(parameters);
        self.time_all = self.slowlog.wants(999);
        self.timers.housekeeping_ms = 1000 / parameters.number(Name::Hz).max(1) as u64;
        log::set_max_level(parameters.log_level());
        self.timers.work_left = true;
        self.set_events(events);
    }

    /// Looks at the few switches that concern every request, once a turn, before its first request.
    pub(super) fn read_switches(&mut self) {
        if self.shared.parameters.changes() != self.parameters_seen {
            self.read_parameters();
        }
        let until = self.shared.pause_until_ms.load(Ordering::Acquire);
        self.pause = if until <= self.now.mono_ms() {
            Pause::No
        } else if self.shared.pause_all.load(Ordering::Relaxed) {
            Pause::All
        } else {
            Pause::Writes
        };
        // Clients of users that are gone are closed, though they ask nothing.
        self.follow_users(0);
        self.monitored = self.shared.monitors.load(Ordering::Relaxed) > 0;
        self.look_for_watchers();
        if self.pause == Pause::No && !self.sleepers.is_empty() {
            self.wake_sleepers();
        }
    }

    fn wake_sleepers(&mut self) {
        let sleepers = std::mem::take(&mut self.sleepers);
        for id in sleepers {
            let connection = &mut self.connections[id as usize];
            match connection.hold {
                Hold::Sleep(until_us) if until_us > self.now.mono_us => self.sleepers.push(id),
                Hold::Pause | Hold::Sleep(_) => {
                    connection.hold = Hold::None;
                    self.mark_ready(id);
                }
                _ => {}
            }
        }
    }

    fn serve_ready(&mut self) {
        for id in std::mem::take(&mut self.ready) {
            let connection = &mut self.connections[id as usize];
            connection.ready = false;
            if connection.client_id == 0 {
                continue;
            }
            if connection.serves() && connection.has_input() {
                self.sampling.waiting_since_us = self.connections[id as usize].held_since_us;
                self.serve_held(id);
                self.sampling.waiting_since_us = u64::MAX;
            }
            self.mark_dirty(id);
        }
    }

    /// Expiry, flushed databases, evicting to a smaller budget, idle clients: all in slices.
    fn background(&mut self) {
        let now_ms = self.now.unix_ms;
        let mut left = self.shard.purge_step(SLICE_ITEMS);
        left |= self.shard.shed_slice();
        left |= self.go_on_copying();
        left |= self.go_on_leaving();
        left |= self.go_on_forgetting();
        left |= self.shard.active_expire && self.shard.due.any(now_ms) && self.shard.reap_fields();
        left |= !self.shard.store.settle(SLICE_ITEMS / 4, now_ms);
        let due = self.now.mono_us >= self.timers.housekeeping_us;
        let crawls = self.shard.active_expire && self.shared.tuning.crawler.load(Ordering::Relaxed);
        if crawls && (due || self.timers.work_left) {
            left |= self.shard.store.sweep(now_ms, SLICE_ITEMS).pending;
        }
        self.timers.publish = due || left || self.timers.work_left;
        self.timers.work_left = left;
        self.timers.busy = !self.sleepers.is_empty();
        if due {
            self.timers.housekeeping_us = self.now.mono_us + self.timers.housekeeping_ms * 1000;
            self.look_at_idle();
            self.shard.sample_lifetimes();
            self.shard.look_for_big_keys();
            self.pool.shrink();
            slabs::rest_spare_blobs();
            self.timers.rest = true;
            let ledger = self.shard.store.ledger();
            let total = ledger.total();
            // Pages and the index come from the kernel and go back to it by themselves.
            let allocated = total - ledger.pages - ledger.index;
            let peak = self.metrics().get(Counter::PeakBytes);
            self.metrics().set(Counter::PeakBytes, peak.max(total));
            // After a flush, under a lower limit, when very many have expired, or when pages have taken the place of large values.
            self.timers.most_bytes = self.timers.most_bytes.max(allocated);
            let much = (ledger.budget / GIVE_BACK_SHARE).max(GIVE_BACK_BYTES_MIN);
            if !left && allocated + much < self.timers.most_bytes {
                slabs::give_back_freed_memory();
                self.timers.most_bytes = allocated;
            }
        }
    }

    /// A slice of the connections: those that rest give memory back, those that hang are closed.
    fn look_at_idle(&mut self) {
        const SLICE: usize = 1000;
        let timeout_ms = self.shared.parameters.number(Name::Timeout) as u64 * 1000;
        let total = self.connections.len();
        for _ in 0..SLICE.min(total) {
            self.timers.walk = (self.timers.walk + 1) % total;
            let id = self.timers.walk;
            let connection = &mut self.connections[id];
            if connection.client_id == 0 {
                continue;
            }
            let Some(session) = self.sessions.get_mut(id as SessionId) else { continue };
            session.query_bytes = connection.input_bytes().min(u32::MAX as usize) as u32;
            session.output_bytes = connection.unsent_bytes().min(u32::MAX as usize) as u32;
            let idle_ms = self.now.mono_ms().saturating_sub(session.active_ms);
            if idle_ms > 1000 {
                connection.rest();
                self.buffers.recount(connection);
            }
            if (connection.sending || connection.hold == Hold::Output)
                && self.now.mono_us.saturating_sub(connection.moved_us) > READER_LOOK_MS * 1000
            {
                self.suspects.push(id as SessionId);
            }
            if connection.over_soft_us != 0 {
                // The soft limit is looked at again, though nothing happens.
                self.suspects.push(id as SessionId);
            }
            let listens = session.is_listening()
                || session.monitor
                || session.watches != 0
                || matches!(connection.hold, Hold::Dump | Hold::Blocked);
            // Who reads a long reply is not idle meanwhile; whether it does is looked at now and then.
            let unmoved_ms = self.now.mono_us.saturating_sub(connection.moved_us) / 1000;
            let reads = connection.sending && unmoved_ms <= timeout_ms.max(2 * READER_LOOK_MS);
            let timed_out = timeout_ms > 0 && idle_ms > timeout_ms && !listens && !reads;
            let timed_out =
                timed_out || self.dawdles(id as SessionId, idle_ms) || self.shakes_too_long(id as SessionId);
            if timed_out && self.connections[id].closing < Closing::Now {
                self.connections[id].closing = Closing::Now;
                self.mark_dirty(id as SessionId);
            }
            if !self.offload.is_empty()
                && self.connections[id].closing == Closing::No
                && self.wears_its_key_out(id as SessionId)
            {
                self.connections[id].closing = Closing::AfterReplies;
                self.mark_dirty(id as SessionId);
            }
        }
    }

    /// Closes those whose peer has taken nothing for too long. One that reads slowly is left in peace.
    #[cold]
    fn look_at_suspects<D: Driver>(&mut self, driver: &D) {
        for id in std::mem::take(&mut self.suspects) {
            let connection = &mut self.connections[id as usize];
            if connection.client_id == 0 || connection.closing >= Closing::Now {
                continue;
            }
            self.mark_dirty(id);
            let connection = &mut self.connections[id as usize];
            if connection.sending
                && let Ok(untaken) = driver.untaken(Socket(id))
            {
                let before = std::mem::replace(&mut connection.untaken_bytes, untaken);
                if before != u64::MAX && untaken < before {
                    connection.moved_us = self.now.mono_us;
                }
            }
            let patience_ms =
                if connection.closing == Closing::No { STALLED_READER_MS } else { STALLED_LEAVER_MS };
            if self.now.mono_us.saturating_sub(connection.moved_us) > patience_ms * 1000 {
                connection.closing = Closing::Now;
            }
        }
    }

    /// Publishes what others read, before the replies of the turn leave.
    fn publish(&mut self) {
        let metrics = &self.shared.metrics[self.index as usize];
        let traffic = self.shard.traffic;
        metrics.set(Counter::Hits, traffic.hits);
        metrics.set(Counter::Misses, traffic.misses);
        self.shard.memcache.publish_changed(metrics);
        metrics.sample(self.now.mono_us);
        if metrics.get(Counter::Changes) == traffic.changes && !self.timers.publish {
            return;
        }
        metrics.set(Counter::Changes, traffic.changes);
        let store = &self.shard.store;
        let ledger = store.ledger();
        metrics.set(Counter::UsedBytes, ledger.total());
        metrics.set(Counter::IndexBytes, ledger.index);
        metrics.set(Counter::DatasetBytes, ledger.data() - ledger.index);
        metrics.set(Counter::BufferBytes, ledger.buffers);
        metrics.set(Counter::LentBytes, store.lent_bytes());
        metrics.set(Counter::PageBytes, ledger.pages);
        metrics.set(Counter::LargeBytes, ledger.large);
        metrics.set(Counter::EvictionBytes, ledger.ghosts + ledger.order + ledger.tables);
        metrics.set(Counter::HeapBytes, ledger.heap);
        let counters = store.counters();
        metrics.set(Counter::EvictedUnread, counters.evicted_unread);
        metrics.set(Counter::GhostHits, counters.ghost_hits);
        metrics.set(Counter::PageMoves, counters.page_moves);
        metrics.set(Counter::Refused, counters.refused);
        metrics.set(Counter::Expired, counters.expired);
        metrics.set(Counter::Evicted, counters.evicted);
        if self.shard.take_counts_changed() || self.timers.publish {
            self.publish_databases();
        }
    }

    /// The part of `publish` that few changes concern: what each database has.
    fn publish_databases(&self) {
        let metrics = &self.shared.metrics[self.index as usize];
        let mut items = 0;
        for db in 0..self.shard.databases() {
            let len = self.shard.len_db(db);
            items += len;
            metrics.set_db(db, len, self.shard.store.expires_db(self.shard.physical(db)));
            metrics.set_lifetime(db, self.shard.lifetimes.average_ms(db));
        }
        // What a flush has left to be purged is nobody's item any more.
        metrics.set(Counter::Items, items);
    }

    /// Publishes what the driver has counted.
    fn publish_driver(&self, figures: &Figures) {
        let metrics = self.metrics();
        metrics.set(Counter::IoSubmissions, figures.submissions);
        metrics.set(Counter::IoEnters, figures.enters);
        metrics.set(Counter::IoStarved, figures.starved);
        metrics.set(Counter::IoOverflows, figures.overflows);
    }

    /// Takes over clients that were dealt to this core.
    fn adopt<D: Driver>(&mut self, driver: &mut D) {
        if !self.newcomers.is_empty() {
            self.follow_users(0);
        }
        for (descriptor, door) in std::mem::take(&mut self.newcomers) {
            let fd = descriptor.as_raw_fd();
            let Ok(tls) = self.begin_tls(door) else {
                self.shared.load[self.index as usize].fetch_sub(1, Ordering::Relaxed);
                continue;
            };
            keep_alive(&descriptor, self.shared.parameters.number(Name::TcpKeepalive) as u64);
            let Ok(socket) = driver.adopt(descriptor) else {
                self.shared.load[self.index as usize].fetch_sub(1, Ordering::Relaxed);
                continue;
            };
            let id = socket.0;
            let http = self.shared.parameters.number(Name::HttpAdminConsole) != 0;
            let (door, parser) = doors(door, http);
            let client_id = self.shared.client_id();
            let mut session = Session::new(client_id, door, false, self.now.mono_ms());
            match door {
                Door::Resp => session.log_out(self.users.default_user()),
                Door::Memcache => session.authenticated = !self.shared.asks_memcache_users(),
            }
            session.fd = fd;
            if let Ok(peer) = driver.peer(socket) {
                session.unix = matches!(peer, Peer::Unix(_));
                (session.peer, session.local) = match peer {
                    Peer::Ip { peer, local } => (peer.to_string(), local.to_string()),
                    Peer::Unix(path) => (format!("{}:0", path.display()), format!("{}:0", path.display())),
                };
            }
            if self.connections.len() <= id as usize {
                self.connections.resize_with(id as usize + 1, Connection::free);
            }
            let flags = (self.connections[id as usize].dirty, self.connections[id as usize].ready);
            self.connections[id as usize] = Connection::open(client_id, parser, self.now.mono_us);
            (self.connections[id as usize].dirty, self.connections[id as usize].ready) = flags;
            if tls.is_some() {
                self.connections[id as usize].tls = tls;
                self.buffers.recount(&mut self.connections[id as usize]);
            }
            self.sessions.insert(id, session);
            self.log_client(id, "is there");
            if self.watched & topic::CONNEVENTS != 0 {
                self.tell_of_client(id, None);
            }
            self.metrics().add(Counter::ConnectionsReceived, 1);
            self.metrics().set(Counter::Connections, u64::from(self.sessions.len()));
        }
    }

    /// Clients that a command has marked (`CLIENT KILL`).
    fn close_doomed(&mut self) {
        for (id, by_itself) in std::mem::take(&mut self.sessions.doomed) {
            if self.sessions.get(id).is_some_and(|session| session.doomed) {
                // Who kills itself still reads the reply; others may not read at all, and go at once.
                let closing = if by_itself { Closing::AfterReplies } else { Closing::Now };
                let connection = &mut self.connections[id as usize];
                connection.closing = connection.closing.max(closing);
                self.mark_dirty(id);
            }
        }
    }

    /// Sends what is ready, closes what has ended.
    fn flush<D: Driver>(&mut self, driver: &mut D) {
        // Nothing becomes dirty meanwhile.
        for index in 0..self.dirty.len() {
            let id = self.dirty[index];
            self.check_output_limit(id);
            let connection = &mut self.connections[id as usize];
            connection.dirty = false;
            if connection.client_id == 0 {
                continue;
            }
            if connection.closing == Closing::Told {
                self.buffers.recount(connection);
                continue;
            }
            let whole = connection.line.is_empty()
                || connection.pushed
                || connection.out.len() + connection.pieces_bytes > SEND_ANYWAY_BYTES;
            if whole
                && !connection.sending
                && !connection.out.is_empty()
                && connection.closing != Closing::Now
            {
                let buffer = std::mem::take(&mut connection.out);
                connection.sending_bytes = buffer.len();
                connection.sending_capacity = buffer.capacity();
                let output = if connection.pieces.is_empty() {
                    Outgoing::Bytes(buffer)
                } else {
                    connection.take_pieces(buffer)
                };
                connection.sending = true;
                connection.pushed = false;
                connection.moved_us = self.now.mono_us;
                connection.untaken_bytes = u64::MAX;
                let waits =
                    connection.hold == Hold::Output || connection.closing != Closing::No || connection.ended;
                let report = if waits { Report::AtOnce } else { Report::Lazily };
                if let Some(secure) = &mut connection.tls {
                    secure.begin(output);
                    self.send_sealed(id, report, driver);
                } else {
                    driver.send(Socket(id), output, report);
                }
            } else if connection.tls.is_some() {
                self.send_sealed(id, Report::AtOnce, driver);
            }
            let connection = &mut self.connections[id as usize];
            let drained = connection.has_answered()
                && (connection.closing == Closing::AfterReplies
                    || connection.ended
                        && matches!(connection.hold, Hold::None | Hold::Watch)
                        && !connection.ready)
                && !connection.tls.as_ref().is_some_and(|secure| secure.is_busy());
            if connection.closing == Closing::Now || drained {
                connection.closing = Closing::Told;
                if connection.tls.is_some() {
                    self.say_goodbye(id, driver);
                } else if !self.offload.is_empty() {
                    self.say_kernel_goodbye(id, driver);
                }
                driver.close(Socket(id));
            } else if connection.out.is_empty() && connection.out.capacity() > 0 {
                let buffer = std::mem::take(&mut connection.out);
                self.pool.give(buffer);
            }
            let connection = &mut self.connections[id as usize];
            if connection.queued_bytes > 0
                && connection.hold != Hold::Blocked
                && self.sessions.get(id).is_none_or(|session| session.multi.is_none())
            {
                connection.queued_bytes = 0;
            }
            self.buffers.recount(connection);
        }
        self.dirty.clear();
    }

    /// Brings the core to its end once the server stops: no listeners, last replies, no clients.
    fn stop_by_steps<D: Driver>(&mut self, driver: &mut D) {
        match self.stopping {
            Stopping::No if self.shared.stopping.load(Ordering::Acquire) => {
                driver.stop_listening();
                self.stopping = Stopping::Draining(self.now.mono_us + DRAIN_MS * 1000);
                self.close_all(Closing::AfterReplies);
                self.timers.busy = true;
            }
            Stopping::Draining(until_us) => {
                // Replies may wait for other cores, so mail is served on.
                if self.now.mono_us > until_us {
                    self.close_all(Closing::Now);
                }
                if self.sessions.is_empty() {
                    self.stopping = Stopping::Drained;
                    self.shared.drained.fetch_add(1, Ordering::AcqRel);
                }
                self.timers.busy = true;
            }
            Stopping::Drained => self.timers.busy = true,
            Stopping::No => {}
        }
    }

    fn close_all(&mut self, closing: Closing) {
        for id in 0..self.connections.len() {
            let connection = &mut self.connections[id];
            // Who waits for something will not be answered.
            let closing = if connection.hold == Hold::Blocked { Closing::Now } else { closing };
            if connection.client_id != 0 && connection.closing < closing {
                connection.closing = closing;
                self.mark_dirty(id as SessionId);
            }
        }
    }

    /// All cores are without clients.
    pub(super) fn has_stopped(&self) -> bool {
        self.stopping == Stopping::Drained
            && self.shared.drained.load(Ordering::Acquire) == self.shared.cores()
    }

    /// Sends a monitor line to the cores that have monitors.
    pub(super) fn post_to_all_others(&mut self, mail: impl Fn() -> Mail) {
        for core in (0..self.shared.cores()).filter(|&core| core != self.index) {
            self.mesh.post(core, mail());
        }
    }

    /// A session's facts for a reply that nobody asked for.
    pub(super) fn client_of(&self, id: SessionId) -> Client {
        self.client(id)
    }
}

/// Has the kernel probe a client that is silent for so long. Sockets that are not TCP have no need of it.
fn keep_alive(descriptor: &OwnedFd, secs: u64) {
    if secs > 0 {
        let (silence, between) = (Duration::from_secs(secs), Duration::from_secs((secs / 3).max(1)));
        let probes = TcpKeepalive::new().with_time(silence).with_interval(between).with_retries(3);
        let _ = SockRef::from(descriptor).set_tcp_keepalive(&probes);
    }
}

fn doors(door: ListenerDoor, http: bool) -> (Door, Parser) {
    if door.0 & !DOOR_TLS_BIT == DOOR_MEMCACHE.0 {
        (Door::Memcache, Parser::MemcacheUndecided)
    } else if http {
        (Door::Resp, Parser::Fresh)
    } else {
        (Door::Resp, Parser::Resp(resp::Parser::new()))
    }
}
