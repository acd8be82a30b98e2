//! What needs no item: `noop`, `version`, `quit`.

use super::{header, packet_row};
use crate::command::memcache::session::VERSION;
use crate::command::{Command, Context, Effect, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::{Args, Reply};

/// The commands of this file.
pub static ROWS: &[Command] = &[
    packet_row(
        "mcb:noop",
        flag::FAST,
        Keys::NONE,
        "Answers when all before it is done: the end of a run of quiet commands.",
        Handler::Session(noop),
    ),
    packet_row(
        "mcb:version",
        flag::FAST | flag::NO_AUTH,
        Keys::NONE,
        "Answers which server this is.",
        Handler::Session(version),
    ),
    packet_row(
        "mcb:quit",
        flag::FAST,
        Keys::NONE,
        "Closes the connection once earlier replies have left.",
        Handler::Session(quit),
    ),
];

fn noop(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.packet(&header(args), 0, b"", b"", b"");
    Ok(Outcome::READ)
}

fn version(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.packet(&header(args), 0, b"", b"", VERSION.as_bytes());
    Ok(Outcome::READ)
}

fn quit(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(args);
    if !to.meaning().quiet {
        reply.packet(&to, 0, b"", b"", b"");
    }
    context.effects.push(Effect::CloseAfterReply);
    Ok(Outcome::READ)
}
