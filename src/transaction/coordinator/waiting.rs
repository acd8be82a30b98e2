//! The round in which a blocking command that found nothing stands in line.

use super::{Messages, Round, Transaction};
use crate::command::table::TABLE;
use crate::command::{KeyRef, blocking};
use crate::shard::waiters::{Awaited, Waiter};
use crate::shared::Shared;
use crate::transaction::plan::shard_of;
use crate::transaction::{ToShard, Work};

impl Transaction {
    /// Has a blocking command stand in line; its keys are given back with that.
    pub(super) fn await_round(
        &mut self,
        command: usize,
        waiter: Waiter,
        keys: &[KeyRef],
        shared: &Shared,
    ) -> Messages {
        let request = &self.commands[command];
        let row = TABLE.row(request.row);
        let mut by_shard: Vec<Vec<(Awaited, u32)>> = self.answers.iter().map(|_| Vec::new()).collect();
        for key in blocking::awaited(row, keys) {
            let bytes = &request.args()[key.arg];
            let awaited = Awaited { kind: blocking::kind_of(row), db: key.db, key: bytes.into() };
            by_shard[shard_of(shared, bytes) as usize].push((awaited, key.arg as u32));
        }
        self.round = Round::Await { command };
        let shards = by_shard.into_iter().enumerate().filter(|(_, places)| !places.is_empty());
        let message = |(shard, places)| {
            (shard as u16, ToShard::Work { work: Work::Await { waiter, places }, release: false })
        };
        let messages: Messages = shards.map(message).collect();
        self.waiting = messages.len();
        self.release_with(messages)
    }
}
