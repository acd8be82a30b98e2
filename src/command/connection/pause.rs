//! `CLIENT PAUSE` and `CLIENT UNPAUSE`: a time until which commands of all clients wait.

use crate::command::{Context, Every, Fault, Outcome};
use crate::protocol::{Args, Reply};
use crate::text::parse_i64;
use std::sync::atomic::Ordering::{Relaxed, Release};

/// `CLIENT PAUSE ms [WRITE|ALL]`. A pause that is on is replaced.
pub(super) fn pause(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let all = match args.get(3) {
        _ if args.len() > 4 => {
            return Err(Fault::text(
                "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
            ));
        }
        None => true,
        Some(word) if word.eq_ignore_ascii_case(b"all") => true,
        Some(word) if word.eq_ignore_ascii_case(b"write") => false,
        Some(_) => return Err(Fault::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let ms = parse_i64(&args[2]).ok_or(Fault::text("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| Fault::text("ERR timeout is negative"))?;
    let now = context.local.now;
    // As Redis, which counts in Unix time; a pause is as long as it says though that clock is set meanwhile.
    if now.unix_ms.checked_add(ms).is_none_or(|until| i64::try_from(until).is_err()) {
        return Err(Fault::text("ERR timeout is out of range"));
    }
    let until = now.mono_ms() + ms;
    let shared = context.local.shared;
    shared.pause_all.store(all, Relaxed);
    shared.pause_until_ms.store(until, Release);
    reply.ok();
    Ok(Outcome::READ)
}

/// `CLIENT UNPAUSE`. Every core is asked so that those that sleep until the pause's end wake and look.
pub(super) const UNPAUSE: Every = Every {
    check: |_, _| Ok(()),
    ask: |local, _, _| {
        local.shared.pause_until_ms.store(0, Release);
        Vec::new()
    },
    merge: |_, _, _, reply| {
        reply.ok();
        Ok(Outcome::READ)
    },
    atomic: false,
};
