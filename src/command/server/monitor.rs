//! `MONITOR`, and the line that it shows of a command.

use super::Done;
use crate::clock::Now;
use crate::command::{Context, Outcome, redact};
use crate::parameters::quoted;
use crate::protocol::{Args, Reply};
use std::io::Write as _;
use std::sync::atomic::Ordering::Relaxed;

/// `MONITOR`. The core counts the client out when it leaves.
pub(super) fn monitor(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    if context.local.sessions.set_monitor(context.id, true) {
        context.local.shared.monitors.fetch_add(1, Relaxed);
    }
    reply.ok();
    Ok(Outcome::READ)
}

/// A command as monitors see it: time, database, client, arguments; a whole status reply.
pub fn monitor_line(now: Now, db: u8, peer: &str, args: Args<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(48 + peer.len() + args.total_bytes() + 4 * args.len());
    // Writing to a vector cannot fail.
    let _ = write!(line, "+{}.{:06} [{db} {peer}]", now.unix_secs(), now.unix_ms % 1000 * 1000);
    for arg in redact::shown(args) {
        line.push(b' ');
        line.extend(quoted::repr(arg));
    }
    line.extend(b"\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::one_core::words;

    #[test]
    fn a_line_is_one_status_reply_whatever_the_arguments_hold() {
        let now = Now { unix_ms: 1_339_518_083_107, mono_us: 0 };
        words(&[b"set", b"a\r\nb", b"\"\xff\\"], |args| {
            let line = monitor_line(now, 3, "127.0.0.1:60866", args);
            let shown = "+1339518083.107000 [3 127.0.0.1:60866] \"set\" \"a\\r\\nb\" \"\\\"\\xff\\\\\"\r\n";
            assert_eq!(String::from_utf8(line).unwrap(), shown);
        });
        words(&[b"AUTH", b"secret"], |args| {
            assert!(monitor_line(now, 0, "p", args).ends_with(b"\"AUTH\" \"(redacted)\"\r\n"));
        });
    }
}
