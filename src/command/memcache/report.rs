//! What `stats` shows: how a core packs what it knows, and how the packs of all cores become lines.
//!
//! A pack is a row of little-endian numbers that are summed place by place; behind the numbers of core 0 may
//! stand lines that hold for the whole process and are shown first.

use super::session::VERSION;
use crate::command::server::process::cpu_secs;
use crate::command::{Asker, Local};
use crate::metrics::Counter;
use crate::parameters::Name;
use crate::protocol::{Proto, Reply};
use crate::shard::Shard;
use crate::text::format_u64;

/// The numbers of a pack one by one.
fn numbers(pack: &[u8]) -> impl Iterator<Item = u64> {
    pack.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes")))
}

fn pack(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn stat(reply: &mut Reply<'_>, name: &str, value: u64) {
    let mut digits = [0; 21];
    reply.stat(name, format_u64(value, &mut digits));
}

/// Lines composed outside of a reply.
fn lines(compose: impl FnOnce(&mut Reply<'_>)) -> Vec<u8> {
    let mut text = Vec::new();
    compose(&mut Reply::new(&mut text, Proto::Memcache));
    text
}

/// Where a number of the general statistics comes from.
#[derive(Clone, Copy)]
enum Source {
    /// A counter of the core, which `stats reset` and `CONFIG RESETSTAT` begin anew.
    Counted(Counter),
    /// A fact of the core as it is now.
    Fact(fn(&Facts) -> u64),
    /// Nothing like it exists here; clients expect to find it.
    Never,
}
use Source::{Counted, Fact, Never};

/// What a core knows about itself besides its counters.
struct Facts {
    store: slabs::Counters,
    ledger: slabs::Ledger,
    items: u64,
    item_bytes: u64,
    connections: u64,
}

/// The general statistics that are summed over the cores, in the order of memcached's own lines.
const GENERAL: [(&str, Source); 45] = [
    ("curr_connections", Fact(|facts| facts.connections)),
    ("total_connections", Counted(Counter::ConnectionsReceived)),
    ("rejected_connections", Counted(Counter::ConnectionsRejected)),
    ("cmd_get", Counted(Counter::GetCommands)),
    ("cmd_set", Counted(Counter::SetCommands)),
    ("cmd_flush", Counted(Counter::FlushCommands)),
    ("cmd_touch", Counted(Counter::TouchCommands)),
    ("cmd_meta", Counted(Counter::MetaCommands)),
    ("get_hits", Counted(Counter::GetHits)),
    ("get_misses", Counted(Counter::GetMisses)),
    ("get_expired", Fact(|facts| facts.store.expired_by_touch)),
    ("get_flushed", Counted(Counter::GetFlushed)),
    ("delete_misses", Counted(Counter::DeleteMisses)),
    ("delete_hits", Counted(Counter::DeleteHits)),
    ("incr_misses", Counted(Counter::IncrMisses)),
    ("incr_hits", Counted(Counter::IncrHits)),
    ("decr_misses", Counted(Counter::DecrMisses)),
    ("decr_hits", Counted(Counter::DecrHits)),
    ("cas_misses", Counted(Counter::CasMisses)),
    ("cas_hits", Counted(Counter::CasHits)),
    ("cas_badval", Counted(Counter::CasBadval)),
    ("touch_hits", Counted(Counter::TouchHits)),
    ("touch_misses", Counted(Counter::TouchMisses)),
    ("store_too_large", Counted(Counter::StoreTooLarge)),
    ("store_no_memory", Counted(Counter::StoreNoMemory)),
    ("auth_cmds", Counted(Counter::AuthCommands)),
    ("auth_errors", Counted(Counter::AuthErrors)),
    ("bytes_read", Counted(Counter::BytesIn)),
    ("bytes_written", Counted(Counter::BytesOut)),
    ("listen_disabled_num", Never),
    ("hash_bytes", Fact(|facts| facts.ledger.index)),
    ("slabs_moved", Fact(|facts| facts.store.page_moves)),
    ("malloc_fails", Fact(|facts| facts.store.refused)),
    ("bytes", Fact(|facts| facts.item_bytes)),
    ("curr_items", Fact(|facts| facts.items)),
    ("total_items", Counted(Counter::TotalItems)),
    ("slab_global_page_pool", Never),
    ("expired_unfetched", Never),
    ("evicted_unfetched", Fact(|facts| facts.store.evicted_unread)),
    ("evicted_active", Never),
    ("evictions", Counted(Counter::Evicted)),
    ("reclaimed", Counted(Counter::Expired)),
    ("crawler_reclaimed", Fact(|facts| facts.store.expired - facts.store.expired_by_touch)),
    ("lrutail_reflocked", Never),
    ("direct_reclaims", Never),
];

/// This core's share of the general statistics; core 0 adds what is said once.
pub(super) fn general(local: &Local<'_>) -> Vec<u8> {
    let metrics = &local.shared.metrics[local.core as usize];
    // The requests before this one may be of the same turn and not published yet.
    local.shard.memcache.publish(metrics);
    let store = &local.shard.store;
    let facts = Facts {
        store: store.counters(),
        ledger: store.ledger(),
        items: store.len(),
        item_bytes: store.classes().iter().map(|class| class.requested_bytes).sum(),
        connections: u64::from(local.sessions.len()),
    };
    let figures = GENERAL.map(|(_, source)| match source {
        Counted(counter) => metrics.get(counter),
        Fact(fact) => fact(&facts),
        Never => 0,
    });
    let mut part = pack(figures);
    if local.core == 0 {
        part.extend(lines(|reply| process(local, reply)));
    }
    part
}

/// Begins this core's counters anew.
pub(super) fn reset(local: &Local<'_>) {
    let metrics = &local.shared.metrics[local.core as usize];
    local.shard.memcache.publish(metrics);
    metrics.reset();
}

/// What is true of the process and not of a core.
fn process(local: &Local<'_>, reply: &mut Reply<'_>) {
    let uptime_us = local.now.mono_us.saturating_sub(local.shared.started.mono_us);
    stat(reply, "pid", u64::from(std::process::id()));
    stat(reply, "uptime", uptime_us / 1_000_000);
    stat(reply, "time", local.now.unix_secs());
    reply.stat("version", VERSION.as_bytes());
    stat(reply, "pointer_size", u64::from(usize::BITS));
    let (system_secs, user_secs) = cpu_secs(false);
    reply.stat("rusage_user", format!("{user_secs:.6}").as_bytes());
    reply.stat("rusage_system", format!("{system_secs:.6}").as_bytes());
    stat(reply, "max_connections", local.shared.parameters.number(Name::Maxclients) as u64);
    stat(reply, "limit_maxbytes", local.shared.parameters.maxmemory_bytes());
    stat(reply, "accepting_conns", 1);
    stat(reply, "threads", u64::from(local.cores));
}

pub(super) fn write_general(parts: &[Vec<u8>], reply: &mut Reply<'_>) {
    write_process_lines(parts, GENERAL.len(), reply);
    for ((name, _), value) in GENERAL.iter().zip(summed(parts, GENERAL.len())) {
        stat(reply, name, value);
    }
}

/// The lines behind the numbers of core 0.
fn write_process_lines(parts: &[Vec<u8>], figures: usize, reply: &mut Reply<'_>) {
    if let Some(text) = parts.first().and_then(|part| part.get(8 * figures..)) {
        reply.raw(text);
    }
}

/// The first `count` numbers of all packs, summed.
fn summed(parts: &[Vec<u8>], count: usize) -> Vec<u64> {
    let mut sums = vec![0u64; count];
    for part in parts {
        for (sum, value) in sums.iter_mut().zip(numbers(part)) {
            *sum += value;
        }
    }
    sums
}

/// From core 0 the parameters that memcached shows too; the others have nothing to add.
pub(super) fn settings(local: &Local<'_>) -> Vec<u8> {
    if local.core != 0 {
        return Vec::new();
    }
    let parameters = &local.shared.parameters;
    let number = |name| parameters.number(name) as u64;
    lines(|reply| {
        stat(reply, "maxbytes", parameters.maxmemory_bytes());
        stat(reply, "maxconns", number(Name::Maxclients));
        stat(reply, "tcpport", number(Name::MemcachePort));
        stat(reply, "udpport", 0);
        reply.stat("inter", &parameters.show(Name::Bind));
        stat(reply, "verbosity", 0);
        reply.stat("evictions", if number(Name::CacheMode) != 0 { b"on" } else { b"off" });
        stat(reply, "num_threads", u64::from(local.cores));
        reply.stat("cas_enabled", b"yes");
        stat(reply, "tcp_backlog", number(Name::TcpBacklog));
        reply.stat("binding_protocol", b"auto-negotiate");
        let users = parameters.text(Name::MemcacheAuthFile);
        reply.stat("auth_enabled_sasl", if users.is_empty() { b"no" } else { b"yes" });
        reply.stat("auth_enabled_ascii", if users.is_empty() { b"no" } else { &users });
        stat(reply, "item_size_max", number(Name::ItemSizeMax));
        reply.stat("maxconns_fast", b"yes");
        reply.stat("slab_reassign", b"yes");
        stat(reply, "slab_automove", 1);
        reply.stat("flush_enabled", b"yes");
        stat(reply, "idle_timeout", number(Name::Timeout));
        reply.stat("track_sizes", b"no");
        reply.stat("ssl_enabled", b"no");
    })
}

/// Every connection of this core as lines.
pub(super) fn connections(local: &Local<'_>, asker: &Asker) -> Vec<u8> {
    let now_ms = local.now.unix_ms;
    let mut names = String::new();
    lines(|reply| {
        for (_, session) in local.sessions.iter() {
            let mut line = |field: &str, value: &[u8]| {
                names.clear();
                names.push_str(&format!("{}:{field}", session.fd));
                reply.stat(&names, value);
            };
            let family = if session.unix { "unix" } else { "tcp" };
            line("addr", format!("{family}:{}", session.peer).as_bytes());
            line("listen_addr", format!("{family}:{}", session.local).as_bytes());
            let parses = session.client_id == asker.client_id;
            line("state", if parses { b"conn_parse_cmd" } else { b"conn_read" });
            let protocol: &[u8] = match session.proto {
                Proto::Memcache => b"ascii",
                Proto::MemcacheBinary => b"binary",
                Proto::Resp2 | Proto::Resp3 => b"resp",
            };
            line("protocol", protocol);
            let idle_ms = now_ms.saturating_sub(session.active_ms);
            line("secs_since_last_cmd", (idle_ms / 1000).to_string().as_bytes());
        }
    })
}

/// One size class in a pack, summed over the cores, whose classes are alike.
struct Class {
    chunk_bytes: u64,
    item_bytes_max: u64,
    pages: u64,
    used: u64,
    free: u64,
    requested_bytes: u64,
    evicted: u64,
}

const CLASS_FIGURES: usize = 7;

/// This shard's size classes.
pub(super) fn classes(shard: &Shard) -> Vec<u8> {
    let classes = shard.store.classes();
    pack(classes.iter().flat_map(|class| -> [u64; CLASS_FIGURES] {
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
    let count = parts.iter().map(|part| part.len() / (8 * CLASS_FIGURES)).max().unwrap_or(0);
    let sums = summed(parts, count * CLASS_FIGURES);
    let first: Vec<u64> = parts.first().map(|part| numbers(part).collect()).unwrap_or_default();
    let class = |index: usize| {
        let [_, _, pages, used, free, requested_bytes, evicted] =
            sums[index * CLASS_FIGURES..][..CLASS_FIGURES]
        else {
            unreachable!("a slice of CLASS_FIGURES numbers")
        };
        let fixed = &first[index * CLASS_FIGURES..][..2];
        Class { chunk_bytes: fixed[0], item_bytes_max: fixed[1], pages, used, free, requested_bytes, evicted }
    };
    (0..count)
        .map(|index| (index + 1, class(index)))
        .filter(|(_, class)| class.pages + class.used > 0)
        .collect()
}

pub(super) fn write_items(parts: &[Vec<u8>], reply: &mut Reply<'_>) {
    for (id, class) in joined(parts) {
        for (name, value) in
            [("number", class.used), ("mem_requested", class.requested_bytes), ("evicted", class.evicted)]
        {
            stat(reply, &format!("items:{id}:{name}"), value);
        }
    }
}

pub(super) fn write_slabs(parts: &[Vec<u8>], reply: &mut Reply<'_>) {
    let classes = joined(parts);
    let mut page_bytes = 0;
    for (id, class) in &classes {
        let chunks = class.used + class.free;
        // A class of large values has no pages: each value is a piece of memory of its own.
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
            ("mem_requested", class.requested_bytes),
        ] {
            stat(reply, &format!("{id}:{name}"), value);
        }
    }
    stat(reply, "active_slabs", classes.len() as u64);
    stat(reply, "total_malloced", page_bytes);
}
