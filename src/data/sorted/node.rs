//! An inner node: for each child which it is, how many members are below it, and where those begin.

/// The most children that a node has.
pub(super) const CHILDREN_MAX: usize = 32;

/// What a node knows of a child.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Child {
    /// A leaf or a node.
    pub(super) number: u32,
    /// Members below it.
    pub(super) count: u32,
    /// Its first leaf.
    pub(super) first: u32,
    /// The score of the first member there.
    pub(super) score: f64,
}

/// The arrays, of which `len` places are in use.
#[derive(Clone, Debug)]
pub(super) struct Node {
    len: usize,
    numbers: [u32; CHILDREN_MAX],
    counts: [u32; CHILDREN_MAX],
    firsts: [u32; CHILDREN_MAX],
    scores: [f64; CHILDREN_MAX],
}

impl Node {
    /// A node with these children.
    pub(super) fn new(children: &[Child]) -> Node {
        let mut node = Node {
            len: 0,
            numbers: [0; CHILDREN_MAX],
            counts: [0; CHILDREN_MAX],
            firsts: [0; CHILDREN_MAX],
            scores: [0.0; CHILDREN_MAX],
        };
        children.iter().for_each(|child| node.insert(node.len, *child));
        node
    }

    /// Children.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What it knows of a child.
    #[inline]
    pub(super) fn child(&self, at: usize) -> Child {
        Child {
            number: self.numbers[at],
            count: self.counts[at],
            first: self.firsts[at],
            score: self.scores[at],
        }
    }

    /// The first scores of the children, ascending.
    #[inline]
    pub(super) fn scores(&self) -> &[f64] {
        &self.scores[..self.len]
    }

    /// Members below the first `end` children.
    #[inline]
    pub(super) fn count_before(&self, end: usize) -> usize {
        self.counts[..end].iter().map(|count| *count as usize).sum()
    }

    /// The child with the member of that place below it, and the member's place there.
    #[inline]
    pub(super) fn child_of(&self, rank: usize) -> (usize, usize) {
        let mut left = rank;
        for (at, count) in self.counts[..self.len].iter().enumerate() {
            if left < *count as usize {
                return (at, left);
            }
            left -= *count as usize;
        }
        unreachable!("a place is looked for among the members that are counted")
    }

    /// One member more below a child, or one less.
    #[inline]
    pub(super) fn count_one(&mut self, at: usize, more: bool) {
        self.counts[at] = if more { self.counts[at] + 1 } else { self.counts[at] - 1 };
    }

    /// Another first score of a child.
    #[inline]
    pub(super) fn set_score(&mut self, at: usize, score: f64) {
        self.scores[at] = score;
    }

    /// Writes what is known of a child anew.
    pub(super) fn set(&mut self, at: usize, child: Child) {
        self.numbers[at] = child.number;
        self.counts[at] = child.count;
        self.firsts[at] = child.first;
        self.scores[at] = child.score;
    }

    /// Puts a child in; there is room for it.
    pub(super) fn insert(&mut self, at: usize, child: Child) {
        self.numbers.copy_within(at..self.len, at + 1);
        self.counts.copy_within(at..self.len, at + 1);
        self.firsts.copy_within(at..self.len, at + 1);
        self.scores.copy_within(at..self.len, at + 1);
        self.len += 1;
        self.set(at, child);
    }

    /// Takes a child out.
    pub(super) fn remove(&mut self, at: usize) {
        self.numbers.copy_within(at + 1..self.len, at);
        self.counts.copy_within(at + 1..self.len, at);
        self.firsts.copy_within(at + 1..self.len, at);
        self.scores.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Takes all children from a place on out, as a node of their own.
    pub(super) fn split_off(&mut self, at: usize) -> Node {
        let children: Vec<Child> = (at..self.len).map(|at| self.child(at)).collect();
        self.len = at;
        Node::new(&children)
    }

    /// Adds the children of another at the end.
    pub(super) fn append(&mut self, other: &Node) {
        (0..other.len).for_each(|at| self.insert(self.len, other.child(at)));
    }
}
