//! Lists: how they are read, and elements that come and go. The caller has looked at the item's kind.
//!
//! A small list is its head (`data::entries`, without deadlines) and a run of elements that are walked from both ends;
//! a grown one is a [`List`]. Indexes here are from the left, and there: what clients mean by theirs is their command's.

use super::heap::Heap;
use super::{
    Builder, Compact, Held, Item, Key, Kind, Meta, Packed, Payload, Shard, Structure, Unmade, WrongKind,
    change_grown, handle_of,
};
use crate::data::entries::{HEAD_BYTES, Splice, set_count, write_head};
use crate::data::list::run::{Run, entry_bytes, write};
use crate::data::list::{End, Fill, List};
use crate::data::packed::{Element, read};
use slabs::Refused;

/// Blocks that one change may free on the spot; more of them wait for their slice.
const FREED_AT_ONCE_BLOCKS: usize = 64;

/// What a new structure takes besides its elements, at most: for asking whether there is room.
const STRUCTURE_BYTES: usize = 256;

/// What an element takes besides its bytes, at most: its tag and length, and the length behind it.
const ELEMENT_BYTES: usize = 10;

/// A list, to be read, in whatever form it is.
#[derive(Clone, Copy)]
pub enum ListView<'a> {
    /// In its item.
    Small {
        /// The elements.
        run: Run<'a>,
        /// How many.
        count: usize,
    },
    /// A grown one.
    Grown(&'a List),
}

impl<'a> ListView<'a> {
    fn of_bytes(bytes: &'a [u8]) -> ListView<'a> {
        let compact = Compact::new(bytes, false);
        ListView::Small { run: Run(&bytes[compact.head_bytes()..]), count: compact.count() }
    }

    /// The list that was taken from an item.
    pub fn of_payload(payload: &'a Payload) -> ListView<'a> {
        match payload {
            Payload::Grown(structure) => ListView::Grown(structure.list()),
            payload => ListView::of_bytes(payload.bytes()),
        }
    }

    /// Elements; a list that is in the store has some.
    #[allow(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            ListView::Small { count, .. } => *count,
            ListView::Grown(list) => list.len(),
        }
    }

    /// The element of an index, if there is such.
    pub fn get(&self, index: usize) -> Option<Element<'a>> {
        match self {
            ListView::Small { run, count } => {
                (index < *count).then(|| run.element(run.start_at(index, *count)))
            }
            ListView::Grown(list) => list.get(index),
        }
    }

    /// The element at an end.
    pub fn at_end(&self, end: End) -> Option<Element<'a>> {
        match end {
            End::Front => self.get(0),
            End::Back => self.get(self.len().checked_sub(1)?),
        }
    }

    /// Visits bytes that begin with an element ([`Packed::is_at`] compares them), from the element of an index on or
    /// from it back to the first, while `visit` says so.
    pub fn walk(&self, index: usize, back: bool, mut visit: impl FnMut(&'a [u8]) -> bool) {
        match self {
            ListView::Small { run, count } if index < *count => {
                let show = |start: usize| visit(&run.0[start..]);
                if back {
                    run.starts_back(run.start_at(index + 1, *count)).all(show);
                } else {
                    run.starts(run.start_at(index, *count)).all(show);
                }
            }
            ListView::Small { .. } => {}
            ListView::Grown(list) => list.walk(index, back, visit),
        }
    }

    /// Visits up to `count` elements from an end on, the one at the end first.
    pub fn take(&self, end: End, count: usize, visit: impl FnMut(Element<'a>)) {
        let first = if end == End::Front { 0 } else { self.len() - 1 };
        self.range(first, count, end == End::Back, visit);
    }

    /// Visits up to `count` elements from that of an index on, or back.
    pub fn range(&self, index: usize, count: usize, back: bool, mut visit: impl FnMut(Element<'a>)) {
        let mut left = count;
        if left > 0 {
            self.walk(index, back, |bytes| {
                visit(read(bytes).0);
                left -= 1;
                left > 0
            });
        }
    }
}

/// The list that a run of elements from another process is.
pub(super) fn of_written(bytes: &[u8], fill: Fill) -> List {
    let (run, mut list) = (Run(bytes), List::default());
    let mut digits = crate::text::Digits::default();
    for start in run.starts(0) {
        list.push(End::Back, &Packed::new(run.element(start).text(&mut digits)), fill);
    }
    list
}

/// The bytes of a list that fits its item.
pub(super) fn small_form(list: &List, fill: Fill) -> Option<Vec<u8>> {
    let bytes = list.runs().map(|(run, _)| run.0.len()).sum();
    fill.allows(bytes, list.len()).then(|| {
        let mut whole = Vec::with_capacity(bytes);
        list.runs().for_each(|(run, _)| whole.extend_from_slice(run.0));
        Builder::of_run(&whole, list.len())
    })
}

impl Shard {
    /// The list of a reading command: counts a hit or a miss, and as use unless `touch` is false.
    #[inline]
    pub fn read_list(&mut self, key: &Key<'_>, touch: bool) -> Result<Option<ListView<'_>>, WrongKind> {
        self.before_read(key);
        let now = self.now.unix_ms;
        let found = if touch { self.store.get(key, now) } else { self.store.peek(key, now) };
        let count = if found.is_some() { &mut self.traffic.hits } else { &mut self.traffic.misses };
        *count += 1;
        found.map(|item| view(&self.heap, &item)).transpose()
    }

    /// The list that a writing command is about to change; no hit and no miss.
    #[inline]
    pub fn find_list(&mut self, key: &Key<'_>, touch: bool) -> Result<Option<ListView<'_>>, WrongKind> {
        let now = self.now.unix_ms;
        let found = if touch { self.store.get(key, now) } else { self.store.peek(key, now) };
        found.map(|item| view(&self.heap, &item)).transpose()
    }

    /// Adds elements at an end, one after the other. How many there are then. All of them or none.
    pub fn list_push<'e>(
        &mut self,
        key: &Key<'_>,
        end: End,
        elements: impl Iterator<Item = &'e [u8]> + Clone,
    ) -> Result<usize, Refused> {
        self.list_extend(key, end, elements, false, false).map_err(Unmade::refused)
    }

    /// The same for whoever has not looked at the key: it counts as use if `touch`. 0: there is no list, and it `must_be`.
    pub fn list_extend<'e>(
        &mut self,
        key: &Key<'_>,
        end: End,
        elements: impl Iterator<Item = &'e [u8]> + Clone,
        must_be: bool,
        touch: bool,
    ) -> Result<usize, Unmade> {
        self.shed_for_growth();
        let (fill, now) = (self.limits.list, self.now.unix_ms);
        let Shard { store, heap, has_room, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else {
            return if must_be { Ok(0) } else { Ok(self.list_found(key, end, elements)?) };
        };
        let found = item.item();
        if found.kind() != Kind::List {
            return Err(Unmade::WrongKind);
        }
        if found.is_heap() {
            if !*has_room {
                item.make_room(room_for(elements.clone()), now)?;
            }
            return Ok(change_grown(&mut item, heap, now, |structure| {
                push_all(structure.list_mut(), end, elements, fill)
            }));
        }
        let value = found.value();
        let small = Compact::new(value, false);
        let (head, before, old) = (small.head_bytes(), value.len(), small.count());
        let (bytes, count) = packed(elements.clone());
        if fill.allows(before - head + bytes, old + count) {
            let at = if end == End::Front { head } else { before };
            let value = item.splice(at, 0, bytes, now)?;
            write_all(&mut value[at..at + bytes], end, elements);
            set_count(value, old + count);
            return Ok(old + count);
        }
        self.make_room(key, before + bytes + bytes / 8 + 2 * STRUCTURE_BYTES)?;
        let handle = self.list_grow(key)?;
        Ok(self.edit_list(key, handle, |list| push_all(list, end, elements, fill)))
    }

    /// A new list of these elements.
    fn list_found<'e>(
        &mut self,
        key: &Key<'_>,
        end: End,
        elements: impl Iterator<Item = &'e [u8]> + Clone,
    ) -> Result<usize, Refused> {
        let fill = self.limits.list;
        let (bytes, count) = packed(elements.clone());
        let meta = Meta { kind: Kind::List, ..Meta::default() };
        if fill.allows(bytes, count) {
            let value = self.store.reserve(key, HEAD_BYTES + bytes, &meta, self.now.unix_ms)?;
            let (head, run) = value.split_at_mut(HEAD_BYTES);
            write_head(head, count);
            write_all(run, end, elements);
            return Ok(count);
        }
        self.make_room(key, bytes + bytes / 8 + STRUCTURE_BYTES)?;
        let handle = self.install_held(key, Structure::List(List::default()), &meta)?;
        Ok(self.edit_list(key, handle, |list| push_all(list, end, elements, fill)))
    }

    /// Takes up to so many elements from an end; a list without elements goes. Before they go `show` is given the list
    /// and how many they are. `None`: there is no list.
    pub fn list_pop(
        &mut self,
        key: &Key<'_>,
        end: End,
        most: usize,
        touch: bool,
        show: impl FnOnce(&ListView<'_>, usize),
    ) -> Result<Option<usize>, Unmade> {
        let (fill, now) = (self.limits.list, self.now.unix_ms);
        let Shard { store, heap, .. } = self;
        let Some(mut item) = store.occupied(key, now, touch) else { return Ok(None) };
        let list = view(heap, &item.item()).map_err(|WrongKind| Unmade::WrongKind)?;
        let len = list.len();
        let taken = most.min(len);
        show(&list, taken);
        if taken == 0 {
            return Ok(Some(0));
        }
        if taken == len {
            item.remove(now);
            self.collect_dropped();
            return Ok(Some(taken));
        }
        match list {
            ListView::Small { run, .. } => {
                let head = item.item().value().len() - run.0.len();
                let (at, remove) = match end {
                    End::Front => (head, run.start_at(taken, len)),
                    End::Back => {
                        let start = run.start_at(len - taken, len);
                        (head + start, run.0.len() - start)
                    }
                };
                set_count(item.splice(at, remove, 0, now)?, len - taken);
            }
            ListView::Grown(_) => {
                let gone = change_grown(&mut item, heap, now, |structure| {
                    structure.list_mut().cut(end, taken, fill)
                });
                gone.into_iter().for_each(|gone| self.list_leave(gone));
            }
        }
        Ok(Some(taken))
    }

    /// Frees what a list has given up, in slices if it is much.
    fn list_leave(&mut self, gone: List) {
        if gone.blocks() > FREED_AT_ONCE_BLOCKS {
            let gone = Structure::List(gone);
            self.store.charge(gone.bytes() as i64);
            self.heap.leave(gone);
            self.count_heap();
        }
    }

    /// Removes elements from both ends; a list without elements goes.
    pub fn list_drop(&mut self, key: &Key<'_>, front: usize, back: usize) -> Result<(), Refused> {
        let fill = self.limits.list;
        match self.held(key) {
            Held::Nothing => {}
            Held::Small => {
                let value = self.small(key);
                let ListView::Small { run, count } = ListView::of_bytes(value) else { return Ok(()) };
                if front + back >= count {
                    self.drop_empty(key);
                    return Ok(());
                }
                let head = value.len() - run.0.len();
                let from = run.start_at(front, count);
                let to = run.start_at(count - back, count);
                if front > 0 && back > 0 {
                    let rest = Builder::of_run(&run.0[from..to], count - front - back);
                    return self.rewrite(key, &rest);
                }
                let (at, remove) = if front > 0 { (head, from) } else { (head + to, run.0.len() - to) };
                if remove > 0 {
                    let value = self.splice(key, Splice { at, remove, insert: 0 })?;
                    set_count(value, count - front - back);
                }
            }
            Held::Grown(handle) => {
                let len = self.heap.get(handle).list().len();
                if front + back >= len {
                    self.drop_empty(key);
                    return Ok(());
                }
                let gone = self.edit_list(key, handle, |list| list.keep(front, len - front - back, fill));
                gone.into_iter().for_each(|gone| self.list_leave(gone));
            }
        }
        Ok(())
    }

    /// Puts another element in place of that of an index.
    pub fn list_set(&mut self, key: &Key<'_>, index: usize, element: &[u8]) -> Result<(), Refused> {
        let element = Packed::new(element);
        self.list_place(key, index, &element, true)
    }

    /// Inserts an element before that of an index, or at the end.
    pub fn list_insert(&mut self, key: &Key<'_>, index: usize, element: &[u8]) -> Result<(), Refused> {
        let element = Packed::new(element);
        self.list_place(key, index, &element, false)
    }

    fn list_place(
        &mut self,
        key: &Key<'_>,
        index: usize,
        element: &Packed<'_>,
        replace: bool,
    ) -> Result<(), Refused> {
        let (fill, insert) = (self.limits.list, entry_bytes(element));
        let handle = match self.held(key) {
            Held::Nothing => return Ok(()),
            Held::Grown(handle) => {
                self.make_room(key, insert + 2 * STRUCTURE_BYTES)?;
                handle
            }
            Held::Small => {
                let value = self.small(key);
                let ListView::Small { run, count } = ListView::of_bytes(value) else { return Ok(()) };
                let (before, head) = (value.len(), value.len() - run.0.len());
                let at = run.start_at(index, count);
                let remove = if replace { run.end_of(at) - at } else { 0 };
                let entries = count + usize::from(!replace);
                if fill.allows(run.0.len() - remove + insert, entries) {
                    let value = self.splice(key, Splice { at: head + at, remove, insert })?;
                    write(element, &mut value[head + at..]);
                    set_count(value, entries);
                    return Ok(());
                }
                self.make_room(key, before + insert + 2 * STRUCTURE_BYTES)?;
                self.list_grow(key)?
            }
        };
        self.edit_list(key, handle, |list| {
            if replace {
                list.set(index, element, fill);
            } else {
                list.insert(index, element, fill);
            }
        });
        Ok(())
    }

    /// Removes elements that equal one, the first `most` of them or the last; a list without elements goes. How many
    /// there were.
    pub fn list_remove(
        &mut self,
        key: &Key<'_>,
        element: &[u8],
        most: usize,
        from: End,
    ) -> Result<usize, Refused> {
        let (fill, element) = (self.limits.list, Packed::new(element));
        let (removed, left) = match self.held(key) {
            Held::Nothing => return Ok(0),
            Held::Small => {
                let value = self.small(key);
                let ListView::Small { run, count } = ListView::of_bytes(value) else { return Ok(0) };
                let found = run.matches(&element, most, from == End::Back);
                let left = count - found.len();
                if !found.is_empty() && left > 0 {
                    let mut rest = Vec::with_capacity(run.0.len());
                    run.without(&found, &mut rest);
                    self.rewrite(key, &Builder::of_run(&rest, left))?;
                }
                (found.len(), left)
            }
            Held::Grown(handle) => {
                // A look first: what changes nothing leaves the version as it is.
                let mut there = false;
                self.heap.get(handle).list().walk(0, false, |bytes| {
                    there = element.is_at(bytes);
                    !there
                });
                if !there {
                    return Ok(0);
                }
                self.edit_list(key, handle, |list| {
                    let removed = list.remove(&element, most, from, fill);
                    (removed, list.len())
                })
            }
        };
        if left == 0 {
            self.drop_empty(key);
        }
        Ok(removed)
    }

    /// Turns the small list of a key into a grown one. The number of its structure.
    fn list_grow(&mut self, key: &Key<'_>) -> Result<u64, Refused> {
        let item = self.store.peek(key, self.now.unix_ms).expect("what grows is there");
        let meta = item.meta();
        let list = match ListView::of_bytes(item.value()) {
            ListView::Small { run, count } => List::of_run(run, count),
            ListView::Grown(_) => unreachable!("bytes are no structure"),
        };
        self.install_held(key, Structure::List(list), &meta)
    }

    fn edit_list<R>(&mut self, key: &Key<'_>, handle: u64, change: impl FnOnce(&mut List) -> R) -> R {
        self.edit_structure(key, handle, |structure| change(structure.list_mut()))
    }
}

#[inline]
fn view<'a>(heap: &'a Heap, item: &Item<'a>) -> Result<ListView<'a>, WrongKind> {
    if item.kind() != Kind::List {
        return Err(WrongKind);
    }
    if item.is_heap() {
        return Ok(ListView::Grown(heap.get(handle_of(item)).list()));
    }
    Ok(ListView::of_bytes(item.value()))
}

/// Bytes that elements take in a run, and how many they are.
fn packed<'e>(elements: impl Iterator<Item = &'e [u8]>) -> (usize, usize) {
    elements.fold((0, 0), |(bytes, count), element| (bytes + entry_bytes(&Packed::new(element)), count + 1))
}

/// Room to be asked for before elements are added to a grown list: more than they take.
fn room_for<'e>(elements: impl Iterator<Item = &'e [u8]>) -> u64 {
    let bytes: usize = elements.map(|element| element.len() + ELEMENT_BYTES).sum();
    (bytes + bytes / 8 + STRUCTURE_BYTES) as u64
}

/// Adds elements at an end, one after the other. How many there are then.
#[inline]
fn push_all<'e>(list: &mut List, end: End, elements: impl Iterator<Item = &'e [u8]>, fill: Fill) -> usize {
    for element in elements {
        list.push(end, &Packed::new(element), fill);
    }
    list.len()
}

/// Writes elements that are added at an end one after the other: those at the front come to lie in reverse.
fn write_all<'e>(to: &mut [u8], end: End, elements: impl Iterator<Item = &'e [u8]>) {
    let mut rest = to;
    for element in elements {
        let element = Packed::new(element);
        let bytes = entry_bytes(&element);
        let place = match end {
            End::Back => rest.split_off_mut(..bytes),
            End::Front => rest.split_off_mut(rest.len() - bytes..),
        };
        write(&element, place.expect("room for all"));
    }
}
