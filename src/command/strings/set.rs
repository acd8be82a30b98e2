//! Writing whole values: `SET` and its kin.

use super::expiry::{Form, Given};
use super::get::write_string;
use crate::command::{Call, Command, Fault, Handler, Keys, Merge, Outcome, flag};
use crate::protocol::{Args, Reply};
use crate::shard::{Meta, Shard, events};

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "set",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: Keys::FIRST,
        group: "string",
        since: "1.0.0",
        summary: "Gives a key a string, whatever it held; options say when, and when it expires.",
        complexity: "O(1)",
        handler: Handler::Shard(set),
        subs: &[],
    },
    Command {
        name: "setnx",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since: "1.0.0",
        summary: "Gives a key a string only if it does not exist.",
        complexity: "O(1)",
        handler: Handler::Shard(setnx),
        subs: &[],
    },
    Command {
        name: "setex",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: Keys::FIRST,
        group: "string",
        since: "2.0.0",
        summary: "Gives a key a string that expires after some seconds.",
        complexity: "O(1)",
        handler: Handler::Shard(setex),
        subs: &[],
    },
    Command {
        name: "psetex",
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: Keys::FIRST,
        group: "string",
        since: "2.6.0",
        summary: "Gives a key a string that expires after some milliseconds.",
        complexity: "O(1)",
        handler: Handler::Shard(psetex),
        subs: &[],
    },
    Command {
        name: "getset",
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: Keys::FIRST,
        group: "string",
        since: "1.0.0",
        summary: "Gives a key a string and returns the one before.",
        complexity: "O(1)",
        handler: Handler::Shard(getset),
        subs: &[],
    },
    Command {
        name: "mset",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: PAIRS,
        group: "string",
        since: "1.0.1",
        summary: "Gives several keys their strings at one moment.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: mset_part, stride: 2, merge: Merge::Store },
        subs: &[],
    },
    Command {
        name: "msetnx",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: PAIRS,
        group: "string",
        since: "1.0.1",
        summary: "Gives several keys their strings only if none of them exists.",
        complexity: "O(N) for N keys",
        handler: Handler::Spread { each: mset_part, stride: 2, merge: Merge::StoreNew },
        subs: &[],
    },
];

/// Keys and values by turns.
const PAIRS: Keys = Keys { first: 1, last: -1, step: 2 };

/// Which keys `SET` may write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Missing,
    Present,
}

/// What `SET` is told behind the value.
struct Options<'a> {
    when: When,
    get: bool,
    keep_ttl: bool,
    expiry: Given<'a>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Options<'a>, Fault> {
        let mut options =
            Options { when: When::Always, get: false, keep_ttl: false, expiry: Given::default() };
        let mut at = 3;
        while let Some(option) = args.get(at) {
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            if is(b"nx") && options.when != When::Present {
                options.when = When::Missing;
            } else if is(b"xx") && options.when != When::Missing {
                options.when = When::Present;
            } else if is(b"get") {
                options.get = true;
            } else if is(b"keepttl") && !options.expiry.is_some() {
                options.keep_ttl = true;
            } else {
                let form = Form::of(option).filter(|_| !options.keep_ttl).ok_or(Fault::Syntax)?;
                options.expiry.take(form, args, at)?;
                at += 1;
            }
            at += 1;
        }
        Ok(options)
    }
}

fn set(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if call.args.len() == 3 {
        shard.put(&call.key, &call.args[2], &Meta::default())?;
        shard.tell(events::STRING, "set", &call.key);
        reply.ok();
        return Ok(Outcome::CHANGED);
    }
    set_with_options(shard, call, reply)
}

fn set_with_options(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let options = Options::parse(call.args)?;
    let now = shard.now_ms();
    let mut meta = Meta::default();
    if let Some(at) = options.expiry.unix_ms(now, "set")? {
        meta.expire_at_ms = at;
    }
    if options.get {
        write_string(shard, call, reply)?;
    }
    if options.when != When::Always || options.keep_ttl {
        let old = shard.store.peek(&call.key, now).map(|item| item.expire_at_ms());
        if (options.when == When::Missing && old.is_some())
            || (options.when == When::Present && old.is_none())
        {
            if !options.get {
                reply.null();
            }
            return Ok(Outcome::READ);
        }
        if options.keep_ttl {
            meta.expire_at_ms = old.unwrap_or(0);
        }
    }
    if !options.get {
        reply.ok();
    }
    let told = if options.keep_ttl { Meta::default() } else { meta };
    replace(shard, call, &call.args[2], &meta, told.expire_at_ms != 0)
}

/// Stores a value whole. One that would be dead at once only removes what is there. Tells so, and that it dies if
/// `expires`.
fn replace(
    shard: &mut Shard,
    call: &Call<'_>,
    value: &[u8],
    meta: &Meta,
    expires: bool,
) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let dead = meta.expire_at_ms != 0 && meta.expire_at_ms <= now;
    let changed = if dead {
        shard.store.remove(&call.key, now)
    } else {
        shard.put(&call.key, value, meta)?;
        true
    };
    shard.tell(events::STRING, "set", &call.key);
    if expires {
        shard.tell(events::GENERIC, "expire", &call.key);
    }
    if dead {
        shard.tell(events::EXPIRED, "expired", &call.key);
    }
    Ok(Outcome::changed_if(changed))
}

fn setnx(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    if shard.store.peek(&call.key, now).is_some() {
        reply.int(0);
        return Ok(Outcome::READ);
    }
    shard.put(&call.key, &call.args[2], &Meta::default())?;
    shard.tell(events::STRING, "set", &call.key);
    reply.int(1);
    Ok(Outcome::CHANGED)
}

fn setex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    set_for(shard, call, Form::Seconds, "setex", reply)
}

fn psetex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    set_for(shard, call, Form::Millis, "psetex", reply)
}

fn set_for(
    shard: &mut Shard,
    call: &Call<'_>,
    form: Form,
    name: &'static str,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let expire_at_ms = form.unix_ms(&call.args[2], shard.now_ms(), name)?;
    reply.ok();
    replace(shard, call, &call.args[3], &Meta { expire_at_ms, ..Meta::default() }, true)
}

fn getset(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    write_string(shard, call, reply)?;
    replace(shard, call, &call.args[2], &Meta::default(), false)
}

fn mset_part(shard: &mut Shard, call: &Call<'_>, _: &mut Reply<'_>) -> Result<Outcome, Fault> {
    replace(shard, call, &call.args[2], &Meta::default(), false)
}
