//! `PUBSUB`: what there is to listen to, and how many do. Every core knows, so none is asked.

use crate::command::{Command, Context, Fault, Handler, Keys, Outcome, SessionFn, flag, help};
use crate::protocol::{Args, Reply};
use crate::session::listeners::Kind;
use crate::text::glob_matches;

type Done = Result<Outcome, Fault>;

/// The command of this file.
pub static ROWS: &[Command] = &[Command {
    name: "pubsub",
    arity: -2,
    flags: 0,
    keys: Keys::NONE,
    group: "pubsub",
    since: "2.8.0",
    summary: "Tells what is listened to.",
    complexity: "Depends on the subcommand.",
    handler: Handler::Container,
    subs: SUBS,
}];

static SUBS: &[Command] = &[
    row("pubsub|channels", -2, "2.8.0", "Lists the channels that somebody listens to.", CHANNELS, channels),
    row("pubsub|numsub", -2, "2.8.0", "Counts who listens to channels.", GIVEN, numsub),
    row("pubsub|numpat", 2, "2.8.0", "Counts the patterns that somebody listens to.", "O(1)", numpat),
    row(
        "pubsub|shardchannels",
        -2,
        "7.0.0",
        "Lists the shard's channels that somebody listens to.",
        CHANNELS,
        shardchannels,
    ),
    row("pubsub|shardnumsub", -2, "7.0.0", "Counts who listens to the shard's channels.", GIVEN, shardnumsub),
    Command {
        flags: flag::LOADING | flag::STALE,
        ..row("pubsub|help", 2, "6.2.0", "Lists the subcommands.", "O(1)", list)
    },
];

const CHANNELS: &str = "O(N) for N channels";
const GIVEN: &str = "O(N) for N channels that are asked for";

const fn row(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
    run: SessionFn,
) -> Command {
    Command {
        name,
        arity,
        flags: flag::PUBSUB | flag::LOADING | flag::STALE,
        keys: Keys::NONE,
        group: "pubsub",
        since,
        summary,
        complexity,
        handler: Handler::Session(run),
        subs: &[],
    }
}

fn channels(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    names(context, Kind::Channel, args, reply)
}

fn shardchannels(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    names(context, Kind::Shard, args, reply)
}

fn names(context: &mut Context<'_, '_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    if args.len() > 3 {
        let before = "ERR unknown subcommand or wrong number of arguments for '";
        return Err(Fault::quoted(before, &args[1], "'. Try PUBSUB HELP."));
    }
    let pattern = args.get(2);
    let listeners = &context.local.sessions.listeners;
    let fits = |name: &[u8]| pattern.is_none_or(|pattern| glob_matches(pattern, name));
    let names: Vec<_> = listeners.names(kind).filter(|name| fits(name)).collect();
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name));
    Ok(Outcome::READ)
}

fn numsub(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    counts(context, Kind::Channel, args, reply)
}

fn shardnumsub(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    counts(context, Kind::Shard, args, reply)
}

fn counts(context: &mut Context<'_, '_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let listeners = &context.local.sessions.listeners;
    reply.array(2 * (args.len() - 2));
    for name in args.from(2).iter() {
        reply.bulk(name);
        reply.int(listeners.listening(kind, name) as i64);
    }
    Ok(Outcome::READ)
}

fn numpat(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    reply.int(context.local.sessions.listeners.count(Kind::Pattern) as i64);
    Ok(Outcome::READ)
}

fn list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let subcommands = &[
        ("CHANNELS [<pattern>]", "Channels that somebody listens to, and that the pattern matches."),
        ("NUMPAT", "How many different patterns somebody listens to."),
        ("NUMSUB [<channel>...]", "How many clients listen to each of the channels, patterns apart."),
        ("SHARDCHANNELS [<pattern>]", "The same as CHANNELS for channels of the shard."),
        ("SHARDNUMSUB [<channel>...]", "The same as NUMSUB for channels of the shard."),
    ];
    help::write("PUBSUB", subcommands, reply);
    Ok(Outcome::READ)
}
