//! What the user asks for.

use crate::keys::Distribution;
use crate::values::Sizes;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// memcached's text protocol
    #[value(alias = "memcached", alias = "mc")]
    Memcache,
    /// Redis's protocol
    #[value(alias = "redis")]
    Resp,
}

impl Protocol {
    /// The port that servers of this protocol listen on by custom.
    pub fn port(self) -> u16 {
        match self {
            Protocol::Memcache => 11211,
            Protocol::Resp => 6379,
        }
    }
}

/// When requests are due with `--rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arrivals {
    /// evenly spaced
    Even,
    /// at random, as from many independent users
    Poisson,
}

/// A range of times to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ttl {
    /// Seconds; 0 for ever.
    pub low_secs: u32,
    /// At most.
    pub high_secs: u32,
}

impl FromStr for Ttl {
    type Err = String;

    fn from_str(text: &str) -> Result<Ttl, String> {
        // memcached takes more than 30 days for a date.
        const SECS_MAX: u32 = 30 * 24 * 3600;
        let secs = |text: &str| match text.parse() {
            Ok(secs) if secs <= SECS_MAX => Ok(secs),
            _ => Err(format!("'{text}': whole seconds, at most {SECS_MAX}")),
        };
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let ttl = Ttl { low_secs: secs(low)?, high_secs: secs(high)? };
        match (ttl.low_secs, ttl.high_secs) {
            (low, high) if low > high => Err(format!("{low} is above {high}")),
            (0, high) if high > 0 => Err("a range begins at 1 second".into()),
            _ => Ok(ttl),
        }
    }
}

/// Generates load for a memcached or RESP server, checks every reply and measures latency.
///
/// Each key always has the same value, so lengths (and with --verify contents) of all values are checked
/// without remembering anything; run --preload and load with the same key and value options.
///
/// In closed loop, each connection sends --pipeline requests at once and sends again when all are answered. With
/// --rate the loop is open: requests are due at times that do not depend on the server, and latency counts from
/// when a request was due, not from when it could be sent (no coordinated omission).
#[derive(Clone, Debug, Parser)]
#[command(name = "larder-bench", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Options {
    /// Protocol to speak
    #[arg(long, value_enum)]
    pub proto: Protocol,
    /// Server's name or address
    #[arg(short = 's', long, value_name = "HOST", default_value = "127.0.0.1")]
    pub server: String,
    /// Server's port [default: 11211 or 6379, by protocol]
    #[arg(short, long)]
    pub port: Option<u16>,
    /// Connect to this Unix socket instead
    #[arg(long, value_name = "PATH", conflicts_with_all = ["server", "port"])]
    pub unix: Option<PathBuf>,
    /// Speak TLS, and take only a certificate that an authority in this file has signed for the server's name
    #[arg(long, value_name = "FILE", conflicts_with = "unix")]
    pub tls_ca: Option<PathBuf>,
    /// Authenticate as this user (RESP)
    #[arg(long, requires = "password")]
    pub user: Option<String>,
    /// Authenticate with this password (RESP)
    #[arg(long)]
    pub password: Option<String>,
    /// Select this database (RESP)
    #[arg(long)]
    pub db: Option<u32>,

    /// Connections in all
    #[arg(short, long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Load")]
    pub connections: u32,
    /// Threads that share the connections
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Load")]
    pub threads: u32,
    /// Requests in flight on each connection, at most
    #[arg(short = 'P', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Load")]
    pub pipeline: u32,
    /// Open loop: requests per second in all [default: closed loop]
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, help_heading = "Load")]
    pub rate: Option<f64>,
    /// Spacing of requests in open loop
    #[arg(long, value_enum, default_value_t = Arrivals::Even, help_heading = "Load")]
    pub arrivals: Arrivals,
    /// Seconds to measure
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, help_heading = "Load")]
    pub time: f64,
    /// Stop after this many requests instead of after a time; 0 with --preload only loads
    #[arg(short = 'n', long, conflicts_with_all = ["time", "warmup"], help_heading = "Load")]
    pub requests: Option<u64>,
    /// Seconds of load before measuring begins
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds, help_heading = "Load")]
    pub warmup: f64,

    /// Share of requests that read
    #[arg(long, value_name = "SHARE", default_value = "0.9", value_parser = share, help_heading = "Requests")]
    pub gets: f64,
    /// Keys per read (memcached's get of many, MGET)
    #[arg(long, value_name = "KEYS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Requests")]
    pub mget: u32,
    /// Store each key that was missed, as users of a cache do
    #[arg(long, help_heading = "Requests")]
    pub fill: bool,
    /// Time to live of what is stored, seconds or LOW-HIGH; 0: for ever
    #[arg(long, default_value = "0", help_heading = "Requests")]
    pub ttl: Ttl,
    /// Store every key once before measuring
    #[arg(long, help_heading = "Requests")]
    pub preload: bool,

    /// Number of keys
    #[arg(short, long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000), help_heading = "Data")]
    pub keys: u64,
    /// Which keys are asked for: uniform, sequential, zipf (exponent 0.99) or zipf:EXPONENT
    #[arg(short, long, default_value = "uniform", help_heading = "Data")]
    pub distribution: Distribution,
    /// Length of every key: the prefix and a decimal number
    #[arg(long, value_name = "BYTES", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=60_000), help_heading = "Data")]
    pub key_bytes: u16,
    /// What every key begins with
    #[arg(long, value_name = "TEXT", default_value = "key:", help_heading = "Data")]
    pub key_prefix: String,
    /// Lengths of values: BYTES, uniform:LOW-HIGH or lognormal:MEDIAN,SIGMA[,MAX]
    #[arg(long, value_name = "SIZES", default_value = "256", help_heading = "Data")]
    pub value_bytes: Sizes,
    /// Compare the contents of values, not only their lengths
    #[arg(long, help_heading = "Data")]
    pub verify: bool,
    /// Seed of the choice of keys; values do not depend on it
    #[arg(long, default_value_t = 1, help_heading = "Data")]
    pub seed: u64,

    /// Give up when no reply comes for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, help_heading = "Behaviour")]
    pub timeout: f64,
    /// Give up when more connections than this were lost and opened anew
    #[arg(long, value_name = "TIMES", default_value_t = 100, help_heading = "Behaviour")]
    pub reconnects: u64,
    /// Print the result as JSON on standard output; the table goes to standard error
    #[arg(long, help_heading = "Behaviour")]
    pub json: bool,
    /// No progress lines
    #[arg(short, long, help_heading = "Behaviour")]
    pub quiet: bool,
}

const EXAMPLES: &str = "Examples:
  larder-bench --proto resp --preload -P 16                  Redis's protocol, 16 requests in flight
  larder-bench --proto memcache --preload --gets 1 --mget 100    multigets of 100 keys
  larder-bench --proto resp -d zipf:1.1 --fill --value-bytes lognormal:300,1.5   a cache in front of a database
  larder-bench --proto resp --rate 50000 --arrivals poisson --time 60 --json     tail latency at a fixed rate

Exit status: 0 all replies were right; 1 some were not; 2 the load could not be run.";

fn number(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or(format!("'{text}' is no number"))
}

fn share(text: &str) -> Result<f64, String> {
    let share = number(text)?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a number from 0 to 1".into()) }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = number(text)?;
    if (0.0..=1e7).contains(&seconds) { Ok(seconds) } else { Err("seconds, from 0 to 10000000".into()) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = number(text)?;
    if rate > 0.0 && rate <= 1e9 { Ok(rate) } else { Err("requests per second, above 0".into()) }
}

impl Options {
    /// What clap cannot see by itself. The error is one line.
    pub fn check(&self) -> Result<(), String> {
        if self.threads > self.connections {
            return Err(format!(
                "--threads {} are more than --connections {}",
                self.threads, self.connections
            ));
        }
        if self.proto == Protocol::Memcache {
            if self.password.is_some() || self.db.is_some() {
                return Err("--user, --password and --db are for --proto resp".into());
            }
            if self.key_bytes > 250 {
                return Err(format!(
                    "--key-bytes {}: memcached's keys have at most 250 bytes",
                    self.key_bytes
                ));
            }
        }
        if self.timeout == 0.0 {
            return Err("--timeout must be above 0".into());
        }
        if self.requests.is_none() && self.time == 0.0 {
            return Err("--time must be above 0 (to preload only: --preload --requests 0)".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        let words = std::iter::once("larder-bench").chain(line.split_whitespace());
        let options = Options::try_parse_from(words).map_err(|error| error.to_string())?;
        options.check().map(|()| options)
    }

    #[test]
    fn defaults_are_a_load_that_runs() {
        let options = options("--proto resp").unwrap();
        assert_eq!((options.connections, options.pipeline, options.keys), (50, 1, 100_000));
        assert!(options.rate.is_none() && options.requests.is_none());
    }

    #[test]
    fn mistakes_are_named() {
        for (line, named) in [
            ("", "--proto"),
            ("--proto http", "memcache"),
            ("--proto resp --gets 1.5", "from 0 to 1"),
            ("--proto resp --threads 60", "--connections 50"),
            ("--proto resp -n 5 --time 3", "--time"),
            ("--proto resp --time 0", "--time"),
            ("--proto resp --unix /s --port 3", "--port"),
            ("--proto resp --ttl 9-3", "9 is above 3"),
            ("--proto resp --ttl 0-3", "begins at 1"),
            ("--proto resp --rate 0", "above 0"),
            ("--proto resp --user u", "--password"),
            ("--proto memcache --db 1", "--proto resp"),
            ("--proto memcache --key-bytes 251", "250"),
            ("--proto resp --value-bytes gauss:3", "lognormal"),
            ("--proto resp --distribution poisson", "zipf"),
        ] {
            let error = options(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}
