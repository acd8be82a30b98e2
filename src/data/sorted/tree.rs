//! The way down from the root and up again: members put into leaves and taken out, leaves and nodes that are divided
//! when they are full and joined with a neighbour when they are nearly empty.

use super::leaf::{self, BYTES_MAX, MEMBERS_MAX};
use super::node::{CHILDREN_MAX, Child, Node};
use super::{Edge, Leaf, NONE, Probe, Sorted, tag};
use crate::data::packed::{Element, Packed, read};
use crate::text::Digits;
use std::cmp::Ordering;

/// Levels of nodes that a tree can have: two neighbours are never so empty that they could be one, but for the first and
/// the last leaf, and 2^32 members take no more than ten levels then.
const HEIGHT_MAX: usize = 16;

/// A leaf or a node with fewer members or children looks for a neighbour to be joined with.
const FEW: usize = 8;

/// What is joined has at most so many: soon after it would be divided again.
const JOINED_MAX: usize = 24;

/// The nodes on the way from the root to a leaf, and which of their children is next.
pub(super) struct Path([(u32, usize); HEIGHT_MAX]);

/// A child that has come beside the one on the path.
struct Sibling {
    child: Child,
    /// It is behind that one, not before it.
    behind: bool,
}

impl Sorted {
    #[inline]
    fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    /// How many children of a node begin before an edge.
    fn children_before(&self, node: &Node, edge: &Edge<'_>) -> usize {
        let scores = node.scores();
        let compare = |at: usize, member: &[u8]| -> Ordering {
            self.compare(leaf::Walk::new(self.bytes_of(node.child(at).first)).to(0), member)
        };
        match *edge {
            Edge::Start => 0,
            Edge::End => scores.len(),
            Edge::Score { score, behind } => {
                scores.partition_point(|first| *first < score || (behind && *first == score))
            }
            Edge::Entry { score, member, behind } => {
                let less = scores.partition_point(|first| *first < score);
                if scores.get(less) != Some(&score) {
                    return less;
                }
                // One member may begin anywhere among the children that begin with its score.
                let (mut from, mut to) =
                    (less, less + scores[less..].partition_point(|first| *first == score));
                while from < to {
                    let middle = from.midpoint(to);
                    match compare(middle, member) {
                        Ordering::Less => from = middle + 1,
                        Ordering::Equal if behind => from = middle + 1,
                        _ => to = middle,
                    }
                }
                from
            }
            Edge::Member { .. } => {
                let (mut from, mut to) = (0, scores.len());
                while from < to {
                    let middle = from.midpoint(to);
                    if edge.is_behind(scores[middle], |member| compare(middle, member)) {
                        from = middle + 1;
                    } else {
                        to = middle;
                    }
                }
                from
            }
        }
    }

    /// How many members of a leaf are before an edge.
    fn members_before(&self, bytes: &[u8], edge: &Edge<'_>) -> usize {
        let (mut at, end) = match *edge {
            Edge::Start => return 0,
            Edge::End => return leaf::count(bytes),
            Edge::Score { score, behind } => {
                return leaf::scores_while(bytes, |one| one < score || (behind && one == score));
            }
            Edge::Entry { score, .. } => {
                let less = leaf::scores_while(bytes, |one| one < score);
                if less == leaf::count(bytes) || leaf::score(bytes, less) != score {
                    return less;
                }
                (less, leaf::scores_while(bytes, |one| one <= score))
            }
            Edge::Member { .. } => (0, leaf::count(bytes)),
        };
        let mut walk = leaf::Walk::new(bytes);
        while at < end {
            let run = walk.to(at);
            if !edge.is_behind(leaf::score(bytes, at), |member| self.compare(run, member)) {
                break;
            }
            at += 1;
        }
        at
    }

    /// The leaf that an edge lies in, and how many of its members are before that.
    fn descend(&self, edge: &Edge<'_>, path: &mut Path) -> (u32, usize) {
        let mut number = self.root;
        for step in &mut path.0[..self.height] {
            let node = self.node(number);
            let at = self.children_before(node, edge).saturating_sub(1);
            *step = (number, at);
            number = node.child(at).number;
        }
        (number, self.members_before(self.bytes_of(number), edge))
    }

    /// How many members are before an edge.
    pub fn count_before(&self, edge: &Edge<'_>) -> usize {
        let (mut number, mut count) = (self.root, 0);
        for _ in 0..self.height {
            let node = self.node(number);
            let at = self.children_before(node, edge).saturating_sub(1);
            count += node.count_before(at);
            number = node.child(at).number;
        }
        count + self.members_before(self.bytes_of(number), edge)
    }

    /// The leaf of a place, which there is, and the place in it.
    pub(super) fn leaf_of(&self, rank: usize, path: &mut Path) -> (u32, usize) {
        let (mut number, mut left) = (self.root, rank);
        for step in &mut path.0[..self.height] {
            let node = self.node(number);
            let (at, rest) = node.child_of(left);
            *step = (number, at);
            (number, left) = (node.child(at).number, rest);
        }
        (number, left)
    }

    /// Puts a member in that is not there. `kept` is what stands for it in a leaf.
    pub(super) fn insert(&mut self, probe: &Probe<'_>, kept: &Packed<'_>, score: f64) {
        let mut path = Path::default();
        let (number, at) = self.descend(&Edge::Entry { score, member: probe.text, behind: false }, &mut path);
        let bytes = &mut self.leaves[number as usize].bytes;
        self.leaf_bytes -= leaf::block(bytes);
        leaf::insert(bytes, at, tag(probe.hash), score, kept);
        let (members, length) = (leaf::count(bytes), bytes.len());
        self.leaf_bytes += leaf::block(bytes);
        self.index.add(probe.hash, number);
        self.len += 1;
        if members > MEMBERS_MAX || length > BYTES_MAX {
            let sibling = self.divide_leaf(number, at);
            self.mend_more(&path, sibling);
        } else {
            self.count_one(&path, number, at, true);
        }
    }

    /// Takes out a member that is there, with this score.
    pub(super) fn take(&mut self, probe: &Probe<'_>, score: f64) {
        let mut path = Path::default();
        let edge = Edge::Entry { score, member: probe.text, behind: true };
        let (number, behind) = self.descend(&edge, &mut path);
        self.take_from(&path, number, behind - 1, probe.hash);
    }

    /// Takes out the member of a place, which there is.
    pub(super) fn take_at(&mut self, rank: usize) {
        let mut path = Path::default();
        let (number, at) = self.leaf_of(rank, &mut path);
        let element = read(leaf::Walk::new(self.bytes_of(number)).to(at)).0;
        let text = self.long.get(element).map_or(element, Element::Bytes);
        let hash = self.hash_of(text.text(&mut Digits::default()));
        let kept = if let Element::Elsewhere(kept) = element { Some(kept) } else { None };
        self.take_from(&path, number, at, hash);
        kept.into_iter().for_each(|number| self.long.free(number));
    }

    /// Asks the CPU for what is needed to take out the first member: whoever takes one from a set soon takes another.
    #[inline]
    pub fn fetch_first(&self) {
        let bytes = self.bytes_of(self.first);
        if !bytes.is_empty() {
            let member = self.member_at(leaf::Walk::new(bytes).to(0));
            self.index.fetch(self.hash_of(member.text(&mut Digits::default())));
        }
    }

    fn take_from(&mut self, path: &Path, number: u32, at: usize, hash: u32) {
        let bytes = &mut self.leaves[number as usize].bytes;
        self.leaf_bytes -= leaf::block(bytes);
        leaf::remove(bytes, at);
        let members = leaf::count(bytes);
        self.leaf_bytes += leaf::block(bytes);
        self.index.remove(hash, number);
        self.len -= 1;
        // A leaf from whose end at the set's end members are taken is soon empty: its last ones need not go elsewhere first.
        let at_end = number == self.first && at == 0 || number == self.last && at == members;
        if members < FEW && self.height > 0 && (members == 0 || !at_end) {
            self.mend_less(path);
        } else {
            self.count_one(path, number, at, false);
        }
    }

    /// Follows a leaf that has one member more or less, at a place, on the way up.
    #[inline]
    fn count_one(&mut self, path: &Path, number: u32, at: usize, more: bool) {
        let mut first = at == 0 && self.height > 0;
        let score = if first { leaf::score(self.bytes_of(number), 0) } else { 0.0 };
        for (number, at) in path.0[..self.height].iter().rev() {
            let node = &mut self.nodes[*number as usize];
            node.count_one(*at, more);
            if first {
                node.set_score(*at, score);
                first = *at == 0;
            }
        }
    }

    // -- more

    /// Divides a full leaf, whose last change was at a place. The smaller part gets a number of its own.
    fn divide_leaf(&mut self, number: u32, changed: usize) -> Sibling {
        let Leaf { bytes, previous, next } = std::mem::replace(
            &mut self.leaves[number as usize],
            Leaf { bytes: leaf::Bytes::default(), previous: NONE, next: NONE },
        );
        let members = leaf::count(&bytes);
        // What comes in order, or in reverse, leaves full leaves behind.
        let at = match changed {
            _ if changed + 1 == members && next == NONE => members - 1,
            0 if previous == NONE => 1,
            _ => members / 2,
        };
        let behind = at * 2 >= members;
        let (one, other) = leaf::divide(&bytes, at);
        self.leaf_bytes -= leaf::block(&bytes);
        self.leaf_bytes += leaf::block(&one) + leaf::block(&other);
        let (stays, goes) = if behind { (one, other) } else { (other, one) };
        let (before, after) = if behind { (number, next) } else { (previous, number) };
        let new = self.add_leaf(Leaf { bytes: goes, previous: before, next: after });
        self.leaves[number as usize] = Leaf { bytes: stays, previous, next };
        self.link(before, new);
        self.link(new, after);
        self.rewrite_index(new, number, new);
        Sibling { child: self.child_of_leaf(new), behind }
    }

    /// Tells the index that the members which lie in a leaf have gone from one to another.
    fn rewrite_index(&mut self, leaf: u32, from: u32, to: u32) {
        let Sorted { leaves, index, long, hasher, .. } = self;
        let bytes = &leaves[leaf as usize].bytes;
        let (mut walk, mut digits) = (leaf::Walk::new(bytes), Digits::default());
        for at in 0..leaf::count(bytes) {
            let element = read(walk.to(at)).0;
            let text = long.get(element).unwrap_or_else(|| element.text(&mut digits));
            index.moved(hasher.hash(text) as u32, from, to);
        }
    }

    fn add_leaf(&mut self, leaf: Leaf) -> u32 {
        if let Some(number) = self.free_leaves.pop() {
            self.leaves[number as usize] = leaf;
            return number;
        }
        if self.leaves.len() == self.leaves.capacity() {
            self.leaves.reserve_exact((self.leaves.len() / 8).max(4));
        }
        self.leaves.push(leaf);
        (self.leaves.len() - 1) as u32
    }

    fn add_node(&mut self, node: Node) -> u32 {
        if let Some(number) = self.free_nodes.pop() {
            *self.nodes[number as usize] = node;
            return number;
        }
        if self.nodes.len() == self.nodes.capacity() {
            self.nodes.reserve_exact((self.nodes.len() / 8).max(4));
        }
        self.nodes.push(Box::new(node));
        (self.nodes.len() - 1) as u32
    }

    /// One leaf comes behind another; either may be none.
    fn link(&mut self, before: u32, after: u32) {
        match self.leaves.get_mut(before as usize) {
            Some(leaf) => leaf.next = after,
            None => self.first = after,
        }
        match self.leaves.get_mut(after as usize) {
            Some(leaf) => leaf.previous = before,
            None => self.last = before,
        }
    }

    fn child_of_leaf(&self, number: u32) -> Child {
        let bytes = self.bytes_of(number);
        Child { number, count: leaf::count(bytes) as u32, first: number, score: leaf::score(bytes, 0) }
    }

    fn child_of_node(&self, number: u32) -> Child {
        let node = self.node(number);
        Child { number, count: node.count_before(node.len()) as u32, ..node.child(0) }
    }

    fn child_of(&self, number: u32, is_leaf: bool) -> Child {
        if is_leaf { self.child_of_leaf(number) } else { self.child_of_node(number) }
    }

    /// Follows a leaf that was divided, on the way up.
    fn mend_more(&mut self, path: &Path, sibling: Sibling) {
        let mut sibling = Some(sibling);
        for level in (0..self.height).rev() {
            let (number, at) = path.0[level];
            let child = self.child_of(self.node(number).child(at).number, level + 1 == self.height);
            self.nodes[number as usize].set(at, child);
            if let Some(Sibling { child, behind }) = sibling.take() {
                sibling = self.add_child(number, at + usize::from(behind), child);
            }
        }
        if let Some(Sibling { child, behind }) = sibling {
            let old = self.child_of(self.root, self.height == 0);
            let children = if behind { [old, child] } else { [child, old] };
            self.root = self.add_node(Node::new(&children));
            self.height += 1;
            assert!(self.height <= HEIGHT_MAX, "a tree of 2^32 members is not that high");
        }
    }

    /// Puts a child into a node, which is divided if it is full.
    fn add_child(&mut self, number: u32, at: usize, child: Child) -> Option<Sibling> {
        let node = &mut self.nodes[number as usize];
        if node.len() < CHILDREN_MAX {
            node.insert(at, child);
            return None;
        }
        // At an end all stay together, for what comes in order goes there.
        let middle = match at {
            CHILDREN_MAX => CHILDREN_MAX,
            0 => 0,
            _ => CHILDREN_MAX / 2,
        };
        let mut other = node.split_off(middle);
        if at > middle || at == CHILDREN_MAX {
            other.insert(at - middle, child);
        } else {
            node.insert(at, child);
        }
        let new = self.add_node(other);
        Some(Sibling { child: self.child_of_node(new), behind: true })
    }

    // -- less

    /// Follows a leaf that has become small or empty, on the way up.
    fn mend_less(&mut self, path: &Path) {
        for level in (0..self.height).rev() {
            let (parent, at) = path.0[level];
            let is_leaf = level + 1 == self.height;
            let number = self.node(parent).child(at).number;
            match self.size_of(number, is_leaf) {
                0 => {
                    self.free(number, is_leaf);
                    self.nodes[parent as usize].remove(at);
                }
                size => {
                    let child = self.child_of(number, is_leaf);
                    self.nodes[parent as usize].set(at, child);
                    if size < FEW {
                        self.join_with_neighbour(parent, at, is_leaf);
                    }
                }
            }
        }
        while self.height > 0 && self.node(self.root).len() <= 1 {
            let old = self.root;
            if self.node(old).len() == 0 {
                // The last leaf has gone: an empty tree is an empty leaf.
                self.root = self.add_leaf(Leaf { bytes: leaf::Bytes::default(), previous: NONE, next: NONE });
                (self.first, self.last, self.height) = (self.root, self.root, 1);
            } else {
                self.root = self.node(old).child(0).number;
            }
            self.free_nodes.push(old);
            self.height -= 1;
        }
    }

    fn size_of(&self, number: u32, is_leaf: bool) -> usize {
        if is_leaf { leaf::count(self.bytes_of(number)) } else { self.node(number).len() }
    }

    fn free(&mut self, number: u32, is_leaf: bool) {
        if !is_leaf {
            self.free_nodes.push(number);
            return;
        }
        let Leaf { bytes, previous, next } = std::mem::replace(
            &mut self.leaves[number as usize],
            Leaf { bytes: leaf::Bytes::default(), previous: NONE, next: NONE },
        );
        self.leaf_bytes -= leaf::block(&bytes);
        self.link(previous, next);
        self.free_leaves.push(number);
    }

    /// Makes one of a child and its neighbour, if they are few together.
    fn join_with_neighbour(&mut self, parent: u32, at: usize, is_leaf: bool) {
        let number_at = |at: usize| self.node(parent).child(at).number;
        let fits = |left: &usize| {
            let (one, other) = (number_at(*left), number_at(left + 1));
            let bytes = || self.bytes_of(one).len() + self.bytes_of(other).len();
            self.size_of(one, is_leaf) + self.size_of(other, is_leaf) <= JOINED_MAX
                && (!is_leaf || bytes() <= BYTES_MAX)
        };
        let lefts = [at, at.wrapping_sub(1)];
        let exists = |left: &usize| left.wrapping_add(1) < self.node(parent).len() && *left != usize::MAX;
        let Some(left) = lefts.into_iter().find(|left| exists(left) && fits(left)) else { return };
        let (one, other) = (number_at(left), number_at(left + 1));
        let kept = if is_leaf {
            let (one_members, other_members) = (self.size_of(one, true), self.size_of(other, true));
            let joined = leaf::join(self.bytes_of(one), self.bytes_of(other));
            // The index is told of the fewer ones.
            let (kept, gone) = if one_members >= other_members { (one, other) } else { (other, one) };
            self.rewrite_index(gone, gone, kept);
            self.free(gone, true);
            let bytes = &mut self.leaves[kept as usize].bytes;
            self.leaf_bytes -= leaf::block(bytes);
            *bytes = joined;
            self.leaf_bytes += leaf::block(bytes);
            kept
        } else {
            let gone = std::mem::replace(&mut *self.nodes[other as usize], Node::new(&[]));
            self.nodes[one as usize].append(&gone);
            self.free_nodes.push(other);
            one
        };
        let child = self.child_of(kept, is_leaf);
        let parent = &mut self.nodes[parent as usize];
        parent.set(left, child);
        parent.remove(left + 1);
    }
}

impl Default for Path {
    fn default() -> Path {
        Path([(NONE, 0); HEIGHT_MAX])
    }
}
