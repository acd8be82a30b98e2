//! Configuration files: redis.conf's form (`name value`), or one flag per line (`--name=value`).

use super::{Setting, USER, args};
use crate::parameters::quoted;
use crate::text::glob_matches;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The name that means standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// How deep files may include files; a file that includes itself ends here.
const DEPTH_MAX: usize = 16;

/// More than this is no configuration, and nobody waits for the end of /dev/zero.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The settings of a file and of those that it includes, in order.
pub(super) fn read(path: &Path) -> Result<Vec<Setting>, String> {
    let mut settings = Vec::new();
    read_into(path, 0, &mut settings)?;
    Ok(settings)
}

fn read_into(path: &Path, depth: usize, settings: &mut Vec<Setting>) -> Result<(), String> {
    let name = path.display().to_string();
    let text = text_of(path).map_err(|error| format!("{name}: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{name}: longer than {FILE_BYTES_MAX} bytes, this is no configuration file"));
    }
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let place = format!("{name}:{}", number + 1);
        match parse(line, &place)? {
            Line::Empty => {}
            Line::Setting(setting) => settings.push(setting),
            Line::Include(_) if depth == DEPTH_MAX => {
                return Err(format!("{place}: include: more than {DEPTH_MAX} files deep"));
            }
            Line::Include(included) => {
                let base = path.parent().unwrap_or(Path::new(""));
                let named = |error: &dyn std::fmt::Display| format!("{place}: {error}");
                for file in files(&base.join(included)).map_err(|error| named(&error))? {
                    read_into(&file, depth + 1, settings).map_err(|error| named(&error))?;
                }
            }
        }
    }
    Ok(())
}

/// The files that an include names: itself, or those that its last part matches as a pattern, in the order of their names.
/// That there are none is no mistake: directories for pieces of configuration are there before the pieces.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let pattern = path.file_name().unwrap_or_default().as_bytes();
    if !pattern.iter().any(|byte| b"*?[".contains(byte)) {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if glob_matches(pattern, entry.file_name().as_bytes()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn text_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if path == Path::new(STANDARD_INPUT) {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    }
    Ok(text)
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Empty,
    Setting(Setting),
    Include(PathBuf),
}

fn parse(line: &[u8], place: &str) -> Result<Line, String> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(Line::Empty);
    }
    if let Some(flag) = line.strip_prefix(b"--") {
        let (name, value) = args::name_and_value(flag).map_err(|error| format!("{place}: {error}"))?;
        let place = format!("{place}: --{name}");
        return args::setting(name, value, place).map(Line::Setting);
    }
    let words = quoted::split(line).ok_or_else(|| format!("{place}: a quote is not closed"))?;
    let name = String::from_utf8_lossy(&words[0]).into_owned();
    // A quoted word may hold anything, a line's end too; an error is one line.
    let shown = words[0].escape_ascii();
    let value = words[1..].join(&b' ');
    if words.len() == 1 {
        return Err(format!("{place}: {shown} has no value"));
    }
    if name.eq_ignore_ascii_case("include") {
        return Ok(Line::Include(OsString::from_vec(value).into()));
    }
    let place = format!("{place}: {shown}");
    if name.eq_ignore_ascii_case(USER) {
        // Its words stay apart: a password may have blanks.
        let words: Vec<Vec<u8>> = words[1..].iter().map(|word| quoted::quote(word)).collect();
        return Ok(Line::Setting(Setting { name, value: words.join(&b' '), place }));
    }
    Ok(Line::Setting(Setting { name, value, place }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;

    fn setting(line: &str) -> (String, String) {
        match parse(line.as_bytes(), "f:1") {
            Ok(Line::Setting(setting)) => (setting.name, String::from_utf8(setting.value).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_a_name_and_a_value() {
        assert_eq!(setting("port 6379"), ("port".into(), "6379".into()));
        assert_eq!(setting(r#"requirepass "a b" "#), ("requirepass".into(), "a b".into()));
        assert_eq!(setting("bind 127.0.0.1 -::1\r"), ("bind".into(), "127.0.0.1 -::1".into()));
        assert_eq!(setting(r#"save """#), ("save".into(), String::new()));
        assert_eq!(setting("--hz=10"), ("hz".into(), "10".into()));
        for empty in ["", "   ", "# port 6379", "\t# x\r"] {
            assert_eq!(parse(empty.as_bytes(), "f:1"), Ok(Line::Empty));
        }
    }

    #[test]
    fn bad_lines_are_named() {
        assert_eq!(parse(b"port", "f:7"), Err("f:7: port has no value".into()));
        assert_eq!(parse(br#""a\nb""#, "f:7"), Err(r"f:7: a\nb has no value".into()));
        assert_eq!(parse(b"requirepass \"a", "f:7"), Err("f:7: a quote is not closed".into()));
    }

    #[test]
    fn files_include_files_beside_them() {
        let inner = Scratch::new("inner", "hz 50\n");
        let name = inner.0.file_name().unwrap().to_str().unwrap();
        let outer = Scratch::new("outer", &format!("timeout 1\ninclude {name}\nhz 60\n"));
        let settings = read(&outer.0).unwrap();
        assert_eq!(settings.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["timeout", "hz", "hz"]);
        assert_eq!(settings[1].place, format!("{}:1: hz", inner.path()));
    }

    #[test]
    fn a_pattern_includes_what_is_there_in_order() {
        let directory = std::env::temp_dir().join(format!("larder-pieces-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for (name, line) in [("2.conf", "hz 2"), ("1.conf", "hz 1"), ("3.conf.old", "hz 3")] {
            std::fs::write(directory.join(name), line).unwrap();
        }
        let outer = Scratch::new(
            "pieces",
            &format!("include {0}/*.conf\ninclude {0}/*.none\nhz 9\n", directory.display()),
        );
        let settings = read(&outer.0).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(settings.iter().map(|s| s.value.as_slice()).collect::<Vec<_>>(), [b"1", b"2", b"9"]);
        let nowhere = Scratch::new("nowhere", "include /no/such/directory/*.conf\n");
        assert!(read(&nowhere.0).unwrap_err().contains(":1: No such file"));
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let file = Scratch::new("itself", "");
        std::fs::write(&file.0, format!("include {}\n", file.path())).unwrap();
        let error = read(&file.0).unwrap_err();
        assert!(error.ends_with("include: more than 16 files deep"), "{error}");
        assert!(!error.contains('\n'));
    }

    #[test]
    fn an_endless_file_is_refused() {
        assert!(read(Path::new("/dev/zero")).unwrap_err().starts_with("/dev/zero: longer than"));
    }
}
