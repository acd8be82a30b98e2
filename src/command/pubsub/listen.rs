//! `SUBSCRIBE` and its kin. What is decided here is what a client listens to and what it is told; the core tells all cores
//! of the change, and the client when they know.

use crate::command::{Command, Handler, Keys, flag};
use crate::protocol::{Args, Reply};
use crate::session::Session;
use crate::session::listeners::{Change, Kind};

/// Which names a command is about, and whether it adds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verb {
    /// What the names are.
    pub kind: Kind,
    /// It adds them.
    pub joins: bool,
    /// The word in the replies.
    word: &'static str,
}

/// The commands of this file.
pub static ROWS: &[Command] = &[
    row("subscribe", -2, "2.0.0", "Listens to channels.", Kind::Channel, true),
    row("unsubscribe", -1, "2.0.0", "Listens no more to these channels, or to any.", Kind::Channel, false),
    row("psubscribe", -2, "2.0.0", "Listens to all channels that a pattern matches.", Kind::Pattern, true),
    row("punsubscribe", -1, "2.0.0", "Gives these patterns up, or all.", Kind::Pattern, false),
    Command {
        keys: Keys::ALL,
        ..row("ssubscribe", -2, "7.0.0", "Listens to channels of the shard.", Kind::Shard, true)
    },
    Command {
        keys: Keys::ALL,
        ..row(
            "sunsubscribe",
            -1,
            "7.0.0",
            "Listens no more to these channels of the shard, or to any.",
            Kind::Shard,
            false,
        )
    },
];

const fn row(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    kind: Kind,
    joins: bool,
) -> Command {
    Command {
        name,
        arity,
        flags: flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE,
        keys: Keys::NONE,
        group: "pubsub",
        since,
        summary,
        complexity: "O(N) for N names on each core",
        handler: Handler::Listen(Verb { kind, joins, word: name }),
        subs: &[],
    }
}

impl Verb {
    /// It is refused inside `EXEC`, as its kin for all channels are not.
    pub fn waits_alone(self) -> bool {
        self.joins && self.kind == Kind::Shard
    }

    /// Changes what the client listens to, and writes a confirmation for each name. What is news is returned.
    pub fn run(self, session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Option<Change> {
        let listens = session.listens.get_or_insert_default();
        let mut names = Vec::new();
        let all: Vec<_> = match args.len() {
            1 => listens.names(self.kind).cloned().collect(),
            _ => Vec::new(),
        };
        let given = args.from(1);
        let given = given.iter().chain(all.iter().map(|name| &**name));
        for name in given {
            let news = if self.joins { listens.add(self.kind, name) } else { listens.take(self.kind, name) };
            names.extend(news);
            self.confirm(Some(name), listens.shown_count(self.kind), reply);
        }
        if args.len() == 1 && all.is_empty() {
            self.confirm(None, listens.shown_count(self.kind), reply);
        }
        if listens.is_empty() && names.is_empty() && !listens.is_changing() {
            session.listens = None;
        }
        (!names.is_empty()).then_some(Change { kind: self.kind, joins: self.joins, names })
    }

    fn confirm(self, name: Option<&[u8]>, count: usize, reply: &mut Reply<'_>) {
        reply.push(3);
        reply.bulk(self.word.as_bytes());
        reply.bulk_or_null(name);
        reply.int(count as i64);
    }
}
