//! The keys of a shard that multi-shard commands hold, and who waits for them.
//!
//! Most of the time this is empty, and one look at a counter tells so: a command on one shard then
//! runs at once and leaves no trace here. While a multi-shard command holds keys, whoever wants one
//! of them in a way that conflicts waits in that key's line, in order of arrival.
//!
//! Why nobody waits for ever: every multi-shard command has a number, later ones a greater one. A
//! claim that conflicts with one of a greater number, held or waiting, is refused at once, and its
//! command starts anew with a fresh number. So a multi-shard command waits only for smaller
//! numbers, a circle of waiting is impossible, and no timer looks for one. Commands of one shard
//! that had to wait carry the greatest number in front of them: whoever waits for them waits, in
//! truth, for that one. Of all commands under way the one with the greatest number is never
//! refused, so something always goes forward.

use std::collections::{HashMap, VecDeque};

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

/// The place in the line of every claim on this key stands for the whole shard: who wants one key
/// shares it, who wants all keys has it alone.
const WHOLE_SHARD: u64 = u64::MAX;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// All keys are held.
    Granted,
    /// It waits in line; `release` of others will name it.
    Waits,
    /// A greater number is in front of it: nothing was recorded, start anew with a new number.
    Refused,
}

#[derive(Debug)]
struct Place {
    claim: ClaimId,
    mode: Mode,
    /// The claim's.
    number: u64,
}

/// Who holds a key, and who waits for it, in order of arrival.
#[derive(Debug, Default)]
struct Line {
    places: VecDeque<Place>,
    /// How many of them are exclusive. While there are none, all hold the key, and nobody need look further:
    /// the line for the whole shard is as long as there are commands under way.
    exclusive: usize,
}

impl Line {
    /// The greatest number among those that this mode conflicts with, or that stand behind such a one.
    fn greatest_conflict(&self, mode: Mode) -> Option<u64> {
        match (self.exclusive, mode) {
            (0, Mode::Shared) => None,
            (0, Mode::Exclusive) => self.places.iter().map(|place| place.number).max(),
            // Whoever came to a line with an exclusive place in it had a number no smaller than all in front.
            _ => self.places.back().map(|place| place.number),
        }
    }

    /// Enters at the end. False: its turn has not come.
    fn enter(&mut self, place: Place) -> bool {
        let open = self.exclusive == 0 && (place.mode == Mode::Shared || self.places.is_empty());
        self.exclusive += usize::from(place.mode == Mode::Exclusive);
        self.places.push_back(place);
        open
    }

    /// How many places at its head hold the key now.
    fn front(&self) -> usize {
        match self.places.front() {
            None => 0,
            Some(_) if self.exclusive == 0 => self.places.len(),
            Some(first) if first.mode == Mode::Exclusive => 1,
            Some(_) => self.places.iter().take_while(|place| place.mode == Mode::Shared).count(),
        }
    }

    /// Takes a claim's place away. Gives the places that hold the key now and did not before.
    fn leave(&mut self, id: ClaimId) -> std::ops::Range<usize> {
        let place = self
            .places
            .iter()
            .position(|place| place.claim == id)
            .expect("a claim stands in the line of each of its keys");
        let open = self.front();
        let gone = self.places.remove(place).expect("it was found there");
        self.exclusive -= usize::from(gone.mode == Mode::Exclusive);
        let was_open = if place < open { open - 1 } else { open };
        was_open..self.front()
    }
}

#[derive(Debug)]
struct Claim {
    keys: Vec<(u64, Mode)>,
    /// Keys whose turn has not come.
    missing: usize,
}

/// Lock table of one shard.
#[derive(Debug, Default)]
pub struct Locks {
    lines: HashMap<u64, Line>,
    claims: HashMap<ClaimId, Claim>,
    next_waiter: u64,
}

impl Locks {
    /// Nothing is held: single-shard commands need not look further.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.claims.is_empty()
    }

    /// A single-shard command on these keys may run now.
    pub fn permits(&self, keys: &[(u64, Mode)]) -> bool {
        self.free(WHOLE_SHARD, Mode::Shared) && keys.iter().all(|&(key, mode)| self.free(key, mode))
    }

    /// A multi-shard command claims keys (hashes; `None`: the whole shard) under its number.
    pub fn claim(&mut self, number: u64, keys: Option<&[(u64, Mode)]>) -> Claimed {
        assert!(number & WAITER == 0 && !self.claims.contains_key(&number), "claim {number} is taken");
        let keys = with_whole_shard(keys);
        let ahead = keys.iter().filter_map(|&(key, mode)| self.greatest_conflict(key, mode)).max();
        if ahead.is_some_and(|other| other > number) {
            return Claimed::Refused;
        }
        self.enter(number, number, keys)
    }

    /// A single-shard command that `permits` refused takes its place in the lines. Its id is named
    /// by the `release` that makes it runnable; it is released after it has run.
    pub fn wait(&mut self, keys: &[(u64, Mode)]) -> ClaimId {
        let id = WAITER | self.next_waiter;
        self.next_waiter += 1;
        let keys = with_whole_shard(Some(keys));
        let number =
            keys.iter().filter_map(|&(key, mode)| self.greatest_conflict(key, mode)).max().unwrap_or(0);
        let claimed = self.enter(id, number, keys);
        assert!(claimed == Claimed::Waits, "a command that may run does not wait");
        id
    }

    /// Ends a claim, held or waiting. The ids of claims that are now granted are added to `granted`.
    pub fn release(&mut self, id: ClaimId, granted: &mut Vec<ClaimId>) {
        let Some(claim) = self.claims.remove(&id) else { return };
        for (key, _) in claim.keys {
            let line = self.lines.get_mut(&key).expect("a claim stands in the line of each of its keys");
            for index in line.leave(id) {
                let next = line.places[index].claim;
                let claim = self.claims.get_mut(&next).expect("a place belongs to a claim");
                claim.missing -= 1;
                if claim.missing == 0 {
                    granted.push(next);
                }
            }
            if line.places.is_empty() {
                self.lines.remove(&key);
            }
        }
    }

    /// Number of claims, held or waiting.
    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    fn free(&self, key: u64, mode: Mode) -> bool {
        self.lines.get(&key).is_none_or(|line| mode == Mode::Shared && line.exclusive == 0)
    }

    fn greatest_conflict(&self, key: u64, mode: Mode) -> Option<u64> {
        self.lines.get(&key)?.greatest_conflict(mode)
    }

    /// Enters the lines of its keys. `number` is what it is compared by; for a waiter the greatest in front of it.
    fn enter(&mut self, id: ClaimId, number: u64, keys: Vec<(u64, Mode)>) -> Claimed {
        let mut missing = 0;
        for &(key, mode) in &keys {
            missing +=
                usize::from(!self.lines.entry(key).or_default().enter(Place { claim: id, mode, number }));
        }
        self.claims.insert(id, Claim { keys, missing });
        if missing == 0 { Claimed::Granted } else { Claimed::Waits }
    }
}

/// Each key once, in its strongest mode, and the place that stands for the whole shard.
fn with_whole_shard(keys: Option<&[(u64, Mode)]>) -> Vec<(u64, Mode)> {
    let Some(keys) = keys else { return vec![(WHOLE_SHARD, Mode::Exclusive)] };
    let mut all = vec![(WHOLE_SHARD, Mode::Shared)];
    // The one hash that means the whole shard is folded onto its neighbour: they then conflict, which is harmless.
    all.extend(keys.iter().map(|&(key, mode)| (key.min(WHOLE_SHARD - 1), mode)));
    all.sort_unstable_by_key(|&(key, mode)| (key, mode == Mode::Shared));
    all.dedup_by_key(|&mut (key, _)| key);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn released(locks: &mut Locks, id: ClaimId) -> Vec<ClaimId> {
        let mut granted = Vec::new();
        locks.release(id, &mut granted);
        granted
    }

    #[test]
    fn readers_share_and_a_writer_waits_its_turn() {
        let mut locks = Locks::default();
        let key = [(7, Mode::Shared)];
        assert_eq!(locks.claim(1, Some(&key)), Claimed::Granted);
        assert_eq!(locks.claim(2, Some(&key)), Claimed::Granted);
        assert!(locks.permits(&key));
        assert!(!locks.permits(&[(7, Mode::Exclusive)]));
        assert_eq!(locks.claim(3, Some(&[(7, Mode::Exclusive)])), Claimed::Waits);
        assert!(!locks.permits(&key), "a reader does not pass a writer that waits");
        assert!(released(&mut locks, 1).is_empty());
        assert_eq!(released(&mut locks, 2), [3]);
        assert!(released(&mut locks, 3).is_empty());
        assert!(locks.is_idle() && locks.lines.is_empty());
    }

    #[test]
    fn a_smaller_number_that_comes_late_is_refused() {
        let mut locks = Locks::default();
        assert_eq!(locks.claim(6, Some(&[(1, Mode::Exclusive)])), Claimed::Granted);
        assert_eq!(locks.claim(5, Some(&[(1, Mode::Exclusive), (2, Mode::Shared)])), Claimed::Refused);
        assert_eq!(
            locks.claim(4, Some(&[(2, Mode::Shared)])),
            Claimed::Granted,
            "a refusal leaves nothing behind"
        );
    }

    #[test]
    fn a_waiting_command_passes_its_number_on() {
        let mut locks = Locks::default();
        assert_eq!(locks.claim(5, Some(&[(1, Mode::Shared)])), Claimed::Granted);
        let waiter = locks.wait(&[(1, Mode::Exclusive)]);
        // 3 would wait for the waiter, which waits for 5: that is waiting for a greater number.
        assert_eq!(locks.claim(3, Some(&[(1, Mode::Shared)])), Claimed::Refused);
        assert_eq!(locks.claim(8, Some(&[(1, Mode::Shared)])), Claimed::Waits);
        assert_eq!(released(&mut locks, 5), [waiter]);
        assert_eq!(released(&mut locks, waiter), [8]);
    }

    #[test]
    fn the_whole_shard_conflicts_with_every_key() {
        let mut locks = Locks::default();
        assert_eq!(locks.claim(1, Some(&[(1, Mode::Shared)])), Claimed::Granted);
        assert_eq!(locks.claim(2, None), Claimed::Waits);
        assert!(!locks.permits(&[(9, Mode::Shared)]));
        assert_eq!(released(&mut locks, 1), [2]);
        assert!(!locks.permits(&[(9, Mode::Shared)]));
        assert!(released(&mut locks, 2).is_empty());
        assert!(locks.permits(&[(9, Mode::Exclusive)]));
    }

    #[test]
    fn a_claim_that_gives_up_lets_the_next_one_through() {
        let mut locks = Locks::default();
        assert_eq!(locks.claim(1, Some(&[(1, Mode::Exclusive)])), Claimed::Granted);
        assert_eq!(locks.claim(2, Some(&[(1, Mode::Exclusive)])), Claimed::Waits);
        assert_eq!(locks.claim(3, Some(&[(1, Mode::Exclusive)])), Claimed::Waits);
        assert!(released(&mut locks, 2).is_empty());
        assert_eq!(released(&mut locks, 1), [3]);
    }
}
