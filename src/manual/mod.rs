//! The pages that are written from the program's own tables, so that they cannot say anything else: parameters, commands.
//! Only tests know of them; the program itself has `--help`.
//!
//! | file | from |
//! |---|---|
//! | `man/larder.1`, `man/larder.conf.5`, `docs/parameters.md`, `packaging/larder.conf` | the table of parameters |
//! | `man/larder-commands.7` | the table of commands and their usage lines |

mod commands;
mod page;
mod parameters;

use std::path::Path;

/// Every file with its text.
fn files() -> [(&'static str, String); 5] {
    [
        ("man/larder.1", parameters::larder_1()),
        ("man/larder.conf.5", parameters::larder_conf_5()),
        ("man/larder-commands.7", commands::larder_commands_7()),
        ("docs/parameters.md", parameters::table()),
        ("packaging/larder.conf", parameters::configuration_file()),
    ]
}

#[test]
fn the_manual_is_that_of_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for (name, text) in files() {
        let path = root.join(name);
        if std::env::var_os("LARDER_WRITE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "{} are not what the tables say: LARDER_WRITE_DOCS=1 cargo test --lib manual writes them anew",
        stale.join(", ")
    );
}

/// Every line of the shipped file that is commented out says what holds without it.
#[test]
fn the_configuration_file_of_the_package_changes_nothing() {
    use crate::config::{Start, load};
    use crate::parameters::{Host, Parameters, TABLE};
    let host = Host { cores: 3, memory_bytes: 4 << 30 };
    let shipped = parameters::configuration_file();
    let settings: Vec<&str> = shipped
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .collect();
    assert_eq!(settings.len(), TABLE.iter().filter(|row| !row.kind.is_fixed()).count());
    assert!(shipped.lines().all(|line| line.is_empty() || line.starts_with('#')));
    let path = std::env::temp_dir().join(format!("larder-shipped-{}", std::process::id()));
    std::fs::write(&path, settings.join("\n")).unwrap();
    let started = load([path.clone().into_os_string()].into_iter(), std::iter::empty(), host);
    std::fs::remove_file(path).unwrap();
    let Ok(Start::Run { parameters, .. }) = started else { panic!("{started:?}") };
    let defaults = Parameters::new(host);
    for row in TABLE {
        assert_eq!(parameters.show(row.name), defaults.show(row.name), "{}", row.text);
    }
}
