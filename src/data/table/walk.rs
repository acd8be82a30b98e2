//! Going through a table: all of it, a bucket at a time from a cursor, by chance, and to reclaim what is dead.

use super::{Table, bucket};
use crate::data::copying::Effort;
use crate::data::entries::{Entry, is_live};
use crate::text::Digits;

/// Bits of a cursor: more buckets than that, no table has.
const CURSOR_BITS: u32 = 32;

/// Draws of `pick` before it looks for anything alive.
const PICKS_MAX: usize = 1000;

/// Where an entry is. Good until the table changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spot {
    bucket: u32,
    index: u32,
}

/// How far the search for dead entries is, and what it knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    /// Entries with a deadline.
    dying: usize,
    /// None of them dies before that.
    due_ms: u64,
    /// The bucket to be looked at next.
    at: usize,
    /// The earliest deadline of buckets before that.
    seen_ms: u64,
}

impl Default for Sweep {
    fn default() -> Sweep {
        Sweep { dying: 0, due_ms: u64::MAX, at: 0, seen_ms: u64::MAX }
    }
}

impl Sweep {
    /// An entry has got a deadline; 0 is none.
    #[inline]
    pub(super) fn came(&mut self, deadline_ms: u64) {
        if deadline_ms != 0 {
            self.dying += 1;
            self.due_ms = self.due_ms.min(deadline_ms);
            self.seen_ms = self.seen_ms.min(deadline_ms);
        }
    }

    /// An entry with a deadline has gone, or lost it.
    #[inline]
    pub(super) fn left(&mut self) {
        self.dying -= 1;
        if self.dying == 0 {
            *self = Sweep::default();
        }
    }

    /// The entries of a bucket are in another now; what of them has been seen is not known.
    #[inline]
    pub(super) fn joined(&mut self, into: usize, from: usize) {
        if into < self.at && from >= self.at {
            self.seen_ms = self.seen_ms.min(self.due_ms);
        }
        self.at = self.at.min(from);
    }
}

impl Table {
    /// All entries, dead or alive.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.buckets.len()).flat_map(move |number| {
            let places = bucket::run(&self.buckets[number], self.valued).places();
            places.map(move |place| self.entry(number, place))
        })
    }

    /// All entries that are alive.
    pub fn live(&self, now_ms: u64) -> impl Iterator<Item = Entry<'_>> {
        self.iter().filter(move |entry| entry.is_live(now_ms))
    }

    /// How many entries are alive: counted one by one if some may be dead.
    pub fn live_count(&self, now_ms: u64) -> usize {
        if self.sweep.due_ms > now_ms { self.len } else { self.live(now_ms).count() }
    }

    /// No entry dies before that; 0: none ever does.
    #[inline]
    pub fn due_ms(&self) -> u64 {
        if self.sweep.dying == 0 { 0 } else { self.sweep.due_ms }
    }

    /// Visits the entries of one bucket, dead or alive; gives the cursor of the next call, 0 at the end. Start with 0.
    ///
    /// An entry that is there from the first call to the last is visited at least once, whatever comes and goes in
    /// between. Any number may be passed.
    ///
    /// The walk is over the hashes with their bits in reverse order: there a bucket is an interval, a split divides
    /// it in two, and a join puts two that are neighbours together.
    pub fn scan(&self, cursor: u64, visit: &mut dyn FnMut(Entry<'_>)) -> u64 {
        let position = cursor as u32;
        let number = self.address(u64::from(position.reverse_bits()));
        for place in bucket::run(&self.buckets[number], self.valued).places() {
            visit(self.entry(number, place));
        }
        let buckets = self.buckets.len();
        let depth = buckets.next_power_of_two().trailing_zeros();
        let half = buckets.next_power_of_two() >> 1;
        // Buckets that are not divided yet in this round are as wide as two others.
        let undivided = !buckets.is_power_of_two() && number >= buckets - half && number < half;
        let width = 1u64 << (CURSOR_BITS - depth + u32::from(undivided));
        let next = (u64::from(position) & !(width - 1)) + width;
        if next >> CURSOR_BITS == 0 { next } else { 0 }
    }

    /// A spot with an entry that is alive, each as likely as any other; `None` if there is none. `draw` gives random
    /// numbers.
    pub fn pick(&self, draw: &mut dyn FnMut() -> u64, now_ms: u64) -> Option<Spot> {
        if self.len == 0 {
            return None;
        }
        // A spot that no bucket reaches to is drawn again: buckets with more entries are as much likelier.
        for _ in 0..PICKS_MAX {
            let bucket = below(draw(), self.buckets.len());
            let index = below(draw(), self.longest);
            if index < bucket::count(&self.buckets[bucket]) {
                let spot = Spot { bucket: bucket as u32, index: index as u32 };
                if self.at(spot).is_live(now_ms) {
                    return Some(spot);
                }
            }
        }
        // Nearly all are dead: whatever lives.
        let first = below(draw(), self.buckets.len());
        let numbers = (first..self.buckets.len()).chain(0..first);
        for number in numbers {
            let run = bucket::run(&self.buckets[number], self.valued);
            if let Some(index) = run.places().position(|place| is_live(run.deadline_ms(place), now_ms)) {
                return Some(Spot { bucket: number as u32, index: index as u32 });
            }
        }
        None
    }

    /// The entry at a spot.
    pub fn at(&self, spot: Spot) -> Entry<'_> {
        let number = spot.bucket as usize;
        self.entry(number, bucket::place(&self.buckets[number], self.valued, spot.index as usize))
    }

    /// Reclaims what is dead in up to so many buckets. How many entries that were, and whether the walk over all
    /// buckets has ended: `due_ms` is then what is due next.
    pub fn reap(&mut self, now_ms: u64, buckets_max: usize) -> (usize, bool) {
        let before = self.len;
        for _ in 0..buckets_max {
            if self.sweep.dying == 0 || self.sweep.due_ms > now_ms {
                return (before - self.len, true);
            }
            if self.sweep.at >= self.buckets.len() {
                (self.sweep.due_ms, self.sweep.at, self.sweep.seen_ms) = (self.sweep.seen_ms, 0, u64::MAX);
                return (before - self.len, true);
            }
            self.reap_bucket(now_ms);
        }
        (before - self.len, false)
    }

    fn reap_bucket(&mut self, now_ms: u64) {
        let number = self.sweep.at;
        self.sweep.at += 1;
        loop {
            let run = bucket::run(&self.buckets[number], self.valued);
            let mut dead = None;
            for (index, place) in run.places().enumerate() {
                let deadline_ms = run.deadline_ms(place);
                if !is_live(deadline_ms, now_ms) {
                    dead = Some((index, place));
                    break;
                }
                if deadline_ms != 0 {
                    self.sweep.seen_ms = self.sweep.seen_ms.min(deadline_ms);
                }
            }
            let Some((index, place)) = dead else { break };
            self.remove_at(number, index, place);
        }
        self.shrink();
    }

    /// Frees up to so many blocks of a table that nobody will look at again. True: nothing is left.
    pub fn shed(&mut self, blocks_max: usize) -> bool {
        let kept = self.buckets.len().saturating_sub(blocks_max);
        let went = self.buckets.len() - kept;
        for gone in self.buckets.drain(kept..) {
            self.bucket_bytes -= super::block_bytes(gone.len());
        }
        let went = went + self.long.shed(blocks_max - went);
        went < blocks_max
    }

    /// A table that is to become a copy of this one.
    pub fn begin_copy(&self) -> Table {
        Table {
            buckets: Vec::with_capacity(self.buckets.len()),
            long: self.long.begin_copy(),
            bucket_bytes: 0,
            hasher: self.hasher.clone(),
            ..*self
        }
    }

    /// Makes more of a copy. True: all of it is there.
    pub fn copy_on(&mut self, of: &Table, effort: &mut Effort) -> bool {
        let Table { buckets, bucket_bytes, long, .. } = self;
        effort.go_on(buckets, &of.buckets, |bucket| {
            *bucket_bytes += super::block_bytes(bucket.len());
            (bucket.clone(), bucket.len())
        }) && long.copy_on(&of.long, effort)
    }

    /// The texts of all members of a set, for tests and for those who sort.
    pub fn members(&self) -> Vec<Vec<u8>> {
        self.iter().map(|entry| entry.field.text(&mut Digits::default()).to_vec()).collect()
    }
}

/// A number below `end`, each as likely as any other, of a random number.
#[inline]
pub fn below(random: u64, end: usize) -> usize {
    ((u128::from(random) * end as u128) >> 64) as usize
}
