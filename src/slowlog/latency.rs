//! Seconds in which something took long, by kind of event.

use crate::clock::Now;
use std::collections::VecDeque;

/// Samples that are kept of each event.
pub const SAMPLES_MAX: usize = 160;

/// The longest that an event took in one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unix seconds.
    pub unix_secs: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// What may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A command of other than constant or logarithmic cost.
    Command,
    /// A command that should always be fast.
    FastCommand,
}

impl Event {
    /// All events.
    pub const ALL: [Event; 2] = [Event::Command, Event::FastCommand];

    /// Redis's name of the event.
    pub fn name(self) -> &'static str {
        match self {
            Event::Command => "command",
            Event::FastCommand => "fast-command",
        }
    }

    /// The event of a name.
    pub fn named(name: &[u8]) -> Option<Event> {
        Event::ALL.into_iter().find(|event| event.name().as_bytes() == name)
    }
}

/// One core's samples.
#[derive(Debug, Default)]
pub struct Latency {
    /// What takes less, in milliseconds, is not kept; 0 keeps nothing.
    pub threshold_ms: u64,
    events: [Series; Event::ALL.len()],
}

#[derive(Debug, Default)]
struct Series {
    /// Oldest first.
    samples: VecDeque<Sample>,
    max_ms: u64,
}

impl Latency {
    /// Keeps a sample if it is long enough.
    pub fn record(&mut self, event: Event, now: Now, duration_us: u64) {
        let ms = duration_us / 1000;
        if self.threshold_ms == 0 || ms < self.threshold_ms {
            return;
        }
        let series = &mut self.events[event as usize];
        series.max_ms = series.max_ms.max(ms);
        match series.samples.back_mut() {
            Some(last) if last.unix_secs == now.unix_secs() => last.ms = last.ms.max(ms),
            _ => {
                if series.samples.len() == SAMPLES_MAX {
                    series.samples.pop_front();
                }
                series.samples.push_back(Sample { unix_secs: now.unix_secs(), ms });
            }
        }
    }

    /// The samples of an event, oldest first, and the longest ever in milliseconds.
    pub fn of(&self, event: Event) -> (impl ExactSizeIterator<Item = Sample>, u64) {
        let series = &self.events[event as usize];
        (series.samples.iter().copied(), series.max_ms)
    }

    /// Forgets an event; true if there was something.
    pub fn reset(&mut self, event: Event) -> bool {
        let series = std::mem::take(&mut self.events[event as usize]);
        !series.samples.is_empty()
    }
}

/// Joins the samples of several cores: oldest first, one per second, the newest of them.
pub fn join(mut samples: Vec<Sample>) -> Vec<Sample> {
    samples.sort_by_key(|sample| (sample.unix_secs, std::cmp::Reverse(sample.ms)));
    samples.dedup_by_key(|sample| sample.unix_secs);
    samples.drain(..samples.len().saturating_sub(SAMPLES_MAX));
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Now {
        Now { unix_ms: secs * 1000, mono_us: 0 }
    }

    fn samples(latency: &Latency) -> Vec<(u64, u64)> {
        latency.of(Event::Command).0.map(|sample| (sample.unix_secs, sample.ms)).collect()
    }

    #[test]
    fn the_longest_of_a_second_is_kept() {
        let mut latency = Latency { threshold_ms: 10, ..Latency::default() };
        for (secs, us) in [(1, 9_999), (1, 20_000), (1, 30_000), (1, 15_000), (2, 10_000)] {
            latency.record(Event::Command, at(secs), us);
        }
        assert_eq!(samples(&latency), [(1, 30), (2, 10)]);
        assert_eq!(latency.of(Event::Command).1, 30);
        assert!(latency.reset(Event::Command) && !latency.reset(Event::Command));
    }

    #[test]
    fn nothing_is_kept_without_a_threshold_and_no_more_than_fits_with_one() {
        let mut latency = Latency::default();
        latency.record(Event::Command, at(1), 1 << 40);
        assert!(samples(&latency).is_empty());
        latency.threshold_ms = 1;
        for secs in 0..200 {
            latency.record(Event::Command, at(secs), 5_000);
        }
        assert_eq!(samples(&latency).len(), SAMPLES_MAX);
        assert_eq!(samples(&latency)[0].0, 40);
    }

    #[test]
    fn cores_are_joined_by_the_second() {
        let sample = |unix_secs, ms| Sample { unix_secs, ms };
        let joined = join(vec![sample(2, 5), sample(3, 1), sample(1, 4), sample(2, 9)]);
        assert_eq!(joined, [sample(1, 4), sample(2, 9), sample(3, 1)]);
    }
}
