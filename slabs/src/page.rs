#![allow(unsafe_code)]
//! Pages of the arena and the chunks in them: who has which, and what is free.
//!
//! A page belongs to one class at a time, or is spare (committed, of no class), or vacant (given back to the
//! kernel). Free chunks are linked within their page through their own bytes; pages with room are linked per class.
//! What the items are worth, and which has to go, is not known here.

use std::rc::Rc;

use crate::arena::Range;
use crate::class::{ClassId, Classes};
use crate::item::{Item, Raw};

/// A chunk: its offset in the arena, in units of 4 to 16 bytes.
pub(crate) type Handle = u32;
/// Number of a page.
pub(crate) type PageId = u32;
/// No page, or no handle.
pub(crate) const NONE: u32 = u32::MAX;

/// Up to here handles count 4 bytes, so that chunks waste the least; twice as many bytes for twice the arena.
pub(crate) const ARENA_BYTES_FINE: u64 = 16 << 30;

fn unit_bits_for(reserve_bytes: u64) -> u32 {
    if reserve_bytes <= ARENA_BYTES_FINE {
        2
    } else if reserve_bytes <= 2 * ARENA_BYTES_FINE {
        3
    } else {
        4
    }
}

/// The bits of `base_and_bits` that are not the base's.
const UNIT_BITS_MASK: usize = 0x3f;
const NO_UNIT: u16 = u16::MAX;
/// The class of a page that has none.
const CLASSLESS: ClassId = ClassId::MAX;
/// An arena cannot be larger: 32-bit handles that count 16 bytes end here.
pub(crate) const ARENA_BYTES_MAX: u64 = 64 << 30;
/// What a cache line has on nearly every CPU.
const LINE_BYTES: usize = 64;
/// What `prefetch` asks for.
const PREFETCH_BYTES: usize = 2 * LINE_BYTES;
/// Of a longer value the CPU's own prefetcher has understood by here where it goes on.
const PREFETCH_BYTES_MAX: usize = 8 * LINE_BYTES;
/// Spare pages that are kept for the next class that grows, at least; beyond it a share of the pages held.
const SPARE_PAGES_MIN: usize = 16;
const SPARE_SHARE: usize = 32;

struct Page {
    class: ClassId,
    /// Chunks in use (orphans included).
    used: u16,
    /// Chunks that were ever used since the page joined its class: those behind have no contents.
    fresh: u16,
    /// First free chunk before `fresh`, in units from the page's start.
    free: u16,
    /// Items with an expiry.
    volatile: u16,
    /// Place in its class's list.
    position: u32,
    /// Neighbours in the list of pages with room.
    room_before: u32,
    room_after: u32,
    /// Chunks that become free are not handed out: the page is being emptied.
    sealed: bool,
}

struct ClassPages {
    pages: Vec<PageId>,
    /// First page with room.
    room: PageId,
    used: u64,
    requested_bytes: u64,
}

/// All pages of a store.
pub(crate) struct Pages {
    range: Rc<Range>,
    /// The arena's first byte, which lies on a huge page, plus `unit_bits`: every lookup wants both.
    base_and_bits: *mut u8,
    page_bits: u32,
    /// log2 of the bytes that a handle counts.
    unit_bits: u32,
    classes: Classes,
    records: Vec<Page>,
    /// No item of the page dies earlier.
    due_ms: Vec<u64>,
    by_class: Vec<ClassPages>,
    spare: Vec<PageId>,
    vacant: Vec<PageId>,
    held: u64,
    pages_max: u32,
}

impl Pages {
    /// An arena that can grow to `reserve_bytes`. The error is an errno.
    pub(crate) fn new(page_bytes: usize, reserve_bytes: u64, huge_pages: bool) -> Result<Pages, i32> {
        let page_bits = page_bytes.ilog2();
        let unit_bits = unit_bits_for(reserve_bytes);
        let classes = Classes::new(page_bytes, 1 << unit_bits);
        let pages_max = (reserve_bytes.min(ARENA_BYTES_MAX) >> page_bits) as u32;
        let range = Range::reserve((pages_max as usize) << page_bits, huge_pages)?;
        let by_class = (0..=classes.descriptor())
            .map(|_| ClassPages { pages: Vec::new(), room: NONE, used: 0, requested_bytes: 0 })
            .collect();
        Ok(Pages {
            base_and_bits: range.base().wrapping_add(unit_bits as usize),
            range: Rc::new(range),
            page_bits,
            unit_bits,
            classes,
            records: Vec::new(),
            due_ms: Vec::new(),
            by_class,
            spare: Vec::new(),
            vacant: Vec::new(),
            held: 0,
            pages_max,
        })
    }

    // -- facts

    pub(crate) fn classes(&self) -> &Classes {
        &self.classes
    }

    pub(crate) fn range(&self) -> &Rc<Range> {
        &self.range
    }

    /// Bytes of a page.
    pub(crate) fn page_bytes(&self) -> u64 {
        1 << self.page_bits
    }

    /// Bytes of all pages that belong to a class or are spare.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held << self.page_bits
    }

    /// Bytes of the records.
    pub(crate) fn table_bytes(&self) -> u64 {
        let lists: usize = self.by_class.iter().map(|class| class.pages.capacity() * 4).sum();
        (self.records.capacity() * size_of::<Page>()
            + self.due_ms.capacity() * 8
            + (self.spare.capacity() + self.vacant.capacity()) * 4
            + lists) as u64
    }

    /// Pages that were ever used; their numbers are below this.
    pub(crate) fn page_count(&self) -> u32 {
        self.records.len() as u32
    }

    /// Whether a page without a class is at hand.
    pub(crate) fn has_spare(&self) -> bool {
        !self.spare.is_empty()
    }

    /// How many pages are without a class.
    pub(crate) fn spare_count(&self) -> u64 {
        self.spare.len() as u64
    }

    /// The pages of a class with chunks, in no particular order.
    pub(crate) fn of_class(&self, class: ClassId) -> &[PageId] {
        &self.by_class[usize::from(class)].pages
    }

    /// Chunks of a class that hold something.
    pub(crate) fn chunks_used(&self, class: ClassId) -> u64 {
        self.by_class[usize::from(class)].used
    }

    /// Bytes that the items of a class asked for.
    pub(crate) fn requested_bytes(&self, class: ClassId) -> u64 {
        self.by_class[usize::from(class)].requested_bytes
    }

    /// The class of a page; `None` if it is spare or vacant.
    pub(crate) fn class_of_page(&self, page: PageId) -> Option<ClassId> {
        let class = self.records[page as usize].class;
        (class != CLASSLESS).then_some(class)
    }

    /// Chunks of a page that hold something, orphans included.
    pub(crate) fn used_in(&self, page: PageId) -> u32 {
        u32::from(self.records[page as usize].used)
    }

    /// Items of a page that have an expiry.
    pub(crate) fn volatile_in(&self, page: PageId) -> u32 {
        u32::from(self.records[page as usize].volatile)
    }

    /// Slots of a page that ever held something: only these may be looked at.
    pub(crate) fn slots_in(&self, page: PageId) -> u32 {
        u32::from(self.records[page as usize].fresh)
    }

    /// No item of the page dies before this; `u64::MAX` if none does.
    #[inline]
    pub(crate) fn due_ms(&self, page: PageId) -> u64 {
        self.due_ms[page as usize]
    }

    // -- handles

    /// The chunk in a slot of a page that has a class.
    #[inline]
    pub(crate) fn handle(&self, page: PageId, slot: u32) -> Handle {
        let chunk_bytes = self.classes.chunk_bytes(self.records[page as usize].class) as u32;
        self.first_unit(page) + ((slot * chunk_bytes) >> self.unit_bits)
    }

    #[inline]
    fn first_unit(&self, page: PageId) -> Handle {
        page << (self.page_bits - self.unit_bits)
    }

    /// The page of a chunk.
    #[inline]
    pub(crate) fn page_of(&self, handle: Handle) -> PageId {
        handle >> (self.page_bits - self.unit_bits)
    }

    /// The slab class of a chunk (that of descriptors for a large value).
    #[inline]
    pub(crate) fn class_of(&self, handle: Handle) -> ClassId {
        self.records[self.page_of(handle) as usize].class
    }

    /// The class that eviction counts an item under: large values by their size.
    pub(crate) fn eviction_class(&self, handle: Handle) -> ClassId {
        let raw = self.raw(handle);
        if raw.is_large() {
            self.classes.of_blob(raw.key_len() + raw.value_len())
        } else {
            self.class_of(handle)
        }
    }

    /// The chunk's contents.
    #[inline]
    pub(crate) fn raw(&self, handle: Handle) -> Raw {
        let bits = self.base_and_bits.addr();
        let offset = (handle as usize).wrapping_shl(bits as u32);
        debug_assert!(offset >> self.page_bits < self.records.len());
        let base = self.base_and_bits.map_addr(|bits| bits & !UNIT_BITS_MASK);
        // SAFETY: handles are made here, for chunks of pages of the arena.
        unsafe { Raw::new(base.add(offset)) }
    }

    /// The live item in a slot, if there is one.
    #[inline]
    pub(crate) fn live(&self, page: PageId, slot: u32) -> Option<(Handle, Raw)> {
        let handle = self.handle(page, slot);
        let raw = self.raw(handle);
        raw.is_live().then_some((handle, raw))
    }

    /// The item as the world sees it.
    #[inline]
    pub(crate) fn item(&self, handle: Handle) -> Item<'_> {
        Item::new(self.raw(handle), &self.classes)
    }

    /// Asks the CPU for the beginning of a chunk: header, key and the start of the value, two cache lines.
    #[inline]
    pub(crate) fn prefetch(&self, handle: Handle) {
        let address = self.raw(handle).address();
        crate::index::prefetch(address);
        crate::index::prefetch(address.wrapping_add(LINE_BYTES));
    }

    /// Asks the CPU for what `prefetch` has not asked for. The CPU goes on by itself where a value is long.
    #[inline]
    pub(crate) fn prefetch_rest(&self, handle: Handle) {
        let raw = self.raw(handle);
        let (from, bytes) = raw.extent();
        let end = bytes.min(PREFETCH_BYTES_MAX);
        let mut at = if from == raw.address() { PREFETCH_BYTES } else { 0 };
        while at < end {
            crate::index::prefetch(from.wrapping_add(at));
            at += LINE_BYTES;
        }
    }

    // -- chunks

    /// A free chunk of a page that the class has. Its contents are arbitrary.
    #[inline]
    pub(crate) fn alloc(&mut self, class: ClassId, requested_bytes: usize) -> Option<Handle> {
        let list = &mut self.by_class[usize::from(class)];
        let page = list.room;
        if page == NONE {
            return None;
        }
        list.used += 1;
        list.requested_bytes += requested_bytes as u64;
        let record = &mut self.records[page as usize];
        record.used += 1;
        let unit = record.free;
        if unit == NO_UNIT {
            let chunk_bytes = self.classes.chunk_bytes(class) as u32;
            let unit = (u32::from(record.fresh) * chunk_bytes) >> self.unit_bits;
            record.fresh += 1;
            if usize::from(record.fresh) == self.classes.chunks_per_page(class) {
                self.unlink_room(page);
            }
            return Some(self.first_unit(page) + unit);
        }
        let handle = self.first_unit(page) + u32::from(unit);
        let next = self.raw(handle).next_free();
        let record = &mut self.records[page as usize];
        record.free = next;
        if next == NO_UNIT && usize::from(record.fresh) == self.classes.chunks_per_page(class) {
            self.unlink_room(page);
        }
        Some(handle)
    }

    /// A free chunk of a class outside of one page.
    pub(crate) fn alloc_outside(
        &mut self,
        class: ClassId,
        requested_bytes: usize,
        avoid: PageId,
    ) -> Option<Handle> {
        if self.by_class[usize::from(class)].room == avoid {
            let other = self.records[avoid as usize].room_after;
            if other == NONE {
                return None;
            }
            // The page to avoid goes behind another one.
            self.unlink_room(other);
            self.link_room(other);
        }
        self.alloc(class, requested_bytes)
    }

    /// Frees a chunk. A page that is empty then becomes spare.
    #[inline]
    pub(crate) fn free(&mut self, handle: Handle, requested_bytes: usize) {
        let page = self.page_of(handle);
        let unit = (handle - self.first_unit(page)) as u16;
        let raw = self.raw(handle);
        debug_assert!(raw.is_live() || raw.is_orphan(), "chunk freed twice");
        let record = &mut self.records[page as usize];
        let class = record.class;
        raw.set_free(record.free);
        let had_room =
            record.free != NO_UNIT || usize::from(record.fresh) < self.classes.chunks_per_page(class);
        let sealed = record.sealed;
        record.free = unit;
        record.used -= 1;
        let empty = record.used == 0;
        let list = &mut self.by_class[usize::from(class)];
        list.used -= 1;
        list.requested_bytes -= requested_bytes as u64;
        if !had_room && !sealed {
            self.link_room(page);
        }
        if empty {
            self.retire(page);
        }
    }

    /// The item in a chunk asks for another number of bytes now.
    pub(crate) fn requested_changed(&mut self, handle: Handle, before: usize, after: usize) {
        let class = self.class_of(handle);
        let list = &mut self.by_class[usize::from(class)];
        list.requested_bytes = list.requested_bytes + after as u64 - before as u64;
    }

    /// An item with this expiry (0: none) came into the page of a chunk.
    #[inline]
    pub(crate) fn expiry_came(&mut self, handle: Handle, expire_at_ms: u64) {
        if expire_at_ms != 0 {
            let page = self.page_of(handle) as usize;
            self.records[page].volatile += 1;
            let due = &mut self.due_ms[page];
            *due = (*due).min(expire_at_ms);
        }
    }

    /// An item with this expiry (0: none) left.
    #[inline]
    pub(crate) fn expiry_left(&mut self, handle: Handle, expire_at_ms: u64) {
        if expire_at_ms != 0 {
            let page = self.page_of(handle) as usize;
            self.records[page].volatile -= 1;
            if self.records[page].volatile == 0 {
                self.due_ms[page] = u64::MAX;
            }
        }
    }

    /// Everything in the page was looked at: nothing in it dies before this.
    pub(crate) fn set_due_ms(&mut self, page: PageId, due_ms: u64) {
        self.due_ms[page as usize] = due_ms;
    }

    // -- pages

    /// Gives a class one page more: a spare one, or a new one. False: the reservation is used up.
    pub(crate) fn add_page(&mut self, class: ClassId) -> bool {
        let Some(page) = self.spare.pop().or_else(|| self.commit()) else { return false };
        let list = &mut self.by_class[usize::from(class)];
        let position = list.pages.len() as u32;
        list.pages.push(page);
        self.due_ms[page as usize] = u64::MAX;
        self.records[page as usize] = Page {
            class,
            used: 0,
            fresh: 0,
            free: NO_UNIT,
            volatile: 0,
            position,
            room_before: NONE,
            room_after: NONE,
            sealed: false,
        };
        self.link_room(page);
        true
    }

    /// A page that is not held: one given back earlier, or the next of the range.
    fn commit(&mut self) -> Option<PageId> {
        let page = match self.vacant.pop() {
            Some(page) => page,
            None => {
                let page = self.page_count();
                if page == self.pages_max {
                    return None;
                }
                self.due_ms.push(u64::MAX);
                self.records.push(Page {
                    class: CLASSLESS,
                    used: 0,
                    fresh: 0,
                    free: NO_UNIT,
                    volatile: 0,
                    position: 0,
                    room_before: NONE,
                    room_after: NONE,
                    sealed: false,
                });
                page
            }
        };
        self.held += 1;
        Some(page)
    }

    /// Hands out no more chunks of a page that has a class, until it was empty or is unsealed.
    pub(crate) fn seal(&mut self, page: PageId) {
        if !self.records[page as usize].sealed {
            if self.has_room(page) {
                self.unlink_room(page);
            }
            self.records[page as usize].sealed = true;
        }
    }

    /// Hands out chunks of a sealed page again.
    pub(crate) fn unseal(&mut self, page: PageId) {
        if std::mem::take(&mut self.records[page as usize].sealed) && self.has_room(page) {
            self.link_room(page);
        }
    }

    fn has_room(&self, page: PageId) -> bool {
        let record = &self.records[page as usize];
        record.free != NO_UNIT || usize::from(record.fresh) < self.classes.chunks_per_page(record.class)
    }

    /// Takes an empty page from its class.
    fn retire(&mut self, page: PageId) {
        if !self.records[page as usize].sealed {
            self.unlink_room(page);
        }
        let record = &mut self.records[page as usize];
        assert!(record.used == 0 && record.volatile == 0, "page retired with items in it");
        let (class, position) = (record.class, record.position as usize);
        record.class = CLASSLESS;
        record.fresh = 0;
        record.sealed = false;
        self.due_ms[page as usize] = u64::MAX;
        let list = &mut self.by_class[usize::from(class)].pages;
        list.swap_remove(position);
        if let Some(&moved) = list.get(position) {
            self.records[moved as usize].position = position as u32;
        }
        self.spare.push(page);
    }

    /// Whether more pages are spare than the next classes to grow will want.
    pub(crate) fn has_many_spare(&self) -> bool {
        self.spare.len() > SPARE_PAGES_MIN + self.held as usize / SPARE_SHARE
    }

    /// Gives one spare page back to the kernel. False: there is none.
    pub(crate) fn release_spare(&mut self) -> bool {
        let Some(page) = self.spare.pop() else { return false };
        self.range.release((page as usize) << self.page_bits, 1 << self.page_bits);
        self.vacant.push(page);
        self.held -= 1;
        true
    }

    /// Gives the memory of a page back while everything is taken down: nothing else of the page is kept right.
    pub(crate) fn forget(&mut self, page: PageId) {
        self.range.release((page as usize) << self.page_bits, 1 << self.page_bits);
    }

    fn link_room(&mut self, page: PageId) {
        let list = &mut self.by_class[usize::from(self.records[page as usize].class)];
        let after = std::mem::replace(&mut list.room, page);
        let record = &mut self.records[page as usize];
        (record.room_before, record.room_after) = (NONE, after);
        if after != NONE {
            self.records[after as usize].room_before = page;
        }
    }

    fn unlink_room(&mut self, page: PageId) {
        let record = &self.records[page as usize];
        let (class, before, after) = (record.class, record.room_before, record.room_after);
        match before {
            NONE => self.by_class[usize::from(class)].room = after,
            before => self.records[before as usize].room_after = after,
        }
        if after != NONE {
            self.records[after as usize].room_before = before;
        }
    }
}
