//! The table of parameters. Flags, environment, configuration file, `CONFIG`, `--help` and the manual derive from it.

use super::kind::{Kind, Words};

/// A row of the table.
#[derive(Debug)]
pub struct Parameter {
    /// Its place in the table.
    pub name: Name,
    /// What it is called.
    pub text: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Type, default, range.
    pub kind: Kind,
    /// `CONFIG SET` may change it.
    pub live: bool,
    /// One sentence.
    pub help: &'static str,
}

/// May be changed by `CONFIG SET`.
const LIVE: bool = true;
/// Is decided at start.
const START: bool = false;

macro_rules! parameters {
    ($($id:ident $text:literal [$($alias:literal),*] $live:ident, $kind:expr, $help:literal;)*) => {
        /// A parameter, by its place in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`: ", $help)] $id,)*
        }

        /// All parameters, by [`Name`].
        pub static TABLE: &[Parameter] = &[
            $(Parameter { name: Name::$id, text: $text, aliases: &[$($alias),*], kind: $kind, live: $live, help: $help },)*
        ];

        /// How many parameters there are.
        pub const COUNT: usize = [$(Name::$id),*].len();
    };
}

/// Redis's names of eviction policies, in the order of `MaxmemoryPolicy`'s values.
pub const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];

/// Place of `noeviction` in [`POLICIES`].
pub(super) const NO_EVICTION: i64 = 7;
/// Place of the policy that `cache_mode` stands for.
pub(super) const EVICTION: i64 = 5;

/// memcached takes 1 GiB; the store's largest value is the bound here.
const ITEM_SIZE_MAX: i64 =
    if slabs::VALUE_BYTES_MAX < 1 << 30 { slabs::VALUE_BYTES_MAX as i64 } else { 1 << 30 };

parameters! {
    Port "port" [] START, Kind::Integer { default: 6379, min: 0, max: 65535 },
        "TCP port for Redis clients; 0 switches it off.";
    MemcachePort "memcache_port" ["memcached_port"] START, Kind::Integer { default: 11211, min: 0, max: 65535 },
        "TCP port for memcached clients; 0 switches it off.";
    TlsPort "tls-port" [] START, Kind::Integer { default: 0, min: 0, max: 65535 },
        "TCP port for Redis clients that speak TLS; 0 switches it off.";
    TlsMemcachePort "tls_memcache_port" [] START, Kind::Integer { default: 0, min: 0, max: 65535 },
        "TCP port for memcached clients that speak TLS; 0 switches it off.";
    Tls "tls" ["enable-ssl"] START, Kind::Boolean { default: false, words: Words::TrueFalse },
        "The ports port and memcache_port speak TLS too, and nothing else.";
    TlsCertFile "tls-cert-file" ["ssl_chain_cert"] LIVE, Kind::Text { default: "" },
        "File with the certificate of the server, and those behind it, for TLS.";
    TlsKeyFile "tls-key-file" ["ssl_key"] LIVE, Kind::Text { default: "" },
        "File with the private key of that certificate; empty is the same file.";
    TlsCaCertFile "tls-ca-cert-file" ["ssl_ca_cert"] LIVE, Kind::Text { default: "" },
        "File with the authorities whose certificates clients may show.";
    TlsCaCertDir "tls-ca-cert-dir" [] LIVE, Kind::Text { default: "" },
        "Directory with files of such authorities.";
    TlsAuthClients "tls-auth-clients" [] LIVE, Kind::Choice { default: 1, of: &["no", "yes", "optional"] },
        "Whether clients must show a certificate to speak TLS, may, or are not asked.";
    TlsProtocols "tls-protocols" [] LIVE, Kind::Text { default: "" },
        "Versions of TLS that clients may speak, of TLSv1.2 and TLSv1.3; empty is both.";
    TlsCiphers "tls-ciphers" ["ssl_ciphers"] LIVE, Kind::Text { default: "" },
        "Ciphers for TLSv1.2 as OpenSSL names them, colons between; empty is all.";
    TlsCiphersuites "tls-ciphersuites" ["tls-cipher-suites"] LIVE, Kind::Text { default: "" },
        "The same for TLSv1.3.";
    TlsPreferServerCiphers "tls-prefer-server-ciphers" [] LIVE, Kind::Boolean { default: false, words: Words::YesNo },
        "Choose the cipher in the order of these lists, not in the order of the client's.";
    TlsSessionCaching "tls-session-caching" ["ssl_session_cache"] LIVE, Kind::Boolean { default: true, words: Words::YesNo },
        "Clients may come back with a ticket, which saves most of a handshake.";
    TlsKernel "tls_kernel" ["ssl_kernel_tls"] LIVE, Kind::Choice { default: 0, of: &["auto", "no", "yes"] },
        "Whether the kernel seals and opens the records of TLS (its module tls): where it can, never, or nobody is served without.";
    Bind "bind" [] START, Kind::Addresses { default: "127.0.0.1" },
        "Addresses to listen on; one with a leading - may be missing on this machine.";
    Unixsocket "unixsocket" [] START, Kind::Text { default: "" },
        "Path of a Unix socket for Redis clients; empty switches it off.";
    Unixsocketperm "unixsocketperm" [] START, Kind::Mode { default: 0 },
        "Permission bits of that socket's file; 0 leaves them to the umask.";
    MemcacheUnixsocket "memcache_unixsocket" ["unix-socket"] START, Kind::Text { default: "" },
        "Path of a Unix socket for memcached clients; empty switches it off.";
    MemcacheUnixsocketperm "memcache_unixsocketperm" ["unix-mask"] START, Kind::Mode { default: 0o700 },
        "Permission bits of that socket's file; 0 leaves them to the umask.";
    TcpBacklog "tcp-backlog" ["listen-backlog"] START, Kind::Integer { default: 511, min: 1, max: 65535 },
        "Connections that may wait to be accepted.";
    TcpKeepalive "tcp-keepalive" [] LIVE, Kind::Integer { default: 300, min: 0, max: i32::MAX as i64 },
        "Seconds of silence after which a connection is probed; 0 never probes.";
    Timeout "timeout" ["idle_timeout"] LIVE, Kind::Integer { default: 0, min: 0, max: i32::MAX as i64 },
        "Seconds after which an idle client is closed; 0 never closes.";
    Maxclients "maxclients" ["conn-limit"] LIVE, Kind::Integer { default: 64_000, min: 1, max: 1_000_000 },
        "Clients that may be connected at once.";
    Threads "threads" ["proactor_threads"] START, Kind::Threads { max: 256 },
        "Cores to run on, each with a shard of its own.";
    Io "io" [] START, Kind::Choice { default: 0, of: &["auto", "uring", "poll"] },
        "I/O driver: io_uring, epoll, or io_uring where it is permitted.";
    Hz "hz" [] LIVE, Kind::Integer { default: 10, min: 1, max: 500 },
        "Times per second that background work is looked after while nothing else happens.";
    Maxmemory "maxmemory" [] LIVE, Kind::Memory,
        "Memory for keys, values and index; buffers of clients come on top, bounded.";
    MaxmemoryPolicy "maxmemory-policy" [] LIVE, Kind::Choice { default: EVICTION as usize, of: POLICIES },
        "What may be evicted when maxmemory is reached; noeviction refuses writes instead.";
    CacheMode "cache_mode" [] LIVE, Kind::CacheMode,
        "Evict when maxmemory is reached (any policy) or refuse writes (noeviction).";
    EvictionGoal "eviction_goal" [] LIVE, Kind::Choice { default: 0, of: &["hits", "bytes"] },
        "What eviction maximises: requests answered, or bytes answered.";
    ItemSizeMax "item_size_max" [] START, Kind::Size { default: 1 << 20, min: 1 << 10, max: ITEM_SIZE_MAX },
        "Largest item of memcached's commands: its value, and what memcached itself adds to it.";
    EnableShutdown "enable_shutdown" [] START, Kind::Boolean { default: false, words: Words::TrueFalse },
        "memcached clients may stop the server with the command shutdown.";
    DisableFlushAll "disable_flush_all" [] START, Kind::Boolean { default: false, words: Words::TrueFalse },
        "memcached clients may not flush (memcached's -F).";
    DisableDumping "disable_dumping" [] START, Kind::Boolean { default: false, words: Words::TrueFalse },
        "memcached clients may not list keys: cachedump, stats detail, metadump, mgdump (memcached's -X).";
    DisableWatch "disable_watch" [] START, Kind::Boolean { default: false, words: Words::TrueFalse },
        "memcached clients may not watch what others do (memcached's -W).";
    PrefixDelimiter "prefix_delimiter" ["stat_key_prefix"] START, Kind::Text { default: "" },
        "Byte that ends the prefix of a key for memcached's stats detail, which is on from the start then (-D); empty is a colon.";
    ProtoMaxBulkLen "proto-max-bulk-len" ["max_bulk_len"] LIVE, Kind::Size { default: 512 << 20, min: 1 << 20, max: 512 << 20 },
        "Largest argument of a Redis command.";
    ClientQueryBufferLimit "client-query-buffer-limit" [] LIVE, Kind::Size { default: 1 << 30, min: 1 << 20, max: i64::MAX },
        "Longest request of a Redis client, in bytes.";
    ClientOutputBufferLimit "client-output-buffer-limit" [] LIVE, Kind::OutputLimits,
        "Bytes of replies that may wait for a client, at most and for some seconds; 0 is no limit of its own.";
    MaxmemoryClients "maxmemory-clients" [] LIVE, Kind::Size { default: 0, min: 0, max: i64::MAX },
        "Bytes of buffers that all clients together may hold; 0 is a sixteenth of maxmemory.";
    Dbnum "databases" ["dbnum"] START, Kind::Integer { default: 16, min: 1, max: 255 },
        "Number of databases for SELECT.";
    HttpAdminConsole "http_admin_console" ["primary_port_http_enabled"] LIVE, Kind::Boolean { default: true, words: Words::TrueFalse },
        "Answer HTTP on the port for Redis clients: console, /metrics, /healthz, /info.";
    Requirepass "requirepass" [] LIVE, Kind::Text { default: "" },
        "Password of Redis clients that name no user; empty asks for none.";
    Aclfile "aclfile" [] START, Kind::Text { default: "" },
        "File with a line for each user of Redis's protocol and its rights; empty keeps users in the configuration file.";
    AcllogMaxLen "acllog-max-len" [] LIVE, Kind::Integer { default: 128, min: 0, max: i64::MAX },
        "Refusals that ACL LOG keeps.";
    AclPubsubDefault "acl-pubsub-default" [] LIVE,
        Kind::Choice { default: 1, of: &["allchannels", "resetchannels"] },
        "Channels that a new user may use: all or none.";
    ProtectedMode "protected-mode" [] LIVE, Kind::Boolean { default: true, words: Words::YesNo },
        "Serve clients of other machines only where a password is set.";
    MemcacheAuthFile "memcache_auth_file" ["auth-file"] START, Kind::Text { default: "" },
        "File with a name:password in each line, for memcached clients; empty asks for none.";
    KeysOutputLimit "keys_output_limit" [] LIVE, Kind::Integer { default: 0, min: 0, max: i64::MAX },
        "Keys that KEYS answers at most; 0 is no limit.";
    SlowlogLogSlowerThan "slowlog-log-slower-than" ["commandlog-execution-slower-than"] LIVE, Kind::Integer { default: 10_000, min: -1, max: i64::MAX },
        "Microseconds from which on a command enters the slow log; 0 logs all, -1 none.";
    SlowlogMaxLen "slowlog-max-len" ["commandlog-slow-execution-max-len"] LIVE, Kind::Integer { default: 128, min: 0, max: 100_000 },
        "Entries that the slow log keeps.";
    LatencyMonitorThreshold "latency-monitor-threshold" [] LIVE, Kind::Integer { default: 0, min: 0, max: i64::MAX },
        "Milliseconds from which on an event is kept for LATENCY; 0 keeps none.";
    HashMaxListpackEntries "hash-max-listpack-entries" ["hash-max-ziplist-entries"] LIVE,
        Kind::Integer { default: 128, min: 0, max: i64::MAX },
        "Fields up to which a hash is kept in one piece.";
    HashMaxListpackValue "hash-max-listpack-value" ["hash-max-ziplist-value"] LIVE,
        Kind::Size { default: 64, min: 0, max: i64::MAX },
        "Bytes of a field or value up to which its hash is kept in one piece.";
    SetMaxIntsetEntries "set-max-intset-entries" [] LIVE, Kind::Integer { default: 512, min: 0, max: i64::MAX },
        "Members up to which a set of integers is kept as sorted integers.";
    SetMaxListpackEntries "set-max-listpack-entries" [] LIVE, Kind::Integer { default: 128, min: 0, max: i64::MAX },
        "Members up to which a set is kept in one piece.";
    SetMaxListpackValue "set-max-listpack-value" [] LIVE, Kind::Size { default: 64, min: 0, max: i64::MAX },
        "Bytes of a member up to which its set is kept in one piece.";
    ListMaxListpackSize "list-max-listpack-size" ["list-max-ziplist-size"] LIVE,
        Kind::Integer { default: -2, min: i32::MIN as i64, max: i32::MAX as i64 },
        "Up to what size a list is kept in one piece, and the blocks of a longer one: -1 to -5 are 4 to 64 KiB, more than 0 are elements.";
    ZsetMaxListpackEntries "zset-max-listpack-entries" ["zset-max-ziplist-entries"] LIVE,
        Kind::Integer { default: 128, min: 0, max: i64::MAX },
        "Members up to which a sorted set is kept in one piece.";
    ZsetMaxListpackValue "zset-max-listpack-value" ["zset-max-ziplist-value"] LIVE,
        Kind::Size { default: 64, min: 0, max: i64::MAX },
        "Bytes of a member up to which its sorted set is kept in one piece.";
    Loglevel "loglevel" [] LIVE, Kind::Choice { default: 2, of: &["debug", "verbose", "notice", "warning", "nothing"] },
        "How much is logged.";
    Logfile "logfile" [] START, Kind::Text { default: "" },
        "File to log to; empty is standard error.";
    Dir "dir" [] START, Kind::Text { default: "" },
        "Working directory, where files of a relative name lie; empty stays where the server was started.";
    Pidfile "pidfile" [] START, Kind::Text { default: "" },
        "File that the number of the process is written to; empty writes none.";
    Supervised "supervised" [] START, Kind::Choice { default: 0, of: &["auto", "no", "systemd"] },
        "Whether a service manager is told of start, reload and end: where NOTIFY_SOCKET names one, never, or always.";
    Daemonize "daemonize" [] START, Kind::Fixed { value: "no" },
        "Running in the background: the service manager's business.";
    WarmRestartFile "warm_restart_file" ["memory-file"] START, Kind::Text { default: "" },
        "File that hands the cache to the next process when this one ends; empty keeps nothing.";
    Save "save" [] LIVE, Kind::Fixed { value: "" },
        "Snapshots: there are none.";
    Appendonly "appendonly" [] LIVE, Kind::Fixed { value: "no" },
        "Append-only file: there is none.";
    NotifyKeyspaceEvents "notify-keyspace-events" [] LIVE, Kind::Events,
        "Which events of keys are published, by Redis's letters.";
    ClusterEnabled "cluster-enabled" [] START, Kind::Fixed { value: "no" },
        "Cluster: this is a lone server.";
    LatencyTracking "latency-tracking" [] LIVE, Kind::Fixed { value: "no" },
        "Latency histograms per command: there are none.";
}

/// The parameter of a name, in any case, `-` and `_` alike.
pub fn find(name: &[u8]) -> Option<&'static Parameter> {
    TABLE.iter().find(|row| same(row.text, name) || row.aliases.iter().any(|alias| same(alias, name)))
}

/// Whether a name is this one, in any case, `-` and `_` alike.
pub fn same(text: &str, name: &[u8]) -> bool {
    text.len() == name.len() && text.bytes().zip(name).all(|(a, &b)| fold(a) == fold(b))
}

/// One spelling for `-`, `_` and both cases.
pub fn fold(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

impl Name {
    /// The row of this parameter.
    pub fn row(self) -> &'static Parameter {
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_at_its_name() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.name as usize, place, "{}", row.text);
        }
        assert_eq!(POLICIES[NO_EVICTION as usize], "noeviction");
        assert_eq!(POLICIES[EVICTION as usize], "allkeys-lfu");
    }

    #[test]
    fn no_name_is_used_twice() {
        let names: Vec<&str> =
            TABLE.iter().flat_map(|row| row.aliases.iter().chain([&row.text])).copied().collect();
        for name in &names {
            assert_eq!(names.iter().filter(|other| same(other, name.as_bytes())).count(), 1, "{name}");
        }
    }

    #[test]
    fn names_are_found_in_any_spelling() {
        for name in ["slowlog-max-len", "SLOWLOG_MAX_LEN", "slowlog_max-len"] {
            assert_eq!(find(name.as_bytes()).unwrap().name, Name::SlowlogMaxLen);
        }
        assert_eq!(find(b"dbnum").unwrap().name, Name::Dbnum);
        assert!(find(b"slowlog").is_none());
    }

    #[test]
    fn help_is_one_sentence() {
        for row in TABLE {
            assert!(row.help.ends_with('.') && !row.help.contains('\n'), "{}", row.text);
        }
    }
}
