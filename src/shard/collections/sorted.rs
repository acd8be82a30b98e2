//! Sorted sets: how they are read, and members that come, go and change their scores. The caller has looked at the
//! item's kind.
//!
//! A small one is its head (`data::entries`, without deadlines) and a run in order (`data::sorted::small`); a grown one
//! is a [`Sorted`]. Places here are from the lowest score, and there: what clients mean by theirs is their command's.

#[cfg(test)]
mod tests;

use super::{
    Builder, COMPACT_ENTRIES_MAX, Compact, Held, Key, Kind, Limits, Meta, Packed, Payload, Shard, Structure,
    WrongKind, handle_of,
};
use crate::data::entries::{NewEntry, Splice, set_count};
use crate::data::packed::Element;
use crate::data::sorted::small::{ScoreBytes, is_negative_zero, pack_score, push_entry};
use crate::data::sorted::{Edge, Small, Sorted};
use crate::data::table::block_bytes;
use crate::text::Digits;
use slabs::{Hasher, Refused};

/// What a grown set takes for one more member besides its bytes, at most: a leaf, a node and a bucket that are divided.
const MEMBER_BYTES: usize = 1024;

/// Members whose removal is worth making the set anew from the others, if those are fewer.
const ANEW_MIN: usize = 256;

/// A sorted set, to be read, in whatever form it is.
#[derive(Clone, Copy)]
pub enum SortedView<'a> {
    /// In its item.
    Small(Small<'a>),
    /// A grown one.
    Grown(&'a Sorted),
}

impl<'a> SortedView<'a> {
    /// The sorted set that was taken from an item.
    pub fn of_payload(payload: &'a Payload) -> SortedView<'a> {
        match payload {
            Payload::Grown(structure) => SortedView::Grown(structure.sorted()),
            payload => SortedView::Small(Small::of_item(payload.bytes())),
        }
    }

    /// Members; a set that is in the store has some.
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            SortedView::Small(small) => small.len(),
            SortedView::Grown(sorted) => sorted.len(),
        }
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            SortedView::Small(small) => Some(small.find(&Packed::new(member))?.1),
            SortedView::Grown(sorted) => sorted.score(member),
        }
    }

    /// How many members are before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            SortedView::Small(small) => small.rank(member),
            SortedView::Grown(sorted) => sorted.rank(member),
        }
    }

    /// How many members are before an edge.
    pub fn count_before(&self, edge: &Edge<'_>) -> usize {
        match self {
            SortedView::Small(small) => small.before(edge).0,
            SortedView::Grown(sorted) => sorted.count_before(edge),
        }
    }

    /// Visits members from that of a place on, or back to the first, while `visit` says so.
    pub fn walk(&self, rank: usize, back: bool, visit: impl FnMut(Element<'a>, f64) -> bool) {
        match self {
            SortedView::Small(small) => small.walk(rank, back, visit),
            SortedView::Grown(sorted) => sorted.walk(rank, back, visit),
        }
    }

    /// Visits up to `count` members from that of a place on, or back.
    pub fn range(&self, rank: usize, count: usize, back: bool, mut visit: impl FnMut(Element<'a>, f64)) {
        let mut left = count;
        if left > 0 {
            self.walk(rank, back, |member, score| {
                visit(member, score);
                left -= 1;
                left > 0
            });
        }
    }
}

impl Limits {
    /// A sorted set of so many members is small.
    fn sorted_fits(&self, members: usize) -> bool {
        members <= self.sorted_entries.min(COMPACT_ENTRIES_MAX)
    }
}

/// The bytes of a sorted set that fits its item.
pub(super) fn small_form(sorted: &Sorted, limits: &Limits) -> Option<Vec<u8>> {
    if !limits.sorted_fits(sorted.len()) {
        return None;
    }
    let (mut run, mut fits) = (Vec::new(), true);
    sorted.walk(0, false, |member, score| {
        fits = member.text(&mut Digits::default()).len() <= limits.sorted_value_bytes;
        push_entry(&mut run, member, unsigned(score));
        fits
    });
    fits.then(|| Builder::of_run(&run, sorted.len()))
}

/// All entries of a sorted set behind each other, for another process.
pub(super) fn write(sorted: &Sorted, run: &mut Vec<u8>) {
    sorted.walk(0, false, |member, score| {
        push_entry(run, member, score);
        true
    });
}

/// The sorted set that a run of entries is.
pub(super) fn of_run(hasher: &Hasher, run: &[u8]) -> Sorted {
    // How many entries there are is not asked here.
    Sorted::of_small(hasher, &Small::of_run(run, 0))
}

impl Shard {
    /// The sorted set of a reading command: counts a hit or a miss, and as use unless `touch` is false.
    #[inline]
    pub fn read_sorted(&mut self, key: &Key<'_>, touch: bool) -> Result<Option<SortedView<'_>>, WrongKind> {
        self.before_read(key);
        let now = self.now.unix_ms;
        let found = if touch { self.store.get(key, now) } else { self.store.peek(key, now) };
        let count = if found.is_some() { &mut self.traffic.hits } else { &mut self.traffic.misses };
        *count += 1;
        found.map(|item| view(&self.heap, &item)).transpose()
    }

    /// The sorted set that a writing command is about to change; no hit and no miss.
    #[inline]
    pub fn find_sorted(&mut self, key: &Key<'_>, touch: bool) -> Result<Option<SortedView<'_>>, WrongKind> {
        let now = self.now.unix_ms;
        let found = if touch { self.store.get(key, now) } else { self.store.peek(key, now) };
        found.map(|item| view(&self.heap, &item)).transpose()
    }

    /// Gives a member the score that `decide` makes of the one that it has; `None` leaves things as they are. The score
    /// that it had, and whether there is another now.
    pub fn sorted_change(
        &mut self,
        key: &Key<'_>,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Result<(Option<f64>, bool), Refused> {
        let handle = match self.held(key) {
            Held::Nothing => {
                let Some(score) = decide(None) else { return Ok((None, false)) };
                self.sorted_found(key, member, score)?;
                return Ok((None, true));
            }
            Held::Small => {
                let old = Small::of_item(self.small(key)).find(&Packed::new(member)).map(|found| found.1);
                let Some(score) = decide(old).filter(|score| old != Some(*score)) else {
                    return Ok((old, false));
                };
                if !self.small_put(key, member, score, old.is_some())? {
                    let handle = self.sorted_grow(key, member.len())?;
                    self.edit_sorted(key, handle, |sorted| sorted.put(member, score));
                }
                return Ok((old, true));
            }
            Held::Grown(handle) => handle,
        };
        let known = self.heap.get(handle).sorted().look(member);
        let old = known.score;
        let Some(score) = decide(old).filter(|score| old != Some(*score)) else { return Ok((old, false)) };
        self.make_room(key, MEMBER_BYTES + block_bytes(member.len()))?;
        self.edit_sorted(key, handle, |sorted| sorted.put_known(member, known, score));
        Ok((old, true))
    }

    /// A new set of one member.
    fn sorted_found(&mut self, key: &Key<'_>, member: &[u8], score: f64) -> Result<(), Refused> {
        let meta = Meta { kind: Kind::SortedSet, ..Meta::default() };
        if self.limits.sorted_fits(1) && member.len() <= self.limits.sorted_value_bytes {
            let mut bytes = ScoreBytes::default();
            let mut builder = Builder::new(false);
            builder.push(&entry(member, score, &mut bytes));
            return self.store.put(key, &builder.finish(), &meta, self.now.unix_ms);
        }
        let mut sorted = Sorted::new(self.store.hasher());
        sorted.put(member, score);
        self.install_held(key, Structure::Sorted(Box::new(sorted)), &meta)?;
        Ok(())
    }

    /// Puts a member into a small set, or changes its score. False: the set has to grow first.
    fn small_put(&mut self, key: &Key<'_>, member: &[u8], score: f64, there: bool) -> Result<bool, Refused> {
        let mut bytes = ScoreBytes::default();
        let new = entry(member, score, &mut bytes);
        let value = self.small(key);
        let compact = Compact::new(value, true);
        let (before, head, count) = (value.len(), compact.head_bytes(), compact.count());
        let small = Small::of_item(value);
        let (_, at) = small.before(&Edge::Entry { score, member, behind: false });
        if there {
            let (old, _) = small.find(&new.field).expect("it was there just now");
            let run = &value[head..];
            let mut rest = Vec::with_capacity(before + new.len());
            let (first, second) = (at.min(old.start), at.max(old.end));
            rest.extend_from_slice(&value[..head + first]);
            let put_new = |rest: &mut Vec<u8>| {
                let start = rest.len();
                rest.resize(start + new.len(), 0);
                new.write(&mut rest[start..]);
            };
            if at <= old.start {
                put_new(&mut rest);
                rest.extend_from_slice(&run[at..old.start]);
            } else {
                rest.extend_from_slice(&run[old.end..at]);
                put_new(&mut rest);
            }
            rest.extend_from_slice(&run[second..]);
            self.rewrite(key, &rest)?;
            return Ok(true);
        }
        if !self.limits.sorted_fits(count + 1) || member.len() > self.limits.sorted_value_bytes {
            return Ok(false);
        }
        let at = head + at;
        let value = self.splice(key, before, Splice { at, remove: 0, insert: new.len() })?;
        new.write(&mut value[at..]);
        set_count(value, count + 1);
        Ok(true)
    }

    /// Removes a member; a set without members goes. True: it was there.
    pub fn sorted_remove(&mut self, key: &Key<'_>, member: &[u8]) -> Result<bool, Refused> {
        let empty = match self.held(key) {
            Held::Nothing => return Ok(false),
            Held::Small => {
                let small = Small::of_item(self.small(key));
                let Some((place, _)) = small.find(&Packed::new(member)) else { return Ok(false) };
                self.small_cut(key, place.start, place.end, 1)?;
                return Ok(true);
            }
            Held::Grown(handle) => {
                // A look first: what changes nothing leaves the version as it is.
                let known = self.heap.get(handle).sorted().look(member);
                if known.score.is_none() {
                    return Ok(false);
                }
                self.edit_sorted(key, handle, |sorted| {
                    sorted.remove_known(member, known);
                    sorted.is_empty()
                })
            }
        };
        if empty {
            self.drop_empty(key);
        }
        Ok(true)
    }

    /// Removes the members of so many places from one on, which are there; a set without members goes.
    pub fn sorted_remove_range(&mut self, key: &Key<'_>, rank: usize, count: usize) -> Result<(), Refused> {
        if count == 0 {
            return Ok(());
        }
        let handle = match self.held(key) {
            Held::Nothing => return Ok(()),
            Held::Small => {
                let small = Small::of_item(self.small(key));
                let (start, end) = (small.offset(rank), small.offset(rank + count));
                return self.small_cut(key, start, end, count);
            }
            Held::Grown(handle) => handle,
        };
        let len = self.heap.get(handle).sorted().len();
        if count >= len {
            self.drop_empty(key);
        } else if count < ANEW_MIN || count < len - count {
            self.edit_sorted(key, handle, |sorted| sorted.remove_range(rank, count));
        } else {
            self.sorted_keep(key, handle, rank, count);
        }
        Ok(())
    }

    /// Makes a set anew of the few members that stay. What it was is freed in slices.
    fn sorted_keep(&mut self, key: &Key<'_>, handle: u64, rank: usize, count: usize) {
        let mut kept = Sorted::new(self.store.hasher());
        let mut digits = Digits::default();
        let old = self.heap.get(handle).sorted();
        let parts = [(0, rank), (rank + count, old.len() - rank - count)];
        for (start, count) in parts {
            SortedView::Grown(old).range(start, count, false, |member, score| {
                kept.put(member.text(&mut digits), score);
            });
        }
        let gone = self.edit_sorted(key, handle, |sorted| std::mem::replace(sorted, kept));
        let gone = Structure::Sorted(Box::new(gone));
        self.store.charge(gone.bytes() as i64);
        self.heap.leave(gone);
        self.count_heap();
    }

    /// Cuts so many members out of the run of a small set.
    fn small_cut(&mut self, key: &Key<'_>, start: usize, end: usize, count: usize) -> Result<(), Refused> {
        let value = self.small(key);
        let compact = Compact::new(value, true);
        let (before, head, old) = (value.len(), compact.head_bytes(), compact.count());
        if count >= old {
            self.drop_empty(key);
            return Ok(());
        }
        let value = self.splice(key, before, Splice { at: head + start, remove: end - start, insert: 0 })?;
        set_count(value, old - count);
        Ok(())
    }

    /// Turns the small set of a key into a grown one, where there is room for that and a member of so many bytes. The
    /// number of its structure.
    fn sorted_grow(&mut self, key: &Key<'_>, member_bytes: usize) -> Result<u64, Refused> {
        let item = self.store.peek(key, self.now.unix_ms).expect("what grows is there");
        let meta = item.meta();
        let sorted = Sorted::of_small(self.store.hasher(), &Small::of_item(item.value()));
        self.make_room(key, sorted.bytes() + MEMBER_BYTES + block_bytes(member_bytes))?;
        self.install_held(key, Structure::Sorted(Box::new(sorted)), &meta)
    }

    fn edit_sorted<R>(&mut self, key: &Key<'_>, handle: u64, change: impl FnOnce(&mut Sorted) -> R) -> R {
        self.edit_structure(key, handle, |structure| change(structure.sorted_mut()))
    }

    /// Stores the entries of a sorted set, which are in order, in the form that suits them.
    pub(super) fn install_scored(
        &mut self,
        key: &Key<'_>,
        run: &[u8],
        count: usize,
        meta: &Meta,
    ) -> Result<(), Refused> {
        let small = Small::of_run(run, count);
        let mut digits = Digits::default();
        if self.limits.sorted_fits(count)
            && small
                .iter()
                .all(|(member, _)| member.text(&mut digits).len() <= self.limits.sorted_value_bytes)
        {
            let mut plain = Vec::new();
            if small.iter().any(|(_, score)| is_negative_zero(score)) {
                small.iter().for_each(|(member, score)| push_entry(&mut plain, member, unsigned(score)));
            }
            let run = if plain.is_empty() { run } else { &plain };
            return self.store.put(key, &Builder::of_run(run, count), meta, self.now.unix_ms);
        }
        let sorted = Sorted::of_small(self.store.hasher(), &small);
        self.install_grown(key, std::sync::Arc::new(Structure::Sorted(Box::new(sorted))), meta, usize::MAX)
    }
}

/// A score as a small set has it: zero has no sign there.
fn unsigned(score: f64) -> f64 {
    if is_negative_zero(score) { 0.0 } else { score }
}

fn entry<'a>(member: &'a [u8], score: f64, bytes: &'a mut ScoreBytes) -> NewEntry<'a> {
    NewEntry { field: Packed::new(member), value: Some(pack_score(score, bytes)), deadline_ms: 0 }
}

#[inline]
fn view<'a>(heap: &'a super::heap::Heap, item: &super::Item<'a>) -> Result<SortedView<'a>, WrongKind> {
    if item.kind() != Kind::SortedSet {
        return Err(WrongKind);
    }
    if item.is_heap() {
        return Ok(SortedView::Grown(heap.get(handle_of(item)).sorted()));
    }
    Ok(SortedView::Small(Small::of_item(item.value())))
}
