//! The bytes of a leaf: members in order, in arrays side by side so that a search by score reads nothing else.
//!
//! ```text
//! count      u16
//! tags       count bytes: a byte of each member's hash
//! scores     count doubles
//! run        count members (`packed`)
//! ```
//!
//! An empty leaf is no bytes at all. A block has a little room behind what is in it, so that not every member that comes
//! asks the allocator.

use crate::data::packed::{Packed, skip};
use crate::data::table::block_bytes;

/// The bytes of a leaf.
pub(super) type Bytes = Vec<u8>;

const COUNT_BYTES: usize = 2;
const SCORE_BYTES: usize = size_of::<f64>();
/// What a member has besides its own bytes: a tag and a score.
const ENTRY_BYTES: usize = 1 + SCORE_BYTES;

/// The most members that a leaf has.
pub(super) const MEMBERS_MAX: usize = 32;

/// A leaf of more bytes is divided; it has some twenty members then, for longer ones are kept elsewhere.
pub(super) const BYTES_MAX: usize = 4096;

/// Blocks grow by so many bytes.
const STEP_BYTES: usize = 128;

/// A block with more room than this gives it back.
const ROOM_BYTES_MAX: usize = 2 * STEP_BYTES;

/// Memory that its block takes.
#[inline]
pub(super) fn block(leaf: &Bytes) -> usize {
    block_bytes(leaf.capacity())
}

/// The capacity of a block for so many bytes: what the allocator keeps before it is counted into the step.
fn capacity_for(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(STEP_BYTES) - 8
}

/// Members in it.
#[inline]
pub(super) fn count(leaf: &[u8]) -> usize {
    if leaf.is_empty() { 0 } else { usize::from(u16::from_le_bytes([leaf[0], leaf[1]])) }
}

/// The bytes of the members' hashes.
#[inline]
pub(super) fn tags(leaf: &[u8]) -> &[u8] {
    if leaf.is_empty() { b"" } else { &leaf[COUNT_BYTES..COUNT_BYTES + count(leaf)] }
}

/// The scores, as they lie there.
#[inline]
fn scores(leaf: &[u8]) -> &[[u8; SCORE_BYTES]] {
    if leaf.is_empty() {
        return &[];
    }
    let start = COUNT_BYTES + count(leaf);
    leaf[start..start + count(leaf) * SCORE_BYTES].as_chunks().0
}

/// The score of a place.
#[inline]
pub(super) fn score(leaf: &[u8], at: usize) -> f64 {
    f64::from_le_bytes(scores(leaf)[at])
}

/// How many scores, from the first on, are so.
#[inline]
pub(super) fn scores_while(leaf: &[u8], so: impl Fn(f64) -> bool) -> usize {
    scores(leaf).partition_point(|score| so(f64::from_le_bytes(*score)))
}

/// Writes the score of a place.
pub(super) fn set_score(leaf: &mut [u8], at: usize, score: f64) {
    let start = COUNT_BYTES + count(leaf) + at * SCORE_BYTES;
    leaf[start..start + SCORE_BYTES].copy_from_slice(&score.to_le_bytes());
}

/// Where the run begins.
#[inline]
fn run_start(leaf: &[u8]) -> usize {
    if leaf.is_empty() { 0 } else { COUNT_BYTES + count(leaf) * ENTRY_BYTES }
}

/// A way along the members, forward.
pub(super) struct Walk<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// From the first one on.
    #[inline]
    pub(super) fn new(leaf: &'a [u8]) -> Walk<'a> {
        Walk { rest: &leaf[run_start(leaf)..], at: 0 }
    }

    /// What begins with the member of a place, which is not before the last one asked for.
    #[inline]
    pub(super) fn to(&mut self, at: usize) -> &'a [u8] {
        while self.at < at {
            self.rest = &self.rest[skip(self.rest)..];
            self.at += 1;
        }
        self.rest
    }
}

/// Puts a member in at a place.
pub(super) fn insert(bytes: &mut Bytes, at: usize, tag: u8, score: f64, member: &Packed<'_>) {
    let members = count(bytes);
    let end = bytes.len().max(COUNT_BYTES);
    let after = end + ENTRY_BYTES + member.len();
    if after > bytes.capacity() {
        bytes.reserve_exact(capacity_for(after) - bytes.len());
    }
    bytes.resize(after, 0);
    let tags = COUNT_BYTES;
    let scores = tags + members;
    let run = scores + members * SCORE_BYTES;
    let place = if at == members { end } else { run + run_offset(&bytes[run..], at) };
    let score_at = scores + at * SCORE_BYTES;
    // From the back to the front: what is behind the member, what is between its score and it, between its tag and that.
    bytes.copy_within(place..end, place + ENTRY_BYTES + member.len());
    bytes.copy_within(score_at..place, score_at + ENTRY_BYTES);
    bytes.copy_within(tags + at..score_at, tags + at + 1);
    member.write(&mut bytes[place + ENTRY_BYTES..]);
    bytes[score_at + 1..score_at + ENTRY_BYTES].copy_from_slice(&score.to_le_bytes());
    bytes[tags + at] = tag;
    set_count(bytes, members + 1);
}

/// Takes the member of a place out.
pub(super) fn remove(bytes: &mut Bytes, at: usize) {
    let members = count(bytes);
    if members == 1 {
        *bytes = Bytes::default();
        return;
    }
    let end = bytes.len();
    let tags = COUNT_BYTES;
    let scores = tags + members;
    let run = scores + members * SCORE_BYTES;
    let place = run + run_offset(&bytes[run..], at);
    let behind = place + skip(&bytes[place..]);
    let score_at = scores + at * SCORE_BYTES;
    bytes.copy_within(tags + at + 1..score_at, tags + at);
    bytes.copy_within(score_at + SCORE_BYTES..place, score_at - 1);
    bytes.copy_within(behind..end, place - ENTRY_BYTES);
    bytes.truncate(end - ENTRY_BYTES - (behind - place));
    set_count(bytes, members - 1);
    if bytes.capacity() - bytes.len() > ROOM_BYTES_MAX {
        bytes.shrink_to(capacity_for(bytes.len()));
    }
}

/// The members before a place, and those from it on, as two leaves.
pub(super) fn divide(leaf: &[u8], at: usize) -> (Bytes, Bytes) {
    let (tags, scores, run) = (tags(leaf), scores(leaf).as_flattened(), &leaf[run_start(leaf)..]);
    let (tags, scores) = (tags.split_at(at), scores.split_at(at * SCORE_BYTES));
    let run = run.split_at(run_offset(run, at));
    (compose(&[tags.0], &[scores.0], &[run.0]), compose(&[tags.1], &[scores.1], &[run.1]))
}

/// One leaf of the members of two that are neighbours.
pub(super) fn join(one: &[u8], other: &[u8]) -> Bytes {
    let scores = [scores(one).as_flattened(), scores(other).as_flattened()];
    compose(&[tags(one), tags(other)], &scores, &[&one[run_start(one)..], &other[run_start(other)..]])
}

fn compose(tags: &[&[u8]], scores: &[&[u8]], run: &[&[u8]]) -> Bytes {
    let members = tags.iter().map(|part| part.len()).sum();
    if members == 0 {
        return Bytes::default();
    }
    let run_bytes: usize = run.iter().map(|part| part.len()).sum();
    let mut whole = Vec::with_capacity(capacity_for(COUNT_BYTES + members * ENTRY_BYTES + run_bytes));
    whole.extend_from_slice(&[0; COUNT_BYTES]);
    for part in tags.iter().chain(scores).chain(run) {
        whole.extend_from_slice(part);
    }
    set_count(&mut whole, members);
    whole
}

/// Where the member of a place begins in a run.
fn run_offset(run: &[u8], at: usize) -> usize {
    (0..at).fold(0, |offset, _| offset + skip(&run[offset..]))
}

fn set_count(bytes: &mut [u8], members: usize) {
    debug_assert!(members <= MEMBERS_MAX + 1, "a leaf has few members");
    bytes[..COUNT_BYTES].copy_from_slice(&(members as u16).to_le_bytes());
}
