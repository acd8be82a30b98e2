//! `stats settings`: what memcached shows of its settings, as far as there is something like it here. What there is not
//! shows what it is in a memcached that does not use it.

use super::report::{lines, stat};
use crate::command::Local;
use crate::parameters::{Name, Parameters};
use crate::protocol::Reply;
use crate::shared::watchers::topic;
use crate::tls;
use std::sync::atomic::Ordering::Relaxed;

/// What memcached's own parts are set to that do not exist here, in the order of its lines.
const ABSENT: &[(&str, &str)] = &[
    ("tail_repair_time", "0"),
    ("hash_algorithm", "seeded"),
    ("read_buf_mem_limit", "0"),
    ("inline_ascii_response", "no"),
    ("ext_item_size", "512"),
    ("ext_item_age", "4294967295"),
    ("ext_low_ttl", "0"),
    ("ext_recache_rate", "2000"),
    ("ext_wbuf_size", "4194304"),
    ("ext_compact_under", "0"),
    ("ext_drop_under", "0"),
    ("ext_max_sleep", "1000000"),
    ("ext_max_frag", "0.80"),
    ("ext_drop_unread", "no"),
];

/// The same behind those of TLS.
const ABSENT_TOO: &[(&str, &str)] = &[("num_napi_ids", "(null)"), ("memory_file", "(null)")];

/// From core 0 all lines; the others have nothing to add.
pub(super) fn settings(local: &Local<'_>) -> Vec<u8> {
    if local.core == 0 { lines(|reply| write(local, reply)) } else { Vec::new() }
}

fn write(local: &Local<'_>, reply: &mut Reply<'_>) {
    let parameters = &local.shared.parameters;
    let number = |name| parameters.number(name) as u64;
    stat(reply, "maxbytes", parameters.maxmemory_bytes());
    stat(reply, "maxconns", number(Name::Maxclients));
    stat(reply, "tcpport", number(Name::MemcachePort));
    stat(reply, "udpport", 0);
    reply.stat("inter", &parameters.show(Name::Bind));
    stat(reply, "verbosity", u64::from(local.shared.tuning.verbosity.load(Relaxed)));
    stat(reply, "oldest", 0);
    reply.stat("evictions", on_off(number(Name::CacheMode) != 0));
    let path = parameters.text(Name::MemcacheUnixsocket);
    reply.stat("domain_socket", if path.is_empty() { b"NULL" } else { &path });
    reply.stat("umask", format!("{:o}", number(Name::MemcacheUnixsocketperm)).as_bytes());
    reply.stat("shutdown_command", yes_no(number(Name::EnableShutdown) != 0));
    let classes = local.shard.store.classes();
    let smallest = classes.first().map_or(0, |class| u64::from(class.chunk_bytes));
    // Neighbouring classes are so far apart, at most.
    reply.stat("growth_factor", b"1.12");
    stat(reply, "chunk_size", smallest);
    stat(reply, "num_threads", u64::from(local.cores));
    stat(reply, "num_threads_per_udp", 0);
    reply.stat("stat_key_prefix", &[local.shard.prefixes.delimiter]);
    reply.stat("detail_enabled", yes_no(local.shared.watchers.topics() & topic::DETAIL != 0));
    stat(reply, "reqs_per_event", crate::limits::BATCH_REQUESTS_MAX as u64);
    reply.stat("cas_enabled", b"yes");
    stat(reply, "tcp_backlog", number(Name::TcpBacklog));
    reply.stat("binding_protocol", b"auto-negotiate");
    let users = parameters.text(Name::MemcacheAuthFile);
    reply.stat("auth_enabled_sasl", yes_no(!users.is_empty()));
    reply.stat("auth_enabled_ascii", if users.is_empty() { b"no" } else { &users });
    stat(reply, "item_size_max", number(Name::ItemSizeMax));
    reply.stat("maxconns_fast", b"yes");
    stat(reply, "hashpower_init", 0);
    let largest = classes.iter().map(|class| u64::from(class.chunk_bytes)).max().unwrap_or(0);
    tunings(local, parameters, largest, reply);
    for (name, value) in ABSENT {
        reply.stat(name, value.as_bytes());
    }
    certificates(local, reply);
    for (name, value) in ABSENT_TOO {
        reply.stat(name, value.as_bytes());
    }
}

/// What memcached shows of TLS; where there is none, as one without it.
fn certificates(local: &Local<'_>, reply: &mut Reply<'_>) {
    let parameters = &local.shared.parameters;
    let enabled = tls::is_wanted(parameters);
    let text = |reply: &mut Reply<'_>, name: &str, parameter: Name, none: &'static [u8]| {
        let value = parameters.text(parameter);
        reply.stat(name, if enabled && !value.is_empty() { &value } else { none });
    };
    reply.stat("ssl_enabled", yes_no(enabled));
    text(reply, "ssl_chain_cert", Name::TlsCertFile, b"(null)");
    text(reply, "ssl_key", Name::TlsKeyFile, b"(null)");
    // memcached's numbers for not asking, asking, insisting.
    let mode = match parameters.choice(Name::TlsAuthClients) {
        "yes" if enabled => 2,
        "optional" if enabled => 1,
        _ => 0,
    };
    stat(reply, "ssl_verify_mode", mode);
    stat(reply, "ssl_keyformat", 1);
    text(reply, "ssl_ciphers", Name::TlsCiphers, b"NULL");
    text(reply, "ssl_ca_cert", Name::TlsCaCertFile, b"NULL");
    stat(reply, "ssl_wbuf_size", if enabled { crate::limits::TLS_SEAL_BYTES as u64 } else { 16384 });
    reply.stat("ssl_session_cache", yes_no(enabled && parameters.number(Name::TlsSessionCaching) != 0));
    let kernel = parameters.choice(Name::TlsKernel) != "no" && !local.shared.kernel_suites().is_empty();
    reply.stat("ssl_kernel_tls", yes_no(enabled && kernel));
    let protocols = parameters.text(Name::TlsProtocols);
    let newest_only = !protocols.is_empty() && memchr::memmem::find(&protocols, b"1.2").is_none();
    reply.stat("ssl_min_version", if newest_only { b"tlsv1.3" } else { b"tlsv1.2" });
}

/// What administrators of memcached set while it runs.
fn tunings(local: &Local<'_>, parameters: &Parameters, largest_chunk_bytes: u64, reply: &mut Reply<'_>) {
    let tuning = &local.shared.tuning;
    let fraction =
        |reply: &mut Reply<'_>, name: &str, value: f64| reply.stat(name, format!("{value:.2}").as_bytes());
    reply.stat("slab_reassign", b"yes");
    stat(reply, "slab_automove", u64::from(tuning.automove.load(Relaxed)));
    fraction(reply, "slab_automove_ratio", tuning.automove_ratio.get());
    stat(reply, "slab_automove_window", u64::from(tuning.automove_window.load(Relaxed)));
    reply.stat("slab_automove_freeratio", format!("{:.3}", tuning.automove_freeratio.get()).as_bytes());
    stat(reply, "slab_chunk_max", largest_chunk_bytes);
    reply.stat("lru_crawler", yes_no(tuning.crawler.load(Relaxed)));
    stat(reply, "lru_crawler_sleep", u64::from(tuning.crawler_sleep_us.load(Relaxed)));
    stat(reply, "lru_crawler_tocrawl", u64::from(tuning.crawler_tocrawl.load(Relaxed)));
    reply.stat("flush_enabled", yes_no(parameters.number(Name::DisableFlushAll) == 0));
    reply.stat("dump_enabled", yes_no(parameters.number(Name::DisableDumping) == 0));
    reply.stat("lru_maintainer_thread", b"no");
    reply.stat("lru_segmented", yes_no(tuning.segmented.load(Relaxed)));
    stat(reply, "hot_lru_pct", u64::from(tuning.hot_pct.load(Relaxed)));
    stat(reply, "warm_lru_pct", u64::from(tuning.warm_pct.load(Relaxed)));
    fraction(reply, "hot_max_factor", tuning.hot_factor.get());
    fraction(reply, "warm_max_factor", tuning.warm_factor.get());
    reply.stat("temp_lru", yes_no(tuning.temp_lru.load(Relaxed)));
    stat(reply, "temporary_ttl", u64::from(tuning.temp_ttl_secs.load(Relaxed)));
    stat(reply, "idle_timeout", parameters.number(Name::Timeout) as u64);
    stat(reply, "watcher_logbuf_size", crate::limits::WATCHER_OUTPUT_BYTES_MAX as u64);
    stat(reply, "worker_logbuf_size", 0);
    reply.stat("track_sizes", yes_no(tuning.sizes.load(Relaxed)));
}

fn yes_no(yes: bool) -> &'static [u8] {
    if yes { b"yes" } else { b"no" }
}

fn on_off(on: bool) -> &'static [u8] {
    if on { b"on" } else { b"off" }
}
