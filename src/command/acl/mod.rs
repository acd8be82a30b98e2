//! `ACL`: users and what they may do. The language of rules is [`crate::acl`]'s; here are the commands, what the
//! command table adds to the language, and the question whether a request is allowed.

pub mod categories;
mod log;
mod permit;
mod users;
mod words;

pub use log::note_login;
pub use permit::{check, fault, late_fault, note_denied};
pub use users::read_file;
pub use words::WORDS;

use super::{Command, Context, Fault, Handler, Keys, Outcome, flag, help};
use crate::acl::password;
use crate::protocol::{Args, Reply};
use crate::text::parse_i64;

const ANYBODY: u32 = flag::NOSCRIPT | flag::LOADING | flag::STALE;
const ADMIN: u32 = ANYBODY | flag::ADMIN;

/// Bits of a password that `ACL GENPASS` makes, and the most that it makes.
const GENERATED_BITS: i64 = 256;
const GENERATED_BITS_MAX: i64 = 4096;

/// The commands of this family.
pub static ROWS: &[Command] = &[Command {
    complexity: "Depends on the subcommand.",
    handler: Handler::Container,
    subs: SUBS,
    ..row("acl", -2, 0, "6.0.0", "Commands about users and their rights.", Handler::Container)
}];

static SUBS: &[Command] = &[
    Command {
        complexity: "O(1) for categories, O(N) for N commands",
        ..row(
            "acl|cat",
            -2,
            ANYBODY,
            "6.0.0",
            "Lists categories, or a category's commands.",
            Handler::Session(cat),
        )
    },
    row(
        "acl|deluser",
        -3,
        ADMIN,
        "6.0.0",
        "Deletes users and closes their connections.",
        Handler::Session(users::deluser),
    ),
    row(
        "acl|dryrun",
        -4,
        ADMIN,
        "7.0.0",
        "Says whether a user might give a command.",
        Handler::Session(users::dryrun),
    ),
    row("acl|genpass", -2, ANYBODY, "6.0.0", "Makes a password.", Handler::Session(genpass)),
    row("acl|getuser", 3, ADMIN, "6.0.0", "Describes a user.", Handler::Session(users::getuser)),
    of_all("acl|list", 2, ADMIN, "6.0.0", "Lists users as lines of rules.", Handler::Session(users::list)),
    of_all("acl|load", 2, ADMIN, "6.0.0", "Reads the users' file again.", Handler::Session(users::load)),
    row("acl|log", -2, ADMIN, "6.0.0", "Lists what was refused to users.", Handler::Session(log::log)),
    of_all("acl|save", 2, ADMIN, "6.0.0", "Writes the users into their file.", Handler::Session(users::save)),
    row(
        "acl|setuser",
        -3,
        ADMIN,
        "6.0.0",
        "Makes a user, or changes its rights.",
        Handler::Session(users::setuser),
    ),
    of_all("acl|users", 2, ADMIN, "6.0.0", "Lists the names of users.", Handler::Session(users::users)),
    row(
        "acl|whoami",
        2,
        ANYBODY,
        "6.0.0",
        "Returns the name of the client's user.",
        Handler::Session(whoami),
    ),
    row(
        "acl|help",
        2,
        flag::LOADING | flag::STALE,
        "6.0.0",
        "Lists the subcommands.",
        Handler::Session(list_help),
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
        group: "server",
        since,
        summary,
        complexity: "O(N) for N rules",
        handler,
        subs: &[],
    }
}

const fn of_all(
    name: &'static str,
    arity: i16,
    flags: u32,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command { complexity: "O(N) for N users", ..row(name, arity, flags, since, summary, handler) }
}

fn whoami(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.bulk(context.session().user_name());
    Ok(Outcome::READ)
}

/// `ACL CAT [category]`.
fn cat(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let words = &*WORDS;
    match args.get(2) {
        _ if args.len() > 3 => return Err(super::server::misused(args)),
        None => {
            reply.array(words.categories().len());
            words.categories().iter().for_each(|name| reply.bulk(name.as_bytes()));
        }
        Some(name) => {
            let shown = &name[..name.len().min(128)];
            let bit = words.category(name).ok_or(Fault::quoted("ERR Unknown category '", shown, "'"))?;
            let rows: Vec<u16> = words.of_category(bit).collect();
            reply.array(rows.len());
            rows.iter().for_each(|row| reply.bulk(words.word(*row).name.as_bytes()));
        }
    }
    Ok(Outcome::READ)
}

/// `ACL GENPASS [bits]`.
fn genpass(_: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let bits = match args.get(2) {
        _ if args.len() > 3 => return Err(super::server::misused(args)),
        None => GENERATED_BITS,
        Some(bits) => parse_i64(bits).ok_or(Fault::NotInteger)?,
    };
    if !(1..=GENERATED_BITS_MAX).contains(&bits) {
        return Err(Fault::text(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    let mut failed = false;
    // From the system and not from a seed: nobody who knows the one shall know the other.
    let password = password::generate(bits as usize, |bytes| failed = getrandom::fill(bytes).is_err());
    if failed {
        return Err(Fault::text("ERR the system has no randomness to give"));
    }
    reply.bulk(&password);
    Ok(Outcome::READ)
}

fn list_help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let subcommands = &[
        ("CAT [<category>]", "All categories, or the commands of one."),
        ("DELUSER <username>...", "Deletes users and closes their connections."),
        ("DRYRUN <username> <command> [<arg>...]", "Whether that user might give that command."),
        ("GENPASS [<bits>]", "A password of 256 or so many bits."),
        ("GETUSER <username>", "A user's flags, passwords and rights."),
        ("LIST", "All users as lines of a file."),
        ("LOAD", "Takes the users of the file, all or none."),
        ("LOG [<count>|RESET]", "What was refused lately; RESET forgets it."),
        ("SAVE", "Writes all users into the file."),
        ("SETUSER <username> [<rule>...]", "Makes a user, or changes one: all rules or none."),
        ("USERS", "Names of all users."),
        ("WHOAMI", "The name of this client's user."),
    ];
    help::write("ACL", subcommands, reply);
    Ok(Outcome::READ)
}

#[cfg(test)]
mod tests;
