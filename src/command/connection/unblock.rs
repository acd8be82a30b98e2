//! `CLIENT UNBLOCK`: ends another client's wait in a blocking command.

use crate::command::answer::{self, Pack};
use crate::command::{Every, Fault};
use crate::protocol::Args;
use crate::text::parse_i64;

/// `CLIENT UNBLOCK id [TIMEOUT|ERROR]`.
pub(super) const UNBLOCK: Every = Every {
    check: |args, _| parse(args).map(|_| ()),
    ask: |local, args, _| {
        let unblocked = parse(args).is_ok_and(|(id, error)| local.sessions.unblock(id, error));
        Pack::default().number(u64::from(unblocked)).finish()
    },
    merge: |_, parts, _, reply| {
        reply.int(answer::sum(parts) as i64);
        Ok(crate::command::Outcome::READ)
    },
    atomic: false,
};

/// The client, and whether it is to read an error.
fn parse(args: Args<'_>) -> Result<(u64, bool), Fault> {
    let error = match args.get(3) {
        _ if args.len() > 4 => {
            return Err(Fault::text(
                "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
            ));
        }
        None => false,
        Some(reason) if reason.eq_ignore_ascii_case(b"timeout") => false,
        Some(reason) if reason.eq_ignore_ascii_case(b"error") => true,
        Some(_) => return Err(Fault::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    // No client has a negative id; it is left to find none.
    let id = parse_i64(&args[2]).ok_or(Fault::NotInteger)?;
    Ok((id as u64, error))
}
