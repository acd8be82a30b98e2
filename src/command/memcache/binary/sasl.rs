//! Authentication with packets: SASL's PLAIN (RFC 4616) against the file of users. Without such a file the
//! commands do not exist, as in a memcached that was started without `-S`.

use super::{header, packet_row};
use crate::command::memcache::access::authenticate;
use crate::command::{Command, Context, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::binary::Status;
use crate::protocol::{Args, Reply};

const FLAGS: u32 = flag::FAST | flag::NO_AUTH | flag::SKIP_MONITOR | flag::SKIP_SLOWLOG;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    packet_row(
        "mcb:sasl_list",
        FLAGS,
        Keys::NONE,
        "Answers the ways to authenticate.",
        Handler::Session(list),
    ),
    packet_row("mcb:sasl_auth", FLAGS, Keys::NONE, "Authenticates the client.", Handler::Session(auth)),
    packet_row(
        "mcb:sasl_step",
        FLAGS,
        Keys::NONE,
        "Goes on with authenticating, which no mechanism here has need of.",
        Handler::Session(step),
    ),
];

const PLAIN: &[u8] = b"PLAIN";

fn list(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(args);
    if context.local.shared.asks_memcache_users() {
        reply.packet(&to, 0, b"", b"", PLAIN);
    } else {
        reply.packet_error(&to, Status::UnknownCommand);
    }
    Ok(Outcome::READ)
}

fn auth(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(args);
    if !context.local.shared.asks_memcache_users() {
        reply.packet_error(&to, Status::UnknownCommand);
        return Ok(Outcome::READ);
    }
    let known = (&args[1] == PLAIN).then(|| credentials(&args[3])).flatten();
    if authenticate(context, known) {
        reply.packet(&to, 0, b"", b"", b"Authenticated");
    } else {
        reply.packet_error(&to, Status::AuthError);
    }
    Ok(Outcome::READ)
}

/// PLAIN is done in one step: there is nothing to go on with.
fn step(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let to = header(args);
    if context.local.shared.asks_memcache_users() {
        authenticate(context, None);
        reply.packet_error(&to, Status::AuthError);
    } else {
        reply.packet_error(&to, Status::UnknownCommand);
    }
    Ok(Outcome::READ)
}

/// Name and password of PLAIN's message: whom to act for, a zero, the name, a zero, the password. Nobody acts for
/// others here, so the first part is empty or the name.
fn credentials(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = message.splitn(3, |&byte| byte == 0);
    let (for_whom, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = (for_whom.is_empty() || for_whom == name) && !password.contains(&0);
    plain.then_some((name, password))
}
