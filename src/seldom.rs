//! Lines of the log that clients can bring about at will: a flood of clients is not to be a flood of lines.

/// How often such a line may come.
const EVERY_US: u64 = 1_000_000;

/// One kind of line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seldom {
    /// From then on the next may come, `mono_us`.
    next_us: u64,
    unsaid: u64,
}

impl Seldom {
    /// Something has happened: whether it is to be said, and how often it has happened unsaid since the last time.
    pub fn say(&mut self, now_us: u64) -> Option<u64> {
        if now_us < self.next_us {
            self.unsaid += 1;
            return None;
        }
        self.next_us = now_us + EVERY_US;
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_said_once_a_second_with_its_number() {
        let mut seldom = Seldom::default();
        let said: Vec<u64> = (0..3_000_000).step_by(100).filter_map(|now_us| seldom.say(now_us)).collect();
        assert_eq!(said, [0, 9_999, 9_999]);
    }

    #[test]
    fn what_happens_rarely_is_always_said() {
        let mut seldom = Seldom::default();
        for second in 1..10 {
            assert_eq!(seldom.say(second * EVERY_US), Some(0));
        }
    }
}
