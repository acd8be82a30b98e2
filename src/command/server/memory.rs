//! `MEMORY`: what the ledgers of all shards say, in Redis's names.

use super::{Done, doctor, help, process, row};
use crate::command::keys::object;
use crate::command::{Command, Context, Handler, Keys, Outcome, flag};
use crate::metrics::{Counter, sum};
use crate::protocol::{Args, Reply};
use crate::shared::Shared;

pub(super) static SUBS: &[Command] = &[
    Command {
        keys: Keys::SECOND,
        complexity: "O(1)",
        ..row(
            "memory|usage",
            -3,
            flag::READONLY,
            "4.0.0",
            "Returns the bytes that a key takes.",
            Handler::Shard(object::memory_usage),
        )
    },
    row("memory|stats", 2, 0, "4.0.0", "Returns what memory is used for.", Handler::Session(stats)),
    row("memory|doctor", 2, 0, "4.0.0", "Explains the use of memory in words.", Handler::Session(doctor)),
    row("memory|purge", 2, 0, "4.0.0", "Gives unused memory back.", Handler::Session(purge)),
    row("memory|malloc-stats", 2, 0, "4.0.0", "Describes the allocator.", Handler::Session(malloc_stats)),
    row("memory|help", 2, super::ANY_TIME, "4.0.0", "Lists the subcommands.", Handler::Session(list)),
];

/// Memory of the process by use, bytes.
pub(super) struct Use {
    /// All that the ledgers count.
    pub used: u64,
    /// The most that they ever counted.
    pub peak: u64,
    /// `maxmemory`.
    pub max: u64,
    /// Index of keys.
    pub index: u64,
    /// Keys and values.
    pub dataset: u64,
    /// Buffers of connections.
    pub buffers: u64,
    /// What the process holds.
    pub rss: u64,
    /// Keys are evicted when there is no more.
    pub evicts: bool,
    /// How many keys there are.
    pub keys: u64,
}

impl Use {
    /// As of the last turn of each core.
    pub fn of(shared: &Shared) -> Use {
        let total = |counter| sum(&shared.metrics, counter);
        // What is on its way between cores is nobody's. The counters are read one after the other, so that mail
        // which is opened meanwhile may seem not to have been posted.
        let opened = total(Counter::MailBytesOpened);
        let travelling = total(Counter::MailBytesPosted).saturating_sub(opened);
        let used = total(Counter::UsedBytes) + travelling;
        Use {
            used,
            peak: total(Counter::PeakBytes).max(used),
            max: shared.parameters.maxmemory_bytes(),
            index: total(Counter::IndexBytes),
            dataset: total(Counter::DatasetBytes),
            buffers: total(Counter::BufferBytes) + travelling,
            rss: process::rss_bytes(),
            evicts: shared.parameters.policy() != slabs::Policy::NoEviction,
            keys: total(Counter::Items),
        }
    }

    /// What is no data.
    pub fn overhead(&self) -> u64 {
        self.used.saturating_sub(self.dataset)
    }

    /// Held over used; 1 where nothing is known.
    pub fn fragmentation(&self) -> f64 {
        if self.used == 0 || self.rss == 0 { 1.0 } else { self.rss as f64 / self.used as f64 }
    }

    /// Held beyond what is used.
    pub fn fragmentation_bytes(&self) -> i64 {
        if self.rss == 0 { 0 } else { self.rss as i64 - self.used as i64 }
    }
}

/// `part` of `whole` in per cent.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

fn stats(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let memory = Use::of(context.local.shared);
    let numbers = [
        ("peak.allocated", memory.peak),
        ("total.allocated", memory.used),
        ("startup.allocated", 0),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", memory.buffers),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
        ("overhead.total", memory.overhead()),
        ("keys.count", memory.keys),
        ("keys.bytes-per-key", memory.used.checked_div(memory.keys).unwrap_or(0)),
        ("dataset.bytes", memory.dataset),
    ];
    let shares = [
        ("dataset.percentage", percent(memory.dataset, memory.used)),
        ("peak.percentage", percent(memory.used, memory.peak)),
        ("fragmentation", memory.fragmentation()),
    ];
    reply.map(numbers.len() + shares.len() + 3);
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.int(number as i64);
    }
    for (name, share) in shares {
        reply.bulk(name.as_bytes());
        reply.double(share);
    }
    for (name, number) in [
        ("allocator.allocated", memory.used as i64),
        ("allocator.resident", memory.rss as i64),
        ("fragmentation.bytes", memory.fragmentation_bytes()),
    ] {
        reply.bulk(name.as_bytes());
        reply.int(number);
    }
    Ok(Outcome::READ)
}

fn doctor(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    reply.verbatim(*b"txt", doctor::memory(&Use::of(context.local.shared)).as_bytes());
    Ok(Outcome::READ)
}

/// Nothing is held back that could be purged: pages leave as the budget asks, buffers with their clients.
fn purge(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    reply.ok();
    Ok(Outcome::READ)
}

fn malloc_stats(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let shared = context.local.shared;
    let mut text = String::from("Slabs per core: bytes in use, of these data, index, buffers; keys\n");
    for (core, metrics) in shared.metrics.iter().enumerate() {
        text.push_str(&format!(
            "core {core}: {} {} {} {}; {}\n",
            metrics.get(Counter::UsedBytes),
            metrics.get(Counter::DatasetBytes),
            metrics.get(Counter::IndexBytes),
            metrics.get(Counter::BufferBytes),
            metrics.get(Counter::Items),
        ));
    }
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(Outcome::READ)
}

fn list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let subcommands = &[
        ("DOCTOR", "The use of memory in words."),
        ("MALLOC-STATS", "The allocator's figures, per core."),
        ("PURGE", "Gives unused memory back; that happens by itself here."),
        ("STATS", "What memory is used for."),
        ("USAGE <key> [SAMPLES <count>]", "The bytes that a key and its value take."),
    ];
    help::write("MEMORY", subcommands, reply);
    Ok(Outcome::READ)
}
