//! Users as commands show and change them, and their file.

use super::permit::{check, dry_refusal};
use super::words::WORDS;
use crate::acl::{Rejected, Selector, Unchanged, User, parse_file};
use crate::command::table::{Found, TABLE};
use crate::command::{Context, Fault, Outcome};
use crate::limits::ACL_FILE_BYTES_MAX;
use crate::parameters::{Name, Parameters};
use crate::protocol::{Args, Reply};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

type Done = Result<Outcome, Fault>;

/// `ACL SETUSER name [rule...]`.
pub(super) fn setuser(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let shared = context.local.shared;
    let name = &args[2];
    if name.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0)) {
        return Err(Fault::text("ERR Usernames can't contain spaces or null characters"));
    }
    let all_channels = shared.parameters.all_channels();
    shared.acl.change(|users| users.set(name, args.from(3).iter(), &WORDS, all_channels)).map_err(refused)?;
    reply.ok();
    Ok(Outcome::READ)
}

fn refused(unchanged: Unchanged) -> Fault {
    match unchanged {
        Unchanged::Default => Fault::text("ERR The 'default' user cannot be removed"),
        Unchanged::Rejected(Rejected::Unmatched(first)) => {
            Fault::quoted("ERR Unmatched parenthesis in acl selector starting at '", &first, "'.")
        }
        Unchanged::Rejected(Rejected::Rule(rule, error)) => Fault::Quoted {
            before: "ERR Error in ACL SETUSER modifier '",
            bytes: rule,
            after: format!("': {error}").into(),
        },
    }
}

/// `ACL DELUSER name...`. The cores close their clients.
pub(super) fn deluser(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let acl = &context.local.shared.acl;
    // As in Redis, who stands before the default user is gone all the same.
    let default = args.from(2).iter().position(|name| name == crate::acl::DEFAULT);
    let names = || args.from(2).iter().take(default.unwrap_or(args.len()));
    let removed = acl.change(|users| users.remove(names())).map_err(refused)?;
    if default.is_some() {
        return Err(refused(Unchanged::Default));
    }
    reply.int(removed as i64);
    Ok(Outcome::READ)
}

/// `ACL GETUSER name`.
pub(super) fn getuser(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let users = context.local.shared.acl.users();
    let Some(user) = users.get(&args[2]) else {
        reply.null();
        return Ok(Outcome::READ);
    };
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(user.flags().count());
    user.flags().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    user.passwords().iter().for_each(|hash| reply.bulk(hash.digits()));
    let (own, more) = user.selectors().split_first().expect("a user has a selector");
    show(own, reply);
    reply.bulk(b"selectors");
    reply.array(more.len());
    for selector in more {
        reply.map(3);
        show(selector, reply);
    }
    Ok(Outcome::READ)
}

/// Three pairs of a map.
fn show(selector: &Selector, reply: &mut Reply<'_>) {
    for (name, text) in [
        ("commands", selector.show_commands()),
        ("keys", selector.show_keys()),
        ("channels", selector.show_channels()),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(&text);
    }
}

/// `ACL LIST`.
pub(super) fn list(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let users = context.local.shared.acl.users();
    reply.array(users.iter().len());
    users.iter().for_each(|user| reply.bulk(&user.line()));
    Ok(Outcome::READ)
}

/// `ACL USERS`.
pub(super) fn users(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let users = context.local.shared.acl.users();
    reply.array(users.iter().len());
    users.iter().for_each(|user| reply.bulk(user.name()));
    Ok(Outcome::READ)
}

/// `ACL DRYRUN name command [argument...]`.
pub(super) fn dryrun(context: &mut Context<'_, '_>, args: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let users = context.local.shared.acl.users();
    let user = users.get(&args[2]).ok_or(Fault::quoted("ERR User '", &args[2], "' not found"))?;
    let request = args.from(3);
    let Found::Row(row) = TABLE.find(request) else {
        return Err(Fault::quoted("ERR Command '", &request[0], "' not found"));
    };
    let command = TABLE.row(row);
    if !command.arity_fits(request.len()) {
        return Err(Fault::Arity(command.name));
    }
    match check(user, row, request) {
        Ok(()) => reply.ok(),
        Err(denied) => reply.bulk(&dry_refusal(denied, row, request)),
    }
    Ok(Outcome::READ)
}

fn path(parameters: &Parameters) -> Result<PathBuf, Fault> {
    let path = parameters.text(Name::Aclfile);
    if path.is_empty() {
        return Err(Fault::text(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
             SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
             order to store users in the Redis configuration.",
        ));
    }
    Ok(OsString::from_vec(path).into())
}

/// The users of an ACL file. The error says all that is wrong, in one line.
pub fn read_file(path: &Path, all_channels: bool) -> Result<Vec<User>, String> {
    let name = path.display().to_string();
    let mut text = Vec::new();
    let opened =
        fs::File::open(path).and_then(|file| file.take(ACL_FILE_BYTES_MAX + 1).read_to_end(&mut text));
    opened.map_err(|error| format!("Error loading ACLs, opening file '{name}': {}", reason(&error)))?;
    if text.len() as u64 > ACL_FILE_BYTES_MAX {
        return Err(format!("Error loading ACLs, file '{name}' is longer than {ACL_FILE_BYTES_MAX} bytes"));
    }
    parse_file(&name, &text, &WORDS, all_channels)
}

/// What the system says, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}

/// `ACL LOAD`: all users of the file, or none of them. It is small and an operator asked for it, so it is read here
/// and now.
pub(super) fn load(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let shared = context.local.shared;
    let path = path(&shared.parameters)?;
    let read = read_file(&path, shared.parameters.all_channels())
        .map_err(|line| Fault::Text(format!("ERR {line}").into()))?;
    let done: Result<(), Fault> = shared.acl.change(|users| {
        users.replace(read);
        Ok(())
    });
    done?;
    reply.ok();
    Ok(Outcome::READ)
}

/// `ACL SAVE`.
pub(super) fn save(context: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Done {
    let shared = context.local.shared;
    let path = path(&shared.parameters)?;
    if let Err(error) = replace(&path, &shared.acl.users().text()) {
        log::warn!("ACL SAVE to {}: {error}", path.display());
        return Err(Fault::text(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    reply.ok();
    Ok(Outcome::READ)
}

/// Writes beside the file and puts the result in its place: whoever reads it finds the old or the new one whole. It
/// is its owner's alone, unless the old one was others' too.
fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = Path::new(&beside);
    let write = || {
        let mut new =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside)?;
        if let Ok(metadata) = fs::metadata(file) {
            new.set_permissions(metadata.permissions())?;
        }
        new.write_all(text)?;
        new.sync_all()?;
        fs::rename(beside, file)
    };
    let written = write();
    if written.is_err() {
        // What is left of the attempt is of no use; that it is there is worth no second error.
        let _ = fs::remove_file(beside);
    }
    written
}
