//! Where log lines go and which are written. No values, keys or passwords are ever in them.

use crate::parameters::{Name, Parameters};
use std::fs::OpenOptions;

/// Opens the log as `loglevel` and `logfile` say. The error names the file.
pub fn open(parameters: &Parameters) -> Result<(), String> {
    let mut logger = env_logger::Builder::new();
    // Everything passes here: what is written is decided by the level that `loglevel` sets, also while running.
    logger.filter_level(log::LevelFilter::Trace).format_target(false).format_timestamp_millis();
    let file = String::from_utf8_lossy(&parameters.text(Name::Logfile)).into_owned();
    if !file.is_empty() {
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        let opened = opened.map_err(|error| format!("--logfile {file}: {error}"))?;
        logger.target(env_logger::Target::Pipe(Box::new(opened)));
    }
    logger.init();
    log::set_max_level(parameters.log_level());
    Ok(())
}
