//! Usage lines as people read them: `SET key value [NX|XX] [GET] [EX seconds|...]`.

use super::{Argument, Kind, arguments};

/// The longest argument that is written again to say that it may come again.
const AGAIN_BYTES_MAX: usize = 32;

/// What a command or subcommand takes, without its name.
pub fn usage(name: &str) -> String {
    joined(&arguments(name), " ")
}

fn joined(arguments: &[Argument<'_>], between: &str) -> String {
    arguments.iter().map(shown).collect::<Vec<_>>().join(between)
}

fn shown(argument: &Argument<'_>) -> String {
    let value = match &argument.kind {
        Kind::PureToken => String::new(),
        Kind::OneOf(parts) => joined(parts, "|"),
        Kind::Block(parts) => joined(parts, " "),
        _ => argument.name.clone(),
    };
    let alternatives = matches!(argument.kind, Kind::OneOf(_));
    let bracketed = |text: String| if alternatives { format!("({text})") } else { text };
    let one = match (argument.token, value.as_str()) {
        (Some(""), _) | (None, _) => value.clone(),
        (Some(token), "") => token.to_string(),
        (Some(token), _) => format!("{token} {}", bracketed(value.clone())),
    };
    // Brackets around alternatives are enough to keep them together.
    let bare = argument.token.is_none() && !argument.optional;
    let one = if bare { bracketed(one) } else { one };
    let more = if argument.repeats_token || argument.token.is_none() { &one } else { &value };
    let many = match argument.multiple {
        false => one.clone(),
        // What is long is not said twice.
        true if more.len() > AGAIN_BYTES_MAX => format!("{one} ..."),
        true => format!("{one} [{more} ...]"),
    };
    if argument.optional { format!("[{many}]") } else { many }
}

#[test]
fn lines_are_as_people_know_them() {
    for (name, line) in [
        ("get", "key"),
        ("mset", "key value [key value ...]"),
        ("hello", "[protover [AUTH username password] [SETNAME clientname]]"),
        ("client|no-evict", "(ON|OFF)"),
        ("client|unblock", "client-id [TIMEOUT|ERROR]"),
        ("expire", "key seconds [NX|XX|GT|LT]"),
        ("ping", "[message]"),
        ("quit", ""),
    ] {
        assert_eq!(usage(name), line, "{name}");
    }
}
