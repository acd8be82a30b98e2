//! Users of memcached's protocols: the lines of `--memcache_auth_file`, as in memcached's own: `name:password`.
//!
//! Owns what a file means and the comparison with what a client sends. It reads no file itself.

use crate::limits::{USER_LINE_BYTES_MAX, USERS_MAX};
use std::hint::black_box;

/// Names with their passwords.
#[derive(Default)]
pub struct Users {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why a file was not taken; says in which line where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Shows how many there are, not who.
impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} users", self.entries.len())
    }
}

impl Users {
    /// Reads the text of a file. Lines without anything in them are passed over; a file that names nobody is refused,
    /// because it would lock everybody out.
    pub fn parse(text: &[u8]) -> Result<Users, Malformed> {
        let mut entries = Vec::new();
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let number = index + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let bad = |why: &str| Malformed(format!("line {number}: {why}"));
            if line.len() > USER_LINE_BYTES_MAX {
                return Err(bad(&format!("longer than {USER_LINE_BYTES_MAX} bytes")));
            }
            let colon = memchr::memchr(b':', line).ok_or_else(|| bad("must be name:password"))?;
            if colon == 0 {
                return Err(bad("the name before the colon is missing"));
            }
            if entries.len() == USERS_MAX {
                return Err(bad(&format!("more than {USERS_MAX} users")));
            }
            entries.push((line[..colon].to_vec(), line[colon + 1..].to_vec()));
        }
        if entries.is_empty() {
            return Err(Malformed("it names no user".into()));
        }
        Ok(Users { entries })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// That is one of the names with its password. The time it takes depends on the number of users and on the
    /// lengths of what is given, not on what is right in it.
    pub fn know(&self, name: &[u8], password: &[u8]) -> bool {
        let mut known = 0;
        for (user, secret) in &self.entries {
            known |= black_box(same(user, name) & same(secret, password));
        }
        known != 0
    }
}

/// 1 if both are equal, else 0, without a branch on a byte.
fn same(kept: &[u8], given: &[u8]) -> u8 {
    let mut differing = u8::from(kept.len() != given.len());
    for (at, byte) in given.iter().enumerate() {
        differing |= byte ^ kept.get(at).copied().unwrap_or(0);
    }
    u8::from(black_box(differing) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_user() {
        let users = Users::parse(b"one:first\r\n\ntwo:sec:ond\nthree:\nlast:no end").unwrap();
        assert_eq!(users.len(), 4);
        for (name, password) in [("one", "first"), ("two", "sec:ond"), ("three", ""), ("last", "no end")] {
            assert!(users.know(name.as_bytes(), password.as_bytes()), "{name}");
        }
        for (name, password) in
            [("one", "firs"), ("one", "first2"), ("on", "first"), ("two", "first"), ("", ""), ("one", "")]
        {
            assert!(!users.know(name.as_bytes(), password.as_bytes()), "{name}:{password}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let refusal = |text: &[u8]| Users::parse(text).unwrap_err().to_string();
        assert_eq!(refusal(b"a:b\nnobody\n"), "line 2: must be name:password");
        assert_eq!(refusal(b":b\n"), "line 1: the name before the colon is missing");
        assert_eq!(refusal(&[b'x'; 600]), "line 1: longer than 255 bytes");
        assert_eq!(refusal(b"\n\r\n"), "it names no user");
        assert_eq!(refusal(b""), "it names no user");
        assert_eq!(refusal(&b"a:b\n".repeat(1025)), "line 1025: more than 1024 users");
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(format!("{:?}", Users::parse(b"name:secret").unwrap()), "1 users");
    }
}
