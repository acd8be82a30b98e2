//! What the keys of a group hold, and what a request does to them: a naive account of Redis and memcached, as the
//! checker wants it. Where an answer leaves open what has happened, there is more than one state after it.

use super::op::{Bytes, Combine, End, Key, Op, Reply, Store, When};
use crate::checker;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Str(Bytes),
    List(Vec<Bytes>),
    Set(BTreeSet<Bytes>),
    Hash(BTreeMap<Bytes, Bytes>),
    Sorted(BTreeMap<Bytes, i64>),
}

/// What is known of the unique that memcached's clients are shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Unique {
    /// It is none that was shown before.
    New,
    Is(u64),
    /// It may be new or not.
    Vague,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    value: Rc<Value>,
    /// When it dies, Unix milliseconds: not earlier than the one, not later than the other.
    dies: Option<(u64, u64)>,
    unique: Unique,
}

/// What has happened to a watched key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Touched {
    No,
    Maybe,
    Yes,
}

/// The keys of a group, and who watches them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    slots: Vec<Option<Slot>>,
    watches: Vec<(u32, Vec<(Key, Touched)>)>,
}

impl State {
    pub fn empty(keys: usize) -> State {
        State { slots: vec![None; keys], watches: Vec::new() }
    }

    fn put(&mut self, key: Key, value: Value, dies: Option<(u64, u64)>) {
        let empty = match &value {
            Value::Str(_) => false,
            Value::List(list) => list.is_empty(),
            Value::Set(set) => set.is_empty(),
            Value::Hash(hash) => hash.is_empty(),
            Value::Sorted(sorted) => sorted.is_empty(),
        };
        let slot = Slot { value: Rc::new(value), dies, unique: Unique::New };
        self.slots[usize::from(key)] = (!empty).then_some(slot);
    }

    /// The same key with another value.
    fn change(&mut self, key: Key, value: Value) {
        let dies = self.slot(key).and_then(|slot| slot.dies);
        self.put(key, value, dies);
    }

    fn slot(&self, key: Key) -> Option<&Slot> {
        self.slots[usize::from(key)].as_ref()
    }

    fn value(&self, key: Key) -> Option<&Value> {
        self.slot(key).map(|slot| &*slot.value)
    }

    fn take(&mut self, key: Key) -> Option<Slot> {
        self.slots[usize::from(key)].take()
    }
}

/// When it was between question and answer, Unix milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wall {
    pub least: u64,
    pub most: u64,
    /// The latest that it ever was until the answer.
    pub seen: u64,
}

/// A request with its answer and what may have come in between.
#[derive(Clone, Debug)]
pub struct Asked {
    pub op: Op,
    /// `None`: nobody has seen one.
    pub reply: Option<Reply>,
    pub wall: Wall,
    /// Something had been evicted by then.
    pub evicting: bool,
}

/// The world that a group of keys was in.
pub struct Keys {
    /// The group's number, which is part of its keys' names.
    pub group: usize,
    /// Memory may be refused.
    pub tight: bool,
    /// Keys have times at which they die.
    pub dying: bool,
    /// The clock may have gone back: what had died may live again.
    pub back: bool,
}

/// The name of a key.
pub fn name(group: usize, key: Key) -> String {
    format!("g{group}:{key}")
}

fn wrong_type() -> Reply {
    Reply::error("WRONGTYPE")
}

fn bulk(bytes: &Bytes) -> Reply {
    Reply::Bulk(bytes.to_vec())
}

fn array<'a>(items: impl Iterator<Item = &'a Bytes>) -> Reply {
    Reply::Array(items.map(bulk).collect())
}

fn number(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn text(number: i64) -> Bytes {
    number.to_string().into_bytes().into()
}

/// The value of a kind at a key: `Some(None)` for no key, `None` for another kind.
macro_rules! kind {
    ($state:expr, $key:expr, $kind:path) => {
        match $state.value($key) {
            None => Some(None),
            Some($kind(value)) => Some(Some(value.clone())),
            Some(_) => None,
        }
    };
}

macro_rules! kind_or_return {
    ($state:expr, $key:expr, $kind:path) => {
        match kind!($state, $key, $kind) {
            Some(value) => value,
            None => return wrong_type(),
        }
    };
}

fn take_end(list: &mut Vec<Bytes>, end: End) -> Bytes {
    match end {
        End::Left => list.remove(0),
        End::Right => list.pop().expect("no list is empty"),
    }
}

fn add_end(list: &mut Vec<Bytes>, end: End, element: Bytes) {
    match end {
        End::Left => list.insert(0, element),
        End::Right => list.push(element),
    }
}

fn pop(state: &mut State, key: Key, end: End) -> Reply {
    let Some(mut list) = kind_or_return!(state, key, Value::List) else { return Reply::Nil };
    let element = take_end(&mut list, end);
    state.change(key, Value::List(list));
    bulk(&element)
}

fn move_element(state: &mut State, from: Key, to: Key, out: End, into: End) -> Reply {
    let Some(mut list) = kind_or_return!(state, from, Value::List) else { return Reply::Nil };
    if from == to {
        let element = take_end(&mut list, out);
        add_end(&mut list, into, element.clone());
        state.change(from, Value::List(list));
        return bulk(&element);
    }
    let mut target = kind_or_return!(state, to, Value::List).unwrap_or_default();
    let element = take_end(&mut list, out);
    add_end(&mut target, into, element.clone());
    state.change(from, Value::List(list));
    state.change(to, Value::List(target));
    bulk(&element)
}

fn combine(state: &State, how: Combine, keys: &[Key]) -> Option<BTreeSet<Bytes>> {
    let mut sets = Vec::new();
    for &key in keys {
        sets.push(kind!(state, key, Value::Set)?.unwrap_or_default());
    }
    let mut rest = sets.into_iter();
    let first = rest.next().unwrap_or_default();
    Some(rest.fold(first, |sum, set| match how {
        Combine::Inter => sum.intersection(&set).cloned().collect(),
        Combine::Union => sum.union(&set).cloned().collect(),
        Combine::Diff => sum.difference(&set).cloned().collect(),
    }))
}

fn store(
    state: &mut State,
    key: Key,
    value: &Bytes,
    how: Store,
    dies: Option<(u64, u64)>,
    actual: Option<&Reply>,
) -> Reply {
    let old = kind_or_return!(state, key, Value::Str);
    match (how, old) {
        (Store::Set, _) | (Store::Add, None) | (Store::Replace, Some(_)) => {
            state.put(key, Value::Str(value.clone()), dies);
        }
        (Store::Append, Some(old)) => state.change(key, Value::Str([&old[..], value].concat().into())),
        (Store::Prepend, Some(old)) => state.change(key, Value::Str([value, &old[..]].concat().into())),
        (Store::Cas(_), None) => return Reply::word("NOT_FOUND"),
        (Store::Cas(unique), Some(_)) => {
            let same = match state.slot(key).map(|slot| &slot.unique) {
                Some(Unique::Is(is)) => *is == unique,
                Some(Unique::Vague) => actual.is_none_or(|reply| *reply == Reply::word("STORED")),
                _ => false,
            };
            if !same {
                return Reply::word("EXISTS");
            }
            state.put(key, Value::Str(value.clone()), dies);
        }
        _ => return Reply::word("NOT_STORED"),
    }
    Reply::word("STORED")
}

/// Does what a request does, and answers it. `actual` is what was answered, where that decides.
fn execute(state: &mut State, op: &Op, wall: &Wall, actual: Option<&Reply>) -> Reply {
    let after_ms = |ms: u64| (wall.least + ms, wall.most + ms);
    let ok = || Reply::word("OK");
    let count = |n: usize| Reply::Int(n as i64);
    match op {
        Op::Get(key) => kind_or_return!(state, *key, Value::Str).map_or(Reply::Nil, |value| bulk(&value)),
        Op::Set { key, value, when, ttl_ms, get } => {
            let old = kind!(state, *key, Value::Str);
            if *get && old.is_none() {
                return wrong_type();
            }
            let there = state.slot(*key).is_some();
            let stores = match when {
                When::Always => true,
                When::Absent => !there,
                When::Present => there,
            };
            if stores {
                state.put(*key, Value::Str(value.clone()), ttl_ms.map(after_ms));
            }
            match (get, old.flatten()) {
                (true, old) => old.map_or(Reply::Nil, |old| bulk(&old)),
                _ if stores => ok(),
                _ => Reply::Nil,
            }
        }
        Op::GetDel(key) => {
            let Some(value) = kind_or_return!(state, *key, Value::Str) else { return Reply::Nil };
            state.take(*key);
            bulk(&value)
        }
        Op::Append(key, more) => {
            let old = kind_or_return!(state, *key, Value::Str).unwrap_or_default();
            let value: Bytes = [&old[..], more].concat().into();
            let reply = count(value.len());
            state.change(*key, Value::Str(value));
            reply
        }
        Op::IncrBy(key, by) => {
            let old = kind_or_return!(state, *key, Value::Str);
            let Some(old) = old.map_or(Some(0), |old| number(&old)) else { return Reply::error("ERR") };
            state.change(*key, Value::Str(text(old + by)));
            Reply::Int(old + by)
        }
        Op::MGet(keys) => Reply::Array(
            keys.iter()
                .map(|&key| kind!(state, key, Value::Str).flatten().map_or(Reply::Nil, |value| bulk(&value)))
                .collect(),
        ),
        Op::MSet(pairs) => {
            pairs.iter().for_each(|(key, value)| state.put(*key, Value::Str(value.clone()), None));
            ok()
        }
        Op::MSetNx(pairs) => {
            let free = pairs.iter().all(|(key, _)| state.slot(*key).is_none());
            if free {
                pairs.iter().for_each(|(key, value)| state.put(*key, Value::Str(value.clone()), None));
            }
            count(usize::from(free))
        }
        Op::Del(keys) => count(keys.iter().filter(|&&key| state.take(key).is_some()).count()),
        Op::Exists(keys) => count(keys.iter().filter(|&&key| state.slot(key).is_some()).count()),
        Op::Rename { from, to, only_new } => {
            if state.slot(*from).is_none() {
                return Reply::error("ERR");
            }
            if *only_new && state.slot(*to).is_some() {
                return count(0);
            }
            let mut slot = state.take(*from);
            slot.iter_mut().for_each(|slot| slot.unique = Unique::Vague);
            state.slots[usize::from(*to)] = slot;
            if *only_new { count(1) } else { ok() }
        }
        Op::Copy { from, to, replace } => {
            if state.slot(*from).is_none() || !replace && state.slot(*to).is_some() {
                return count(0);
            }
            let mut slot = state.slot(*from).cloned();
            slot.iter_mut().for_each(|slot| slot.unique = Unique::Vague);
            state.slots[usize::from(*to)] = slot;
            count(1)
        }
        Op::PExpire(key, ms) => {
            let Some(slot) = &mut state.slots[usize::from(*key)] else { return count(0) };
            slot.dies = Some(after_ms(*ms));
            slot.unique = Unique::Vague;
            count(1)
        }
        Op::Persist(key) => {
            let Some(slot) = &mut state.slots[usize::from(*key)] else { return count(0) };
            let had = slot.dies.take().is_some();
            if had {
                slot.unique = Unique::Vague;
            }
            count(usize::from(had))
        }
        Op::Push(key, end, elements) => {
            let mut list = kind_or_return!(state, *key, Value::List).unwrap_or_default();
            elements.iter().for_each(|element| add_end(&mut list, *end, element.clone()));
            let reply = count(list.len());
            state.change(*key, Value::List(list));
            reply
        }
        Op::Pop(key, end) => pop(state, *key, *end),
        Op::LRange(key) => array(kind_or_return!(state, *key, Value::List).unwrap_or_default().iter()),
        Op::LMove { from, to, out, into } | Op::BMove { from, to, out, into, .. } => {
            move_element(state, *from, *to, *out, *into)
        }
        Op::SAdd(key, members) => {
            let mut set = kind_or_return!(state, *key, Value::Set).unwrap_or_default();
            let new = members.iter().filter(|member| set.insert((*member).clone())).count();
            state.change(*key, Value::Set(set));
            count(new)
        }
        Op::SRem(key, member) => {
            let mut set = kind_or_return!(state, *key, Value::Set).unwrap_or_default();
            let gone = set.remove(member);
            if gone {
                state.change(*key, Value::Set(set));
            }
            count(usize::from(gone))
        }
        Op::SMembers(key) => array(kind_or_return!(state, *key, Value::Set).unwrap_or_default().iter()),
        Op::SMove(from, to, member) => {
            let Some(mut set) = kind_or_return!(state, *from, Value::Set) else { return count(0) };
            let mut target = kind_or_return!(state, *to, Value::Set).unwrap_or_default();
            if from == to {
                return count(usize::from(set.contains(member)));
            }
            if !set.remove(member) {
                return count(0);
            }
            target.insert(member.clone());
            state.change(*from, Value::Set(set));
            state.change(*to, Value::Set(target));
            count(1)
        }
        Op::SCombine(how, keys) => {
            combine(state, *how, keys).map_or_else(wrong_type, |set| array(set.iter()))
        }
        Op::SCombineStore(how, to, keys) => {
            let Some(set) = combine(state, *how, keys) else { return wrong_type() };
            let reply = count(set.len());
            state.put(*to, Value::Set(set), None);
            reply
        }
        Op::HSet(key, field, value) => {
            let mut hash = kind_or_return!(state, *key, Value::Hash).unwrap_or_default();
            let new = hash.insert(field.clone(), value.clone()).is_none();
            state.change(*key, Value::Hash(hash));
            count(usize::from(new))
        }
        Op::HDel(key, field) => {
            let mut hash = kind_or_return!(state, *key, Value::Hash).unwrap_or_default();
            let gone = hash.remove(field).is_some();
            if gone {
                state.change(*key, Value::Hash(hash));
            }
            count(usize::from(gone))
        }
        Op::HGetAll(key) => {
            let hash = kind_or_return!(state, *key, Value::Hash).unwrap_or_default();
            array(hash.iter().flat_map(|(field, value)| [field, value]))
        }
        Op::HIncrBy(key, field, by) => {
            let mut hash = kind_or_return!(state, *key, Value::Hash).unwrap_or_default();
            let old = hash.get(field).map_or(Some(0), |old| number(old));
            let Some(old) = old else { return Reply::error("ERR") };
            hash.insert(field.clone(), text(old + by));
            state.change(*key, Value::Hash(hash));
            Reply::Int(old + by)
        }
        Op::ZAdd(key, member, score) => {
            let mut sorted = kind_or_return!(state, *key, Value::Sorted).unwrap_or_default();
            let new = sorted.insert(member.clone(), *score).is_none();
            state.change(*key, Value::Sorted(sorted));
            count(usize::from(new))
        }
        Op::ZPopMin(key) => {
            let mut sorted = kind_or_return!(state, *key, Value::Sorted).unwrap_or_default();
            let least = sorted.iter().map(|(member, &score)| (score, member.clone())).min();
            let Some((score, member)) = least else { return Reply::Array(Vec::new()) };
            sorted.remove(&member);
            state.change(*key, Value::Sorted(sorted));
            Reply::Array(vec![bulk(&member), bulk(&text(score))])
        }
        Op::ZRange(key) => {
            let sorted = kind_or_return!(state, *key, Value::Sorted).unwrap_or_default();
            let mut all: Vec<_> = sorted.into_iter().map(|(member, score)| (score, member)).collect();
            all.sort();
            Reply::Array(all.iter().flat_map(|(score, member)| [bulk(member), bulk(&text(*score))]).collect())
        }
        Op::FlushAll => {
            state.slots.iter_mut().for_each(|slot| *slot = None);
            ok()
        }
        Op::Watch(client, keys) => {
            let at = state.watches.iter().position(|watch| watch.0 == *client).unwrap_or_else(|| {
                state.watches.push((*client, Vec::new()));
                state.watches.len() - 1
            });
            for &key in keys {
                // Of an absent key little is remembered: others that leave may make EXEC fail.
                let touched = if state.slot(key).is_some() { Touched::No } else { Touched::Maybe };
                if state.watches[at].1.iter().all(|watched| watched.0 != key) {
                    state.watches[at].1.push((key, touched));
                }
            }
            ok()
        }
        Op::McGet(key) | Op::McGets(key) => {
            kind_or_return!(state, *key, Value::Str).map_or(Reply::Nil, |value| bulk(&value))
        }
        Op::McStore { key, value, how, ttl_secs } => {
            // In whole seconds, of which the first and the last are not whole.
            let dies = (*ttl_secs > 0)
                .then(|| (wall.least + (ttl_secs - 1) * 1000, wall.most + (ttl_secs + 1) * 1000));
            store(state, *key, value, *how, dies, actual)
        }
        Op::McDelete(key) => Reply::word(if state.take(*key).is_some() { "DELETED" } else { "NOT_FOUND" }),
        Op::McIncr(key, by) => {
            let Some(old) = kind_or_return!(state, *key, Value::Str) else { return Reply::word("NOT_FOUND") };
            let old = number(&old).filter(|old| *old >= 0);
            let Some(old) = old else { return Reply::error("CLIENT_ERROR") };
            state.change(*key, Value::Str(text(old + *by as i64)));
            Reply::Int(old + *by as i64)
        }
        Op::BPop { .. } | Op::Exec { .. } => unreachable!("these are more than one thing"),
    }
}

/// The order of what is in it means nothing.
fn is_unordered(op: &Op) -> bool {
    matches!(op, Op::SMembers(_) | Op::SCombine(..) | Op::HGetAll(_))
}

pub fn is_read(op: &Op) -> bool {
    matches!(
        op,
        Op::Get(_)
            | Op::MGet(_)
            | Op::Exists(_)
            | Op::LRange(_)
            | Op::SMembers(_)
            | Op::SCombine(..)
            | Op::HGetAll(_)
            | Op::ZRange(_)
            | Op::McGet(_)
            | Op::McGets(_)
            | Op::Watch(..)
    )
}

/// It takes no memory, however little there is.
fn gives_back(op: &Op) -> bool {
    matches!(
        op,
        Op::GetDel(_)
            | Op::Del(_)
            | Op::Pop(..)
            | Op::BPop { .. }
            | Op::SRem(..)
            | Op::HDel(..)
            | Op::ZPopMin(_)
            | Op::FlushAll
            | Op::McDelete(_)
    )
}

fn agree(op: &Op, expected: &Reply, actual: &Reply) -> bool {
    let sorted = |items: &[Reply]| {
        let pairs = if matches!(op, Op::HGetAll(_)) { 2 } else { 1 };
        let mut all: Vec<String> = items.chunks(pairs).map(|item| format!("{item:?}")).collect();
        all.sort();
        all
    };
    match (expected, actual) {
        (Reply::Array(expected), Reply::Array(actual)) if is_unordered(op) => {
            expected.len() == actual.len() && sorted(expected) == sorted(actual)
        }
        _ => expected == actual,
    }
}

impl Keys {
    /// The states after one request that is one thing.
    fn apply(&self, state: &State, op: &Op, actual: Option<&Reply>, asked: &Asked) -> Vec<State> {
        match op {
            Op::Exec { client, ops, .. } => return self.apply_exec(state, *client, ops, actual, asked),
            Op::BPop { keys, end, .. } => return self.apply_pop(state, keys, *end, actual, asked),
            // A client that waits does not hear that the other kind of value came to its key meanwhile.
            Op::BMove { from, .. } if actual == Some(&Reply::Nil) => {
                let waits = !matches!(state.value(*from), Some(Value::List(_))) || self.forgets(state, asked);
                return if waits { vec![state.clone()] } else { Vec::new() };
            }
            _ => {}
        }
        if actual.is_some_and(Reply::is_oom) {
            return self.refused(state, op);
        }
        let all = || (0..state.slots.len() as Key).collect();
        let mut keys: Vec<Key> = op.keys().unwrap_or_else(all);
        keys.sort_unstable();
        keys.dedup();
        let mut fixed = Vec::new();
        let mut open = Vec::new();
        for key in keys {
            let Some(slot) = state.slot(key) else { continue };
            let may_live = slot.dies.is_none_or(|(_, last)| asked.wall.least < last);
            let may_die = asked.evicting || slot.dies.is_some_and(|(first, _)| asked.wall.seen >= first);
            match (may_live, may_die) {
                (false, _) => fixed.push(key),
                (true, true) => open.push(key),
                (true, false) => {}
            }
        }
        let mut after = Vec::new();
        for choice in 0..1usize << open.len() {
            let chosen = open.iter().enumerate().filter(|(at, _)| choice >> at & 1 != 0).map(|(_, key)| *key);
            let gone: Vec<Key> = fixed.iter().copied().chain(chosen).collect();
            let next = self.attempt(state, op, actual, asked, &gone);
            after.extend(next.filter(|next| !after.contains(next)));
        }
        if actual.is_none() && matches!(op, Op::McStore { .. }) {
            // What its client did not live to hear may have been that there was no memory for it.
            let refused = self.refused(state, op);
            after.extend(refused.into_iter().filter(|next| next != state));
        }
        after
    }

    /// The state after a request if these keys had vanished before it.
    fn attempt(
        &self,
        state: &State,
        op: &Op,
        actual: Option<&Reply>,
        asked: &Asked,
        gone: &[Key],
    ) -> Option<State> {
        let mut next = state.clone();
        for &key in gone {
            next.take(key);
        }
        let before = (!next.watches.is_empty() && !is_read(op)).then(|| next.slots.clone());
        let expected = execute(&mut next, op, &asked.wall, actual);
        if let (Op::McGets(key), Some(Reply::Array(shown))) = (op, actual) {
            let [value, Reply::Int(unique)] = &shown[..] else { return None };
            let slot = next.slots[usize::from(*key)].as_mut()?;
            if *value != expected || matches!(slot.unique, Unique::Is(is) if is != *unique as u64) {
                return None;
            }
            slot.unique = Unique::Is(*unique as u64);
        } else if actual.is_some_and(|actual| !agree(op, &expected, actual)) {
            return None;
        }
        if let Some(before) = before {
            for (key, touched) in next.watches.iter_mut().flat_map(|watch| &mut watch.1) {
                let (was, is) = (&before[usize::from(*key)], &next.slots[usize::from(*key)]);
                if was.as_ref().map(|slot| &slot.value) != is.as_ref().map(|slot| &slot.value) {
                    *touched = Touched::Yes;
                } else if *touched == Touched::No && op.keys().is_none_or(|keys| keys.contains(key)) {
                    *touched = Touched::Maybe;
                }
            }
        }
        for &key in gone {
            for (watched, touched) in next.watches.iter_mut().flat_map(|watch| &mut watch.1) {
                if *watched == key && *touched == Touched::No {
                    *touched = Touched::Maybe;
                }
            }
            let slot = state.slot(key).filter(|slot| slot.dies.is_some());
            if self.back && next.slot(key).is_none() && slot.is_some() && !matches!(op, Op::FlushAll) {
                next.slots[usize::from(key)] = slot.cloned();
            }
        }
        Some(next)
    }

    /// Keys may vanish here.
    fn forgets(&self, state: &State, asked: &Asked) -> bool {
        asked.evicting || state.slots.iter().flatten().any(|slot| slot.dies.is_some())
    }

    /// There was no memory for it: nothing is done, except that memcached's `set` forgets what is outdated.
    fn refused(&self, state: &State, op: &Op) -> Vec<State> {
        if !self.tight || is_read(op) || gives_back(op) {
            return Vec::new();
        }
        let mut after = vec![state.clone()];
        if let Op::McStore { key, .. } = op {
            let mut next = state.clone();
            if next.take(*key).is_some() {
                next.watches.iter_mut().flat_map(|watch| &mut watch.1).for_each(|watched| {
                    if watched.0 == *key {
                        watched.1 = Touched::Maybe;
                    }
                });
                after.push(next);
            }
        }
        after
    }

    fn apply_exec(
        &self,
        state: &State,
        client: u32,
        ops: &[Op],
        actual: Option<&Reply>,
        asked: &Asked,
    ) -> Vec<State> {
        let mut start = state.clone();
        let at = start.watches.iter().position(|watch| watch.0 == client);
        let watched = at.map(|at| start.watches.remove(at).1);
        let any = |wanted: Touched| watched.iter().flatten().any(|watched| watched.1 == wanted);
        let vanishing = watched.is_some() && (asked.evicting || self.back || self.forgets(state, asked));
        let fails = any(Touched::Yes) || any(Touched::Maybe) || vanishing;
        let replies = match actual {
            Some(Reply::Nil) => return if fails { vec![start] } else { Vec::new() },
            Some(Reply::Array(replies)) if replies.len() == ops.len() => Some(replies),
            Some(_) => return Vec::new(),
            None => None,
        };
        if any(Touched::Yes) {
            return if actual.is_none() { vec![start] } else { Vec::new() };
        }
        let mut states = vec![start];
        for (at, op) in ops.iter().enumerate() {
            let mut next = Vec::new();
            for state in &states {
                let after = self.apply(state, op, replies.map(|replies| &replies[at]), asked);
                next.extend(after);
                if replies.is_none() && self.tight {
                    next.extend(self.refused(state, op));
                }
            }
            let mut different: Vec<State> = Vec::new();
            next.into_iter().for_each(|state| {
                if !different.contains(&state) {
                    different.push(state);
                }
            });
            states = different;
        }
        states
    }

    /// One that waits is given what comes first, whichever of its keys that is.
    fn apply_pop(
        &self,
        state: &State,
        keys: &[Key],
        end: End,
        actual: Option<&Reply>,
        asked: &Asked,
    ) -> Vec<State> {
        match actual {
            Some(Reply::Nil) => {
                let full = |key: &Key| matches!(state.value(*key), Some(Value::List(_)));
                let empty = !keys.iter().any(full) || self.forgets(state, asked);
                if empty { vec![state.clone()] } else { Vec::new() }
            }
            Some(Reply::Error(code)) => {
                let other =
                    |key: &Key| state.value(*key).is_some_and(|value| !matches!(value, Value::List(_)));
                if code == "WRONGTYPE" && keys.iter().any(other) { vec![state.clone()] } else { Vec::new() }
            }
            Some(Reply::Array(shown)) => {
                let [Reply::Bulk(from), element] = &shown[..] else { return Vec::new() };
                let from = keys.iter().find(|&&key| name(self.group, key).as_bytes() == from);
                from.map_or(Vec::new(), |&key| self.apply(state, &Op::Pop(key, end), Some(element), asked))
            }
            Some(_) => Vec::new(),
            None => keys
                .iter()
                .filter(|&&key| matches!(state.value(key), Some(Value::List(_))))
                .flat_map(|&key| self.apply(state, &Op::Pop(key, end), None, asked))
                .collect(),
        }
    }
}

impl checker::Model for Keys {
    type State = State;
    type Op = Asked;

    fn after(&self, state: &State, asked: &Asked) -> Vec<State> {
        self.apply(state, &asked.op, asked.reply.as_ref(), asked)
    }

    fn is_look(&self, asked: &Asked) -> bool {
        let notes = matches!(asked.op, Op::Watch(..) | Op::McGets(_));
        is_read(&asked.op) && !notes && !self.dying && !asked.evicting
    }
}
