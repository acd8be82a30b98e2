//! What `stats` shows: how a core packs what it knows, and how the packs of all cores become lines.
//!
//! A pack is a row of little-endian numbers that are summed place by place; behind the numbers of core 0 may
//! stand lines that hold for the whole process and are shown first.

use super::session::VERSION;
use crate::command::server::process::cpu_secs;
use crate::command::{Asker, Local};
use crate::metrics::{Counter, sum};
use crate::parameters::Name;
use crate::protocol::{Proto, Reply};
use crate::text::format_u64;
use std::sync::atomic::Ordering::Relaxed;

/// The numbers of a pack one by one.
pub(super) fn numbers(pack: &[u8]) -> impl Iterator<Item = u64> {
    pack.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes")))
}

pub(super) fn pack(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(u64::to_le_bytes).collect()
}

pub(super) fn stat(reply: &mut Reply<'_>, name: &str, value: u64) {
    let mut digits = [0; 21];
    reply.stat(name, format_u64(value, &mut digits));
}

/// Lines composed outside of a reply.
pub(super) fn lines(compose: impl FnOnce(&mut Reply<'_>)) -> Vec<u8> {
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
    spare_pages: u64,
}

/// The general statistics that are summed over the cores, in the order of memcached's own lines.
const GENERAL: &[(&str, Source)] = &[
    ("curr_connections", Fact(|facts| facts.connections)),
    ("total_connections", Counted(Counter::ConnectionsReceived)),
    ("rejected_connections", Counted(Counter::ConnectionsRejected)),
    ("connection_structures", Fact(|facts| facts.connections)),
    ("response_obj_oom", Never),
    ("response_obj_count", Never),
    ("response_obj_bytes", Never),
    ("read_buf_count", Never),
    ("read_buf_bytes", Counted(Counter::BufferBytes)),
    ("read_buf_bytes_free", Counted(Counter::BufferBytes)),
    ("read_buf_oom", Never),
    ("reserved_fds", Never),
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
    ("time_in_listen_disabled_us", Never),
    ("conn_yields", Never),
    ("hash_bytes", Fact(|facts| facts.ledger.index)),
    // The index grows bucket by bucket: it is never between two tables.
    ("hash_is_expanding", Never),
    ("slab_reassign_rescues", Fact(|facts| facts.store.rescued)),
    ("slab_reassign_chunk_rescues", Never),
    ("slab_reassign_evictions_nomem", Never),
    ("slab_reassign_inline_reclaim", Never),
    ("slab_reassign_busy_items", Never),
    ("slab_reassign_busy_deletes", Never),
    ("slab_reassign_running", Never),
    ("slabs_moved", Fact(|facts| facts.store.page_moves)),
    ("lru_crawler_running", Never),
    ("lru_maintainer_juggles", Never),
    ("malloc_fails", Fact(|facts| facts.store.refused)),
    ("unexpected_napi_ids", Never),
    ("round_robin_fallback", Never),
    ("bytes", Fact(|facts| facts.item_bytes)),
    ("curr_items", Fact(|facts| facts.items)),
    ("total_items", Counted(Counter::TotalItems)),
    ("slab_global_page_pool", Fact(|facts| facts.spare_pages)),
    ("expired_unfetched", Fact(|facts| facts.store.expired_unread)),
    ("evicted_unfetched", Fact(|facts| facts.store.evicted_unread)),
    ("evicted_active", Never),
    ("evictions", Counted(Counter::Evicted)),
    ("reclaimed", Counted(Counter::Expired)),
    ("crawler_reclaimed", Fact(|facts| facts.store.expired - facts.store.expired_by_touch)),
    ("crawler_items_checked", Fact(|facts| facts.store.swept)),
    ("lrutail_reflocked", Never),
    ("moves_to_cold", Never),
    ("moves_to_warm", Never),
    ("moves_within_lru", Never),
    // Whoever stores evicts.
    ("direct_reclaims", Counted(Counter::Evicted)),
    ("lru_bumps_dropped", Never),
];

/// Places in `GENERAL` of what other lines are made of.
fn place_of(name: &str) -> usize {
    GENERAL.iter().position(|(other, _)| *other == name).expect("a name of the table")
}

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
        spare_pages: store.spare_pages(),
    };
    let figures = GENERAL.iter().map(|(_, source)| match source {
        Counted(counter) => metrics.get(*counter),
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
    // There is none; io_uring or epoll is spoken to without it.
    reply.stat("libevent", b"none");
    stat(reply, "pointer_size", u64::from(usize::BITS));
    let (system_secs, user_secs) = cpu_secs(false);
    reply.stat("rusage_user", format!("{user_secs:.6}").as_bytes());
    reply.stat("rusage_system", format!("{system_secs:.6}").as_bytes());
    stat(reply, "max_connections", local.shared.parameters.number(Name::Maxclients) as u64);
    stat(reply, "limit_maxbytes", local.shared.parameters.maxmemory_bytes());
    stat(reply, "accepting_conns", 1);
    stat(reply, "threads", u64::from(local.cores));
    let tuning = &local.shared.tuning;
    stat(reply, "lru_crawler_starts", tuning.crawler_starts.load(Relaxed));
    let [watchers, lines, sent, skipped] = local.shared.watchers.figures();
    stat(reply, "log_worker_dropped", 0);
    stat(reply, "log_worker_written", lines);
    stat(reply, "log_watcher_skipped", skipped);
    stat(reply, "log_watcher_sent", sent);
    stat(reply, "log_watchers", watchers);
    if let Some(config) = local.shared.tls.get() {
        let counted = |counter| sum(&local.shared.metrics, counter);
        let new = counted(Counter::TlsHandshakes).saturating_sub(counted(Counter::TlsResumed));
        stat(reply, "ssl_new_sessions", new);
        stat(reply, "ssl_handshake_errors", counted(Counter::TlsHandshakeErrors));
        stat(reply, "ssl_proto_errors", counted(Counter::TlsRecordErrors));
        let since_secs = local.now.unix_secs().saturating_sub(config.read_secs);
        stat(reply, "time_since_server_cert_refresh", since_secs);
    }
}

pub(super) fn write_general(parts: &[Vec<u8>], reply: &mut Reply<'_>) {
    write_process_lines(parts, GENERAL.len(), reply);
    let sums = summed(parts, GENERAL.len());
    // memcached's table has so many pointers of eight bytes as the power says.
    let hash_bytes = sums[place_of("hash_bytes")];
    stat(reply, "hash_power_level", u64::from((hash_bytes / 8).max(1).ilog2()));
    for ((name, _), value) in GENERAL.iter().zip(sums) {
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
pub(super) fn summed(parts: &[Vec<u8>], count: usize) -> Vec<u64> {
    let mut sums = vec![0u64; count];
    for part in parts {
        for (sum, value) in sums.iter_mut().zip(numbers(part)) {
            *sum += value;
        }
    }
    sums
}

/// Every connection of this core as lines.
pub(super) fn connections(local: &Local<'_>, asker: &Asker) -> Vec<u8> {
    let now_ms = local.now.mono_ms();
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
