//! Where log lines go and which are written. No values, keys or passwords are ever in them.
//!
//! | `loglevel` | written |
//! |---|---|
//! | `nothing` | nothing |
//! | `warning` | what an operator should act on |
//! | `notice` | and what happens once: start, end, reloads |
//! | `verbose` | and what happens for each client: it comes, it goes, it sends what is no request, it changes a parameter |
//! | `debug` | and what is of use to those who work on the server |
//!
//! Where standard error is the journal's (`JOURNAL_STREAM`), each line begins with its priority as the journal reads it, and
//! has no time and no level of its own.
//!
//! What a client can bring about at will is warned of at most once a second ([`crate::seldom`]).

use crate::parameters::{Name, Parameters};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The log, for those who rotate its file.
#[derive(Clone, Debug, Default)]
pub struct Log {
    reopen: Option<Arc<AtomicBool>>,
}

impl Log {
    /// The next line opens the file anew, under its name: somebody may have moved the one that is open. True if there is
    /// a file.
    pub fn reopen(&self) -> bool {
        if let Some(reopen) = &self.reopen {
            reopen.store(true, Ordering::Release);
        }
        self.reopen.is_some()
    }
}

/// Opens the log as `loglevel` and `logfile` say; `journal` says who reads the standard error. The error names the file.
pub fn open(parameters: &Parameters, journal: bool) -> Result<Log, String> {
    let mut logger = env_logger::Builder::new();
    // Everything passes here: what is written is decided by the level that `loglevel` sets, also while running.
    logger.filter_level(log::LevelFilter::Trace).format_target(false).format_timestamp_millis();
    let path = PathBuf::from(OsString::from_vec(parameters.text(Name::Logfile)));
    let mut log = Log::default();
    if !path.as_os_str().is_empty() {
        let reopen = Arc::new(AtomicBool::new(false));
        let file = LogFile::open(&path, reopen.clone());
        let file = file.map_err(|error| format!("--logfile {}: {error}", path.display()))?;
        log.reopen = Some(reopen);
        logger.target(env_logger::Target::Pipe(Box::new(file)));
    } else if journal {
        logger.format(|line, record| writeln!(line, "<{}>{}", priority(record.level()), record.args()));
    }
    logger.init();
    log::set_max_level(parameters.log_level());
    Ok(log)
}

/// What ended the process, or kept it from starting, on the standard error: the log may not be there yet.
pub fn fatal(line: &str, journal: bool) {
    if journal {
        eprintln!("<{}>{line}", priority(log::Level::Error));
    } else {
        eprintln!("larder: {line}");
    }
}

/// syslog's number for a level.
fn priority(level: log::Level) -> u8 {
    match level {
        log::Level::Error => 3,
        log::Level::Warn => 4,
        log::Level::Info => 6,
        log::Level::Debug | log::Level::Trace => 7,
    }
}

/// A file that lines are added to.
struct LogFile {
    path: PathBuf,
    file: File,
    reopen: Arc<AtomicBool>,
}

fn appended(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl LogFile {
    fn open(path: &Path, reopen: Arc<AtomicBool>) -> io::Result<LogFile> {
        // The working directory may change.
        let path = std::path::absolute(path)?;
        Ok(LogFile { file: appended(&path)?, path, reopen })
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.reopen.swap(false, Ordering::AcqRel) {
            match appended(&self.path) {
                Ok(file) => self.file = file,
                // The old file stays in use: a line there is better than none anywhere.
                Err(error) => {
                    writeln!(self.file, "the log stays in this file: {}: {error}", self.path.display())?
                }
            }
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew_when_asked_for() {
        let directory = std::env::temp_dir().join(format!("larder-log-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (path, old) = (directory.join("log"), directory.join("log.1"));
        let log = Log { reopen: Some(Arc::default()) };
        let mut file = LogFile::open(&path, log.reopen.clone().unwrap()).unwrap();
        writeln!(file, "one").unwrap();
        fs::rename(&path, &old).unwrap();
        writeln!(file, "two").unwrap();
        assert!(log.reopen());
        writeln!(file, "three").unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        // A directory stands where the file should be.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        log.reopen();
        writeln!(file, "four").unwrap();
        fs::remove_dir_all(directory).unwrap();
        assert!(!Log::default().reopen());
    }
}
