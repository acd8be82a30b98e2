//! The size classes of all cores, for the console's map of the slabs.

use crate::command::answer::{Pack, Unpack};
use crate::command::{Every, Fault, Outcome};
use crate::protocol::Reply;

/// The name of the row.
pub const ROW: &str = "console:slabs";

/// What every core tells of its classes.
pub(super) const SLABS: Every = Every {
    check: |_, _| Ok(()),
    ask: |local, _, _| {
        let store = &local.shard.store;
        let mut answer = Pack::default();
        answer.number(u64::from(store.last_change()));
        for class in store.classes() {
            for number in [
                u64::from(class.chunk_bytes),
                class.item_bytes_max,
                class.pages,
                class.chunks_used,
                class.chunks_free,
                class.requested_bytes,
                class.waste_bytes,
                class.evicted,
                class.frontier_age,
            ] {
                answer.number(number);
            }
        }
        answer.finish()
    },
    merge: |_, parts, _, reply| merge(parts, reply),
    atomic: false,
};

fn merge(parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut whole = Pack::default();
    parts.iter().for_each(|part| {
        whole.bytes(part);
    });
    reply.raw(&whole.finish());
    Ok(Outcome::READ)
}

/// A size class of one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Bytes of a chunk; 0 for large values, which have no pages.
    pub chunk_bytes: u64,
    /// The largest item.
    pub item_bytes_max: u64,
    /// Pages held.
    pub pages: u64,
    /// Chunks with an item.
    pub used: u64,
    /// Chunks without.
    pub free: u64,
    /// Bytes that items asked for.
    pub requested_bytes: u64,
    /// Bytes of used chunks that nobody asked for.
    pub waste_bytes: u64,
    /// Items evicted.
    pub evicted: u64,
    /// How many changes ago the item that was evicted last was written.
    pub frontier_age: u64,
}

/// The classes of one core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// Number of the store's last change, which wraps at 32 bits.
    pub change: u64,
    /// The classes, smallest first.
    pub classes: Vec<Class>,
}

/// Reads the answer of [`ROW`]: the classes of each core.
pub fn read(answer: &[u8]) -> Vec<Classes> {
    let mut answer = Unpack::new(answer);
    let mut cores = Vec::new();
    while !answer.is_empty() {
        let mut part = Unpack::new(answer.bytes());
        let change = part.number();
        let mut classes = Vec::new();
        while !part.is_empty() {
            classes.push(Class {
                chunk_bytes: part.number(),
                item_bytes_max: part.number(),
                pages: part.number(),
                used: part.number(),
                free: part.number(),
                requested_bytes: part.number(),
                waste_bytes: part.number(),
                evicted: part.number(),
                frontier_age: part.number(),
            });
        }
        cores.push(Classes { change, classes });
    }
    cores
}
