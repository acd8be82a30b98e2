//! `CONFIG`: the parameters while the server runs.

use super::{Done, help, row};
use crate::acl::Users;
use crate::command::{Command, Context, Fault, Handler, Outcome};
use crate::parameters::table::{TABLE, find, fold};
use crate::parameters::{Name, Parameters, Refusal, rewrite};
use crate::protocol::{Args, Reply};
use crate::text::glob_matches;
use crate::tls::SETTINGS;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

const FLAGS: u32 = super::ADMIN;

pub(super) static SUBS: &[Command] = &[
    Command {
        complexity: "O(N) for N patterns",
        ..row("config|get", -3, FLAGS, "2.0.0", "Returns parameters and their values.", Handler::Session(get))
    },
    Command {
        complexity: "O(N) for N parameters",
        ..row("config|set", -4, FLAGS, "2.0.0", "Sets parameters, all or none.", Handler::Session(set))
    },
    row("config|resetstat", 2, FLAGS, "2.0.0", "Lets all counters begin anew.", Handler::Session(resetstat)),
    row(
        "config|rewrite",
        2,
        FLAGS,
        "2.8.0",
        "Writes the parameters into the file.",
        Handler::Session(rewrite),
    ),
    row("config|help", 2, super::ANY_TIME, "5.0.0", "Lists the subcommands.", Handler::Session(list)),
];

/// `CONFIG GET pattern...`: each parameter once, under each of its names that a pattern matches.
fn get(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let mut found: Vec<(&'static str, Name)> = Vec::new();
    for pattern in args.from(2).iter() {
        let folded: Vec<u8> = pattern.iter().map(|byte| fold(*byte)).collect();
        for row in TABLE {
            for text in row.aliases.iter().chain([&row.text]) {
                let name: Vec<u8> = text.bytes().map(fold).collect();
                if glob_matches(&folded, &name) && !found.iter().any(|(known, _)| known == text) {
                    found.push((text, row.name));
                }
            }
        }
    }
    let parameters = &context.local.shared.parameters;
    reply.map(found.len());
    for (text, name) in found {
        reply.bulk(text.as_bytes());
        reply.bulk(&parameters.show(name));
    }
    Ok(Outcome::READ)
}

/// `CONFIG SET name value...`.
fn set(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let args = args.from(2);
    if !args.len().is_multiple_of(2) {
        return Err(Fault::Syntax);
    }
    // Unknown names are told before anything else is looked at.
    if let Some(unknown) = args.iter().step_by(2).find(|name| find(name).is_none()) {
        let text = "ERR Unknown option or number of arguments for CONFIG SET - '";
        return Err(Fault::quoted(text, unknown, "'"));
    }
    let pairs: Vec<(&[u8], &[u8])> = args.iter().step_by(2).zip(args.iter().skip(1).step_by(2)).collect();
    let parameters = &context.local.shared.parameters;
    let tls = pairs.iter().find(|(name, _)| find(name).is_some_and(|row| SETTINGS.contains(&row.name)));
    let before: Vec<_> = SETTINGS.iter().map(|name| (*name, parameters.show(*name))).collect();
    parameters.set_all(&pairs).map_err(|(place, refusal)| refused(pairs[place].0, &refusal))?;
    if let Some((name, _)) = tls
        && let Err(line) = context.local.shared.load_tls(context.local.now.unix_secs())
    {
        log::warn!("CONFIG SET: {line}; TLS goes on as it was");
        let before: Vec<(&[u8], &[u8])> =
            before.iter().map(|(name, value)| (name.row().text.as_bytes(), &value[..])).collect();
        // What was shown is taken.
        let _ = parameters.set_all(&before);
        let reason = "Unable to update TLS configuration. Check server logs.";
        return Err(refused(name, &Refusal::Value(reason.into())));
    }
    if log::log_enabled!(log::Level::Debug) {
        // The table's own spelling: nothing that a client has written stands in the log.
        let names: Vec<&str> = pairs.iter().filter_map(|(name, _)| Some(find(name)?.text)).collect();
        log::debug!("client {} sets {}", context.session().peer, names.join(", "));
    }
    if pairs.iter().any(|(name, _)| find(name).is_some_and(|row| row.name == Name::Requirepass)) {
        let shared = context.local.shared;
        shared.acl.set_default_password(&shared.parameters.text(Name::Requirepass));
    }
    reply.ok();
    Ok(Outcome::READ)
}

fn refused(name: &[u8], refusal: &Refusal) -> Fault {
    Fault::Quoted {
        before: "ERR CONFIG SET failed (possibly related to argument '",
        bytes: name.to_ascii_lowercase(),
        after: format!("') - {}", refusal.reason()).into(),
    }
}

fn resetstat(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    context.local.shared.metrics.iter().for_each(|metrics| metrics.reset());
    reply.ok();
    Ok(Outcome::READ)
}

/// `CONFIG REWRITE`. The file is small and an operator asked for it, so it is written here and now.
fn rewrite(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let shared = context.local.shared;
    let parameters = &shared.parameters;
    let file = parameters.file().ok_or(Fault::text("ERR The server is running without a config file"))?;
    replace(file, parameters, &user_lines(parameters, &shared.acl.users()))
        .map_err(|error| Fault::Text(format!("ERR Rewriting config file: {error}").into()))?;
    reply.ok();
    Ok(Outcome::READ)
}

/// Lines for the users: none where they have a file of their own, or where there is but the default one as
/// `requirepass` makes it.
fn user_lines(parameters: &Parameters, users: &Users) -> Vec<Vec<u8>> {
    let mut plain = Users::default();
    plain.set_default_password(&parameters.text(Name::Requirepass));
    if !parameters.text(Name::Aclfile).is_empty() || plain.text() == users.text() {
        return Vec::new();
    }
    users.iter().map(|user| user.line()).collect()
}

/// Writes beside the file and puts the result in its place: whoever reads it finds the old or the new one whole.
fn replace(file: &Path, parameters: &Parameters, users: &[Vec<u8>]) -> io::Result<()> {
    let old = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        old => old?,
    };
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let written = write_whole(
        Path::new(&beside),
        file,
        &rewrite::with_users(&rewrite::rewritten(&old, parameters), users),
    );
    if written.is_err() {
        // What is left of the attempt is of no use; that it is there is worth no second error.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_whole(beside: &Path, file: &Path, text: &[u8]) -> io::Result<()> {
    let mut new = fs::File::create(beside)?;
    if let Ok(metadata) = fs::metadata(file) {
        new.set_permissions(metadata.permissions())?;
    }
    new.write_all(text)?;
    new.sync_all()?;
    fs::rename(beside, file)
}

fn list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let subcommands = &[
        ("GET <pattern>...", "Parameters whose names match, and their values."),
        ("SET <name> <value>...", "Sets parameters, all or none."),
        ("RESETSTAT", "Lets all counters of INFO begin anew."),
        ("REWRITE", "Writes the parameters into the configuration file."),
    ];
    help::write("CONFIG", subcommands, reply);
    Ok(Outcome::READ)
}
