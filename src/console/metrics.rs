//! `/metrics`: everything that is counted, in Prometheus's text format, version 0.0.4.
//!
//! Names do not change. Counters begin with the process and only grow: `CONFIG RESETSTAT` does not touch them.
//! Latencies are of sampled requests (`limits::SAMPLE_REQUESTS`). `docs/metrics.md` is written from the table here.

use super::Scene;
use crate::command::server::process;
use crate::command::table::TABLE;
use crate::metrics::{BUCKETS, Counter, ERROR_CODES, Histogram, Metrics, bucket_end_us};
use crate::parameters::Name;
use crate::protocol::http::Answer;
use crate::version::LARDER_VERSION;
use std::fmt::Write as _;

/// The shortest duration that a bucket ends at, and how many buckets there are: to about 34 seconds.
const FIRST_BUCKET_US: u64 = 2;
const BUCKET_COUNT: u32 = 25;

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Where the samples of a metric come from.
enum Source {
    /// A counter of each core.
    Core(Counter),
    /// Several counters of each core, by the value of another label.
    Split(&'static str, &'static [(&'static str, Counter)]),
    /// Whatever this writes.
    Write(fn(&Scene<'_>, &mut Series<'_>)),
}
use Source::{Core, Split, Write};

/// A metric.
struct Metric {
    name: &'static str,
    kind: Kind,
    /// Names of its labels, for the manual.
    #[cfg_attr(not(test), expect(dead_code, reason = "the manual is written by a test"))]
    labels: &'static str,
    help: &'static str,
    source: Source,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static str,
    help: &'static str,
    source: Source,
) -> Metric {
    Metric { name, kind, labels, help, source }
}

const fn per_core(name: &'static str, help: &'static str, counter: Counter) -> Metric {
    metric(name, Kind::Counter, "core", help, Core(counter))
}

const fn gauge(name: &'static str, help: &'static str, counter: Counter) -> Metric {
    metric(name, Kind::Gauge, "core", help, Core(counter))
}

/// Memory by use, for this page and the console's.
pub(super) const USES: &[(&str, Counter)] = &[
    ("pages", Counter::PageBytes),
    ("large", Counter::LargeBytes),
    ("index", Counter::IndexBytes),
    ("eviction", Counter::EvictionBytes),
    ("heap", Counter::HeapBytes),
    ("buffers", Counter::BufferBytes),
];

/// All metrics, in the order in which they are told.
static METRICS: &[Metric] = &[
    metric(
        "larder_info",
        Kind::Gauge,
        "version, driver, policy",
        "Facts about the process; always 1.",
        Write(info),
    ),
    metric(
        "larder_start_time_seconds",
        Kind::Gauge,
        "",
        "When the process started, Unix time.",
        Write(|scene, out| {
            out.value("", scene.shared.started.unix_ms as f64 / 1000.0);
        }),
    ),
    metric(
        "larder_cores",
        Kind::Gauge,
        "",
        "Cores, each with a shard of its own.",
        Write(|scene, out| {
            out.value("", f64::from(scene.shared.cores()));
        }),
    ),
    metric(
        "larder_cpu_seconds_total",
        Kind::Counter,
        "mode",
        "Processor time of the process.",
        Write(|_, out| {
            let (system, user) = process::cpu_secs(false);
            out.value("mode=\"system\"", system);
            out.value("mode=\"user\"", user);
        }),
    ),
    metric(
        "larder_resident_bytes",
        Kind::Gauge,
        "",
        "Memory that the process holds, as the kernel counts it.",
        Write(|_, out| {
            out.value("", process::rss_bytes() as f64);
        }),
    ),
    metric(
        "larder_memory_limit_bytes",
        Kind::Gauge,
        "",
        "The parameter maxmemory.",
        Write(|scene, out| {
            out.value("", scene.shared.parameters.maxmemory_bytes() as f64);
        }),
    ),
    gauge(
        "larder_memory_used_bytes",
        "Memory for data and buffers; all but the buffers counts against maxmemory.",
        Counter::UsedBytes,
    ),
    gauge("larder_memory_peak_bytes", "The most that was ever used.", Counter::PeakBytes),
    metric(
        "larder_memory_bytes",
        Kind::Gauge,
        "core, use",
        "Used memory by use: slab pages, large values, the index, eviction's queues and ghosts, collections on the heap, buffers.",
        Split("use", USES),
    ),
    gauge("larder_items", "Items in the shard.", Counter::Items),
    metric(
        "larder_db_items",
        Kind::Gauge,
        "db",
        "Items of a database, where there are any.",
        Write(|scene, out| databases(scene, out, |db| db.0)),
    ),
    metric(
        "larder_db_expiring_items",
        Kind::Gauge,
        "db",
        "Items of a database that expire.",
        Write(|scene, out| databases(scene, out, |db| db.1)),
    ),
    metric(
        "larder_commands_total",
        Kind::Counter,
        "core, family",
        "Commands that this core's clients gave, by family.",
        Write(commands),
    ),
    metric(
        "larder_command_calls_total",
        Kind::Counter,
        "command",
        "Calls of a command, where there were any.",
        Write(calls),
    ),
    metric(
        "larder_request_seconds",
        Kind::Histogram,
        "family",
        "From when a request was received to when its reply was given to the kernel, the wait for others and other cores included; of one request in 256, and at least one per ten milliseconds.",
        Write(latency),
    ),
    metric(
        "larder_errors_total",
        Kind::Counter,
        "code",
        "Error replies, by their first word.",
        Write(errors),
    ),
    per_core("larder_hits_total", "Look-ups that found a key.", Counter::Hits),
    per_core("larder_misses_total", "Look-ups that did not.", Counter::Misses),
    per_core("larder_changes_total", "Changes of the data set.", Counter::Changes),
    per_core("larder_expired_items_total", "Items reclaimed because they had expired.", Counter::Expired),
    per_core("larder_evicted_items_total", "Items evicted for want of room.", Counter::Evicted),
    per_core(
        "larder_evicted_unread_items_total",
        "Of these, items that were never read.",
        Counter::EvictedUnread,
    ),
    per_core(
        "larder_ghost_hits_total",
        "Keys that came back soon after they were evicted.",
        Counter::GhostHits,
    ),
    per_core(
        "larder_page_moves_total",
        "Slab pages that went from one size class to another.",
        Counter::PageMoves,
    ),
    per_core("larder_refused_writes_total", "Writes refused for want of memory.", Counter::Refused),
    gauge("larder_connections", "Clients connected to the core.", Counter::Connections),
    per_core("larder_accepted_connections_total", "Clients taken.", Counter::ConnectionsReceived),
    per_core(
        "larder_rejected_connections_total",
        "Clients turned away because of maxclients.",
        Counter::ConnectionsRejected,
    ),
    metric(
        "larder_connections_limit",
        Kind::Gauge,
        "",
        "The parameter maxclients.",
        Write(|scene, out| {
            out.value("", scene.shared.parameters.number(Name::Maxclients) as f64);
        }),
    ),
    gauge("larder_tls_connections", "TLS clients whose handshake is over.", Counter::TlsConnections),
    gauge(
        "larder_tls_kernel_connections",
        "Of these, those whose records the kernel seals and opens.",
        Counter::TlsKernel,
    ),
    per_core("larder_tls_handshakes_total", "TLS handshakes that came to their end.", Counter::TlsHandshakes),
    per_core(
        "larder_tls_resumed_total",
        "Of these, those that took up an earlier session.",
        Counter::TlsResumed,
    ),
    per_core("larder_tls_handshake_errors_total", "TLS handshakes that failed.", Counter::TlsHandshakeErrors),
    per_core(
        "larder_tls_session_errors_total",
        "TLS connections that failed after their handshake.",
        Counter::TlsRecordErrors,
    ),
    metric(
        "larder_tls_certificate_end_seconds",
        Kind::Gauge,
        "",
        "When the server's certificate ends to be valid, Unix time; absent without TLS.",
        Write(|scene, out| {
            if let Some(config) = scene.shared.tls.get() {
                out.value("", config.validity.1 as f64);
            }
        }),
    ),
    per_core("larder_received_bytes_total", "Bytes read from clients.", Counter::BytesIn),
    per_core("larder_sent_bytes_total", "Bytes sent to clients.", Counter::BytesOut),
    per_core(
        "larder_published_messages_total",
        "Messages with receivers that this core's clients and shard published.",
        Counter::Published,
    ),
    per_core(
        "larder_delivered_messages_total",
        "Copies of messages that this core's clients were given.",
        Counter::Delivered,
    ),
    per_core("larder_hops_total", "Requests that went to another core.", Counter::Hops),
    per_core(
        "larder_mails_total",
        "Mails sent to other cores, each with many requests or replies.",
        Counter::Mails,
    ),
    per_core("larder_turns_total", "Turns of the core's loop.", Counter::Turns),
    metric(
        "larder_turn_seconds",
        Kind::Histogram,
        "core",
        "How long a turn took from its first event to its end, of the turns with a sampled request.",
        Write(turns),
    ),
    per_core("larder_io_submissions_total", "Operations given to io_uring.", Counter::IoSubmissions),
    per_core("larder_io_enters_total", "System calls that gave them, or waited.", Counter::IoEnters),
    per_core(
        "larder_io_buffers_exhausted_total",
        "Receives of io_uring that found no buffer (ENOBUFS).",
        Counter::IoStarved,
    ),
    per_core(
        "larder_io_overflows_total",
        "Times that io_uring's completion queue was full.",
        Counter::IoOverflows,
    ),
];

/// The samples of one metric while they are written.
struct Series<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Series<'_> {
    /// A sample with these labels.
    fn value(&mut self, labels: &str, value: f64) {
        self.suffixed("", labels, value);
    }

    fn suffixed(&mut self, suffix: &str, labels: &str, value: f64) {
        // Writing to a string cannot fail.
        let _ = match labels {
            "" => writeln!(self.text, "{}{suffix} {value}", self.name),
            labels => writeln!(self.text, "{}{suffix}{{{labels}}} {value}", self.name),
        };
    }

    /// A histogram, in buckets that double.
    fn histogram(&mut self, labels: &str, histograms: &[&Histogram]) {
        let mut counts = [0; BUCKETS];
        for histogram in histograms {
            for (sum, count) in counts.iter_mut().zip(histogram.counts()) {
                *sum += count;
            }
        }
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = counts.iter().enumerate();
        let mut count = 0;
        let mut next = below.next();
        for doubling in 0..BUCKET_COUNT {
            let end_us = FIRST_BUCKET_US << doubling;
            while let Some((bucket, here)) = next.filter(|(bucket, _)| bucket_end_us(*bucket) <= end_us) {
                debug_assert!(bucket < BUCKETS);
                count += here;
                next = below.next();
            }
            let end = end_us as f64 / 1e6;
            self.suffixed("_bucket", &format!("{labels}{comma}le=\"{end}\""), count as f64);
        }
        let all = counts.iter().sum::<u64>() as f64;
        let sum_us: u64 = histograms.iter().map(|histogram| histogram.sum_us()).sum();
        self.suffixed("_bucket", &format!("{labels}{comma}le=\"+Inf\""), all);
        self.suffixed("_sum", labels, sum_us as f64 / 1e6);
        self.suffixed("_count", labels, all);
    }
}

/// The whole page.
pub(super) fn answer(scene: &Scene<'_>) -> Answer {
    let mut text = String::with_capacity(16 << 10);
    for metric in METRICS {
        let _ = writeln!(text, "# HELP {} {}", metric.name, metric.help);
        let _ = writeln!(text, "# TYPE {} {}", metric.name, metric.kind.word());
        let mut series = Series { name: metric.name, text: &mut text };
        match &metric.source {
            Core(counter) => {
                for (core, metrics) in cores(scene) {
                    series.value(&format!("core=\"{core}\""), metrics.total(*counter) as f64);
                }
            }
            Split(label, counters) => {
                for (core, metrics) in cores(scene) {
                    for (value, counter) in *counters {
                        let labels = format!("core=\"{core}\",{label}=\"{value}\"");
                        series.value(&labels, metrics.total(*counter) as f64);
                    }
                }
            }
            Write(write) => write(scene, &mut series),
        }
    }
    Answer::document("text/plain; version=0.0.4; charset=utf-8", text.into_bytes())
}

fn cores<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (usize, &'a Metrics)> {
    scene.shared.metrics.iter().enumerate()
}

fn info(scene: &Scene<'_>, out: &mut Series<'_>) {
    let driver = scene.shared.driver.get().map_or("", String::as_str);
    let driver = driver.split(' ').next().unwrap_or_default();
    let policy = scene.shared.parameters.policy_name();
    out.value(&format!("version=\"{LARDER_VERSION}\",driver=\"{driver}\",policy=\"{policy}\""), 1.0);
}

fn databases(scene: &Scene<'_>, out: &mut Series<'_>, of: fn((u64, u64)) -> u64) {
    for db in 0..scene.shared.parameters.databases() {
        let counts = || scene.shared.metrics.iter().map(|metrics| metrics.db(db));
        if db == 0 || counts().any(|(items, _)| items > 0) {
            out.value(&format!("db=\"{db}\""), counts().map(of).sum::<u64>() as f64);
        }
    }
}

/// Calls of a core by family.
pub(super) fn calls_by_family(metrics: &Metrics) -> Vec<u64> {
    let mut calls = vec![0; TABLE.family_names().len()];
    for (row, _) in TABLE.rows() {
        calls[TABLE.family(row) as usize] += metrics.total_calls(row);
    }
    calls
}

fn commands(scene: &Scene<'_>, out: &mut Series<'_>) {
    for (core, metrics) in cores(scene) {
        for (family, calls) in TABLE.family_names().iter().zip(calls_by_family(metrics)) {
            out.value(&format!("core=\"{core}\",family=\"{family}\""), calls as f64);
        }
    }
}

fn calls(scene: &Scene<'_>, out: &mut Series<'_>) {
    for (row, command) in TABLE.rows() {
        let calls: u64 = cores(scene).map(|(_, metrics)| metrics.total_calls(row)).sum();
        if calls > 0 {
            out.value(&format!("command=\"{}\"", command.name), calls as f64);
        }
    }
}

fn latency(scene: &Scene<'_>, out: &mut Series<'_>) {
    for (family, name) in TABLE.family_names().iter().enumerate() {
        let all: Vec<&Histogram> = cores(scene).map(|(_, metrics)| metrics.latency(family as u8)).collect();
        out.histogram(&format!("family=\"{name}\""), &all);
    }
}

fn turns(scene: &Scene<'_>, out: &mut Series<'_>) {
    for (core, metrics) in cores(scene) {
        out.histogram(&format!("core=\"{core}\""), &[metrics.turn()]);
    }
}

fn errors(scene: &Scene<'_>, out: &mut Series<'_>) {
    for (place, code) in ERROR_CODES.iter().enumerate() {
        let count: u64 = cores(scene).map(|(_, metrics)| metrics.total_errors(place)).sum();
        out.value(&format!("code=\"{code}\""), count as f64);
    }
}

/// The manual's list of metrics.
#[cfg(test)]
pub(super) fn manual() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         `GET /metrics` on the port for Redis clients answers in Prometheus's text format. This page is written from\n\
         the table in `src/console/metrics.rs`, and a test fails when it is stale. Names do not change; counters\n\
         begin with the process and only grow. Where a password is set (`requirepass`), scrape with Basic\n\
         authentication and any user name.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.word(),
            metric.labels,
            metric.help
        );
    }
    text
}
