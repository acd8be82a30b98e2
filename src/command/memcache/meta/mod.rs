//! The meta commands: `mg`, `ms`, `md`, `ma`, `mn`, `me`.
//!
//! Arguments are the words of the line as they came, for `ms` with the data block last; the key of the call is the
//! decoded one where the line has it in base64. Flags are read once, into [`Flags`], before anything is touched: a
//! request that is answered with an error has changed nothing. What is told of a hit comes in the order in which it
//! was asked for, so composing a reply walks over the words once more.

mod arithmetic;
mod debug;
mod delete;
mod get;
mod set;

use super::has_passed;
use crate::command::{Call, Command, Context, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::memcache::Verb;
use crate::protocol::memcache::meta::Flags;
use crate::protocol::{Args, Reply};
use crate::shard::{Item, Meta, Shard};
use slabs::{Change, Marks};

/// The commands of this family.
pub static ROWS: &[Command] = &[
    Command {
        name: "mc:mg",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.6.0",
        summary: "Reads a key, its value and what is known about it, under herd control.",
        complexity: "O(1)",
        handler: Handler::Meta(get::mg),
        subs: &[],
    },
    Command {
        name: "mc:ms",
        arity: -4,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.6.0",
        summary: "Stores a value in one of five modes.",
        complexity: "O(1)",
        handler: Handler::Meta(set::ms),
        subs: &[],
    },
    Command {
        name: "mc:ms_too_large",
        arity: -4,
        flags: flag::WRITE,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.6.0",
        summary: "Refuses a value that is longer than allowed.",
        complexity: "O(1)",
        handler: Handler::Meta(set::too_large),
        subs: &[],
    },
    Command {
        name: "mc:md",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.6.0",
        summary: "Removes a key, or marks its value as outdated.",
        complexity: "O(1)",
        handler: Handler::Meta(delete::md),
        subs: &[],
    },
    Command {
        name: "mc:ma",
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.6.0",
        summary: "Adds to a number or subtracts from it.",
        complexity: "O(1)",
        handler: Handler::Meta(arithmetic::ma),
        subs: &[],
    },
    Command {
        name: "mc:me",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "memcache",
        since: "1.6.0",
        summary: "Shows what is known about a key.",
        complexity: "O(1)",
        handler: Handler::Meta(debug::me),
        subs: &[],
    },
    Command {
        name: "mc:mn",
        arity: -1,
        flags: flag::FAST,
        keys: Keys::NONE,
        group: "memcache",
        since: "1.6.0",
        summary: "Answers MN, which ends a run of quiet commands.",
        complexity: "O(1)",
        handler: Handler::Session(mn),
        subs: &[],
    },
];

fn mn(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.line("MN");
    Ok(Outcome::READ)
}

/// Reads the flags; what is wrong with them is the reply, whatever `q` says.
#[inline]
fn flags_of(verb: Verb, words: Args<'_>, reply: &mut Reply<'_>) -> Option<Flags> {
    match Flags::parse(verb, words) {
        Ok(flags) => Some(flags),
        Err(error) => {
            reply.line(error.message());
            None
        }
    }
}

/// Writes what a flag asks to be given back as it came: the opaque token, the key. The key has the form of the
/// request: what was asked for in base64 is told in base64.
#[inline]
fn echo(word: &[u8], flags: &Flags, args: Args<'_>, reply: &mut Reply<'_>) {
    match word[0] {
        b'O' => reply.meta_word(word),
        b'k' => {
            reply.raw(b" k");
            reply.raw(&args[1]);
            if flags.has(b'b') {
                reply.raw(b" b");
            }
        }
        _ => {}
    }
}

/// A status without an item: with what is given back.
fn bare(status: &str, flags: &Flags, args: Args<'_>, reply: &mut Reply<'_>) {
    reply.raw(status.as_bytes());
    args.from(2).iter().for_each(|word| echo(word, flags, args, reply));
    reply.raw(b"\r\n");
}

/// The seconds that are left until a deadline, a part of one counting as whole. An item that is dead in this moment
/// has none.
#[inline]
fn left_secs(deadline_ms: u64, now_ms: u64) -> u64 {
    deadline_ms.saturating_sub(now_ms).div_ceil(1000)
}

/// Writes a time to live: -1 is for ever.
fn write_ttl(deadline_ms: u64, now_ms: u64, reply: &mut Reply<'_>) {
    match deadline_ms {
        0 => reply.raw(b" t-1"),
        _ => reply.meta_number(b't', left_secs(deadline_ms, now_ms)),
    }
}

/// Seconds since the last use of an item, as far as that is known.
fn idle_secs(shard: &Shard, item: &Item<'_>) -> u64 {
    shard.ages.idle_secs(item, shard.now_ms())
}

/// Gives an item another deadline and other marks; one whose time has come goes. Its unique stays. False: there is
/// no room for what it did not have before.
fn note(shard: &mut Shard, call: &Call<'_>, deadline_ms: u64, marks: Marks) -> bool {
    let now = shard.now_ms();
    if has_passed(deadline_ms, now) {
        shard.store.remove(&call.key, now);
        return true;
    }
    let Some(old) = shard.store.peek(&call.key, now).map(|item| item.meta()) else { return true };
    let new = Meta { expire_at_ms: deadline_ms, marks, ..old };
    old == new || shard.store.set_meta(&call.key, &new, Change::Keep, now).is_ok()
}
