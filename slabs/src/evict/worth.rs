//! What a class's items are worth, and how long each may stay without a use: the arithmetic of eviction.
//!
//! There is one level for the whole store, which rises as items pass the fronts of their queues. An item that enters
//! a queue at some level is due when the level has risen by its worth, hits per byte: so residence times are inverse
//! to sizes, as greedy-dual policies have it, at the price of a first-in-first-out queue. The class whose front is due
//! first is where an eviction costs least.
//!
//! A class's worth falls while its share of the returning keys is out of all proportion to the memory it holds, so
//! that a class which is not used any more gives its memory up at once, and not after many rounds.

use crate::EvictionGoal;

/// Steps of the level that a queue tells apart, over one residence.
const STAMPS: f64 = 16.0;
/// Bytes that an item takes beside its chunk: index, order and ghosts.
const OVERHEAD_BYTES: f64 = 16.0;
/// Worth of an item by its bytes, when hits are counted. Residence times inverse to sizes would be -1; a little more
/// gains hits and costs bytes.
const SIZE_EXPONENT: f64 = -1.3;
/// The same when bytes are counted. An item's bytes then weigh as much as it takes, so 0 would do; but overheads
/// weigh more in small classes, whose many items say early what is worth keeping.
const SIZE_EXPONENT_BYTES: f64 = -0.3;
/// Above this the worth is inverse to the size, lest the numbers become too small.
const EXPONENT_BYTES_MAX: f64 = 65_536.0;
/// How fast the level rises with what passes the fronts, 1 being one residence for each turnover of the memory. The
/// fronts pull it up the rest of the way.
const PACE: f64 = 0.3;
/// What a new item is worth at first, as a share of one that was used: the small queue's share of memory follows from
/// it.
const SMALL_SHARE: f64 = 0.2;
/// The same when bytes are counted.
const SMALL_SHARE_BYTES: f64 = 0.1;
const SMALL_SHARE_MIN: f64 = 0.05;
const SMALL_SHARE_MAX: f64 = 1.0;
/// A page is taken from another class if the fronts differ by more than this many times what a page moves them.
const HYSTERESIS: f64 = 2.0;
/// No residence is taken to be shorter than this part of the full one.
const RESIDENCE_MIN: f64 = 0.05;

/// How much one returning key says about its class's appetite, in the logarithm of the worth.
const APPETITE_STEP: f64 = 0.02;
/// A class keeps its worth while its share of the returning keys is this part of its share of memory.
const APPETITE_SHARE: f64 = 0.1;
/// The worth does not fall below this part of the full one (logarithm).
const APPETITE_MIN_LN: f64 = -4.0;
/// Returning keys between two settlings of accounts.
const RETURNS_PER_ROUND: u32 = 32;

/// One class, as seen from its fronts.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    /// Worth of an item that was used, at full appetite.
    base: f64,
    /// The same as it counts now.
    worth: f64,
    /// Bytes of an item with everything.
    item_bytes: f64,
    appetite_ln: f64,
    /// Evidence of use since the last round.
    uses: f64,
    /// Level at which the items at the fronts entered.
    small_level: f64,
    main_level: f64,
    /// Level at which the first front is due.
    pub(crate) due: f64,
    /// By how much a page more or less moves that.
    page_step: f64,
}

/// All classes, and the level.
pub(crate) struct Worth {
    fronts: Vec<Front>,
    /// `due` and half a page's step, of classes that hold something; apart, for the search.
    ranks: Vec<f64>,
    level: f64,
    small_share: f64,
    budget_bytes: f64,
    returns: u32,
    /// Appetites count: sizes differ in worth.
    hits: bool,
}

/// Nothing is there.
pub(crate) const NEVER: f64 = f64::INFINITY;

impl Worth {
    /// For classes with items of about these sizes.
    pub(crate) fn new(item_bytes: impl Iterator<Item = f64>, budget_bytes: u64, goal: EvictionGoal) -> Worth {
        let fronts: Vec<Front> = item_bytes
            .map(|bytes| Front {
                base: 0.0,
                worth: 0.0,
                item_bytes: bytes + OVERHEAD_BYTES,
                appetite_ln: 0.0,
                uses: 0.0,
                small_level: NEVER,
                main_level: NEVER,
                due: NEVER,
                page_step: 0.0,
            })
            .collect();
        let ranks = vec![NEVER; fronts.len()];
        let mut worth = Worth {
            fronts,
            ranks,
            level: 0.0,
            small_share: SMALL_SHARE,
            budget_bytes: budget_bytes as f64,
            returns: 0,
            hits: true,
        };
        worth.set_goal(goal);
        worth
    }

    /// Bytes of the tables.
    pub(crate) fn bytes(&self) -> u64 {
        (self.fronts.capacity() * size_of::<Front>() + self.ranks.capacity() * 8) as u64
    }

    /// Changes what is maximised. What is known of ages is void then.
    pub(crate) fn set_goal(&mut self, goal: EvictionGoal) {
        self.hits = goal == EvictionGoal::Hits;
        self.small_share = if self.hits { SMALL_SHARE } else { SMALL_SHARE_BYTES };
        for front in &mut self.fronts {
            front.base = match goal {
                EvictionGoal::Hits => {
                    let bytes = front.item_bytes.min(EXPONENT_BYTES_MAX);
                    bytes.powf(SIZE_EXPONENT) * bytes / front.item_bytes
                }
                EvictionGoal::Bytes => front.item_bytes.powf(SIZE_EXPONENT_BYTES),
            };
            front.appetite_ln = 0.0;
            front.worth = front.base;
        }
    }

    /// Changes the memory that turns over.
    pub(crate) fn set_budget(&mut self, bytes: u64) {
        self.budget_bytes = bytes as f64;
    }

    /// The level.
    #[inline]
    pub(crate) fn level(&self) -> f64 {
        self.level
    }

    /// The level as a class's queues note it.
    #[inline]
    pub(crate) fn stamp(&self, class: usize) -> u32 {
        (self.level * STAMPS / self.fronts[class].base) as u64 as u32
    }

    /// The level that was noted, if it is not long ago.
    #[inline]
    pub(crate) fn level_of(&self, class: usize, stamp: u32) -> f64 {
        let age = self.stamp(class).wrapping_sub(stamp);
        self.level - f64::from(age.min(1 << 20)) * self.fronts[class].base / STAMPS
    }

    /// Says what stands at the fronts of a class: at which level it entered (`NEVER`: nothing), which part of the
    /// class's items is in main, and how many pages it holds.
    #[inline]
    pub(crate) fn set_front(
        &mut self,
        class: usize,
        small_level: f64,
        main_level: f64,
        main_part: f64,
        pages: f64,
    ) {
        let small_share = self.small_share;
        let front = &mut self.fronts[class];
        front.small_level = small_level;
        front.main_level = main_level;
        let stay = |entered: f64, most: f64| (self.level - entered).clamp(0.0, most);
        let residence = (1.0 - main_part) * stay(small_level, small_share * front.worth)
            + main_part * stay(main_level, front.worth);
        front.page_step = residence.max(front.worth * RESIDENCE_MIN) / pages.max(0.5);
        self.rank(class);
    }

    #[inline]
    fn rank(&mut self, class: usize) {
        let front = &mut self.fronts[class];
        front.due = (front.small_level + self.small_share * front.worth).min(front.main_level + front.worth);
        self.ranks[class] = front.due + 0.5 * HYSTERESIS * front.page_step;
    }

    /// Whether the front of the small queue is due before that of the main queue.
    #[inline]
    pub(crate) fn small_first(&self, class: usize) -> bool {
        let front = &self.fronts[class];
        front.small_level + self.small_share * front.worth <= front.main_level + front.worth
    }

    /// The class to evict from, but for `except`, among those that `may`.
    #[inline]
    pub(crate) fn lowest(&self, except: usize, may: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best = (NEVER, usize::MAX);
        for (class, &rank) in self.ranks.iter().enumerate() {
            if rank < best.0 && class != except && may(class) {
                best = (rank, class);
            }
        }
        (best.1 != usize::MAX).then_some(best.1)
    }

    /// Whether `other` should give a page to `class`, and not `class` evict an item of its own.
    #[inline]
    pub(crate) fn should_give(&self, other: usize, class: usize) -> bool {
        let (giver, taker) = (&self.fronts[other], &self.fronts[class]);
        taker.due - giver.due > 0.5 * HYSTERESIS * (giver.page_step + taker.page_step)
    }

    /// When the first front of a class is due.
    #[inline]
    pub(crate) fn due(&self, class: usize) -> f64 {
        self.fronts[class].due
    }

    /// The lowest front stands here: nothing due earlier is left.
    #[inline]
    pub(crate) fn pull(&mut self, due: f64) {
        if due > self.level && due < NEVER {
            self.level = due;
        }
    }

    /// An item left the front of a queue of the class, evicted or not.
    #[inline]
    pub(crate) fn pass(&mut self, class: usize, from_small: bool) {
        let front = &self.fronts[class];
        let worth = if from_small { front.worth * self.small_share } else { front.worth };
        self.level += worth * front.item_bytes * PACE / self.budget_bytes;
    }

    /// An item that was used stood at the front.
    #[inline]
    pub(crate) fn note_use(&mut self, class: usize) {
        self.fronts[class].uses += APPETITE_STEP;
    }

    /// A key of the class came back soon after it was evicted. True: the accounts are due (`settle_appetites`).
    #[inline]
    pub(crate) fn note_return(&mut self, class: usize) -> bool {
        self.fronts[class].uses += APPETITE_STEP;
        self.returns += 1;
        self.hits && self.returns >= RETURNS_PER_ROUND
    }

    /// A key came back that a slightly larger (or smaller) small queue would have kept: that is worth more (less).
    #[inline]
    pub(crate) fn note_small_share(&mut self, more: bool, items: u64) {
        let step = self.small_share.min(0.1) / self.small_share.max(0.1) / items.max(1000) as f64;
        let share = self.small_share + if more { step } else { -step };
        self.small_share = share.clamp(SMALL_SHARE_MIN, SMALL_SHARE_MAX);
    }

    /// Compares what classes are used with the memory they hold (`bytes_of`).
    pub(crate) fn settle_appetites(&mut self, bytes_of: impl Fn(usize) -> f64) {
        let total: f64 = (0..self.fronts.len()).map(&bytes_of).sum();
        let returns = f64::from(std::mem::take(&mut self.returns));
        for class in 0..self.fronts.len() {
            let share = bytes_of(class) / total.max(1.0);
            let front = &mut self.fronts[class];
            let expected = APPETITE_STEP * APPETITE_SHARE * share * returns;
            let change = std::mem::take(&mut front.uses) - expected;
            front.appetite_ln = (front.appetite_ln + change).clamp(APPETITE_MIN_LN, 0.0);
            front.worth = front.base * front.appetite_ln.exp();
            self.rank(class);
        }
    }

    /// Forgets levels and appetites.
    pub(crate) fn clear(&mut self) {
        self.level = 0.0;
        self.returns = 0;
        for (front, rank) in self.fronts.iter_mut().zip(&mut self.ranks) {
            (front.small_level, front.main_level, front.due) = (NEVER, NEVER, NEVER);
            (front.appetite_ln, front.uses, front.worth) = (0.0, 0.0, front.base);
            *rank = NEVER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(goal: EvictionGoal) -> Worth {
        Worth::new([100.0, 1000.0, 100_000.0].into_iter(), 1 << 20, goal)
    }

    #[test]
    fn the_larger_item_is_due_first_when_hits_count() {
        let mut worth = worth(EvictionGoal::Hits);
        for class in 0..3 {
            worth.set_front(class, NEVER, 0.0, 1.0, 10.0);
        }
        assert_eq!(worth.lowest(usize::MAX, |_| true), Some(2));
        assert_eq!(worth.lowest(2, |_| true), Some(1));
        assert_eq!(worth.lowest(2, |class| class == 0), Some(0));
        assert!(worth.should_give(2, 0) && !worth.should_give(0, 2));
    }

    #[test]
    fn the_older_item_is_due_first_when_bytes_count() {
        let mut worth = worth(EvictionGoal::Bytes);
        worth.set_front(0, NEVER, 0.0, 1.0, 1e9);
        worth.set_front(1, NEVER, 0.5, 1.0, 1e9);
        worth.set_front(2, NEVER, 1.0, 1.0, 1e9);
        assert_eq!(worth.lowest(usize::MAX, |_| true), Some(0));
    }

    #[test]
    fn an_item_that_was_never_used_is_due_before_one_that_was() {
        let mut worth = worth(EvictionGoal::Hits);
        worth.set_front(0, 0.0, 0.0, 0.5, 1.0);
        assert!(worth.small_first(0));
        worth.set_front(0, 1.0, 0.0, 0.5, 1.0);
        assert!(!worth.small_first(0));
        worth.set_front(0, NEVER, 0.0, 1.0, 1.0);
        assert!(!worth.small_first(0));
    }

    #[test]
    fn stamps_give_the_level_back_within_a_sixteenth_of_a_residence() {
        let mut worth = worth(EvictionGoal::Hits);
        for class in 0..3 {
            let residence = worth.fronts[class].base;
            let stamp = worth.stamp(class);
            let before = worth.level();
            worth.pull(before + residence * 5.0);
            assert!((worth.level_of(class, stamp) - before).abs() <= residence / 15.0);
        }
    }

    #[test]
    fn a_class_that_nothing_returns_to_loses_its_worth_and_gains_it_back_by_use() {
        let mut worth = worth(EvictionGoal::Hits);
        let full = worth.fronts[1].worth;
        for _ in 0..20_000 {
            if worth.note_return(0) {
                worth.settle_appetites(|class| if class < 2 { 1000.0 } else { 0.0 });
            }
        }
        assert!(worth.fronts[1].worth < full / 20.0);
        assert!(
            worth.fronts[0].worth == worth.fronts[0].base && worth.fronts[2].worth == worth.fronts[2].base
        );
        for _ in 0..300 {
            worth.note_use(1);
        }
        worth.settle_appetites(|_| 1000.0);
        assert!(worth.fronts[1].worth > full * 0.9);
    }

    #[test]
    fn the_small_share_follows_what_would_have_been_kept() {
        let mut worth = worth(EvictionGoal::Hits);
        for _ in 0..1_000_000 {
            worth.note_small_share(true, 1000);
        }
        assert_eq!(worth.small_share, SMALL_SHARE_MAX);
        for _ in 0..1_000_000 {
            worth.note_small_share(false, 1000);
        }
        assert_eq!(worth.small_share, SMALL_SHARE_MIN);
    }
}
