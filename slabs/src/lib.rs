//! One shard's memory: arena, size classes, item layout, hash index, eviction and expiry.
//!
//! A [`Store`] is what one core owns of the keyspace. It knows memory only: no clock (whatever depends on time is told
//! the time), no I/O, no threads, no other shard. Every operation is bounded; none rehashes, compacts or scans.
//!
//! # The parts
//!
//! | module | owns | knows nothing of |
//! |---|---|---|
//! | `arena` | reserved address ranges | what is in them |
//! | `class` | chunk sizes | pages |
//! | `page` | pages, free chunks, handles | what items are worth |
//! | `item` | the bytes of an item | where it is |
//! | `index` | buckets of tags and handles | keys |
//! | `atomic` | what several threads share of a blob | blobs |
//! | `large` | blobs of the process allocator | why they are wanted |
//! | `pin` | values somebody reads | whose they are |
//! | `evict` | who has to go | how anybody goes |
//! | `store` | budget, versions, expiry, all of it together | time |
//!
//! # A lookup
//!
//! [`Store::get`] takes the key's hash (computed once per request, [`Key`]), reads the bucket (one cache line: 11 tags, 11
//! handles), compares the tags at once, and reads the item whose tag fits: a handle is an offset in the arena, so nothing
//! else is looked up on the way. Two cache misses, no branch that cannot be predicted, no write but two bits of frequency.
//!
//! A batch should make its cache misses at the same time: [`Store::prefetch_bucket`] for all its keys, then
//! [`Store::prefetch_item`] for all, then the operations.
//!
//! # Memory
//!
//! An item takes 12 bytes of header, 6 for an expiry, 4 for client flags, 4 for marks of herd
//! control, 8 for an explicit CAS unique, its key and its value, rounded up to a chunk (at most an eighth, 5 % on average), and about 12.5 bytes of the index. All of that is in
//! the [`Ledger`], which stays within the budget but for one page and one large value: a large value may be taken before
//! its room is made, which the following writes (and [`Store::settle`]) then do in steps. What pins hold comes on top.
//! Heap structures of the caller's count as much as it says with [`Store::charge`]. Several writes are made together or
//! not at all by finding room for each first ([`Store::stage`]). The caller's buffers ([`Store::set_buffer_bytes`]) and
//! values that were lent ([`Item::lend`]) and have left the store are in the ledger, but not in the budget: no data is
//! evicted for them.
//!
//! # Limits
//!
//! Keys up to 65,535 bytes, values up to 1 GiB, 256 databases, 64 GiB a store. Handles count 4 bytes in arenas up to
//! 16 GiB, 8 up to 32 GiB, 16 above, and chunks are multiples of that.
//!
//! # What it must show, and how to see it
//!
//! ```text
//! cargo test -p slabs                                     twin, scan, pins, borders, ledger
//! cargo run --release -p slabs --example memory           bytes per item at the worst point, 1 to 4 million items
//! cargo run --release -p slabs --example missratio        misses on traces
//! cargo bench -p slabs --bench speed                      against hashbrown::HashMap<Box<[u8]>, Box<[u8]>>
//! cargo bench -p slabs --bench stalls                     the longest single operations at 5 million items
//! cargo bench -p slabs --bench expiry                     a million keys due at once
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address \
//!   cargo test -p slabs --target x86_64-unknown-linux-gnu --tests
//! ```
//!
//! Measured on a virtual machine with two cores on 2026-11-25, nothing else running; the ratios are medians of alternating
//! rounds, of eight runs, which vary by a quarter. Get hit at 100,000 items and in batches miss their bars; get at 5,000,000
//! items and overwriting do not meet theirs safely. What bounds them here is the memory: a line that is in none of the
//! caches that are the machine's own costs 11 to 13 ns where many are on their way and 160 to 260 ns where one waits for another, and a get needs
//! three lines (bucket, header with key, end of the value), two of them one after the other:
//!
//! | | value | bar |
//! |---|---|---|
//! | bytes per item, value 8 B | 48.7 | 50 |
//! | 32 B | 72.7 | 76 |
//! | 100 B | 140.8 | 144 |
//! | 256 B | 301.6 | 316 |
//! | 1000 B | 1070.8 | 1100 |
//! | get hit, 100,000 items | 1.01-1.31x | 1.0x |
//! | get hit, 5,000,000 items of 100 B | 0.83-1.12x | 0.9x |
//! | the same in batches of 16 | 0.40-0.49x | 0.4x |
//! | overwrite of the same size | 0.44-0.65x | 0.5x |
//! | insert and evict at the limit | 1.05-1.49x | 1.5x |
//! | longest insert, get, remove (5,000,000 items, no page fault) | 5, 2, 5 us | 20 us |
//! | 1,000,000 keys due among 4,000,000 others (slices of at most 0.13 ms) | 0.2 s of one core | 2 s |

mod arena;
mod atomic;
mod class;
mod evict;
mod hash;
mod index;
mod item;
mod large;
mod ledger;
mod meta;
mod options;
mod page;
mod pin;
mod spare;
mod stats;
mod store;

pub use hash::{Hasher, Key};
pub use index::fetch_ahead;
pub use item::Item;
pub use large::{
    Draft, Lent, give_back_freed_memory, keep_spare_blobs, rest_spare_blobs, return_freed_values,
    spare_blob_bytes,
};
pub use ledger::Ledger;
pub use meta::{Change, EXPIRE_AT_MS_MAX, Kind, Marks, Meta, Refused};
pub use options::{BuildError, EvictionGoal, Options, Policy, UnknownPolicy, VALUE_BYTES_MAX};
pub use pin::Pin;
pub use stats::{ClassStats, Counters, ExpiryStats, SweepReport};
pub use store::{Arrived, Evicted, NotReassigned, Occupied, Passage, Staged, Standing, Store, Way};
