//! Whether every core still turns.

use crate::limits::CORE_SILENCE;
use std::time::Duration;

/// What was last seen of each core.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Turns, and when they had become so many.
    cores: Vec<(u64, Duration)>,
    patience: Duration,
}

impl Pulse {
    /// Of so many cores, none of which has turned. Half of the manager's deadline is for a core that is busy with one
    /// long command, the other half for the message.
    pub fn new(cores: usize, deadline: Duration) -> Pulse {
        Pulse { cores: vec![(0, Duration::ZERO); cores], patience: (deadline / 2).max(CORE_SILENCE) }
    }

    /// The first core that has not turned for too long, given the turns of each.
    pub fn silent(&mut self, turns: impl Iterator<Item = u64>, now: Duration) -> Option<usize> {
        let mut silent = None;
        for (core, (seen, turns)) in self.cores.iter_mut().zip(turns).enumerate() {
            if seen.0 != turns {
                *seen = (turns, now);
            } else if now.saturating_sub(seen.1) > self.patience && silent.is_none() {
                silent = Some(core);
            }
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_core_that_hangs_is_noticed_beside_others_that_turn() {
        let mut pulse = Pulse::new(3, seconds(20));
        for second in 0..=10 {
            assert_eq!(pulse.silent([second, 7, second].into_iter(), seconds(second)), None);
        }
        assert_eq!(pulse.silent([11, 7, 11].into_iter(), seconds(11)), Some(1));
        assert_eq!(pulse.silent([11, 8, 11].into_iter(), seconds(12)), None);
    }

    #[test]
    fn a_core_that_rests_between_two_turns_is_not_taken_for_dead() {
        let mut pulse = Pulse::new(1, Duration::from_millis(100));
        assert_eq!(pulse.silent([1].into_iter(), Duration::ZERO), None);
        assert_eq!(pulse.silent([1].into_iter(), CORE_SILENCE), None);
        assert_eq!(pulse.silent([1].into_iter(), CORE_SILENCE * 2), Some(0));
    }
}
