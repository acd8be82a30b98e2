//! Who waits at this shard for a key to come to hold something: the lines of blocking commands.
//!
//! A waiter is a client's blocking command. It stands in the line of each of its keys, by the kind of value that it
//! waits for, in order of arrival: first come, first served, whichever core its client is on. A line exists while
//! somebody stands in it, and as long its key is awaited in the store, which tells what has happened to it. What is in
//! line is counted in the ledger; it is bounded by what requests may take, since each waiter is a client with one
//! request. Who is served, when, and by whom is the core's business (`core::waking`).

use super::{Key, Kind, Shard};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// What a place in a line takes beside the key's bytes, about: its record, its client's record, the line's share.
const PLACE_BYTES: i64 = 160;

/// Names a waiter: the core of its client, and where there its reply belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiter {
    /// The core.
    pub core: u16,
    /// The connection's slot there.
    pub connection: u32,
    /// Low half of the client's id.
    pub client: u32,
    /// The reply's number on that connection.
    pub sequence: u32,
}

/// What is waited for: a key that holds a value of this kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Awaited {
    /// Of which kind.
    pub kind: Kind,
    /// Logical database.
    pub db: u8,
    /// The key.
    pub key: Arc<[u8]>,
}

/// Who stands in one line.
#[derive(Debug, Default)]
struct Line {
    /// By order of arrival, each with which of its arguments the key is.
    places: BTreeMap<u64, (Waiter, u32)>,
    /// Somebody in it is being served.
    serving: bool,
}

/// The lines of one shard.
#[derive(Debug, Default)]
pub struct Waiters {
    lines: HashMap<Awaited, Line>,
    /// Where each waiter stands.
    standing: HashMap<Waiter, Vec<(Awaited, u64)>>,
    /// Arrivals so far.
    arrivals: u64,
    /// Keys that are to be looked at: somebody may be served.
    ready: VecDeque<Awaited>,
    /// What is in `ready`.
    listed: HashSet<Awaited>,
}

impl Waiters {
    /// Nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// What is charged for those who stand in line, counted anew, for tests.
    pub fn recount(&self) -> i64 {
        let places = self.standing.values().flatten();
        places.map(|(awaited, _)| PLACE_BYTES + awaited.key.len() as i64).sum()
    }

    /// The first in a line, and which of its arguments the key is; nobody while one of them is being served.
    pub fn first(&self, awaited: &Awaited) -> Option<(Waiter, u32)> {
        let line = self.lines.get(awaited).filter(|line| !line.serving)?;
        line.places.first_key_value().map(|(_, place)| *place)
    }

    /// One of a line is being served from now on, or no more.
    pub fn set_serving(&mut self, awaited: &Awaited, serving: bool) {
        if let Some(line) = self.lines.get_mut(awaited) {
            line.serving = serving;
        }
    }

    /// This waiter stands in that line.
    pub fn stands(&self, waiter: &Waiter, awaited: &Awaited) -> bool {
        self.standing.get(waiter).is_some_and(|places| places.iter().any(|(at, _)| at == awaited))
    }

    /// Has a key looked at later.
    pub fn list(&mut self, awaited: Awaited) {
        if self.lines.contains_key(&awaited) && self.listed.insert(awaited.clone()) {
            self.ready.push_back(awaited);
        }
    }

    /// Has all keys of a waiter looked at later.
    pub fn list_all_of(&mut self, waiter: &Waiter) {
        let places = self.standing.get(waiter).cloned().unwrap_or_default();
        places.into_iter().for_each(|(awaited, _)| self.list(awaited));
    }

    /// There are keys to be looked at.
    #[inline]
    pub fn any_listed(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next key to be looked at.
    pub fn next_listed(&mut self) -> Option<Awaited> {
        let next = self.ready.pop_front()?;
        self.listed.remove(&next);
        Some(next)
    }
}

impl Shard {
    /// A waiter takes the last place in the line of a key, which is that argument of its. One that stands there already
    /// keeps its place.
    pub fn stand_in_line(&mut self, waiter: Waiter, awaited: &Awaited, argument: u32) {
        if self.waiters.stands(&waiter, awaited) {
            return;
        }
        if !self.waiters.lines.contains_key(awaited) {
            let now = self.now_ms();
            let key = self.key_of(awaited);
            self.store.begin_await(&key, now);
        }
        self.waiters.arrivals += 1;
        let number = self.waiters.arrivals;
        let line = self.waiters.lines.entry(awaited.clone()).or_default();
        line.places.insert(number, (waiter, argument));
        self.waiters.standing.entry(waiter).or_default().push((awaited.clone(), number));
        self.store.charge(PLACE_BYTES + awaited.key.len() as i64);
    }

    /// A waiter leaves all lines. Others may be behind it: the keys are looked at.
    pub fn leave_lines(&mut self, waiter: &Waiter) {
        for (awaited, number) in self.waiters.standing.remove(waiter).unwrap_or_default() {
            self.store.charge(-PLACE_BYTES - awaited.key.len() as i64);
            let line = self.waiters.lines.get_mut(&awaited).expect("who stands in a line has one");
            line.places.remove(&number);
            if line.places.is_empty() {
                self.waiters.lines.remove(&awaited);
                let key = self.key_of(&awaited);
                self.store.end_await(&key);
            } else {
                self.waiters.list(awaited);
            }
        }
        if self.waiters.is_empty() {
            // A crowd leaves no tables behind.
            let arrivals = self.waiters.arrivals;
            self.waiters = Waiters { arrivals, ..Waiters::default() };
        }
    }

    /// Lists awaited keys that the store says something has happened to.
    pub fn list_arrived(&mut self) {
        for arrived in self.store.take_arrived() {
            let Some(db) = self.logical(arrived.db) else { continue };
            let key =
                Key { db: arrived.db, bytes: &arrived.key, hash: self.store.hasher().hash(&arrived.key) };
            // Only what is of this kind now can serve anybody.
            let Some(kind) = self.store.peek(&key, self.now.unix_ms).map(|item| item.kind()) else {
                continue;
            };
            self.waiters.list(Awaited { kind, db, key: arrived.key.into() });
        }
    }

    /// The key holds what is waited for.
    pub fn holds(&self, awaited: &Awaited) -> bool {
        let key = self.key_of(awaited);
        self.store.peek(&key, self.now.unix_ms).is_some_and(|item| item.kind() == awaited.kind)
    }

    fn key_of<'a>(&self, awaited: &'a Awaited) -> Key<'a> {
        Key::new(self.store.hasher(), self.physical(awaited.db), &awaited.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::one_shard::OneShard;

    fn waiter(number: u32) -> Waiter {
        Waiter { core: 0, connection: number, client: number, sequence: 0 }
    }

    fn list(key: &str) -> Awaited {
        Awaited { kind: Kind::List, db: 0, key: key.as_bytes().into() }
    }

    #[test]
    fn a_line_keeps_the_order_of_arrival_and_nothing_of_those_who_leave() {
        let mut one = OneShard::new();
        let before = one.shard.store.ledger().total();
        for number in 0..100 {
            one.shard.stand_in_line(waiter(number), &list("a"), 1);
            one.shard.stand_in_line(waiter(number), &list("a"), 2);
            one.shard.stand_in_line(waiter(number), &list("b"), 2);
        }
        assert!(one.shard.store.ledger().total() > before);
        assert_eq!(one.shard.waiters.first(&list("a")), Some((waiter(0), 1)));
        for number in (0..100).filter(|number| number % 3 != 1) {
            one.shard.leave_lines(&waiter(number));
        }
        assert_eq!(one.shard.waiters.first(&list("a")), Some((waiter(1), 1)));
        one.shard.leave_lines(&waiter(1));
        assert_eq!(one.shard.waiters.first(&list("b")), Some((waiter(4), 2)));
        (0..100).for_each(|number| one.shard.leave_lines(&waiter(number)));
        assert!(one.shard.waiters.is_empty() && one.shard.store.watched() == 0);
        assert_eq!(one.shard.store.ledger().total(), before);
    }

    #[test]
    fn only_what_holds_the_awaited_kind_is_listed() {
        let mut one = OneShard::new();
        one.shard.stand_in_line(waiter(1), &list("a"), 1);
        one.run("set a x");
        one.shard.list_arrived();
        assert!(!one.shard.waiters.any_listed());
        one.run("del a");
        one.run("rpush b x");
        one.run("rename b a");
        one.shard.list_arrived();
        assert_eq!(one.shard.waiters.next_listed(), Some(list("a")));
        assert!(one.shard.holds(&list("a")) && !one.shard.waiters.any_listed());
    }
}
