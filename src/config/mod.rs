//! Where the parameters' first values come from: flags, then the environment, then a file, then
//! the table's defaults. Everything here happens once, before a core runs; every mistake is one line
//! that names the flag, the variable, or the file and line.

mod args;
mod environment;
mod file;
mod help;
pub mod host;

use crate::parameters::foreign::{self, Foreign};
use crate::parameters::{Host, Name, Parameters, quoted, table};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

pub use help::help;

/// What declares a user: `user <name> <rule>...`. No parameter, because there are as many as one likes.
const USER: &str = "user";

/// What the command line asks for.
#[derive(Debug)]
pub enum Start {
    /// Run with these values.
    Run {
        /// The values.
        parameters: Box<Parameters>,
        /// Lines to log once there is a log: things that were ignored.
        warnings: Vec<String>,
    },
    /// Print this on standard output and end well (`--help`, `--version`).
    Print(String),
}

/// One setting and where it stood.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    name: String,
    value: Vec<u8>,
    /// How the errors name the place: `--port`, `LARDER_port`, `larder.conf:3: port`.
    place: String,
}

/// Reads the process's own arguments and environment.
pub fn from_env_and_args() -> Result<Start, String> {
    load(std::env::args_os().skip(1), std::env::vars_os(), host::detect())
}

/// Makes `dir` the working directory, before any other file is opened. The error names the flag and the directory.
pub fn enter_directory(parameters: &Parameters) -> Result<(), String> {
    let path = PathBuf::from(OsString::from_vec(parameters.text(Name::Dir)));
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let name = Name::Dir.row().text;
    let entered = std::env::set_current_dir(&path).and_then(|()| std::env::current_dir());
    let there = entered.map_err(|error| format!("--{name} {}: {error}", path.display()))?;
    // What CONFIG GET shows is not relative to itself.
    parameters
        .set_at_start(name, there.as_os_str().as_bytes())
        .map_err(|refusal| format!("--{name}: {}", refusal.reason()))
}

/// Reads arguments (without the program's name) and environment on a machine like `host`.
pub fn load(
    args: impl Iterator<Item = OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
    host: Host,
) -> Result<Start, String> {
    let line = args::parse(args)?;
    if line.help {
        return Ok(Start::Print(help()));
    }
    if line.version {
        return Ok(Start::Print(help::version()));
    }
    let environment = environment::parse(environment)?;
    let mut parameters = Parameters::new(host);
    let mut settings = Vec::new();
    if let Some(path) = line.file.or(environment.file) {
        settings = file::read(&path)?;
        if path != Path::new(file::STANDARD_INPUT) {
            parameters.set_file(std::path::absolute(&path).unwrap_or(path));
        }
    }
    settings.extend(environment.settings);
    settings.extend(line.settings);
    let mut warnings = environment.warnings;
    warnings.extend(apply_all(&mut parameters, &settings)?);
    parameters.check_at_start()?;
    Ok(Start::Run { parameters: Box::new(parameters), warnings })
}

/// Sets everything, the last of a name last. Returns lines about names of other servers that were passed over, one for each
/// reason.
fn apply_all(parameters: &mut Parameters, settings: &[Setting]) -> Result<Vec<String>, String> {
    let mut passed: Vec<(&'static Foreign, Vec<&str>)> = Vec::new();
    for (place, setting) in settings.iter().enumerate() {
        let Some(row) = apply(parameters, setting)? else { continue };
        let name = setting.name.as_str();
        let later = &settings[place + 1..];
        if !row.passes_over(&setting.value) {
            // Whoever says otherwise in a place that counts more has it their way.
            if later.iter().any(|other| table::same(&other.name, name.as_bytes())) {
                continue;
            }
            return Err(format!("{}: {}", setting.place, row.refusal(&setting.value)));
        }
        // What it says of a promise is then as it is here.
        if row.only.is_some() {
            continue;
        }
        match passed.iter_mut().find(|(known, _)| std::ptr::eq(*known, row)) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => passed.push((row, vec![name])),
        }
    }
    Ok(passed
        .iter()
        .map(|(row, names)| format!("without effect: {}; {}", names.join(", "), row.why))
        .collect())
}

/// Sets one parameter, or says that it is another server's.
fn apply(parameters: &mut Parameters, setting: &Setting) -> Result<Option<&'static Foreign>, String> {
    let Setting { name, value, place } = setting;
    if name.eq_ignore_ascii_case(USER) {
        let words = quoted::split(value).ok_or_else(|| format!("{place}: a quote is not closed"))?;
        parameters.declare_user(place.clone(), words);
        return Ok(None);
    }
    if parameters.set_at_start(name, value).is_ok() {
        return Ok(None);
    }
    match (foreign::find(name.as_bytes()), table::find(name.as_bytes())) {
        (Some(row), _) => Ok(Some(row)),
        (None, None) => Err(format!("{place}: unknown parameter (see --help)")),
        (None, Some(row)) => {
            Err(format!("{place}: '{}' is not allowed: {}", value.escape_ascii(), row.kind.range()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::TABLE;
    use crate::parameters::kind::Kind;
    use std::io::Write as _;

    const HOST: Host = Host { cores: 2, memory_bytes: 1 << 30 };

    pub(super) fn start(args: &[&str], environment: &[(&str, &str)]) -> Result<Start, String> {
        load(
            args.iter().map(|arg| OsString::from(*arg)),
            environment.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value))),
            HOST,
        )
    }

    fn parameters(args: &[&str], environment: &[(&str, &str)]) -> Box<Parameters> {
        match start(args, environment) {
            Ok(Start::Run { parameters, .. }) => parameters,
            other => panic!("{other:?}"),
        }
    }

    /// A file of its own for one test, gone with the value.
    pub(super) struct Scratch(pub std::path::PathBuf);

    impl Scratch {
        pub(super) fn new(name: &str, text: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("larder-config-{}-{name}", std::process::id()));
            std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            Scratch(path)
        }

        pub(super) fn path(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_a_file() {
        let file = Scratch::new("precedence", "port 1\nhz 1\ntimeout 1\n");
        let parameters = parameters(
            &[file.path(), "--port", "3"],
            &[("LARDER_port", "2"), ("LARDER_hz", "2"), ("HOME", "/"), ("PORT", "7")],
        );
        assert_eq!(parameters.number(Name::Port), 3);
        assert_eq!(parameters.number(Name::Hz), 2);
        assert_eq!(parameters.number(Name::Timeout), 1);
        assert_eq!(parameters.file(), Some(file.0.as_path()));
    }

    /// A value that is allowed and is not the default.
    fn another(kind: &Kind) -> String {
        match *kind {
            Kind::Integer { default, min, max } | Kind::Size { default, min, max } => {
                (if default == max { min } else { max }).to_string()
            }
            Kind::Boolean { default, .. } => if default { "no" } else { "yes" }.into(),
            Kind::Choice { default, of } => of[(default + 1) % of.len()].into(),
            Kind::Threads { .. } => "3".into(),
            Kind::Mode { .. } => "611".into(),
            Kind::Memory => "100mb".into(),
            Kind::Addresses { .. } => "127.0.0.2".into(),
            Kind::OutputLimits => "normal 1 2 3".into(),
            Kind::Events => "xKE".into(),
            _ => "/somewhere".into(),
        }
    }

    #[test]
    fn every_parameter_is_set_by_flag_variable_and_line_in_any_spelling() {
        let defaults = parameters(&[], &[]);
        // `cache_mode` is shown by the policy.
        for row in TABLE.iter().filter(|row| !row.kind.is_fixed() && row.name != Name::CacheMode) {
            let value = another(&row.kind);
            let (minus, underscore) = (row.text.replace('_', "-"), row.text.replace('-', "_").to_uppercase());
            let file = Scratch::new(row.text, &format!("{minus} {value}\n"));
            let by_flag = parameters(&[&format!("--{underscore}"), &value], &[]);
            for set in [
                parameters(&[&format!("--{minus}={value}")], &[]),
                parameters(&[], &[(&format!("LARDER_{underscore}"), &value)]),
                parameters(&[], &[(&format!("LARDER_{}", row.text), &value)]),
                parameters(&[file.path()], &[]),
            ] {
                assert_eq!(set.show(row.name), by_flag.show(row.name), "{}", row.text);
            }
            assert_ne!(by_flag.show(row.name), defaults.show(row.name), "{}", row.text);
        }
    }

    #[test]
    fn the_file_may_be_named_by_a_flag_or_the_environment() {
        let file = Scratch::new("flagfile", "--port=7000\n--nocache_mode\n");
        for parameters in [
            parameters(&["--flagfile", file.path()], &[]),
            parameters(&[&format!("--flagfile={}", file.path())], &[]),
            parameters(&[], &[("LARDER_FLAGFILE", file.path())]),
        ] {
            assert_eq!(parameters.number(Name::Port), 7000);
            assert_eq!(parameters.policy_name(), "noeviction");
        }
    }

    #[test]
    fn errors_are_one_line_that_names_the_place_and_the_range() {
        let file = Scratch::new("errors", "# fine\nport 6379\nmaxclients none\n");
        let path = file.path();
        for (args, environment, line) in [
            (
                vec!["--port", "70000"],
                vec![],
                "--port: '70000' is not allowed: an integer from 0 to 65535".to_string(),
            ),
            (vec!["--prot=1"], vec![], "--prot: unknown parameter (see --help)".into()),
            (
                vec![],
                vec![("LARDER_IO", "fast")],
                "LARDER_IO: 'fast' is not allowed: one of auto, uring, poll".into(),
            ),
            (
                vec![path],
                vec![],
                format!("{path}:3: maxclients: 'none' is not allowed: an integer from 1 to 1000000"),
            ),
            (vec!["/no/such/file"], vec![], "/no/such/file: No such file or directory (os error 2)".into()),
            (
                vec!["--port", "0", "--memcache_port", "0"],
                vec![],
                "port and memcache_port are both 0: there is nothing to serve".into(),
            ),
            (
                vec!["--maxmemory", "1kb"],
                vec![],
                "maxmemory: 1024 bytes are too few for 2 threads: at least 4mb".into(),
            ),
        ] {
            assert_eq!(start(&args, &environment).unwrap_err(), line);
        }
    }

    fn warnings(args: &[&str]) -> Vec<String> {
        match start(args, &[]) {
            Ok(Start::Run { warnings, .. }) => warnings,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_of_other_servers_are_passed_over_with_the_reason() {
        let file = Scratch::new(
            "moving",
            "save 900 1\nrdbcompression yes\nmasterauth s3cret\nlazyfree-lazy-expire yes\nsave 60 1\ndaemonize yes\n\
             appendonly no\nreplicaof no one\nsave \"\"\noom-score-adj-values 0 200 800\n",
        );
        let said =
            warnings(&[file.path(), "--nologtostderr", "--oom-score-adj-values", "1", "2", "--force_epoll"]);
        assert!(
            said[0].starts_with("without effect: save, rdbcompression; no snapshots are taken"),
            "{said:?}"
        );
        assert!(said.iter().all(|line| !line.contains("s3cret") && !line.contains('\n')));
        for name in ["masterauth", "daemonize", "logtostderr", "oom-score-adj-values;", "force_epoll"] {
            assert_eq!(said.iter().filter(|line| line.contains(name)).count(), 1, "{name}: {said:?}");
        }
        // `appendonly no` is the truth, and so are others: nothing is said.
        assert!(said.iter().all(|line| !line.contains("appendonly") && !line.contains("replicaof")));
    }

    #[test]
    fn promises_of_other_servers_are_refused_unless_they_are_taken_back() {
        let file = Scratch::new("promises", "hz 5\nappendonly yes\n");
        let line =
            format!("{}:2: appendonly: 'yes' is not allowed: only no; no write is kept on disk", file.path());
        assert_eq!(start(&[file.path()], &[]).unwrap_err(), line);
        assert_eq!(parameters(&[file.path(), "--appendonly", "no"], &[]).number(Name::Hz), 5);
        assert_eq!(parameters(&[file.path(), "--noappendonly"], &[]).number(Name::Hz), 5);
        for (args, reason) in [
            (
                &["--replicaof", "10.0.0.1", "6379"][..],
                "--replicaof: '10.0.0.1 6379' is not allowed: only no one; it would",
            ),
            (
                &["--cluster-enabled", "yes"],
                "--cluster-enabled: 'yes' is not allowed: only no; this is a lone server",
            ),
            (
                &["--rename-command", "CONFIG", "s3cret"],
                "--rename-command: not allowed: commands keep their names",
            ),
            (&["--tiered_prefix=/ssd/x"], "--tiered_prefix: '/ssd/x' is not allowed: only \"\"; all values"),
        ] {
            let error = start(args, &[]).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn limits_of_output_are_told_class_by_class() {
        let file = Scratch::new(
            "limits",
            "client-output-buffer-limit normal 5 4 3\nclient-output-buffer-limit pubsub 2 1 0\n",
        );
        let parameters = parameters(&[file.path()], &[]);
        let shown = |value: &[u8]| value == &*parameters.show(Name::ClientOutputBufferLimit);
        assert!(shown(b"normal 5 4 3 slave 268435456 67108864 60 pubsub 2 1 0"));
        parameters.set(b"client-output-buffer-limit", b"slave 1 1 1").unwrap();
        assert!(shown(b"normal 5 4 3 slave 1 1 1 pubsub 2 1 0"));
    }

    #[test]
    fn users_are_declared_in_the_file_and_by_flags() {
        let file = Scratch::new("users", "user a on \">x y\" ~*\nhz 5\nUSER b off\n");
        let parameters = parameters(&[file.path(), "--user", "c on +get"], &[]);
        let words: Vec<String> = parameters
            .declared_users()
            .iter()
            .map(|(_, words)| String::from_utf8(words.join(&b'/')).unwrap())
            .collect();
        assert_eq!(words, ["a/on/>x y/~*", "b/off", "c/on/+get"]);
        assert_eq!(parameters.declared_users()[1].0, format!("{}:3: USER", file.path()));
        assert_eq!(start(&["--user", "a '"], &[]).unwrap_err(), "--user: a quote is not closed");
    }

    #[test]
    fn help_and_version_end_well_whatever_else_is_there() {
        for args in [&["--help"][..], &["-h"], &["--port", "70000", "--help"]] {
            assert!(matches!(start(args, &[]), Ok(Start::Print(text)) if text.contains("--maxmemory")));
        }
        for args in [&["--version"][..], &["-v"], &["-V"]] {
            assert!(matches!(start(args, &[]), Ok(Start::Print(text)) if text.starts_with("larder ")));
        }
    }
}
