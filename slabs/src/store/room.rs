//! Where chunks and blobs come from and go to, and how the budget is kept.

use super::{Gone, Store, Way, hash_of};
use crate::class::ClassId;
use crate::hash::Key;
use crate::index::Slot;
use crate::item::{Raw, layout_of, payload_offset};
use crate::large::{self, Lent};
use crate::meta::{Meta, Refused};
use crate::page::{Handle, NONE, PageId};
use crate::{BuildError, Policy};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// The index lies on huge pages from this budget on. The ledger counts what of it is used, and each of its two ranges
/// may hold nearly a huge page more: too much beside a small budget, whose index the CPU's caches hold anyway.
pub(crate) const HUGE_INDEX_BUDGET_BYTES_MIN: u64 = 256 << 20;

/// The smallest budget of a store: an index, and a page for some classes.
pub(crate) const BUDGET_BYTES_MIN: u64 = 512 << 10;
/// Steps of eviction that one write does for memory that is over the budget, or for a large value to come.
const SHED_STEPS: u32 = 4;
const SHED_STEPS_LARGE: u32 = 64;

/// The page size for a budget: small, so that every class can have many.
pub(crate) fn page_bytes_for(budget_bytes: u64) -> usize {
    match budget_bytes >> 20 {
        0..8 => 8 << 10,
        8..64 => 16 << 10,
        64..512 => 32 << 10,
        _ => 64 << 10,
    }
}

/// The machine's memory, to reserve addresses for.
#[allow(unsafe_code)]
pub(crate) fn machine_bytes() -> u64 {
    // SAFETY: sysconf only reads.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    u64::try_from(pages).unwrap_or(0) * crate::arena::OS_PAGE_BYTES as u64
}

impl Store {
    /// All bytes that count, as `Ledger::total`.
    #[inline]
    pub(crate) fn total_bytes(&self) -> u64 {
        self.pages.held_bytes()
            + self.index.bytes()
            + self.large_bytes
            + self.evictor.order_bytes()
            + self.evictor.ghost_bytes()
            + self.table_bytes
            + self.heap_bytes
    }

    /// Bytes that eviction cannot wait to see go: without what the caller frees anyway.
    #[inline]
    fn is_over(&self, more_bytes: u64) -> bool {
        self.total_bytes() - self.heap_leaving_bytes.min(self.heap_bytes) + more_bytes > self.budget_bytes
    }

    /// Counts the records of pages and pins anew.
    pub(crate) fn count_tables(&mut self) {
        self.table_bytes =
            self.pages.table_bytes() + self.pins.table_bytes() + size_of::<Store>() as u64 + 4096;
    }

    // -- chunks

    /// A free chunk of a class, evicting for it if need be.
    #[inline]
    pub(crate) fn take_chunk(
        &mut self,
        class: ClassId,
        item_bytes: usize,
        now_ms: u64,
    ) -> Result<Handle, Refused> {
        self.unpin_released();
        let mut debt_steps = SHED_STEPS;
        while self.is_over(0) && debt_steps > 0 {
            if !self.index.release_unused() && !self.shed(now_ms) && !self.compact() {
                self.counters.refused += 1;
                return Err(Refused::NoMemory);
            }
            debt_steps -= 1;
        }
        loop {
            if let Some(handle) = self.pages.alloc(class, item_bytes) {
                return Ok(handle);
            }
            let page_bytes = if self.pages.has_spare() { 0 } else { self.pages.page_bytes() };
            if !self.is_over(page_bytes) && self.pages.add_page(class) {
                self.count_tables();
            } else if !self.make_room(class, now_ms) && !self.compact() {
                self.counters.refused += 1;
                return Err(Refused::NoMemory);
            }
        }
    }

    /// Frees the chunk of an item that left the index, or leaves it to the pins.
    pub(crate) fn give_chunk(&mut self, handle: Handle) {
        let raw = self.pages.raw(handle);
        if raw.is_pinned() {
            raw.orphan();
            return;
        }
        if raw.is_large() {
            self.give_blob(raw.blob());
        }
        self.pages.free(handle, raw.chunk_bytes_used());
    }

    /// Takes the pinned bit from chunks whose last pin was dropped, and frees them if their items are gone.
    #[inline]
    pub(crate) fn unpin_released(&mut self) {
        if !self.pins.any_released() {
            return;
        }
        while let Some(handle) = self.pins.take_released() {
            let raw = self.pages.raw(handle);
            raw.set_pinned(false);
            if raw.is_orphan() {
                self.give_chunk(handle);
            }
        }
        self.count_tables();
    }

    // -- blobs

    /// A blob of this size. The ledger may be over the budget by it afterwards (later writes evict for it), unless
    /// nothing may be evicted.
    pub(crate) fn take_blob(&mut self, bytes: usize, now_ms: u64) -> Result<*mut u8, Refused> {
        let charge = large::charged_bytes_ahead(bytes);
        if charge > self.budget_bytes {
            return Err(Refused::ValueTooLarge);
        }
        self.make_room_for(charge, now_ms)?;
        let Some(blob) = large::take(bytes) else {
            self.counters.refused += 1;
            return Err(Refused::NoMemory);
        };
        self.large_bytes += large::charged_bytes(blob);
        Ok(blob)
    }

    /// Makes the blob of an item longer or shorter where it is, or moves it, which the allocator does by mapping if
    /// it is large. The item must be neither pinned nor lent nor evicted for its own sake.
    pub(crate) fn resize_blob(&mut self, handle: Handle, bytes: usize, now_ms: u64) -> Result<(), Refused> {
        let raw = self.pages.raw(handle);
        let before = large::charged_bytes(raw.blob());
        let charge = large::charged_bytes_ahead(bytes);
        if charge > self.budget_bytes {
            return Err(Refused::ValueTooLarge);
        }
        raw.set_pinned(true);
        let room = self.make_room_for(charge.saturating_sub(before), now_ms);
        raw.set_pinned(false);
        room?;
        let Some(blob) = large::resize(raw.blob(), bytes) else {
            self.counters.refused += 1;
            return Err(Refused::NoMemory);
        };
        self.large_bytes = self.large_bytes + large::charged_bytes(blob) - before;
        raw.set_blob(blob);
        Ok(())
    }

    /// A descriptor of an item whose key and value lie in a blob that others have filled.
    pub(crate) fn adopt_blob(
        &mut self,
        key: &Key,
        block: &Lent,
        key_at: usize,
        value: &Range<usize>,
        meta: &Meta,
        now_ms: u64,
    ) -> Result<Handle, Refused> {
        let charge = block.charged_bytes();
        if charge > self.budget_bytes {
            return Err(Refused::ValueTooLarge);
        }
        self.make_room_for(charge, now_ms)?;
        let class = self.pages.classes().descriptor();
        let handle = self.take_chunk(class, payload_offset(layout_of(meta, true)), now_ms)?;
        std::mem::forget(block.clone());
        self.large_bytes += charge;
        let (key_at, value_at) = (block.start() + key_at, block.start() + value.start);
        let raw = self.pages.raw(handle);
        raw.lay_out_adopted(key.db, key.bytes.len(), meta, block.blob(), key_at, value_at, value.len());
        Ok(handle)
    }

    /// Sheds memory until the ledger is within the budget, and then some for `charge` bytes to come.
    fn make_room_for(&mut self, charge: u64, now_ms: u64) -> Result<(), Refused> {
        self.unpin_released();
        let mut steps = SHED_STEPS_LARGE;
        while self.is_over(0) || self.is_over(charge) && steps > 0 {
            if !self.index.release_unused() && !self.shed(now_ms) && !self.compact() {
                self.counters.refused += 1;
                return Err(Refused::NoMemory);
            }
            steps = steps.saturating_sub(1);
        }
        Ok(())
    }

    pub(crate) fn give_blob(&mut self, blob: *mut u8) {
        self.large_bytes -= large::charged_bytes(blob);
        large::leave(blob, &self.lent_bytes);
    }

    /// Frees every blob that no pin reads, because the store goes.
    pub(crate) fn free_blobs(&mut self) {
        let descriptor = self.pages.classes().descriptor();
        for &page in self.pages.of_class(descriptor) {
            for slot in 0..self.pages.slots_in(page) {
                let handle = self.pages.handle(page, slot);
                let raw = self.pages.raw(handle);
                if (raw.is_live() || raw.is_orphan()) && !self.pins.is_pinned(handle) {
                    large::give_back(raw.blob());
                }
            }
        }
    }

    // -- items that go

    /// Takes an item out of everything.
    pub(crate) fn drop_item(&mut self, hash: u64, slot: Slot, handle: Handle, gone: Gone) {
        let raw = self.pages.raw(handle);
        if gone != Gone::Replaced {
            self.note_change(hash);
        }
        self.index.remove(hash, slot);
        self.note_heap_leaves(raw, &Meta::default());
        self.evictor.on_remove(&self.pages, handle, gone);
        self.leave(handle);
        self.give_chunk(handle);
        if self.index.wants_shrinking() {
            self.index.join();
        }
    }

    /// Evicts an item (of the evictor's choice), whose hash this is.
    pub(crate) fn evict(&mut self, handle: Handle, hash: u64, now_ms: u64) {
        let Some((slot, _)) = self.index.find(hash, |other| other == handle) else {
            debug_assert!(false, "an item that is not in the index");
            return;
        };
        let raw = self.pages.raw(handle);
        if raw.is_expired(now_ms) {
            self.expire(hash, slot, handle, now_ms);
            return;
        }
        self.counters.evicted += 1;
        self.counters.evicted_unread += u64::from(raw.frequency() == 0);
        if self.witness.looks() {
            self.witness.note(&self.pages, handle);
        }
        if self.witness.is_at_gate() {
            self.witness.note_passage(&self.pages, handle, Way::Evicted);
        }
        let version = self.next_change();
        self.index.stamp(hash, version);
        self.drop_item(hash, slot, handle, Gone::Evicted);
    }

    /// Copies an item to another free chunk of its class, outside of one page. The new handle; `None` if there is
    /// no free chunk elsewhere, or the item is pinned.
    pub(crate) fn move_item(&mut self, handle: Handle) -> Option<Handle> {
        let raw = self.pages.raw(handle);
        if raw.is_pinned() {
            return None;
        }
        let hash = self.hash_of(handle);
        let (slot, _) = self.index.find(hash, |other| other == handle)?;
        let bytes = raw.chunk_bytes_used();
        let avoid = self.pages.page_of(handle);
        let to = self.pages.alloc_outside(self.pages.class_of(handle), bytes, avoid)?;
        raw.copy_to(self.pages.raw(to), bytes);
        self.index.replace(slot, to);
        self.pages.expiry_left(handle, raw.expire_at_ms());
        self.pages.expiry_came(to, raw.expire_at_ms());
        self.evictor.on_move(&self.pages, to, hash);
        self.pages.free(handle, bytes);
        self.counters.rescued += 1;
        Some(to)
    }

    /// Moves the items of a page that is no fuller than others of its class to those, so that it is spare: what helps when
    /// nothing may be evicted. False: no class has a page's worth of free chunks.
    fn compact(&mut self) -> bool {
        for class in 0..=self.pages.classes().descriptor() {
            let pages = self.pages.of_class(class);
            let per_page = self.pages.classes().chunks_per_page(class) as u64;
            if pages.len() as u64 * per_page - self.pages.chunks_used(class) < per_page {
                continue;
            }
            let average = self.pages.chunks_used(class) / pages.len() as u64;
            let sparse = |&page: &PageId| u64::from(self.pages.used_in(page)) <= average;
            if let Some(page) = pages.iter().copied().filter(sparse).find(|&page| !self.is_held(page)) {
                return self.empty_by_moving(page);
            }
        }
        false
    }

    /// Whether pins keep anything in a page.
    pub(super) fn is_held(&self, page: PageId) -> bool {
        (0..self.pages.slots_in(page)).any(|slot| {
            let raw = self.pages.raw(self.pages.handle(page, slot));
            raw.is_orphan() || raw.is_live() && raw.is_pinned()
        })
    }

    fn empty_by_moving(&mut self, page: PageId) -> bool {
        for slot in 0..self.pages.slots_in(page) {
            if self.pages.class_of_page(page).is_none() {
                break;
            }
            if let Some((handle, _)) = self.pages.live(page, slot)
                && self.move_item(handle).is_none()
            {
                return false;
            }
        }
        true
    }

    /// Uncounts an item whose chunk is about to be given up.
    #[inline]
    pub(crate) fn leave(&mut self, handle: Handle) {
        let raw = self.pages.raw(handle);
        let expire_at_ms = raw.expire_at_ms();
        self.pages.expiry_left(handle, expire_at_ms);
        self.counts_changed = true;
        let counts = &mut self.by_db[usize::from(raw.db())];
        counts.items -= 1;
        counts.volatile -= u64::from(expire_at_ms != 0);
    }

    /// If the item's value is a heap handle and the new metadata's is none, hands the handle out to be dropped.
    #[inline]
    pub(crate) fn note_heap_leaves(&mut self, raw: Raw, new: &Meta) {
        if !raw.is_heap() || new.heap {
            return;
        }
        let value: &[u8] = raw.value();
        if let Some(handle) = value.first_chunk::<8>() {
            self.dropped.push(u64::from_ne_bytes(*handle));
        }
        if let Some(bytes) = value.get(8..16).and_then(|bytes| bytes.first_chunk::<8>()) {
            self.heap_leaving_bytes = self.heap_leaving_bytes.saturating_add(u64::from_ne_bytes(*bytes));
        }
    }

    // -- the index

    /// Lets the index follow the number of items, by at most two buckets.
    #[inline]
    pub(crate) fn grow_index(&mut self) {
        for _ in 0..2 {
            if !self.index.wants_growth() {
                return;
            }
            for handle in self.index.next_to_divide() {
                self.pages.prefetch(handle);
            }
            let (pages, hasher) = (&self.pages, &self.hasher);
            self.index.divide(|handle| hash_of(pages, hasher, handle));
        }
    }

    // -- the budget

    /// Sets the budget; [`settle`](Store::settle) and later writes then evict down to it. Refused above what was
    /// reserved and below the minimum.
    pub fn set_budget(&mut self, bytes: u64) -> Result<(), BuildError> {
        if bytes < BUDGET_BYTES_MIN {
            return Err(BuildError::BudgetTooSmall { minimum_bytes: BUDGET_BYTES_MIN });
        }
        if bytes > self.reserve_bytes {
            return Err(BuildError::BudgetTooLarge { maximum_bytes: self.reserve_bytes });
        }
        self.budget_bytes = bytes;
        self.evictor.set_budget(bytes);
        Ok(())
    }

    /// Evicts in at most `steps` steps of one page or one large value each. True: the ledger is within the budget
    /// (or nothing may be evicted under this policy).
    pub fn settle(&mut self, steps: usize, now_ms: u64) -> bool {
        self.unpin_released();
        for _ in 0..steps {
            if !self.is_over(0) {
                return true;
            }
            if !self.index.release_unused() && !self.shed(now_ms) {
                return self.policy == Policy::NoEviction;
            }
        }
        !self.is_over(0)
    }

    /// Evicts about a page of items or one large value, for a caller that needs room of its own. False: nothing may
    /// be evicted.
    pub fn evict_one(&mut self, now_ms: u64) -> bool {
        self.unpin_released();
        self.shed(now_ms)
    }

    /// Makes room for so many bytes more that the caller is going to charge for the structure of an item, by evicting
    /// others: in a few steps, what is missing then is for later writes to shed. Refused if nothing may be evicted, or
    /// nothing else is left.
    #[inline]
    pub fn make_room_beside(&mut self, key: &Key, bytes: u64, now_ms: u64) -> Result<(), Refused> {
        if self.has_room(bytes) {
            return Ok(());
        }
        self.make_room_beside_slowly(key, bytes, now_ms)
    }

    /// So many bytes more are within the budget, and what they need beside them can be evicted for later.
    #[inline]
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        !self.is_over(bytes) && self.policy != Policy::NoEviction
    }

    #[cold]
    fn make_room_beside_slowly(&mut self, key: &Key, bytes: u64, now_ms: u64) -> Result<(), Refused> {
        self.unpin_released();
        let beside = self.find(key.slot_hash(), key).map(|(_, handle)| self.pages.raw(handle));
        let pinned = beside.is_some_and(|raw| raw.is_pinned());
        if let Some(raw) = beside {
            raw.set_pinned(true);
        }
        // Where nothing can be evicted later, the chunks that the item may need are asked for now.
        let chunks = if self.policy == Policy::NoEviction { self.pages.page_bytes() } else { 0 };
        let mut made = Ok(());
        for _ in 0..SHED_STEPS {
            if !self.is_over(bytes + chunks) {
                break;
            }
            if !self.index.release_unused() && !self.shed(now_ms) && !self.compact() {
                self.counters.refused += 1;
                made = Err(Refused::NoMemory);
                break;
            }
        }
        if let Some(raw) = beside {
            raw.set_pinned(pinned);
        }
        made
    }

    /// Says how many bytes of buffers the caller holds. They are in the ledger and no data is evicted for them: keeping
    /// them few is the caller's business.
    pub fn set_buffer_bytes(&mut self, bytes: u64) {
        self.buffer_bytes = bytes;
    }

    /// Bytes of large values whose items are gone or changed and that are still lent to somebody.
    pub fn lent_bytes(&self) -> u64 {
        self.lent_bytes.load(Ordering::Relaxed)
    }

    /// Counts memory of the caller's collections in the ledger: more, or less if negative.
    #[inline]
    pub fn charge(&mut self, delta: i64) {
        self.heap_bytes = self.heap_bytes.saturating_add_signed(delta);
        if delta < 0 {
            self.heap_leaving_bytes = self.heap_leaving_bytes.saturating_sub(delta.unsigned_abs());
        }
    }

    /// Heap handles of items that left the store (evicted, expired, removed, or replaced by something that is no
    /// heap handle), each once. The caller drops the structures and charges what that frees.
    pub fn take_dropped(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.dropped)
    }

    /// Whether `take_dropped` would return any.
    #[inline]
    pub fn any_dropped(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// Removes everything at once; pinned values stay readable.
    pub fn clear(&mut self) {
        self.unpin_released();
        self.touch_all_watches();
        self.index.clear();
        for page in 0..self.pages.page_count() as PageId {
            self.clear_page(page);
        }
        self.evictor.on_clear();
        while self.pages.release_spare() {}
        self.count_tables();
    }

    fn clear_page(&mut self, page: PageId) {
        if self.pages.class_of_page(page).is_none() {
            return;
        }
        for slot in 0..self.pages.slots_in(page) {
            let Some((handle, raw)) = self.pages.live(page, slot) else { continue };
            debug_assert!(handle != NONE);
            self.note_heap_leaves(raw, &Meta::default());
            self.evictor.on_remove(&self.pages, handle, Gone::Removed);
            self.leave(handle);
            let last = self.pages.used_in(page) == 1;
            self.give_chunk(handle);
            if last && !raw.is_orphan() {
                return;
            }
        }
    }
}
