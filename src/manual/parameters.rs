//! What is written from the table of parameters.

use super::page::{Page, escaped, quoted};
use crate::parameters::foreign::{FOREIGN, Foreign};
use crate::parameters::kind::Kind;
use crate::parameters::{Parameter, TABLE};
use std::fmt::Write as _;

/// Parameters that have more than one value.
fn settable() -> impl Iterator<Item = &'static Parameter> {
    TABLE.iter().filter(|row| !row.kind.is_fixed())
}

fn fixed() -> impl Iterator<Item = &'static Parameter> {
    TABLE.iter().filter(|row| row.kind.is_fixed())
}

/// What stands under a parameter on either page.
fn describe(page: &mut Page, row: &Parameter) {
    page.sentence(row.help);
    page.sentence(&format!("Takes {}; the default is {}.", row.kind.range(), row.kind.default_text()));
    if !row.aliases.is_empty() {
        page.sentence(&format!("Also called {}.", row.aliases.join(", ")));
    }
    if row.live {
        page.sentence("May change while the server runs.");
    }
}

fn see_also(page: &mut Page, others: &[&str]) {
    page.section("SEE ALSO");
    for (place, other) in others.iter().enumerate() {
        let comma = if place + 1 < others.len() { " ," } else { "" };
        page.raw(&format!(".Xr {other}{comma}"));
    }
}

/// The page of the program.
pub(super) fn larder_1() -> String {
    let mut page = Page::new("larder", 1, "cache server for memcached and Redis clients");
    page.section("SYNOPSIS");
    page.raw(".Nm");
    page.raw(".Op Ar file");
    page.raw(".Op Fl Fl Ns Ar name Ns = Ns Ar value");
    page.raw(".Ar ...");
    page.section("DESCRIPTION");
    page.raw(".Nm");
    page.sentence("keeps keys and values in memory and serves them to clients of memcached and of Redis.");
    page.sentence("Both see the same keys.");
    page.paragraph();
    page.sentence("Each parameter has a value from the first of these that names it:");
    page.raw(".Bl -enum -compact");
    for place in [
        ".It\na flag,",
        ".It\na variable of the environment with\n.Ev LARDER_\nbefore the name,",
        ".It\nthe configuration\n.Ar file\n.Pq see Xr larder.conf 5 ,",
        ".It\nits default.",
    ] {
        page.raw(place);
    }
    page.end_list();
    page.paragraph();
    page.sentence("In names, minus and underscore are alike, and so are small and capital letters.");
    page.sentence("A flag with a switch's name alone switches it on; with no before its name, off.");
    page.section("OPTIONS");
    page.begin_list();
    page.item("Fl h , Fl Fl help");
    page.sentence("Shows all parameters with their ranges.");
    page.item("Fl v , Fl Fl version");
    page.sentence("Shows the version.");
    page.item("Fl Fl flagfile Ns = Ns Ar file");
    page.sentence("The configuration file, as the first argument; a lone minus is the standard input.");
    for row in settable() {
        page.item(&format!("Fl Fl {} Ns = Ns Ar {}", row.text, value_name(&row.kind)));
        describe(&mut page, row);
    }
    page.end_list();
    page.section("ENVIRONMENT");
    page.begin_list();
    page.item(&format!("Ev {}", quoted("LARDER_name")));
    page.sentence("The parameter of that name, for example LARDER_maxmemory.");
    page.item("Ev LARDER_flagfile");
    page.sentence("The configuration file.");
    page.item("Ev NOTIFY_SOCKET , WATCHDOG_USEC , WATCHDOG_PID");
    page.sentence("The service manager is told of start, reload and end, and that all cores turn.");
    page.item("Ev LISTEN_FDS , LISTEN_PID , LISTEN_FDNAMES");
    page.sentence(
        "Sockets of the service manager, each known by its port, its path, or the name redis or memcache.",
    );
    page.end_list();
    page.section("FILES");
    page.begin_list();
    page.item("Pa /etc/larder/larder.conf");
    page.sentence("The configuration file that the service of the package reads.");
    page.end_list();
    page.section("EXIT STATUS");
    page.raw(".Ex -std");
    page.sentence("What is wrong is told in one line on the standard error.");
    page.section("SIGNALS");
    page.begin_list();
    page.item("Dv SIGTERM , SIGINT");
    page.sentence("Ends the server once the replies that are owed are sent.");
    page.sentence("A second one ends it at once.");
    page.item("Dv SIGUSR1");
    page.sentence("The same, for those who know it from memcached.");
    page.item("Dv SIGHUP");
    page.sentence("Reads the files with users again, and opens the log's file anew.");
    page.end_list();
    page.section("EXAMPLES");
    page.sentence("A cache of two gigabytes that others on the network may use with a password:");
    page.example(&["larder --bind='*' --requirepass=secret --maxmemory=2gb"]);
    page.sentence("Another limit, while it runs, and what it is then:");
    page.example(&["redis-cli config set maxmemory 4gb", "redis-cli config get maxmemory"]);
    see_also(&mut page, &["memccat 1", "redis-cli 1", "larder.conf 5", "larder-commands 7"]);
    page.finish()
}

/// What a flag's value is called.
fn value_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Integer { .. } | Kind::Threads { .. } => "number",
        Kind::Size { .. } | Kind::Memory => "bytes",
        Kind::Mode { .. } => "mode",
        Kind::Boolean { .. } | Kind::CacheMode => "switch",
        Kind::Choice { .. } => "word",
        Kind::Addresses { .. } => "addresses",
        Kind::OutputLimits => "limits",
        _ => "text",
    }
}

/// The page of the configuration file.
pub(super) fn larder_conf_5() -> String {
    let mut page = Page::new("larder.conf", 5, "configuration file of the cache server larder");
    page.section("DESCRIPTION");
    page.sentence("Each line is the name of a parameter and its value, with blanks between them.");
    page.sentence("Empty lines and lines that begin with a number sign say nothing.");
    page.sentence("A value with blanks, and an empty one, is written in double quotes, in which a backslash and n, r, t, b, a or x with two hexadecimal digits stand for what they do in C; or in single quotes.");
    page.sentence("Where a name comes twice the later line counts.");
    page.paragraph();
    page.sentence("A line may also be a flag of the command line, as in --port=6379.");
    page.sentence("A line include with a path reads another file, which is looked for beside this one.");
    page.paragraph();
    page.sentence("A line that cannot be taken keeps the server from starting; the file, the line's number and what is allowed are told.");
    page.sentence(
        "CONFIG REWRITE writes the values that hold into the file, and leaves its other lines as they are.",
    );
    page.section("PARAMETERS");
    page.begin_list();
    for row in settable() {
        page.item(&format!("Ic {} Ar {}", row.text, value_name(&row.kind)));
        describe(&mut page, row);
    }
    page.end_list();
    page.part("Parameters with one value only");
    page.sentence("Clients and files of other servers name these.");
    page.sentence("CONFIG SET takes no other value; what becomes of one in a file stands below.");
    page.begin_list();
    for row in fixed() {
        page.item(&format!("Ic {} {}", row.text, escaped(&row.kind.default_text()).replace('"', "\\(dq")));
        page.sentence(row.help);
    }
    page.end_list();
    page.part("Names of other servers");
    page.sentence("A file for Redis, Valkey or Dragonfly may have names that mean nothing here.");
    page.sentence(
        "They are passed over, and a warning in the log says why; clients do not see them with CONFIG GET.",
    );
    page.sentence("Values that promise what is not kept are refused, unless a flag takes them back.");
    for row in FOREIGN {
        page.paragraph();
        page.sentence(&meaning(row));
        page.sentence(&format!("So for {}.", row.names.join(", ")));
    }
    page.section("FILES");
    page.begin_list();
    page.item("Pa /etc/larder/larder.conf");
    page.sentence("The file of the package.");
    page.end_list();
    page.section("EXAMPLES");
    page.example(&["bind 127.0.0.1 -::1", "maxmemory 2gb", "requirepass \"a phrase with blanks\""]);
    see_also(&mut page, &["larder 1", "larder-commands 7"]);
    page.finish()
}

/// What becomes of a name of another server, in a sentence.
fn meaning(row: &Foreign) -> String {
    let mut letters = row.why.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let why: String = first.into_iter().chain(letters).collect();
    let quoted =
        |value: &&str| if value.is_empty() { "an empty value".to_string() } else { (*value).to_string() };
    match row.only {
        None => format!("{why}."),
        Some([]) => format!("Refused: {}.", row.why),
        Some(values) => {
            format!(
                "Refused, but for {}: {}.",
                values.iter().map(quoted).collect::<Vec<_>>().join(" and "),
                row.why
            )
        }
    }
}

/// `docs/parameters.md`.
pub(super) fn table() -> String {
    let mut text = String::from(
        "# Parameters\n\nEvery parameter is a flag (`--maxmemory=2gb`), a variable of the environment (`LARDER_maxmemory`), a line of the \
         configuration\nfile (`maxmemory 2gb`) and a name for `CONFIG GET`; those that are live may be changed by `CONFIG SET`, \
         and `CONFIG REWRITE` writes\nthem back. In names `-` and `_` are alike. This page is written from the table in \
         `src/parameters/table.rs`, and a test fails when\nit is stale.\n\n\
         | parameter | also | default | takes | live | meaning |\n|---|---|---|---|---|---|\n",
    );
    for row in settable() {
        let aliases: Vec<String> = row.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        let live = if row.live { "yes" } else { "" };
        let _ = writeln!(
            text,
            "| `{}` | {} | `{}` | {} | {live} | {} |",
            row.text,
            aliases.join(", "),
            row.kind.default_text(),
            row.kind.range().replace('*', "\\*"),
            row.help
        );
    }
    text.push_str(
        "\nThese have one value only. Clients and files of other servers name them. `CONFIG SET` takes no other value; what becomes of one in a file stands below.\n\n\
         | parameter | value | meaning |\n|---|---|---|\n",
    );
    for row in fixed() {
        let _ = writeln!(text, "| `{}` | `{}` | {} |", row.text, row.kind.default_text(), row.help);
    }
    text.push_str(
        "\n## Names of other servers\n\nA file for Redis, Valkey or Dragonfly may have names that mean nothing here. They are passed over, \
         and a warning in the log says\nwhy; `CONFIG GET` does not show them. Values that promise what is not kept are refused, unless a flag \
         takes them back\n(`larder redis.conf --appendonly no`). What nobody knows is refused.\n\n| names | meaning |\n|---|---|\n",
    );
    for row in FOREIGN {
        let names: Vec<String> = row.names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "| {} | {} |", names.join(", "), meaning(row).replace('*', "\\*"));
    }
    text
}

/// `packaging/larder.conf`.
pub(super) fn configuration_file() -> String {
    let mut text = String::from(
        "# Configuration of larder; larder.conf(5) explains the form. Each parameter stands here with the value that it has\n\
         # without a line, so that this file as a whole changes nothing: take the number sign away and change the value.\n\
         # Written from the program's own table.\n",
    );
    for row in settable() {
        let when = if row.live { " May change while the server runs (CONFIG SET)." } else { "" };
        let _ = writeln!(
            text,
            "\n# {}\n# Takes {}.{when}\n#{} {}",
            row.help,
            row.kind.range(),
            row.text,
            row.kind.default_text()
        );
    }
    text
}
