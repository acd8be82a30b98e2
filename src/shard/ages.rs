//! When changes were made. An item carries the number of its last change and no time; this remembers at which second
//! the numbers were at which value, finely for what is young and coarsely for what is old. So the age of any item is
//! known, and no item spends a byte on it.

use slabs::{Evicted, Item};

/// Moments that are kept of each fineness.
const MOMENTS: usize = 64;

/// Finenesses: one second, two, four, ... about a day. Together they reach back three months.
const LEVELS: usize = 18;

/// A second, and the number of the last change before it.
#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    change: u32,
    secs: u64,
}

/// A ring of moments, each at least `2^level` seconds after the one before.
#[derive(Clone, Debug, Default)]
struct Level {
    moments: Vec<Moment>,
    next: usize,
}

impl Level {
    fn latest(&self) -> Option<Moment> {
        let last = self.next.checked_sub(1).or(self.moments.len().checked_sub(1))?;
        self.moments.get(last).copied()
    }

    fn note(&mut self, moment: Moment) {
        if self.moments.len() < MOMENTS {
            self.moments.push(moment);
        } else {
            self.moments[self.next] = moment;
        }
        self.next = (self.next + 1) % MOMENTS;
    }

    /// The last moment before this change. They are in order, from the oldest on.
    fn before(&self, change: u32) -> Option<Moment> {
        let oldest = if self.moments.len() < MOMENTS { 0 } else { self.next };
        let at = |rank: usize| self.moments[(oldest + rank) % MOMENTS];
        let (mut known, mut beyond) = (0, self.moments.len());
        while known < beyond {
            let middle = usize::midpoint(known, beyond);
            if is_before(at(middle).change, change) {
                known = middle + 1;
            } else {
                beyond = middle;
            }
        }
        known.checked_sub(1).map(at)
    }
}

/// Numbers of changes go round, so what is more than half way round ahead lies behind.
fn is_before(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() < 0
}

/// The moments of one shard.
#[derive(Clone, Debug, Default)]
pub struct Ages {
    levels: Vec<Level>,
    last_secs: u64,
}

impl Ages {
    /// It is `secs`, and `change` was the last change so far. To be told at least once in each second with changes.
    #[inline]
    pub fn note(&mut self, secs: u64, change: u32) {
        if secs != self.last_secs {
            self.note_second(secs, change);
        }
    }

    #[cold]
    fn note_second(&mut self, secs: u64, change: u32) {
        self.last_secs = secs;
        self.levels.resize_with(LEVELS, Level::default);
        let moment = Moment { change, secs };
        for (level, ring) in self.levels.iter_mut().enumerate() {
            // A clock that was set back begins anew at once.
            if ring.latest().is_none_or(|last| secs < last.secs || secs - last.secs >= 1 << level) {
                ring.note(moment);
            }
        }
    }

    /// Seconds since the last use of an item: exactly where its uses are followed, else since its last change.
    pub fn idle_secs(&self, item: &Item<'_>, now_ms: u64) -> u64 {
        item.marks().idle_secs(now_ms).unwrap_or_else(|| self.secs_since(item.version(), now_ms / 1000))
    }

    /// The same for one that was evicted just now.
    pub fn idle_secs_of_evicted(&self, item: &Evicted, now_ms: u64) -> u64 {
        item.marks.idle_secs(now_ms).unwrap_or_else(|| self.secs_since(item.version, now_ms / 1000))
    }

    /// How many seconds ago a change was made, at most. What was changed before everything that is known is as old
    /// as the oldest of that.
    pub fn secs_since(&self, change: u32, now_secs: u64) -> u64 {
        let known = self.levels.iter().find_map(|level| level.before(change));
        let oldest = || self.levels.last().and_then(|level| level.moments.first().copied());
        known.or_else(oldest).map_or(0, |moment| now_secs.saturating_sub(moment.secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred changes a second for so long, from the second 1000 on.
    fn ages(secs: u64) -> Ages {
        let mut ages = Ages::default();
        for second in 0..secs {
            ages.note(1000 + second, change_at(second));
        }
        ages
    }

    /// The last change before a second begins. They go round on the way.
    fn change_at(second: u64) -> u32 {
        u32::MAX.wrapping_sub(5000).wrapping_add(100 * second as u32)
    }

    #[test]
    fn young_changes_are_known_to_the_second() {
        let ages = ages(200);
        for ago in 0..60 {
            let first = change_at(199 - ago).wrapping_add(1);
            let last = change_at(200 - ago);
            assert_eq!((ages.secs_since(first, 1199), ages.secs_since(last, 1199)), (ago, ago));
        }
    }

    #[test]
    fn old_changes_are_known_to_a_thirtieth_of_their_age() {
        let ages = ages(100_000);
        for ago in [100, 1000, 5000, 20_000, 99_000] {
            let found = ages.secs_since(change_at(99_999 - ago).wrapping_add(1), 1000 + 99_999);
            assert!(found >= ago && found - ago <= ago / 30 + 2, "{ago}: {found}");
        }
    }

    #[test]
    fn a_silent_night_is_one_moment() {
        let mut ages = ages(10);
        ages.note(1000 + 30_000, change_at(10));
        assert_eq!(ages.secs_since(change_at(9) + 1, 31_000), 29_991);
        assert_eq!(ages.secs_since(change_at(10) + 1, 31_000), 0);
    }

    #[test]
    fn an_evicted_item_is_as_old_as_its_last_change() {
        let options = slabs::Options {
            huge_pages: false,
            budget_bytes: 1 << 20,
            reserve_bytes: 4 << 20,
            ..slabs::Options::default()
        };
        let hasher = slabs::Hasher::new(options.seeds);
        let mut store = slabs::Store::new(&options).unwrap();
        store.witness_evictions(true);
        let mut ages = Ages::default();
        let mut written = std::collections::HashMap::new();
        let mut seen = 0;
        for number in 0..20_000u64 {
            let secs = 1_000_000 + number / 100;
            ages.note(secs, store.last_change());
            let bytes = number.to_le_bytes();
            let key = slabs::Key { db: 0, bytes: &bytes, hash: hasher.hash(&bytes) };
            store.put(&key, &[7; 200], &slabs::Meta::default(), secs * 1000).unwrap();
            written.insert(bytes.to_vec(), secs);
            for item in store.take_evicted().0 {
                let (true_secs, known) =
                    (secs - written[&item.key], ages.idle_secs_of_evicted(&item, secs * 1000));
                assert!(
                    known >= true_secs && known - true_secs <= 1 + true_secs / 30,
                    "{known}, {true_secs}"
                );
                seen += 1;
            }
        }
        assert!(seen > 1000, "{seen}");
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        assert_eq!(Ages::default().secs_since(7, 1000), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_older_than_the_start() {
        let mut ages = ages(100);
        ages.note(500, change_at(100));
        ages.note(501, change_at(101));
        assert_eq!(ages.secs_since(change_at(100) + 1, 502), 2);
    }
}
