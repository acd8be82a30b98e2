//! Values that are copied in slices before they are stored (`COPY` of a large collection). The keys are held meanwhile, by
//! the claims of the transaction: others wait for them as for any command, and for nothing else.

use super::Core;
use crate::command::Write;
use crate::shard::collections::copying::Copying;
use crate::shard::{Key, Payload};
use crate::transaction::{Answer, Change, Ticket, Work};

/// Changes that wait for a copy.
pub(super) struct Delayed {
    ticket: Ticket,
    changes: Vec<Change>,
    /// Which of them stores it.
    at: usize,
    release: bool,
    copying: Copying,
}

impl Core {
    /// Makes changes of a transaction, at once or when what they store is copied.
    pub(super) fn apply(&mut self, ticket: Ticket, mut changes: Vec<Change>, release: bool) {
        // One at most: a command copies one value.
        let copy = changes.iter_mut().enumerate().find_map(|(at, Change { db, key, write })| match write {
            Write::Copy { value, .. } => Some((at, *db, key, value)),
            _ => None,
        });
        if let Some((at, db, key, value)) = copy {
            let key = Key::new(&self.shared.hasher, self.shard.physical(db), key);
            match self.shard.begin_copy(&key, value) {
                Ok(None) => {}
                Ok(Some(copying)) => {
                    *value = Payload::Bytes(Vec::new());
                    self.delayed.push_back(Delayed { ticket, changes, at, release, copying });
                    return;
                }
                Err(refused) => return self.work_done(ticket, Answer::Applied(Err(refused.into())), release),
            }
        }
        let answer = self.work(ticket, Work::Apply(changes));
        self.work_done(ticket, answer, release);
    }

    /// Copies a slice for the first that waits. True: there is more to copy.
    pub(super) fn go_on_copying(&mut self) -> bool {
        let Some(delayed) = self.delayed.front_mut() else { return false };
        if self.shard.copy_slice(&mut delayed.copying)
            && let Some(Delayed { ticket, mut changes, at, release, copying }) = self.delayed.pop_front()
        {
            let copy = self.shard.end_copy(copying);
            if let Write::Copy { value, .. } = &mut changes[at].write {
                *value = copy;
            }
            let answer = self.work(ticket, Work::Apply(changes));
            self.work_done(ticket, answer, release);
        }
        !self.delayed.is_empty()
    }
}
