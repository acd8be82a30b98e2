//! Elements of a table, or members of a sorted set, that are too long to lie among others: a block each, named by a
//! number.

use super::block_bytes;
use crate::data::copying::Effort;
use crate::data::packed::{Element, Packed};

/// The blocks.
#[derive(Clone, Debug, Default)]
pub(in crate::data) struct Long {
    /// Empty where a number is free.
    blocks: Vec<Box<[u8]>>,
    free: Vec<u32>,
    block_bytes: usize,
}

impl Long {
    /// Keeps a string; gives what stands for it.
    pub(in crate::data) fn put(&mut self, text: &[u8]) -> Packed<'static> {
        self.block_bytes += block_bytes(text.len());
        let number = match self.free.pop() {
            Some(number) => {
                self.blocks[number as usize] = text.into();
                number
            }
            None => {
                if self.blocks.len() == self.blocks.capacity() {
                    self.blocks.reserve_exact((self.blocks.len() / 8).max(4));
                }
                self.blocks.push(text.into());
                (self.blocks.len() - 1) as u32
            }
        };
        Packed::elsewhere(number)
    }

    /// The string that an element stands for, if it is kept here.
    #[inline]
    pub(in crate::data) fn get(&self, element: Element<'_>) -> Option<&[u8]> {
        match element {
            Element::Elsewhere(number) => Some(&self.blocks[number as usize]),
            _ => None,
        }
    }

    /// Lets a string go.
    pub(in crate::data) fn free(&mut self, number: u32) {
        let gone = std::mem::take(&mut self.blocks[number as usize]);
        self.block_bytes -= block_bytes(gone.len());
        self.free.push(number);
        if self.free.len() == self.blocks.len() {
            *self = Long::default();
        }
    }

    /// Lets up to so many strings go, whatever stands for them. How many went.
    pub(in crate::data) fn shed(&mut self, most: usize) -> usize {
        let kept = self.blocks.len().saturating_sub(most);
        let went = self.blocks.len() - kept;
        for gone in self.blocks.drain(kept..) {
            self.block_bytes -= block_bytes(gone.len());
        }
        went
    }

    /// What is to become a copy.
    pub(in crate::data) fn begin_copy(&self) -> Long {
        let (blocks, free) = (Vec::with_capacity(self.blocks.len()), Vec::with_capacity(self.free.len()));
        Long { blocks, free, block_bytes: 0 }
    }

    /// Makes more of a copy. True: all of it is there.
    pub(in crate::data) fn copy_on(&mut self, of: &Long, effort: &mut Effort) -> bool {
        let Long { blocks, free, block_bytes: counted } = self;
        effort.go_on_plainly(free, &of.free)
            && effort.go_on(blocks, &of.blocks, |block| {
                *counted += block_bytes(block.len());
                (block.clone(), block.len())
            })
    }

    /// Memory that it takes.
    #[inline]
    pub(in crate::data) fn bytes(&self) -> usize {
        self.block_bytes
            + block_bytes(self.blocks.capacity() * size_of::<Box<[u8]>>())
            + block_bytes(self.free.capacity() * size_of::<u32>())
    }
}
