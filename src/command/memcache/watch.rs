//! `watch`: this client is told from now on what the cache does, a line per event, and is asked nothing more.
//!
//! The lines are made in `core::watch`; their form is memcached's (`ts=<seconds> gid=<number> type=<event> ...`).

use crate::command::{Asker, Command, Context, Effect, Every, Fault, Handler, Keys, Local, Outcome, flag};
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::shared::watchers::topic;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:watch",
        arity: -1,
        flags: flag::ADMIN,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.4.26",
        summary: "Shows to this client what happens to items and connections.",
        complexity: "O(1)",
        handler: Handler::Session(watch),
        subs: &[],
    },
    Command {
        name: "mc:watching",
        arity: -1,
        flags: flag::ADMIN,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.4.26",
        summary: "The second half of watch: tells every core, then the client.",
        complexity: "O(1)",
        handler: Handler::Every(Every { check: nothing_wrong, ask: know, merge: begin, atomic: false }),
        subs: &[],
    },
    Command {
        name: "mc:refresh_certs",
        arity: -1,
        flags: flag::ADMIN,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.5.13",
        summary: "Would read certificates anew: there are none.",
        complexity: "O(1)",
        handler: Handler::Session(refresh_certs),
        subs: &[],
    },
];

fn topic_of(word: &[u8]) -> Option<u16> {
    Some(match word {
        b"fetchers" => topic::FETCHERS,
        b"mutations" => topic::MUTATIONS,
        b"evictions" => topic::EVICTIONS,
        b"connevents" => topic::CONNEVENTS,
        b"deletions" => topic::DELETIONS,
        b"rawcmds" | b"sysevents" | b"proxyreqs" | b"proxyevents" | b"proxyuser" => topic::SILENT,
        _ => return None,
    })
}

fn watch(context: &mut Context<'_, '_>, args: Args<'_>, _: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if context.local.shared.parameters.number(Name::DisableWatch) != 0 {
        return Err(Fault::text("CLIENT_ERROR watch commands not allowed"));
    }
    let asked = args.iter().skip(1).try_fold(0, |topics, word| Some(topics | topic_of(word)?));
    let Some(asked) = asked else { return Err(Fault::text("ERROR")) };
    let topics = if asked == 0 { topic::FETCHERS } else { asked };
    if !context.local.shared.watchers.join(topics) {
        return Err(Fault::text("WATCHER_TOO_MANY log watcher limit reached"));
    }
    context.session().watches = topics;
    context.effects.push(Effect::Watch);
    // The reply comes once every core knows.
    Ok(Outcome::READ)
}

fn nothing_wrong(_: Args<'_>, _: u8) -> Result<(), Fault> {
    Ok(())
}

/// The core looks by itself who watches, behind every question.
fn know(_: &mut Local<'_>, _: Args<'_>, _: &Asker) -> Vec<u8> {
    Vec::new()
}

fn begin(_: Args<'_>, _: &[Vec<u8>], _: &Asker, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.line("OK");
    Ok(Outcome::READ)
}

/// Reads the certificates again. What cannot be taken is told in one line, and TLS goes on as it was.
fn refresh_certs(
    context: &mut Context<'_, '_>,
    _: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    match context.local.shared.load_tls(context.local.now.unix_secs()) {
        Ok(true) => reply.line("OK"),
        Ok(false) => reply.line("Error TLS not enabled"),
        Err(line) => {
            log::warn!("refresh_certs: {line}; TLS goes on as it was");
            reply.line(&format!("Error {}", line.replace(['\r', '\n'], " ")));
        }
    }
    Ok(Outcome::READ)
}
