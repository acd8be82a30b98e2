//! Boot of the `larder` binary.

use larder::config::{self, Start, from_env_and_args};
use larder::{logging, server, service};
use std::process::ExitCode;

fn main() -> ExitCode {
    let journal = service::journal_reads_errors();
    let failed = |line: String| {
        logging::fatal(&line, journal);
        ExitCode::FAILURE
    };
    let (parameters, warnings) = match from_env_and_args() {
        Ok(Start::Run { parameters, warnings }) => (*parameters, warnings),
        Ok(Start::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(line) => return failed(line),
    };
    if let Err(line) = config::enter_directory(&parameters) {
        return failed(line);
    }
    let log = match logging::open(&parameters, journal) {
        Ok(log) => log,
        Err(line) => return failed(line),
    };
    warnings.iter().for_each(|line| log::warn!("{line}"));
    match server::run(parameters, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => failed(line),
    }
}
