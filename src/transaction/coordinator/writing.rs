//! Rounds in which the shards make what a command writes.

use super::{Messages, Round, Transaction};
use crate::command::{KeyRef, Write};
use crate::parameters::Name;
use crate::shared::Shared;
use crate::transaction::plan::shard_of;
use crate::transaction::{Change, ToShard, Work};

impl Transaction {
    /// Has the shards make what a command writes, or ends it if that is nothing.
    pub(super) fn make_writes(
        &mut self,
        command: usize,
        keys: &[KeyRef],
        bytes: Vec<u8>,
        writes: Vec<Write>,
        shared: &Shared,
    ) -> Option<Messages> {
        if writes.is_empty() {
            self.replies.push(bytes);
            return None;
        }
        self.changes += 1;
        let request = self.commands[command].clone();
        let (mut puts, mut removals, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let silent = shared.parameters.number(Name::NotifyKeyspaceEvents) == 0;
        for write in writes.into_iter().filter(|write| !(silent && write.tells())) {
            let key = keys[write.key()];
            let bytes = &request.args()[key.arg];
            let shard = shard_of(shared, bytes);
            let list = match write.rank() {
                0 => &mut puts,
                1 => &mut removals,
                _ => &mut told,
            };
            list.push((shard, Change { db: key.db, key: bytes.to_vec(), write }));
        }
        // Nothing is removed anywhere before everything is stored: a full shard must not cost the source.
        if puts.is_empty() {
            std::mem::swap(&mut puts, &mut removals);
        }
        if removals.is_empty() {
            puts.append(&mut told);
        } else {
            removals.append(&mut told);
        }
        Some(self.apply_round(command, bytes, puts, removals))
    }

    /// Has the shards make changes; `removals` are made in a round of their own after them.
    pub(super) fn apply_round(
        &mut self,
        command: usize,
        reply: Vec<u8>,
        changes: Vec<(u16, Change)>,
        removals: Vec<(u16, Change)>,
    ) -> Messages {
        let mut by_shard: Vec<Vec<Change>> = self.answers.iter().map(|_| Vec::new()).collect();
        for (shard, change) in changes {
            by_shard[shard as usize].push(change);
        }
        self.round = Round::Apply { command, reply, removals };
        let messages: Messages = by_shard
            .into_iter()
            .enumerate()
            .filter(|(_, changes)| !changes.is_empty())
            .map(|(shard, changes)| {
                (shard as u16, ToShard::Work { work: Work::Apply(changes), release: false })
            })
            .collect();
        self.waiting = messages.len();
        self.release_with(messages)
    }
}
