//! Arguments that are nobody's business: passwords are shown neither in the slow log nor to monitors.

use crate::parameters::{Name, table};
use crate::protocol::Args;
use crate::protocol::binary::Header;

/// What is shown instead.
pub const REDACTED: &[u8] = b"(redacted)";

/// The arguments as others may see them.
pub fn shown(args: Args<'_>) -> impl Iterator<Item = &[u8]> {
    let secret = Secret::of(args);
    // A packet's header is shown as the command that it stands for.
    let packet = args.get(0).and_then(Header::read);
    args.iter().enumerate().map(move |(place, arg)| match packet {
        Some(header) if place == 0 => header.meaning().op.name().as_bytes(),
        _ if secret.holds(args, place) => REDACTED,
        _ => arg,
    })
}

/// Which arguments of a request are secret.
#[derive(Clone, Copy)]
enum Secret {
    None,
    /// All from this place on.
    From(usize),
    /// The two behind an `AUTH`.
    BehindAuth(usize),
    /// The value of a parameter that is a password.
    Passwords,
}

impl Secret {
    fn of(args: Args<'_>) -> Secret {
        let is =
            |place: usize, word: &[u8]| args.get(place).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
        if is(0, b"auth") {
            Secret::From(1)
        } else if is(0, b"hello") {
            (2..args.len()).find(|&place| is(place, b"auth")).map_or(Secret::None, Secret::BehindAuth)
        } else if is(0, b"acl") && (is(1, b"setuser") || is(1, b"getuser") || is(1, b"deluser")) {
            Secret::From(2)
        } else if is(0, b"config") && is(1, b"set") {
            Secret::Passwords
        } else {
            Secret::None
        }
    }

    fn holds(self, args: Args<'_>, place: usize) -> bool {
        match self {
            Secret::None => false,
            Secret::From(first) => place >= first,
            Secret::BehindAuth(auth) => place == auth + 1 || place == auth + 2,
            Secret::Passwords => {
                place >= 3
                    && place % 2 == 1
                    && args
                        .get(place - 1)
                        .and_then(table::find)
                        .is_some_and(|row| row.name == Name::Requirepass)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::one_core::words;

    fn seen(line: &str) -> String {
        let line: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        words(&line, |args| {
            let shown: Vec<String> =
                shown(args).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
            shown.join(" ")
        })
    }

    #[test]
    fn passwords_are_not_shown() {
        for (line, shown) in [
            ("AUTH secret", "AUTH (redacted)"),
            ("auth me secret", "auth (redacted) (redacted)"),
            ("hello 3 SETNAME n auth me secret", "hello 3 SETNAME n auth (redacted) (redacted)"),
            ("CONFIG SET hz 1 requirepass secret", "CONFIG SET hz 1 requirepass (redacted)"),
            ("ACL setuser me on >secret", "ACL setuser (redacted) (redacted) (redacted)"),
            ("acl GETUSER me", "acl GETUSER (redacted)"),
            ("acl whoami", "acl whoami"),
            ("CONFIG GET requirepass", "CONFIG GET requirepass"),
            ("SET auth secret", "SET auth secret"),
        ] {
            assert_eq!(seen(line), shown);
        }
    }
}
