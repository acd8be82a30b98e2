//! Going through a sorted set: from a place on or back, a bucket at a time from a cursor, and taking it apart.

use super::leaf::{self, MEMBERS_MAX};
use super::tree::Path;
use super::{Element, NONE, Sorted, tag};
use crate::data::copying::Effort;
use crate::text::Digits;

impl Sorted {
    /// Visits members from that of a place on, or back to the first, while `visit` says so. The place may lie behind
    /// the last.
    pub fn walk<'a>(&'a self, rank: usize, back: bool, mut visit: impl FnMut(Element<'a>, f64) -> bool) {
        if rank >= self.len {
            return;
        }
        // Whoever takes members from the low end, or looks there, needs no way down.
        let (mut number, at) =
            if rank == 0 { (self.first, 0) } else { self.leaf_of(rank, &mut Path::default()) };
        let mut start = Some(at);
        while number != NONE {
            let bytes = self.bytes_of(number);
            let more = if back {
                self.walk_back(bytes, start, &mut visit)
            } else {
                self.walk_on(bytes, start, &mut visit)
            };
            if !more {
                return;
            }
            start = None;
            let leaf = &self.leaves[number as usize];
            number = if back { leaf.previous } else { leaf.next };
        }
    }

    fn walk_on<'a>(
        &'a self,
        bytes: &'a [u8],
        start: Option<usize>,
        visit: &mut impl FnMut(Element<'a>, f64) -> bool,
    ) -> bool {
        let mut walk = leaf::Walk::new(bytes);
        let mut places = start.unwrap_or(0)..leaf::count(bytes);
        places.all(|at| visit(self.member_at(walk.to(at)), leaf::score(bytes, at)))
    }

    fn walk_back<'a>(
        &'a self,
        bytes: &'a [u8],
        start: Option<usize>,
        visit: &mut impl FnMut(Element<'a>, f64) -> bool,
    ) -> bool {
        let end = start.map_or(leaf::count(bytes), |at| at + 1);
        let mut runs = [&b""[..]; MEMBERS_MAX];
        let mut walk = leaf::Walk::new(bytes);
        (0..end).for_each(|at| runs[at] = walk.to(at));
        (0..end).rev().all(|at| visit(self.member_at(runs[at]), leaf::score(bytes, at)))
    }

    /// The member of a place and its score.
    pub fn at(&self, rank: usize) -> Option<(Element<'_>, f64)> {
        let mut found = None;
        self.walk(rank, false, |member, score| {
            found = Some((member, score));
            false
        });
        found
    }

    /// Visits some members, by their hashes; gives the cursor of the next call, 0 at the end. Start with 0.
    ///
    /// A member that is there from the first call to the last is visited at least once, whatever comes and goes and
    /// however scores change in between. Any number may be passed.
    pub fn scan(&self, cursor: u64, visit: &mut dyn FnMut(Element<'_>, f64)) -> u64 {
        self.index.scan(cursor, |hash, leaf| {
            let bytes = self.bytes_of(leaf);
            let mut walk = leaf::Walk::new(bytes);
            for at in memchr::memchr_iter(tag(hash), leaf::tags(bytes)) {
                let member = self.member_at(walk.to(at));
                if self.hash_of(member.text(&mut Digits::default())) == hash {
                    visit(member, leaf::score(bytes, at));
                }
            }
        })
    }

    /// A set that is to become a copy of this one.
    pub fn begin_copy(&self) -> Sorted {
        Sorted {
            leaves: Vec::with_capacity(self.leaves.len()),
            free_leaves: Vec::with_capacity(self.free_leaves.len()),
            nodes: Vec::with_capacity(self.nodes.len()),
            free_nodes: Vec::with_capacity(self.free_nodes.len()),
            index: self.index.begin_copy(),
            long: self.long.begin_copy(),
            hasher: self.hasher.clone(),
            leaf_bytes: 0,
            ..*self
        }
    }

    /// Makes more of a copy. True: all of it is there.
    pub fn copy_on(&mut self, of: &Sorted, effort: &mut Effort) -> bool {
        let leaf_bytes = &mut self.leaf_bytes;
        effort.go_on(&mut self.leaves, &of.leaves, |leaf| {
            *leaf_bytes += leaf::block(&leaf.bytes);
            (leaf.clone(), leaf.bytes.len())
        }) && effort.go_on(&mut self.nodes, &of.nodes, |node| (node.clone(), size_of_val(&**node)))
            && effort.go_on_plainly(&mut self.free_leaves, &of.free_leaves)
            && effort.go_on_plainly(&mut self.free_nodes, &of.free_nodes)
            && self.index.copy_on(&of.index, effort)
            && self.long.copy_on(&of.long, effort)
    }

    /// Frees up to so many blocks of a set that nobody will look at again. True: nothing is left.
    pub fn shed(&mut self, blocks_max: usize) -> bool {
        let mut left = blocks_max;
        while left > 0
            && let Some(leaf) = self.leaves.pop()
        {
            self.leaf_bytes -= leaf::block(&leaf.bytes);
            left -= 1;
        }
        let nodes = self.nodes.len().min(left);
        self.nodes.truncate(self.nodes.len() - nodes);
        left -= nodes;
        left -= self.index.shed(left);
        left -= self.long.shed(left);
        left > 0
    }
}
