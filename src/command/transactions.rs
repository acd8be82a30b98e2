//! Rows of the commands of transactions; the transaction layer runs them.

use super::{Command, Control, Handler, Keys, flag};

/// Run at once, never queued.
const CONTROL: u32 = flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::NOT_QUEUED;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    row("multi", 1, CONTROL, "1.2.0", "Queues the commands that follow.", "O(1)", Control::Multi),
    row(
        "exec",
        1,
        (CONTROL & !flag::FAST) | flag::SKIP_SLOWLOG,
        "1.2.0",
        "Runs the queued commands as one.",
        "As the queued commands",
        Control::Exec,
    ),
    row(
        "discard",
        1,
        CONTROL,
        "2.0.0",
        "Drops the queued commands.",
        "O(N) for N queued commands",
        Control::Discard,
    ),
    Command {
        keys: Keys::ALL,
        ..row(
            "watch",
            -2,
            CONTROL,
            "2.2.0",
            "Makes the next EXEC depend on keys being unchanged.",
            "O(N) for N keys",
            Control::Watch,
        )
    },
    row(
        "unwatch",
        1,
        CONTROL & !flag::NOT_QUEUED,
        "2.2.0",
        "Forgets the watched keys.",
        "O(1)",
        Control::Unwatch,
    ),
];

const fn row(
    name: &'static str,
    arity: i16,
    flags: u32,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
    control: Control,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys: Keys::NONE,
        group: "transactions",
        since,
        summary,
        complexity,
        handler: Handler::Control(control),
        subs: &[],
    }
}
