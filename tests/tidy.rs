//! The rules that no compiler holds: layers, where `unsafe` lives, how long a file may be, what may not be left in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// No file is longer; one that would be is split by role.
const LINES_MAX: usize = 800;

/// The only files that may contain `unsafe`. A new address here is a decision, not a detail.
const UNSAFE_FILES: &[&str] = &[
    // The allocator in front of the global one that counts, and the pages that its figures are about.
    "slabs/benches/expiry.rs",
    "slabs/benches/speed.rs",
    "slabs/benches/stalls.rs",
    // Memory that the store owns: the reservation, chunks in it, items in chunks, values beside them.
    "slabs/src/arena.rs",
    "slabs/src/item.rs",
    "slabs/src/item/view.rs",
    "slabs/src/large.rs",
    "slabs/src/large/holders.rs",
    "slabs/src/page.rs",
    "slabs/src/pin.rs",
    "slabs/src/store/room.rs",
    // Prefetching and comparing tags with vector instructions.
    "slabs/src/index/mod.rs",
    "slabs/src/index/probe.rs",
    // The ring, its buffers, and the calls that no crate makes.
    "src/reactor/bind.rs",
    "src/reactor/records.rs",
    "src/reactor/sys.rs",
    "src/reactor/uring/buffers.rs",
    "src/reactor/uring/completion.rs",
    "src/reactor/uring/operation.rs",
    "src/reactor/uring/ring.rs",
    // An allocator that counts.
    "tests/sim/counting.rs",
    // Limits of the process, set to see how the reactor bears them.
    "tests/reactor/exhaustion.rs",
    "tests/reactor/fallback.rs",
];

/// Words that say that something is unfinished or forgotten. Built from pieces, so that this file passes.
const LEFTOVERS: &[&str] =
    &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), concat!("#[", "ignore")];

/// A source file, by its path from the workspace's root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines of code with their numbers, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().filter_map(|(index, line)| {
            let code = line.split_once("//").map_or(line, |(code, _)| code);
            (!code.trim().is_empty()).then_some((index + 1, code))
        })
    }

    /// The lines of code that the server is built from: a module of tests ends a file.
    fn built_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().take_while(|(_, line)| !line.contains("#[cfg(test)]"))
    }

    /// Whether it is part of a module's tests and of nothing else.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/") || self.path.starts_with("tests/")
    }

    /// The top-level module that it belongs to: `shard` for `src/shard/locks.rs` and for `src/shard.rs`.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        Some(inside.split(['/', '.']).next().unwrap_or(inside))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file with this ending in the given directories, and those below them.
fn sources(directories: &[&str], ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = directories.iter().map(|directory| root().join(directory)).collect();
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.expect("a directory can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                let text = fs::read_to_string(&path).expect("a source file is text");
                found.push(Source { path: relative(&path), text });
            }
        }
    }
    assert!(!found.is_empty(), "nothing was found in {directories:?}");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

fn rust() -> Vec<Source> {
    sources(&["src", "slabs", "tests", "benches"], "rs")
}

/// Fails with all complaints at once.
#[track_caller]
fn nothing_wrong(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Module and layer, as the table of the architecture page (`src/lib.rs`) has them.
fn layers() -> BTreeMap<String, u32> {
    let page = fs::read_to_string(root().join("src/lib.rs")).expect("the architecture page is there");
    let mut layers = BTreeMap::new();
    for line in page.lines() {
        let Some(row) = line.strip_prefix("//! |") else { continue };
        let mut cells = row.split('|').map(str::trim);
        let (Some(Ok(layer)), Some(modules)) = (cells.next().map(str::parse::<u32>), cells.next()) else {
            continue;
        };
        for name in modules.split('`').skip(1).step_by(2) {
            layers.insert(name.to_string(), layer);
        }
    }
    layers
}

/// The modules that a line of code names by their path in the crate: `a` and `b` in `use crate::{a::X, b};`.
fn named_modules(line: &str) -> Vec<&str> {
    let word = |text: &'static str| move |rest: &str| rest.starts_with(text);
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with(is_name) || line[..at].ends_with("$") {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        if word("{")(rest) {
            let mut depth = 0;
            for (position, character) in rest.char_indices() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                let starts = depth == 1 && matches!(character, '{' | ',');
                if starts {
                    let name = rest[position + 1..].trim_start();
                    names.push(&name[..name.find(|c| !is_name(c)).unwrap_or(name.len())]);
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            names.push(&rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]);
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn named_modules_are_found_in_all_forms_of_use() {
    assert_eq!(named_modules("use crate::text::Glob;"), ["text"]);
    assert_eq!(
        named_modules("use crate::{text::{Glob, Size}, clock, metrics::*};"),
        ["text", "clock", "metrics"]
    );
    assert_eq!(named_modules("    let now = crate::clock::Now::default();"), ["clock"]);
    assert_eq!(named_modules("pub(crate) use other_crate::text;"), [] as [&str; 0]);
}

#[test]
fn every_module_has_a_layer() {
    let layers = layers();
    let page = fs::read_to_string(root().join("src/lib.rs")).expect("the architecture page is there");
    let missing = page.lines().filter_map(|line| {
        let name = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?.strip_suffix(';')?;
        (!layers.contains_key(name))
            .then(|| format!("src/lib.rs: module {name} is not in the table of layers"))
    });
    nothing_wrong(missing.collect());
}

/// A module imports only from rows above its own in the table, and from itself.
#[test]
fn modules_import_from_lower_layers_only() {
    let layers = layers();
    assert!(layers.len() > 10, "the table of layers was not understood: {layers:?}");
    let mut complaints = Vec::new();
    for source in sources(&["src"], "rs").iter().filter(|source| !source.is_test()) {
        let Some(module) = source.module().filter(|module| *module != "lib") else { continue };
        let Some(layer) = layers.get(module) else { continue };
        for (line, code) in source.built_code() {
            for name in named_modules(code).into_iter().filter(|name| *name != module) {
                if layers.get(name).is_some_and(|other| other >= layer) {
                    complaints.push(format!("{}:{line}: {module} may not import {name}", source.path));
                }
            }
        }
    }
    nothing_wrong(complaints);
}

/// `slabs` is the lowest layer: it knows of no I/O, no clock, no threads.
#[test]
fn the_store_knows_memory_only() {
    const BEYOND_MEMORY: &[&str] =
        &["std::net", "std::fs", "std::process", "std::thread", "std::time", "std::sync::Mutex"];
    let mut complaints = Vec::new();
    for source in sources(&["slabs/src"], "rs").iter().filter(|source| !source.is_test()) {
        for (line, code) in source.built_code() {
            for name in BEYOND_MEMORY.iter().filter(|name| code.contains(*name)) {
                complaints.push(format!("{}:{line}: {name}", source.path));
            }
        }
    }
    nothing_wrong(complaints);
}

#[test]
fn unsafe_stays_at_its_addresses() {
    let mut complaints = Vec::new();
    for source in rust().iter().filter(|source| source.path != "tests/tidy.rs") {
        let allowed = UNSAFE_FILES.contains(&source.path.as_str());
        let uses = source.code().find(|(_, code)| {
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code)"]
                .iter()
                .any(|form| code.contains(form))
        });
        match uses {
            Some((line, _)) if !allowed => {
                complaints.push(format!("{}:{line}: unsafe has no address here", source.path))
            }
            None if allowed => {
                complaints.push(format!("{}: has no unsafe any more: take it off the list", source.path))
            }
            _ => {}
        }
    }
    for path in UNSAFE_FILES.iter().filter(|path| !root().join(path).exists()) {
        complaints.push(format!("{path}: is on the list and does not exist"));
    }
    nothing_wrong(complaints);
}

#[test]
fn no_file_is_too_long() {
    let mut files = rust();
    files.extend(sources(&["tests", "benches"], "py"));
    let long = files.iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    });
    nothing_wrong(long.collect());
}

#[test]
fn nothing_unfinished_is_left() {
    let mut complaints = Vec::new();
    for source in rust() {
        for (line, code) in source.code() {
            for leftover in LEFTOVERS.iter().filter(|leftover| code.contains(*leftover)) {
                complaints.push(format!("{}:{line}: {leftover}", source.path));
            }
        }
    }
    nothing_wrong(complaints);
}

/// A test waits for what it needs, not for time to pass. The one pause is that of `eventually`, between two looks.
#[test]
fn tests_do_not_sleep() {
    let mut complaints = Vec::new();
    for source in rust().iter().chain(&sources(&["tests"], "py")) {
        let forms = [concat!("thread::", "sleep("), concat!("time", ".sleep(")];
        let pauses = source.code().filter(|(_, code)| forms.iter().any(|form| code.contains(form))).count();
        let allowed = usize::from(source.path == "tests/e2e/server.py");
        let in_tests = source.is_test() || source.text.contains("#[cfg(test)]");
        if in_tests && pauses > allowed {
            complaints.push(format!("{}: {pauses} sleeps", source.path));
        }
    }
    nothing_wrong(complaints);
}

/// Every parameter that can be set has an effect: its name is read by code that the server is built from, directly or by a
/// method of the parameters' own. (One that is not in the table cannot be read: it has no name.)
#[test]
fn every_parameter_is_read_somewhere() {
    let built: Vec<Source> = sources(&["src"], "rs").into_iter().filter(|source| !source.is_test()).collect();
    let (own, others): (Vec<&Source>, Vec<&Source>) =
        built.iter().partition(|source| source.path.starts_with("src/parameters/"));
    let read = |source: &&Source, what: &str| {
        source.built_code().any(|(_, line)| {
            line.match_indices(what).any(|(at, _)| {
                !line[at + what.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        })
    };
    let mut complaints = Vec::new();
    for row in larder::parameters::TABLE.iter().filter(|row| !row.kind.is_fixed()) {
        let name = format!("Name::{:?}", row.name);
        let by_method = || {
            let table = own.iter().find(|source| source.path == "src/parameters/mod.rs");
            let methods = table.map(|table| methods_with(table, &name)).unwrap_or_default();
            methods.iter().any(|method| others.iter().any(|source| read(source, &format!(".{method}"))))
        };
        if !others.iter().any(|source| read(source, &name)) && !by_method() {
            complaints.push(format!("{} ({name}) is read nowhere", row.text));
        }
    }
    nothing_wrong(complaints);
}

/// The methods in whose code a text stands.
fn methods_with<'a>(source: &'a Source, text: &str) -> Vec<&'a str> {
    let mut methods = Vec::new();
    let mut method = "";
    for (_, line) in source.built_code() {
        if let Some((_, rest)) = line.split_once("fn ") {
            method = rest.split(['(', '<']).next().unwrap_or_default();
        }
        if line.contains(text) {
            methods.push(method);
        }
    }
    methods
}

/// Each line of the list of faults has tests, which bear its number (`test_07_...`), and each test there bears one.
#[test]
fn every_fault_has_a_test() {
    let list = fs::read_to_string(root().join("tests/fault/FAULTS.md")).expect("the list of faults is there");
    let number = |text: &str| text.get(..2)?.parse::<usize>().ok();
    let numbers: Vec<usize> = list.lines().filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect();
    assert_eq!(numbers, (1..=27).collect::<Vec<_>>(), "FAULTS.md");
    let mut complaints = Vec::new();
    let mut tested = [false; 28];
    for source in sources(&["tests/fault"], "py") {
        for (line, code) in source.code() {
            let Some(name) = code.strip_prefix("def test_") else { continue };
            match number(name).filter(|number| numbers.contains(number)) {
                Some(number) => tested[number] = true,
                None => complaints.push(format!("{}:{line}: bears no number of FAULTS.md", source.path)),
            }
        }
    }
    complaints.extend(numbers.iter().filter(|n| !tested[**n]).map(|n| format!("fault {n} has no test")));
    nothing_wrong(complaints);
}

/// What the environment says comes in by the configuration, whose names are those of the table, and by what a service
/// manager hands over.
#[test]
fn the_environment_is_read_in_two_places() {
    let mut complaints = Vec::new();
    for source in sources(&["src"], "rs").iter().filter(|source| !source.is_test()) {
        let allowed =
            ["src/config/mod.rs", "src/service/mod.rs", "src/service/sockets.rs", "src/manual/mod.rs"];
        for (line, _) in source.built_code().filter(|(_, code)| code.contains("env::var")) {
            if !allowed.contains(&source.path.as_str()) {
                complaints.push(format!("{}:{line}: reads the environment", source.path));
            }
        }
    }
    nothing_wrong(complaints);
}
