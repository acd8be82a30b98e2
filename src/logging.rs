//! Where log lines go and which are written. No values, keys or passwords are ever in them.

use crate::parameters::{Name, Parameters};
use std::fs::OpenOptions;

/// Opens the log as `loglevel` and `logfile` say. The error names the file.
pub fn open(parameters: &Parameters) -> Result<(), String> {
    let level = match parameters.choice(Name::Loglevel) {
        "debug" => log::LevelFilter::Trace,
        "verbose" => log::LevelFilter::Debug,
        "notice" => log::LevelFilter::Info,
        "warning" => log::LevelFilter::Warn,
        _ => log::LevelFilter::Off,
    };
    let mut logger = env_logger::Builder::new();
    logger.filter_level(level).format_target(false).format_timestamp_millis();
    let file = String::from_utf8_lossy(&parameters.text(Name::Logfile)).into_owned();
    if !file.is_empty() {
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        let opened = opened.map_err(|error| format!("--logfile {file}: {error}"))?;
        logger.target(env_logger::Target::Pipe(Box::new(opened)));
    }
    logger.init();
    Ok(())
}
