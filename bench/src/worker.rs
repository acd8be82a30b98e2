//! One thread's loop: its connections, what they send and when.

use crate::checker::{Expected, Flight};
use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::keys::Chooser;
use crate::options::{Arrivals, Ttl};
use crate::random::Random;
use crate::request::Writer;
use crate::server::Server;
use crate::tally::{Kind, Tally};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

/// Replies that are still awaited when time is up get so long.
const DRAIN_NS: u64 = 2_000_000_000;

/// Between two reports of progress, and between two looks at whether to stop.
const PUBLISH_NS: u64 = 100_000_000;

/// What all workers share.
#[derive(Debug)]
pub struct Common {
    /// Where to connect.
    pub server: Server,
    /// What replies must be.
    pub expected: Expected,
    /// Writes requests.
    pub writer: Writer,
    /// Everybody stops: the user has asked for it, or one worker has failed.
    pub stop: Arc<AtomicBool>,
    /// Lost connections, of all workers.
    pub reconnects: AtomicU64,
    /// How many of them are put up with.
    pub reconnects_max: u64,
    /// Without a reply for so long, the server is given up.
    pub timeout_ns: u64,
    /// Times are nanoseconds since then.
    pub origin: Instant,
}

/// What a worker has done since it was last asked.
#[derive(Debug, Default)]
pub struct Interval {
    /// Latencies of requests answered.
    pub latency: Histogram,
    /// Errors since the start.
    pub errors: u64,
}

/// When a worker's requests are due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Mean time between two requests of one connection, in nanoseconds.
    pub gap_ns: f64,
    /// How they are spaced.
    pub arrivals: Arrivals,
}

/// What a worker is to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// Share of requests that read.
    pub gets: f64,
    /// Keys per read.
    pub mget: usize,
    /// Missed keys are stored.
    pub fill: bool,
    /// Life of what is stored.
    pub ttl: Ttl,
    /// Which keys.
    pub chooser: Chooser,
    /// Requests in flight on each connection.
    pub pipeline: usize,
    /// Requests of this worker, if that is what ends the load.
    pub requests: Option<u64>,
    /// Nanoseconds before measuring, and of measuring.
    pub warmup_ns: u64,
    /// See `warmup_ns`; `None` where `requests` ends the load.
    pub time_ns: Option<u64>,
    /// Open loop.
    pub schedule: Option<Schedule>,
}

/// One thread's connections and what it has measured.
#[derive(Debug)]
pub struct Worker {
    common: Arc<Common>,
    connections: Vec<Connection>,
    /// The number of each connection among those of all threads is `number + index * threads`.
    number: u64,
    threads: u64,
    epoll: OwnedFd,
    random: Random,
    /// What was measured.
    pub tally: Tally,
    /// Shared with the thread that shows progress.
    pub interval: Arc<Mutex<Interval>>,
    unpublished: Histogram,
    buffer: Vec<u8>,
    keys: Vec<u64>,
    dirty: Vec<u32>,
    /// Open loop: when each connection's next request is due.
    dues: BinaryHeap<Reverse<(u64, u32)>>,
    in_flight: usize,
    left: u64,
    sending: bool,
    from_ns: u64,
    end_ns: u64,
    replied_ns: u64,
}

impl Worker {
    /// Opens the connections of one thread of `threads`.
    pub fn connect(
        common: &Arc<Common>,
        connections: u32,
        number: u32,
        threads: u32,
        seed: u64,
    ) -> Result<Worker, String> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| format!("epoll: {error}"))?;
        let mut worker = Worker {
            common: common.clone(),
            connections: Vec::new(),
            number: u64::from(number),
            threads: u64::from(threads),
            epoll,
            random: Random::new(seed, u64::from(number)),
            tally: Tally::default(),
            interval: Arc::default(),
            unpublished: Histogram::default(),
            buffer: vec![0; READ_BYTES],
            keys: Vec::new(),
            dirty: Vec::new(),
            dues: BinaryHeap::new(),
            in_flight: 0,
            left: 0,
            sending: false,
            from_ns: 0,
            end_ns: u64::MAX,
            replied_ns: 0,
        };
        for index in 0..connections {
            let connection = worker.open(index)?;
            worker.connections.push(connection);
        }
        Ok(worker)
    }

    fn open(&self, index: u32) -> Result<Connection, String> {
        let connection = Connection::new(self.common.server.connect()?);
        let data = EventData::new_u64(u64::from(index));
        epoll::add(&self.epoll, connection.stream(), data, EventFlags::IN)
            .map_err(|error| format!("epoll: {error}"))?;
        Ok(connection)
    }

    fn now_ns(&self) -> u64 {
        self.common.origin.elapsed().as_nanos() as u64
    }

    /// Runs a load to its end. Returns the nanoseconds that were measured.
    pub fn run(&mut self, load: &mut Load) -> Result<u64, String> {
        let start = self.now_ns();
        self.from_ns = start + load.warmup_ns;
        let end = load.time_ns.map_or(u64::MAX, |time| self.from_ns + time);
        self.end_ns = end;
        self.left = load.requests.unwrap_or(u64::MAX);
        self.sending = self.left > 0;
        self.replied_ns = start;
        let mut warm = load.warmup_ns > 0;
        self.begin(load, start)?;
        let (mut ended, mut publish) = (start, start + PUBLISH_NS);
        let mut events = Vec::with_capacity(512);
        while self.sending || self.in_flight > 0 {
            self.wait(&mut events, publish.min(if self.sending { end } else { u64::MAX }))?;
            for event in events.drain(..) {
                let (index, flags) = (event.data.u64() as u32, event.flags);
                self.ready(index, flags, load)?;
            }
            let now = self.now_ns();
            if warm && now >= self.from_ns {
                warm = false;
                self.forget_warmup();
            }
            if self.sending {
                self.send_due(load, now);
                let stopped = self.left == 0 || now >= end || self.common.stop.load(Ordering::Relaxed);
                if stopped {
                    self.sending = false;
                    ended = now;
                    self.count_unsent(load, end.min(now));
                }
            } else if now > ended + DRAIN_NS {
                break;
            }
            self.flush(load)?;
            if self.in_flight > 0 && now.saturating_sub(self.replied_ns) > self.common.timeout_ns {
                let seconds = self.common.timeout_ns as f64 / 1e9;
                return Err(format!("{}: no reply for {seconds} s", self.common.server));
            }
            if now >= publish {
                self.publish();
                publish = now + PUBLISH_NS;
            }
        }
        self.publish();
        self.tally.errors.unanswered += self.in_flight as u64;
        Ok(self.now_ns().saturating_sub(self.from_ns))
    }

    /// What was measured before is no part of the result; errors are.
    pub fn forget_warmup(&mut self) {
        let old = std::mem::take(&mut self.tally);
        self.tally.errors = old.errors;
        self.tally.samples = old.samples;
    }

    fn begin(&mut self, load: &mut Load, start: u64) -> Result<(), String> {
        self.dues.clear();
        let Some(schedule) = load.schedule else {
            for index in 0..self.connections.len() as u32 {
                self.refill(index, load);
            }
            return self.flush(load);
        };
        // Sleeps end on time, not up to 50 us later; where that is refused, they do not.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let all = self.connections.len() as f64 * self.threads as f64;
        for index in 0..self.connections.len() {
            let place = match schedule.arrivals {
                Arrivals::Even => (self.number + index as u64 * self.threads) as f64 / all,
                Arrivals::Poisson => self.random.exponential(),
            };
            let due = start + (schedule.gap_ns * place) as u64;
            self.connections[index].due_ns = due;
            self.connections[index].late = false;
            self.dues.push(Reverse((due, index as u32)));
        }
        Ok(())
    }

    /// Sleeps until a socket is ready, a request is due, or it is `until`.
    fn wait(&mut self, events: &mut Vec<Event>, until: u64) -> Result<(), String> {
        let mut until = until;
        if self.sending
            && let Some(Reverse((due, _))) = self.dues.peek()
        {
            until = until.min(*due);
        }
        let left = Duration::from_nanos(until.saturating_sub(self.now_ns()));
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(format!("epoll: {error}")),
        }
    }

    /// A socket can be read or written.
    fn ready(&mut self, index: u32, flags: EventFlags, load: &mut Load) -> Result<(), String> {
        if flags.contains(EventFlags::OUT) {
            self.mark_dirty(index);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(());
        }
        let connection = &mut self.connections[index as usize];
        let bytes = match connection.read(&mut self.buffer) {
            Ok(None) => return Ok(()),
            Ok(Some(0)) => return self.lost(index, load, "closed by the server"),
            Ok(Some(bytes)) => bytes,
            Err(error) => return self.lost(index, load, &error.to_string()),
        };
        let now = self.common.origin.elapsed().as_nanos() as u64;
        self.replied_ns = now;
        self.tally.bytes_in += bytes as u64;
        let (from, unpublished, in_flight) = (self.from_ns, &mut self.unpublished, &mut self.in_flight);
        let fed = connection.checker.feed(
            &self.buffer[..bytes],
            now,
            &self.common.expected,
            &mut self.tally,
            &mut connection.missed,
            |tally, flight, ns| {
                *in_flight -= 1;
                unpublished.record(ns);
                if flight.start_ns >= from {
                    tally.record(flight.kind, ns);
                }
            },
        );
        if !load.fill {
            connection.missed.clear();
        }
        if let Err(why) = fed {
            self.tally.errors.protocol += 1;
            return self.lost(index, load, &why);
        }
        self.refill(index, load);
        Ok(())
    }

    /// Sends what a connection may send by now.
    fn refill(&mut self, index: u32, load: &mut Load) {
        let connection = &mut self.connections[index as usize];
        if !self.sending {
            return;
        }
        if load.schedule.is_some() {
            if connection.late {
                connection.late = false;
                let now = self.now_ns();
                self.catch_up(index, load, now);
            }
        } else if connection.checker.in_flight() == 0 {
            let now = self.now_ns();
            for _ in 0..(load.pipeline as u64).min(self.left) {
                self.request(index, load, now);
            }
            self.mark_dirty(index);
        }
    }

    fn send_due(&mut self, load: &mut Load, now: u64) {
        while let Some(&Reverse((due, index))) = self.dues.peek() {
            if due > now.min(self.end_ns) {
                break;
            }
            self.dues.pop();
            self.catch_up(index, load, now);
        }
    }

    /// Open loop: writes requests that are due, as far as the pipeline goes.
    fn catch_up(&mut self, index: u32, load: &mut Load, now: u64) {
        let Some(schedule) = load.schedule else { return };
        // A worker that wakes late sends nothing that is due after the end.
        let now = now.min(self.end_ns);
        while self.left > 0 {
            let connection = &mut self.connections[index as usize];
            let due = connection.due_ns;
            if due > now {
                self.dues.push(Reverse((due, index)));
                break;
            }
            if connection.checker.in_flight() >= load.pipeline {
                connection.late = true;
                break;
            }
            let gaps = match schedule.arrivals {
                Arrivals::Even => 1.0,
                Arrivals::Poisson => self.random.exponential(),
            };
            connection.due_ns = due + ((schedule.gap_ns * gaps) as u64).max(1);
            self.request(index, load, due);
        }
        self.mark_dirty(index);
    }

    /// Writes one request into a connection's buffer.
    #[inline]
    fn request(&mut self, index: u32, load: &mut Load, start_ns: u64) {
        let connection = &mut self.connections[index as usize];
        let Expected { keys: text, values, .. } = &self.common.expected;
        let missed = connection.missed.pop();
        let get = missed.is_none() && (load.gets >= 1.0 || load.gets > 0.0 && self.random.unit() < load.gets);
        self.keys.clear();
        let kind = if get {
            for _ in 0..load.mget {
                self.keys.push(load.chooser.next(&mut self.random));
            }
            self.common.writer.get(&self.keys, text, &mut connection.out);
            Kind::Get
        } else {
            let key = missed.unwrap_or_else(|| load.chooser.next(&mut self.random));
            self.keys.push(key);
            let Ttl { low_secs, high_secs } = load.ttl;
            let spread = high_secs - low_secs;
            let ttl = low_secs + if spread > 0 { self.random.below(u64::from(spread) + 1) as u32 } else { 0 };
            self.common.writer.set(key, ttl, text, values, &mut connection.out);
            Kind::Set
        };
        let flight = Flight { kind, keys: self.keys.len() as u32, start_ns };
        connection.checker.expect(flight, &self.keys);
        self.in_flight += 1;
        self.left -= 1;
    }

    fn mark_dirty(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(index);
        }
    }

    /// Writes all that waits.
    fn flush(&mut self, load: &mut Load) -> Result<(), String> {
        while let Some(index) = self.dirty.pop() {
            let connection = &mut self.connections[index as usize];
            connection.dirty = false;
            match connection.write() {
                Ok(bytes) => self.tally.bytes_out += bytes as u64,
                Err(error) => {
                    self.lost(index, load, &error.to_string())?;
                    continue;
                }
            }
            let blocked = connection.has_unwritten();
            if blocked != connection.blocked {
                connection.blocked = blocked;
                let flags = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
                epoll::modify(&self.epoll, connection.stream(), EventData::new_u64(u64::from(index)), flags)
                    .map_err(|error| format!("epoll: {error}"))?;
            }
        }
        Ok(())
    }

    /// A connection is of no further use: another takes its place.
    #[cold]
    fn lost(&mut self, index: u32, load: &mut Load, why: &str) -> Result<(), String> {
        let server = &self.common.server;
        let words = format!("{server}: {why}");
        self.tally.errors.disconnects += 1;
        self.tally.sample(|| words.clone());
        let flying = self.connections[index as usize].checker.in_flight();
        self.in_flight -= flying;
        self.tally.errors.unanswered += flying as u64;
        if !self.sending && flying == 0 {
            // Nothing more is wanted of it; but it must not be told of again.
            let _ = epoll::delete(&self.epoll, self.connections[index as usize].stream());
            return Ok(());
        }
        let lost = self.common.reconnects.fetch_add(1, Ordering::Relaxed);
        if lost >= self.common.reconnects_max {
            return Err(format!("{words}; more than {} connections were lost", self.common.reconnects_max));
        }
        // The old one goes first: at the limit of descriptors or of clients there is no room for both.
        let _ = epoll::delete(&self.epoll, self.connections[index as usize].stream());
        let mut fresh = self.open(index).map_err(|error| format!("{words}; then {error}"))?;
        let old = &mut self.connections[index as usize];
        (fresh.due_ns, fresh.dirty) = (old.due_ns, old.dirty);
        if old.late {
            self.dues.push(Reverse((old.due_ns, index)));
        }
        *old = fresh;
        self.refill(index, load);
        Ok(())
    }

    /// Open loop: what should have been sent before the end and was not.
    fn count_unsent(&mut self, load: &Load, end: u64) {
        let Some(schedule) = load.schedule else { return };
        if self.left == 0 {
            return;
        }
        for connection in &self.connections {
            if connection.due_ns < end {
                self.tally.unsent += 1 + ((end - connection.due_ns) as f64 / schedule.gap_ns) as u64;
            }
        }
    }

    fn publish(&mut self) {
        let mut interval = self.interval.lock().expect("nobody panics with the lock");
        interval.latency.merge(&self.unpublished);
        interval.errors = self.tally.errors.total();
        self.unpublished.clear();
    }
}
