//! A close look at one request in many: how long it takes from when it was received to when its reply is given to
//! the driver, and which key it is for. All others pay a subtraction per batch.

use super::Core;
use super::serve::Request;
use crate::command::table::Found;
use crate::connection::Hold;
use crate::limits::{SAMPLE_QUIET_US, SAMPLE_REQUESTS, SAMPLES_OPEN_MAX};
use crate::protocol::Args;
use crate::session::SessionId;
use crate::shard::random::Random;

/// A request whose reply has not left yet.
#[derive(Clone, Copy, Debug)]
struct Sample {
    connection: SessionId,
    client_id: u64,
    /// Its reply has left when the line of replies has come to this number.
    number: u32,
    family: u8,
    began_us: u64,
}

/// Which request is looked at next, and those whose replies are awaited.
#[derive(Debug)]
pub(super) struct Sampling {
    /// Requests until the next one that is looked at, itself included.
    left: u32,
    /// When the last one was.
    last_us: u64,
    open: Vec<Sample>,
    /// What is served now has waited since then; never if it has just come.
    pub waiting_since_us: u64,
    /// The turn has a sample, and is measured too.
    turn: bool,
    random: Random,
}

impl Sampling {
    /// Nothing has been looked at.
    pub fn new(seed: u64) -> Sampling {
        Sampling {
            left: 1,
            last_us: 0,
            open: Vec::with_capacity(SAMPLES_OPEN_MAX),
            waiting_since_us: u64::MAX,
            turn: false,
            random: Random::new(seed),
        }
    }

    /// A turn begins. After a quiet time its first request is looked at.
    #[inline]
    pub fn begin_turn(&mut self, mono_us: u64) {
        if mono_us.wrapping_sub(self.last_us) >= SAMPLE_QUIET_US {
            self.left = 1;
        }
    }

    /// So many requests are served. Which of them is to be looked at, if one is.
    #[inline]
    pub fn pass(&mut self, served: usize) -> Option<usize> {
        if served < self.left as usize {
            self.left -= served as u32;
            return None;
        }
        self.choose(served)
    }

    #[cold]
    fn choose(&mut self, served: usize) -> Option<usize> {
        let chosen = self.left as usize - 1;
        // At random around the mean, so that no rhythm of the requests falls in step with it.
        self.left = 1 + (self.random.draw() % u64::from(2 * SAMPLE_REQUESTS - 1)) as u32;
        (served > 0).then_some(chosen)
    }
}

impl Core {
    /// Looks at a request of a batch that has just been served.
    #[cold]
    pub(super) fn sample(&mut self, id: SessionId, db: u8, request: &Request, args: Args<'_>) {
        let Found::Row(row) = request.found else { return };
        let (now_us, first) = (self.now.mono_us, self.table.row(row).keys.first);
        self.sampling.last_us = now_us;
        if first > 0
            && let Some(key) = args.get(first as usize)
        {
            self.shard.hot.sample(db, key, request.hash, now_us);
        }
        let connection = &self.connections[id as usize];
        if connection.hold == Hold::Blocked {
            // How long it waits says nothing about how fast it is served.
            return;
        }
        if self.sampling.open.len() == SAMPLES_OPEN_MAX || connection.client_id == 0 {
            return;
        }
        self.sampling.turn = true;
        self.sampling.open.push(Sample {
            connection: id,
            client_id: connection.client_id,
            number: connection.line.next_number(),
            family: self.table.family(row),
            began_us: now_us.min(self.sampling.waiting_since_us),
        });
    }

    /// Takes the time of the samples whose replies have left with this turn.
    #[inline]
    pub(super) fn take_times(&mut self) {
        if !self.sampling.open.is_empty() {
            self.take_times_of_samples();
        }
    }

    #[cold]
    fn take_times_of_samples(&mut self) {
        let (connections, metrics) = (&self.connections, &self.shared.metrics[self.index as usize]);
        let mut ended_us = None;
        let clock = self.clock;
        let mut now_us = || *ended_us.get_or_insert_with(|| clock().mono_us);
        if std::mem::take(&mut self.sampling.turn) {
            metrics.turn().record(now_us().saturating_sub(self.now.mono_us));
        }
        self.sampling.open.retain(|sample| {
            let connection = &connections[sample.connection as usize];
            if connection.client_id != sample.client_id {
                return false;
            }
            let has_left = connection.line.has_left(sample.number);
            if has_left {
                metrics.latency(sample.family).record(now_us().saturating_sub(sample.began_us));
            }
            !has_left
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_in_so_many_is_looked_at_wherever_batches_end() {
        let mut sampling = Sampling::new(1);
        let (mut looked_at, mut places) = (0u64, [0u64; 16]);
        for _ in 0..100_000 {
            let mut left = 16;
            while left > 0 {
                let Some(place) = sampling.pass(left) else { break };
                places[16 - left + place] += 1;
                looked_at += 1;
                left -= place + 1;
            }
        }
        let expected = 1_600_000 / u64::from(SAMPLE_REQUESTS);
        assert!(looked_at.abs_diff(expected) < expected / 20, "{looked_at}");
        assert!(places.iter().all(|count| count.abs_diff(expected / 16) < expected / 64), "{places:?}");
    }

    #[test]
    fn after_a_quiet_time_the_next_request_is_looked_at() {
        let mut sampling = Sampling::new(1);
        sampling.begin_turn(5_000);
        assert_eq!(sampling.pass(3), Some(0));
        sampling.last_us = 5_000;
        sampling.left = 100;
        sampling.begin_turn(5_000 + SAMPLE_QUIET_US - 1);
        assert_eq!(sampling.pass(1), None);
        sampling.begin_turn(5_000 + SAMPLE_QUIET_US);
        assert_eq!((sampling.pass(0), sampling.pass(1)), (None, Some(0)));
    }
}
