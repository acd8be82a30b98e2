//! The sections of `INFO`: Redis's fields as far as they mean something here, and some of our own.

use crate::command::Local;
use crate::command::server::memory::{Use, percent};
use crate::command::server::process;
use crate::command::table::TABLE;
use crate::metrics::{Counter, ERROR_CODES, Metrics, sum};
use crate::parameters::Name;
use crate::parameters::bytes::human;
use crate::session::listeners::Kind;
use crate::version::{LARDER_VERSION, REDIS_VERSION};
use std::fmt::Write as _;

/// Who is asked.
pub(super) struct Scene<'a, 'b> {
    pub local: &'a Local<'b>,
}

impl Scene<'_, '_> {
    fn sum(&self, counter: Counter) -> u64 {
        sum(&self.local.shared.metrics, counter)
    }

    fn number(&self, name: Name) -> i64 {
        self.local.shared.parameters.number(name)
    }

    /// By row or code, over all cores.
    fn over_cores(&self, count: impl Fn(&Metrics) -> u64) -> u64 {
        self.local.shared.metrics.iter().map(count).sum()
    }
}

/// Writes a section, its heading included.
pub(super) type Section = fn(&Scene<'_, '_>, &mut String);

/// Writes `name:value` lines.
macro_rules! fields {
    ($text:expr, $($name:literal: $value:expr,)*) => {{
        let text: &mut String = $text;
        // Writing to a string cannot fail.
        $(let _ = write!(text, concat!($name, ":{}\r\n"), $value);)*
    }};
}

fn heading(text: &mut String, name: &str) {
    text.push_str("# ");
    text.push_str(name);
    text.push_str("\r\n");
}

pub(super) fn server(scene: &Scene<'_, '_>, text: &mut String) {
    let shared = scene.local.shared;
    let up_secs = scene.local.now.mono_us.saturating_sub(shared.started.mono_us) / 1_000_000;
    let driver = shared.driver.get().map_or("", String::as_str);
    let port = match scene.number(Name::Port) {
        0 => scene.number(Name::MemcachePort),
        port => port,
    };
    heading(text, "Server");
    fields!(text,
        "redis_version": REDIS_VERSION,
        "larder_version": LARDER_VERSION,
        "redis_git_sha1": "00000000",
        "redis_git_dirty": 0,
        "redis_build_id": LARDER_VERSION,
        "redis_mode": "standalone",
        "os": process::system(),
        "arch_bits": usize::BITS,
        "monotonic_clock": "POSIX clock_gettime",
        "multiplexing_api": driver.split(' ').next().unwrap_or_default(),
        "io_driver": driver,
        "process_id": std::process::id(),
        "process_supervised": "no",
        "run_id": shared.run_id,
        "tcp_port": port,
        "memcache_port": scene.number(Name::MemcachePort),
        "tls_port": scene.number(Name::TlsPort),
        "tls_memcache_port": scene.number(Name::TlsMemcachePort),
        "server_time_usec": scene.local.now.unix_ms * 1000,
        "uptime_in_seconds": up_secs,
        "uptime_in_days": up_secs / 86_400,
        "hz": scene.number(Name::Hz),
        "configured_hz": scene.number(Name::Hz),
        "lru_clock": scene.local.now.unix_secs() & 0xff_ffff,
        "executable": process::executable(),
        "config_file": shared.parameters.file().map_or(String::new(), |file| file.display().to_string()),
        "io_threads_active": 0,
        "thread_count": shared.cores(),
    );
    if let Some(config) = shared.tls.get() {
        fields!(text,
            "tls_cert_not_before": config.validity.0,
            "tls_cert_not_after": config.validity.1,
            "tls_cert_read_time": config.read_secs,
            "tls_by": shared.tls_by(),
        );
    }
}

pub(super) fn clients(scene: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Clients");
    fields!(text,
        "connected_clients": scene.sum(Counter::Connections),
        "tls_connected_clients": scene.sum(Counter::TlsConnections),
        "tls_kernel_clients": scene.sum(Counter::TlsKernel),
        "cluster_connections": 0,
        "maxclients": scene.number(Name::Maxclients),
        "client_recent_max_input_buffer": 0,
        "client_recent_max_output_buffer": 0,
        "blocked_clients": scene.sum(Counter::Blocked),
        "tracking_clients": 0,
        "clients_in_timeout_table": scene.sum(Counter::BlockedWithDeadline),
    );
}

pub(super) fn memory(scene: &Scene<'_, '_>, text: &mut String) {
    let shared = scene.local.shared;
    let memory = Use::of(shared);
    let system = shared.parameters.host().memory_bytes;
    heading(text, "Memory");
    fields!(text,
        "used_memory": memory.used,
        "used_memory_human": human(memory.used),
        "used_memory_rss": memory.rss,
        "used_memory_rss_human": human(memory.rss),
        "used_memory_peak": memory.peak,
        "used_memory_peak_human": human(memory.peak),
        "used_memory_peak_perc": format_args!("{:.2}%", percent(memory.used, memory.peak)),
        "used_memory_overhead": memory.overhead(),
        "used_memory_startup": 0,
        "used_memory_dataset": memory.dataset,
        "used_memory_dataset_perc": format_args!("{:.2}%", percent(memory.dataset, memory.used)),
        "allocator_allocated": memory.used,
        "allocator_active": memory.used,
        "allocator_resident": memory.rss,
        "total_system_memory": system,
        "total_system_memory_human": human(system),
        "used_memory_lua": 0,
        "used_memory_vm_eval": 0,
        "used_memory_lua_human": "0B",
        "used_memory_scripts_eval": 0,
        "number_of_cached_scripts": 0,
        "number_of_functions": 0,
        "number_of_libraries": 0,
        "used_memory_vm_functions": 0,
        "used_memory_vm_total": 0,
        "used_memory_vm_total_human": "0B",
        "used_memory_functions": 0,
        "used_memory_scripts": 0,
        "used_memory_scripts_human": "0B",
        "maxmemory": memory.max,
        "maxmemory_human": human(memory.max),
        "maxmemory_policy": shared.parameters.policy_name(),
        "allocator_frag_ratio": "1.00",
        "allocator_frag_bytes": 0,
        "allocator_rss_ratio": format_args!("{:.2}", memory.fragmentation()),
        "allocator_rss_bytes": memory.fragmentation_bytes(),
        "rss_overhead_ratio": "1.00",
        "rss_overhead_bytes": 0,
        "mem_fragmentation_ratio": format_args!("{:.2}", memory.fragmentation()),
        "mem_fragmentation_bytes": memory.fragmentation_bytes(),
        "mem_not_counted_for_evict": memory.buffers,
        "mem_replication_backlog": 0,
        "mem_total_replication_buffers": 0,
        "mem_clients_slaves": 0,
        "mem_clients_normal": memory.buffers,
        "mem_cluster_links": 0,
        "mem_aof_buffer": 0,
        "mem_allocator": "slabs",
        "active_defrag_running": 0,
        "lazyfree_pending_objects": 0,
        "lazyfreed_objects": 0,
    );
}

pub(super) fn persistence(scene: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Persistence");
    fields!(text,
        "loading": 0,
        "async_loading": 0,
        "current_cow_peak": 0,
        "current_cow_size": 0,
        "current_cow_size_age": 0,
        "current_fork_perc": "0.00",
        "current_save_keys_processed": 0,
        "current_save_keys_total": 0,
        "rdb_changes_since_last_save": scene.sum(Counter::Changes),
        "rdb_bgsave_in_progress": 0,
        "rdb_last_save_time": scene.local.shared.started.unix_secs(),
        "rdb_last_bgsave_status": "ok",
        "rdb_last_bgsave_time_sec": -1,
        "rdb_current_bgsave_time_sec": -1,
        "rdb_saves": 0,
        "rdb_last_cow_size": 0,
        "rdb_last_load_keys_expired": 0,
        "rdb_last_load_keys_loaded": 0,
        "aof_enabled": 0,
        "aof_rewrite_in_progress": 0,
        "aof_rewrite_scheduled": 0,
        "aof_last_rewrite_time_sec": -1,
        "aof_current_rewrite_time_sec": -1,
        "aof_last_bgrewrite_status": "ok",
        "aof_rewrites": 0,
        "aof_rewrites_consecutive_failures": 0,
        "aof_last_write_status": "ok",
        "aof_last_cow_size": 0,
        "module_fork_in_progress": 0,
        "module_fork_last_cow_size": 0,
    );
}

pub(super) fn stats(scene: &Scene<'_, '_>, text: &mut String) {
    let now_us = scene.local.now.mono_us;
    let paces = || scene.local.shared.metrics.iter().map(|metrics| metrics.per_second(now_us));
    let kib = |bytes: u64| bytes as f64 / 1024.0;
    heading(text, "Stats");
    fields!(text,
        "total_connections_received": scene.sum(Counter::ConnectionsReceived),
        "total_commands_processed": scene.sum(Counter::Commands),
        "instantaneous_ops_per_sec": paces().map(|pace| pace.commands).sum::<u64>(),
        "total_net_input_bytes": scene.sum(Counter::BytesIn),
        "total_net_output_bytes": scene.sum(Counter::BytesOut),
        "total_net_repl_input_bytes": 0,
        "total_net_repl_output_bytes": 0,
        "instantaneous_input_kbps": format_args!("{:.2}", kib(paces().map(|pace| pace.bytes_in).sum())),
        "instantaneous_output_kbps": format_args!("{:.2}", kib(paces().map(|pace| pace.bytes_out).sum())),
        "instantaneous_input_repl_kbps": "0.00",
        "instantaneous_output_repl_kbps": "0.00",
        "rejected_connections": scene.sum(Counter::ConnectionsRejected),
        "sync_full": 0,
        "sync_partial_ok": 0,
        "sync_partial_err": 0,
        "expired_keys": scene.sum(Counter::Expired),
        "expired_stale_perc": "0.00",
        "expired_time_cap_reached_count": 0,
        "expire_cycle_cpu_milliseconds": 0,
        "evicted_keys": scene.sum(Counter::Evicted),
        "evicted_clients": 0,
        "client_query_buffer_limit_disconnections": scene.sum(Counter::QueryLimitDisconnections),
        "client_output_buffer_limit_disconnections": scene.sum(Counter::OutputLimitDisconnections),
        "total_eviction_exceeded_time": 0,
        "current_eviction_exceeded_time": 0,
        "keyspace_hits": scene.sum(Counter::Hits),
        "keyspace_misses": scene.sum(Counter::Misses),
        "pubsub_channels": scene.local.sessions.listeners.count(Kind::Channel),
        "pubsub_patterns": scene.local.sessions.listeners.count(Kind::Pattern),
        "pubsubshard_channels": scene.local.sessions.listeners.count(Kind::Shard),
        "latest_fork_usec": 0,
        "total_forks": 0,
        "migrate_cached_sockets": 0,
        "slave_expires_tracked_keys": 0,
        "active_defrag_hits": 0,
        "active_defrag_misses": 0,
        "active_defrag_key_hits": 0,
        "active_defrag_key_misses": 0,
        "total_active_defrag_time": 0,
        "current_active_defrag_time": 0,
        "tracking_total_keys": 0,
        "tracking_total_items": 0,
        "tracking_total_prefixes": 0,
        "unexpected_error_replies": 0,
        "total_error_replies": scene.sum(Counter::Errors),
        "dump_payload_sanitizations": 0,
        "total_reads_processed": scene.sum(Counter::Commands),
        "total_writes_processed": scene.sum(Counter::Commands),
        "io_threaded_reads_processed": 0,
        "io_threaded_writes_processed": 0,
        "reply_buffer_shrinks": 0,
        "reply_buffer_expands": 0,
        "eventloop_cycles": scene.sum(Counter::Turns),
        "tls_handshakes": scene.sum(Counter::TlsHandshakes),
        "tls_resumed_sessions": scene.sum(Counter::TlsResumed),
        "tls_handshake_errors": scene.sum(Counter::TlsHandshakeErrors),
        "tls_session_errors": scene.sum(Counter::TlsRecordErrors),
        "mesh_hops": scene.sum(Counter::Hops),
        "mesh_mails": scene.sum(Counter::Mails),
    );
}

pub(super) fn replication(scene: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Replication");
    fields!(text,
        "role": "master",
        "connected_slaves": 0,
        "master_failover_state": "no-failover",
        "master_replid": scene.local.shared.run_id,
        "master_replid2": "0000000000000000000000000000000000000000",
        "master_repl_offset": 0,
        "second_repl_offset": -1,
        "repl_backlog_active": 0,
        "repl_backlog_size": 0,
        "repl_backlog_first_byte_offset": 0,
        "repl_backlog_histlen": 0,
    );
}

pub(super) fn cpu(_: &Scene<'_, '_>, text: &mut String) {
    let (system, user) = process::cpu_secs(false);
    let (thread_system, thread_user) = process::cpu_secs(true);
    heading(text, "CPU");
    fields!(text,
        "used_cpu_sys": format_args!("{system:.6}"),
        "used_cpu_user": format_args!("{user:.6}"),
        "used_cpu_sys_children": "0.000000",
        "used_cpu_user_children": "0.000000",
        "used_cpu_sys_main_thread": format_args!("{thread_system:.6}"),
        "used_cpu_user_main_thread": format_args!("{thread_user:.6}"),
    );
}

pub(super) fn modules(_: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Modules");
}

pub(super) fn commandstats(scene: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Commandstats");
    for (row, command) in TABLE.rows() {
        let calls = scene.over_cores(|metrics| metrics.calls(row));
        let rejected = scene.over_cores(|metrics| metrics.rejections(row));
        if calls + rejected == 0 {
            continue;
        }
        let us = scene.over_cores(|metrics| metrics.spent_us(row));
        let each_us = if calls == 0 { 0.0 } else { us as f64 / calls as f64 };
        // memcached's commands are told apart by a colon, which ends a name here.
        let name = command.name.replace(':', ".");
        let _ = write!(
            text,
            "cmdstat_{name}:calls={calls},usec={us},usec_per_call={each_us:.2},rejected_calls={rejected},\
             failed_calls={}\r\n",
            scene.over_cores(|metrics| metrics.failures(row)),
        );
    }
}

pub(super) fn errorstats(scene: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Errorstats");
    for (place, code) in ERROR_CODES.iter().enumerate() {
        let count = scene.over_cores(|metrics| metrics.errors(place));
        if count > 0 {
            let _ = write!(text, "errorstat_{code}:count={count}\r\n");
        }
    }
}

/// Latencies of commands are not counted (`latency-tracking no`).
pub(super) fn latencystats(_: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Latencystats");
}

pub(super) fn cluster(_: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Cluster");
    fields!(text, "cluster_enabled": 0,);
}

pub(super) fn keyspace(scene: &Scene<'_, '_>, text: &mut String) {
    heading(text, "Keyspace");
    for db in 0..scene.local.shared.parameters.databases() {
        let (mut keys, mut expires, mut known, mut sum_ms) = (0, 0, 0, 0u128);
        for metrics in &scene.local.shared.metrics {
            let (here, volatile) = metrics.db(db);
            let lifetime_ms = metrics.lifetime_ms(db);
            keys += here;
            expires += volatile;
            if lifetime_ms > 0 {
                known += volatile;
                sum_ms += u128::from(volatile) * u128::from(lifetime_ms);
            }
        }
        let avg_ttl = sum_ms.checked_div(u128::from(known)).unwrap_or(0);
        if keys > 0 {
            let _ = write!(text, "db{db}:keys={keys},expires={expires},avg_ttl={avg_ttl}\r\n");
        }
    }
}
