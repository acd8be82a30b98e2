//! Who a client is and which protocol it speaks: `HELLO` and `AUTH`.

use super::client::check_name;
use crate::command::{Context, Fault, Outcome, acl};
use crate::protocol::{Args, Proto, Reply};
use crate::text::parse_i64;
use crate::version::REDIS_VERSION;

const WRONG: Fault = Fault::text("WRONGPASS invalid username-password pair or user is disabled.");

/// `AUTH [user] password`.
pub(super) fn auth(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let (user, password) = match args.len() {
        2 if context.local.shared.acl.users().default_user().needs_no_password() => {
            return Err(Fault::text(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => (crate::acl::DEFAULT, &args[1]),
        3 => (&args[1], &args[2]),
        _ => return Err(Fault::Syntax),
    };
    log_in(context, &args[0], user, password)?;
    reply.ok();
    Ok(Outcome::READ)
}

/// The client is that user from now on, if that is its password; who fails is put into the log.
fn log_in(context: &mut Context<'_, '_>, command: &[u8], user: &[u8], password: &[u8]) -> Result<(), Fault> {
    let users = context.local.shared.acl.users();
    let Some(user) = users.authenticate(user, password) else {
        acl::note_login(context, command, user);
        return Err(WRONG);
    };
    context.session().log_in(user.clone());
    Ok(())
}

/// `HELLO [2|3 [AUTH user password] [SETNAME name]]`.
pub(super) fn hello(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let proto = match args.get(1).map(parse_i64) {
        None => None,
        Some(Some(2)) => Some(Proto::Resp2),
        Some(Some(3)) => Some(Proto::Resp3),
        Some(Some(_)) => return Err(Fault::text("NOPROTO unsupported protocol version")),
        Some(None) => return Err(Fault::text("ERR Protocol version is not an integer or out of range")),
    };
    let mut at = 2;
    while at < args.len() {
        at += option(context, &args[0], args.from(at))?;
    }
    let is_open = context.local.shared.acl.users().default_user().is_open();
    if !context.session().authenticated && !is_open {
        return Err(Fault::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> \
             option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        ));
    }
    let session = context.session();
    session.proto = proto.unwrap_or(session.proto);
    reply.set_proto(session.proto);
    describe(session.client_id, session.proto, reply);
    Ok(Outcome::READ)
}

/// One option of `command` with what belongs to it; how many arguments that were.
fn option(context: &mut Context<'_, '_>, command: &[u8], args: Args<'_>) -> Result<usize, Fault> {
    match (&args[0], args.get(1), args.get(2)) {
        (word, Some(user), Some(password)) if word.eq_ignore_ascii_case(b"auth") => {
            log_in(context, command, user, password)?;
            Ok(3)
        }
        (word, Some(name), _) if word.eq_ignore_ascii_case(b"setname") => {
            context.session().name = check_name(name)?.to_vec();
            Ok(2)
        }
        (word, ..) => Err(Fault::quoted("ERR Syntax error in HELLO option '", word, "'")),
    }
}

fn describe(client_id: u64, proto: Proto, reply: &mut Reply<'_>) {
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(if proto == Proto::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(client_id as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}
