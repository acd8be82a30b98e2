//! `PUBLISH` and `SPUBLISH`. The message lies in the registry's outbox until the core sends it, before the reply.

use crate::command::{Command, Context, Fault, Handler, Keys, Outcome, SessionFn, flag};
use crate::protocol::{Args, Reply};
use crate::session::listeners::Kind;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    row("publish", Keys::NONE, "2.0.0", "Sends a message to all who listen to a channel.", publish),
    row("spublish", Keys::FIRST, "7.0.0", "Sends a message to a channel of the shard.", spublish),
];

const fn row(
    name: &'static str,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    run: SessionFn,
) -> Command {
    Command {
        name,
        arity: 3,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE | flag::FAST,
        keys,
        group: "pubsub",
        since,
        summary,
        complexity: "O(N+M) for N clients that listen and M patterns",
        handler: Handler::Session(run),
        subs: &[],
    }
}

fn publish(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    send(context, Kind::Channel, args, reply)
}

fn spublish(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    send(context, Kind::Shard, args, reply)
}

fn send(
    context: &mut Context<'_, '_>,
    kind: Kind,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let receivers = context.local.sessions.listeners.publish(kind, &args[1], &args[2]);
    reply.int(receivers as i64);
    Ok(Outcome::READ)
}
