//! What is written from the table of commands.

use super::page::{Page, quoted};
use crate::command::Command;
use crate::command::syntax::usage;
use crate::command::table::TABLE;

/// A row that others stand below.
fn is_container(command: &Command) -> bool {
    !command.subs.is_empty()
}

/// Commands of a group, in the order of their names.
fn group(name: &str) -> Vec<&'static Command> {
    let mut rows: Vec<_> =
        TABLE.rows().map(|(_, row)| row).filter(|row| row.group == name && !is_container(row)).collect();
    rows.sort_by_key(|row| row.name);
    rows
}

/// How a row is called and what it takes.
fn written(command: &Command) -> String {
    match command.name.split_once(':') {
        // memcached's names are small, and what they take is in the protocol's own description.
        Some((_, name)) => name.replace('|', " "),
        None => format!("{} {}", command.name.replace('|', " ").to_uppercase(), usage(command.name)),
    }
}

/// The page of commands.
pub(super) fn larder_commands_7() -> String {
    let mut page = Page::new("larder-commands", 7, "commands that the cache server larder knows");
    page.section("DESCRIPTION");
    page.sentence(
        "Each command with what it takes, what it does, the version of Redis that brought it, and its cost.",
    );
    page.sentence("What stands in brackets may be left out; a bar separates alternatives; dots say that more may follow.");
    page.sentence("COMMAND DOCS answers the same to programs.");
    let mut names: Vec<&str> = TABLE.family_names().to_vec();
    names.sort_by_key(|name| (name.starts_with("memcache"), *name));
    page.section("COMMANDS");
    for name in names {
        let rows = group(name);
        if rows.is_empty() {
            continue;
        }
        page.part(&heading(name));
        page.begin_list();
        for row in rows {
            page.item(&format!("Ic {}", quoted(written(row).trim_end())));
            page.sentence(row.summary);
            let cost = if row.complexity.is_empty() { "O(1)" } else { row.complexity };
            match row.name.contains(':') {
                true => page.sentence(&format!("Cost: {cost}.")),
                false => {
                    page.sentence(&format!("Since {}. Cost: {cost}.", row.since).replace(". Cost", "; cost"))
                }
            }
        }
        page.end_list();
    }
    page.section("SEE ALSO");
    page.raw(".Xr larder 1 ,");
    page.raw(".Xr larder.conf 5");
    page.finish()
}

/// What a group is called.
fn heading(group: &str) -> String {
    match group {
        "memcache" => "Commands of memcached's text protocol".into(),
        "memcache-binary" => "Commands of memcached's binary protocol".into(),
        _ => {
            let mut letters = group.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
    }
}
