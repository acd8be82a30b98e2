//! A whole run: connections, preload, load, progress while it goes on.

use crate::checker::Expected;
use crate::keys::{Chooser, Distribution, KeyText};
use crate::options::Options;
use crate::request::Writer;
use crate::server::Server;
use crate::tally::Tally;
use crate::values::Values;
use crate::worker::{Common, Load, Schedule, Worker};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Requests in flight on each connection while keys are stored first, at least.
const PRELOAD_PIPELINE: usize = 16;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was measured.
    pub tally: Tally,
    /// For how long.
    pub seconds: f64,
    /// Keys stored first, and the seconds that it took.
    pub preload: Option<(u64, f64)>,
    /// Why the run ended early, if it did: one line.
    pub failure: Option<String>,
}

/// Runs what the options ask for. The error, one line, means that nothing was measured at all.
pub fn run(options: &Options) -> Result<Outcome, String> {
    options.check()?;
    let common = Arc::new(common(options)?);
    raise_descriptor_limit(options.connections)?;
    for signal in [SIGINT, SIGTERM] {
        // A second signal ends the process at once.
        signal_hook::flag::register_conditional_shutdown(signal, 2, common.stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, common.stop.clone()))
            .map_err(|error| format!("signals: {error}"))?;
    }
    let mut workers = Vec::new();
    for number in 0..options.threads {
        let connections = part(u64::from(options.connections), number, options.threads) as u32;
        workers.push(Worker::connect(&common, connections, number, options.threads, options.seed)?);
    }
    let mut outcome = Outcome::default();
    if options.preload {
        let begun = Instant::now();
        let done = phase(options, &common, &mut workers, "preload", preload);
        outcome.preload = Some((stored(&workers), begun.elapsed().as_secs_f64()));
        let unanswered: u64 = workers.iter().map(|worker| worker.tally.errors.unanswered).sum();
        outcome.failure = done.err();
        if unanswered > 0 && outcome.failure.is_none() {
            outcome.failure = Some(format!("preload: {unanswered} requests were not answered"));
        }
        workers.iter_mut().for_each(Worker::forget_warmup);
    }
    let wanted = options.requests != Some(0) && !common.stop.load(Ordering::Relaxed);
    if wanted && outcome.failure.is_none() {
        match phase(options, &common, &mut workers, "load", load) {
            Ok(seconds) => outcome.seconds = seconds,
            Err(line) => outcome.failure = Some(line),
        }
    }
    for worker in &workers {
        outcome.tally.merge(&worker.tally);
    }
    Ok(outcome)
}

fn common(options: &Options) -> Result<Common, String> {
    let key_bytes = usize::from(options.key_bytes);
    Ok(Common {
        server: Server::new(options)?,
        expected: Expected {
            protocol: options.proto,
            keys: KeyText::new(&options.key_prefix, key_bytes, options.keys)?,
            values: Values::new(options.value_bytes),
            verify: options.verify,
        },
        writer: Writer::new(options.proto, key_bytes),
        stop: Arc::new(AtomicBool::new(false)),
        reconnects: AtomicU64::new(0),
        reconnects_max: options.reconnects,
        timeout_ns: (options.timeout * 1e9) as u64,
        origin: Instant::now(),
    })
}

/// One thread's share of `whole`.
fn part(whole: u64, thread: u32, threads: u32) -> u64 {
    let (thread, threads) = (u64::from(thread), u64::from(threads));
    whole / threads + u64::from(thread < whole % threads)
}

fn stored(workers: &[Worker]) -> u64 {
    workers.iter().map(|worker| worker.tally.requests()).sum()
}

/// Every key once.
fn preload(options: &Options, thread: u32) -> Load {
    let threads = u64::from(options.threads);
    Load {
        gets: 0.0,
        mget: 1,
        fill: false,
        ttl: options.ttl,
        chooser: Chooser::new(Distribution::Sequential, options.keys, u64::from(thread), threads),
        pipeline: (options.pipeline as usize).max(PRELOAD_PIPELINE),
        requests: Some(part(options.keys, thread, options.threads)),
        warmup_ns: 0,
        time_ns: None,
        schedule: None,
    }
}

fn load(options: &Options, thread: u32) -> Load {
    let gap_ns = options.rate.map(|rate| 1e9 * f64::from(options.connections) / rate);
    Load {
        gets: options.gets,
        mget: options.mget as usize,
        fill: options.fill,
        ttl: options.ttl,
        chooser: Chooser::new(
            options.distribution,
            options.keys,
            u64::from(thread),
            u64::from(options.threads),
        ),
        pipeline: options.pipeline as usize,
        requests: options.requests.map(|requests| part(requests, thread, options.threads)),
        warmup_ns: (options.warmup * 1e9) as u64,
        time_ns: options.requests.is_none().then_some((options.time * 1e9) as u64),
        schedule: gap_ns.map(|gap_ns| Schedule { gap_ns, arrivals: options.arrivals }),
    }
}

/// All workers run a load, and progress is shown. Returns the longest time that one has measured.
fn phase(
    options: &Options,
    common: &Common,
    workers: &mut [Worker],
    name: &str,
    load: fn(&Options, u32) -> Load,
) -> Result<f64, String> {
    let intervals: Vec<_> = workers.iter().map(|worker| worker.interval.clone()).collect();
    let mut progress = Progress::new(name, options.quiet);
    std::thread::scope(|scope| {
        let (sender, done) = channel();
        for (thread, worker) in workers.iter_mut().enumerate() {
            let sender = sender.clone();
            let mut load = load(options, thread as u32);
            scope.spawn(move || {
                let result = worker.run(&mut load);
                if result.is_err() {
                    common.stop.store(true, Ordering::Relaxed);
                }
                // The receiver lives as long as the scope.
                let _ = sender.send(result);
            });
        }
        drop(sender);
        let mut outcome = Ok(0);
        loop {
            match done.recv_timeout(progress.left()) {
                Ok(Ok(ns)) => outcome = outcome.map(|longest: u64| longest.max(ns)),
                Ok(Err(line)) => outcome = outcome.and(Err(line)),
                Err(RecvTimeoutError::Timeout) => progress.show(&intervals),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        outcome.map(|ns| ns as f64 / 1e9)
    })
}

type Intervals = [Arc<std::sync::Mutex<crate::worker::Interval>>];

/// A line every second.
struct Progress {
    name: String,
    quiet: bool,
    start: Instant,
    shown: u32,
    last: Instant,
}

impl Progress {
    fn new(name: &str, quiet: bool) -> Progress {
        let now = Instant::now();
        Progress { name: name.into(), quiet, start: now, shown: 0, last: now }
    }

    /// Until the next line.
    fn left(&self) -> Duration {
        (self.start + Duration::from_secs(u64::from(self.shown) + 1))
            .saturating_duration_since(Instant::now())
    }

    fn show(&mut self, intervals: &Intervals) {
        let now = Instant::now();
        let seconds = now.duration_since(self.last).as_secs_f64().max(1e-9);
        self.last = now;
        self.shown += 1;
        let (mut latency, mut errors) = (crate::histogram::Histogram::default(), 0);
        for interval in intervals {
            let mut interval = interval.lock().expect("nobody panics with the lock");
            latency.merge(&interval.latency);
            errors += interval.errors;
            interval.latency.clear();
        }
        if self.quiet {
            return;
        }
        let us = |percent| latency.percentile(percent) as f64 / 1e3;
        eprintln!(
            "{} {:4} s {:>10.0} requests/s   p50 {:>8.1}  p99 {:>8.1}  max {:>8.1} us   {errors} errors",
            self.name,
            self.shown,
            latency.count() as f64 / seconds,
            us(50.0),
            us(99.0),
            latency.max() as f64 / 1e3,
        );
    }
}

/// As many descriptors as the connections need.
fn raise_descriptor_limit(connections: u32) -> Result<(), String> {
    let needed = u64::from(connections) + 64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < needed) {
        return Err(format!(
            "--connections {connections}: {needed} file descriptors are needed, {} are allowed (ulimit -n)",
            maximum.unwrap_or_default()
        ));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .map_err(|error| format!("--connections {connections}: raising the limit of descriptors: {error}"))
}
