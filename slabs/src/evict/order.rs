//! The memory of queues: which items came when, one after the other, at less than five bytes each.
//!
//! An entry names an item by 32 bits of its hash (24 that address the index, 8 that tag), so an item may move
//! between chunks without its queue knowing. Entries stand in segments of one cache line; a segment carries the
//! time at which it was begun. What an entry finds in the index is for others to say; items that were deleted leave
//! stale entries behind.

/// No segment.
const NONE: u32 = u32::MAX;
/// Entries of a segment.
const ENTRIES: usize = 13;
/// Segments of a block: 4 KiB, and one bit each.
const BLOCK: usize = 64;
const BLOCK_BYTES: u64 = (BLOCK * size_of::<Segment>()) as u64;
/// Marks are 1..=MARKS; 0 is an item in no queue.
const MARKS: u32 = 255;

/// An item in a queue: bits 0..24 of its hash above bits 40..48, of which 0 is taken as 1.
pub(crate) type Entry = u32;

/// The entry of a hash.
#[inline]
pub(crate) fn entry_of(hash: u64) -> Entry {
    let tag = (hash >> 40) as u8;
    (hash as u32) << 8 | u32::from(tag + u8::from(tag == 0))
}

/// The bits of the hash that an entry knows; bits 24..40 and those above 48 are 0.
#[inline]
pub(crate) fn hash_bits(entry: Entry) -> u64 {
    u64::from(entry >> 8) | u64::from(entry & 0xff) << 40
}

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Segment {
    next: u32,
    before: u32,
    stamp: u32,
    /// From the front; 0 is none.
    entries: [Entry; ENTRIES],
}

const _: () = assert!(size_of::<Segment>() == 64);
const EMPTY: Segment = Segment { next: NONE, before: NONE, stamp: 0, entries: [0; ENTRIES] };

/// A first-in-first-out queue; its entries stand in the [`Segments`] that it is used with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    head: u32,
    tail: u32,
    /// Entries of the head segment that were taken.
    taken: u8,
    /// Entries of the tail segment that were ever pushed.
    pushed: u8,
    len: u32,
    /// Number of the front entry since the queue began, which decides its mark.
    number: u32,
}

impl Queue {
    /// An empty queue.
    pub(crate) const NEW: Queue = Queue { head: NONE, tail: NONE, taken: 0, pushed: 0, len: 0, number: 0 };

    /// Entries, stale ones included.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

/// What stands at the front of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Front {
    /// Which item.
    pub(crate) entry: Entry,
    /// When its segment was begun.
    pub(crate) stamp: u32,
    /// What the item's mark is, if it is still here.
    pub(crate) mark: u8,
}

/// All segments, in blocks that are given back from the end.
#[derive(Default)]
pub(crate) struct Segments {
    blocks: Vec<Box<[Segment; BLOCK]>>,
    /// Free segments by block, one bit each.
    free: Vec<u64>,
    free_count: usize,
    /// No block before this one has a free segment.
    hint: usize,
}

impl Segments {
    /// Bytes of the blocks.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.len() as u64 * (BLOCK_BYTES + 16)
    }

    /// Drops everything; queues that were used with it are void.
    pub(crate) fn clear(&mut self) {
        *self = Segments::default();
    }

    /// Adds an entry at the end. Returns the mark that the item must carry from now on.
    #[inline]
    pub(crate) fn push(&mut self, queue: &mut Queue, entry: Entry, stamp: u32) -> u8 {
        let full =
            queue.tail == NONE || usize::from(queue.pushed) == ENTRIES || self.at(queue.tail).stamp != stamp;
        if full {
            let number = self.take();
            *self.at_mut(number) = Segment { before: queue.tail, stamp, ..EMPTY };
            match queue.tail {
                NONE => (queue.head, queue.taken) = (number, 0),
                tail => self.at_mut(tail).next = number,
            }
            queue.tail = number;
            queue.pushed = 0;
        }
        let place = usize::from(queue.pushed);
        self.at_mut(queue.tail).entries[place] = entry;
        queue.pushed += 1;
        let number = queue.number.wrapping_add(queue.len);
        queue.len += 1;
        mark_of(number)
    }

    /// The oldest entry.
    #[inline]
    pub(crate) fn front(&self, queue: &Queue) -> Option<Front> {
        if queue.len == 0 {
            return None;
        }
        let head = self.at(queue.head);
        let entry = head.entries[usize::from(queue.taken)];
        Some(Front { entry, stamp: head.stamp, mark: mark_of(queue.number) })
    }

    /// The two oldest entries, as far as they stand in the first segment.
    #[inline]
    pub(crate) fn next_two(&self, queue: &Queue) -> [Option<Entry>; 2] {
        if queue.len == 0 {
            return [None; 2];
        }
        let left = &self.at(queue.head).entries[usize::from(queue.taken)..];
        [left.first(), left.get(1)].map(|entry| entry.copied().filter(|&entry| entry != 0))
    }

    /// Takes the oldest entry out. The queue must have one.
    #[inline]
    pub(crate) fn pop(&mut self, queue: &mut Queue) {
        queue.len -= 1;
        queue.number = queue.number.wrapping_add(1);
        queue.taken += 1;
        let head = queue.head;
        let taken = usize::from(queue.taken);
        if taken < ENTRIES && self.at(head).entries[taken] != 0 {
            return;
        }
        let next = self.at(head).next;
        self.give(head);
        queue.taken = 0;
        queue.head = next;
        match next {
            NONE => (queue.tail, queue.pushed) = (NONE, 0),
            next => self.at_mut(next).before = NONE,
        }
    }

    /// Whether so much is free that blocks should be given back.
    #[inline]
    pub(crate) fn is_sparse(&self) -> bool {
        self.free_count > BLOCK * 4 + self.blocks.len() * BLOCK / 4
    }

    /// Empties the last block into others and gives it back. `queues` are all that were used with the segments.
    pub(crate) fn shrink<'a>(&mut self, queues: impl Iterator<Item = &'a mut Queue>) {
        let Some(last) = self.blocks.len().checked_sub(1) else { return };
        let used = BLOCK - self.free[last].count_ones() as usize;
        if self.free_count - (BLOCK - used) < used {
            return;
        }
        let mut moved = [(NONE, NONE); BLOCK];
        let mut count = 0;
        // Segments of the block must not be chosen as places.
        let free = std::mem::take(&mut self.free[last]);
        self.free_count -= free.count_ones() as usize;
        for bit in 0..BLOCK {
            if free >> bit & 1 == 1 {
                continue;
            }
            let from = (last * BLOCK + bit) as u32;
            let to = self.take();
            let segment = *self.at(from);
            *self.at_mut(to) = segment;
            if segment.before != NONE {
                self.at_mut(segment.before).next = to;
            }
            if segment.next != NONE {
                self.at_mut(segment.next).before = to;
            }
            moved[count] = (from, to);
            count += 1;
        }
        for queue in queues {
            for end in [&mut queue.head, &mut queue.tail] {
                if let Some(to) = moved[..count].iter().find(|pair| pair.0 == *end) {
                    *end = to.1;
                }
            }
        }
        self.blocks.pop();
        self.free.pop();
        self.hint = self.hint.min(self.blocks.len());
    }

    #[inline]
    fn at(&self, number: u32) -> &Segment {
        &self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }

    #[inline]
    fn at_mut(&mut self, number: u32) -> &mut Segment {
        &mut self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }

    /// A segment with arbitrary contents.
    fn take(&mut self) -> u32 {
        while self.free.get(self.hint) == Some(&0) {
            self.hint += 1;
        }
        if self.hint == self.blocks.len() {
            self.blocks.push(Box::new([EMPTY; BLOCK]));
            self.free.push(u64::MAX);
            self.free_count += BLOCK;
        }
        let bit = self.free[self.hint].trailing_zeros();
        self.free[self.hint] &= !(1 << bit);
        self.free_count -= 1;
        self.hint as u32 * BLOCK as u32 + bit
    }

    fn give(&mut self, number: u32) {
        let block = number as usize / BLOCK;
        self.free[block] |= 1 << (number as usize % BLOCK);
        self.free_count += 1;
        self.hint = self.hint.min(block);
    }
}

fn mark_of(number: u32) -> u8 {
    (number % MARKS + 1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn an_entry_keeps_what_the_index_addresses_and_tags_with() {
        let hash = 0x1234_5678_9abc_def0;
        assert_eq!(hash_bits(entry_of(hash)), hash & 0x0000_ff00_00ff_ffff);
        assert_eq!(hash_bits(entry_of(0x55)), 1 << 40 | 0x55);
        assert_ne!(entry_of(0), 0);
    }

    #[test]
    fn queues_equal_double_ended_queues() {
        let mut segments = Segments::default();
        let mut queues = [Queue::NEW; 5];
        let mut twins: Vec<VecDeque<(Entry, u32, u8)>> = vec![VecDeque::new(); 5];
        let mut random = 1u64;
        for step in 0..200_000u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let which = (random >> 33) as usize % 5;
            let filling = step / 20_000 % 2 == 0;
            if (random >> 40) % 10 < if filling { 7 } else { 3 } {
                let (entry, stamp) = (random as u32 | 1, step / 50);
                let mark = segments.push(&mut queues[which], entry, stamp);
                twins[which].push_back((entry, stamp, mark));
            } else if let Some((entry, stamp, mark)) = twins[which].pop_front() {
                let front = segments.front(&queues[which]).unwrap();
                assert_eq!((front.entry, front.stamp, front.mark), (entry, stamp, mark));
                let [first, second] = segments.next_two(&queues[which]);
                assert_eq!(first, Some(entry));
                assert!(second.is_none_or(|second| second == twins[which][0].0));
                segments.pop(&mut queues[which]);
            }
            assert_eq!(queues[which].len() as usize, twins[which].len());
            if segments.is_sparse() {
                let before = segments.bytes();
                segments.shrink(queues.iter_mut());
                assert!(segments.bytes() < before);
            }
        }
        for (queue, twin) in queues.iter_mut().zip(&mut twins) {
            while let Some((entry, stamp, mark)) = twin.pop_front() {
                assert_eq!(segments.front(queue), Some(Front { entry, stamp, mark }));
                segments.pop(queue);
            }
            assert_eq!(segments.front(queue), None);
        }
        while segments.is_sparse() {
            segments.shrink(queues.iter_mut());
        }
        assert!(segments.bytes() <= 6 * (BLOCK_BYTES + 16));
    }
}
