//! What the figures mean, in words: `MEMORY DOCTOR` and `LATENCY DOCTOR`.

use super::latency::History;
use super::memory::Use;
use crate::parameters::bytes::human;
use std::fmt::Write as _;

/// Below this there is nothing to diagnose.
const SMALL_BYTES: u64 = 5 << 20;

/// `MEMORY DOCTOR`.
pub(super) fn memory(memory: &Use) -> String {
    if memory.used < SMALL_BYTES {
        return "There is hardly anything stored; ask again when there is.\n".into();
    }
    let mut findings = Vec::new();
    if memory.used * 100 > memory.max * 95 {
        findings.push(if memory.evicts {
            format!("{} of {} are in use: keys are evicted for each that is stored.", human(memory.used), human(memory.max))
        } else {
            format!(
                "{} of {} are in use and nothing may be evicted: writes will be refused. Raise maxmemory or set \
                 cache_mode.",
                human(memory.used),
                human(memory.max)
            )
        });
    }
    if memory.peak * 2 > memory.used * 3 {
        findings
            .push(format!("The peak, {}, was more than half again of what is used now.", human(memory.peak)));
    }
    if memory.rss * 10 > memory.used * 14 {
        findings.push(format!(
            "The process holds {} for {} in use: pages are given back as others need them.",
            human(memory.rss),
            human(memory.used)
        ));
    }
    if memory.index * 2 > memory.used {
        findings.push(format!(
            "The index takes {}: keys are many and small, or most have gone.",
            human(memory.index)
        ));
    }
    told(&findings, "Nothing is wrong with the memory.\n")
}

/// `LATENCY DOCTOR`.
pub(super) fn latency(monitored: bool, histories: &[History]) -> String {
    if !monitored {
        return "Nothing is watched: latency-monitor-threshold is 0. CONFIG SET it to the milliseconds from which on \
                something took too long.\n"
            .into();
    }
    let findings: Vec<String> = histories
        .iter()
        .map(|history| {
            let count = history.samples.len() as u64;
            let mean = history.samples.iter().map(|sample| sample.ms).sum::<u64>() / count.max(1);
            let name = history.event.name();
            let mut text = format!(
                "{name}: {count} bad seconds, {mean} ms in the mean, {} ms at worst.",
                history.max_ms
            );
            let advice = match name {
                "fast-command" => " Such a command never takes long by itself: the machine is busy or swaps.",
                _ => " SLOWLOG GET shows which; commands over many keys or long values are the usual ones.",
            };
            text.push_str(advice);
            text
        })
        .collect();
    told(&findings, "Nothing took too long.\n")
}

fn told(findings: &[String], none: &str) -> String {
    if findings.is_empty() {
        return none.into();
    }
    let mut text = String::new();
    for (number, finding) in findings.iter().enumerate() {
        let _ = writeln!(text, "{}. {finding}", number + 1);
    }
    text
}
