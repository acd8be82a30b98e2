//! Whether a user may give a request: its command, its keys by what is done to each of them, its channels.

use super::log::note;
use crate::acl::log::Reason;
use crate::acl::{Denied, Selector, User, need};
use crate::command::server::keyflags::{KeySpec, NO_KEY, specs, used_as};
use crate::command::table::TABLE;
use crate::command::{Command, Fault, Keys, Local, flag, sort};
use crate::protocol::Args;
use crate::session::SessionId;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What a command's row says about rights.
struct Needs {
    keys: Vec<(KeySpec, u8)>,
    channels: Keys,
    /// Its channels are patterns.
    patterns: bool,
    /// What it does to its keys depends on its arguments.
    varies: bool,
}

/// By row, made once: a request is checked without a look at names.
static NEEDS: LazyLock<Vec<Needs>> =
    LazyLock::new(|| TABLE.rows().map(|(_, command)| Needs::of(command)).collect());

impl Needs {
    fn of(command: &Command) -> Needs {
        let keys: Vec<(KeySpec, u8)> = specs(command)
            .into_iter()
            .filter(|spec| spec.flags != NO_KEY)
            .map(|spec| (spec, needs_of(spec.flags)))
            .collect();
        // Who leaves a channel needs no right to it.
        let (channels, patterns) = match command.name {
            "subscribe" | "ssubscribe" => (Keys::ALL, false),
            "psubscribe" => (Keys::ALL, true),
            "publish" | "spublish" => (Keys::FIRST, false),
            _ => (Keys::NONE, false),
        };
        let varies = keys.iter().any(|(spec, _)| spec.flags.contains(&"variable_flags"));
        Needs { keys, channels, patterns, varies }
    }
}

/// Redis's words for what is done to a key, as bits.
fn needs_of(words: &[&str]) -> u8 {
    words.iter().fold(0, |needs, word| match *word {
        "access" => needs | need::READ,
        "insert" | "update" | "delete" => needs | need::WRITE,
        _ => needs,
    })
}

/// Refuses a request that a user may not give.
pub fn check(user: &User, row: u16, args: Args<'_>) -> Result<(), Denied> {
    let command = TABLE.row(row);
    let needs = &NEEDS[row as usize];
    user.permits(|selector| refusal(selector, row, command, needs, args))
}

fn refusal(
    selector: &Selector,
    row: u16,
    command: &Command,
    needs: &Needs,
    args: Args<'_>,
) -> Option<Denied> {
    if !command.is(flag::NO_AUTH) && !selector.allows_command(row, args.get(1)) {
        return Some(Denied::Command);
    }
    if !selector.has_all_keys() {
        for (spec, bits) in &needs.keys {
            let bits = if needs.varies { needs_of(used_as(command, args, spec)) } else { *bits };
            let refused = |at: &usize| args.get(*at).is_some_and(|key| !selector.allows_key(key, bits));
            let place = match spec.one() {
                Some(at) => Some(at).filter(refused),
                // Arguments that name no keys are the command's to refuse.
                None => spec.places(args).ok().and_then(|places| places.into_iter().find(refused)),
            };
            if let Some(place) = place {
                return Some(Denied::Key(place));
            }
        }
        let stored = sort::destination(command, args);
        let refused = stored.filter(|at| !selector.allows_key(&args[*at], need::WRITE));
        if let Some(place) = refused.or_else(|| sort::pattern(command, args)) {
            return Some(Denied::Key(place));
        }
    }
    if !selector.has_all_channels() {
        let refused = |at: &usize| !selector.allows_channel(&args[*at], needs.patterns);
        if let Some(place) = needs.channels.positions(args.len()).find(refused) {
            return Some(Denied::Channel(place));
        }
    }
    None
}

/// What the refused client reads.
pub fn fault(denied: Denied, row: u16) -> Fault {
    Fault::Text(Cow::Owned(match denied {
        Denied::Command => {
            format!("NOPERM this user has no permissions to run the '{}' command", TABLE.row(row).name)
        }
        Denied::Key(_) => {
            "NOPERM this user has no permissions to access one of the keys used as arguments".into()
        }
        Denied::Channel(_) => {
            "NOPERM this user has no permissions to access one of the channels used as arguments".into()
        }
    }))
}

/// What somebody reads who only asks whether it would be refused: it names the key.
pub(super) fn dry_refusal(denied: Denied, row: u16, args: Args<'_>) -> Vec<u8> {
    let (what, name, kind): (&[u8], &[u8], &[u8]) = match denied {
        Denied::Command => (b"run", TABLE.row(row).name.as_bytes(), b"command"),
        Denied::Key(at) => (b"access", &args[at], b"key"),
        Denied::Channel(at) => (b"access", &args[at], b"channel"),
    };
    [b"This user has no permissions to ", what, b" the '", name, b"' ", kind].concat()
}

/// The same for a command that was queued when it was allowed.
pub fn late_fault(denied: Denied) -> Fault {
    let reason = match denied {
        Denied::Command => "no permission to execute the command or subcommand",
        Denied::Key(_) => "no permission to touch the specified keys",
        Denied::Channel(_) => "no permission to access one of the channels used as arguments to the command",
    };
    Fault::Text(
        format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {reason}"
        )
        .into(),
    )
}

/// Puts a refusal into the log. `in_multi`: while a transaction was queued or run.
pub fn note_denied(
    local: &Local<'_>,
    id: SessionId,
    row: u16,
    args: Args<'_>,
    denied: Denied,
    in_multi: bool,
) {
    let command = TABLE.row(row).name;
    let (reason, object) = match denied {
        Denied::Command => (Reason::Command, command.as_bytes()),
        Denied::Key(at) => (Reason::Key, &args[at]),
        Denied::Channel(at) => (Reason::Channel, &args[at]),
    };
    let Some(session) = local.sessions.get(id) else { return };
    note(local, session, command, reason, object, session.user_name(), in_multi);
}
