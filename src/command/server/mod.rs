//! The server about itself: what it counts (`info`, `memory`, `slowlog`, `latency`), how it is set (`config`),
//! which commands it has (`catalogue`), and what an operator does to it (`monitor`, `lifecycle`, `debug`).

pub mod catalogue;
pub mod config;
mod debug;
mod doctor;
pub mod info;
pub(crate) mod keyflags;
mod latency;
mod lifecycle;
mod lolwut;
pub mod memory;
pub mod monitor;
pub mod process;
pub mod slowlog;

use super::{Command, Fault, Handler, Keys, Outcome, flag, help};
use crate::protocol::Args;

/// Read by anybody at any time.
const ANY_TIME: u32 = flag::LOADING | flag::STALE;
/// For operators, at any time, never from scripts.
const ADMIN: u32 = flag::ADMIN | flag::NOSCRIPT | ANY_TIME;

/// The commands of this family.
pub static ROWS: &[Command] = &[
    row("info", -1, ANY_TIME, "1.0.0", "Facts and figures about the server.", Handler::Session(info::info)),
    container("config", "2.0.0", "Commands about the parameters.", config::SUBS),
    Command {
        complexity: "O(N) for N commands",
        subs: catalogue::SUBS,
        ..row("command", -1, ANY_TIME, "2.8.13", "Describes all commands.", Handler::Session(catalogue::all))
    },
    row(
        "time",
        1,
        ANY_TIME | flag::FAST,
        "2.6.0",
        "Returns the server's clock.",
        Handler::Session(lifecycle::time),
    ),
    row(
        "lastsave",
        1,
        ANY_TIME | flag::FAST,
        "1.0.0",
        "Returns when the data set was last saved.",
        Handler::Session(lifecycle::lastsave),
    ),
    row(
        "role",
        1,
        flag::NOSCRIPT | ANY_TIME | flag::FAST,
        "2.8.12",
        "Returns the server's part in replication.",
        Handler::Session(lifecycle::role),
    ),
    Command {
        group: "generic",
        ..row("wait", 3, flag::NOSCRIPT, "3.0.0", "Waits for replicas.", Handler::Session(lifecycle::wait))
    },
    container("memory", "4.0.0", "Commands about memory.", memory::SUBS),
    container("slowlog", "2.2.12", "Commands about slow commands.", slowlog::SUBS),
    container("latency", "2.8.13", "Commands about what took long.", latency::SUBS),
    row(
        "monitor",
        1,
        ADMIN,
        "1.0.0",
        "Shows every command to this client.",
        Handler::Session(monitor::monitor),
    ),
    row(
        "shutdown",
        -1,
        ADMIN | flag::NO_MULTI,
        "1.0.0",
        "Stops the server.",
        Handler::Session(lifecycle::shutdown),
    ),
    Command { flags: ADMIN, ..container("debug", "1.0.0", "Commands for tests.", debug::SUBS) },
    Command {
        complexity: "",
        ..row(
            "lolwut",
            -1,
            flag::READONLY | flag::FAST,
            "5.0.0",
            "Draws something.",
            Handler::Session(lolwut::lolwut),
        )
    },
];

const fn row(
    name: &'static str,
    arity: i16,
    flags: u32,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys: Keys::NONE,
        group: "server",
        since,
        summary,
        complexity: "O(1)",
        handler,
        subs: &[],
    }
}

const fn container(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    subs: &'static [Command],
) -> Command {
    Command {
        complexity: "Depends on the subcommand.",
        subs,
        ..row(name, -2, 0, since, summary, Handler::Container)
    }
}

/// Bytes of a subcommand that are quoted.
const QUOTED_BYTES_MAX: usize = 128;

/// What a session command is.
type Done = Result<Outcome, Fault>;

/// `ERR unknown subcommand or wrong number of arguments ...`, where the row's arity does not say it all.
pub(crate) fn misused(args: Args<'_>) -> Fault {
    let container = String::from_utf8_lossy(&args[0]).to_ascii_uppercase();
    let sub = args.get(1).unwrap_or_default();
    Fault::Quoted {
        before: "ERR unknown subcommand or wrong number of arguments for '",
        bytes: sub[..sub.len().min(QUOTED_BYTES_MAX)].to_vec(),
        after: format!("'. Try {container} HELP.").into(),
    }
}

#[cfg(test)]
mod tests;
