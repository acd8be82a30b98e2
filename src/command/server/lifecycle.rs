//! The server's clock, its part in replication, and its end.

use super::Done;
use crate::command::{Context, Effect, Fault, Outcome};
use crate::protocol::{Args, Reply};
use crate::text::parse_i64;
use std::sync::atomic::Ordering;

/// `TIME`: seconds and microseconds.
pub(super) fn time(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let unix_ms = context.local.now.unix_ms;
    reply.array(2);
    reply.bulk((unix_ms / 1000).to_string().as_bytes());
    reply.bulk(((unix_ms % 1000) * 1000).to_string().as_bytes());
    Ok(Outcome::READ)
}

/// `LASTSAVE`: nothing is saved, so everything that there was to save was at the start.
pub(super) fn lastsave(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    reply.int(context.local.shared.started.unix_secs() as i64);
    Ok(Outcome::READ)
}

/// `ROLE` of a server without replicas.
pub(super) fn role(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    reply.array(3);
    reply.bulk(b"master");
    reply.int(0);
    reply.array(0);
    Ok(Outcome::READ)
}

/// `WAIT replicas ms`: there are none, and none can come while one waits.
pub(super) fn wait(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    parse_i64(&args[1]).ok_or(Fault::NotInteger)?;
    let ms = parse_i64(&args[2]).ok_or(Fault::text("ERR timeout is not an integer or out of range"))?;
    if ms < 0 {
        return Err(Fault::text("ERR timeout is negative"));
    }
    reply.int(0);
    Ok(Outcome::READ)
}

/// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]`. On success there is no reply: the connection closes. `NOSAVE` leaves
/// no warm restart file either.
pub(super) fn shutdown(context: &mut Context<'_, '_>, args: Args<'_>, _: &mut Reply<'_>) -> Done {
    let (mut save, mut nosave, mut abort) = (false, false, false);
    for arg in args.from(1).iter() {
        if arg.eq_ignore_ascii_case(b"save") {
            save = true;
        } else if arg.eq_ignore_ascii_case(b"nosave") {
            nosave = true;
        } else if arg.eq_ignore_ascii_case(b"abort") {
            abort = true;
        } else if !arg.eq_ignore_ascii_case(b"now") && !arg.eq_ignore_ascii_case(b"force") {
            return Err(Fault::Syntax);
        }
    }
    if (abort && args.len() > 2) || (save && nosave) {
        return Err(Fault::Syntax);
    }
    if abort {
        return Err(Fault::text("ERR No shutdown in progress."));
    }
    if save {
        return Err(Fault::text("ERR SHUTDOWN SAVE is not possible: this server has no snapshots"));
    }
    if nosave {
        context.local.shared.keeps_nothing.store(true, Ordering::Release);
    }
    context.effects.extend([Effect::CloseNow, Effect::Shutdown]);
    Ok(Outcome::READ)
}
