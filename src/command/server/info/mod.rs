//! `INFO`: which sections are wanted, and in what order. What stands in them is in `sections`.

mod sections;

use super::Done;
use crate::command::{Context, Outcome};
use crate::protocol::{Args, Reply};
use sections::{Scene, Section};

/// Whether a section is told where no name is said, and where `all` is.
struct Listed {
    name: &'static str,
    default: bool,
    all: bool,
    write: Section,
}

const fn listed(name: &'static str, default: bool, all: bool, write: Section) -> Listed {
    Listed { name, default, all, write }
}

/// All sections, in the order in which they are told.
static SECTIONS: &[Listed] = &[
    listed("server", true, true, sections::server),
    listed("clients", true, true, sections::clients),
    listed("memory", true, true, sections::memory),
    listed("persistence", true, true, sections::persistence),
    listed("stats", true, true, sections::stats),
    listed("replication", true, true, sections::replication),
    listed("cpu", true, true, sections::cpu),
    listed("modules", true, true, sections::modules),
    listed("commandstats", false, true, sections::commandstats),
    listed("errorstats", true, true, sections::errorstats),
    listed("latencystats", false, true, sections::latencystats),
    listed("cluster", true, true, sections::cluster),
    listed("keyspace", true, true, sections::keyspace),
];

/// `INFO [section...]`, where a section may be `default`, `all` or `everything`. Unknown ones are empty.
pub(super) fn info(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let text = text(&Scene { local: context.local }, args.from(1).iter());
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(Outcome::READ)
}

fn text<'a>(scene: &Scene<'_, '_>, names: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let asked = |name: &[u8]| {
            let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
            is(section.name)
                || is("everything")
                || (is("all") && section.all)
                || (is("default") && section.default)
        };
        if names.clone().any(asked) || (names.len() == 0 && section.default) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            (section.write)(scene, &mut text);
        }
    }
    text
}
