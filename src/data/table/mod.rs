//! A grown hash or set: a hash table whose buckets are small runs of packed entries.
//!
//! It grows and shrinks by one bucket at a time (Litwin's linear hashing), so no operation moves more than a few
//! dozen entries. A bucket has a dozen of them in one block, which costs an entry two or three bytes of the
//! allocator's and three or four of pointers, tags and slack; a block and a pointer for each entry would cost
//! forty. A look-up takes two cache misses. Elements too long to be moved along with their neighbours are kept in
//! blocks of their own, and count as well.
//!
//! | file | has |
//! |---|---|
//! | `mod` | look-up, change, growth |
//! | `bucket` | the bytes of a bucket |
//! | `long` | elements that are kept elsewhere |
//! | `walk` | iteration, scan with its guarantee, chance, reclaiming in slices |
//!
//! What it takes is counted as it changes ([`Table::bytes`]). Dead entries (their deadline has passed) are for the
//! table entries like others, until [`Table::reap`] finds them; whoever reads says what time it is.

pub(super) mod bucket;
pub(super) mod long;
#[cfg(test)]
mod tests;
mod walk;

use super::entries::{Compact, Entry, NewEntry, Place, Splice, is_live};
use super::packed::{ELSEWHERE, Element, Packed, read};
use crate::text::Digits;
use bucket::Bucket;
pub use bucket::block_bytes;
use long::Long;
use slabs::Hasher;
pub use walk::{Spot, below};

/// Entries per bucket, on the average, from which on there is one more.
const FILL_MAX: usize = 12;
/// Entries per bucket, on the average, below which there is one less.
const FILL_MIN: usize = 4;
/// Packed elements of more bytes than this are kept elsewhere.
const INLINE_BYTES_MAX: usize = 192;

/// A grown hash or set.
#[derive(Clone)]
pub struct Table {
    buckets: Vec<Bucket>,
    /// Entries, dead ones among them.
    len: usize,
    /// No bucket has ever had more entries.
    longest: usize,
    /// Entries have values.
    valued: bool,
    hasher: Hasher,
    long: Long,
    /// Blocks of buckets, as the allocator rounds them.
    bucket_bytes: usize,
    sweep: walk::Sweep,
}

/// A field to be looked for.
struct Probe<'a> {
    text: &'a [u8],
    packed: Packed<'a>,
    hash: u64,
}

impl Probe<'_> {
    fn is_long(&self) -> bool {
        self.packed.len() > INLINE_BYTES_MAX
    }

    fn tag(&self) -> u8 {
        (self.hash >> 56) as u8
    }
}

/// A member that was looked for and is not there. Good until something changes.
pub struct Absent<'a>(Probe<'a>);

/// Where an entry was found.
#[derive(Clone, Copy)]
struct Found {
    bucket: usize,
    index: usize,
    place: Place,
}

impl Table {
    /// An empty table, of entries with values or without.
    pub fn new(hasher: &Hasher, valued: bool) -> Table {
        Table {
            buckets: vec![Bucket::default()],
            len: 0,
            longest: 0,
            valued,
            hasher: hasher.clone(),
            long: Long::default(),
            bucket_bytes: 0,
            sweep: walk::Sweep::default(),
        }
    }

    /// A table of the entries of a compact collection.
    pub fn of_compact(hasher: &Hasher, compact: &Compact<'_>, valued: bool) -> Table {
        let mut table = Table::new(hasher, valued);
        let mut digits = Digits::default();
        let mut value_digits = Digits::default();
        for place in compact.run().places() {
            let entry = compact.run().entry(place);
            let value = entry.value.map_or(&b""[..], |value| value.text(&mut value_digits));
            table.insert(entry.field.text(&mut digits), value, Some(entry.deadline_ms), 0);
        }
        table
    }

    /// Entries, those among them that are dead and not reclaimed.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// No entries at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Entries have values: it is a hash, not a set.
    pub fn is_valued(&self) -> bool {
        self.valued
    }

    /// All memory that it takes, its own block and its allocator's rounding included.
    #[inline]
    pub fn bytes(&self) -> usize {
        let directory = block_bytes(self.buckets.capacity() * size_of::<Bucket>());
        // The counts of the shared pointer that holds it.
        block_bytes(size_of::<Table>() + 24) + directory + self.bucket_bytes + self.long.bytes()
    }

    /// The entry of a field, dead or alive.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<Entry<'_>> {
        let found = self.find(&self.probe(field))?;
        Some(self.entry(found.bucket, found.place))
    }

    /// Whether the member of a set is there.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        self.find(&self.probe(member)).is_some()
    }

    /// A member that is about to be added, if the set has it not.
    #[inline]
    pub fn absent<'m>(&self, member: &'m [u8]) -> Option<Absent<'m>> {
        let probe = self.probe(member);
        self.find(&probe).is_none().then_some(Absent(probe))
    }

    /// Adds it.
    pub fn insert_absent(&mut self, absent: &Absent<'_>) {
        let Absent(probe) = absent;
        let field = if probe.is_long() { self.long.put(probe.text) } else { probe.packed };
        self.push(probe.hash, &NewEntry { field, value: None, deadline_ms: 0 });
    }

    /// Inserts or replaces. `deadline_ms` is when the entry dies (0: never), `None` leaves that as it is. True: there
    /// was none that is alive at `now_ms`.
    pub fn insert(&mut self, field: &[u8], value: &[u8], deadline_ms: Option<u64>, now_ms: u64) -> bool {
        let probe = self.probe(field);
        let value = self.valued.then(|| self.put_value(value));
        let Some(found) = self.find(&probe) else {
            let deadline_ms = deadline_ms.unwrap_or(0);
            let field = if probe.is_long() { self.long.put(probe.text) } else { probe.packed };
            self.sweep.came(deadline_ms);
            self.push(probe.hash, &NewEntry { field, value, deadline_ms });
            return true;
        };
        let old_ms = bucket::run(&self.buckets[found.bucket], self.valued).deadline_ms(found.place);
        let was_live = is_live(old_ms, now_ms);
        if let Some(value) = value {
            self.give_up(found.bucket, found.place.value);
            let at = Splice {
                at: found.place.value,
                remove: found.place.end - found.place.value,
                insert: value.len(),
            };
            value.write(self.splice(found.bucket, at));
        }
        let kept_ms = if was_live { old_ms } else { 0 };
        self.set_deadline_at(found, old_ms, deadline_ms.unwrap_or(kept_ms));
        !was_live
    }

    /// Sets when an entry dies; 0: never. False: it is not there, or is dead at `now_ms`.
    pub fn set_deadline(&mut self, field: &[u8], deadline_ms: u64, now_ms: u64) -> bool {
        let Some(found) = self.find(&self.probe(field)) else { return false };
        let old_ms = bucket::run(&self.buckets[found.bucket], self.valued).deadline_ms(found.place);
        if !is_live(old_ms, now_ms) {
            return false;
        }
        self.set_deadline_at(found, old_ms, deadline_ms);
        true
    }

    /// Removes an entry. True: there was one, and it is alive at `now_ms`.
    pub fn remove(&mut self, field: &[u8], now_ms: u64) -> bool {
        let Some(found) = self.find(&self.probe(field)) else { return false };
        let deadline_ms = bucket::run(&self.buckets[found.bucket], self.valued).deadline_ms(found.place);
        self.remove_at(found.bucket, found.index, found.place);
        self.shrink();
        is_live(deadline_ms, now_ms)
    }

    // -- inside

    #[inline]
    fn probe<'a>(&self, text: &'a [u8]) -> Probe<'a> {
        Probe { text, packed: Packed::new(text), hash: self.hasher.hash(text) }
    }

    /// The bucket of a hash.
    #[inline]
    fn address(&self, hash: u64) -> usize {
        let mask = self.buckets.len().next_power_of_two() - 1;
        let bucket = hash as usize & mask;
        if bucket < self.buckets.len() { bucket } else { bucket & (mask >> 1) }
    }

    #[inline]
    fn find(&self, probe: &Probe<'_>) -> Option<Found> {
        let number = self.address(probe.hash);
        let bytes = &self.buckets[number];
        let tags = bucket::tags(bytes);
        let run = bucket::run(bytes, self.valued);
        let run_bytes = &bytes[bucket::run_start(bytes)..];
        let (mut walked, mut start) = (0, 0);
        for index in memchr::memchr_iter(probe.tag(), tags) {
            while walked < index {
                start = run.at(start)?.end;
                walked += 1;
            }
            let place = run.at(start)?;
            let same = if run_bytes[place.field] == ELSEWHERE {
                probe.is_long() && self.long.get(read(&run_bytes[place.field..]).0) == Some(probe.text)
            } else {
                probe.packed.is_at(&run_bytes[place.field..])
            };
            if same {
                return Some(Found { bucket: number, index, place });
            }
        }
        None
    }

    /// An entry with what is kept elsewhere put in.
    #[inline]
    fn entry(&self, number: usize, place: Place) -> Entry<'_> {
        let entry = bucket::run(&self.buckets[number], self.valued).entry(place);
        Entry {
            field: self.resolve(entry.field),
            value: entry.value.map(|value| self.resolve(value)),
            ..entry
        }
    }

    #[inline]
    fn resolve<'a>(&'a self, element: Element<'a>) -> Element<'a> {
        self.long.get(element).map_or(element, Element::Bytes)
    }

    /// A value, elsewhere if it is long.
    fn put_value<'a>(&mut self, value: &'a [u8]) -> Packed<'a> {
        let packed = Packed::new(value);
        if packed.len() > INLINE_BYTES_MAX { self.long.put(value) } else { packed }
    }

    /// Frees what the element at an offset of a run keeps elsewhere.
    fn give_up(&mut self, number: usize, at: usize) {
        let bytes = &self.buckets[number];
        if let Some(Element::Elsewhere(slot)) =
            bytes.get(bucket::run_start(bytes) + at..).filter(|run| !run.is_empty()).map(|run| read(run).0)
        {
            self.long.free(slot);
        }
    }

    /// Runs a change of one bucket and counts what its block takes.
    #[inline]
    fn counted<'t, R: 't>(&'t mut self, number: usize, change: impl FnOnce(&'t mut Bucket) -> R) -> R {
        // Counted before and after, without holding on to what `change` lends out: it knows the new length.
        let bucket = &mut self.buckets[number];
        self.bucket_bytes -= block_bytes(bucket.len());
        change(bucket)
    }

    fn splice(&mut self, number: usize, at: Splice) -> &mut [u8] {
        let after = at.apply_len(self.buckets[number].len());
        self.bucket_bytes += block_bytes(after);
        self.counted(number, |bucket| bucket::splice(bucket, at))
    }

    /// Adds an entry that is not there.
    fn push(&mut self, hash: u64, entry: &NewEntry<'_>) {
        let number = self.address(hash);
        self.counted(number, |bucket| bucket::push(bucket, (hash >> 56) as u8, entry));
        self.bucket_bytes += block_bytes(self.buckets[number].len());
        self.len += 1;
        self.longest = self.longest.max(bucket::count(&self.buckets[number]));
        if self.len > self.buckets.len() * FILL_MAX {
            self.split();
        }
    }

    fn remove_at(&mut self, number: usize, index: usize, place: Place) {
        self.give_up(number, place.field);
        if self.valued {
            self.give_up(number, place.value);
        }
        if place.field != place.start {
            self.sweep.left();
        }
        self.counted(number, |bucket| bucket::remove(bucket, index, place));
        self.bucket_bytes += block_bytes(self.buckets[number].len());
        self.len -= 1;
    }

    fn set_deadline_at(&mut self, found: Found, old_ms: u64, deadline_ms: u64) {
        if old_ms == deadline_ms {
            return;
        }
        if old_ms != 0 {
            self.sweep.left();
        }
        self.sweep.came(deadline_ms);
        let prefix = NewEntry::deadline(deadline_ms);
        let at = Splice {
            at: found.place.start,
            remove: found.place.field - found.place.start,
            insert: prefix.len(),
        };
        self.splice(found.bucket, at).copy_from_slice(prefix.as_bytes());
    }

    /// One bucket more: it takes its share of another's entries.
    fn split(&mut self) {
        let new = self.buckets.len();
        let bit = new.next_power_of_two() >> usize::from(!new.is_power_of_two());
        let old = new - bit;
        let bytes = std::mem::take(&mut self.buckets[old]);
        self.bucket_bytes -= block_bytes(bytes.len());
        let mut digits = Digits::default();
        let goes: Vec<bool> = bucket::run(&bytes, self.valued)
            .places()
            .map(|place| {
                let run_bytes = &bytes[bucket::run_start(&bytes)..];
                let field = self.resolve(read(&run_bytes[place.field..]).0);
                self.hasher.hash(field.text(&mut digits)) as usize & bit != 0
            })
            .collect();
        let (stays, goes) = bucket::divide(&bytes, self.valued, &goes);
        self.bucket_bytes += block_bytes(stays.len()) + block_bytes(goes.len());
        if self.buckets.len() == self.buckets.capacity() {
            // By an eighth: the allocator moves a long directory by mapping it elsewhere, without a copy.
            self.buckets.reserve_exact((new / 8).max(4));
        }
        self.buckets[old] = stays;
        self.buckets.push(goes);
    }

    /// Follows a removal: a bucket less, or two, where few entries are left.
    fn shrink(&mut self) {
        for _ in 0..2 {
            if self.buckets.len() == 1 || self.len >= self.buckets.len() * FILL_MIN {
                return;
            }
            let Some(last) = self.buckets.pop() else { return };
            let number = self.buckets.len();
            let partner = number - (number.next_power_of_two() >> usize::from(!number.is_power_of_two()));
            let joined = bucket::join(&self.buckets[partner], &last);
            self.bucket_bytes -= block_bytes(last.len()) + block_bytes(self.buckets[partner].len());
            self.bucket_bytes += block_bytes(joined.len());
            self.longest = self.longest.max(bucket::count(&joined));
            self.buckets[partner] = joined;
            self.sweep.joined(partner, number);
            if self.buckets.capacity() > self.buckets.len() * 2 + 8 {
                self.buckets.shrink_to(self.buckets.len() + self.buckets.len() / 8 + 4);
            }
        }
    }
}
