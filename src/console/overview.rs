//! `/api/overview`: what the page plots. Counters, not rates: the page takes the differences of two of these.

use super::json::Json;
use super::metrics::{USES, calls_by_family};
use super::{JSON, Scene};
use crate::command::server::process;
use crate::command::table::TABLE;
use crate::metrics::{BUCKETS, Counter, Histogram, Metrics, bucket_end_us};
use crate::parameters::Name;
use crate::protocol::http::Answer;
use crate::version::LARDER_VERSION;

/// What is summed over the cores.
const TOTALS: &[(&str, Counter)] = &[
    ("commands", Counter::Commands),
    ("hits", Counter::Hits),
    ("misses", Counter::Misses),
    ("expired", Counter::Expired),
    ("evicted", Counter::Evicted),
    ("errors", Counter::Errors),
    ("bytes_in", Counter::BytesIn),
    ("bytes_out", Counter::BytesOut),
    ("connections", Counter::Connections),
    ("connections_taken", Counter::ConnectionsReceived),
    ("connections_rejected", Counter::ConnectionsRejected),
    ("items", Counter::Items),
    ("used", Counter::UsedBytes),
    ("buffers", Counter::BufferBytes),
    ("hops", Counter::Hops),
    ("mails", Counter::Mails),
    ("turns", Counter::Turns),
];

/// What is told of each core.
const PER_CORE: &[(&str, Counter)] = &[
    ("commands", Counter::Commands),
    ("connections", Counter::Connections),
    ("items", Counter::Items),
    ("used", Counter::UsedBytes),
    ("hops", Counter::Hops),
    ("turns", Counter::Turns),
];

pub(super) fn answer(scene: &Scene<'_>) -> Answer {
    let shared = scene.shared;
    let parameters = &shared.parameters;
    let mut json = Json::default();
    json.object(|json| {
        json.key("version").string(LARDER_VERSION);
        json.key("run_id").string(&shared.run_id);
        json.key("driver").string(shared.driver.get().map_or("", String::as_str));
        json.key("policy").string(parameters.policy_name());
        json.key("mono_us").number(scene.now.mono_us);
        json.key("uptime").number(scene.now.mono_us.saturating_sub(shared.started.mono_us) / 1_000_000);
        json.key("maxmemory").number(parameters.maxmemory_bytes());
        json.key("maxclients").number(parameters.number(Name::Maxclients));
        json.key("resident").number(process::rss_bytes());
        let (system, user) = process::cpu_secs(false);
        json.key("cpu_secs").float(system + user);
        let total =
            |counter: Counter| shared.metrics.iter().map(|metrics| metrics.total(counter)).sum::<u64>();
        json.key("totals").object(|json| {
            TOTALS.iter().for_each(|(name, counter)| json.key(name).number(total(*counter)));
        });
        json.key("memory").object(|json| {
            USES.iter().for_each(|(name, counter)| json.key(name).number(total(*counter)));
        });
        json.key("cores").array(|json| shared.metrics.iter().for_each(|metrics| core(json, metrics)));
        json.key("families").object(|json| families(json, &shared.metrics));
        json.key("turn_us").array(|json| {
            sparse(json, shared.metrics.iter().map(Metrics::turn));
        });
    });
    Answer::document(JSON, json.finish())
}

fn core(json: &mut Json, metrics: &Metrics) {
    json.object(|json| {
        PER_CORE.iter().for_each(|(name, counter)| json.key(name).number(metrics.total(*counter)));
    });
}

/// By family that was ever called: its calls and its latencies.
fn families(json: &mut Json, cores: &[Metrics]) {
    let calls: Vec<Vec<u64>> = cores.iter().map(calls_by_family).collect();
    for (family, name) in TABLE.family_names().iter().enumerate() {
        let calls: u64 = calls.iter().map(|core| core[family]).sum();
        if calls == 0 {
            continue;
        }
        json.key(name).object(|json| {
            json.key("calls").number(calls);
            json.key("latency_us").array(|json| {
                sparse(json, cores.iter().map(|metrics| metrics.latency(family as u8)));
            });
        });
    }
}

/// Of the buckets that are not empty: their end and their count, one pair behind the other.
fn sparse<'a>(json: &mut Json, histograms: impl Iterator<Item = &'a Histogram>) {
    let mut counts = [0; BUCKETS];
    for histogram in histograms {
        for (sum, count) in counts.iter_mut().zip(histogram.counts()) {
            *sum += count;
        }
    }
    for (bucket, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        json.array(|json| {
            json.number(bucket_end_us(bucket));
            json.number(count);
        });
    }
}
