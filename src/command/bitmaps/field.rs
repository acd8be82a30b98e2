//! `BITFIELD`: integers of any width at any bit of a string.
//!
//! The operations are read twice, once to refuse the command as a whole and to learn how far it writes, once to
//! do them: so nothing has to be kept between.

use super::{BAD_OFFSET, in_longest_string};
use crate::command::strings::{find, grow, read};
use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::data::bitfield::{Overflow, Type};
use crate::protocol::{Args, Reply};
use crate::shard::{Shard, events};
use crate::text::parse_i64;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "bitfield",
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM,
        keys: Keys::FIRST,
        group: "bitmap",
        since: "3.2.0",
        summary: "Reads, sets and increments integers of any width within a string.",
        complexity: "O(1) for each operation",
        handler: Handler::Shard(bitfield),
        subs: &[],
    },
    Command {
        name: "bitfield_ro",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: Keys::FIRST,
        group: "bitmap",
        since: "6.0.0",
        summary: "Reads integers of any width within a string.",
        complexity: "O(1) for each operation",
        handler: Handler::Shard(bitfield_ro),
        subs: &[],
    },
];

/// What is done with one integer.
#[derive(Clone, Copy)]
enum Verb {
    Get,
    Set(i64),
    Add(i64),
}

/// One operation.
#[derive(Clone, Copy)]
struct Operation {
    verb: Verb,
    of: Type,
    at: u64,
    overflow: Overflow,
}

/// What an operation comes to.
struct Done {
    /// What the client is told; null where the integer would overflow and must not.
    answer: Option<i64>,
    /// The integer if it becomes another one.
    new: Option<i64>,
}

impl Operation {
    fn writes(&self) -> bool {
        !matches!(self.verb, Verb::Get)
    }

    /// Reads the integer and works out the rest; changes nothing.
    fn done_on(&self, value: &[u8]) -> Done {
        let old = self.of.read(value, self.at);
        let sum = match self.verb {
            Verb::Get => Ok(old),
            Verb::Set(new) => self.of.sum(new, 0, self.overflow),
            Verb::Add(by) => self.of.sum(old, by, self.overflow),
        };
        match sum {
            Ok(new) | Err(Some(new)) => {
                let answer = if matches!(self.verb, Verb::Add(_)) { new } else { old };
                Done { answer: Some(answer), new: (new != old).then_some(new) }
            }
            Err(None) => Done { answer: None, new: None },
        }
    }
}

impl Done {
    fn tell(&self, reply: &mut Reply<'_>) {
        match self.answer {
            Some(answer) => reply.int(answer),
            None => reply.null(),
        }
    }
}

/// The operations of a command, in order.
struct Operations<'a> {
    args: Args<'a>,
    next: usize,
    overflow: Overflow,
}

impl<'a> Operations<'a> {
    fn of(args: Args<'a>) -> Operations<'a> {
        Operations { args, next: 2, overflow: Overflow::default() }
    }

    fn read(&mut self) -> Result<Option<Operation>, Fault> {
        while let Some(name) = self.args.get(self.next) {
            let at = self.next;
            let behind = self.args.len() - at - 1;
            let is = |other: &[u8], arguments: usize| behind >= arguments && name.eq_ignore_ascii_case(other);
            if is(b"overflow", 1) {
                self.overflow = overflow(&self.args[at + 1])?;
                self.next += 2;
                continue;
            }
            let writes = is(b"set", 3) || is(b"incrby", 3);
            if !writes && !is(b"get", 2) {
                return Err(Fault::Syntax);
            }
            let of = field_type(&self.args[at + 1])?;
            let offset = field_offset(&self.args[at + 2], of)?;
            let number = |at: usize| parse_i64(&self.args[at]).ok_or(Fault::NotInteger);
            let verb = match (writes, is(b"set", 3)) {
                (false, _) => Verb::Get,
                (true, true) => Verb::Set(number(at + 3)?),
                (true, false) => Verb::Add(number(at + 3)?),
            };
            self.next += if writes { 4 } else { 3 };
            return Ok(Some(Operation { verb, of, at: offset, overflow: self.overflow }));
        }
        Ok(None)
    }
}

fn overflow(name: &[u8]) -> Result<Overflow, Fault> {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    if is(b"wrap") {
        Ok(Overflow::Wrap)
    } else if is(b"sat") {
        Ok(Overflow::Sat)
    } else if is(b"fail") {
        Ok(Overflow::Fail)
    } else {
        Err(Fault::text("ERR Invalid OVERFLOW type specified"))
    }
}

fn field_type(text: &[u8]) -> Result<Type, Fault> {
    let (signed, bits) = match text {
        [b'i', bits @ ..] => (true, parse_i64(bits)),
        [b'u', bits @ ..] => (false, parse_i64(bits)),
        _ => (false, None),
    };
    match bits {
        Some(bits @ 1..=63) => Ok(Type { signed, bits: bits as u32 }),
        Some(64) if signed => Ok(Type { signed, bits: 64 }),
        _ => Err(Fault::text(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        )),
    }
}

/// An offset in bits, or with `#` in integers of the type.
fn field_offset(text: &[u8], of: Type) -> Result<u64, Fault> {
    let offset = match text {
        [b'#', nth @ ..] => parse_i64(nth).and_then(|nth| nth.checked_mul(i64::from(of.bits))),
        _ => parse_i64(text),
    };
    offset.and_then(in_longest_string).ok_or(BAD_OFFSET)
}

fn bitfield(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    run(shard, call, true, reply)
}

fn bitfield_ro(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    run(shard, call, false, reply)
}

fn run(shard: &mut Shard, call: &Call<'_>, may_write: bool, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut operations = Operations::of(call.args);
    let mut count = 0;
    let mut written_bits = None;
    while let Some(operation) = operations.read()? {
        count += 1;
        if operation.writes() {
            written_bits = written_bits.max(Some(operation.at + u64::from(operation.of.bits)));
        }
    }
    let Some(written_bits) = written_bits else {
        let value = read(shard, call)?.map_or(&b""[..], |item| item.value());
        reply.array(count);
        tell_while_unchanged(&mut Operations::of(call.args), value, reply)?;
        return Ok(Outcome::READ);
    };
    if !may_write {
        return Err(Fault::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    let bytes = written_bits.div_ceil(8);
    let mut operations = Operations::of(call.args);
    // As long as nothing changes the item is only read, so that it keeps its version and no transaction that
    // watches it is undone.
    let mut changing = None;
    reply.array(count);
    if let Some(item) = find(shard, call)?
        && item.value().len() as u64 >= bytes
    {
        changing = tell_while_unchanged(&mut operations, item.value(), reply)?;
        if changing.is_none() {
            return Ok(Outcome::READ);
        }
    }
    // The string grows even if every write is refused for its overflow.
    let (value, mut changed) = grow(shard, call, bytes)?;
    while let Some(operation) = changing.take().map_or_else(|| operations.read(), |first| Ok(Some(first)))? {
        let done = operation.done_on(value);
        if let Some(new) = done.new {
            operation.of.write(value, operation.at, new);
            changed = true;
        }
        done.tell(reply);
    }
    if changed {
        shard.tell(events::STRING, "setbit", &call.key);
    }
    Ok(Outcome::changed_if(changed))
}

/// Answers operations up to the first that changes something, which is returned undone.
fn tell_while_unchanged(
    operations: &mut Operations<'_>,
    value: &[u8],
    reply: &mut Reply<'_>,
) -> Result<Option<Operation>, Fault> {
    while let Some(operation) = operations.read()? {
        let done = operation.done_on(value);
        if done.new.is_some() {
            return Ok(Some(operation));
        }
        done.tell(reply);
    }
    Ok(None)
}
