//! Setting when a key dies: `EXPIRE`, `PEXPIRE`, `EXPIREAT`, `PEXPIREAT`, and `PERSIST`, which says never.

use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::protocol::{Args, Reply};
use crate::shard::{Shard, events};
use crate::text::parse_i64;
use slabs::Change;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "expire",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "1.0.0",
        summary: "Lets a key die after so many seconds.",
        complexity: "O(1)",
        handler: Handler::Shard(expire),
        subs: &[],
    },
    Command {
        name: "pexpire",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "2.6.0",
        summary: "Lets a key die after so many milliseconds.",
        complexity: "O(1)",
        handler: Handler::Shard(pexpire),
        subs: &[],
    },
    Command {
        name: "expireat",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "1.2.0",
        summary: "Lets a key die at a Unix time in seconds.",
        complexity: "O(1)",
        handler: Handler::Shard(expireat),
        subs: &[],
    },
    Command {
        name: "pexpireat",
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "2.6.0",
        summary: "Lets a key die at a Unix time in milliseconds.",
        complexity: "O(1)",
        handler: Handler::Shard(pexpireat),
        subs: &[],
    },
    Command {
        name: "persist",
        arity: 2,
        flags: flag::WRITE | flag::FAST,
        keys: Keys::FIRST,
        group: "generic",
        since: "2.2.0",
        summary: "Takes the expiry off a key, which then lives until it is removed.",
        complexity: "O(1)",
        handler: Handler::Shard(persist),
        subs: &[],
    },
];

fn expire(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms() as i64;
    set_deadline(shard, call, reply, "expire", 1000, now)
}

fn pexpire(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms() as i64;
    set_deadline(shard, call, reply, "pexpire", 1, now)
}

fn expireat(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    set_deadline(shard, call, reply, "expireat", 1000, 0)
}

fn pexpireat(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    set_deadline(shard, call, reply, "pexpireat", 1, 0)
}

/// `args[2]` in units of `unit_ms` after `base_ms` becomes the key's last moment, if the conditions behind it
/// hold. A moment that has passed removes the key.
fn set_deadline(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    command: &'static str,
    unit_ms: i64,
    base_ms: i64,
) -> Result<Outcome, Fault> {
    let conditions = Conditions::parse(call.args.from(3))?;
    let given = parse_i64(&call.args[2]).ok_or(Fault::NotInteger)?;
    let deadline = given.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms));
    let deadline_ms = deadline.ok_or(Fault::ExpireTime(command))?;
    let now = shard.now_ms();
    let Some(current_ms) = shard.store.peek(&call.key, now).map(|item| item.expire_at_ms()) else {
        reply.int(0);
        return Ok(Outcome::READ);
    };
    if !conditions.hold(current_ms, deadline_ms) {
        reply.int(0);
        return Ok(Outcome::READ);
    }
    if deadline_ms <= now as i64 {
        shard.store.remove(&call.key, now);
        shard.tell(events::GENERIC, "del", &call.key);
    } else {
        shard.store.set_expiry(&call.key, deadline_ms as u64, Change::New, now)?;
        shard.tell(events::GENERIC, "expire", &call.key);
    }
    reply.int(1);
    Ok(Outcome::CHANGED)
}

/// What must be true of the present expiry for a new one to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conditions {
    /// There is none.
    nx: bool,
    /// There is one.
    xx: bool,
    /// The new one is later. No expiry is the latest of all.
    gt: bool,
    /// The new one is earlier.
    lt: bool,
}

impl Conditions {
    fn parse(options: Args<'_>) -> Result<Conditions, Fault> {
        let mut found = Conditions::default();
        for option in options.iter() {
            let place = if option.eq_ignore_ascii_case(b"nx") {
                &mut found.nx
            } else if option.eq_ignore_ascii_case(b"xx") {
                &mut found.xx
            } else if option.eq_ignore_ascii_case(b"gt") {
                &mut found.gt
            } else if option.eq_ignore_ascii_case(b"lt") {
                &mut found.lt
            } else {
                return Err(Fault::quoted("ERR Unsupported option ", option, ""));
            };
            *place = true;
        }
        if found.nx && (found.xx || found.gt || found.lt) {
            return Err(Fault::text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if found.gt && found.lt {
            return Err(Fault::text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(found)
    }

    /// `current_ms` is 0 where there is no expiry.
    fn hold(self, current_ms: u64, new_ms: i64) -> bool {
        let volatile = current_ms != 0;
        let current_ms = current_ms as i64;
        !(self.nx && volatile
            || self.xx && !volatile
            || self.gt && (!volatile || new_ms <= current_ms)
            || self.lt && volatile && new_ms >= current_ms)
    }
}

fn persist(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let volatile = shard.store.peek(&call.key, now).is_some_and(|item| item.expire_at_ms() != 0);
    if volatile {
        shard.store.set_expiry(&call.key, 0, Change::New, now)?;
        shard.tell(events::GENERIC, "persist", &call.key);
    }
    reply.int(i64::from(volatile));
    Ok(Outcome::changed_if(volatile))
}
