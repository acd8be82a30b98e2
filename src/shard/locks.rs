//! The keys of a shard that multi-shard commands hold, and who waits for them.
//!
//! Most of the time this is empty, and one look at a counter tells so: a command on one shard then
//! runs at once and leaves no trace here. While a multi-shard command holds keys, whoever wants one
//! of them in a way that conflicts waits in that key's line, in order of arrival.
//!
//! Why nobody waits for ever: every multi-shard command has a number, later ones a greater one, and at first
//! claims all its shards at once. A claim that conflicts with a greater number, held or waiting, is refused; so
//! such a command waits for smaller numbers only. Once refused, a command claims its shards in their order, each
//! when the one before has granted. It is never refused again: it ranks above all numbers, so that those who
//! claim at once never wait for it, and it may wait for anybody. A circle of waiting would need somebody
//! who claims at once to wait for somebody who does not (he is refused), or numbers that fall for ever, or
//! commands in order each of which waits at a shard that the next one has claimed and is not past: at the last of these
//! shards all of them stand in one order of arrival. So there is no circle, no timer looks for one, and nobody starts
//! anew more than once. Commands of one shard that had to wait carry the greatest rank in front of
//! them: whoever waits for them waits, in truth, for that one.

use crate::limits::SCRATCH_KEYS_MAX;
use std::collections::HashMap;

/// How a key is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With others that only read.
    Shared,
    /// Alone.
    Exclusive,
}

/// The name of a claim within one shard's table: the command's number, or a waiter's own id.
pub type ClaimId = u64;

/// Bit that tells the ids of single-shard waiters from the numbers of multi-shard commands.
const WAITER: u64 = 1 << 63;

/// The rank of a command that claims its shards in order: greater than every number.
const IN_ORDER: u64 = WAITER - 1;

/// No line, place or claim.
const NONE: u32 = u32::MAX;

/// The line of the whole shard: who wants one key shares it, who wants all keys has it alone.
const WHOLE_SHARD: u32 = 0;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// All keys are held.
    Granted,
    /// It waits in line; `release` of others will name it.
    Waits,
    /// A greater number is in front of it: nothing was recorded, start anew in order.
    Refused,
}

/// How a multi-shard command claims its shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// All at once: it waits for smaller numbers only.
    AtOnce,
    /// In the order of the shards, each when the one before has granted: it may wait for anybody.
    InOrder,
    /// At once or not at all: it waits for nobody, so it may hold whatever it likes meanwhile.
    Try,
}

impl Manner {
    /// What a command is compared by: those in order come behind all numbers.
    fn rank(self, number: u64) -> u64 {
        match self {
            Manner::AtOnce | Manner::Try => number,
            Manner::InOrder => IN_ORDER,
        }
    }
}

/// Records that are used again and again, named by number: a claim on free keys allocates nothing.
#[derive(Debug)]
struct Records<T> {
    slots: Vec<T>,
    free: Vec<u32>,
}

impl<T> Records<T> {
    const fn new() -> Records<T> {
        Records { slots: Vec::new(), free: Vec::new() }
    }

    #[inline]
    fn add(&mut self, record: T) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = record;
                at
            }
            None => {
                self.slots.push(record);
                self.slots.len() as u32 - 1
            }
        }
    }

    #[inline]
    fn give_back(&mut self, at: u32) {
        self.free.push(at);
    }

    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl<T> std::ops::Index<u32> for Records<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.slots[at as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Records<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.slots[at as usize]
    }
}

/// A claim's place in the line of one key.
#[derive(Debug)]
struct Place {
    claim: u32,
    line: u32,
    /// Neighbours in the line.
    before: u32,
    behind: u32,
    /// The next place of the same claim.
    sibling: u32,
    mode: Mode,
    /// It holds the key.
    open: bool,
}

/// Who holds a key, and who waits for it, in order of arrival. It exists while somebody does.
#[derive(Debug)]
struct Line {
    key: u64,
    /// The next line of the same bucket.
    chain: u32,
    first: u32,
    last: u32,
    /// How many places are exclusive. While there are none, all hold the key, and nobody need look further:
    /// the line for the whole shard is as long as there are commands under way.
    exclusive: u32,
}

impl Line {
    fn empty(key: u64, chain: u32) -> Line {
        Line { key, chain, first: NONE, last: NONE, exclusive: 0 }
    }
}

#[derive(Debug)]
struct Claim {
    id: ClaimId,
    /// What it is compared by: its number, or what stands for being in order; for a waiter the greatest in front of it.
    rank: u64,
    /// The first of its places.
    places: u32,
    /// Keys whose turn has not come.
    missing: u32,
}

/// Lock table of one shard: a hash table of lines, with places and claims linked through them.
#[derive(Debug)]
pub struct Locks {
    /// First line of each bucket; a power of two.
    buckets: Vec<u32>,
    lines: Records<Line>,
    places: Records<Place>,
    claims: Records<Claim>,
    by_id: HashMap<ClaimId, u32>,
    next_waiter: u64,
    /// Scratch of `claim`.
    distinct: Vec<(u64, Mode)>,
}

impl Default for Locks {
    fn default() -> Locks {
        let mut lines = Records::new();
        lines.add(Line::empty(0, NONE));
        Locks {
            buckets: vec![NONE; 64],
            lines,
            places: Records::new(),
            claims: Records::new(),
            by_id: HashMap::new(),
            next_waiter: 0,
            distinct: Vec::new(),
        }
    }
}

impl Locks {
    /// Nothing is held: single-shard commands need not look further.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.by_id.is_empty()
    }

    /// A single-shard command on these keys may run now.
    pub fn permits(&self, keys: &[(u64, Mode)]) -> bool {
        self.permits_each(keys.iter().copied())
    }

    /// The same for keys that nobody has put into a list.
    pub fn permits_each(&self, mut keys: impl Iterator<Item = (u64, Mode)>) -> bool {
        self.is_free(WHOLE_SHARD, Mode::Shared)
            && keys.all(|(key, mode)| self.line_of(key).is_none_or(|line| self.is_free(line, mode)))
    }

    /// A multi-shard command claims keys (hashes; `None`: the whole shard) under its number.
    pub fn claim(&mut self, number: u64, manner: Manner, keys: Option<&[(u64, Mode)]>) -> Claimed {
        let Some(keys) = keys else {
            let rank = manner.rank(number);
            let ahead = self.greatest_conflict(WHOLE_SHARD, Mode::Exclusive);
            if ahead.is_some_and(|other| other > rank || manner == Manner::Try) {
                return Claimed::Refused;
            }
            let claim = self.begin(number, rank);
            self.enter(claim, WHOLE_SHARD, Mode::Exclusive);
            return self.claimed(claim);
        };
        let distinct = self.distinct(keys);
        let claimed = self.claim_each(number, manner, distinct.iter().copied());
        self.distinct = distinct;
        claimed
    }

    /// The same for keys that are all held in one way, of which some may be named twice.
    pub fn claim_each(
        &mut self,
        number: u64,
        manner: Manner,
        keys: impl Iterator<Item = (u64, Mode)> + Clone,
    ) -> Claimed {
        let rank = manner.rank(number);
        if !self.is_idle() && manner != Manner::InOrder {
            let ahead = self.greatest_ahead(keys.clone());
            if ahead.is_some_and(|other| other > rank || manner == Manner::Try) {
                return Claimed::Refused;
            }
        }
        let claim = self.begin(number, rank);
        self.enter(claim, WHOLE_SHARD, Mode::Shared);
        keys.for_each(|(key, mode)| self.enter_key(claim, key, mode));
        self.claimed(claim)
    }

    /// A single-shard command that `permits` refused takes its place in the lines. Its id is named
    /// by the `release` that makes it runnable; it is released after it has run.
    pub fn wait(&mut self, keys: &[(u64, Mode)]) -> ClaimId {
        let id = WAITER | self.next_waiter;
        self.next_waiter += 1;
        let distinct = self.distinct(keys);
        let rank = self.greatest_ahead(distinct.iter().copied()).unwrap_or(0);
        let claim = self.begin(id, rank);
        self.enter(claim, WHOLE_SHARD, Mode::Shared);
        distinct.iter().for_each(|&(key, mode)| self.enter_key(claim, key, mode));
        self.distinct = distinct;
        assert!(self.claimed(claim) == Claimed::Waits, "a command that may run does not wait");
        id
    }

    /// Holds a key that `permits` says is free, until `release`. Whoever holds it so waits for no lock meanwhile, and so
    /// everybody may wait for him.
    pub fn hold(&mut self, key: u64) -> ClaimId {
        let id = WAITER | self.next_waiter;
        self.next_waiter += 1;
        let claim = self.begin(id, 0);
        self.enter(claim, WHOLE_SHARD, Mode::Shared);
        self.enter_key(claim, key, Mode::Exclusive);
        assert!(self.claimed(claim) == Claimed::Granted, "what is held at once is free");
        id
    }

    /// This claim holds a key alone.
    pub fn is_held_by(&self, id: ClaimId, key: u64) -> bool {
        let Some(&claim) = self.by_id.get(&id) else { return false };
        let is_first = |line: u32| {
            let first = self.lines[line].first;
            first != NONE && {
                let place = &self.places[first];
                place.claim == claim && place.mode == Mode::Exclusive
            }
        };
        self.claims[claim].missing == 0 && (is_first(WHOLE_SHARD) || self.line_of(key).is_some_and(is_first))
    }

    /// Ends a claim, held or waiting. The ids of claims that are now granted are added to `granted`.
    pub fn release(&mut self, id: ClaimId, granted: &mut Vec<ClaimId>) {
        let Some(claim) = self.by_id.remove(&id) else { return };
        let mut place = self.claims[claim].places;
        while place != NONE {
            let next = self.places[place].sibling;
            self.leave(place, granted);
            place = next;
        }
        self.claims.give_back(claim);
        if self.is_idle() && self.places.slots.len() > SCRATCH_KEYS_MAX {
            *self = Locks { next_waiter: self.next_waiter, ..Locks::default() };
        }
    }

    /// Number of claims, held or waiting.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.is_idle()
    }

    #[inline]
    fn bucket_of(&self, key: u64) -> usize {
        // The bits above choose the shard, those below are the index's business.
        (key >> 16) as usize & (self.buckets.len() - 1)
    }

    #[inline]
    fn line_of(&self, key: u64) -> Option<u32> {
        let mut at = self.buckets[self.bucket_of(key)];
        while at != NONE {
            let line = &self.lines[at];
            if line.key == key {
                return Some(at);
            }
            at = line.chain;
        }
        None
    }

    fn is_free(&self, line: u32, mode: Mode) -> bool {
        let line = &self.lines[line];
        line.first == NONE || mode == Mode::Shared && line.exclusive == 0
    }

    fn rank_at(&self, place: u32) -> Option<u64> {
        (place != NONE).then(|| self.claims[self.places[place].claim].rank)
    }

    /// The greatest rank among those in a line that this mode conflicts with, or that stand behind such a one.
    fn greatest_conflict(&self, line: u32, mode: Mode) -> Option<u64> {
        let line = &self.lines[line];
        match (line.exclusive, mode) {
            (0, Mode::Shared) => None,
            (0, Mode::Exclusive) => {
                let mut greatest = self.rank_at(line.first);
                let mut at = line.first;
                while at != NONE {
                    greatest = greatest.max(self.rank_at(at));
                    at = self.places[at].behind;
                }
                greatest
            }
            // Whoever came to a line with an exclusive place in it had a rank no smaller than all in front.
            _ => self.rank_at(line.last),
        }
    }

    fn greatest_ahead(&self, keys: impl Iterator<Item = (u64, Mode)>) -> Option<u64> {
        let of_key = |(key, mode)| self.greatest_conflict(self.line_of(key)?, mode);
        let ahead = keys.filter_map(of_key).max();
        ahead.max(self.greatest_conflict(WHOLE_SHARD, Mode::Shared))
    }

    fn begin(&mut self, id: ClaimId, rank: u64) -> u32 {
        let claim = self.claims.add(Claim { id, rank, places: NONE, missing: 0 });
        let taken = self.by_id.insert(id, claim);
        assert!(taken.is_none(), "claim {id} is taken");
        claim
    }

    fn claimed(&self, claim: u32) -> Claimed {
        if self.claims[claim].missing == 0 { Claimed::Granted } else { Claimed::Waits }
    }

    fn enter_key(&mut self, claim: u32, key: u64, mode: Mode) {
        let line = match self.line_of(key) {
            Some(line) => line,
            None => {
                if self.lines.len() > self.buckets.len() {
                    self.grow();
                }
                let bucket = self.bucket_of(key);
                let line = self.lines.add(Line::empty(key, self.buckets[bucket]));
                self.buckets[bucket] = line;
                line
            }
        };
        self.enter(claim, line, mode);
    }

    /// Takes the last place in a line, unless the claim has that already.
    fn enter(&mut self, claim: u32, at: u32, mode: Mode) {
        let line = &mut self.lines[at];
        let last = line.last;
        if last != NONE && self.places[last].claim == claim {
            debug_assert!(self.places[last].mode == mode, "one key is held in one way");
            return;
        }
        let open = line.exclusive == 0 && (mode == Mode::Shared || line.first == NONE);
        line.exclusive += u32::from(mode == Mode::Exclusive);
        let owner = &mut self.claims[claim];
        owner.missing += u32::from(!open);
        let place = Place { claim, line: at, before: last, behind: NONE, sibling: owner.places, mode, open };
        let place = self.places.add(place);
        owner.places = place;
        line.last = place;
        if last == NONE {
            line.first = place;
        } else {
            self.places[last].behind = place;
        }
    }

    /// Gives a place up, and grants the key to those whose turn has come by it.
    fn leave(&mut self, at: u32, granted: &mut Vec<ClaimId>) {
        let Place { line, before, behind, mode, .. } = self.places[at];
        self.places.give_back(at);
        let line_at = line;
        let line = &mut self.lines[line_at];
        if before == NONE {
            line.first = behind;
        } else {
            self.places[before].behind = behind;
        }
        if behind == NONE {
            line.last = before;
        } else {
            self.places[behind].before = before;
        }
        if line.first == NONE {
            line.exclusive = 0;
            if line_at != WHOLE_SHARD {
                self.forget_line(line_at);
            }
            return;
        }
        if line.exclusive == 0 {
            return;
        }
        line.exclusive -= u32::from(mode == Mode::Exclusive);
        // The head of the line holds the key, and if it is shared, all up to the first that is not.
        let first = line.first;
        let mut at = first;
        while at != NONE {
            let place = &mut self.places[at];
            if place.mode == Mode::Exclusive && at != first {
                break;
            }
            if !place.open {
                place.open = true;
                let claim = &mut self.claims[place.claim];
                claim.missing -= 1;
                if claim.missing == 0 {
                    granted.push(claim.id);
                }
            }
            at = if place.mode == Mode::Exclusive { NONE } else { place.behind };
        }
    }

    fn forget_line(&mut self, line: u32) {
        let Line { key, chain, .. } = self.lines[line];
        let bucket = self.bucket_of(key);
        let mut at = self.buckets[bucket];
        if at == line {
            self.buckets[bucket] = chain;
        } else {
            while self.lines[at].chain != line {
                at = self.lines[at].chain;
            }
            self.lines[at].chain = chain;
        }
        self.lines.give_back(line);
    }

    /// Twice as many buckets.
    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.buckets);
        self.buckets = vec![NONE; 2 * old.len()];
        for mut at in old {
            while at != NONE {
                let Line { key, chain, .. } = self.lines[at];
                let bucket = self.bucket_of(key);
                self.lines[at].chain = self.buckets[bucket];
                self.buckets[bucket] = at;
                at = chain;
            }
        }
    }

    /// Each key once, in its strongest mode.
    fn distinct(&mut self, keys: &[(u64, Mode)]) -> Vec<(u64, Mode)> {
        let mut all = std::mem::take(&mut self.distinct);
        all.clear();
        all.extend_from_slice(keys);
        all.sort_unstable_by_key(|&(key, mode)| (key, mode == Mode::Shared));
        all.dedup_by_key(|&mut (key, _)| key);
        all
    }
}

#[cfg(test)]
mod tests;
