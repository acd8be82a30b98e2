//! The command line: `larder [FILE] [--name value] [--name=value] [--name] [--noname]`.

use super::Setting;
use crate::parameters::{foreign, table};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A command line taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub settings: Vec<Setting>,
    /// The configuration file: first argument or `--flagfile`.
    pub file: Option<PathBuf>,
    pub help: bool,
    pub version: bool,
}

pub(super) fn parse(args: impl Iterator<Item = OsString>) -> Result<Line, String> {
    let mut line = Line::default();
    let mut args = args.peekable();
    let mut first = true;
    while let Some(arg) = args.next() {
        let was_first = std::mem::replace(&mut first, false);
        let bytes = arg.as_bytes();
        match bytes {
            b"-h" | b"--help" => line.help = true,
            b"-v" | b"-V" | b"--version" => line.version = true,
            [b'-', letter, rest @ ..] if of_memcached(*letter, rest).is_some() => {
                let name = of_memcached(*letter, rest).unwrap_or_default();
                let value = match (letter, rest) {
                    (b'D', []) => args.next().map(OsStringExt::into_vec),
                    (b'D', _) => Some(rest.to_vec()),
                    _ => None,
                };
                line.settings.push(setting(name.into(), value, format!("-{}", char::from(*letter)))?);
            }
            [b'-', b'-', flag @ ..] if !flag.is_empty() => {
                let mut following = Vec::new();
                let (name, attached) = name_and_value(flag)?;
                if attached.is_none() {
                    while let Some(value) = args.next_if(|next| takes(&name, next, following.len())) {
                        following.push(value.into_vec());
                    }
                }
                line.add(name, attached, following)?;
            }
            _ if was_first => line.file = Some(arg.into()),
            _ => return Err(format!("unexpected argument '{}' (see --help)", bytes.escape_ascii())),
        }
    }
    Ok(line)
}

impl Line {
    fn add(
        &mut self,
        name: String,
        attached: Option<Vec<u8>>,
        following: Vec<Vec<u8>>,
    ) -> Result<(), String> {
        let place = format!("--{name}");
        let value = attached.or_else(|| (!following.is_empty()).then(|| following.join(&b' ')));
        if name == "flagfile" {
            let path =
                value.ok_or_else(|| format!("{place} needs a value: the path of a configuration file"))?;
            self.file = Some(OsString::from_vec(path).into());
            return Ok(());
        }
        self.settings.push(setting(name, value, place)?);
        Ok(())
    }
}

/// The parameter that a flag of one letter stands for, as memcached has them.
fn of_memcached(letter: u8, rest: &[u8]) -> Option<&'static str> {
    Some(match (letter, rest) {
        (b'F', []) => "disable_flush_all",
        (b'X', []) => "disable_dumping",
        (b'W', []) => "disable_watch",
        (b'D', _) => "prefix_delimiter",
        _ => return None,
    })
}

/// A flag with or without a value; also the form of a line in a file of flags.
pub(super) fn setting(name: String, value: Option<Vec<u8>>, place: String) -> Result<Setting, String> {
    if let Some(value) = value {
        return Ok(Setting { name, value, place });
    }
    let row = table::find(name.as_bytes());
    if row.is_some_and(|row| row.kind.is_boolean()) {
        return Ok(Setting { name, value: b"yes".to_vec(), place });
    }
    if let Some(row) = row {
        return Err(format!("{place} needs a value: {}", row.kind.range()));
    }
    let off = |name: &str| Setting { name: name.into(), value: b"no".to_vec(), place: place.clone() };
    match name.strip_prefix("no").map(|rest| (rest, table::find(rest.as_bytes()))) {
        Some((_, Some(row))) if row.kind.is_boolean() => Ok(off(row.text)),
        Some((rest, _)) if foreign::find(rest.as_bytes()).is_some() => Ok(off(rest)),
        _ => Ok(Setting { name, value: Vec::new(), place }),
    }
}

/// `name` or `name=value`.
pub(super) fn name_and_value(flag: &[u8]) -> Result<(String, Option<Vec<u8>>), String> {
    let end = flag.iter().position(|&byte| byte == b'=').unwrap_or(flag.len());
    let name = String::from_utf8(flag[..end].to_vec())
        .map_err(|_| format!("--{}: unknown parameter (see --help)", flag[..end].escape_ascii()))?;
    Ok((name, flag.get(end + 1..).map(<[u8]>::to_vec)))
}

fn is_known(name: &str) -> bool {
    table::find(name.as_bytes()).is_some() || foreign::find(name.as_bytes()).is_some()
}

/// The next argument is a value of that flag, which has so many already.
fn takes(name: &str, next: &OsString, has: usize) -> bool {
    if next.as_bytes().starts_with(b"--") {
        return false;
    }
    match table::find(name.as_bytes()) {
        // `--cache_mode --port 1` is as good as `--cache_mode true --port 1`, and nothing else may follow it.
        Some(row) => has == 0 || row.kind.is_list(),
        // `--nocache_mode` takes none; an unknown flag is told as such, and not its value.
        None if foreign::find(name.as_bytes()).is_some() => true,
        None => has == 0 && name.strip_prefix("no").is_none_or(|rest| !is_known(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(args: &[&str]) -> Result<Line, String> {
        parse(args.iter().map(|arg| OsString::from(*arg)))
    }

    fn pairs(args: &[&str]) -> Vec<(String, String)> {
        let settings = line(args).unwrap().settings;
        settings.into_iter().map(|s| (s.name, String::from_utf8(s.value).unwrap())).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn values_are_attached_or_follow() {
        assert_eq!(pairs(&["--port=1", "--hz", "2"]), [pair("port", "1"), pair("hz", "2")]);
        assert_eq!(pairs(&["--slowlog-log-slower-than", "-1"]), [pair("slowlog-log-slower-than", "-1")]);
        assert_eq!(pairs(&["--requirepass=--a=b"]), [pair("requirepass", "--a=b")]);
        assert_eq!(pairs(&["--bind", "127.0.0.1", "-::1", "--hz", "1"])[0], pair("bind", "127.0.0.1 -::1"));
        assert_eq!(pairs(&["--save", ""]), [pair("save", "")]);
    }

    #[test]
    fn booleans_need_no_value() {
        assert_eq!(pairs(&["--cache_mode", "--port", "1"]), [pair("cache_mode", "yes"), pair("port", "1")]);
        assert_eq!(pairs(&["--nocache_mode"]), [pair("cache_mode", "no")]);
        assert_eq!(pairs(&["--cache-mode", "false"]), [pair("cache-mode", "false")]);
    }

    #[test]
    fn letters_of_memcached_are_known() {
        let expected = [
            pair("disable_flush_all", "yes"),
            pair("prefix_delimiter", "/"),
            pair("prefix_delimiter", "|"),
            pair("disable_watch", "yes"),
            pair("disable_dumping", "yes"),
        ];
        assert_eq!(pairs(&["-F", "-D/", "-D", "|", "-W", "-X"]), expected);
        assert!(line(&["-D"]).unwrap_err().starts_with("-D needs a value"));
        assert_eq!(line(&["--hz", "1", "-Fx"]).unwrap_err(), "unexpected argument '-Fx' (see --help)");
    }

    #[test]
    fn a_flag_without_its_value_is_told_what_it_takes() {
        assert_eq!(line(&["--port"]).unwrap_err(), "--port needs a value: an integer from 0 to 65535");
        assert_eq!(
            line(&["--port", "--hz", "1"]).unwrap_err(),
            "--port needs a value: an integer from 0 to 65535"
        );
        assert!(line(&["--flagfile"]).unwrap_err().starts_with("--flagfile needs a value"));
    }

    #[test]
    fn the_first_argument_may_be_a_file_and_no_other() {
        assert_eq!(line(&["a.conf", "--hz", "1"]).unwrap().file, Some("a.conf".into()));
        assert_eq!(line(&["-"]).unwrap().file, Some("-".into()));
        assert_eq!(line(&["--hz", "1", "a.conf"]).unwrap_err(), "unexpected argument 'a.conf' (see --help)");
        assert_eq!(line(&["a.conf", "b.conf"]).unwrap_err(), "unexpected argument 'b.conf' (see --help)");
    }

    #[test]
    fn an_argument_that_is_no_text_is_no_reason_to_fail_badly() {
        let odd = OsString::from_vec(b"--\xff=1".to_vec());
        assert_eq!(parse([odd].into_iter()).unwrap_err(), r"--\xff: unknown parameter (see --help)");
    }
}
