//! `LATENCY`: seconds in which something took long, over the parts of all cores.

use super::{Done, doctor, help, row};
use crate::command::answer::{Pack, Unpack};
use crate::command::{Asker, Command, Context, Every, Fault, Handler, Local, Outcome};
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::slowlog::{Event, Sample, join};

const FLAGS: u32 = super::ADMIN;

pub(super) static SUBS: &[Command] = &[
    row(
        "latency|latest",
        2,
        FLAGS,
        "2.8.13",
        "Returns the newest sample of each event.",
        Handler::Every(LATEST),
    ),
    row("latency|history", 3, FLAGS, "2.8.13", "Returns the samples of an event.", Handler::Every(HISTORY)),
    row("latency|reset", -2, FLAGS, "2.8.13", "Forgets the samples of events.", Handler::Every(RESET)),
    row("latency|graph", 3, FLAGS, "2.8.13", "Draws the samples of an event.", Handler::Every(GRAPH)),
    row("latency|doctor", 2, FLAGS, "2.8.13", "Explains the samples in words.", Handler::Every(DOCTOR)),
    Command {
        complexity: "O(N) for N commands",
        ..row(
            "latency|histogram",
            -2,
            FLAGS,
            "7.0.0",
            "Returns how long commands took.",
            Handler::Session(histogram),
        )
    },
    row("latency|help", 2, super::ANY_TIME, "2.8.13", "Lists the subcommands.", Handler::Session(list)),
];

/// Samples of one event, over all cores.
pub(super) struct History {
    pub event: Event,
    /// Oldest first.
    pub samples: Vec<Sample>,
    pub max_ms: u64,
}

/// Makes a reply of the cores' samples.
type Told = fn(Args<'_>, &[Vec<u8>], &Asker, &mut Reply<'_>) -> Done;

const fn every(merge: Told) -> Every {
    Every { check: |_, _| Ok(()), ask: |local, _, _| ask(local), merge, atomic: false }
}

const LATEST: Every = every(|_, parts, _, reply| latest(parts, reply));
const HISTORY: Every = every(|args, parts, _, reply| history(args, parts, reply));
const GRAPH: Every = every(|args, parts, _, reply| graph(args, parts, reply));
const DOCTOR: Every = every(|_, parts, _, reply| {
    let monitored = Unpack::new(&parts[0]).number() > 0;
    reply.verbatim(*b"txt", doctor::latency(monitored, &histories(parts)).as_bytes());
    Ok(Outcome::READ)
});

const RESET: Every = Every {
    check: |_, _| Ok(()),
    ask: |local, args, _| {
        let all = args.len() == 2;
        let mut gone = 0;
        for event in Event::ALL {
            let named = args.from(2).iter().any(|name| name == event.name().as_bytes());
            // A bit per event: several cores may have had the same one.
            gone |= u64::from((all || named) && local.slowlog.latency.reset(event)) << event as u64;
        }
        Pack::default().number(gone).finish()
    },
    merge: |_, parts, _, reply| {
        let gone = parts.iter().fold(0, |gone, part| gone | Unpack::new(part).number());
        reply.int(i64::from(gone.count_ones()));
        Ok(Outcome::READ)
    },
    atomic: false,
};

/// The threshold, then each event: its longest, how many samples, and these.
fn ask(local: &mut Local<'_>) -> Vec<u8> {
    let mut answer = Pack::default();
    answer.number(local.shared.parameters.number(Name::LatencyMonitorThreshold) as u64);
    for event in Event::ALL {
        let (samples, max_ms) = local.slowlog.latency.of(event);
        answer.number(max_ms).number(samples.len() as u64);
        for sample in samples {
            answer.number(sample.unix_secs).number(sample.ms);
        }
    }
    answer.finish()
}

/// Events that have samples.
fn histories(parts: &[Vec<u8>]) -> Vec<History> {
    let mut parts: Vec<Unpack<'_>> = parts.iter().map(|part| Unpack::new(part)).collect();
    parts.iter_mut().for_each(|part| {
        part.number();
    });
    let mut histories = Vec::new();
    for event in Event::ALL {
        let (mut samples, mut max_ms) = (Vec::new(), 0);
        for part in &mut parts {
            max_ms = max_ms.max(part.number());
            for _ in 0..part.number() {
                samples.push(Sample { unix_secs: part.number(), ms: part.number() });
            }
        }
        if !samples.is_empty() {
            histories.push(History { event, samples: join(samples), max_ms });
        }
    }
    histories
}

fn history_of(name: &[u8], parts: &[Vec<u8>]) -> Option<History> {
    let event = Event::named(name)?;
    histories(parts).into_iter().find(|history| history.event == event)
}

fn latest(parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Done {
    let histories = histories(parts);
    reply.array(histories.len());
    for History { event, samples, max_ms } in histories {
        let last = samples.last().expect("a history has samples");
        reply.array(4);
        reply.bulk(event.name().as_bytes());
        reply.int(last.unix_secs as i64);
        reply.int(last.ms as i64);
        reply.int(max_ms as i64);
    }
    Ok(Outcome::READ)
}

fn history(args: Args<'_>, parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Done {
    let samples = history_of(&args[2], parts).map_or(Vec::new(), |history| history.samples);
    reply.array(samples.len());
    for sample in samples {
        reply.array(2);
        reply.int(sample.unix_secs as i64);
        reply.int(sample.ms as i64);
    }
    Ok(Outcome::READ)
}

fn graph(args: Args<'_>, parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Done {
    let Some(history) = history_of(&args[2], parts) else {
        return Err(Fault::quoted("ERR No samples available for event '", &args[2], "'"));
    };
    reply.verbatim(*b"txt", drawing(&history).as_bytes());
    Ok(Outcome::READ)
}

/// Columns of bars, newest at the right, four characters high.
fn drawing(history: &History) -> String {
    const HEIGHT: u64 = 4;
    const WIDTH: usize = 78;
    let samples = &history.samples[history.samples.len().saturating_sub(WIDTH)..];
    let high = samples.iter().map(|sample| sample.ms).max().unwrap_or(0).max(1);
    let low = samples.iter().map(|sample| sample.ms).min().unwrap_or(0);
    let mut text = format!(
        "{} - high {high} ms, low {low} ms (all time high {} ms)\n",
        history.event.name(),
        history.max_ms
    );
    text.push_str(&"-".repeat(80));
    text.push('\n');
    for line in (0..HEIGHT).rev() {
        let bar = |sample: &Sample| {
            // In half lines, at least one: every sample is a bar.
            let halves = (sample.ms * HEIGHT * 2).div_ceil(high).max(1);
            match halves.saturating_sub(line * 2) {
                0 => ' ',
                1 => '.',
                _ => '#',
            }
        };
        let bars: String = samples.iter().map(bar).collect();
        text.push_str(bars.trim_end());
        text.push('\n');
    }
    text
}

/// Latencies of commands are not counted (`latency-tracking no`).
fn histogram(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    reply.map(0);
    Ok(Outcome::READ)
}

fn list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let subcommands = &[
        ("DOCTOR", "What took long, in words."),
        ("GRAPH <event>", "The samples of an event as a drawing."),
        ("HISTORY <event>", "The samples of an event: time, milliseconds."),
        ("HISTOGRAM [<command>...]", "How long commands took."),
        ("LATEST", "Each event: its name, the newest sample's time and milliseconds, the longest ever."),
        ("RESET [<event>...]", "Forgets the samples of these events, or of all."),
    ];
    help::write("LATENCY", subcommands, reply);
    Ok(Outcome::READ)
}
