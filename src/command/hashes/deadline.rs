//! When fields of a hash die: setting and asking it, and the commands that get or set values at the same time.
//!
//! The commands are those of Redis 7.4 (`HEXPIRE` and its kin) and 8.0 (`HGETEX`, `HSETEX`, `HGETDEL`), and so are the
//! texts of their errors.

use super::row;
use super::set::{check_kind, room_for};
use crate::command::collections::put;
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::protocol::{Args, Reply};
use crate::shard::{Kind, Shard, events};
use crate::text::parse_i64;

const READ: u32 = flag::READONLY | flag::FAST;
const CHANGE: u32 = flag::WRITE | flag::FAST;
const STORE: u32 = flag::WRITE | flag::DENYOOM | flag::FAST;
const COST: &str = "O(N) for N fields";

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("hexpire", -6, STORE, "7.4.0", "Lets fields of a hash die after so many seconds.", COST, hexpire),
    row("hpexpire", -6, STORE, "7.4.0", "Lets fields of a hash die after so many milliseconds.", COST, hpexpire),
    row("hexpireat", -6, STORE, "7.4.0", "Lets fields of a hash die at a Unix time in seconds.", COST, hexpireat),
    row("hpexpireat", -6, STORE, "7.4.0", "Lets fields of a hash die at a Unix time in milliseconds.", COST, hpexpireat),
    row("httl", -5, READ, "7.4.0", "Answers how many seconds fields of a hash have left.", COST, httl),
    row("hpttl", -5, READ, "7.4.0", "Answers how many milliseconds fields of a hash have left.", COST, hpttl),
    row("hexpiretime", -5, READ, "7.4.0", "Answers the Unix time in seconds at which fields of a hash die.", COST, hexpiretime),
    row("hpexpiretime", -5, READ, "7.4.0", "Answers the Unix time in milliseconds at which fields of a hash die.", COST, hpexpiretime),
    row("hpersist", -5, CHANGE, "7.4.0", "Lets fields of a hash live until they are removed.", COST, hpersist),
    row("hgetdel", -5, CHANGE, "8.0.0", "Returns the values of fields of a hash and removes them.", COST, hgetdel),
    row("hgetex", -5, CHANGE, "8.0.0", "Returns the values of fields of a hash and changes when they die.", COST, hgetex),
    row("hsetex", -6, STORE, "8.0.0", "Sets fields of a hash and when they die.", COST, hsetex),
];

/// Replies for one field, as Redis numbers them.
const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;
const CONDITION_NOT_MET: i64 = 0;
const SET: i64 = 1;
const REMOVED: i64 = 2;

/// The latest time that Redis takes: 46 bits of milliseconds (year 4199).
const TIME_MS_MAX: i64 = (1 << 46) - 1;

const FIELDS_MISSING: Fault =
    Fault::text("ERR Mandatory argument FIELDS is missing or not at the right position");
const FIELDS_NOT_POSITIVE: Fault = Fault::text("ERR Number of fields must be a positive integer");
const FIELDS_TOO_FEW: Fault = Fault::text("ERR Parameter `numFields` should be greater than 0");
const FIELDS_MISCOUNTED: Fault =
    Fault::text("ERR The `numfields` parameter must match the number of arguments");

/// A time in units of `unit_ms` from `base_ms` on, as Unix milliseconds. It may have passed.
fn time_ms(text: &[u8], unit_ms: i64, base_ms: u64, command: &'static str) -> Result<u64, Fault> {
    let given = parse_i64(text).ok_or(Fault::NotInteger)?;
    if given < 0 {
        return Err(Fault::text("ERR invalid expire time, must be >= 0"));
    }
    if given > TIME_MS_MAX / unit_ms || given * unit_ms > TIME_MS_MAX - base_ms as i64 {
        return Err(Fault::ExpireTime(command));
    }
    Ok((given * unit_ms) as u64 + base_ms)
}

/// The fields behind `FIELDS n` at `at`.
fn fields(args: Args<'_>, at: usize, not_positive: Fault) -> Result<Args<'_>, Fault> {
    if !args.get(at).is_some_and(|word| word.eq_ignore_ascii_case(b"fields")) {
        return Err(FIELDS_MISSING);
    }
    let count = args.get(at + 1).and_then(parse_i64).filter(|count| *count > 0).ok_or(not_positive)?;
    let fields = args.from(at + 2);
    if fields.len() as i64 == count { Ok(fields) } else { Err(FIELDS_MISCOUNTED) }
}

/// What must be true of a field's present deadline for a new one to be taken. None is the latest of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    /// There is none.
    Nx,
    /// There is one.
    Xx,
    /// The new one is later.
    Gt,
    /// The new one is earlier.
    Lt,
}

impl Condition {
    fn of(word: &[u8]) -> Condition {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        match () {
            () if is(b"nx") => Condition::Nx,
            () if is(b"xx") => Condition::Xx,
            () if is(b"gt") => Condition::Gt,
            () if is(b"lt") => Condition::Lt,
            () => Condition::Always,
        }
    }

    /// `current_ms` is 0 where there is none.
    fn holds(self, current_ms: u64, new_ms: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::Nx => current_ms == 0,
            Condition::Xx => current_ms != 0,
            Condition::Gt => current_ms != 0 && new_ms > current_ms,
            Condition::Lt => current_ms == 0 || new_ms < current_ms,
        }
    }
}

/// The deadline of a field (0: none), `None` if there is no such field.
fn deadline_of(shard: &mut Shard, call: &Call<'_>, field: &[u8]) -> Result<Option<u64>, Fault> {
    let now = shard.now_ms();
    let hash = shard.find_collection(&call.key, Kind::Hash, false)?;
    Ok(hash.and_then(|hash| hash.get(field, now)).map(|entry| entry.deadline_ms))
}

/// Gives a field a deadline; one that has passed removes it.
fn set_deadline(shard: &mut Shard, call: &Call<'_>, field: &[u8], at_ms: u64) -> Result<i64, Fault> {
    if at_ms <= shard.now_ms() {
        shard.hash_remove(&call.key, field)?;
        return Ok(REMOVED);
    }
    shard.hash_set_deadline(&call.key, field, at_ms)?;
    Ok(SET)
}

fn hexpire(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    expire(shard, call, reply, "hexpire", 1000, now)
}

fn hpexpire(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    expire(shard, call, reply, "hpexpire", 1, now)
}

fn hexpireat(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    expire(shard, call, reply, "hexpireat", 1000, 0)
}

fn hpexpireat(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    expire(shard, call, reply, "hpexpireat", 1, 0)
}

fn expire(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    command: &'static str,
    unit_ms: i64,
    base_ms: u64,
) -> Result<Outcome, Fault> {
    check_kind(shard, call)?;
    let at_ms = time_ms(&call.args[2], unit_ms, base_ms, command)?;
    let condition = Condition::of(&call.args[3]);
    let fields = fields(call.args, 3 + usize::from(condition != Condition::Always), FIELDS_TOO_FEW)?;
    shard.make_room(&call.key, fields.len() * 8)?;
    let (mut changed, mut set, mut removed) = (false, false, false);
    reply.array(fields.len());
    for field in fields.iter() {
        let done = match deadline_of(shard, call, field)? {
            None => NO_FIELD,
            Some(current_ms) if !condition.holds(current_ms, at_ms) => CONDITION_NOT_MET,
            Some(_) => set_deadline(shard, call, field, at_ms)?,
        };
        changed |= done >= SET;
        set |= done == SET;
        removed |= done == REMOVED;
        reply.int(done);
    }
    tell_deadlines(shard, call, set, removed);
    Ok(Outcome::changed_if(changed))
}

/// Tells that fields have got deadlines, and that others have gone because theirs had passed.
fn tell_deadlines(shard: &mut Shard, call: &Call<'_>, set: bool, removed: bool) {
    if set {
        shard.tell(events::HASH, "hexpire", &call.key);
    }
    if removed {
        shard.tell(events::HASH, "hdel", &call.key);
        shard.tell_if_gone(&call.key);
    }
}

fn httl(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    tell(shard, call, reply, |deadline_ms, now_ms| (deadline_ms - now_ms).div_ceil(1000))
}

fn hpttl(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    tell(shard, call, reply, |deadline_ms, now_ms| deadline_ms - now_ms)
}

fn hexpiretime(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    tell(shard, call, reply, |deadline_ms, _| deadline_ms.div_ceil(1000))
}

fn hpexpiretime(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    tell(shard, call, reply, |deadline_ms, _| deadline_ms)
}

/// For each field what `of` makes of its deadline and the present.
fn tell(
    shard: &mut Shard,
    call: &Call<'_>,
    reply: &mut Reply<'_>,
    of: fn(u64, u64) -> u64,
) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let hash = shard.read_collection(&call.key, Kind::Hash, call.touch)?;
    let fields = fields(call.args, 2, FIELDS_NOT_POSITIVE)?;
    reply.array(fields.len());
    for field in fields.iter() {
        reply.int(match hash.and_then(|hash| hash.get(field, now)).map(|entry| entry.deadline_ms) {
            None => NO_FIELD,
            Some(0) => NO_DEADLINE,
            Some(deadline_ms) => of(deadline_ms, now) as i64,
        });
    }
    Ok(Outcome::READ)
}

fn hpersist(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    check_kind(shard, call)?;
    let fields = fields(call.args, 2, FIELDS_NOT_POSITIVE)?;
    let mut changed = false;
    reply.array(fields.len());
    for field in fields.iter() {
        let done = persist_field(shard, call, field)?;
        changed |= done == SET;
        reply.int(done);
    }
    if changed {
        shard.tell(events::HASH, "hpersist", &call.key);
    }
    Ok(Outcome::changed_if(changed))
}

/// Takes its deadline from a field.
fn persist_field(shard: &mut Shard, call: &Call<'_>, field: &[u8]) -> Result<i64, Fault> {
    Ok(match deadline_of(shard, call, field)? {
        None => NO_FIELD,
        Some(0) => NO_DEADLINE,
        Some(_) => {
            shard.hash_set_deadline(&call.key, field, 0)?;
            SET
        }
    })
}

/// Replies the value of a field or null. True: there is one.
fn reply_value(
    shard: &mut Shard,
    call: &Call<'_>,
    field: &[u8],
    reply: &mut Reply<'_>,
) -> Result<bool, Fault> {
    let now = shard.now_ms();
    let hash = shard.find_collection(&call.key, Kind::Hash, false)?;
    match hash.and_then(|hash| hash.get(field, now)?.value) {
        Some(value) => put(reply, value),
        None => {
            reply.null();
            return Ok(false);
        }
    }
    Ok(true)
}

fn hgetdel(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    check_kind(shard, call)?;
    let fields = fields(call.args, 2, FIELDS_NOT_POSITIVE)?;
    let mut changed = false;
    reply.array(fields.len());
    for field in fields.iter() {
        if reply_value(shard, call, field, reply)? {
            changed |= shard.hash_remove(&call.key, field)?;
        }
    }
    tell_deadlines(shard, call, false, changed);
    Ok(Outcome::changed_if(changed))
}

/// An option of `HGETEX` and `HSETEX` that says when fields die: its unit, and whether it counts from now.
fn time_option(word: &[u8]) -> Option<(i64, bool)> {
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    match () {
        () if is(b"ex") => Some((1000, true)),
        () if is(b"px") => Some((1, true)),
        () if is(b"exat") => Some((1000, false)),
        () if is(b"pxat") => Some((1, false)),
        () => None,
    }
}

fn hgetex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    check_kind(shard, call)?;
    let (now, args) = (shard.now_ms(), call.args);
    let persist = args[2].eq_ignore_ascii_case(b"persist");
    let at_ms = match time_option(&args[2]) {
        Some((unit_ms, from_now)) => {
            Some(time_ms(&args[3], unit_ms, if from_now { now } else { 0 }, "hgetex")?)
        }
        None => persist.then_some(0),
    };
    let behind = match at_ms {
        None => 2,
        Some(_) if persist => 3,
        Some(_) => 4,
    };
    let fields = fields(args, behind, FIELDS_NOT_POSITIVE)?;
    shard.make_room(&call.key, fields.len() * 8)?;
    let (mut persisted, mut set, mut removed) = (false, false, false);
    reply.array(fields.len());
    for field in fields.iter() {
        if !reply_value(shard, call, field, reply)? {
            continue;
        }
        match at_ms {
            None => {}
            Some(_) if persist => persisted |= persist_field(shard, call, field)? == SET,
            Some(at_ms) => match set_deadline(shard, call, field, at_ms)? {
                REMOVED => removed = true,
                done => set |= done == SET,
            },
        }
    }
    if persisted {
        shard.tell(events::HASH, "hpersist", &call.key);
    }
    tell_deadlines(shard, call, set, removed);
    Ok(Outcome::changed_if(persisted || set || removed))
}

/// What stands before the fields of `HSETEX`.
#[derive(Default)]
struct SetOptions<'a> {
    /// All fields must exist (true), or none of them (false).
    must_exist: Option<bool>,
    /// When they die.
    at_ms: Option<u64>,
    keep: bool,
    pairs: Option<Args<'a>>,
}

impl<'a> SetOptions<'a> {
    fn parse(args: Args<'a>, now_ms: u64) -> Result<SetOptions<'a>, Fault> {
        const MISSING_TIME: Fault = Fault::text("ERR missing expire time");
        const TWO_CONDITIONS: Fault = Fault::text("ERR Only one of FXX or FNX arguments can be specified");
        const TWO_TIMES: Fault =
            Fault::text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
        let mut options = SetOptions::default();
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if is(b"fields") {
                options.pairs = Some(pairs(args, at)?);
                return Ok(options);
            }
            let time = time_option(word);
            if time.is_some() || is(b"keepttl") {
                if options.at_ms.is_some() || options.keep {
                    return Err(TWO_TIMES);
                }
                match time {
                    None => options.keep = true,
                    Some((unit_ms, from_now)) => {
                        at += 1;
                        let text = args.get(at).ok_or(MISSING_TIME)?;
                        let base_ms = if from_now { now_ms } else { 0 };
                        options.at_ms = Some(time_ms(text, unit_ms, base_ms, "hsetex")?);
                    }
                }
            } else if is(b"fxx") || is(b"fnx") {
                if options.must_exist.is_some() {
                    return Err(TWO_CONDITIONS);
                }
                options.must_exist = Some(is(b"fxx"));
            } else {
                return Err(Fault::quoted("ERR unknown argument: ", word, ""));
            }
            at += 1;
        }
        Err(Fault::Arity("hsetex"))
    }
}

/// Fields and values behind `FIELDS n` at `at`.
fn pairs(args: Args<'_>, at: usize) -> Result<Args<'_>, Fault> {
    if at + 3 >= args.len() {
        return Err(Fault::Arity("hsetex"));
    }
    let count = parse_i64(&args[at + 1])
        .filter(|count| (1..=i64::from(i32::MAX)).contains(count))
        .ok_or(Fault::text("ERR invalid number of fields"))?;
    let pairs = args.from(at + 2);
    if pairs.len() as i64 != 2 * count {
        return Err(Fault::Arity("hsetex"));
    }
    Ok(pairs)
}

fn hsetex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let now = shard.now_ms();
    let options = SetOptions::parse(call.args, now)?;
    let pairs = options.pairs.ok_or(Fault::Arity("hsetex"))?;
    let hash = shard.find_collection(&call.key, Kind::Hash, call.touch)?;
    if let Some(must_exist) = options.must_exist {
        let mut names = pairs.iter().step_by(2);
        let fits = names.all(|field| hash.is_some_and(|hash| hash.get(field, now).is_some()) == must_exist);
        if !fits {
            reply.int(0);
            return Ok(Outcome::READ);
        }
    }
    shard.add_all(&call.key, room_for(pairs), |shard| {
        for at in (0..pairs.len()).step_by(2) {
            let (field, value) = (&pairs[at], &pairs[at + 1]);
            match options.at_ms {
                // It is set and dead at once.
                Some(at_ms) if at_ms <= now => {
                    shard.hash_remove(&call.key, field)?;
                }
                Some(at_ms) => {
                    shard.hash_put(&call.key, field, value, Some(at_ms))?;
                }
                None => {
                    shard.hash_put(&call.key, field, value, (!options.keep).then_some(0))?;
                }
            }
        }
        Ok::<(), slabs::Refused>(())
    })?;
    shard.tell(events::HASH, "hset", &call.key);
    let dead = options.at_ms.is_some_and(|at_ms| at_ms <= now);
    tell_deadlines(shard, call, options.at_ms.is_some() && !dead, dead);
    reply.int(1);
    Ok(Outcome::CHANGED)
}
