//! One bucket of a table: how many entries it has, a byte of each one's hash, and the run of them.
//!
//! ```text
//! count      u16
//! tags       count bytes
//! run        count entries (`entries`)
//! ```
//!
//! An empty bucket is no bytes at all. The block is always exactly as long as what is in it: its allocator rounds,
//! and growing into what was rounded costs nothing.

use crate::data::entries::{NewEntry, Place, Run, Splice};

/// The bytes of a bucket.
pub(super) type Bucket = Box<[u8]>;

const COUNT_BYTES: usize = 2;

/// What the process allocator takes for a block of so many bytes: glibc keeps eight bytes before it, and rounds to
/// sixteen, at least two of them.
#[inline]
pub fn block_bytes(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

/// Entries in a bucket.
#[inline]
pub(super) fn count(bucket: &[u8]) -> usize {
    if bucket.is_empty() { 0 } else { usize::from(u16::from_le_bytes([bucket[0], bucket[1]])) }
}

/// A byte of the hash of each entry.
#[inline]
pub(super) fn tags(bucket: &[u8]) -> &[u8] {
    if bucket.is_empty() { b"" } else { &bucket[COUNT_BYTES..COUNT_BYTES + count(bucket)] }
}

/// Where the run begins.
#[inline]
pub(super) fn run_start(bucket: &[u8]) -> usize {
    if bucket.is_empty() { 0 } else { COUNT_BYTES + count(bucket) }
}

/// The entries.
#[inline]
pub(super) fn run(bucket: &[u8], valued: bool) -> Run<'_> {
    Run::new(&bucket[run_start(bucket)..], valued)
}

/// Where the entry of an index lies in the run.
#[inline]
pub(super) fn place(bucket: &[u8], valued: bool, index: usize) -> Place {
    run(bucket, valued).places().nth(index).expect("a bucket has as many entries as it counts")
}

/// Adds an entry at the end.
pub(super) fn push(bucket: &mut Bucket, tag: u8, entry: &NewEntry<'_>) {
    let entries = count(bucket);
    let mut bytes = std::mem::take(bucket).into_vec();
    let added = 1 + entry.len();
    if bytes.is_empty() {
        bytes.reserve_exact(COUNT_BYTES + added);
        bytes.extend_from_slice(&[0; COUNT_BYTES]);
    }
    let len = bytes.len();
    bytes.reserve_exact(added);
    bytes.resize(len + added, 0);
    let tags_end = COUNT_BYTES + entries;
    bytes.copy_within(tags_end..len, tags_end + 1);
    bytes[tags_end] = tag;
    entry.write(&mut bytes[len + 1..]);
    set_count(&mut bytes, entries + 1);
    *bucket = bytes.into_boxed_slice();
}

/// Takes out the entry of an index, which lies at `place` in the run.
pub(super) fn remove(bucket: &mut Bucket, index: usize, place: Place) {
    let entries = count(bucket);
    if entries == 1 {
        *bucket = Bucket::default();
        return;
    }
    let start = run_start(bucket);
    let mut bytes = std::mem::take(bucket).into_vec();
    let len = bytes.len();
    bytes.copy_within(start + place.end..len, start + place.start);
    let len = len - (place.end - place.start);
    bytes.copy_within(COUNT_BYTES + index + 1..len, COUNT_BYTES + index);
    bytes.truncate(len - 1);
    set_count(&mut bytes, entries - 1);
    *bucket = bytes.into_boxed_slice();
}

/// Changes the length of a part of the run; gives the part, to be written.
pub(super) fn splice(bucket: &mut Bucket, splice: Splice) -> &mut [u8] {
    let start = run_start(bucket);
    let within = Splice { at: start + splice.at, ..splice };
    if splice.remove != splice.insert {
        let mut bytes = std::mem::take(bucket).into_vec();
        let (before, after) = (bytes.len(), within.apply_len(bytes.len()));
        if after > before {
            bytes.reserve_exact(after - before);
            bytes.resize(after, 0);
        }
        within.move_tail(&mut bytes, before);
        bytes.truncate(after);
        *bucket = bytes.into_boxed_slice();
    }
    &mut bucket[within.at..within.at + within.insert]
}

/// Takes the entries for which `goes` says so (by their index) out of a bucket: what stays, and what goes.
pub(super) fn divide(bucket: &[u8], valued: bool, goes: &[bool]) -> (Bucket, Bucket) {
    let tags = tags(bucket);
    let run_bytes = &bucket[run_start(bucket)..];
    let part = |which: bool| -> Bucket {
        let chosen = goes.iter().filter(|goes| **goes == which).count();
        if chosen == 0 {
            return Bucket::default();
        }
        let places = || run(bucket, valued).places().zip(goes).filter(|(_, goes)| **goes == which);
        let bytes: usize = places().map(|(place, _)| place.end - place.start).sum();
        let mut part = Vec::with_capacity(COUNT_BYTES + chosen + bytes);
        part.extend_from_slice(&(chosen as u16).to_le_bytes());
        part.extend(tags.iter().zip(goes).filter(|(_, goes)| **goes == which).map(|(tag, _)| *tag));
        places().for_each(|(place, _)| part.extend_from_slice(&run_bytes[place.start..place.end]));
        part.into_boxed_slice()
    };
    (part(false), part(true))
}

/// One bucket of the entries of two.
pub(super) fn join(one: &[u8], other: &[u8]) -> Bucket {
    let entries = count(one) + count(other);
    if entries == 0 {
        return Bucket::default();
    }
    let runs = [&one[run_start(one)..], &other[run_start(other)..]];
    let mut whole = Vec::with_capacity(COUNT_BYTES + entries + runs[0].len() + runs[1].len());
    whole.extend_from_slice(&[0; COUNT_BYTES]);
    set_count(&mut whole, entries);
    whole.extend_from_slice(tags(one));
    whole.extend_from_slice(tags(other));
    runs.iter().for_each(|run| whole.extend_from_slice(run));
    whole.into_boxed_slice()
}

fn set_count(bytes: &mut [u8], entries: usize) {
    // A secret hash deals out the entries: thousands in one bucket do not happen.
    let entries = u16::try_from(entries).expect("a bucket has few entries");
    bytes[..COUNT_BYTES].copy_from_slice(&entries.to_le_bytes());
}
