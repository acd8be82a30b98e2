//! The result, for people and for programs.

use crate::histogram::Histogram;
use crate::options::{Arrivals, Options};
use crate::run::Outcome;
use serde_json::{Value, json};
use std::fmt::Write;

const PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 99.999];

/// A table, lines ended.
pub fn table(options: &Options, outcome: &Outcome) -> String {
    let mut out = String::new();
    write_table(options, outcome, &mut out).expect("a string takes everything");
    out
}

fn write_table(options: &Options, outcome: &Outcome, out: &mut String) -> std::fmt::Result {
    let tally = &outcome.tally;
    if let Some((keys, seconds)) = outcome.preload {
        let rate = keys as f64 / seconds.max(1e-9);
        writeln!(out, "preload: {keys} keys in {seconds:.2} s, {rate:.0} per second")?;
    }
    if tally.requests() > 0 {
        let way = match (options.rate, options.arrivals) {
            (None, _) => "closed loop: latency from sending".to_string(),
            (Some(rate), Arrivals::Even) => format!("open loop, {rate} per second: latency from when due"),
            (Some(rate), Arrivals::Poisson) => {
                format!("open loop, {rate} per second at random: latency from when due")
            }
        };
        writeln!(
            out,
            "{} connections, {} in flight on each, {} threads; {way}",
            options.connections, options.pipeline, options.threads
        )?;
        writeln!(out)?;
        writeln!(
            out,
            "     {:>12} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}  us",
            "requests", "per second", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"
        )?;
        let mut all = tally.gets.clone();
        all.merge(&tally.sets);
        for (name, side) in [("get", &tally.gets), ("set", &tally.sets), ("all", &all)] {
            let both = tally.gets.count() > 0 && tally.sets.count() > 0;
            if side.count() > 0 && (both || name != "all") {
                row(name, side, outcome.seconds, out)?;
            }
        }
        writeln!(out)?;
        let looked = tally.hits + tally.misses;
        if looked > 0 {
            let ratio = 100.0 * tally.hits as f64 / looked as f64;
            writeln!(out, "hits {ratio:.3} %: {} of {looked} keys", tally.hits)?;
        }
        let mb = |bytes: u64| bytes as f64 / 1e6 / outcome.seconds.max(1e-9);
        writeln!(out, "received {:.1} MB/s, sent {:.1} MB/s", mb(tally.bytes_in), mb(tally.bytes_out))?;
    }
    if tally.unsent > 0 {
        writeln!(out, "behind schedule: {} requests were due and could not be sent", tally.unsent)?;
    }
    let errors: Vec<String> = tally
        .errors
        .rows()
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    writeln!(out, "errors: {}", if errors.is_empty() { "none".into() } else { errors.join(", ") })?;
    for words in &tally.samples {
        writeln!(out, "  {words}")?;
    }
    Ok(())
}

fn row(name: &str, side: &Histogram, seconds: f64, out: &mut String) -> std::fmt::Result {
    let us = |ns: f64| ns / 1e3;
    write!(out, "{name:4} {:>12} {:>12.0}", side.count(), side.count() as f64 / seconds.max(1e-9))?;
    write!(out, " {:>10.1}", us(side.mean()))?;
    for percent in &PERCENTILES[..5] {
        write!(out, " {:>10.1}", us(side.percentile(*percent) as f64))?;
    }
    writeln!(out, " {:>10.1}", us(side.max() as f64))
}

/// One JSON object.
pub fn json(options: &Options, outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let mut all = tally.gets.clone();
    all.merge(&tally.sets);
    let errors: serde_json::Map<String, Value> =
        tally.errors.rows().iter().map(|(name, count)| (name.replace(' ', "_"), json!(count))).collect();
    let per_second = |count: u64| if outcome.seconds > 0.0 { count as f64 / outcome.seconds } else { 0.0 };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "proto": format!("{:?}", options.proto).to_lowercase(),
        "connections": options.connections,
        "threads": options.threads,
        "pipeline": options.pipeline,
        "rate": options.rate,
        "keys": options.keys,
        "mget": options.mget,
        "seconds": outcome.seconds,
        "preload": outcome.preload.map(|(keys, seconds)| json!({"keys": keys, "seconds": seconds})),
        "all": side(&all, outcome.seconds),
        "get": side(&tally.gets, outcome.seconds),
        "set": side(&tally.sets, outcome.seconds),
        "hits": tally.hits,
        "misses": tally.misses,
        "bytes_in_per_second": per_second(tally.bytes_in),
        "bytes_out_per_second": per_second(tally.bytes_out),
        "unsent": tally.unsent,
        "errors": errors,
        "error_samples": tally.samples,
        "failure": outcome.failure,
    })
    .to_string()
}

fn side(side: &Histogram, seconds: f64) -> Value {
    let us = |ns: f64| ns / 1e3;
    let mut latency = serde_json::Map::new();
    latency.insert("min".into(), json!(us(side.min() as f64)));
    latency.insert("mean".into(), json!(us(side.mean())));
    for percent in PERCENTILES {
        latency.insert(format!("p{percent}"), json!(us(side.percentile(percent) as f64)));
    }
    latency.insert("max".into(), json!(us(side.max() as f64)));
    json!({
        "requests": side.count(),
        "per_second": if seconds > 0.0 { side.count() as f64 / seconds } else { 0.0 },
        "latency_us": latency,
    })
}
