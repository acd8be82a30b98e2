//! What needs no item: `version`, `verbosity`, `quit`, `shutdown`.

use crate::command::{Command, Context, Effect, Fault, Handler, Keys, Outcome, flag};
use crate::parameters::Name;
use crate::protocol::memcache::fields;
use crate::protocol::{Args, Reply};
use std::sync::atomic::Ordering::Relaxed;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:version",
        arity: -1,
        flags: flag::FAST,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.0.0",
        summary: "Answers which server this is.",
        complexity: "O(1)",
        handler: Handler::Session(version),
        subs: &[],
    },
    Command {
        name: "mc:verbosity",
        arity: -2,
        flags: flag::ADMIN | flag::FAST,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.0.0",
        summary: "Is accepted and changes nothing: the log's level is a parameter.",
        complexity: "O(1)",
        handler: Handler::Session(verbosity),
        subs: &[],
    },
    Command {
        name: "mc:shutdown",
        arity: -1,
        flags: flag::ADMIN | flag::FAST,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.4.7",
        summary: "Stops the server, where that is enabled.",
        complexity: "O(1)",
        handler: Handler::Session(shutdown),
        subs: &[],
    },
    Command {
        name: "mc:quit",
        arity: -1,
        flags: flag::FAST,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.0.0",
        summary: "Closes the connection once earlier replies have left.",
        complexity: "O(1)",
        handler: Handler::Session(quit),
        subs: &[],
    },
];

/// The memcached whose commands are served, then larder's own version. Clients read three numbers with dots
/// between them (libmemcached takes each up to 255), and compare them to learn what they may send.
pub const VERSION: &str = concat!("1.6.18-larder", env!("CARGO_PKG_VERSION"));

fn version(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.raw(b"VERSION ");
    reply.line(VERSION);
    Ok(Outcome::READ)
}

fn verbosity(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    // `noreply` may stand in the place of the level. memcached knows three levels.
    if let Some(level) = args.get(1).and_then(fields::unsigned) {
        context.local.shared.tuning.verbosity.store(level.min(2) as u32, Relaxed);
    }
    reply.line("OK");
    Ok(Outcome::READ)
}

/// On success there is no reply: the connection closes. `graceful` asks memcached to keep its memory for the next
/// process; every end is as graceful as it can be.
fn shutdown(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if context.local.shared.parameters.number(Name::EnableShutdown) == 0 {
        reply.line("SERVER_ERROR: shutdown not enabled");
    } else if args.len() > 2 || args.get(1).is_some_and(|mode| mode != b"graceful") {
        reply.line("CLIENT_ERROR invalid shutdown mode");
    } else {
        context.effects.extend([Effect::CloseNow, Effect::Shutdown]);
    }
    Ok(Outcome::READ)
}

fn quit(context: &mut Context<'_, '_>, _: Args<'_>, _: &mut Reply<'_>) -> Result<Outcome, Fault> {
    context.effects.push(Effect::CloseAfterReply);
    Ok(Outcome::READ)
}
