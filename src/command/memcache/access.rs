//! Authentication of memcached's clients against the file of users (`--memcache_auth_file`).

use crate::command::{Command, Context, Fault, Handler, Keys, Outcome, flag};
use crate::metrics::Counter;
use crate::protocol::{Args, Reply};

/// The commands of this file.
pub static ROWS: &[Command] = &[Command {
    name: "mc:auth",
    arity: 3,
    flags: flag::FAST | flag::NO_AUTH | flag::SKIP_MONITOR | flag::SKIP_SLOWLOG,
    keys: Keys::NONE,
    group: "memcache",
    since: "1.0.0",
    summary: "Authenticates the client: the first set of a connection, whose data are name and password.",
    complexity: "O(N) for N users",
    handler: Handler::Session(auth),
    subs: &[],
}];

/// `args` are what the parser makes of a stranger's `set`: the word, the name, the password.
fn auth(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let known = authenticate(context, Some((&args[1], &args[2])));
    reply.line(if known { "STORED" } else { "CLIENT_ERROR authentication failure" });
    Ok(Outcome::READ)
}

/// Lets the client in if that is the name and the password of a user, and counts the attempt. `None`: it has sent
/// something else. Who was in stays in.
pub(super) fn authenticate(context: &mut Context<'_, '_>, credentials: Option<(&[u8], &[u8])>) -> bool {
    let local = &context.local;
    let known = credentials.is_some_and(|(name, password)| local.shared.is_memcache_user(name, password));
    let metrics = &local.shared.metrics[local.core as usize];
    metrics.add(Counter::AuthCommands, 1);
    metrics.add(Counter::AuthErrors, u64::from(!known));
    context.session().authenticated |= known;
    known
}
