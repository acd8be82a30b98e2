//! A shard's side of multi-shard commands: the work of one round, on one shard.

use super::{Answer, Change, PartCall, PartReply, Wanted, Work};
use crate::command::run::{self, run_here};
use crate::command::sort::Lookup;
use crate::command::table::TABLE;
use crate::command::{Call, Fault, Gathered, Handler, Local};
use crate::protocol::Reply;
use crate::session::Watched;
use crate::shard::{Key, Meta, Shard};
use slabs::Hasher;

/// Does a share of a round.
pub fn work(local: &mut Local<'_>, work: Work) -> Answer {
    let hasher = &local.shared.hasher;
    match work {
        Work::Calls(calls) => {
            Answer::Replies(calls.iter().map(|call| run(local.shard, hasher, call)).collect())
        }
        Work::Gather(wanted) => {
            Answer::Gathered(wanted.iter().map(|w| gather(local.shard, hasher, w)).collect())
        }
        Work::Find { db, lookups, touch } => {
            let find = |lookup: &Lookup| {
                let key = key(local.shard, hasher, db, &lookup.key);
                lookup.find(local.shard, &key, touch)
            };
            Answer::Found(lookups.iter().map(find).collect())
        }
        Work::Apply(changes) => Answer::Applied(apply(local.shard, hasher, changes)),
        Work::Watch(keys) => Answer::Watched(watch(local.shard, hasher, &keys)),
        Work::Look(keys) => Answer::Touched(keys.iter().any(|w| is_touched(local.shard, hasher, w))),
        Work::Prepare(_) | Work::Go | Work::Forget => unreachable!("the core keeps parts"),
        Work::Await { waiter, places } => {
            places
                .iter()
                .for_each(|(awaited, argument)| local.shard.stand_in_line(waiter, awaited, *argument));
            Answer::Standing
        }
        Work::Listen { .. } => unreachable!("the core knows who listens"),
        Work::Ask { row, request, asker } => {
            let Handler::Every(every) = TABLE.row(row).handler else {
                unreachable!("only commands to every core ask")
            };
            Answer::Asked((every.ask)(local, request.args(), &asker))
        }
    }
}

fn key<'a>(shard: &Shard, hasher: &Hasher, db: u8, bytes: &'a [u8]) -> Key<'a> {
    Key::new(hasher, shard.physical(db), bytes)
}

fn run(shard: &mut Shard, hasher: &Hasher, call: &PartCall) -> PartReply {
    let command = TABLE.row(call.request.row);
    let mut bytes = Vec::new();
    let mut reply = Reply::new(&mut bytes, call.proto);
    let args = call.request.args();
    let result = match command.handler {
        Handler::Spread { each, .. } if call.part => {
            let key = key(shard, hasher, call.db, &args[command.keys.first as usize]);
            each(shard, &Call { args, key, db: call.db, touch: call.touch }, &mut reply)
        }
        _ => run_here(command, shard, args, call.db, hasher, call.touch, &mut reply),
    };
    if result.is_err() {
        bytes.clear();
    }
    if result.as_ref().is_ok_and(|outcome| outcome.changed) {
        shard.traffic.changes += 1;
    }
    PartReply { bytes, result }
}

/// A copy of a live item.
pub fn gather(shard: &mut Shard, hasher: &Hasher, wanted: &Wanted) -> Option<Gathered> {
    let key = key(shard, hasher, wanted.db, &wanted.key);
    let found = run::gather(shard, &key, wanted.value, wanted.reads, true)?;
    Some(Gathered { meta: Meta { cas: None, ..found.meta }, ..found })
}

/// Stores first, removes after: what cannot be stored leaves everything in place that was there.
pub fn apply(shard: &mut Shard, hasher: &Hasher, mut changes: Vec<Change>) -> Result<(), Fault> {
    let changed = !changes.is_empty();
    changes.sort_by_key(|change| change.write.rank());
    for change in changes {
        let key = key(shard, hasher, change.db, &change.key);
        run::apply(shard, &key, change.write)?;
    }
    shard.traffic.changes += u64::from(changed);
    Ok(())
}

/// Begins to watch keys, at one moment.
fn watch(shard: &mut Shard, hasher: &Hasher, keys: &[Watched]) -> u64 {
    let now_ms = shard.now_ms();
    let mut moment = 0;
    for Watched { db, key: bytes } in keys {
        let key = key(shard, hasher, *db, bytes);
        moment = shard.store.watch(&key, now_ms);
    }
    moment
}

fn is_touched(shard: &mut Shard, hasher: &Hasher, (watched, moment): &(Watched, u64)) -> bool {
    let key = key(shard, hasher, watched.db, &watched.key);
    let now_ms = shard.now_ms();
    shard.store.touched_since(&key, *moment, now_ms)
}
