//! The text of an ACL file: a line `user <name> <rules>` for each user.

use super::rule::{Rejected, RuleError, has_spaces, joined};
use super::user::User;
use super::users::{Users, next_id};
use super::vocabulary::Vocabulary;
use std::fmt::Write;

/// Reads the text of the file of that name. The error is one line with all that is wrong, each with its line's number.
pub fn parse(name: &str, text: &[u8], words: &Vocabulary, all_channels: bool) -> Result<Vec<User>, String> {
    let mut users: Vec<User> = Vec::new();
    let mut errors = String::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = trimmed(line, b" \t\r");
        if line.is_empty() {
            continue;
        }
        let mut parts = line.split(|&byte| byte == b' ');
        let place = format!("{name}:{}", index + 1);
        let (keyword, user) = (parts.next(), parts.next());
        let Some(user) = user.filter(|_| keyword == Some(b"user")) else {
            // Writing to a string cannot fail, here and below.
            let _ = write!(errors, "{place} should start with user keyword followed by the username. ");
            continue;
        };
        let shown = String::from_utf8_lossy(user);
        if has_spaces(user) {
            let _ = write!(errors, "'{place}: username '{shown}' contains invalid characters. ");
            continue;
        }
        if users.iter().any(|known| known.name() == user) {
            let _ = write!(errors, "WARNING: Duplicate user '{shown}' found on line {}. ", index + 1);
            continue;
        }
        let mut made = User::new(next_id(), user, all_channels);
        match joined(parts) {
            Ok(rules) => apply(&mut made, &rules, words, all_channels, &place, &mut errors),
            Err(_) => {
                let _ = write!(errors, "{place}: Unmatched parenthesis in selector definition.");
            }
        }
        users.push(made);
    }
    if errors.is_empty() {
        return Ok(users);
    }
    errors
        .push_str("WARNING: ACL errors detected, no change to the previously active ACL rules was performed");
    Err(errors)
}

/// Applies what can be applied. All unknown commands are told with their names, of the others the first, without the
/// rule: it may be a password.
fn apply(
    user: &mut User,
    rules: &[Vec<u8>],
    words: &Vocabulary,
    all_channels: bool,
    place: &str,
    errors: &mut String,
) {
    let mut told = false;
    for rule in rules {
        let rule = trimmed(rule, b"\t\r\n");
        match user.set(rule, words, all_channels) {
            Ok(()) => {}
            Err(error @ RuleError::Unknown) => {
                let rule = String::from_utf8_lossy(rule);
                let _ = write!(errors, "{place}: Error in applying operation '{rule}': {error}. ");
            }
            Err(error) if !told => {
                told = true;
                let _ = write!(errors, "{place}: {error}. ");
            }
            Err(_) => {}
        }
    }
}

fn trimmed<'a>(text: &'a [u8], what: &[u8]) -> &'a [u8] {
    let start = text.iter().position(|byte| !what.contains(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !what.contains(byte)).map_or(start, |at| at + 1);
    &text[start..end]
}

/// The text of a file with these users.
pub fn text(users: &Users) -> Vec<u8> {
    let mut text = Vec::new();
    for user in users.iter() {
        text.extend(user.line());
        text.push(b'\n');
    }
    text
}

/// A user that is declared in the configuration file, by the words behind `user`.
pub fn declared(
    declaration: &[Vec<u8>],
    known: &Users,
    words: &Vocabulary,
    all_channels: bool,
) -> Result<User, String> {
    let (name, rules) = declaration.split_first().ok_or("a user needs a name")?;
    let shown = String::from_utf8_lossy(name);
    let wrong = |why: &dyn std::fmt::Display| format!("Error in user declaration '{shown}': {why}");
    if has_spaces(name) || name.is_empty() {
        return Err(wrong(&"a name must not be empty or contain spaces"));
    }
    // The default user begins as any other here too.
    let id = known.get(name).map_or_else(next_id, |user| user.id());
    let user = User::new(id, name, all_channels);
    user.changed(rules.iter().map(Vec::as_slice), words, all_channels).map_err(|rejected| match rejected {
        Rejected::Unmatched(_) => wrong(&"Unmatched parenthesis in selector definition"),
        Rejected::Rule(_, error) => wrong(&error),
    })
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::sample;
    use super::*;

    fn errors(text: &str) -> String {
        let errors = parse("f", text.as_bytes(), &sample(), false).unwrap_err();
        errors
            .strip_suffix(
                "WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
            )
            .unwrap()
            .into()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut users = Users::default();
        let text =
            b"user default on nopass ~* &* +@all\r\n\n  user a on >p ~x %R~y  +get\t\nuser b (+get ~b)";
        users.replace(parse("f", text, &sample(), false).unwrap());
        let written = users.text();
        assert!(written.starts_with(
            b"user a on #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 ~x %R~y "
        ));
        let mut again = Users::default();
        again.replace(parse("f", &written, &sample(), false).unwrap());
        assert_eq!(again.text(), written);
    }

    #[test]
    fn errors_name_their_lines() {
        const HOW: &str = "should start with user keyword followed by the username. ";
        assert_eq!(errors("\nusr a on"), format!("f:2 {HOW}"));
        assert_eq!(errors("user"), format!("f:1 {HOW}"));
        assert_eq!(errors("user a\nuser a"), "WARNING: Duplicate user 'a' found on line 2. ");
        assert_eq!(errors("user a\tb on"), "'f:1: username 'a\tb' contains invalid characters. ");
        assert_eq!(errors("user a (+get"), "f:1: Unmatched parenthesis in selector definition.");
        assert_eq!(
            errors("user a +x on >secret ~* +y\nuser b zzz >a yyy"),
            "f:1: Error in applying operation '+x': Unknown command or category name in ACL. \
             f:1: Error in applying operation '+y': Unknown command or category name in ACL. \
             f:2: Syntax error. "
        );
        assert!(!errors("user a #secret").contains("secret"));
    }

    #[test]
    fn declared_users_begin_without_rights() {
        let users = Users::default();
        let line = |text: &str| -> Vec<Vec<u8>> { text.split(' ').map(Into::into).collect() };
        let declared = |text: &str| declared(&line(text), &users, &sample(), false);
        assert_eq!(declared("default on").unwrap().describe(), b"on resetchannels -@all");
        assert_eq!(declared("default on").unwrap().id(), users.default_user().id());
        assert_eq!(
            declared("x on +nix").unwrap_err(),
            "Error in user declaration 'x': Unknown command or category name in ACL"
        );
        assert_eq!(
            declared("x (+get").unwrap_err(),
            "Error in user declaration 'x': Unmatched parenthesis in selector definition"
        );
    }
}
