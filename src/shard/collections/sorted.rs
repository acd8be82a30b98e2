//! Sorted sets: how they are read, and members that come, go and change their scores. The caller has looked at the
//! item's kind.
//!
//! A small one is its head (`data::entries`, without deadlines) and a run in order (`data::sorted::small`); a grown one
//! is a [`Sorted`]. Places here are from the lowest score, and there: what clients mean by theirs is their command's.

#[cfg(test)]
mod tests;

use super::{
    Builder, COMPACT_ENTRIES_MAX, Compact, Held, Key, Kind, Limits, Meta, Packed, Payload, Shard, Structure,
    Unmade, WrongKind, change_grown, handle_of,
};
use crate::data::entries::{HEAD_BYTES, NewEntry, Place, Splice, set_count};
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

/// So many members of a set are taken out one by one; more of them, and it is made anew of the others.
fn few(count: usize, len: usize) -> bool {
    count < ANEW_MIN || count < len - count
}

/// The bytes of a small set whose entry at `old` has become `new`, which belongs to the place `at` of the run.
fn moved(value: &[u8], old: Place, at: usize, new: &NewEntry<'_>) -> Vec<u8> {
    let run = &value[HEAD_BYTES..];
    let mut anew = Vec::with_capacity(value.len() + new.len());
    let (first, second) = (at.min(old.start), at.max(old.end));
    anew.extend_from_slice(&value[..HEAD_BYTES + first]);
    let put_new = |anew: &mut Vec<u8>| {
        let start = anew.len();
        anew.resize(start + new.len(), 0);
        new.write(&mut anew[start..]);
    };
    if at <= old.start {
        put_new(&mut anew);
        anew.extend_from_slice(&run[at..old.start]);
    } else {
        anew.extend_from_slice(&run[old.end..at]);
        put_new(&mut anew);
    }
    anew.extend_from_slice(&run[second..]);
    anew
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
        self.sorted_set(key, member, false, decide).map_err(Unmade::refused)
    }

    /// The same for whoever has not looked at the key: it counts as use if `touch`.
    pub fn sorted_set(
        &mut self,
        key: &Key<'_>,
        member: &[u8],
        touch: bool,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Result<(Option<f64>, bool), Unmade> {
        self.shed_for_growth();
        let now = self.now.unix_ms;
        let Shard { store, heap, limits, has_room, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else {
            let Some(score) = decide(None) else { return Ok((None, false)) };
            self.sorted_found(key, member, score)?;
            return Ok((None, true));
        };
        let set = view(heap, &item.item()).map_err(|WrongKind| Unmade::WrongKind)?;
        let small = match set {
            SortedView::Small(small) => small,
            SortedView::Grown(sorted) => {
                let known = sorted.look(member);
                let old = known.score;
                let Some(score) = decide(old).filter(|score| old != Some(*score)) else {
                    return Ok((old, false));
                };
                if !*has_room {
                    item.make_room((MEMBER_BYTES + block_bytes(member.len())) as u64, now)?;
                }
                change_grown(&mut item, heap, now, |structure| {
                    structure.sorted_mut().put_known(member, known, score);
                });
                return Ok((old, true));
            }
        };
        let packed = Packed::new(member);
        let found = small.find(&packed);
        let old = found.map(|found| found.1);
        let Some(score) = decide(old).filter(|score| old != Some(*score)) else { return Ok((old, false)) };
        let mut bytes = ScoreBytes::default();
        let new = NewEntry { field: packed, value: Some(pack_score(score, &mut bytes)), deadline_ms: 0 };
        let (_, at) = small.before(&Edge::Entry { score, member, behind: false });
        if let Some((place, _)) = found {
            let anew = moved(item.item().value(), place, at, &new);
            self.rewrite(key, &anew)?;
            return Ok((old, true));
        }
        let count = small.len();
        if limits.sorted_fits(count + 1) && member.len() <= limits.sorted_value_bytes {
            let at = HEAD_BYTES + at;
            let value = item.splice(at, 0, new.len(), now)?;
            new.write(&mut value[at..]);
            set_count(value, count + 1);
            return Ok((None, true));
        }
        let handle = self.sorted_grow(key, member.len())?;
        self.edit_sorted(key, handle, |sorted| sorted.put(member, score));
        Ok((None, true))
    }

    /// Takes up to so many members with the lowest scores, or with the highest, out of a set; a set without members goes.
    /// Before they go `show` is given the set and how many they are. `None`: there is no set.
    pub fn sorted_pop(
        &mut self,
        key: &Key<'_>,
        max: bool,
        most: usize,
        touch: bool,
        show: impl FnOnce(&SortedView<'_>, usize),
    ) -> Result<Option<usize>, Unmade> {
        let now = self.now.unix_ms;
        let Shard { store, heap, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else { return Ok(None) };
        let set = view(heap, &item.item()).map_err(|WrongKind| Unmade::WrongKind)?;
        let len = set.len();
        let taken = most.min(len);
        show(&set, taken);
        if taken == 0 {
            return Ok(Some(0));
        }
        if taken == len {
            item.remove(now);
            self.collect_dropped();
            return Ok(Some(taken));
        }
        let rank = if max { len - taken } else { 0 };
        match set {
            SortedView::Small(small) => {
                let (start, end) = (small.offset(rank), small.offset(rank + taken));
                let value = item.splice(HEAD_BYTES + start, end - start, 0, now)?;
                set_count(value, len - taken);
            }
            SortedView::Grown(_) if few(taken, len) => {
                change_grown(&mut item, heap, now, |structure| {
                    let sorted = structure.sorted_mut();
                    sorted.remove_range(rank, taken);
                    if !max {
                        sorted.fetch_first();
                    }
                });
            }
            SortedView::Grown(_) => {
                let handle = handle_of(&item.item());
                self.sorted_keep(key, handle, rank, taken);
            }
        }
        Ok(Some(taken))
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

    /// Removes a member; a set without members goes. True: it was there.
    pub fn sorted_remove(&mut self, key: &Key<'_>, member: &[u8]) -> Result<bool, Refused> {
        self.sorted_take(key, member, false).map_err(Unmade::refused)
    }

    /// The same for whoever has not looked at the key: it counts as use if `touch`.
    pub fn sorted_take(&mut self, key: &Key<'_>, member: &[u8], touch: bool) -> Result<bool, Unmade> {
        let now = self.now.unix_ms;
        let Shard { store, heap, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else { return Ok(false) };
        match view(heap, &item.item()).map_err(|WrongKind| Unmade::WrongKind)? {
            SortedView::Small(small) => {
                let Some((place, _)) = small.find(&Packed::new(member)) else { return Ok(false) };
                let left = small.len() - 1;
                if left == 0 {
                    item.remove(now);
                } else {
                    let remove = place.end - place.start;
                    set_count(item.splice(HEAD_BYTES + place.start, remove, 0, now)?, left);
                }
            }
            SortedView::Grown(sorted) => {
                // A look first: what changes nothing leaves the version as it is.
                let known = sorted.look(member);
                if known.score.is_none() {
                    return Ok(false);
                }
                let empty = change_grown(&mut item, heap, now, |structure| {
                    let sorted = structure.sorted_mut();
                    sorted.remove_known(member, known);
                    sorted.is_empty()
                });
                if empty {
                    item.remove(now);
                    self.collect_dropped();
                }
            }
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
        } else if few(count, len) {
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
        let (head, old) = (compact.head_bytes(), compact.count());
        if count >= old {
            self.drop_empty(key);
            return Ok(());
        }
        let value = self.splice(key, Splice { at: head + start, remove: end - start, insert: 0 })?;
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
