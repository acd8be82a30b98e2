//! Runs of entries: the fields of a hash with their values and deadlines, the members of a set. A small collection
//! is one such run in an item ([`Compact`]); a grown one is a table of them (`table`).
//!
//! An entry is, without anything between:
//!
//! ```text
//! DEADLINE, 6 bytes     only if it dies: Unix milliseconds, little-endian
//! field                 an element of `packed`
//! value                 an element, in runs that have values
//! ```
//!
//! A compact collection has a head before the run:
//!
//! ```text
//! form       u8    ENTRIES, or DYING where entries have deadlines, or the width of integers (`ints`)
//! count      u16
//! due        6     DYING only: no entry dies before that
//! ```
//!
//! Everything here is about bytes: it says where an entry lies and what to write; who owns the bytes makes room
//! ([`Splice`]). A deadline that has passed makes an entry dead for those who ask with the time; it lies there until
//! somebody reclaims it.

use super::packed::{DEADLINE, Element, Packed, read, skip};

/// Form of a run without deadlines.
pub const ENTRIES: u8 = 0;
/// Form of a run with deadlines.
pub const DYING: u8 = 1;

/// Bytes of a deadline.
const DEADLINE_BYTES: usize = 6;
/// Bytes of a head without `due`.
pub const HEAD_BYTES: usize = 3;
/// Bytes of a head with it.
const DYING_HEAD_BYTES: usize = HEAD_BYTES + DEADLINE_BYTES;

/// The most entries that a compact collection can have.
pub const COMPACT_ENTRIES_MAX: usize = u16::MAX as usize;

/// The latest deadline (year 10889), in Unix milliseconds.
pub const DEADLINE_MS_MAX: u64 = (1 << 48) - 1;

/// Where an entry lies in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its first byte.
    pub start: usize,
    /// The first byte of the field; `start` unless it has a deadline.
    pub field: usize,
    /// The first byte of the value; `end` if the run has none.
    pub value: usize,
    /// The byte behind it.
    pub end: usize,
}

/// A run, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    bytes: &'a [u8],
    valued: bool,
}

impl<'a> Run<'a> {
    /// A run of whole entries, with values or without.
    pub fn new(bytes: &'a [u8], valued: bool) -> Run<'a> {
        Run { bytes, valued }
    }

    /// The entry that begins at `start`; `None` at the end.
    #[inline]
    pub fn at(&self, start: usize) -> Option<Place> {
        let tag = *self.bytes.get(start)?;
        let field = if tag == DEADLINE { start + 1 + DEADLINE_BYTES } else { start };
        let value = field + skip(&self.bytes[field..]);
        let end = if self.valued { value + skip(&self.bytes[value..]) } else { value };
        Some(Place { start, field, value, end })
    }

    /// The places of all entries, in order.
    #[inline]
    pub fn places(self) -> impl Iterator<Item = Place> + use<'a> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let place = self.at(start)?;
            start = place.end;
            Some(place)
        })
    }

    /// The entry at a place.
    #[inline]
    pub fn entry(&self, place: Place) -> Entry<'a> {
        let value = self.valued.then(|| read(&self.bytes[place.value..]).0);
        Entry { field: read(&self.bytes[place.field..]).0, value, deadline_ms: self.deadline_ms(place) }
    }

    /// When the entry at a place dies; 0 is never.
    #[inline]
    pub fn deadline_ms(&self, place: Place) -> u64 {
        if place.field == place.start { 0 } else { load_deadline(&self.bytes[place.start + 1..]) }
    }

    /// Where the entry with this field lies.
    #[inline]
    pub fn find(&self, field: &Packed<'_>) -> Option<Place> {
        let mut start = 0;
        while let Some(place) = self.at(start) {
            if field.is_at(&self.bytes[place.field..]) {
                return Some(place);
            }
            start = place.end;
        }
        None
    }
}

/// An entry, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The field, or the member of a set.
    pub field: Element<'a>,
    /// The value; sets have none.
    pub value: Option<Element<'a>>,
    /// When it dies, Unix milliseconds; 0 is never.
    pub deadline_ms: u64,
}

impl Entry<'_> {
    /// Its time has not come.
    #[inline]
    pub fn is_live(&self, now_ms: u64) -> bool {
        is_live(self.deadline_ms, now_ms)
    }
}

/// A deadline (0: none) has not passed.
#[inline]
pub fn is_live(deadline_ms: u64, now_ms: u64) -> bool {
    deadline_ms == 0 || deadline_ms > now_ms
}

/// The bytes in front of an entry that say when it dies; none where it does not.
#[derive(Clone, Copy, Debug)]
pub struct DeadlinePrefix {
    bytes: [u8; 1 + DEADLINE_BYTES],
    len: usize,
}

impl DeadlinePrefix {
    /// How many bytes.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// An entry to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// The field, or the member of a set.
    pub field: Packed<'a>,
    /// The value, in runs that have values.
    pub value: Option<Packed<'a>>,
    /// When it dies; 0 is never.
    pub deadline_ms: u64,
}

impl NewEntry<'_> {
    /// Bytes that it takes.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        let deadline = if self.deadline_ms == 0 { 0 } else { 1 + DEADLINE_BYTES };
        deadline + self.field.len() + self.value.map_or(0, |value| value.len())
    }

    /// What stands in front of an entry that dies then; 0 is never.
    #[inline]
    pub fn deadline(deadline_ms: u64) -> DeadlinePrefix {
        let mut bytes = [0; 1 + DEADLINE_BYTES];
        bytes[0] = DEADLINE;
        store_deadline(&mut bytes[1..], deadline_ms);
        DeadlinePrefix { bytes, len: if deadline_ms == 0 { 0 } else { bytes.len() } }
    }

    /// Writes it at the start of `to`.
    #[inline]
    pub fn write(&self, to: &mut [u8]) {
        let prefix = NewEntry::deadline(self.deadline_ms);
        let (before, to) = to.split_at_mut(prefix.len());
        before.copy_from_slice(prefix.as_bytes());
        let rest = self.field.write(to);
        if let Some(value) = &self.value {
            value.write(rest);
        }
    }
}

fn load_deadline(from: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..DEADLINE_BYTES].copy_from_slice(&from[..DEADLINE_BYTES]);
    u64::from_le_bytes(bytes)
}

fn store_deadline(to: &mut [u8], deadline_ms: u64) {
    let bytes = deadline_ms.min(DEADLINE_MS_MAX).to_le_bytes();
    to[..DEADLINE_BYTES].copy_from_slice(&bytes[..DEADLINE_BYTES]);
}

/// Bytes that make place for others: at `at`, so many are taken out and so many put in, for the caller to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Splice {
    /// Where.
    pub at: usize,
    /// Bytes that go.
    pub remove: usize,
    /// Bytes that come.
    pub insert: usize,
}

impl Splice {
    /// What nothing is changed by.
    pub const NOTHING: Splice = Splice { at: 0, remove: 0, insert: 0 };

    /// The length of what had `len` bytes.
    pub fn apply_len(&self, len: usize) -> usize {
        len - self.remove + self.insert
    }

    /// Moves what is behind the place in `bytes`, which are as long as the longer of before and after; `len` of them
    /// are what was.
    pub fn move_tail(&self, bytes: &mut [u8], len: usize) {
        bytes.copy_within(self.at + self.remove..len, self.at + self.insert);
    }
}

/// A small collection as it lies in an item: head and run.
#[derive(Clone, Copy, Debug)]
pub struct Compact<'a> {
    bytes: &'a [u8],
    valued: bool,
}

impl<'a> Compact<'a> {
    /// The bytes of an item that is [`Compact`] (its form is `ENTRIES` or `DYING`).
    #[inline]
    pub fn new(bytes: &'a [u8], valued: bool) -> Compact<'a> {
        Compact { bytes, valued }
    }

    /// Its form, `ENTRIES` or `DYING`.
    #[inline]
    pub fn form(&self) -> u8 {
        self.bytes[0]
    }

    /// Entries, dead ones among them.
    #[inline]
    pub fn count(&self) -> usize {
        usize::from(u16::from_le_bytes([self.bytes[1], self.bytes[2]]))
    }

    /// No entry dies before that; 0: none ever does.
    #[inline]
    pub fn due_ms(&self) -> u64 {
        if self.form() == DYING { load_deadline(&self.bytes[HEAD_BYTES..]) } else { 0 }
    }

    /// Bytes before the run.
    #[inline]
    pub fn head_bytes(&self) -> usize {
        if self.form() == DYING { DYING_HEAD_BYTES } else { HEAD_BYTES }
    }

    /// The entries.
    #[inline]
    pub fn run(&self) -> Run<'a> {
        Run::new(&self.bytes[self.head_bytes()..], self.valued)
    }

    /// Entries that are alive.
    pub fn live(&self, now_ms: u64) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let run = self.run();
        run.places().map(move |place| run.entry(place)).filter(move |entry| entry.is_live(now_ms))
    }

    /// How many entries are alive.
    #[inline]
    pub fn live_count(&self, now_ms: u64) -> usize {
        if is_live(self.due_ms(), now_ms) { self.count() } else { self.live(now_ms).count() }
    }
}

/// Builds the bytes of a compact collection.
#[derive(Debug)]
pub struct Builder {
    bytes: Vec<u8>,
    count: usize,
    due_ms: u64,
}

impl Builder {
    /// An empty one; `dying` if entries may have deadlines.
    pub fn new(dying: bool) -> Builder {
        let mut bytes = vec![0; if dying { DYING_HEAD_BYTES } else { HEAD_BYTES }];
        bytes[0] = if dying { DYING } else { ENTRIES };
        Builder { bytes, count: 0, due_ms: DEADLINE_MS_MAX }
    }

    /// The bytes of a collection without deadlines whose run there is already.
    pub fn of_run(run: &[u8], count: usize) -> Vec<u8> {
        let mut builder = Builder::new(false);
        builder.bytes.extend_from_slice(run);
        builder.count = count;
        builder.finish()
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: &NewEntry<'_>) {
        let start = self.bytes.len();
        self.bytes.resize(start + entry.len(), 0);
        entry.write(&mut self.bytes[start..]);
        self.count += 1;
        if entry.deadline_ms != 0 {
            self.due_ms = self.due_ms.min(entry.deadline_ms);
        }
    }

    /// Entries so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The bytes.
    pub fn finish(mut self) -> Vec<u8> {
        set_count(&mut self.bytes, self.count);
        if self.bytes[0] == DYING {
            set_due_ms(&mut self.bytes, self.due_ms);
        }
        self.bytes
    }
}

/// Writes the head of a collection of so many entries, none of which dies.
#[inline]
pub fn write_head(head: &mut [u8], count: usize) {
    head[0] = ENTRIES;
    set_count(head, count);
}

/// Writes the number of entries into a head.
pub fn set_count(compact: &mut [u8], count: usize) {
    assert!(count <= COMPACT_ENTRIES_MAX, "a compact collection is small");
    compact[1..HEAD_BYTES].copy_from_slice(&(count as u16).to_le_bytes());
}

/// Writes into a head, whose form is `DYING`, before when nothing dies.
pub fn set_due_ms(compact: &mut [u8], due_ms: u64) {
    store_deadline(&mut compact[HEAD_BYTES..], due_ms);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Digits;

    #[test]
    fn entries_are_found_and_read_back() {
        let mut builder = Builder::new(true);
        for (field, value, deadline_ms) in [("a", "1", 0), ("17", "x", 5), ("b", "", 9)] {
            let value = Some(Packed::new(value.as_bytes()));
            builder.push(&NewEntry { field: Packed::new(field.as_bytes()), value, deadline_ms });
        }
        let bytes = builder.finish();
        let compact = Compact::new(&bytes, true);
        assert_eq!((compact.count(), compact.due_ms()), (3, 5));
        assert_eq!((compact.live_count(4), compact.live_count(5), compact.live_count(9)), (3, 2, 1));
        let run = compact.run();
        let place = run.find(&Packed::new(b"17")).unwrap();
        assert_eq!(
            run.entry(place),
            Entry { field: Element::Int(17), value: Some(Element::Bytes(b"x")), deadline_ms: 5 }
        );
        assert!(run.find(&Packed::new(b"1")).is_none(), "values are not looked at");
        let fields: Vec<Vec<u8>> =
            compact.live(5).map(|entry| entry.field.text(&mut Digits::default()).to_vec()).collect();
        assert_eq!(fields, [b"a", b"b"]);
    }

    #[test]
    fn a_splice_moves_what_is_behind_it() {
        let splice = Splice { at: 2, remove: 1, insert: 3 };
        let mut bytes = b"abXcd".to_vec();
        let len = bytes.len();
        bytes.resize(splice.apply_len(len), 0);
        splice.move_tail(&mut bytes, len);
        bytes[2..5].copy_from_slice(b"123");
        assert_eq!(bytes, b"ab123cd");
        let back = Splice { at: 2, remove: 3, insert: 1 };
        back.move_tail(&mut bytes, 7);
        bytes.truncate(back.apply_len(7));
        bytes[2] = b'X';
        assert_eq!(bytes, b"abXcd");
    }
}
