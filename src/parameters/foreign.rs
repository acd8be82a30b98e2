//! Names that files for Redis, Valkey and Dragonfly have and this server has no parameter for. Whoever moves need not
//! edit a file before the first start: a name is passed over, and the log says so and why. Only a value that promises
//! something which would not be kept is refused, as is a name that nobody knows.
//!
//! They are no parameters: `CONFIG GET` does not show them and `CONFIG SET` does not know them, but for those few that
//! have a row of one value in the table, because clients ask for them.

use super::table::same;

/// Names that mean nothing here for the same reason.
#[derive(Debug)]
pub struct Foreign {
    /// What they are called; `-` and `_` are alike.
    pub names: &'static [&'static str],
    /// Why they mean nothing, or why their values are refused. No sentence: something stands before it.
    pub why: &'static str,
    /// The values that may be passed over, where others are refused.
    pub only: Option<&'static [&'static str]>,
}

const fn nothing(why: &'static str, names: &'static [&'static str]) -> Foreign {
    Foreign { names, why, only: None }
}

const fn promise(
    why: &'static str,
    only: &'static [&'static str],
    names: &'static [&'static str],
) -> Foreign {
    Foreign { names, why, only: Some(only) }
}

/// All of them.
pub static FOREIGN: &[Foreign] = &[
    promise("no write is kept on disk", &["no"], &["appendonly"]),
    promise(
        "this is a lone server, and clients of a cluster would look for the others",
        &["no", ""],
        &["cluster-enabled", "cluster_mode"],
    ),
    promise(
        "it would answer from an empty cache as if it were the other server's",
        &["no one", ""],
        &["replicaof", "slaveof"],
    ),
    promise(
        "there are no replicas, so no write would ever be confirmed by one",
        &["0"],
        &["min-replicas-to-write", "min-slaves-to-write"],
    ),
    promise(
        "commands keep their names; take the right to them away instead, as in: user default on nopass ~* &* +@all -flushall",
        &[],
        &["rename-command"],
    ),
    promise(
        "take the right to these commands away instead: user default on nopass ~* &* +@all -flushall",
        &[""],
        &["restricted_commands"],
    ),
    promise("commands have no other names", &[""], &["command_alias"]),
    promise("there are no modules, and their commands would be missing", &[""], &["loadmodule"]),
    promise("all values are kept in memory", &[""], &["tiered_prefix"]),
    promise("there is no RDMA", &["0"], &["rdma-port"]),
    nothing(
        "no snapshots are taken: what is kept ends with the process, unless warm_restart_file hands it to the next one",
        &[
            "save",
            "save_schedule",
            "snapshot_cron",
            "dbfilename",
            "stop-writes-on-bgsave-error",
            "rdbcompression",
            "rdbchecksum",
            "rdb-version-check",
            "rdb-del-sync-files",
            "rdb-save-incremental-fsync",
            "rdb-key-save-delay",
            "rdb_ignore_expiry",
            "rdb_load_dry_run",
            "rdb_sbf_chunked",
            "import-mode",
            "key-load-delay",
            "loading-process-events-interval-bytes",
            "sanitize-dump-payload",
            "df_snapshot_format",
            "background_snapshotting",
            "compression_level",
            "compression_mode",
            "serialization_max_chunk_size",
            "serialization_tagged_chunks",
            "snapshot_egress_limit_bytes",
            "shutdown-on-sigint",
            "shutdown-on-sigterm",
            "s3_ec2_metadata",
            "s3_endpoint",
            "s3_sign_payload",
            "s3_use_helio_client",
            "s3_use_https",
            "gcs_auth_token",
            "gcs_dry_upload",
        ],
    ),
    nothing(
        "there is no append-only file",
        &[
            "appendfilename",
            "appenddirname",
            "appendfsync",
            "no-appendfsync-on-rewrite",
            "auto-aof-rewrite-min-size",
            "auto-aof-rewrite-percentage",
            "aof-disable-auto-gc",
            "aof-load-truncated",
            "aof-rewrite-incremental-fsync",
            "aof-timestamp-enabled",
            "aof-use-rdb-preamble",
        ],
    ),
    nothing(
        "there is no replication",
        &[
            "masterauth",
            "masteruser",
            "primaryauth",
            "primaryuser",
            "master_connect_timeout_ms",
            "master_reconnect_timeout_ms",
            "min-replicas-max-lag",
            "min-slaves-max-lag",
            "repl-backlog-size",
            "repl-backlog-ttl",
            "repl-disable-tcp-nodelay",
            "repl-diskless-load",
            "repl-diskless-sync",
            "repl-diskless-sync-delay",
            "repl-diskless-sync-max-replicas",
            "repl-ping-replica-period",
            "repl-ping-slave-period",
            "repl-timeout",
            "repl-mptcp",
            "replica-announce-ip",
            "replica-announce-port",
            "replica-announced",
            "replica-ignore-disk-write-errors",
            "replica-ignore-maxmemory",
            "replica-lazy-flush",
            "replica-priority",
            "replica-read-only",
            "replica-serve-stale-data",
            "slave-announce-ip",
            "slave-announce-port",
            "slave-ignore-maxmemory",
            "slave-lazy-flush",
            "slave-priority",
            "slave-read-only",
            "slave-serve-stale-data",
            "dual-channel-replication-enabled",
            "propagation-error-behavior",
            "replica-full-sync-buffer-limit",
            "shutdown-timeout",
            "bind-source-addr",
            "tls-replication",
            "tls-client-cert-file",
            "tls-client-key-file",
            "tls-client-key-file-pass",
            "break_replication_on_master_restart",
            "experimental_cascaded_partial_sync",
            "experimental_replicaof_v2",
            "info_replication_valkey_compatible",
            "journal_omit_redundant_writes",
            "replica_delete_expired",
            "replica_partial_sync",
            "replicaof_no_one_start_journal",
            "replication_acks_interval",
            "replication_dispatch_threshold",
            "replication_stream_output_limit",
            "replication_timeout",
            "shard_repl_backlog_len",
            "shard_repl_backlog_max_bytes",
            "shard_repl_backlog_time_ms",
        ],
    ),
    nothing(
        "there is no cluster",
        &[
            "cluster-allow-pubsubshard-when-down",
            "cluster-allow-reads-when-down",
            "cluster-allow-replica-migration",
            "cluster-announce-bus-port",
            "cluster-announce-client-ipv4",
            "cluster-announce-client-ipv6",
            "cluster-announce-hostname",
            "cluster-announce-human-nodename",
            "cluster-announce-ip",
            "cluster-announce-port",
            "cluster-announce-tls-port",
            "cluster-blacklist-ttl",
            "cluster-config-file",
            "cluster-link-sendbuf-limit",
            "cluster-manual-failover-timeout",
            "cluster-migration-barrier",
            "cluster-node-timeout",
            "cluster-ping-interval",
            "cluster-port",
            "cluster-preferred-endpoint-type",
            "cluster-replica-no-failover",
            "cluster-replica-validity-factor",
            "cluster-require-full-coverage",
            "cluster-slave-no-failover",
            "cluster-slave-validity-factor",
            "cluster-slot-stats-enabled",
            "cluster-compatibility-sample-ratio",
            "tls-cluster",
            "announce_port",
            "availability-zone",
            "cluster_coordinator_connect_timeout_ms",
            "cluster_coordinator_response_timeout_ms",
            "cluster_flush_decommit_memory",
            "cluster_node_id",
            "experimental_cluster_shard_by_slot",
            "migration_buckets_cpu_budget",
            "migration_buckets_serialization_threshold",
            "migration_buckets_sleep_usec",
            "migration_finalization_timeout_ms",
            "slot_migration_connection_timeout_ms",
            "slot_migration_throttle_us",
        ],
    ),
    nothing(
        "it stays in the foreground, and the service manager's log and process table show it",
        &[
            "daemonize",
            "always-show-logo",
            "set-proc-title",
            "proc-title-template",
            "omit_basic_usage",
            "version_check",
        ],
    ),
    nothing(
        "loglevel and logfile say what is logged and where; a log has no keys and no values",
        &[
            "syslog-enabled",
            "syslog-facility",
            "syslog-ident",
            "crash-log-enabled",
            "crash-memcheck-enabled",
            "debug-context",
            "hide-user-data-from-log",
            "log-format",
            "log-timestamp-format",
            "alsologtostderr",
            "log_dir",
            "log_squash_info_threshold_usec",
            "logbuflevel",
            "logbufsecs",
            "logtostderr",
            "max_log_size",
            "minloglevel",
            "v",
            "vmodule",
        ],
    ),
    nothing(
        "threads says how many cores it runs on, and CPUAffinity or taskset on which",
        &[
            "io-threads",
            "io-threads-do-reads",
            "events-per-io-thread",
            "prefetch-batch-max-size",
            "server-cpulist",
            "bio-cpulist",
            "bgsave-cpulist",
            "aof-rewrite-cpulist",
            "conn_io_threads",
            "conn_io_thread_start",
            "conn_use_incoming_cpu",
            "migrate_connections",
            "num_shards",
            "proactor_affinity_mode",
            "shard_round_robin_prefix",
            "shard_thread_busy_polling_usec",
            "epoll_file_threads",
            "interpreter_per_thread",
        ],
    ),
    nothing(
        "io chooses between io_uring and epoll, and the rest is decided at run time",
        &[
            "force_epoll",
            "backing_file_direct",
            "enable_tcp_defer_accept",
            "experimental_io_loop_v2",
            "enable_memcache_io_loop_v2",
            "enable_resp_io_loop_v2",
            "registered_buffer_size",
            "tcp_nodelay",
            "tcp_user_timeout",
            "tcp-keepalive-probes",
            "send_timeout",
            "uring_direct_table_len",
            "uring_disable_iowait",
            "uring_recv_buffer_cnt",
            "max-new-connections-per-cycle",
            "max-new-tls-connections-per-cycle",
            "mptcp",
        ],
    ),
    nothing(
        "the group of a socket's file is the server's own, and sockets have no marks",
        &["unixsocketgroup", "socket-mark-id"],
    ),
    nothing(
        "limits of clients are client-output-buffer-limit, client-query-buffer-limit and maxmemory-clients",
        &[
            "always_flush_pipeline",
            "async_dispatch_quota",
            "disk_backpressure_file_max_bytes",
            "disk_backpressure_folder",
            "enable_pipeline_squashing_v2",
            "get_zero_copy",
            "iobuf_min_shrink_interval_sec",
            "max_busy_read_usec",
            "max_busy_squash_usec",
            "max_client_iobuf_len",
            "max_multi_bulk_len",
            "max_squashed_cmd_num",
            "mget_dedup_keys",
            "multi_exec_squash",
            "pause_wait_timeout",
            "pipeline_buffer_limit",
            "pipeline_parse_in_proactor",
            "pipeline_prioritize_large_batches",
            "pipeline_queue_limit",
            "pipeline_squash",
            "pipeline_squash_limit",
            "pipeline_wait_batch_usec",
            "publish_buffer_limit",
            "pubsub_slow_subscriber_timeout_ms",
            "request_cache_limit",
            "squash_stats_latency_lower_limit",
            "squashed_reply_size_limit",
            "tx_queue_warning_len",
            "write_connection_throttling_sleep_usec",
            "client-default-resp",
        ],
    ),
    nothing(
        "eviction, expiry and the giving back of memory are the store's own and need no tuning",
        &[
            "active-defrag-cycle-max",
            "active-defrag-cycle-min",
            "active-defrag-cycle-us",
            "active-defrag-ignore-bytes",
            "active-defrag-max-scan-fields",
            "active-defrag-threshold-lower",
            "active-defrag-threshold-upper",
            "active-expire-effort",
            "activedefrag",
            "activerehashing",
            "disable-thp",
            "dynamic-hz",
            "jemalloc-bg-thread",
            "lazyfree-lazy-eviction",
            "lazyfree-lazy-expire",
            "lazyfree-lazy-server-del",
            "lazyfree-lazy-user-del",
            "lazyfree-lazy-user-flush",
            "lfu-decay-time",
            "lfu-log-factor",
            "maxmemory-eviction-tenacity",
            "maxmemory-samples",
            "background_heartbeat",
            "enable_heartbeat_eviction",
            "enable_heartbeat_rss_eviction",
            "eviction_memory_budget_threshold",
            "max_eviction_per_heartbeat",
            "max_segment_to_consider",
            "mem_defrag_check_sec_interval",
            "mem_defrag_page_utilization_threshold",
            "mem_defrag_threshold",
            "mem_defrag_waste_threshold",
            "rss_oom_deny_ratio",
            "scheduler_background_budget",
            "scheduler_background_sleep_prob",
            "scheduler_background_warrant",
            "table_growth_margin",
            "unlink_experimental_async",
            "use_oah_set",
            "container_iteration_yield_interval_usec",
            "lock_on_hashtags",
            "locktag_delimiter",
            "locktag_prefix",
            "locktag_skip_n_end_delimiters",
            "tiered_experimental_cooling",
            "tiered_experimental_hash_support",
            "tiered_experimental_list_support",
            "tiered_max_file_size",
            "tiered_max_pending_stash_bytes",
            "tiered_min_ttl_to_offload_ms",
            "tiered_min_value_size",
            "tiered_offload_threshold",
            "tiered_storage_write_depth",
            "tiered_upload_threshold",
            "tiering_disk_storage_initial_size",
        ],
    ),
    nothing(
        "the killer of processes is told by the service manager: OOMScoreAdjust",
        &["oom-score-adj", "oom-score-adj-values"],
    ),
    nothing(
        "values have other forms here, and the parameters with -max- in their names choose between them",
        &[
            "list-compress-depth",
            "list_compress_level",
            "list_compress_dict_threshold",
            "list_tiering_prefetch_depth",
            "list_tiering_threshold",
            "listpack_max_bytes",
            "listpack_max_field_len",
            "huffman_table",
            "locale-collate",
        ],
    ),
    nothing(
        "there are no streams, HyperLogLogs, filters, documents and indexes",
        &[
            "hll-sparse-max-bytes",
            "stream-node-max-bytes",
            "stream-node-max-entries",
            "cf_bucket_size",
            "cf_expansion_factor",
            "cf_initial_size",
            "cf_max_expansions",
            "cf_max_iterations",
            "cluster_search",
            "deserialize_hnsw_index",
            "disable_json_defragmentation",
            "experimental_flat_json",
            "jsonpathv2",
            "MAXSEARCHRESULTS",
            "search_query_string_bytes",
            "search_reject_legacy_field",
            "serialize_hnsw_index",
            "subset_knn_search_threshold",
            "use_numeric_range_tree",
        ],
    ),
    nothing(
        "there are no scripts",
        &[
            "busy-reply-threshold",
            "lua-time-limit",
            "default_lua_flags",
            "lua_allow_undeclared_auto_correct",
            "lua_auto_async",
            "lua_enable_redis_log",
            "lua_float_as_int_shas",
            "lua_mem_gc_threshold",
            "lua_resp2_legacy_float",
            "lua_undeclared_keys_shas",
            "luagc",
            "multi_eval_squash_buffer",
        ],
    ),
    nothing("the server does not tell clients which keys they may keep", &["tracking-table-max-keys"]),
    nothing(
        "rights to commands and parameters are the users' (ACL SETUSER)",
        &["enable-debug-command", "enable-module-command", "enable-protected-configs"],
    ),
    nothing(
        "there is one console, on port; http_admin_console switches it",
        &["admin_bind", "admin_nopass", "admin_port", "no_tls_on_admin_port", "expose_http_api"],
    ),
    nothing(
        "latency is kept by families of commands, and /metrics shows it",
        &[
            "latency-tracking",
            "latency-tracking-info-percentiles",
            "commandlog-large-reply-max-len",
            "commandlog-large-request-max-len",
            "commandlog-reply-larger-than",
            "commandlog-request-larger-than",
        ],
    ),
    nothing(
        "keys are read unencrypted, and sessions are kept by the clients as tickets",
        &["tls-dh-params-file", "tls-key-file-pass", "tls-session-cache-size", "tls-session-cache-timeout"],
    ),
    nothing(
        "they are for the other server's own tests and looks",
        &[
            "allocation_tracker",
            "background_debug_jobs",
            "enable-debug-assert",
            "extended-redis-compatibility",
            "fiber_run_warning_threshold_ms",
            "fiber_safety_margin",
            "ignore-warnings",
            "keep_legacy_memory_metrics",
            "managed_service_info",
            "req-res-logfile",
            "use-exit-on-panic",
            "watchdog-period",
            "rdma-bind",
            "rdma-completion-vector",
            "rdma-rx-size",
        ],
    ),
];

/// The row of a name, in any case, `-` and `_` alike.
pub fn find(name: &[u8]) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|row| row.names.iter().any(|text| same(text, name)))
}

impl Foreign {
    /// What is wrong with a value that is not passed over, after the place where it stands. Commands that somebody has
    /// renamed have names that are secrets: those are not shown.
    pub fn refusal(&self, value: &[u8]) -> String {
        match self.only.and_then(|values| values.first()) {
            None => format!("not allowed: {}", self.why),
            Some(&"") => format!("'{}' is not allowed: only \"\"; {}", value.escape_ascii(), self.why),
            Some(only) => format!("'{}' is not allowed: only {only}; {}", value.escape_ascii(), self.why),
        }
    }

    /// Whether the server may start in spite of this value.
    pub fn passes_over(&self, value: &[u8]) -> bool {
        self.only.is_none_or(|values| values.iter().any(|text| text.as_bytes().eq_ignore_ascii_case(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn no_name_is_there_twice_and_parameters_are_those_with_one_value() {
        let names: Vec<&str> = FOREIGN.iter().flat_map(|row| row.names).copied().collect();
        for name in &names {
            assert_eq!(names.iter().filter(|other| same(other, name.as_bytes())).count(), 1, "{name}");
            let row = table::find(name.as_bytes());
            assert!(row.is_none_or(|row| row.kind.is_fixed()), "{name} is a parameter");
        }
    }

    #[test]
    fn reasons_are_no_sentences() {
        for row in FOREIGN {
            assert!(!row.why.ends_with('.') && !row.names.is_empty(), "{}", row.why);
        }
    }

    #[test]
    fn promises_are_refused_and_their_absence_is_not() {
        let passes = |name: &str, value: &str| find(name.as_bytes()).unwrap().passes_over(value.as_bytes());
        assert!(passes("appendonly", "NO") && !passes("appendonly", "yes"));
        assert!(passes("REPLICAOF", "no one") && !passes("replicaof", "10.0.0.1 6379"));
        assert!(!passes("rename-command", "FLUSHALL ") && passes("lazyfree_lazy_expire", "yes"));
        assert!(find(b"no-such-name").is_none());
    }
}
