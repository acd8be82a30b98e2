//! What needs no item: `version`, `verbosity`, `quit`.

use crate::command::{Command, Context, Effect, Fault, Handler, Keys, Outcome, flag};
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

fn quit(context: &mut Context<'_, '_>, _: Args<'_>, _: &mut Reply<'_>) -> Result<Outcome, Fault> {
    context.effects.push(Effect::CloseAfterReply);
    Ok(Outcome::READ)
}
