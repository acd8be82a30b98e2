//! The `CLIENT` container, and those of its subcommands that are about the client itself.

use super::{kill, list, pause, unblock};
use crate::command::{Command, Context, Fault, Handler, Keys, Outcome, flag, help};
use crate::protocol::{Args, Reply};
use crate::session::ReplyMode;

/// The commands of this container.
pub static ROWS: &[Command] = &[Command {
    name: "client",
    arity: -2,
    flags: 0,
    keys: Keys::NONE,
    group: "connection",
    since: "2.4.0",
    summary: "Commands about connections.",
    complexity: "Depends on the subcommand.",
    handler: Handler::Container,
    subs: SUBS,
}];

const OWN: u32 = flag::NOSCRIPT | flag::LOADING | flag::STALE;
const ADMIN: u32 = OWN | flag::ADMIN;
const CLIENTS: &str = "O(N) for N connected clients";

static SUBS: &[Command] = &[
    row("client|id", 2, OWN, "5.0.0", "Returns the client's id.", Handler::Session(id)),
    row("client|info", 2, OWN, "6.2.0", "Describes the client.", Handler::Session(list::info)),
    Command {
        complexity: CLIENTS,
        ..row(
            "client|list",
            -2,
            ADMIN,
            "2.4.0",
            "Describes the connected clients.",
            Handler::Every(list::LIST),
        )
    },
    row("client|setname", 3, OWN, "2.6.9", "Names the client.", Handler::Session(setname)),
    row("client|getname", 2, OWN, "2.6.9", "Returns the client's name.", Handler::Session(getname)),
    row("client|setinfo", 4, OWN, "7.2.0", "Says which library the client uses.", Handler::Session(setinfo)),
    Command {
        complexity: CLIENTS,
        ..row("client|kill", -3, ADMIN, "2.4.0", "Closes connections.", Handler::Every(kill::KILL))
    },
    row(
        "client|pause",
        -3,
        ADMIN,
        "2.9.50",
        "Lets commands wait for a time.",
        Handler::Session(pause::pause),
    ),
    Command {
        complexity: "O(N) for N waiting clients",
        ..row(
            "client|unpause",
            2,
            ADMIN | flag::DURING_PAUSE,
            "6.2.0",
            "Ends a pause.",
            Handler::Every(pause::UNPAUSE),
        )
    },
    row(
        "client|reply",
        3,
        OWN,
        "3.2.0",
        "Says whether the client wants replies.",
        Handler::Session(reply_mode),
    ),
    row(
        "client|no-evict",
        3,
        ADMIN,
        "7.0.0",
        "Keeps the client when memory is short.",
        Handler::Session(no_evict),
    ),
    row(
        "client|no-touch",
        3,
        OWN,
        "7.2.0",
        "Says whether reads count as use of a key.",
        Handler::Session(no_touch),
    ),
    Command {
        complexity: "O(log N) for N connected clients",
        ..row(
            "client|unblock",
            -3,
            ADMIN,
            "5.0.0",
            "Ends another client's wait.",
            Handler::Every(unblock::UNBLOCK),
        )
    },
    row(
        "client|getredir",
        2,
        OWN,
        "6.0.0",
        "Returns who is told of changed keys.",
        Handler::Session(getredir),
    ),
    row(
        "client|trackinginfo",
        2,
        OWN,
        "6.2.0",
        "Describes how the client is told of changed keys.",
        Handler::Session(trackinginfo),
    ),
    row(
        "client|help",
        2,
        flag::LOADING | flag::STALE,
        "5.0.0",
        "Lists the subcommands.",
        Handler::Session(help),
    ),
];

const fn row(
    name: &'static str,
    arity: i16,
    flags: u32,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys: Keys::NONE,
        group: "connection",
        since,
        summary,
        complexity: "O(1)",
        handler,
        subs: &[],
    }
}

fn id(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.int(context.session().client_id as i64);
    Ok(Outcome::READ)
}

/// Names stand in lines of `CLIENT LIST`: what would break a line or a field is refused.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// A name that a client may have.
pub(super) fn check_name(name: &[u8]) -> Result<&[u8], Fault> {
    if is_printable(name) {
        Ok(name)
    } else {
        Err(Fault::text("ERR Client names cannot contain spaces, newlines or special characters."))
    }
}

fn setname(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    context.session().name = check_name(&args[2])?.to_vec();
    reply.ok();
    Ok(Outcome::READ)
}

fn getname(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let name = &context.session().name;
    reply.bulk_or_null((!name.is_empty()).then_some(name));
    Ok(Outcome::READ)
}

fn setinfo(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let (option, value) = (&args[2], &args[3]);
    let session = context.session();
    let field = if option.eq_ignore_ascii_case(b"lib-name") {
        &mut session.lib_name
    } else if option.eq_ignore_ascii_case(b"lib-ver") {
        &mut session.lib_version
    } else {
        return Err(Fault::quoted("ERR Unrecognized option '", option, "'"));
    };
    if !is_printable(value) {
        let after = " cannot contain spaces, newlines or special characters.";
        return Err(Fault::quoted("ERR ", option, after));
    }
    *field = value.to_vec();
    reply.ok();
    Ok(Outcome::READ)
}

fn reply_mode(
    context: &mut Context<'_, '_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let mode = &mut context.session().reply;
    if args[2].eq_ignore_ascii_case(b"on") {
        *mode = ReplyMode::On;
        reply.ok();
    } else if args[2].eq_ignore_ascii_case(b"off") {
        *mode = ReplyMode::Off;
    } else if args[2].eq_ignore_ascii_case(b"skip") {
        if *mode != ReplyMode::Off {
            *mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(Fault::Syntax);
    }
    Ok(Outcome::READ)
}

fn on_or_off(word: &[u8]) -> Result<bool, Fault> {
    if word.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(Fault::Syntax)
    }
}

fn no_evict(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    context.session().no_evict = on_or_off(&args[2])?;
    reply.ok();
    Ok(Outcome::READ)
}

fn no_touch(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    context.session().no_touch = on_or_off(&args[2])?;
    reply.ok();
    Ok(Outcome::READ)
}

fn getredir(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.int(-1);
    Ok(Outcome::READ)
}

fn trackinginfo(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(1);
    reply.bulk(b"off");
    reply.bulk(b"redirect");
    reply.int(-1);
    reply.bulk(b"prefixes");
    reply.array(0);
    Ok(Outcome::READ)
}

fn help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let subcommands = &[
        ("ID", "The number of this client."),
        ("INFO", "This client as LIST shows it."),
        ("LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id>...]", "One line per connected client."),
        ("SETNAME <name>", "Names this client; an empty name takes the name away."),
        ("GETNAME", "The name of this client."),
        ("SETINFO (LIB-NAME|LIB-VER) <text>", "Which library this client uses, for LIST."),
        ("KILL <address:port>", "Closes the client of that address."),
        (
            "KILL (ID <id>|TYPE <type>|USER <user>|ADDR <address:port>|LADDR <address:port>|SKIPME (YES|NO))...",
            "Closes all clients that have all of these; the number of them.",
        ),
        ("PAUSE <ms> [WRITE|ALL]", "Lets writes, or all commands, wait for so long."),
        ("UNPAUSE", "Ends a pause."),
        ("REPLY (ON|OFF|SKIP)", "Sends replies, none, or none to the next command."),
        ("NO-EVICT (ON|OFF)", "Keeps this client when memory is short."),
        ("NO-TOUCH (ON|OFF)", "This client's reads do not count as use of a key."),
        ("UNBLOCK <id> [TIMEOUT|ERROR]", "Ends the wait of a client in a blocking command."),
        ("GETREDIR", "Who is told of keys that this client has cached."),
        ("TRACKINGINFO", "How this client is told of keys that it has cached."),
    ];
    help::write("CLIENT", subcommands, reply);
    Ok(Outcome::READ)
}
