//! Counting anew what a shard counts as it changes, for tests.

use super::Shard;

impl Shard {
    /// Goes through all items and structures: the error names the first figure that is not what there is.
    pub fn audit(&self) -> Result<(), String> {
        self.store.audit()?;
        let structures = self.heap.recount()?;
        let who_waits = self.waiters.recount() + self.store.recount_watches();
        let found = structures as i64 + self.lists_bytes + who_waits;
        let counted = self.store.ledger().heap as i64;
        if counted != found {
            return Err(format!("the heap: {counted} bytes are counted, {found} are there"));
        }
        Ok(())
    }

    /// Items, and bytes of large values and of structures: nothing when it is empty, once all slices are done.
    pub fn contents(&self) -> (u64, u64, u64) {
        let structures = self.heap.recount().unwrap_or(usize::MAX) as u64;
        (self.store.len(), self.store.ledger().large, structures)
    }
}
