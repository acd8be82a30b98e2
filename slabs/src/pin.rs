#![allow(unsafe_code)]
//! Pins: values that stay readable where they are, whatever happens to their items.
//!
//! A pinned chunk has a bit in its header; how many pins it has stands here. When the last is dropped the chunk is
//! noted, and the store takes the bit away (and frees the chunk, if its item is gone) the next time it is asked
//! for something. A store that is dropped first leaves its arena to the pins.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

use crate::arena::Range;
use crate::large;
use crate::page::Handle;

#[derive(Default)]
struct Table {
    counts: RefCell<HashMap<Handle, Count>>,
    /// Chunks whose last pin was dropped.
    released: RefCell<Vec<Handle>>,
    any_released: Cell<bool>,
    /// The store is gone: what it could not free is freed here.
    closed: Cell<bool>,
}

struct Count {
    pins: u32,
    blob: Option<*mut u8>,
}

/// The store's side: which chunks are pinned.
#[derive(Default)]
pub(crate) struct Pins {
    table: Rc<Table>,
}

impl Pins {
    /// One pin more on the chunk, whose value is `value` (in `blob`, if large).
    pub(crate) fn pin(&self, handle: Handle, value: &[u8], blob: Option<*mut u8>, arena: &Rc<Range>) -> Pin {
        let mut counts = self.table.counts.borrow_mut();
        counts.entry(handle).or_insert(Count { pins: 0, blob }).pins += 1;
        Pin {
            value: std::ptr::from_ref(value),
            handle,
            table: Rc::clone(&self.table),
            _arena: Rc::clone(arena),
        }
    }

    /// Whether any last pin was dropped since `take_released`.
    #[inline]
    pub(crate) fn any_released(&self) -> bool {
        self.table.any_released.get()
    }

    /// A chunk that is not pinned any more.
    pub(crate) fn take_released(&self) -> Option<Handle> {
        loop {
            let Some(handle) = self.table.released.borrow_mut().pop() else {
                self.table.any_released.set(false);
                return None;
            };
            if !self.table.counts.borrow().contains_key(&handle) {
                return Some(handle);
            }
        }
    }

    /// Whether pins hold this chunk now.
    pub(crate) fn is_pinned(&self, handle: Handle) -> bool {
        self.table.counts.borrow().contains_key(&handle)
    }

    /// Bytes of the table, about.
    pub(crate) fn table_bytes(&self) -> u64 {
        let counts = self.table.counts.borrow().capacity() * (size_of::<(Handle, Count)>() + 1);
        (counts + self.table.released.borrow().capacity() * size_of::<Handle>()) as u64
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        self.table.closed.set(true);
    }
}

/// A value that stays where it is until the pin is dropped, though its item be overwritten, evicted or deleted, or
/// the store be shrunk or dropped. Stays on its thread.
pub struct Pin {
    value: *const [u8],
    handle: Handle,
    table: Rc<Table>,
    _arena: Rc<Range>,
}

impl Deref for Pin {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the chunk's PINNED bit keeps the store from writing, moving or freeing the value; the arena
        // stays mapped as long as `_arena` lives, and a blob until its last pin is dropped.
        unsafe { &*self.value }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut counts = self.table.counts.borrow_mut();
        let Some(count) = counts.get_mut(&self.handle) else { return };
        count.pins -= 1;
        if count.pins > 0 {
            return;
        }
        let blob = count.blob;
        counts.remove(&self.handle);
        if !self.table.closed.get() {
            self.table.released.borrow_mut().push(self.handle);
            self.table.any_released.set(true);
        } else if let Some(blob) = blob {
            large::give_back(blob);
        }
    }
}
