//! What a client says about itself and its connection: `PING`, `SELECT`, `QUIT` and `RESET` here, who it is
//! and which protocol it speaks in `hello`, the `CLIENT` container in `client`, `list`, `kill`, `pause` and `unblock`.

pub mod client;
pub mod hello;
mod kill;
pub(crate) mod list;
mod pause;
mod unblock;

use super::keys::database;
use super::{Command, Context, Effect, Fault, Handler, Keys, Outcome, SessionFn, flag};
use crate::protocol::{Args, Proto, Reply};
use crate::session::ReplyMode;
use std::sync::atomic::Ordering::Relaxed;

/// Said before authentication, in scripts never.
const HANDSHAKE: u32 = flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::NO_AUTH;

/// The commands of this file and of `hello`.
pub static ROWS: &[Command] = &[
    row("ping", -1, flag::FAST, "1.0.0", "Answers PONG, or its argument.", ping),
    row("echo", 2, flag::LOADING | flag::STALE | flag::FAST, "1.0.0", "Answers its argument.", echo),
    row(
        "hello",
        -1,
        HANDSHAKE,
        "6.0.0",
        "Chooses the protocol, and authenticates and names the client.",
        hello::hello,
    ),
    row("auth", -2, HANDSHAKE, "1.0.0", "Authenticates the client.", hello::auth),
    row(
        "select",
        2,
        flag::LOADING | flag::STALE | flag::FAST,
        "1.0.0",
        "Chooses the client's database.",
        select,
    ),
    row("quit", -1, HANDSHAKE | flag::NOT_QUEUED, "1.0.0", "Closes the connection.", quit),
    row(
        "reset",
        1,
        HANDSHAKE | flag::NOT_QUEUED,
        "6.2.0",
        "Makes the client as if it had just connected.",
        reset,
    ),
    Command {
        group: "cluster",
        ..row("readonly", 1, ROLE, "3.0.0", "Says that reads may be stale.", readonly)
    },
    Command { group: "cluster", ..row("readwrite", 1, ROLE, "3.0.0", "Takes back READONLY.", readwrite) },
];

const ROLE: u32 = flag::LOADING | flag::STALE | flag::FAST;

const fn row(
    name: &'static str,
    arity: i16,
    flags: u32,
    since: &'static str,
    summary: &'static str,
    run: SessionFn,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys: Keys::NONE,
        group: "connection",
        since,
        summary,
        complexity: "O(1)",
        handler: Handler::Session(run),
        subs: &[],
    }
}

fn ping(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    match args.len() {
        1 | 2 if context.session().only_listens() => {
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(args.get(1).unwrap_or_default());
        }
        1 => reply.simple("PONG"),
        2 => reply.bulk(&args[1]),
        _ => return Err(Fault::Arity("ping")),
    }
    Ok(Outcome::READ)
}

fn echo(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.bulk(&args[1]);
    Ok(Outcome::READ)
}

fn select(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let databases = context.local.shared.parameters.databases();
    context.session().db = database(&args[1], databases)?;
    reply.ok();
    Ok(Outcome::READ)
}

fn quit(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    context.effects.push(Effect::CloseAfterReply);
    reply.ok();
    Ok(Outcome::READ)
}

fn reset(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if context.local.sessions.set_monitor(context.id, false) {
        context.local.shared.monitors.fetch_sub(1, Relaxed);
    }
    let users = context.local.shared.acl.users();
    let session = context.session();
    session.log_out(users.default_user());
    session.proto = Proto::Resp2;
    session.db = 0;
    session.name.clear();
    session.reply = ReplyMode::On;
    session.no_evict = false;
    session.no_touch = false;
    session.readonly = false;
    session.multi = None;
    context.effects.push(Effect::Unwatch);
    context.effects.push(Effect::Unlisten);
    reply.set_proto(Proto::Resp2);
    reply.simple("RESET");
    Ok(Outcome::READ)
}

fn readonly(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    context.session().readonly = true;
    reply.ok();
    Ok(Outcome::READ)
}

fn readwrite(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    context.session().readonly = false;
    reply.ok();
    Ok(Outcome::READ)
}

#[cfg(test)]
mod tests;
