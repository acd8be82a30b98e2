//! A sorted set: members in the order of their scores, those of one score in the order of their bytes.
//!
//! A small one is a run of entries in that order ([`small`]). A grown one is a [`Sorted`]: a B+ tree that keeps the
//! members, once, in its leaves, and an index from a member's hash to its leaf.
//!
//! ```text
//!             node: children, how many members below each, its first score and its first leaf
//!            /      |      \
//!        leaf  <->  leaf  <->  leaf: tags, scores, packed members       index: hash -> leaf
//! ```
//!
//! Nodes count what is below them, so that a rank is found on the way down and a place by its rank. They hold no
//! members: where scores are equal, the first member of a child is looked up in its first leaf. A member that is looked
//! for by name is found by the index, without a way down.
//!
//! | file | has |
//! |---|---|
//! | `mod` | look-up, members that come, change and go |
//! | `tree` | the way down and up, leaves and nodes that are divided and joined |
//! | `node` | the arrays of an inner node |
//! | `leaf` | the bytes of a leaf |
//! | `index` | which leaf a hash is in: linear hashing, a bucket at a time, and the scan over it |
//! | `small` | runs, scores as elements, ends of ranges |
//! | `walk` | ranges, ranks, chance, scan, taking it apart |
//!
//! What it takes is counted as it changes ([`Sorted::bytes`]). Scores are never NaN; that is its callers' to see to.

mod index;
mod leaf;
mod node;
pub mod small;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use super::packed::{ELSEWHERE, Element, Packed, read};
use super::table::block_bytes;
use super::table::long::Long;
use crate::text::Digits;
use index::Index;
use node::Node;
use slabs::Hasher;
pub use small::{Edge, Small};
use std::cmp::Ordering;

/// Packed members of more bytes than this are kept elsewhere.
const INLINE_BYTES_MAX: usize = 192;

/// No leaf, or no node.
const NONE: u32 = u32::MAX;

/// A leaf and its neighbours.
#[derive(Debug)]
struct Leaf {
    /// Empty where the number is free.
    bytes: leaf::Bytes,
    previous: u32,
    next: u32,
}

impl Clone for Leaf {
    /// With as much room: it is counted.
    fn clone(&self) -> Leaf {
        Leaf { bytes: with_room(&self.bytes), ..*self }
    }
}

/// A copy that has room for as many elements as what it was made of.
fn with_room<T: Copy>(elements: &Vec<T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(elements.capacity());
    copy.extend_from_slice(elements);
    copy
}

/// A grown sorted set.
#[derive(Clone)]
pub struct Sorted {
    leaves: Vec<Leaf>,
    free_leaves: Vec<u32>,
    /// Boxed, so that the list grows without moving more than their addresses.
    #[allow(clippy::vec_box)]
    nodes: Vec<Box<Node>>,
    free_nodes: Vec<u32>,
    /// A leaf where `height` is 0, else a node.
    root: u32,
    /// Levels of nodes above the leaves.
    height: usize,
    first: u32,
    last: u32,
    len: usize,
    index: Index,
    long: Long,
    hasher: Hasher,
    /// Blocks of leaves, as the allocator rounds them.
    leaf_bytes: usize,
}

/// A member to be looked for.
struct Probe<'a> {
    text: &'a [u8],
    packed: Packed<'a>,
    hash: u32,
}

/// What a look for a member found. Good until something changes.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    hash: u32,
    found: Option<Found>,
    /// The member's score, if it is there.
    pub score: Option<f64>,
}

/// Where a member was found.
#[derive(Clone, Copy, Debug)]
struct Found {
    leaf: u32,
    at: usize,
}

impl Sorted {
    /// An empty one.
    pub fn new(hasher: &Hasher) -> Sorted {
        Sorted {
            leaves: vec![Leaf { bytes: leaf::Bytes::default(), previous: NONE, next: NONE }],
            free_leaves: Vec::new(),
            nodes: Vec::new(),
            free_nodes: Vec::new(),
            root: 0,
            height: 0,
            first: 0,
            last: 0,
            len: 0,
            index: Index::default(),
            long: Long::default(),
            hasher: hasher.clone(),
            leaf_bytes: 0,
        }
    }

    /// One of the entries of a run.
    pub fn of_small(hasher: &Hasher, small: &Small<'_>) -> Sorted {
        let mut sorted = Sorted::new(hasher);
        let mut digits = Digits::default();
        for (member, score) in small.iter() {
            sorted.put(member.text(&mut digits), score);
        }
        sorted
    }

    /// Members.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// No members at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All memory that it takes, its own block and its allocator's rounding included.
    #[inline]
    pub fn bytes(&self) -> usize {
        block_bytes(size_of::<Sorted>())
            + block_bytes(self.leaves.capacity() * size_of::<Leaf>())
            + block_bytes(self.free_leaves.capacity() * size_of::<u32>())
            + self.leaf_bytes
            + block_bytes(self.nodes.capacity() * size_of::<Box<Node>>())
            + block_bytes(self.free_nodes.capacity() * size_of::<u32>())
            + self.nodes.len() * block_bytes(size_of::<Node>())
            + self.index.bytes()
            + self.long.bytes()
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        let found = self.find(&self.probe(member))?;
        Some(self.score_of(found))
    }

    /// How many members are before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.count_before(&Edge::Entry { score, member, behind: false }), score))
    }

    /// Looks for a member that is about to be changed.
    #[inline]
    pub fn look(&self, member: &[u8]) -> Known {
        let probe = self.probe(member);
        let found = self.find(&probe);
        Known { hash: probe.hash, found, score: found.map(|found| self.score_of(found)) }
    }

    /// Gives a member a score. The one that it had; `None`: it is new.
    pub fn put(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let known = self.look(member);
        self.put_known(member, known, score);
        known.score
    }

    /// The same where the member was looked for just now.
    pub fn put_known(&mut self, member: &[u8], known: Known, score: f64) {
        let probe = Probe { text: member, packed: Packed::new(member), hash: known.hash };
        let Some((found, old)) = known.found.zip(known.score) else {
            let kept = if probe.is_long() { self.long.put(probe.text) } else { probe.packed };
            self.insert(&probe, &kept, score);
            return;
        };
        if old != score && !self.change_in_place(found, score) {
            let stays = self.kept_as(found);
            self.take(&probe, old);
            let kept = match stays {
                Some(number) => Packed::elsewhere(number),
                None => probe.packed,
            };
            self.insert(&probe, &kept, score);
        }
    }

    /// Removes a member. The score that it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let known = self.look(member);
        self.remove_known(member, known);
        known.score
    }

    /// The same where the member was looked for just now.
    pub fn remove_known(&mut self, member: &[u8], known: Known) {
        let Some((found, score)) = known.found.zip(known.score) else { return };
        let kept = self.kept_as(found);
        let probe = Probe { text: member, packed: Packed::new(member), hash: known.hash };
        // What is kept elsewhere is read on the way down.
        self.take(&probe, score);
        kept.into_iter().for_each(|number| self.long.free(number));
    }

    /// Removes the members of so many places from one on; they are there.
    pub fn remove_range(&mut self, rank: usize, count: usize) {
        for _ in 0..count {
            self.take_at(rank);
        }
    }

    // -- inside

    #[inline]
    fn probe<'a>(&self, text: &'a [u8]) -> Probe<'a> {
        Probe { text, packed: Packed::new(text), hash: self.hash_of(text) }
    }

    #[inline]
    fn hash_of(&self, text: &[u8]) -> u32 {
        self.hasher.hash(text) as u32
    }

    #[inline]
    fn bytes_of(&self, leaf: u32) -> &[u8] {
        &self.leaves[leaf as usize].bytes
    }

    #[inline]
    fn find(&self, probe: &Probe<'_>) -> Option<Found> {
        self.index.leaves_of(probe.hash).find_map(|leaf| {
            let bytes = self.bytes_of(leaf);
            let mut walk = leaf::Walk::new(bytes);
            for at in memchr::memchr_iter(tag(probe.hash), leaf::tags(bytes)) {
                let run = walk.to(at);
                let same = if run[0] == ELSEWHERE {
                    probe.is_long() && self.long.get(read(run).0) == Some(probe.text)
                } else {
                    probe.packed.is_at(run)
                };
                if same {
                    return Some(Found { leaf, at });
                }
            }
            None
        })
    }

    #[inline]
    fn score_of(&self, found: Found) -> f64 {
        leaf::score(self.bytes_of(found.leaf), found.at)
    }

    /// The number under which a member is kept elsewhere.
    fn kept_as(&self, found: Found) -> Option<u32> {
        match read(leaf::Walk::new(self.bytes_of(found.leaf)).to(found.at)).0 {
            Element::Elsewhere(number) => Some(number),
            _ => None,
        }
    }

    /// Writes another score where that leaves the order as it is and no node knows the old one.
    fn change_in_place(&mut self, found: Found, score: f64) -> bool {
        let bytes = &mut self.leaves[found.leaf as usize].bytes;
        let between = found.at > 0
            && found.at + 1 < leaf::count(bytes)
            && leaf::score(bytes, found.at - 1) < score
            && score < leaf::score(bytes, found.at + 1);
        if between {
            leaf::set_score(bytes, found.at, score);
        }
        between
    }

    /// The member at the start of a run, with what is kept elsewhere put in.
    #[inline]
    fn member_at<'a>(&'a self, run: &'a [u8]) -> Element<'a> {
        let element = read(run).0;
        self.long.get(element).map_or(element, Element::Bytes)
    }

    /// The member at the start of a run, compared with another.
    #[inline]
    fn compare(&self, run: &[u8], member: &[u8]) -> Ordering {
        self.member_at(run).text(&mut Digits::default()).cmp(member)
    }
}

impl Probe<'_> {
    fn is_long(&self) -> bool {
        self.packed.len() > INLINE_BYTES_MAX
    }
}

/// The byte of a hash by which a member is looked for in its leaf; the index goes by the lower bits.
#[inline]
fn tag(hash: u32) -> u8 {
    (hash >> 24) as u8
}
