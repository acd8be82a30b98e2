//! Rounds of `SORT`: its elements are gathered, then what they are sorted by, then what is answered for them.

use super::{Client, Messages, Round, Scope, Share, Transaction};
use crate::command::sort::{self, Lookup, Sorter};
use crate::command::table::TABLE;
use crate::command::{Gathered, KeyRef};
use crate::protocol::Reply;
use crate::transaction::plan::shard_of;
use crate::transaction::{ToShard, Work};

impl Transaction {
    /// The elements of a sort are there.
    pub(super) fn begin_sort(
        &mut self,
        command: usize,
        keys: &[KeyRef],
        found: Vec<Option<Gathered>>,
        scope: &mut Scope<'_>,
    ) -> Option<Messages> {
        let request = self.commands[command].clone();
        let exists = keys.len() > 1 && found[1].is_some();
        let sorter = Sorter::new(TABLE.row(request.row), found[0].as_ref(), scope.now_ms);
        scope.host.put_away(found);
        match sorter {
            Err(fault) => {
                let mut bytes = Vec::new();
                fault.write(&mut Reply::new(&mut bytes, self.client.asker.proto));
                self.replies.push(bytes);
                None
            }
            Ok(sorter) => {
                let wanted = sorter.weights_wanted(request.args());
                self.find_round(command, exists, Box::new(sorter), false, wanted, scope)
            }
        }
    }

    /// Has the shards look up values of other keys for a sort, which goes on at once if there are none.
    pub(super) fn find_round(
        &mut self,
        command: usize,
        exists: bool,
        sorter: Box<Sorter>,
        sorted: bool,
        wanted: Vec<Lookup>,
        scope: &mut Scope<'_>,
    ) -> Option<Messages> {
        if wanted.is_empty() {
            return self.go_on_sorting(command, exists, sorter, sorted, Vec::new(), scope);
        }
        let mut by_shard: Vec<Vec<Lookup>> = self.answers.iter().map(|_| Vec::new()).collect();
        let mut shares = Vec::with_capacity(wanted.len());
        for lookup in wanted {
            let shard = shard_of(scope.shared, &lookup.key);
            let list = &mut by_shard[shard as usize];
            shares.push(Share { shard, at: list.len() });
            list.push(lookup);
        }
        self.round = Round::Find { command, exists, sorter, sorted, shares };
        let Client { asker, touch } = self.client;
        let asked = by_shard.into_iter().enumerate().filter(|(_, lookups)| !lookups.is_empty());
        let message = |(shard, lookups)| {
            let work = Work::Find { db: asker.db, lookups, touch };
            (shard as u16, ToShard::Work { work, release: false })
        };
        let messages: Messages = asked.map(message).collect();
        self.waiting = messages.len();
        Some(messages)
    }

    /// What was looked up for a sort is there.
    pub(super) fn go_on_sorting(
        &mut self,
        command: usize,
        exists: bool,
        mut sorter: Box<Sorter>,
        sorted: bool,
        found: Vec<Option<Vec<u8>>>,
        scope: &mut Scope<'_>,
    ) -> Option<Messages> {
        let request = self.commands[command].clone();
        let args = request.args();
        if !sorted {
            sorter.sort(args, found);
            let wanted = sorter.values_wanted(args);
            return self.find_round(command, exists, sorter, true, wanted, scope);
        }
        let mut bytes = Vec::new();
        let mut reply = Reply::new(&mut bytes, self.client.asker.proto);
        let writes = sorter.finish(args, found, exists, &mut reply).unwrap_or_else(|fault| {
            reply.truncate(0);
            fault.write(&mut reply);
            Vec::new()
        });
        let mut keys = Vec::new();
        let _ = sort::keys(TABLE.row(request.row), args, self.client.asker.db, &mut keys);
        self.make_writes(command, &keys, bytes, writes, scope.shared)
    }
}
