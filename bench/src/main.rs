//! larder-bench: load for any memcached or RESP server.
//!
//! | module | has |
//! |---|---|
//! | `options` | what the user asks for |
//! | `random`, `keys`, `values` | which key, how it is written, what is stored |
//! | `request`, `frame`, `checker` | bytes out; bytes in, in pieces; what they must be |
//! | `server`, `connection`, `worker` | sockets; one of them with its requests; one thread's loop |
//! | `histogram`, `tally`, `run`, `report` | latencies; counts; threads and progress; the result |

mod checker;
mod connection;
mod frame;
mod histogram;
mod keys;
mod options;
mod random;
mod report;
mod request;
mod run;
mod secure;
mod server;
mod tally;
mod values;
mod worker;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = options::Options::parse();
    match run::run(&options) {
        Ok(outcome) => {
            let table = report::table(&options, &outcome);
            if options.json {
                eprint!("{table}");
                println!("{}", report::json(&options, &outcome));
            } else {
                print!("{table}");
            }
            match outcome.failure {
                Some(line) => {
                    eprintln!("larder-bench: {line}");
                    ExitCode::from(2)
                }
                None if outcome.tally.errors.total() > 0 => ExitCode::from(1),
                None => ExitCode::SUCCESS,
            }
        }
        Err(line) => {
            eprintln!("larder-bench: {line}");
            ExitCode::from(2)
        }
    }
}
