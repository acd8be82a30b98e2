//! The structures of grown collections of one shard. An item holds the number of its structure and how much memory
//! that takes; what becomes of a structure when its item goes is decided here.
//!
//! A structure is shared by reference between the shard and whoever was given it to read, on this core or another
//! (a command over several sets, a `RENAME` to another shard). Nobody changes one that is shared: [`Heap::get_mut`]
//! makes a copy first. Structures that have no item left wait in a line and are taken apart in slices.

use crate::data::copying::Effort;
use crate::data::list::List;
use crate::data::sorted::Sorted;
use crate::data::table::{Table, block_bytes};
use std::collections::VecDeque;
use std::sync::Arc;

/// A grown collection.
#[derive(Clone)]
pub enum Structure {
    /// A hash or a set.
    Table(Table),
    /// A list.
    List(List),
    /// A sorted set.
    Sorted(Box<Sorted>),
}

impl Structure {
    /// All memory that it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Structure::Table(table) => table.bytes(),
            Structure::List(list) => list.bytes(),
            // The counts of the shared pointer, as the others count theirs.
            Structure::Sorted(sorted) => sorted.bytes() + block_bytes(size_of::<Structure>() + 16),
        }
    }

    /// Frees up to so many blocks. True: nothing is left.
    fn shed(&mut self, blocks_max: usize) -> bool {
        match self {
            Structure::Table(table) => table.shed(blocks_max),
            Structure::List(list) => list.shed(blocks_max),
            Structure::Sorted(sorted) => sorted.shed(blocks_max),
        }
    }

    /// What is to become a copy.
    pub(super) fn begin_copy(&self) -> Structure {
        match self {
            Structure::Table(table) => Structure::Table(table.begin_copy()),
            Structure::List(list) => Structure::List(list.begin_copy()),
            Structure::Sorted(sorted) => Structure::Sorted(Box::new(sorted.begin_copy())),
        }
    }

    /// Makes more of a copy. True: all of it is there.
    pub(super) fn copy_on(&mut self, of: &Structure, effort: &mut Effort) -> bool {
        match (self, of) {
            (Structure::Table(table), Structure::Table(of)) => table.copy_on(of, effort),
            (Structure::List(list), Structure::List(of)) => list.copy_on(of, effort),
            (Structure::Sorted(sorted), Structure::Sorted(of)) => sorted.copy_on(of, effort),
            _ => unreachable!("a copy is of the kind of what is copied"),
        }
    }

    /// The hash or set that it is.
    ///
    /// # Panics
    ///
    /// If it is none: the item's kind says what it is.
    #[inline]
    pub fn table(&self) -> &Table {
        match self {
            Structure::Table(table) => table,
            Structure::List(_) | Structure::Sorted(_) => panic!("{NO_TABLE}"),
        }
    }

    /// The same, to be changed.
    #[inline]
    pub fn table_mut(&mut self) -> &mut Table {
        match self {
            Structure::Table(table) => table,
            Structure::List(_) | Structure::Sorted(_) => panic!("{NO_TABLE}"),
        }
    }

    /// The list that it is. Panics as `table` does.
    #[inline]
    pub fn list(&self) -> &List {
        match self {
            Structure::List(list) => list,
            Structure::Table(_) | Structure::Sorted(_) => panic!("{NO_LIST}"),
        }
    }

    /// The same, to be changed.
    #[inline]
    pub fn list_mut(&mut self) -> &mut List {
        match self {
            Structure::List(list) => list,
            Structure::Table(_) | Structure::Sorted(_) => panic!("{NO_LIST}"),
        }
    }

    /// The sorted set that it is. Panics as `table` does.
    #[inline]
    pub fn sorted(&self) -> &Sorted {
        match self {
            Structure::Sorted(sorted) => sorted,
            Structure::Table(_) | Structure::List(_) => panic!("{NO_SORTED}"),
        }
    }

    /// The same, to be changed.
    #[inline]
    pub fn sorted_mut(&mut self) -> &mut Sorted {
        match self {
            Structure::Sorted(sorted) => sorted,
            Structure::Table(_) | Structure::List(_) => panic!("{NO_SORTED}"),
        }
    }
}

const NO_TABLE: &str = "the item of a hash or a set has a table";
const NO_LIST: &str = "the item of a list has a list";
const NO_SORTED: &str = "the item of a sorted set has a tree";

impl std::fmt::Debug for Structure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Structure({} bytes)", self.bytes())
    }
}

impl PartialEq for Structure {
    fn eq(&self, other: &Structure) -> bool {
        std::ptr::eq(self, other)
    }
}

/// The structures of a shard.
#[derive(Default)]
pub struct Heap {
    slots: Vec<Option<Arc<Structure>>>,
    free: Vec<u32>,
    /// What no item has any more.
    leaving: VecDeque<Structure>,
    leaving_bytes: usize,
}

impl Heap {
    /// Takes a structure in; gives its number.
    pub fn insert(&mut self, structure: Arc<Structure>) -> u64 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[slot as usize] = Some(structure);
        u64::from(slot)
    }

    /// The structure of a number.
    #[inline]
    pub fn get(&self, handle: u64) -> &Arc<Structure> {
        self.slots[handle as usize].as_ref().expect("an item's structure is there")
    }

    /// The structure to be changed: a copy of its own if others read it.
    #[inline]
    pub fn get_mut(&mut self, handle: u64) -> &mut Structure {
        Arc::make_mut(self.slots[handle as usize].as_mut().expect("an item's structure is there"))
    }

    /// The item of that number has gone. The bytes that are free at once, because others keep the structure.
    pub fn release(&mut self, handle: u64) -> usize {
        let structure = self.slots[handle as usize].take().expect("an item's structure is there");
        self.free.push(handle as u32);
        let bytes = structure.bytes();
        match Arc::into_inner(structure) {
            Some(structure) => {
                self.leaving.push_back(structure);
                self.leaving_bytes += bytes;
                0
            }
            None => bytes,
        }
    }

    /// A part that a structure has given up, to be freed in slices.
    pub fn leave(&mut self, part: Structure) {
        self.leaving_bytes += part.bytes();
        self.leaving.push_back(part);
    }

    /// Frees up to so many blocks of what has no item, fewer if they are large. The bytes that this freed.
    pub fn shed(&mut self, blocks_max: usize) -> usize {
        let (mut freed, mut left, mut part) = (0, blocks_max, 1);
        // A structure costs a block even if it has none, so the loop ends.
        while left > 0
            && let Some(structure) = self.leaving.front_mut()
        {
            part = left.min(part);
            let before = structure.bytes();
            let went = if structure.shed(part) {
                self.leaving.pop_front();
                before
            } else {
                before - structure.bytes()
            };
            freed += went;
            left = left.saturating_sub(part.max(went / BYTES_PER_BLOCK));
            // One by one where they are large: the next may be larger still.
            part = if went > part * BYTES_PER_BLOCK { 1 } else { (2 * part).min(SHED_BLOCKS) };
        }
        self.leaving_bytes -= freed;
        freed
    }

    /// Memory of what waits to be taken apart.
    #[inline]
    pub fn leaving_bytes(&self) -> usize {
        self.leaving_bytes
    }

    /// Something waits to be taken apart.
    #[inline]
    pub fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Memory of all structures, counted anew, for tests. The error: what waits is not counted right.
    pub fn recount(&self) -> Result<usize, String> {
        let leaving: usize = self.leaving.iter().map(Structure::bytes).sum();
        if leaving != self.leaving_bytes {
            return Err(format!("{} bytes of {leaving} are counted to wait", self.leaving_bytes));
        }
        Ok(leaving + self.slots.iter().flatten().map(|structure| structure.bytes()).sum::<usize>())
    }

    /// Memory of the lists of structures themselves.
    pub fn own_bytes(&self) -> usize {
        block_bytes(self.slots.capacity() * size_of::<Option<Arc<Structure>>>())
            + block_bytes(self.free.capacity() * size_of::<u32>())
            + block_bytes(self.leaving.capacity() * size_of::<Structure>())
    }
}

/// Blocks of one structure that are freed before its size is looked at again, at most.
const SHED_BLOCKS: usize = 16;

/// Freeing so many bytes costs as much again as freeing a block: the kernel takes pages back one by one.
const BYTES_PER_BLOCK: usize = 4096;
