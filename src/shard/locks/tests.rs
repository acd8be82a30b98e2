//! The lock table against its naive twin, and case by case.

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
    assert_eq!(locks.claim(1, Manner::AtOnce, Some(&key)), Claimed::Granted);
    assert_eq!(locks.claim(2, Manner::AtOnce, Some(&key)), Claimed::Granted);
    assert!(locks.permits(&key));
    assert!(!locks.permits(&[(7, Mode::Exclusive)]));
    assert_eq!(locks.claim(3, Manner::AtOnce, Some(&[(7, Mode::Exclusive)])), Claimed::Waits);
    assert!(!locks.permits(&key), "a reader does not pass a writer that waits");
    assert!(released(&mut locks, 1).is_empty());
    assert_eq!(released(&mut locks, 2), [3]);
    assert!(released(&mut locks, 3).is_empty());
    assert!(locks.is_idle() && locks.lines.len() == 1 && locks.places.len() == 0);
}

#[test]
fn a_smaller_number_that_comes_late_is_refused() {
    let mut locks = Locks::default();
    assert_eq!(locks.claim(6, Manner::AtOnce, Some(&[(1, Mode::Exclusive)])), Claimed::Granted);
    assert_eq!(
        locks.claim(5, Manner::AtOnce, Some(&[(1, Mode::Exclusive), (2, Mode::Shared)])),
        Claimed::Refused
    );
    assert_eq!(
        locks.claim(4, Manner::AtOnce, Some(&[(2, Mode::Shared)])),
        Claimed::Granted,
        "a refusal leaves nothing behind"
    );
}

#[test]
fn a_waiting_command_passes_its_number_on() {
    let mut locks = Locks::default();
    assert_eq!(locks.claim(5, Manner::AtOnce, Some(&[(1, Mode::Shared)])), Claimed::Granted);
    let waiter = locks.wait(&[(1, Mode::Exclusive)]);
    // 3 would wait for the waiter, which waits for 5: that is waiting for a greater number.
    assert_eq!(locks.claim(3, Manner::AtOnce, Some(&[(1, Mode::Shared)])), Claimed::Refused);
    assert_eq!(locks.claim(8, Manner::AtOnce, Some(&[(1, Mode::Shared)])), Claimed::Waits);
    assert_eq!(released(&mut locks, 5), [waiter]);
    assert_eq!(released(&mut locks, waiter), [8]);
}

#[test]
fn the_whole_shard_conflicts_with_every_key() {
    let mut locks = Locks::default();
    assert_eq!(locks.claim(1, Manner::AtOnce, Some(&[(1, Mode::Shared)])), Claimed::Granted);
    assert_eq!(locks.claim(2, Manner::AtOnce, None), Claimed::Waits);
    assert!(!locks.permits(&[(9, Mode::Shared)]));
    assert_eq!(released(&mut locks, 1), [2]);
    assert!(!locks.permits(&[(9, Mode::Shared)]));
    assert!(released(&mut locks, 2).is_empty());
    assert!(locks.permits(&[(9, Mode::Exclusive)]));
}

#[test]
fn a_claim_that_gives_up_lets_the_next_one_through() {
    let mut locks = Locks::default();
    assert_eq!(locks.claim(1, Manner::AtOnce, Some(&[(1, Mode::Exclusive)])), Claimed::Granted);
    assert_eq!(locks.claim(2, Manner::AtOnce, Some(&[(1, Mode::Exclusive)])), Claimed::Waits);
    assert_eq!(locks.claim(3, Manner::AtOnce, Some(&[(1, Mode::Exclusive)])), Claimed::Waits);
    assert!(released(&mut locks, 2).is_empty());
    assert_eq!(released(&mut locks, 1), [3]);
}

/// What the table must do, done the long way: a list per key, walked from its start.
#[derive(Default)]
struct Twin {
    lines: HashMap<u64, Vec<(ClaimId, u64, Mode)>>,
    missing: HashMap<ClaimId, Vec<u64>>,
}

impl Twin {
    fn open(line: &[(ClaimId, u64, Mode)]) -> usize {
        let shared = line.iter().take_while(|place| place.2 == Mode::Shared).count();
        if shared == 0 { line.len().min(1) } else { shared }
    }

    fn ahead(&self, key: u64, mode: Mode) -> Option<u64> {
        let line = self.lines.get(&key)?;
        let conflicts = mode == Mode::Exclusive || line.iter().any(|place| place.2 == Mode::Exclusive);
        line.iter().filter(|_| conflicts).map(|place| place.1).max()
    }

    fn enter(&mut self, id: ClaimId, rank: u64, keys: &[(u64, Mode)]) -> Claimed {
        for &(key, mode) in keys {
            self.lines.entry(key).or_default().push((id, rank, mode));
        }
        self.missing.insert(id, Vec::new());
        self.settle(&mut Vec::new());
        if self.missing[&id].is_empty() { Claimed::Granted } else { Claimed::Waits }
    }

    /// Works out anew who lacks which keys; those who lacked some and lack none now are granted.
    fn settle(&mut self, granted: &mut Vec<ClaimId>) {
        let before = std::mem::take(&mut self.missing);
        self.missing = before.keys().map(|&id| (id, Vec::new())).collect();
        for (&key, line) in &self.lines {
            for place in &line[Twin::open(line)..] {
                self.missing.get_mut(&place.0).unwrap().push(key);
            }
        }
        let now = |id: &&ClaimId| !before[id].is_empty() && self.missing[id].is_empty();
        granted.extend(self.missing.keys().filter(now).copied().collect::<Vec<_>>());
    }

    fn release(&mut self, id: ClaimId, granted: &mut Vec<ClaimId>) {
        self.lines.values_mut().for_each(|line| line.retain(|place| place.0 != id));
        self.missing.remove(&id);
        self.settle(granted);
    }
}

#[test]
fn the_table_equals_its_twin() {
    let mut random = crate::shard::random::Random::new(7);
    let mut draw = move |below: u64| random.draw() % below;
    let (mut locks, mut twin) = (Locks::default(), Twin::default());
    let mut under_way: Vec<ClaimId> = Vec::new();
    for step in 0..20_000u64 {
        let spread = if step % 4000 < 2000 { 6 } else { 3000 };
        let keys: Vec<(u64, Mode)> = (0..1 + draw(if spread == 6 { 4 } else { 300 }))
            .map(|_| (draw(spread) << 16, if draw(3) == 0 { Mode::Shared } else { Mode::Exclusive }))
            .collect();
        let distinct = locks.distinct(&keys);
        let ahead = distinct.iter().filter_map(|&(key, mode)| twin.ahead(key, mode)).max();
        match draw(5) {
            0 if under_way.len() < 12 => {
                // Some come late with a small number.
                let number = 10 * step + 100 - 9 * draw(10) * u64::from(step > 100);
                let manner = if draw(3) == 0 { Manner::InOrder } else { Manner::AtOnce };
                let rank = manner.rank(number);
                if under_way.contains(&number) {
                    continue;
                }
                let expected = if ahead.is_some_and(|ahead| ahead > rank) {
                    Claimed::Refused
                } else {
                    twin.enter(number, rank, &distinct)
                };
                assert_eq!(locks.claim(number, manner, Some(&keys)), expected, "step {step}");
                if expected != Claimed::Refused {
                    under_way.push(number);
                }
            }
            1 if under_way.len() < 12 => {
                let free = ahead.is_none();
                assert_eq!(locks.permits(&keys), free, "step {step}");
                if !free {
                    let id = locks.wait(&keys);
                    assert_eq!(twin.enter(id, ahead.unwrap_or(0), &distinct), Claimed::Waits);
                    under_way.push(id);
                }
            }
            2 | 3 if !under_way.is_empty() => {
                let id = under_way.swap_remove(draw(under_way.len() as u64) as usize);
                let (mut granted, mut expected) = (released(&mut locks, id), Vec::new());
                twin.release(id, &mut expected);
                granted.sort_unstable();
                expected.sort_unstable();
                assert_eq!(granted, expected, "step {step}");
            }
            _ => {}
        }
        locks.distinct = distinct;
        assert_eq!(locks.len(), under_way.len());
    }
    under_way.into_iter().for_each(|id| drop(released(&mut locks, id)));
    assert!(locks.is_idle() && locks.lines.len() == 1 && locks.places.len() == 0);
}

#[test]
fn a_held_key_lets_others_wait_and_a_try_waits_for_nobody() {
    let mut locks = Locks::default();
    let held = locks.hold(7 << 20);
    assert!(locks.is_held_by(held, 7 << 20) && !locks.is_held_by(held, 8 << 20));
    assert!(!locks.permits(&[(7 << 20, Mode::Shared)]) && locks.permits(&[(8 << 20, Mode::Exclusive)]));
    assert_eq!(locks.claim(5, Manner::AtOnce, Some(&[(7 << 20, Mode::Exclusive)])), Claimed::Waits);
    assert_eq!(locks.claim(6, Manner::Try, Some(&[(7 << 20, Mode::Exclusive)])), Claimed::Refused);
    assert_eq!(locks.claim(7, Manner::Try, Some(&[(8 << 20, Mode::Exclusive)])), Claimed::Granted);
    assert!(locks.is_held_by(7, 8 << 20) && !locks.is_held_by(5, 7 << 20));
    let mut granted = Vec::new();
    locks.release(held, &mut granted);
    assert_eq!(granted, [5]);
    assert!(locks.is_held_by(5, 7 << 20));
    locks.release(5, &mut granted);
    locks.release(7, &mut granted);
    assert!(locks.is_idle());
}
