//! Pages between classes because somebody says so, and not because it pays.

use super::Store;
use crate::class::ClassId;

/// Evictions and copies that one reassignment does at most: as many as the chunks of a few pages.
const STEPS_MAX: u32 = 1 << 14;

/// Why no page went from a class to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReassigned {
    /// There is no such class, or it has no pages at all: large values are pieces of memory of their own.
    NoSuchClass,
    /// The class keeps its last page, and nothing is spare.
    NoneToSpare,
    /// What lies in its pages may not be evicted, or is being read.
    Stuck,
}

impl Store {
    /// Whether pages move between classes when that saves misses (they do at first). A class that has nothing left to
    /// evict gets a page all the same.
    pub fn set_page_moves(&mut self, on: bool) {
        self.evictor.pages_stay = !on;
    }

    /// Moves a page from a class to another, both by their places in [`classes`](Store::classes). `None` is memory of no
    /// class: pages that are spare, or that go back to the kernel. The items of the page are copied to others of
    /// their class while there is room, which is made by evicting from the class in its own order.
    ///
    /// # Errors
    /// Why nothing was moved. Items may have been evicted on the way.
    pub fn reassign(
        &mut self,
        from: Option<usize>,
        to: Option<usize>,
        now_ms: u64,
    ) -> Result<(), NotReassigned> {
        self.unpin_released();
        let descriptor = usize::from(self.pages.classes().descriptor());
        if from.max(to).is_some_and(|class| class > descriptor) {
            return Err(NotReassigned::NoSuchClass);
        }
        match from {
            None if !self.pages.has_spare() => return Err(NotReassigned::NoneToSpare),
            None => {}
            Some(class) if self.pages.of_class(class as ClassId).len() < 2 => {
                return Err(NotReassigned::NoneToSpare);
            }
            Some(class) => self.empty_a_page(class as ClassId, now_ms)?,
        }
        match to {
            Some(class) if self.pages.add_page(class as ClassId) => self.note_move(class as ClassId),
            _ => {
                self.pages.release_spare();
            }
        }
        self.count_tables();
        Ok(())
    }

    /// Makes a page of a class spare. One that was spare before is not taken for it.
    fn empty_a_page(&mut self, class: ClassId, now_ms: u64) -> Result<(), NotReassigned> {
        let before = self.pages.of_class(class).len();
        // What draining looks for is that anything is spare.
        while self.pages.release_spare() {}
        self.evictor.order(&self.pages, self.index.count());
        self.drain(class, STEPS_MAX, now_ms);
        if self.pages.of_class(class).len() < before { Ok(()) } else { Err(NotReassigned::Stuck) }
    }
}
