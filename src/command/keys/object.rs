//! What is known about one key besides its value: `OBJECT`, and `MEMORY USAGE` for the server's container.

use crate::command::{Call, Command, Context, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::{Args, Reply};
use crate::shard::{Item, Kind, Shard, collections};
use crate::text::parse_i64;

/// The commands of this file.
pub static ROWS: &[Command] = &[Command {
    name: "object",
    arity: -2,
    flags: 0,
    keys: Keys::NONE,
    group: "generic",
    since: "2.2.3",
    summary: "Facts about the value of a key.",
    complexity: "O(1)",
    handler: Handler::Container,
    subs: SUBS,
}];

static SUBS: &[Command] = &[
    Command {
        name: "object|encoding",
        arity: 3,
        flags: flag::READONLY,
        keys: Keys::SECOND,
        group: "generic",
        since: "2.2.3",
        summary: "Names the form in which a value is kept.",
        complexity: "O(1)",
        handler: Handler::Shard(encoding),
        subs: &[],
    },
    Command {
        name: "object|freq",
        arity: 3,
        flags: flag::READONLY,
        keys: Keys::SECOND,
        group: "generic",
        since: "4.0.0",
        summary: "Answers how often a key was used lately, 0 to 3.",
        complexity: "O(1)",
        handler: Handler::Shard(freq),
        subs: &[],
    },
    Command {
        name: "object|help",
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        keys: Keys::NONE,
        group: "generic",
        since: "6.2.0",
        summary: "Lists the subcommands.",
        complexity: "O(1)",
        handler: Handler::Session(help),
        subs: &[],
    },
    Command {
        name: "object|idletime",
        arity: 3,
        flags: flag::READONLY,
        keys: Keys::SECOND,
        group: "generic",
        since: "2.2.3",
        summary: "Answers how many seconds a key has not been used.",
        complexity: "O(1)",
        handler: Handler::Shard(idletime),
        subs: &[],
    },
    Command {
        name: "object|refcount",
        arity: 3,
        flags: flag::READONLY,
        keys: Keys::SECOND,
        group: "generic",
        since: "2.2.3",
        summary: "Answers how many keys share a value; here each has its own.",
        complexity: "O(1)",
        handler: Handler::Shard(refcount),
        subs: &[],
    },
];

/// The longest string that Redis keeps in one piece with its header. Clients look at the difference.
const EMBEDDED_BYTES_MAX: usize = 44;

/// Answers null where there is no such key, else what `of` writes of its item. Not a use of the key.
fn answer(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    of: impl FnOnce(&Item<'_>, &mut Reply<'_>),
) -> Result<Outcome, Fault> {
    match shard.look(&call.key, false) {
        Some(item) => of(&item, reply),
        None => reply.null(),
    }
    Ok(Outcome::READ)
}

fn encoding(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    answer(shard, call, reply, |item, reply| reply.bulk(encoding_name(item).as_bytes()))
}

/// Redis's name for the encoding that it would have chosen for this value.
pub fn encoding_name(item: &Item<'_>) -> &'static str {
    match item.kind() {
        Kind::String if parse_i64(item.value()).is_some() => "int",
        Kind::String if item.value().len() <= EMBEDDED_BYTES_MAX => "embstr",
        Kind::String => "raw",
        Kind::Set if !item.is_heap() && collections::is_ints(item) => "intset",
        // Redis 7.0 says so of short ones, too.
        Kind::List => "quicklist",
        Kind::Hash | Kind::Set if item.is_heap() => "hashtable",
        Kind::SortedSet if item.is_heap() => "skiplist",
        Kind::Stream => "stream",
        Kind::Hash | Kind::Set | Kind::SortedSet => "listpack",
    }
}

fn refcount(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    answer(shard, call, reply, |_, reply| reply.int(1))
}

fn freq(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let lfu = shard.lfu;
    match shard.look(&call.key, false).map(|item| item.frequency()) {
        None => reply.null(),
        Some(_) if !lfu => {
            return Err(Fault::text(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
                 when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(frequency) => reply.int(i64::from(frequency)),
    }
    Ok(Outcome::READ)
}

fn idletime(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let (lfu, now) = (shard.lfu, shard.now_ms());
    let Some(item) = shard.look(&call.key, false) else {
        reply.null();
        return Ok(Outcome::READ);
    };
    if lfu {
        return Err(Fault::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    // Eviction goes by frequency and order, so few items carry the time of their last use. What nobody has read is
    // as idle as it is old; of others that were read nothing is known, and they are taken for busy.
    let (kept, version) = (item.marks().idle_secs(now), item.version());
    let fetched = item.is_fetched();
    let idle = kept.unwrap_or_else(|| if fetched { 0 } else { shard.ages.secs_since(version, now / 1000) });
    reply.int(idle as i64);
    Ok(Outcome::READ)
}

const HELP: [&str; 13] = [
    "OBJECT <subcommand> <key>. Subcommands are:",
    "ENCODING <key>",
    "    The form in which the value is kept: int, embstr, raw, listpack, ...",
    "FREQ <key>",
    "    How often the key was used lately, 0 to 3; only under an LFU maxmemory-policy.",
    "IDLETIME <key>",
    "    Seconds without use, as far as it is known; not under an LFU maxmemory-policy.",
    "REFCOUNT <key>",
    "    How many keys share the value.",
    "HELP",
    "    These lines.",
    "A key that does not exist is answered with null.",
    "No subcommand counts as a use of the key.",
];

fn help(_: &mut Context<'_, '_>, _: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    reply.array(HELP.len());
    for line in HELP {
        reply.simple(line);
    }
    Ok(Outcome::READ)
}

/// `MEMORY USAGE key [SAMPLES n]`: the bytes that a key is charged in its shard, its share of the index
/// included. Exact, so the number of samples changes nothing.
pub fn memory_usage(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let options = call.args.from(3);
    let mut at = 0;
    while let Some(option) = options.get(at) {
        let samples = options.get(at + 1).filter(|_| option.eq_ignore_ascii_case(b"samples"));
        let samples = parse_i64(samples.ok_or(Fault::Syntax)?).ok_or(Fault::NotInteger)?;
        if samples < 0 {
            return Err(Fault::Syntax);
        }
        at += 2;
    }
    match shard.store.peek(&call.key, shard.now_ms()) {
        Some(item) => reply.int((item.bytes() + collections::structure_bytes(&item)) as i64),
        None => reply.null(),
    }
    Ok(Outcome::READ)
}
