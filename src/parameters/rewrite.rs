//! What `CONFIG REWRITE` makes of a configuration file: the same lines with today's values, and a
//! line for each value that the file does not mention and that is no default.

use super::{Name, Parameters, TABLE, quoted, table};

/// Stands above lines that were added, once.
const ADDED: &str = "# Added by CONFIG REWRITE";

/// The new text of the file.
pub fn rewritten(old: &[u8], parameters: &Parameters) -> Vec<u8> {
    let mut new = Vec::with_capacity(old.len() + 256);
    let mut mentioned = vec![false; TABLE.len()];
    for line in old.split_inclusive(|&byte| byte == b'\n') {
        match named(line) {
            None => new.extend(line),
            // Later lines of a name are what counted when they were read: one line with the value in force replaces all.
            Some(name) if mentioned[subject(name) as usize] => {}
            Some(name) => {
                mentioned[subject(name) as usize] = true;
                let subject = subject(name);
                if says(line, parameters, subject) {
                    new.extend(line);
                } else {
                    new.extend(line_of(parameters, subject));
                }
            }
        }
    }
    if new.last().is_some_and(|&byte| byte != b'\n') {
        new.push(b'\n');
    }
    let missing = |name: Name| !mentioned[name as usize] && !parameters.is_default(name);
    let added: Vec<Name> = TABLE.iter().map(|row| row.name).filter(|name| missing(*name)).collect();
    if !added.is_empty() && !old.windows(ADDED.len()).any(|window| window == ADDED.as_bytes()) {
        new.extend(ADDED.as_bytes());
        new.push(b'\n');
    }
    for name in added {
        new.extend(line_of(parameters, name));
    }
    new
}

/// The text with these lines for users instead of those that it has.
pub fn with_users(text: &[u8], users: &[Vec<u8>]) -> Vec<u8> {
    let declares = |line: &&[u8]| {
        let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"user"))
    };
    let lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| !declares(line));
    let mut new: Vec<u8> = lines.collect::<Vec<_>>().concat();
    if !users.is_empty() && new.last().is_some_and(|&byte| byte != b'\n') {
        new.push(b'\n');
    }
    for line in users {
        new.extend(line);
        new.push(b'\n');
    }
    new
}

/// The parameter that a line sets.
fn named(line: &[u8]) -> Option<Name> {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        return None;
    }
    let words = quoted::split(line)?;
    Some(table::find(words.first()?)?.name)
}

/// `cache_mode` is another name for a part of `maxmemory-policy`, which says it all.
fn subject(name: Name) -> Name {
    if name == Name::CacheMode { Name::MaxmemoryPolicy } else { name }
}

/// The line has the value in force already, in whatever spelling.
fn says(line: &[u8], parameters: &Parameters, name: Name) -> bool {
    let Some(words) = quoted::split(line.trim_ascii()) else { return false };
    let row = name.row();
    if table::find(&words[0]).map(|found| found.name) != Some(name) {
        return false;
    }
    match row.kind.parse(&words[1..].join(&b' '), &parameters.host) {
        Ok(super::Value::Number(number)) => number == parameters.number(name),
        Ok(super::Value::Text(text)) => text == parameters.text(name),
        Err(_) => false,
    }
}

fn line_of(parameters: &Parameters, name: Name) -> Vec<u8> {
    let mut line = name.row().text.as_bytes().to_vec();
    let value = parameters.show(name);
    if name.row().kind.is_list() {
        for word in value.split(|&byte| byte == b' ') {
            line.push(b' ');
            line.extend(quoted::quote(word));
        }
    } else {
        line.push(b' ');
        line.extend(quoted::quote(&value));
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_lines_in_force_stay_and_others_follow() {
        let parameters = Parameters::default();
        for (name, value) in [("timeout", "30"), ("maxmemory", "64mb"), ("requirepass", "a b")] {
            parameters.set(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let old = b"# mine\nmaxmemory 64mb\n\ntimeout 5\nTIMEOUT 6\ninclude other.conf";
        let new = String::from_utf8(rewritten(old, &parameters)).unwrap();
        assert_eq!(
            new,
            "# mine\nmaxmemory 64mb\n\ntimeout 30\ninclude other.conf\n# Added by CONFIG REWRITE\nrequirepass \"a b\"\n"
        );
        assert_eq!(rewritten(new.as_bytes(), &parameters), new.as_bytes());
    }

    #[test]
    fn cache_mode_becomes_the_policy_that_is_in_force() {
        let parameters = Parameters::default();
        parameters.set(b"maxmemory-policy", b"noeviction").unwrap();
        let new = rewritten(b"cache_mode true\n", &parameters);
        assert_eq!(String::from_utf8(new).unwrap(), "maxmemory-policy noeviction\n");
    }

    #[test]
    fn users_are_replaced_by_those_that_there_are() {
        let users = [b"user a on".to_vec(), b"user b off".to_vec()];
        let old = b"hz 5\nuser a off\n# user x\n USER c on\nusers\ntimeout 5";
        assert_eq!(with_users(old, &users), b"hz 5\n# user x\nusers\ntimeout 5\nuser a on\nuser b off\n");
        assert_eq!(with_users(b"user a off\nhz 5", &[]), b"hz 5");
    }

    #[test]
    fn an_empty_file_gets_what_is_no_default() {
        let parameters = Parameters::default();
        assert_eq!(rewritten(b"", &parameters), b"");
        parameters.set(b"hz", b"100").unwrap();
        assert_eq!(rewritten(b"", &parameters), b"# Added by CONFIG REWRITE\nhz 100\n");
    }
}
