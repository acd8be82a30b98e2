//! What took long, per core: commands slower than `slowlog-log-slower-than`, and for `LATENCY` the seconds in
//! which something took longer than `latency-monitor-threshold`. `SLOWLOG` and `LATENCY` join the cores' parts.

mod latency;

pub use latency::{Event, Latency, SAMPLES_MAX, Sample, join};

use crate::clock::Now;
use crate::parameters::{Name, Parameters};
use std::collections::VecDeque;

/// Arguments of one command that are kept, the note on those left out included.
const ARGS_MAX: usize = 32;

/// Bytes of one argument that are kept.
const ARG_BYTES_MAX: usize = 128;

/// A slow command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How many this core had recorded before.
    pub number: u64,
    /// When it ran, Unix seconds.
    pub unix_secs: u64,
    /// How long, in microseconds.
    pub duration_us: u64,
    /// Its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// `address:port` of the client.
    pub peer: String,
    /// The client's name.
    pub name: Vec<u8>,
}

/// One core's part of the slow log.
#[derive(Debug, Default)]
pub struct Slowlog {
    /// Seconds in which something took long.
    pub latency: Latency,
    /// Newest first.
    entries: VecDeque<Entry>,
    recorded: u64,
    /// The parameters' values as of the last `follow`; a command below `least_us` concerns nobody.
    slower_than_us: Option<u64>,
    least_us: u64,
    len_max: usize,
}

impl Slowlog {
    /// A part that keeps what the parameters say.
    pub fn new(parameters: &Parameters) -> Slowlog {
        let mut slowlog = Slowlog::default();
        slowlog.follow(parameters);
        slowlog
    }

    /// Takes over changed parameters.
    pub fn follow(&mut self, parameters: &Parameters) {
        self.slower_than_us = u64::try_from(parameters.number(Name::SlowlogLogSlowerThan)).ok();
        self.len_max = parameters.number(Name::SlowlogMaxLen) as usize;
        self.entries.truncate(self.len_max);
        let threshold_ms = parameters.number(Name::LatencyMonitorThreshold) as u64;
        self.latency.threshold_ms = threshold_ms;
        let latency_us = if threshold_ms == 0 { u64::MAX } else { threshold_ms.saturating_mul(1000) };
        self.least_us = self.slower_than_us.unwrap_or(u64::MAX).min(latency_us);
    }

    /// A command that took so long is to be given to `record`.
    #[inline]
    pub fn wants(&self, duration_us: u64) -> bool {
        duration_us >= self.least_us
    }

    /// A command that took so long belongs into the slow log.
    pub fn logs(&self, duration_us: u64) -> bool {
        self.slower_than_us.is_some_and(|least| duration_us >= least)
    }

    /// Keeps a command, whatever it took. `args` are what others may see of its arguments, `count` of them.
    pub fn record<'a>(
        &mut self,
        now: Now,
        duration_us: u64,
        args: impl Iterator<Item = &'a [u8]>,
        count: usize,
        peer: &str,
        name: &[u8],
    ) {
        let number = self.recorded;
        self.recorded += 1;
        if self.len_max == 0 {
            return;
        }
        self.entries.truncate(self.len_max - 1);
        self.entries.push_front(Entry {
            number,
            unix_secs: now.unix_secs(),
            duration_us,
            args: shortened(args, count),
            peer: peer.to_string(),
            name: name.to_vec(),
        });
    }

    /// What is kept, newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets all entries; numbers go on.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

fn shortened<'a>(args: impl Iterator<Item = &'a [u8]>, count: usize) -> Vec<Vec<u8>> {
    let kept = if count > ARGS_MAX { ARGS_MAX - 1 } else { count };
    let mut list: Vec<Vec<u8>> = args.take(kept).map(shortened_arg).collect();
    if count > kept {
        list.push(format!("... ({} more arguments)", count - kept).into_bytes());
    }
    list
}

fn shortened_arg(arg: &[u8]) -> Vec<u8> {
    match arg.split_at_checked(ARG_BYTES_MAX) {
        Some((start, rest)) if !rest.is_empty() => {
            let mut short = start.to_vec();
            short.extend(format!("... ({} more bytes)", rest.len()).bytes());
            short
        }
        _ => arg.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slowlog(len_max: usize) -> Slowlog {
        let parameters = Parameters::default();
        parameters.set(b"slowlog-max-len", len_max.to_string().as_bytes()).unwrap();
        Slowlog::new(&parameters)
    }

    fn record(slowlog: &mut Slowlog, args: &[&[u8]]) {
        slowlog.record(
            Now { unix_ms: 5000, mono_us: 0 },
            12,
            args.iter().copied(),
            args.len(),
            "1.2.3.4:5",
            b"n",
        );
    }

    #[test]
    fn the_newest_are_kept() {
        let mut slowlog = slowlog(2);
        for name in [b"a", b"b", b"c"] {
            record(&mut slowlog, &[name]);
        }
        let kept: Vec<_> = slowlog.entries().map(|entry| (entry.number, entry.args[0].clone())).collect();
        assert_eq!(kept, [(2, b"c".to_vec()), (1, b"b".to_vec())]);
        slowlog.reset();
        record(&mut slowlog, &[b"d"]);
        assert_eq!(slowlog.entries().next().unwrap().number, 3);
    }

    #[test]
    fn long_commands_are_shortened() {
        let mut slowlog = slowlog(1);
        let long = [b'x'; 130];
        let mut args = vec![&long[..]];
        args.extend([&b"y"[..]; 32]);
        record(&mut slowlog, &args);
        let kept = &slowlog.entries().next().unwrap().args;
        assert_eq!(kept.len(), 32);
        assert!(kept[0].ends_with(b"xx... (2 more bytes)"));
        assert_eq!(kept[31], b"... (2 more arguments)");
    }

    #[test]
    fn the_thresholds_are_those_of_the_parameters() {
        let parameters = Parameters::default();
        let mut slowlog = Slowlog::new(&parameters);
        assert!(!slowlog.wants(9_999) && slowlog.wants(10_000));
        parameters.set(b"slowlog-log-slower-than", b"-1").unwrap();
        slowlog.follow(&parameters);
        assert!(!slowlog.wants(u64::MAX - 1));
        parameters.set(b"latency-monitor-threshold", b"5").unwrap();
        slowlog.follow(&parameters);
        assert!(!slowlog.wants(4_999) && slowlog.wants(5_000) && !slowlog.logs(5_000));
        parameters.set(b"slowlog-log-slower-than", b"0").unwrap();
        slowlog.follow(&parameters);
        assert!(slowlog.wants(0) && slowlog.logs(0));
    }

    #[test]
    fn a_log_of_no_length_keeps_nothing() {
        let mut slowlog = slowlog(0);
        record(&mut slowlog, &[b"a"]);
        assert_eq!(slowlog.entries().len(), 0);
    }
}
