//! One block of a grown list: a run of elements in a buffer that has room before it or behind it, whichever side the
//! elements come at.

use super::run::Run;
use crate::data::entries::Splice;
use crate::data::table::block_bytes;

/// Room that a block is left with, whatever it holds.
const SLACK_BYTES_MIN: usize = 16;

/// Room that a block gives back only if it is more than this and a part of what it holds.
const SLACK_BYTES_KEPT: usize = 64;

/// How much room beside its elements a block may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It lies between others: an eighth of what it holds when it grows, a quarter before it gives some back.
    Little,
    /// It is at an end, where elements come and go one by one, and loses its room when it is no more: a half when it
    /// grows, as much again as it holds before it gives some back. In eighths its elements would be copied nine times.
    Much,
}

impl Room {
    fn to_grow(self, bytes: usize) -> usize {
        let part = if self == Room::Much { bytes / 2 } else { bytes / 8 };
        part + SLACK_BYTES_MIN
    }

    #[inline]
    fn is_exceeded(self, bytes: usize, capacity: usize) -> bool {
        let part = if self == Room::Much { bytes } else { bytes / 4 };
        bytes + part + SLACK_BYTES_KEPT < capacity
    }
}

/// A block.
#[derive(Debug, Default)]
pub(super) struct Block {
    buffer: Box<[u8]>,
    start: u32,
    end: u32,
    count: u32,
}

impl Clone for Block {
    fn clone(&self) -> Block {
        Block::of(self.run().0.into(), self.count())
    }
}

impl Block {
    /// A block of elements that are there, without room for others.
    pub(super) fn of(buffer: Box<[u8]>, count: usize) -> Block {
        let end = buffer.len() as u32;
        Block { buffer, start: 0, end, count: count as u32 }
    }

    /// Elements.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Bytes of the elements.
    #[inline]
    pub(super) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// The elements.
    #[inline]
    pub(super) fn run(&self) -> Run<'_> {
        Run(&self.buffer[self.start as usize..self.end as usize])
    }

    /// Memory that its buffer takes.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        block_bytes(self.buffer.len())
    }

    /// Where the element of an index begins.
    #[inline]
    pub(super) fn start_at(&self, index: usize) -> usize {
        self.run().start_at(index, self.count())
    }

    /// A part of the run, to be written.
    #[inline]
    pub(super) fn part_mut(&mut self, at: usize, len: usize) -> &mut [u8] {
        let at = self.start as usize + at;
        &mut self.buffer[at..at + len]
    }

    /// Takes bytes out of the run and makes place for others, which are the caller's to write; `added` elements more
    /// than before (fewer, if negative) are there then. Its room ends at `bytes_max`, unless it holds more.
    #[inline]
    pub(super) fn splice(&mut self, splice: Splice, added: isize, bytes_max: usize, room: Room) {
        let (before, after) = (self.len(), splice.apply_len(self.len()));
        self.count = (self.count as isize + added) as u32;
        let (start, end) = (self.start as usize, self.end as usize);
        let capacity = self.buffer.len();
        if after > capacity || room.is_exceeded(after, capacity) {
            self.move_to_another(splice, bytes_max, room);
        } else if splice.at == 0 && start + splice.remove >= splice.insert {
            self.start = (start + splice.remove - splice.insert) as u32;
        } else if start + after <= capacity {
            let behind = start + splice.at + splice.remove..end;
            self.buffer.copy_within(behind, start + splice.at + splice.insert);
            self.end = (start + after) as u32;
        } else {
            // The room is on the other side: half of it comes over.
            let to = (capacity - after) / 2;
            let tail = splice.at + splice.remove;
            self.buffer.copy_within(start..end, 0);
            self.buffer.copy_within(tail..before, to + splice.at + splice.insert);
            self.buffer.copy_within(0..splice.at, to);
            (self.start, self.end) = (to as u32, (to + after) as u32);
        }
    }

    /// The same into a new buffer.
    #[cold]
    fn move_to_another(&mut self, splice: Splice, bytes_max: usize, room: Room) {
        let (before, after) = (self.len(), splice.apply_len(self.len()));
        let room = match before {
            // The first element is often the only one: it has its exact place.
            0 => 0,
            _ if after > before => room.to_grow(after),
            _ => Room::Little.to_grow(after),
        };
        let capacity = (after + room).min(bytes_max).max(after);
        let start = if splice.at == 0 { capacity - after } else { 0 };
        let run = self.run().0;
        let mut buffer = Vec::with_capacity(capacity);
        buffer.resize(start, 0);
        buffer.extend_from_slice(&run[..splice.at]);
        buffer.resize(start + splice.at + splice.insert, 0);
        buffer.extend_from_slice(&run[splice.at + splice.remove..]);
        buffer.resize(capacity, 0);
        self.buffer = buffer.into_boxed_slice();
        (self.start, self.end) = (start as u32, (start + after) as u32);
    }

    /// Gives back the room beside the elements.
    pub(super) fn seal(&mut self) {
        if self.len() < self.buffer.len() {
            self.buffer = self.run().0.into();
            (self.start, self.end) = (0, self.buffer.len() as u32);
        }
    }
}
