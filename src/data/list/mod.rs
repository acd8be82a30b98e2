//! A grown list: a deque of blocks, each a run of packed elements.
//!
//! Elements come and go at the ends without moving others for long: a block at an end keeps some room beside its
//! elements, those between have none. An index is found by the counts of the blocks, then from the nearer end of one.
//! What a block may hold is said with every change ([`Fill`]), for it is a parameter that may be changed; one element
//! of any length fits into a block of its own.
//!
//! | file | has |
//! |---|---|
//! | `mod` | the deque: ends, look-up, change |
//! | `block` | the buffer of a block |
//! | `run` | elements behind each other, walked from both ends |
//!
//! What it takes is counted as it changes ([`List::bytes`]).

mod block;
pub mod run;
#[cfg(test)]
mod tests;

use super::copying::Effort;
use super::entries::Splice;
use super::packed::{Element, Packed};
use super::table::block_bytes;
use block::{Block, Room};
use run::{Run, entry_bytes, write};
use std::collections::VecDeque;

/// Blocks that a change may leave changed in different places before the deque is gone through as a whole.
const PLACES_MAX: usize = 4;

/// Which end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The left one, where indexes begin.
    Front,
    /// The right one.
    Back,
}

/// How much a block may hold, or a list that lies in its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Bytes of the elements.
    pub bytes: usize,
    /// Elements.
    pub entries: usize,
}

impl Fill {
    /// Most elements that a small list can have: its head counts them in 16 bits.
    const ENTRIES_MAX: usize = super::entries::COMPACT_ENTRIES_MAX;

    /// What `list-max-listpack-size` says: -1 to -5 are 4 to 64 KiB, a positive number is one of elements, of which
    /// there are 8 KiB at most all the same.
    pub fn of_parameter(value: i64) -> Fill {
        match value {
            0.. => Fill { bytes: 8 << 10, entries: (value as usize).clamp(1, Fill::ENTRIES_MAX) },
            _ => Fill { bytes: (2 << 10) << value.unsigned_abs().min(5), entries: Fill::ENTRIES_MAX },
        }
    }

    /// So many elements of so many bytes together may be in one piece.
    #[inline]
    pub fn allows(&self, bytes: usize, entries: usize) -> bool {
        bytes <= self.bytes && entries <= self.entries
    }
}

/// A grown list.
#[derive(Default)]
pub struct List {
    /// None of them is empty.
    blocks: VecDeque<Block>,
    len: usize,
    /// Memory of the blocks' buffers.
    buffer_bytes: usize,
}

impl Clone for List {
    fn clone(&self) -> List {
        let blocks: VecDeque<Block> = self.blocks.iter().cloned().collect();
        let buffer_bytes = blocks.iter().map(Block::bytes).sum();
        List { blocks, len: self.len, buffer_bytes }
    }
}

impl List {
    /// A list of the elements of a run, which is one block.
    pub fn of_run(run: Run<'_>, count: usize) -> List {
        let mut list = List::default();
        if count > 0 {
            list.add_block(0, Block::of(run.0.into(), count));
            list.len = count;
        }
        list
    }

    /// Elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// No elements at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All memory that it takes, its own block and its allocator's rounding included.
    #[inline]
    pub fn bytes(&self) -> usize {
        // The counts of the shared pointer that holds it.
        block_bytes(size_of::<List>() + 24)
            + block_bytes(self.blocks.capacity() * size_of::<Block>())
            + self.buffer_bytes
    }

    /// The runs of its blocks in order, with how many elements each has.
    pub fn runs(&self) -> impl Iterator<Item = (Run<'_>, usize)> {
        self.blocks.iter().map(|block| (block.run(), block.count()))
    }

    /// The element of an index.
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        if index >= self.len {
            return None;
        }
        let (number, within) = self.locate(index);
        let block = &self.blocks[number];
        Some(block.run().element(block.start_at(within)))
    }

    /// Visits the elements from an index on, or from it back to the first, while `visit` says so. It is given the
    /// bytes of a run that begin with the element.
    pub fn walk<'a>(&'a self, index: usize, back: bool, mut visit: impl FnMut(&'a [u8]) -> bool) {
        if index >= self.len {
            return;
        }
        let (first, within) = self.locate(index);
        let mut number = first;
        loop {
            let block = &self.blocks[number];
            let run = block.run();
            let mut show = |start: usize| visit(&run.0[start..]);
            let whole = number != first;
            let more = if back {
                let end = if whole { block.len() } else { block.start_at(within + 1) };
                run.starts_back(end).all(&mut show)
            } else {
                let start = if whole { 0 } else { block.start_at(within) };
                run.starts(start).all(&mut show)
            };
            let last = if back { 0 } else { self.blocks.len() - 1 };
            if !more || number == last {
                return;
            }
            number = if back { number - 1 } else { number + 1 };
        }
    }

    // -- changes

    /// Adds an element at an end.
    #[inline]
    pub fn push(&mut self, end: End, element: &Packed<'_>, fill: Fill) {
        let bytes = entry_bytes(element);
        let fits = |block: &&Block| fill.allows(block.len() + bytes, block.count() + 1);
        let number = match end {
            End::Front if self.blocks.front().as_ref().is_some_and(fits) => 0,
            End::Back if self.blocks.back().as_ref().is_some_and(fits) => self.blocks.len() - 1,
            _ => self.new_end(end),
        };
        let at = if end == End::Front { 0 } else { self.blocks[number].len() };
        let place = self.splice(number, Splice { at, remove: 0, insert: bytes }, 1, fill);
        write(element, place);
        self.len += 1;
    }

    /// An empty block at an end, to be filled at once; what was the last one there keeps no room for more.
    #[cold]
    fn new_end(&mut self, end: End) -> usize {
        let number = if end == End::Front { 0 } else { self.blocks.len() };
        if let Some(last) = self.blocks.len().checked_sub(1) {
            self.seal(number.min(last));
        }
        self.add_block(number, Block::default());
        number
    }

    /// Keeps `len` elements from `start` on. The blocks that are not needed any more are given back as a list, for
    /// whoever frees many of them in slices.
    pub fn keep(&mut self, start: usize, len: usize, fill: Fill) -> Option<List> {
        let behind = self.len - start - len;
        let mut gone = None;
        self.cut_into(End::Front, start, fill, &mut gone);
        self.cut_into(End::Back, behind, fill, &mut gone);
        gone
    }

    /// Removes so many elements from an end, fewer than there are. What is given back is as with `keep`.
    #[inline]
    pub fn cut(&mut self, end: End, count: usize, fill: Fill) -> Option<List> {
        let mut gone = None;
        self.cut_into(end, count, fill, &mut gone);
        gone
    }

    #[inline]
    fn cut_into(&mut self, end: End, count: usize, fill: Fill, gone: &mut Option<List>) {
        let mut left = count;
        while left > 0 {
            let number = if end == End::Front { 0 } else { self.blocks.len() - 1 };
            let block = &self.blocks[number];
            if block.count() <= left {
                left -= block.count();
                let block = self.remove_block(number);
                gone.get_or_insert_default().take(block);
                self.tidy();
                continue;
            }
            let (from, to) = match end {
                End::Front => (0, block.start_at(left)),
                End::Back => (block.start_at(block.count() - left), block.len()),
            };
            let splice = Splice { at: from, remove: to - from, insert: 0 };
            self.splice(number, splice, -(left as isize), fill);
            left = 0;
        }
        self.len -= count;
    }

    /// Puts another element in place of that of an index, which there is.
    pub fn set(&mut self, index: usize, element: &Packed<'_>, fill: Fill) {
        let (number, within) = self.locate(index);
        let block = &self.blocks[number];
        let at = block.start_at(within);
        let remove = block.run().end_of(at) - at;
        let insert = entry_bytes(element);
        if block.count() == 1 || fill.allows(block.len() - remove + insert, block.count()) {
            write(element, self.splice(number, Splice { at, remove, insert }, 0, fill));
            return;
        }
        // It gets a place of its own.
        self.splice(number, Splice { at, remove, insert: 0 }, -1, fill);
        self.len -= 1;
        self.insert_at(number, within, element, fill);
    }

    /// Inserts an element before that of an index, or at the end.
    pub fn insert(&mut self, index: usize, element: &Packed<'_>, fill: Fill) {
        if index == self.len {
            return self.push(End::Back, element, fill);
        }
        let (number, within) = self.locate(index);
        self.insert_at(number, within, element, fill);
    }

    /// Inserts an element into a block, before so many others of it; the block is divided if it would be too large.
    fn insert_at(&mut self, number: usize, within: usize, element: &Packed<'_>, fill: Fill) {
        let block = &self.blocks[number];
        let (at, insert) = (block.start_at(within), entry_bytes(element));
        self.len += 1;
        if fill.allows(block.len() + insert, block.count() + 1) {
            write(element, self.splice(number, Splice { at, remove: 0, insert }, 1, fill));
            return;
        }
        let rest = Block::of(block.run().0[at..].into(), block.count() - within);
        let cut = Splice { at, remove: rest.len(), insert: 0 };
        let mut new = Block::default();
        new.splice(Splice { at: 0, remove: 0, insert }, 1, fill.bytes, Room::Little);
        write(element, new.part_mut(0, insert));
        let gone = -(rest.count() as isize);
        self.splice(number, cut, gone, fill);
        if rest.count() > 0 {
            self.add_block(number + 1, rest);
        }
        self.add_block(number + 1, new);
        // From the back, so that numbers stay.
        (number..=(number + 2).min(self.blocks.len() - 1)).rev().for_each(|number| self.settle(number, fill));
    }

    /// Removes elements that equal one: the first `most` of them, or the last. How many there were.
    pub fn remove(&mut self, element: &Packed<'_>, most: usize, from: End, fill: Fill) -> usize {
        let (mut removed, mut changed) = (0, Vec::new());
        let blocks = self.blocks.len();
        for step in 0..blocks {
            if removed == most {
                break;
            }
            let number = if from == End::Back { blocks - 1 - step } else { step };
            let block = &self.blocks[number];
            let found = block.run().matches(element, most - removed, from == End::Back);
            if found.is_empty() {
                continue;
            }
            let mut rest = Vec::with_capacity(block.len());
            block.run().without(&found, &mut rest);
            let new = Block::of(rest.into_boxed_slice(), block.count() - found.len());
            self.buffer_bytes += new.bytes();
            self.buffer_bytes -= std::mem::replace(&mut self.blocks[number], new).bytes();
            removed += found.len();
            changed.push(number);
        }
        self.len -= removed;
        if changed.len() > PLACES_MAX {
            self.settle_all(fill);
        } else {
            changed.sort_unstable();
            changed.into_iter().rev().for_each(|number| self.settle(number, fill));
        }
        self.tidy();
        removed
    }

    /// Frees up to so many blocks. True: nothing is left. For lists that nobody reads any more.
    pub fn shed(&mut self, blocks_max: usize) -> bool {
        for _ in 0..blocks_max {
            let Some(last) = self.blocks.len().checked_sub(1) else { return true };
            self.remove_block(last);
        }
        self.blocks.is_empty()
    }

    /// A list that is to become a copy of this one.
    pub fn begin_copy(&self) -> List {
        List { blocks: VecDeque::with_capacity(self.blocks.len()), len: self.len, buffer_bytes: 0 }
    }

    /// Makes more of a copy. True: all of it is there.
    pub fn copy_on(&mut self, of: &List, effort: &mut Effort) -> bool {
        while let Some(block) = of.blocks.get(self.blocks.len()) {
            if !effort.spend(block.len()) {
                return false;
            }
            self.take(block.clone());
        }
        true
    }

    /// Blocks that it has.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    // -- inside

    /// The block of an index, and which of its elements it is.
    #[inline]
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let mut within = index;
            for (number, block) in self.blocks.iter().enumerate() {
                if within < block.count() {
                    return (number, within);
                }
                within -= block.count();
            }
        } else {
            let mut behind = self.len - index;
            for (number, block) in self.blocks.iter().enumerate().rev() {
                if behind <= block.count() {
                    return (number, block.count() - behind);
                }
                behind -= block.count();
            }
        }
        unreachable!("the blocks have all elements")
    }

    /// Changes one block and counts what it takes.
    #[inline]
    fn splice(&mut self, number: usize, splice: Splice, added: isize, fill: Fill) -> &mut [u8] {
        let room = if number == 0 || number + 1 == self.blocks.len() { Room::Much } else { Room::Little };
        let block = &mut self.blocks[number];
        let before = block.bytes();
        block.splice(splice, added, fill.bytes, room);
        self.buffer_bytes = self.buffer_bytes + block.bytes() - before;
        block.part_mut(splice.at, splice.insert)
    }

    fn seal(&mut self, number: usize) {
        let block = &mut self.blocks[number];
        self.buffer_bytes -= block.bytes();
        block.seal();
        self.buffer_bytes += block.bytes();
    }

    fn add_block(&mut self, number: usize, block: Block) {
        self.buffer_bytes += block.bytes();
        if self.blocks.len() == self.blocks.capacity() {
            self.blocks.reserve_exact((self.blocks.len() / 8).max(2));
        }
        self.blocks.insert(number, block);
    }

    fn remove_block(&mut self, number: usize) -> Block {
        let block = self.blocks.remove(number).expect("a block of that number");
        self.buffer_bytes -= block.bytes();
        block
    }

    /// Takes a block at the end that is only to be freed.
    fn take(&mut self, block: Block) {
        self.buffer_bytes += block.bytes();
        self.blocks.push_back(block);
    }

    /// A block that has changed goes if it is empty, and joins the one before it if they are small.
    fn settle(&mut self, number: usize, fill: Fill) {
        if self.blocks[number].count() == 0 {
            self.remove_block(number);
        } else if number > 0 && joinable(&self.blocks[number - 1], &self.blocks[number], fill) {
            let second = self.remove_block(number);
            let first = std::mem::take(&mut self.blocks[number - 1]);
            self.buffer_bytes -= first.bytes();
            let joined = join(&first, &second);
            self.buffer_bytes += joined.bytes();
            self.blocks[number - 1] = joined;
        }
    }

    /// The same for all of them at once.
    fn settle_all(&mut self, fill: Fill) {
        let blocks = std::mem::take(&mut self.blocks);
        for block in blocks.into_iter().filter(|block| block.count() > 0) {
            match self.blocks.back_mut() {
                Some(last) if joinable(last, &block, fill) => *last = join(last, &block),
                _ => self.blocks.push_back(block),
            }
        }
        self.buffer_bytes = self.blocks.iter().map(Block::bytes).sum();
    }

    /// Gives back the room of a deque that has got much shorter.
    fn tidy(&mut self) {
        if self.blocks.capacity() > self.blocks.len() * 2 + 8 {
            self.blocks.shrink_to(self.blocks.len() + self.blocks.len() / 8 + 2);
        }
    }
}

/// Two neighbours may be one block that has room for as much again: so they are not divided soon.
fn joinable(first: &Block, second: &Block, fill: Fill) -> bool {
    fill.allows(2 * (first.len() + second.len()), first.count() + second.count())
}

fn join(first: &Block, second: &Block) -> Block {
    let bytes = [first.run().0, second.run().0].concat();
    Block::of(bytes.into_boxed_slice(), first.count() + second.count())
}
