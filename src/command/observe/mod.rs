//! What stands out: `LARDER HOTKEYS` and `LARDER BIGKEYS`, and what the console asks every core for
//! (`console:slabs`, which no client can call: a name with a colon is nobody's).

mod keys;
pub mod slabs;

use super::{Command, Context, Fault, Handler, Keys, Outcome, flag, help};
use crate::protocol::{Args, Reply};

/// The commands of this family.
pub static ROWS: &[Command] = &[
    Command {
        subs: SUBS,
        complexity: "Depends on the subcommand.",
        ..row("larder", -2, 0, "Commands about which keys stand out.", Handler::Container)
    },
    row(
        slabs::ROW,
        1,
        flag::ADMIN | flag::NOSCRIPT,
        "Returns the size classes of all cores.",
        Handler::Every(slabs::SLABS),
    ),
];

static SUBS: &[Command] = &[
    Command {
        complexity: "O(1)",
        ..row(
            "larder|hotkeys",
            -2,
            flag::ADMIN | flag::NOSCRIPT,
            "Returns the keys that are asked for most, as far as samples tell.",
            Handler::Every(keys::HOTKEYS),
        )
    },
    Command {
        complexity: "O(1); O(N) where a core has few keys",
        ..row(
            "larder|bigkeys",
            -2,
            flag::ADMIN | flag::NOSCRIPT,
            "Returns the keys that take the most memory.",
            Handler::Every(keys::BIGKEYS),
        )
    },
    row("larder|help", 2, flag::LOADING | flag::STALE, "Lists the subcommands.", Handler::Session(list)),
];

const fn row(name: &'static str, arity: i16, flags: u32, summary: &'static str, handler: Handler) -> Command {
    Command {
        name,
        arity,
        flags,
        keys: Keys::NONE,
        group: "server",
        since: "1.0.0",
        summary,
        complexity: "O(1)",
        handler,
        subs: &[],
    }
}

fn list(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let subcommands = &[
        ("BIGKEYS [COUNT <count>]", "Keys that take the most memory: key, db, type, bytes."),
        (
            "HOTKEYS [COUNT <count>]",
            "Keys that are asked for most now: key, db, samples, their share of all requests.",
        ),
    ];
    help::write("LARDER", subcommands, reply);
    Ok(Outcome::READ)
}

#[cfg(test)]
mod tests;
