//! Collections in the store: what the item of a hash, a set, a list or a sorted set holds, and how it changes.
//!
//! A small one is the value of its item (`data::entries`, `data::ints`, `data::list::run`, `data::sorted::small`) and is changed there: the item makes room and
//! what is behind the place moves. One that grows past the limits of [`Limits`] becomes a structure of [`heap`]; its
//! item then holds 16 bytes, the structure's number and the memory that it takes, so that eviction can weigh it, and
//! every change writes them anew, which also gives the item its new version. Structures are counted in the store's
//! ledger to the byte, from when they are installed until their last block is freed.
//!
//! | file | has |
//! |---|---|
//! | `mod` | reading, whole values coming and going, small ones that grow |
//! | `hash` | changes of hashes, and deadlines of fields |
//! | `set` | changes of sets |
//! | `list` | lists, to be read and changed |
//! | `sorted` | sorted sets, to be read and changed |
//! | `heap` | the structures, and taking them apart in slices |
//! | `copying` | large ones that are copied in slices |
//! | `due` | which hashes have fields that die |
//!
//! Kinds to come bring a form of compact bytes and a variant of [`heap::Structure`], and go through the same doors:
//! [`Shard::install`], [`Shard::gather`], [`Shard::splice`], [`Shard::edit`]. Nothing here knows commands.

pub mod copying;
pub mod due;
mod hash;
pub mod heap;
pub mod list;
mod set;
pub mod sorted;
#[cfg(test)]
mod tests;

use super::{Item, Key, Kind, Meta, Shard};
use crate::data::entries::{Builder, COMPACT_ENTRIES_MAX, Compact, DYING, Entry, NewEntry, Run, Splice};
use crate::data::ints::{self, Ints};
use crate::data::list::Fill;
use crate::data::packed::{Element, Packed};
use crate::data::table::Table;
use crate::text::{Digits, parse_i64};
use heap::{Heap, Structure};
use slabs::{Occupied, Policy, Refused};
use std::sync::Arc;

/// Blocks of structures without an item that are freed in one slice of background work: a tenth of a millisecond.
const SLICE_BLOCKS: usize = 1024;

/// The same where much waits: less than half a millisecond.
const LARGE_SLICE_BLOCKS: usize = 4096;

/// What waits is much if it is more than this fraction of the budget.
const MUCH_SHARE: u64 = 32;

/// Blocks that a change frees which makes a collection larger: an entry comes with a fraction of a block, so what has
/// gone is freed faster than anything can grow.
const BLOCKS_PER_CHANGE: usize = 4;

/// First byte of a grown collection that is written down as bytes: no form of a small one.
const WRITTEN: u8 = 0xff;

/// Bytes of the value of an item whose collection has grown.
const HANDLE_BYTES: usize = 16;

/// Up to how many entries, and of how many bytes each, a collection stays small: Redis's parameters of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `hash-max-listpack-entries`.
    pub hash_entries: usize,
    /// `hash-max-listpack-value`.
    pub hash_value_bytes: usize,
    /// `set-max-intset-entries`.
    pub set_ints: usize,
    /// `set-max-listpack-entries`.
    pub set_entries: usize,
    /// `set-max-listpack-value`.
    pub set_value_bytes: usize,
    /// `list-max-listpack-size`.
    pub list: Fill,
    /// `zset-max-listpack-entries`.
    pub sorted_entries: usize,
    /// `zset-max-listpack-value`.
    pub sorted_value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            hash_entries: 128,
            hash_value_bytes: 64,
            set_ints: 512,
            set_entries: 128,
            set_value_bytes: 64,
            list: Fill::of_parameter(-2),
            sorted_entries: 128,
            sorted_value_bytes: 64,
        }
    }
}

/// The key holds another kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongKind;

/// Why a collection was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmade {
    /// The key holds another kind of value.
    WrongKind,
    /// The store has no room.
    Refused(Refused),
}

impl Unmade {
    /// For those who have looked at the item's kind.
    fn refused(self) -> Refused {
        match self {
            Unmade::Refused(refused) => refused,
            Unmade::WrongKind => unreachable!("the item's kind was looked at before"),
        }
    }
}

impl From<Refused> for Unmade {
    fn from(refused: Refused) -> Unmade {
        Unmade::Refused(refused)
    }
}

/// A whole value that is not in an item: taken from one, or to become one.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A string, or a small collection as its item holds it.
    Bytes(Vec<u8>),
    /// A grown one.
    Grown(Arc<Structure>),
    /// The members of a set, each once, as a run of entries: what they become is decided where they are stored.
    Members {
        /// The run.
        run: Vec<u8>,
        /// How many.
        count: usize,
    },
    /// The entries of a sorted set in order, each member once, as a run (`data::sorted::small`); likewise.
    Scored {
        /// The run.
        run: Vec<u8>,
        /// How many.
        count: usize,
    },
}

impl Payload {
    /// The bytes; none of a grown collection.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Payload::Bytes(bytes) => bytes,
            Payload::Grown(_) | Payload::Members { .. } | Payload::Scored { .. } => b"",
        }
    }

    /// The same value, shared with nobody who may change it.
    pub fn into_own(self) -> Payload {
        match self {
            Payload::Grown(structure) => Payload::Grown(Arc::new(Arc::unwrap_or_clone(structure))),
            payload => payload,
        }
    }

    /// A set of these members, which are different.
    pub fn of_members<'a>(members: impl Iterator<Item = Element<'a>>) -> Payload {
        let (mut run, mut count) = (Vec::new(), 0);
        let mut digits = Digits::default();
        for member in members {
            let field = match member {
                Element::Int(number) => Packed::int(number),
                member => Packed::new(member.text(&mut digits)),
            };
            let start = run.len();
            run.resize(start + field.len(), 0);
            field.write(&mut run[start..]);
            count += 1;
        }
        Payload::Members { run, count }
    }

    /// The hash or set that this is, to be read.
    pub fn view(&self, kind: Kind) -> View<'_> {
        match self {
            Payload::Bytes(bytes) => View::of_bytes(bytes, kind),
            Payload::Grown(structure) => View::Table(structure.table()),
            Payload::Members { .. } | Payload::Scored { .. } => {
                unreachable!("members are on their way into the store")
            }
        }
    }
}

/// A hash or a set, to be read, in whatever form it is.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// A run of entries.
    Compact(Compact<'a>),
    /// A set of integers.
    Ints(Ints<'a>),
    /// A grown one.
    Table(&'a Table),
}

impl<'a> View<'a> {
    fn of_bytes(bytes: &'a [u8], kind: Kind) -> View<'a> {
        if kind == Kind::Set && ints::is_form(bytes[0]) {
            View::Ints(Ints::new(bytes))
        } else {
            View::Compact(Compact::new(bytes, kind == Kind::Hash))
        }
    }

    /// Entries that are alive. Of a grown hash in which something is due it may count what is dead and not reclaimed.
    pub fn len(&self, now_ms: u64) -> usize {
        match self {
            View::Compact(compact) => compact.live_count(now_ms),
            View::Ints(ints) => ints.count(),
            View::Table(table) => table.len(),
        }
    }

    /// Entries that are alive, counted one by one where some may be dead.
    pub fn live_count(&self, now_ms: u64) -> usize {
        match self {
            View::Table(table) => table.live_count(now_ms),
            _ => self.len(now_ms),
        }
    }

    /// The live entry of a field.
    #[inline]
    pub fn get(&self, field: &[u8], now_ms: u64) -> Option<Entry<'a>> {
        let entry = match self {
            View::Compact(compact) => {
                let run = compact.run();
                run.entry(run.find(&Packed::new(field))?)
            }
            View::Ints(ints) => of_int(parse_i64(field).filter(|number| ints.find(*number).is_ok())?),
            View::Table(table) => table.get(field)?,
        };
        entry.is_live(now_ms).then_some(entry)
    }

    /// Whether a set has a member.
    #[inline]
    pub fn has(&self, member: &[u8]) -> bool {
        match self {
            View::Compact(compact) => compact.run().find(&Packed::new(member)).is_some(),
            View::Ints(ints) => parse_i64(member).is_some_and(|number| ints.find(number).is_ok()),
            View::Table(table) => table.contains(member),
        }
    }

    /// Visits all live entries: integers ascending, small collections in the order in which they came.
    pub fn each(&self, now_ms: u64, mut visit: impl FnMut(Entry<'a>)) {
        match self {
            View::Compact(compact) => compact.live(now_ms).for_each(visit),
            View::Ints(ints) => ints.iter().for_each(|number| visit(of_int(number))),
            View::Table(table) => table.live(now_ms).for_each(visit),
        }
    }

    /// Whether `each` would go on until the end if it asked `more` before every entry.
    pub fn all(&self, now_ms: u64, mut more: impl FnMut(Entry<'a>) -> bool) -> bool {
        match self {
            View::Compact(compact) => compact.live(now_ms).all(more),
            View::Ints(ints) => ints.iter().all(|number| more(of_int(number))),
            View::Table(table) => table.live(now_ms).all(more),
        }
    }
}

fn of_int(number: i64) -> Entry<'static> {
    Entry { field: Element::Int(number), value: None, deadline_ms: 0 }
}

/// The number of the structure that an item stands for.
#[inline]
fn handle_of(item: &Item<'_>) -> u64 {
    u64::from_ne_bytes(*item.value().first_chunk().expect("the value of a grown collection is its handle"))
}

/// The memory that an item's structure takes besides the item.
pub fn structure_bytes(item: &Item<'_>) -> u64 {
    let counted = item.value().get(8..HANDLE_BYTES).filter(|_| item.is_heap());
    counted.and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

/// The item of a small set holds integers only.
pub fn is_ints(item: &Item<'_>) -> bool {
    item.kind() == Kind::Set
        && !item.is_heap()
        && item.value().first().is_some_and(|form| ints::is_form(*form))
}

/// What holds the collection of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    Small,
    Grown(u64),
}

impl Shard {
    // -- reading

    /// The hash or set of a reading command: counts a hit or a miss, and as use unless `touch` is false.
    #[inline]
    pub fn read_collection(
        &mut self,
        key: &Key<'_>,
        kind: Kind,
        touch: bool,
    ) -> Result<Option<View<'_>>, WrongKind> {
        self.before_read(key);
        let now = self.now.unix_ms;
        let found = if touch { self.store.get(key, now) } else { self.store.peek(key, now) };
        match found {
            None => {
                self.traffic.misses += 1;
                Ok(None)
            }
            Some(item) => {
                self.traffic.hits += 1;
                view(&self.heap, &item, kind).map(Some)
            }
        }
    }

    /// The hash or set that a writing command is about to change; no hit and no miss.
    #[inline]
    pub fn find_collection(
        &mut self,
        key: &Key<'_>,
        kind: Kind,
        touch: bool,
    ) -> Result<Option<View<'_>>, WrongKind> {
        let now = self.now.unix_ms;
        let found = if touch { self.store.get(key, now) } else { self.store.peek(key, now) };
        found.map(|item| view(&self.heap, &item, kind)).transpose()
    }

    /// What holds the collection of a key, whose kind the caller knows.
    #[inline]
    pub(super) fn held(&self, key: &Key<'_>) -> Held {
        match self.store.peek(key, self.now.unix_ms) {
            None => Held::Nothing,
            Some(item) if item.is_heap() => Held::Grown(handle_of(&item)),
            Some(_) => Held::Small,
        }
    }

    /// The bytes of a small collection.
    #[inline]
    pub(super) fn small(&self, key: &Key<'_>) -> &[u8] {
        self.store.peek(key, self.now.unix_ms).map_or(b"", |item| item.value())
    }

    // -- whole values

    /// A copy of the item of `key`; of a grown collection a reference. Without `value` only what stands beside it.
    pub fn gather(item: &Item<'_>, heap: &Heap, value: bool) -> (Payload, Meta) {
        let payload = match (value, item.is_heap()) {
            (false, _) => Payload::Bytes(Vec::new()),
            (true, false) => Payload::Bytes(item.value().to_vec()),
            (true, true) => Payload::Grown(heap.get(handle_of(item)).clone()),
        };
        (payload, Meta { heap: false, ..item.meta() })
    }

    /// Puts a whole value under a key, over what may be there. A grown collection that fits an item becomes small.
    pub fn install(&mut self, key: &Key<'_>, payload: Payload, meta: &Meta) -> Result<(), Refused> {
        let now = self.now.unix_ms;
        let due_ms = match &payload {
            _ if meta.kind != Kind::Hash => 0,
            Payload::Bytes(bytes) => Compact::new(bytes, true).due_ms(),
            Payload::Grown(structure) => structure.table().due_ms(),
            Payload::Members { .. } | Payload::Scored { .. } => 0,
        };
        match payload {
            Payload::Bytes(bytes) => self.store.put(key, &bytes, meta, now)?,
            Payload::Grown(structure) => match self.small_form(meta.kind, &structure) {
                Some(bytes) => self.store.put(key, &bytes, meta, now)?,
                // It was there before, whole: no work was done for it that much may be freed beside.
                None => self.install_grown(key, structure, meta, LARGE_SLICE_BLOCKS)?,
            },
            Payload::Members { run, count } => self.install_members(key, &run, count, meta)?,
            Payload::Scored { run, count } => self.install_scored(key, &run, count, meta)?,
        }
        self.note_due(key, due_ms);
        Ok(())
    }

    /// Stores the members of a set in the form that suits them.
    fn install_members(
        &mut self,
        key: &Key<'_>,
        run: &[u8],
        count: usize,
        meta: &Meta,
    ) -> Result<(), Refused> {
        let now = self.now.unix_ms;
        let members = || {
            let run = Run::new(run, false);
            run.places().map(move |place| run.entry(place).field)
        };
        let limits = &self.limits;
        if count <= limits.set_ints {
            let numbers = members().map(|member| match member {
                Element::Int(number) => Some(number),
                _ => None,
            });
            if let Some(mut numbers) = numbers.collect::<Option<Vec<i64>>>() {
                numbers.sort_unstable();
                return self.store.put(key, &ints::of_sorted(&numbers), meta, now);
            }
        }
        let mut digits = Digits::default();
        if count <= limits.set_entries.min(COMPACT_ENTRIES_MAX)
            && members().all(|member| member.text(&mut digits).len() <= limits.set_value_bytes)
        {
            let bytes = Builder::of_run(run, count);
            return self.store.put(key, &bytes, meta, now);
        }
        let mut table = Table::new(self.store.hasher(), false);
        for member in members() {
            table.insert(member.text(&mut digits), b"", Some(0), 0);
        }
        self.install_grown(key, Arc::new(Structure::Table(table)), meta, usize::MAX)
    }

    /// The grown collection of an item as bytes for another process: a mark, and the run of all entries.
    pub fn written(item: &Item<'_>, heap: &Heap) -> Vec<u8> {
        let mut bytes = vec![WRITTEN];
        let table = match &**heap.get(handle_of(item)) {
            Structure::Table(table) => table,
            Structure::List(list) => {
                list.runs().for_each(|(run, _)| bytes.extend_from_slice(run.0));
                return bytes;
            }
            Structure::Sorted(sorted) => {
                sorted::write(sorted, &mut bytes);
                return bytes;
            }
        };
        let (mut digits, mut value_digits) = (Digits::default(), Digits::default());
        for entry in table.iter() {
            let value = entry.value.map(|value| Packed::new(value.text(&mut value_digits)));
            let field = Packed::new(entry.field.text(&mut digits));
            let entry = NewEntry { field, value, deadline_ms: entry.deadline_ms };
            let start = bytes.len();
            bytes.resize(start + entry.len(), 0);
            entry.write(&mut bytes[start..]);
        }
        bytes
    }

    /// Whether bytes are those of a grown collection of this kind.
    pub fn is_written(kind: Kind, bytes: &[u8]) -> bool {
        matches!(kind, Kind::Hash | Kind::Set | Kind::List | Kind::SortedSet)
            && bytes.first() == Some(&WRITTEN)
    }

    /// Takes a grown collection over from another process.
    pub fn adopt(&mut self, key: &Key<'_>, bytes: &[u8], meta: &Meta) -> Result<(), Refused> {
        if meta.kind == Kind::List {
            let list = list::of_written(&bytes[1..], self.limits.list);
            return self.install_grown(key, Arc::new(Structure::List(list)), meta, usize::MAX);
        }
        if meta.kind == Kind::SortedSet {
            let sorted = sorted::of_run(self.store.hasher(), &bytes[1..]);
            return self.install_grown(key, Arc::new(Structure::Sorted(Box::new(sorted))), meta, usize::MAX);
        }
        let valued = meta.kind == Kind::Hash;
        let mut table = Table::new(self.store.hasher(), valued);
        let run = Run::new(&bytes[1..], valued);
        let (mut digits, mut value_digits) = (Digits::default(), Digits::default());
        for entry in run.places().map(|place| run.entry(place)) {
            let value = entry.value.map_or(&b""[..], |value| value.text(&mut value_digits));
            table.insert(entry.field.text(&mut digits), value, Some(entry.deadline_ms), 0);
        }
        let due_ms = table.due_ms();
        self.install_grown(key, Arc::new(Structure::Table(table)), meta, usize::MAX)?;
        self.note_due(key, due_ms);
        Ok(())
    }

    fn install_grown(
        &mut self,
        key: &Key<'_>,
        structure: Arc<Structure>,
        meta: &Meta,
        shed_max: usize,
    ) -> Result<(), Refused> {
        let now = self.now.unix_ms;
        let bytes = structure.bytes();
        self.store.make_room_beside(key, bytes as u64, now)?;
        // What was dropped before is freed as quickly as new structures come.
        self.collect_dropped();
        self.shed_structures((bytes / 256).min(shed_max));
        let handle = self.heap.insert(structure);
        let value = handle_value(handle, bytes);
        self.store.charge(bytes as i64);
        if let Err(refused) = self.store.put(key, &value, &Meta { heap: true, ..*meta }, now) {
            let freed = self.heap.release(handle);
            self.store.charge(-(freed as i64));
            return Err(refused);
        }
        self.count_heap();
        Ok(())
    }

    /// The small form of a grown collection, if the limits allow it.
    fn small_form(&self, kind: Kind, structure: &Structure) -> Option<Vec<u8>> {
        let limits = &self.limits;
        let table = match structure {
            Structure::Table(table) => table,
            Structure::List(list) => return list::small_form(list, limits.list),
            Structure::Sorted(sorted) => return sorted::small_form(sorted, limits),
        };
        if kind == Kind::Set {
            if table.len() <= limits.set_ints {
                let numbers = table.iter().map(|entry| match entry.field {
                    Element::Int(number) => Some(number),
                    _ => None,
                });
                if let Some(mut numbers) = numbers.collect::<Option<Vec<i64>>>() {
                    numbers.sort_unstable();
                    return Some(ints::of_sorted(&numbers));
                }
            }
            return compact_of(table, limits.set_entries, limits.set_value_bytes);
        }
        compact_of(table, limits.hash_entries, limits.hash_value_bytes)
    }

    /// Turns the small collection of a key into a grown one. The number of its structure.
    pub(super) fn grow(&mut self, key: &Key<'_>, kind: Kind) -> Result<u64, Refused> {
        let hasher = self.store.hasher();
        let item = self.store.peek(key, self.now.unix_ms).expect("what grows is there");
        let meta = item.meta();
        let table = match View::of_bytes(item.value(), kind) {
            View::Compact(compact) => Table::of_compact(hasher, &compact, kind == Kind::Hash),
            View::Ints(ints) => {
                let mut table = Table::new(hasher, false);
                let mut digits = Digits::default();
                for number in ints.iter() {
                    table.insert(Element::Int(number).text(&mut digits), b"", Some(0), 0);
                }
                table
            }
            View::Table(_) => unreachable!("bytes are no table"),
        };
        self.install_held(key, Structure::Table(table), &meta)
    }

    /// Puts a new structure under a key. Its number.
    pub(super) fn install_held(
        &mut self,
        key: &Key<'_>,
        structure: Structure,
        meta: &Meta,
    ) -> Result<u64, Refused> {
        self.install_grown(key, Arc::new(structure), meta, usize::MAX)?;
        match self.held(key) {
            Held::Grown(handle) => Ok(handle),
            _ => unreachable!("it was installed just now"),
        }
    }

    /// An empty grown collection under a key that has nothing. The number of its structure.
    pub(super) fn found_grown(&mut self, key: &Key<'_>, kind: Kind) -> Result<u64, Refused> {
        let table = Table::new(self.store.hasher(), kind == Kind::Hash);
        let meta = Meta { kind, ..Meta::default() };
        self.install_held(key, Structure::Table(table), &meta)
    }

    // -- changes

    /// Gives a small collection other bytes; what stands beside it stays.
    pub(super) fn rewrite(&mut self, key: &Key<'_>, bytes: &[u8]) -> Result<(), Refused> {
        let now = self.now.unix_ms;
        let value = self.store.resize(key, bytes.len(), now)?.expect("the item was there just now");
        value.copy_from_slice(bytes);
        Ok(())
    }

    /// Makes room in the value of a small collection, or takes some out. The whole value; what was inserted is the
    /// caller's to write. A value that gets shorter is never refused, unless somebody reads it from where it is.
    pub(super) fn splice(&mut self, key: &Key<'_>, splice: Splice) -> Result<&mut [u8], Refused> {
        let now = self.now.unix_ms;
        let item = self.store.occupied(key, now, false).expect("the item was there just now");
        item.splice(splice.at, splice.remove, splice.insert, now)
    }

    /// Changes a grown hash or set, counts what it takes now, and gives its item a new version.
    pub(super) fn edit<R>(&mut self, key: &Key<'_>, handle: u64, change: impl FnOnce(&mut Table) -> R) -> R {
        self.edit_structure(key, handle, |structure| change(structure.table_mut()))
    }

    /// The same for structures of every kind.
    pub(super) fn edit_structure<R>(
        &mut self,
        key: &Key<'_>,
        handle: u64,
        change: impl FnOnce(&mut Structure) -> R,
    ) -> R {
        let before = self.heap.get(handle).bytes();
        let structure = self.heap.get_mut(handle);
        let result = change(structure);
        let after = structure.bytes();
        self.store.charge(after as i64 - before as i64);
        if let Some(value) = self.store.value_mut(key, self.now.unix_ms) {
            value.copy_from_slice(&handle_value(handle, after));
        }
        result
    }

    /// Frees some of what has gone, before a collection grows.
    #[inline]
    fn shed_for_growth(&mut self) {
        if self.heap.is_leaving() {
            self.shed_structures(BLOCKS_PER_CHANGE);
        }
    }

    /// Removes the key of a collection that has become empty.
    pub(super) fn drop_empty(&mut self, key: &Key<'_>) {
        let now = self.now.unix_ms;
        self.store.remove(key, now);
        self.collect_dropped();
    }

    /// Runs a command that adds several elements of so many bytes together to a collection: all of them, or none. One that
    /// finds no room in the midst of it is undone.
    pub fn add_all<R, E: From<Refused>>(
        &mut self,
        key: &Key<'_>,
        bytes: usize,
        add: impl FnOnce(&mut Shard) -> Result<R, E>,
    ) -> Result<R, E> {
        self.make_room(key, bytes)?;
        if self.store.policy() != Policy::NoEviction {
            return add(self);
        }
        self.add_all_or_none(key, add)
    }

    /// The same where nothing can be evicted. A small collection is written anew as it was; a grown one has all the room
    /// that was asked for, and does not ask again.
    #[cold]
    fn add_all_or_none<R, E>(
        &mut self,
        key: &Key<'_>,
        add: impl FnOnce(&mut Shard) -> Result<R, E>,
    ) -> Result<R, E> {
        let now = self.now.unix_ms;
        let item = self.store.peek(key, now);
        let before = item.map(|item| (!item.is_heap()).then(|| (item.value().to_vec(), item.meta())));
        self.has_room = matches!(before, Some(None));
        let done = add(self);
        self.has_room = false;
        if done.is_err() {
            match before {
                None => self.drop_empty(key),
                // What it was fits where it was.
                Some(Some((bytes, meta))) => drop(self.store.put(key, &bytes, &meta, now)),
                Some(None) => {}
            }
        }
        done
    }

    /// Refuses a command that would store so many bytes more where there is no room for them, before it has changed
    /// anything.
    pub fn make_room(&mut self, key: &Key<'_>, bytes: usize) -> Result<(), Refused> {
        if self.has_room {
            return Ok(());
        }
        self.shed_for_growth();
        self.store.make_room_beside(key, bytes as u64, self.now.unix_ms)
    }

    // -- what has gone

    /// Takes over the structures of items that have left the store.
    pub fn collect_dropped(&mut self) {
        if !self.store.any_dropped() {
            return;
        }
        for handle in self.store.take_dropped() {
            let freed = self.heap.release(handle);
            self.store.charge(-(freed as i64));
        }
        self.count_heap();
    }

    /// Takes back a value that somebody has read. Its item may have gone meanwhile (expired, evicted), so that this is the
    /// last to have it: a grown collection is then freed in slices, like those that had an item until now.
    pub fn put_away(&mut self, payload: Payload) {
        if let Payload::Grown(structure) = payload
            && let Some(structure) = Arc::into_inner(structure)
        {
            self.store.charge(structure.bytes() as i64);
            self.heap.leave(structure);
            self.count_heap();
        }
    }

    /// A slice of what has gone. True: more is left.
    pub fn shed_slice(&mut self) -> bool {
        self.collect_dropped();
        let much = self.heap.leaving_bytes() as u64 > self.store.budget_bytes() / MUCH_SHARE;
        self.shed_structures(if much { LARGE_SLICE_BLOCKS } else { SLICE_BLOCKS })
    }

    /// Frees up to so many blocks of structures that have no item. True: more is left.
    pub fn shed_structures(&mut self, blocks_max: usize) -> bool {
        if self.heap.is_leaving() {
            let freed = self.heap.shed(blocks_max);
            self.store.charge(-(freed as i64));
        }
        self.heap.is_leaving()
    }

    /// Counts the lists of structures and of what is due.
    fn count_heap(&mut self) {
        let now = (self.heap.own_bytes() + self.due.bytes()) as i64;
        self.store.charge(now - self.lists_bytes);
        self.lists_bytes = now;
    }
}

/// Changes the grown collection of an item, counts what it takes now, and gives the item a new version.
#[inline]
fn change_grown<R>(
    item: &mut Occupied<'_, '_>,
    heap: &mut Heap,
    now_ms: u64,
    change: impl FnOnce(&mut Structure) -> R,
) -> R {
    let handle = handle_of(&item.item());
    let before = heap.get(handle).bytes();
    let structure = heap.get_mut(handle);
    let result = change(structure);
    let after = structure.bytes();
    item.charge(after as i64 - before as i64);
    if let Some(value) = item.value_mut(now_ms) {
        value.copy_from_slice(&handle_value(handle, after));
    }
    result
}

#[inline]
fn handle_value(handle: u64, bytes: usize) -> [u8; HANDLE_BYTES] {
    let mut value = [0; HANDLE_BYTES];
    value[..8].copy_from_slice(&handle.to_ne_bytes());
    value[8..].copy_from_slice(&(bytes as u64).to_ne_bytes());
    value
}

#[inline]
fn view<'a>(heap: &'a Heap, item: &Item<'a>, kind: Kind) -> Result<View<'a>, WrongKind> {
    if item.kind() != kind {
        return Err(WrongKind);
    }
    if item.is_heap() {
        return Ok(View::Table(heap.get(handle_of(item)).table()));
    }
    Ok(View::of_bytes(item.value(), kind))
}

/// The compact form of a table within these limits.
fn compact_of(table: &Table, entries_max: usize, value_bytes_max: usize) -> Option<Vec<u8>> {
    if table.len() > entries_max.min(COMPACT_ENTRIES_MAX) {
        return None;
    }
    let mut builder = Builder::new(table.due_ms() != 0);
    let (mut digits, mut value_digits) = (Digits::default(), Digits::default());
    for entry in table.iter() {
        let field = entry.field.text(&mut digits);
        let value = entry.value.map(|value| value.text(&mut value_digits));
        if field.len() > value_bytes_max || value.is_some_and(|value| value.len() > value_bytes_max) {
            return None;
        }
        let (field, value) = (Packed::new(field), value.map(Packed::new));
        builder.push(&NewEntry { field, value, deadline_ms: entry.deadline_ms });
    }
    Some(builder.finish())
}
