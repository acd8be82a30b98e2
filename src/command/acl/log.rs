//! `ACL LOG`, and what enters it.

use crate::acl::log::{Entry, Reason};
use crate::command::connection::list;
use crate::command::server::misused;
use crate::command::{Context, Fault, Local, Outcome};
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::session::Session;
use crate::text::parse_i64;

/// Entries that are shown where no number is given.
const SHOWN: usize = 10;

/// Longest key, channel or name that is kept whole: what a stranger sends is not to fill memory.
const OBJECT_BYTES_MAX: usize = 1024;

/// Puts a refusal of this client's into the log.
pub(super) fn note(
    local: &Local<'_>,
    session: &Session,
    command: &str,
    reason: Reason,
    object: &[u8],
    username: &[u8],
    in_multi: bool,
) {
    let mut client = Vec::new();
    list::describe(session, Some(command), local.core, local.now.mono_ms(), &mut client);
    client.truncate(client.trim_ascii_end().len());
    let cut = |text: &[u8]| text[..text.len().min(OBJECT_BYTES_MAX)].to_vec();
    let entry = Entry {
        count: 1,
        reason,
        in_multi,
        object: cut(object),
        username: cut(username),
        time_ms: local.now.unix_ms,
        client,
    };
    local.shared.acl.refused(entry, local.shared.parameters.number(Name::AcllogMaxLen) as usize);
}

/// Puts an attempt to log in into the log; `command` is as the client wrote it.
pub fn note_login(context: &mut Context<'_, '_>, command: &[u8], username: &[u8]) {
    let Some(session) = context.local.sessions.get(context.id) else { return };
    let running = if command.eq_ignore_ascii_case(b"hello") { "hello" } else { "auth" };
    note(context.local, session, running, Reason::Auth, command, username, session.multi.is_some());
}

/// `ACL LOG [count|RESET]`.
pub(super) fn log(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let acl = &context.local.shared.acl;
    let count = match args.get(2) {
        _ if args.len() > 3 => return Err(misused(args)),
        None => SHOWN,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            acl.with_log(crate::acl::log::Log::clear);
            reply.ok();
            return Ok(Outcome::READ);
        }
        Some(number) => parse_i64(number).ok_or(Fault::NotInteger)?.max(0) as usize,
    };
    let now_ms = context.local.now.unix_ms;
    acl.with_log(|log| {
        let entries = log.newest(count);
        reply.array(entries.len());
        entries.for_each(|entry| show(entry, now_ms, reply));
    });
    Ok(Outcome::READ)
}

fn show(entry: &Entry, now_ms: u64, reply: &mut Reply<'_>) {
    reply.map(7);
    reply.bulk(b"count");
    reply.int(entry.count as i64);
    for (name, value) in [
        ("reason", entry.reason.word().as_bytes()),
        ("context", if entry.in_multi { b"multi" } else { b"toplevel" }),
        ("object", &entry.object),
        ("username", &entry.username),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(value);
    }
    reply.bulk(b"age-seconds");
    reply.double(now_ms.saturating_sub(entry.time_ms) as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(&entry.client);
}
