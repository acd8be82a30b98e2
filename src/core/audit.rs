//! What tests ask a core at the end of a run: does it count what it has, and has it let everything go?

use super::Core;

impl Core {
    /// Counts anew: the error names the first figure that is not what there is. Takes as long as there are items.
    pub fn audit(&self) -> Result<(), String> {
        let (counted, held) = self.held_as_counted_and_as_is();
        if counted != held {
            return Err(format!("buffers: {counted:?} are counted, {held:?} are there"));
        }
        let open = self.connections.iter().filter(|connection| connection.client_id != 0).count();
        if open != self.sessions.len() as usize {
            return Err(format!("{open} connections and {} sessions", self.sessions.len()));
        }
        self.shard.audit()
    }

    /// What the shard has stored: items, bytes of large values, bytes of structures.
    pub fn contents(&self) -> (u64, u64, u64) {
        self.shard.contents()
    }

    /// Connections of this core.
    pub fn clients(&self) -> usize {
        self.sessions.len() as usize
    }

    /// Items that the shard has evicted.
    pub fn evicted(&self) -> u64 {
        self.shard.store.counters().evicted
    }
}
