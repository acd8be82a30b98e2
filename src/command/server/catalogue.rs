//! `COMMAND`: the table of commands as clients ask for it.

use super::keyflags::{KeySpec, NO_KEY, specs, unknown_places, used_as};
use super::{Done, help, row};
use crate::command::table::{Found, TABLE};
use crate::command::{Command, Context, Fault, Handler, Keys, Outcome, acl, flag, sort, syntax};
use crate::protocol::{Args, Reply};
use crate::text::glob_matches_nocase;

pub(super) static SUBS: &[Command] = &[
    row("command|count", 2, super::ANY_TIME, "2.8.13", "Counts the commands.", Handler::Session(count)),
    of_all("command|list", -2, "7.0.0", "Lists the commands' names.", Handler::Session(names)),
    of_all("command|info", -2, "2.8.13", "Describes commands to clients.", Handler::Session(info)),
    of_all("command|docs", -2, "7.0.0", "Describes commands to people.", Handler::Session(docs)),
    of_args("command|getkeys", "2.8.13", "Finds the keys in a command.", Handler::Session(getkeys)),
    of_args(
        "command|getkeysandflags",
        "7.0.0",
        "Finds the keys in a command and what is done to them.",
        Handler::Session(getkeysandflags),
    ),
    row("command|help", 2, super::ANY_TIME, "5.0.0", "Lists the subcommands.", Handler::Session(list)),
];

const fn of_all(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command {
        complexity: "O(N) for N commands",
        ..row(name, arity, super::ANY_TIME, since, summary, handler)
    }
}

const fn of_args(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command { complexity: "O(N) for N arguments", ..row(name, -4, super::ANY_TIME, since, summary, handler) }
}

/// Names of the bits of `flag` that `COMMAND INFO` tells, in Redis's order.
const FLAGS: &[(u32, &str)] = &[
    (flag::WRITE, "write"),
    (flag::READONLY, "readonly"),
    (flag::DENYOOM, "denyoom"),
    (flag::ADMIN, "admin"),
    (flag::PUBSUB, "pubsub"),
    (flag::NOSCRIPT, "noscript"),
    (flag::BLOCKING, "blocking"),
    (flag::LOADING, "loading"),
    (flag::STALE, "stale"),
    (flag::SKIP_MONITOR, "skip_monitor"),
    (flag::SKIP_SLOWLOG, "skip_slowlog"),
    (flag::FAST, "fast"),
    (flag::NO_AUTH, "no_auth"),
    (flag::NO_MULTI, "no_multi"),
    (flag::MOVABLEKEYS, "movablekeys"),
];

/// Commands that Redis clients may call, without subcommands.
fn commands() -> impl Iterator<Item = &'static Command> {
    TABLE.rows().map(|(_, command)| command).filter(|command| !command.name.contains(['|', ':']))
}

/// The command of a name as a client writes it (`GET`, `client|list`).
fn named(name: &[u8]) -> Option<&'static Command> {
    let command = TABLE.row(TABLE.by_name(&name.to_ascii_lowercase())?);
    (!command.name.contains(':')).then_some(command)
}

/// Categories of access control, in Redis's order.
fn categories(command: &Command) -> impl Iterator<Item = &'static str> {
    acl::categories::names(acl::categories::of(command))
}

/// `COMMAND`.
pub(super) fn all(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    reply.array(commands().count());
    commands().for_each(|command| describe(command, reply));
    Ok(Outcome::READ)
}

fn count(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    reply.int(commands().count() as i64);
    Ok(Outcome::READ)
}

/// `COMMAND LIST [FILTERBY MODULE module|ACLCAT category|PATTERN pattern]`, subcommands included.
fn names(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let filterby = args.get(2).is_none_or(|word| word.eq_ignore_ascii_case(b"filterby"));
    if !filterby || !matches!(args.len(), 2 | 5) {
        return Err(Fault::Syntax);
    }
    let is = |word: &[u8]| args.get(3).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
    let value = args.get(4).unwrap_or_default();
    let all = commands().flat_map(|command| std::iter::once(command).chain(command.subs));
    let list: Vec<&Command> = if args.len() == 2 {
        all.collect()
    } else if is(b"module") {
        Vec::new()
    } else if is(b"aclcat") {
        let has = |command: &&Command| {
            categories(command).any(|category| category.as_bytes().eq_ignore_ascii_case(value))
        };
        all.filter(has).collect()
    } else if is(b"pattern") {
        all.filter(|command| glob_matches_nocase(value, command.name.as_bytes())).collect()
    } else {
        return Err(Fault::Syntax);
    };
    reply.array(list.len());
    list.iter().for_each(|command| reply.bulk(command.name.as_bytes()));
    Ok(Outcome::READ)
}

/// `COMMAND INFO [name...]`.
fn info(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    if args.len() == 2 {
        return all(context, args, reply);
    }
    reply.array(args.len() - 2);
    for name in args.from(2).iter() {
        match named(name) {
            Some(command) => describe(command, reply),
            None => reply.null(),
        }
    }
    Ok(Outcome::READ)
}

fn describe(command: &Command, reply: &mut Reply<'_>) {
    let Keys { first, last, step } = command.keys;
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.int(i64::from(command.arity));
    words(FLAGS.iter().filter(|(bit, _)| command.is(*bit)).map(|(_, name)| *name), reply);
    reply.int(i64::from(first));
    reply.int(i64::from(last));
    reply.int(i64::from(step));
    let categories: Vec<&str> = categories(command).collect();
    reply.set(categories.len());
    categories.iter().for_each(|category| reply.simple(&format!("@{category}")));
    // Tips to cluster clients: this is none.
    reply.set(0);
    let (specs, unknown) = (specs(command), unknown_places(command));
    reply.set(specs.len() + unknown.len());
    specs.iter().for_each(|spec| describe_keys(spec, reply));
    unknown.iter().for_each(|flags| describe_unknown(flags, reply));
    reply.set(command.subs.len());
    command.subs.iter().for_each(|sub| describe(sub, reply));
}

fn words(words: impl Iterator<Item = &'static str>, reply: &mut Reply<'_>) {
    let words: Vec<&str> = words.collect();
    reply.set(words.len());
    words.iter().for_each(|word| reply.simple(word));
}

/// How keys are looked for, as a kind and its numbers.
fn describe_search(reply: &mut Reply<'_>, kind: &[u8], fields: &[(&str, i16)]) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind);
    reply.bulk(b"spec");
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.int(i64::from(*value));
    }
}

fn describe_unknown(flags: &'static [&'static str], reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"flags");
    words(flags.iter().copied(), reply);
    for part in ["begin_search", "find_keys"] {
        reply.bulk(part.as_bytes());
        describe_search(reply, b"unknown", &[]);
    }
}

fn describe_keys(spec: &KeySpec, reply: &mut Reply<'_>) {
    let search = describe_search;
    reply.map(3);
    reply.bulk(b"flags");
    words(spec.flags.iter().copied(), reply);
    reply.bulk(b"begin_search");
    search(reply, b"index", &[("index", spec.first)]);
    reply.bulk(b"find_keys");
    if spec.counted {
        search(reply, b"keynum", &[("keynumidx", 0), ("firstkey", 1), ("keystep", spec.step)]);
    } else {
        search(reply, b"range", &[("lastkey", spec.last), ("keystep", spec.step), ("limit", 0)]);
    }
}

/// `COMMAND DOCS [name...]`.
fn docs(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let list: Vec<&Command> =
        if args.len() == 2 { commands().collect() } else { args.from(2).iter().filter_map(named).collect() };
    reply.map(list.len());
    list.iter().for_each(|command| document(command, reply));
    Ok(Outcome::READ)
}

fn document(command: &Command, reply: &mut Reply<'_>) {
    let facts = [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group),
        ("complexity", command.complexity),
    ];
    let told = facts.iter().filter(|(_, text)| !text.is_empty());
    reply.bulk(command.name.as_bytes());
    let arguments = syntax::arguments(command.name);
    let lists = usize::from(!arguments.is_empty()) + usize::from(!command.subs.is_empty());
    reply.map(told.clone().count() + lists);
    for (name, text) in told {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        syntax::write(&arguments, specs(command).len(), reply);
    }
    if !command.subs.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(command.subs.len());
        command.subs.iter().for_each(|sub| document(sub, reply));
    }
}

/// The command that arguments are those of, if they are and it has keys.
fn command_with_keys(args: Args<'_>) -> Result<&'static Command, Fault> {
    let Found::Row(row) = TABLE.find(args) else { return Err(Fault::text("ERR Invalid command specified")) };
    let command = TABLE.row(row);
    let none = command.keys == Keys::NONE && !command.is(flag::MOVABLEKEYS);
    if none || specs(command).iter().any(|spec| spec.flags == NO_KEY) {
        return Err(Fault::text("ERR The command has no key arguments"));
    }
    if !command.arity_fits(args.len()) {
        return Err(Fault::text("ERR Invalid number of arguments specified for command"));
    }
    Ok(command)
}

fn getkeys(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let args = args.from(2);
    let command = command_with_keys(args)?;
    let mut places: Vec<usize> = command.keys.positions(args.len()).collect();
    if command.is(flag::MOVABLEKEYS) {
        places = specs(command).iter().map(|spec| spec.places(args)).collect::<Result<Vec<_>, _>>()?.concat();
    }
    places.extend(sort::destination(command, args));
    reply.array(places.len());
    places.iter().for_each(|place| reply.bulk(&args[*place]));
    Ok(Outcome::READ)
}

fn getkeysandflags(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let args = args.from(2);
    let command = command_with_keys(args)?;
    let mut keys = Vec::new();
    for spec in specs(command) {
        let places = spec.places(args)?;
        keys.extend(places.into_iter().map(|place| (place, used_as(command, args, &spec))));
    }
    keys.extend(sort::destination(command, args).map(|place| (place, &["OW", "update"][..])));
    reply.array(keys.len());
    for (place, flags) in keys {
        reply.array(2);
        reply.bulk(&args[place]);
        words(flags.iter().copied(), reply);
    }
    Ok(Outcome::READ)
}

fn list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let subcommands = &[
        ("(no subcommand)", "All commands, as INFO."),
        ("COUNT", "How many commands there are."),
        ("LIST [FILTERBY (MODULE <module>|ACLCAT <category>|PATTERN <pattern>)]", "Names of commands."),
        ("INFO [<command>...]", "Arity, flags, keys and categories of commands."),
        ("DOCS [<command>...]", "Summary, group, cost and arguments of commands."),
        ("GETKEYS <command> <arg>...", "The keys in a command."),
        ("GETKEYSANDFLAGS <command> <arg>...", "The keys in a command and what is done to them."),
    ];
    help::write("COMMAND", subcommands, reply);
    Ok(Outcome::READ)
}
