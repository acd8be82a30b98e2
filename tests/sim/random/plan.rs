//! What a seed makes of a world, and what its clients ask.

use super::op::{Bytes, Combine, End, Key, Op, Store, When};
use super::speech::Tongue;
use crate::driver::Dice;
use crate::faults::Rates;
use std::collections::HashMap;

/// What keys of a group hold, mostly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Strings,
    Lists,
    Sets,
    Hashes,
    Sorted,
    Mixed,
}

/// How much memory there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    Plenty,
    /// Somebody fills it, and what was there goes.
    Evicts,
    /// Somebody fills it, and writes are refused.
    Refuses,
}

/// A world as a seed has it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub groups: Vec<(Kind, usize)>,
    pub memory: Memory,
    /// Keys get times at which they die.
    pub dying: bool,
    pub long_values: bool,
    pub flushes: bool,
    pub scans: bool,
    pub listeners: usize,
    pub clients: usize,
    /// Requests of one client that may be unanswered.
    pub depth: usize,
    /// Operations in all.
    pub ops: usize,
    /// A client leaves once in so many turns; 0: nobody does.
    pub cut: usize,
    pub rates: Rates,
}

impl Plan {
    pub fn new(dice: &mut Dice) -> Plan {
        let memory =
            [Memory::Plenty, Memory::Plenty, Memory::Plenty, Memory::Evicts, Memory::Refuses][dice.below(5)];
        let kinds =
            [Kind::Strings, Kind::Lists, Kind::Sets, Kind::Mixed, Kind::Hashes, Kind::Sorted, Kind::Strings];
        let groups = [1, 1, 3, 12][dice.below(4)];
        let groups = (0..groups).map(|_| (kinds[dice.below(kinds.len())], 2 + dice.below(3))).collect();
        let flushes = dice.once_in(6);
        let wild = dice.once_in(2);
        let some = |dice: &mut Dice, rate: usize| if wild && dice.once_in(2) { rate } else { 0 };
        let rates = Rates {
            no_buffers: some(dice, 60),
            refused: some(dice, 6),
            not_adopted: some(dice, 6),
            stall: [0, 50, 15][dice.below(3)],
            long_stall: some(dice, 800),
            late_mail: [0, 12, 3][dice.below(3)],
            clock: some(dice, 150),
            clock_back: dice.once_in(2),
            pause: some(dice, 500),
        };
        Plan {
            groups,
            memory,
            dying: dice.once_in(3),
            long_values: dice.once_in(5),
            flushes,
            scans: memory == Memory::Plenty && !flushes && dice.once_in(3),
            listeners: if dice.once_in(3) { 1 + dice.below(2) } else { 0 },
            clients: 2 + dice.below(4),
            depth: 1 + dice.below(4),
            ops: 50 + dice.below(100),
            cut: if dice.once_in(2) { 500 } else { 0 },
            rates,
        }
    }
}

/// Makes requests: values that are written once, keys that collide.
pub struct Maker {
    pub dice: Dice,
    pub plan: Plan,
    made: usize,
}

impl Maker {
    pub fn new(dice: Dice, plan: Plan) -> Maker {
        Maker { dice, plan, made: 0 }
    }

    /// A value that nobody else writes, or sometimes a number.
    fn value(&mut self, client: u32) -> Bytes {
        self.made += 1;
        let text = if self.dice.once_in(5) {
            self.dice.below(1000).to_string()
        } else if self.plan.long_values && self.dice.once_in(2) {
            let most = [2000, 20_000, 70_000][self.dice.below(3)];
            format!("c{client}.{}+{}", self.made, 600 + self.dice.below(most))
        } else {
            format!("c{client}.{}", self.made)
        };
        text.into_bytes().into()
    }

    fn word(&mut self, letter: char, of: usize) -> Bytes {
        format!("{letter}{}", self.dice.below(of)).into_bytes().into()
    }

    fn end(&mut self) -> End {
        if self.dice.once_in(2) { End::Left } else { End::Right }
    }

    fn ttl_ms(&mut self) -> u64 {
        let most = [30, 300][self.dice.below(2)];
        1 + self.dice.below(most) as u64
    }

    fn timeout_ms(&mut self) -> u64 {
        1 + self.dice.below(40) as u64
    }

    /// Some different keys.
    fn keys(&mut self, of: usize, least: usize) -> Vec<Key> {
        let mut keys: Vec<Key> = (0..of as Key).collect();
        (1..of).rev().for_each(|at| keys.swap(at, self.dice.below(at + 1)));
        keys.truncate(least + self.dice.below(of - least + 1));
        keys
    }

    fn key(&mut self, of: usize) -> Key {
        self.dice.below(of) as Key
    }

    fn pairs(&mut self, of: usize, client: u32) -> Vec<(Key, Bytes)> {
        self.keys(of, 2).into_iter().map(|key| (key, self.value(client))).collect()
    }

    /// One command of Redis's on keys of a group.
    pub fn command(&mut self, group: usize, client: u32, waits: bool) -> Op {
        let (kind, of) = self.plan.groups[group];
        let all = [Kind::Strings, Kind::Lists, Kind::Sets, Kind::Hashes, Kind::Sorted];
        let kind = if kind == Kind::Mixed { all[self.dice.below(5)] } else { kind };
        if self.plan.dying && self.dice.once_in(8) {
            let key = self.key(of);
            return if self.dice.once_in(4) { Op::Persist(key) } else { Op::PExpire(key, self.ttl_ms()) };
        }
        if self.dice.once_in(7) {
            let keys = self.keys(of, 2);
            let (from, to) = (keys[0], keys[1]);
            return match self.dice.below(5) {
                0 => Op::Del(keys),
                1 => Op::Exists(keys),
                2 => Op::Copy { from, to, replace: self.dice.once_in(2) },
                _ => Op::Rename { from, to, only_new: self.dice.once_in(3) },
            };
        }
        let key = self.key(of);
        match kind {
            Kind::Lists => self.list_command(key, of, client, waits),
            Kind::Sets => self.set_command(key, of),
            Kind::Hashes => match self.dice.below(6) {
                0 | 1 => Op::HSet(key, self.word('f', 4), self.value(client)),
                2 => Op::HDel(key, self.word('f', 4)),
                3 => Op::HIncrBy(key, self.word('n', 2), 1 + self.dice.below(9) as i64),
                _ => Op::HGetAll(key),
            },
            Kind::Sorted => match self.dice.below(5) {
                0 | 1 => Op::ZAdd(key, self.word('z', 6), self.dice.below(100) as i64),
                2 => Op::ZPopMin(key),
                _ => Op::ZRange(key),
            },
            Kind::Strings | Kind::Mixed => self.string_command(key, of, client),
        }
    }

    fn string_command(&mut self, key: Key, of: usize, client: u32) -> Op {
        match self.dice.below(13) {
            0 | 1 => Op::Get(key),
            2..5 => {
                let when = [When::Always, When::Always, When::Absent, When::Present][self.dice.below(4)];
                let dies = self.plan.dying && self.dice.once_in(2);
                Op::Set {
                    key,
                    value: self.value(client),
                    when,
                    ttl_ms: dies.then(|| self.ttl_ms()),
                    get: self.dice.once_in(4),
                }
            }
            5 | 6 => Op::MSet(self.pairs(of, client)),
            7 | 8 => Op::MGet(self.keys(of, 2)),
            9 => Op::MSetNx(self.pairs(of, client)),
            10 => Op::GetDel(key),
            11 => Op::IncrBy(key, 1 + self.dice.below(9) as i64),
            _ if self.plan.long_values => Op::MGet(self.keys(of, 1)),
            _ => Op::Append(key, self.word('.', 10)),
        }
    }

    fn list_command(&mut self, key: Key, of: usize, client: u32, waits: bool) -> Op {
        let keys = self.keys(of, 2);
        let (from, to) = (keys[0], keys[1]);
        let (out, into) = (self.end(), self.end());
        match self.dice.below(if waits { 11 } else { 8 }) {
            0..3 => {
                let elements = (0..1 + self.dice.below(2)).map(|_| self.value(client)).collect();
                Op::Push(key, self.end(), elements)
            }
            3 => Op::Pop(key, self.end()),
            4 | 5 => Op::LRange(key),
            6 => Op::LMove { from: key, to: key, out, into },
            7 => Op::LMove { from, to, out, into },
            8 => Op::BMove { from, to, out, into, timeout_ms: self.timeout_ms() },
            _ => Op::BPop { keys, end: self.end(), timeout_ms: self.timeout_ms() },
        }
    }

    fn set_command(&mut self, key: Key, of: usize) -> Op {
        let keys = self.keys(of, 2);
        let how = [Combine::Inter, Combine::Union, Combine::Diff][self.dice.below(3)];
        match self.dice.below(9) {
            0..3 => {
                let members = (0..1 + self.dice.below(3)).map(|_| self.word('m', 5)).collect();
                Op::SAdd(key, members)
            }
            3 => Op::SRem(key, self.word('m', 5)),
            4 => Op::SMembers(key),
            5 => Op::SMove(keys[0], keys[1], self.word('m', 5)),
            6 => Op::SCombine(how, keys),
            7 => Op::SCombineStore(how, keys[0], keys[1..].to_vec()),
            _ => Op::SCombineStore(how, key, keys),
        }
    }

    /// A transaction on keys of a group; before it, sometimes, what is watched for it.
    pub fn transaction(&mut self, group: usize, client: u32) -> Vec<Op> {
        let (_, of) = self.plan.groups[group];
        let watched = if self.dice.once_in(2) { self.keys(of, 1) } else { Vec::new() };
        let ops = (0..1 + self.dice.below(4)).map(|_| self.command(group, client, false)).collect();
        let exec = Op::Exec { client, watched: watched.clone(), ops };
        if watched.is_empty() {
            return vec![exec];
        }
        vec![Op::Watch(client, watched), exec]
    }

    /// A request of memcached's on keys of a group of strings. `uniques` are those that the client has been shown.
    pub fn memcache(
        &mut self,
        group: usize,
        client: u32,
        tongue: Tongue,
        uniques: &HashMap<(usize, Key), u64>,
    ) -> Vec<Op> {
        let (_, of) = self.plan.groups[group];
        let key = self.key(of);
        let how = match self.dice.below(12) {
            0..3 if tongue == Tongue::Meta => return vec![Op::McGet(key)],
            0..3 => return self.keys(of, 1).into_iter().map(Op::McGet).collect(),
            3 | 4 => return vec![Op::McGets(key)],
            5 => return vec![Op::McDelete(key)],
            6 => return vec![Op::McIncr(key, 1 + self.dice.below(9) as u64)],
            7 => Store::Add,
            8 => Store::Replace,
            9 if self.plan.long_values => Store::Set,
            9 if self.dice.once_in(2) => Store::Append,
            9 => Store::Prepend,
            10 => match uniques.get(&(group, key)) {
                Some(unique) => Store::Cas(*unique),
                None => return vec![Op::McGets(key)],
            },
            _ => Store::Set,
        };
        let value = match how {
            Store::Append | Store::Prepend => self.word('.', 10),
            _ => self.value(client),
        };
        let ttl_secs =
            if self.plan.dying && self.dice.once_in(3) { 1 + self.dice.below(2) as u64 } else { 0 };
        vec![Op::McStore { key, value, how, ttl_secs }]
    }

    /// A group for a client; `None`: there is none that it can use.
    pub fn group(&mut self, tongue: Tongue) -> Option<usize> {
        let fits = |kind: Kind| !tongue.is_memcache() || kind == Kind::Strings;
        let groups: Vec<usize> =
            (0..self.plan.groups.len()).filter(|&group| fits(self.plan.groups[group].0)).collect();
        (!groups.is_empty()).then(|| groups[self.dice.below(groups.len())])
    }
}
