//! Room that is kept for writes to come: several values are stored together, or none of them.
//!
//! A staged value lies in its chunk, counted in the ledger, but is in no index: nobody finds, evicts, moves or sweeps it.
//! Where a value will fit into the chunk that its key has, nothing need be kept. So room is found for all before
//! anything is changed, and what comes after cannot be refused.

use super::Store;
use crate::Policy;
use crate::hash::Key;
use crate::large;
use crate::meta::{Meta, Refused};
use crate::page::Handle;

/// Room for one value. It must be given to `commit` or to `unstage`, or its chunk is never free again.
#[must_use]
#[derive(Debug)]
pub struct Staged(Option<Handle>);

impl Staged {
    /// Nothing is kept: what `commit` needs is there, or will be made.
    pub const NOTHING: Staged = Staged(None);

    /// A chunk is kept.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }
}

impl Store {
    /// Keeps room for a value, which is given again to [`commit`](Store::commit). The key's item must not be written by
    /// others until then. The value is not a heap handle.
    ///
    /// Where everything may be evicted, only what can never be stored is refused here: room is made when it is needed.
    pub fn stage(&mut self, key: &Key, value: &[u8], meta: &Meta, now_ms: u64) -> Result<Staged, Refused> {
        debug_assert!(!meta.heap, "structures are not staged");
        self.check_sizes(key, value.len())?;
        let payload = key.bytes.len() + value.len();
        if self.policy == Policy::AllKeys {
            let item_bytes = crate::item::payload_offset(crate::item::layout_of(meta, false)) + payload;
            let large = self.pages.classes().of_item(item_bytes).is_none();
            if large && large::charged_bytes_ahead(payload) > self.budget_bytes {
                return Err(Refused::ValueTooLarge);
            }
            return Ok(Staged::NOTHING);
        }
        // What may expire meanwhile offers no chunk.
        if let Some((_, handle)) = self.find_live(key.slot_hash(), key, now_ms) {
            let raw = self.pages.raw(handle);
            if !raw.has_expiry() && self.fits_in_place(handle, raw, key, value.len(), meta) {
                return Ok(Staged::NOTHING);
            }
        }
        let handle = self.new_chunk(key, value.len(), meta, now_ms)?;
        let raw = self.pages.raw(handle);
        raw.value_mut().copy_from_slice(value);
        raw.orphan();
        Ok(Staged(Some(handle)))
    }

    /// Stores what was staged: the same key, value and metadata. Refused only where nothing was kept for it and the
    /// store was changed behind its back.
    pub fn commit(
        &mut self,
        staged: Staged,
        key: &Key,
        value: &[u8],
        meta: &Meta,
        now_ms: u64,
    ) -> Result<(), Refused> {
        let Some(handle) = staged.0 else { return self.put(key, value, meta, now_ms) };
        let raw = self.pages.raw(handle);
        debug_assert!(raw.key() == key.bytes && raw.value() == value, "what was staged is what is stored");
        raw.adopt();
        let hash = key.slot_hash();
        match self.find_live(hash, key, now_ms) {
            None => self.join(hash, handle),
            Some((_, old)) => {
                self.unpin_released();
                let old_raw = self.pages.raw(old);
                raw.set_frequency(old_raw.frequency());
                self.note_heap_leaves(old_raw, meta);
                self.take_place_of(hash, old, handle);
            }
        }
        Ok(())
    }

    /// Gives the room up.
    pub fn unstage(&mut self, staged: Staged) {
        if let Some(handle) = staged.0 {
            self.give_chunk(handle);
        }
    }
}
