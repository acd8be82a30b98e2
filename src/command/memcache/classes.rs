//! Size classes as memcached shows them: `stats items`, `slabs`, `sizes` and `cachedump`.
//!
//! Classes are those of the store, summed over the cores, numbered from 1. A class of large values has no pages: each
//! value is a piece of memory of its own, shown as a page of one chunk. memcached's lists (HOT, WARM, COLD) are not this
//! store's queues: all items are shown in COLD, where they are in a memcached with a flat list.
//!
//! Exporters want every field of memcached's, so all are there; these are 0 whatever happens. Commands by class
//! (`get_hits`, `cmd_set`, ...): counting them would cost each command a look at the page's record. Ages and
//! `evicted_time`: items do not carry the time of their last use. `reclaimed`, `expired_unfetched`,
//! `evicted_unfetched`, `outofmemory`: the store counts them as a whole, and `stats` shows them. The rest is about
//! threads and lists that do not exist here.

use super::report::{numbers, pack, stat, summed};
use crate::command::Local;
use crate::limits::{CACHEDUMP_BYTES_MAX, CACHEDUMP_CHUNKS_MAX};
use crate::protocol::Reply;
use crate::shard::{Kind, Shard};
use std::collections::BTreeMap;
use std::io::Write;

/// One size class, summed over the cores, whose classes are alike.
struct Class {
    chunk_bytes: u64,
    item_bytes_max: u64,
    pages: u64,
    used: u64,
    free: u64,
    requested_bytes: u64,
    evicted: u64,
    /// Its chunks describe large values, which are counted under classes of their own.
    describes: bool,
}

const FIGURES: usize = 7;

/// The width of a step in `stats sizes`, as memcached has it.
const SIZE_STEP_BYTES: u64 = 32;

/// This shard's size classes.
pub(super) fn classes(shard: &Shard) -> Vec<u8> {
    let classes = shard.store.classes();
    pack(classes.iter().flat_map(|class| -> [u64; FIGURES] {
        [
            u64::from(class.chunk_bytes),
            class.item_bytes_max,
            class.pages,
            class.chunks_used,
            class.chunks_free,
            class.requested_bytes,
            class.evicted,
        ]
    }))
}

/// The classes that hold something, with their numbers from 1.
fn joined(parts: &[Vec<u8>]) -> Vec<(usize, Class)> {
    let count = parts.iter().map(|part| part.len() / (8 * FIGURES)).max().unwrap_or(0);
    let sums = summed(parts, count * FIGURES);
    let first: Vec<u64> = parts.first().map(|part| numbers(part).collect()).unwrap_or_default();
    // The last class with chunks is that of descriptors.
    let descriptor = (0..count).rev().find(|&index| first[index * FIGURES] > 0);
    let class = |index: usize| {
        let [_, _, pages, used, free, requested_bytes, evicted] = sums[index * FIGURES..][..FIGURES] else {
            unreachable!("a slice of FIGURES numbers")
        };
        let fixed = &first[index * FIGURES..][..2];
        let describes = descriptor == Some(index);
        Class {
            chunk_bytes: fixed[0],
            item_bytes_max: fixed[1],
            pages,
            used,
            free,
            requested_bytes,
            evicted,
            describes,
        }
    };
    (0..count)
        .map(|index| (index + 1, class(index)))
        .filter(|(_, class)| class.pages + class.used > 0)
        .collect()
}

pub(super) fn write_items(parts: &[Vec<u8>], reply: &mut Reply<'_>) {
    for (id, class) in joined(parts).into_iter().filter(|(_, class)| class.used > 0 && !class.describes) {
        for (name, value) in [
            ("number", class.used),
            ("number_hot", 0),
            ("number_warm", 0),
            ("number_cold", class.used),
            ("age_hot", 0),
            ("age_warm", 0),
            ("age", 0),
            ("mem_requested", class.requested_bytes),
            ("evicted", class.evicted),
            ("evicted_nonzero", 0),
            ("evicted_time", 0),
            ("outofmemory", 0),
            ("tailrepairs", 0),
            ("reclaimed", 0),
            ("expired_unfetched", 0),
            ("evicted_unfetched", 0),
            ("evicted_active", 0),
            ("crawler_reclaimed", 0),
            ("crawler_items_checked", 0),
            ("lrutail_reflocked", 0),
            ("moves_to_cold", 0),
            ("moves_to_warm", 0),
            ("moves_within_lru", 0),
            ("direct_reclaims", class.evicted),
            ("hits_to_hot", 0),
            ("hits_to_warm", 0),
            ("hits_to_cold", 0),
            ("hits_to_temp", 0),
        ] {
            stat(reply, &format!("items:{id}:{name}"), value);
        }
    }
}

pub(super) fn write_slabs(parts: &[Vec<u8>], reply: &mut Reply<'_>) {
    let classes = joined(parts);
    let mut page_bytes = 0;
    for (id, class) in &classes {
        let chunks = class.used + class.free;
        let large = class.chunk_bytes == 0;
        let pages = if large { chunks } else { class.pages };
        let chunk_bytes = if large { class.item_bytes_max } else { class.chunk_bytes };
        page_bytes += if large { class.requested_bytes } else { chunks * class.chunk_bytes };
        for (name, value) in [
            ("chunk_size", chunk_bytes),
            ("chunks_per_page", chunks.checked_div(pages).unwrap_or(0)),
            ("total_pages", pages),
            ("total_chunks", chunks),
            ("used_chunks", class.used),
            ("free_chunks", class.free),
            ("free_chunks_end", 0),
            // Newer exporters know it; memcached has it among the items since 1.6.
            ("mem_requested", class.requested_bytes),
            ("get_hits", 0),
            ("cmd_set", 0),
            ("delete_hits", 0),
            ("incr_hits", 0),
            ("decr_hits", 0),
            ("cas_hits", 0),
            ("cas_badval", 0),
            ("touch_hits", 0),
        ] {
            stat(reply, &format!("{id}:{name}"), value);
        }
    }
    stat(reply, "active_slabs", classes.len() as u64);
    stat(reply, "total_malloced", page_bytes);
}

/// How many items there are of each size, in steps. An item counts with its chunk's size, which is at most an
/// eighth more than its own.
pub(super) fn write_sizes(parts: &[Vec<u8>], reply: &mut Reply<'_>) {
    let mut sizes = BTreeMap::new();
    for (_, class) in joined(parts).into_iter().filter(|(_, class)| class.used > 0 && !class.describes) {
        let bytes = if class.chunk_bytes == 0 { class.item_bytes_max } else { class.chunk_bytes };
        *sizes.entry(bytes.next_multiple_of(SIZE_STEP_BYTES)).or_insert(0) += class.used;
    }
    for (bytes, count) in sizes {
        stat(reply, &bytes.to_string(), count);
    }
}

/// Some items of a class (its place in the store's list), at most `items_max` of this shard.
pub(super) fn cachedump(local: &Local<'_>, class: usize, items_max: usize, db: u8) -> Vec<u8> {
    let bytes_max = CACHEDUMP_BYTES_MAX / usize::from(local.cores);
    let db = local.shard.physical(db);
    let mut lines = Vec::new();
    let mut left = items_max;
    local.shard.store.visit_class(class, CACHEDUMP_CHUNKS_MAX, local.now.unix_ms, &mut |item| {
        if item.db() == db && item.kind() == Kind::String {
            lines.extend_from_slice(b"ITEM ");
            lines.extend_from_slice(item.key());
            // Writing to a vector cannot fail.
            let _ = write!(lines, " [{} b; {} s]\r\n", item.value().len(), item.expire_at_ms() / 1000);
            left -= 1;
        }
        left > 0 && lines.len() < bytes_max
    });
    lines
}
