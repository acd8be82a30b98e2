//! memcached's commands as packets ask for them: the same verbs of the shard as the text commands use, other
//! arguments and other replies.
//!
//! The parser has judged every packet, so handlers index freely: the arguments are header, key, extras, value, always
//! four. Whatever is answered names the request, and is therefore written by the handler itself, errors and silence
//! included: no handler here returns a `Fault`. Replies that quiet commands owe are written, others are not.

pub mod arithmetic;
pub mod removal;
pub mod retrieval;
pub mod sasl;
pub mod session;
pub mod stat;
pub mod storage;

use crate::command::table::TABLE;
use crate::command::{Command, Fault, Handler, Keys, Outcome, ShardFn};
use crate::protocol::binary::{Header, Op, Status};
use crate::protocol::memcache::fields;
use crate::protocol::{Args, Reply};
use slabs::Refused;
use std::sync::LazyLock;

/// Header, key, extras, value.
const ARGUMENTS: i16 = 4;

/// The row of each command of the protocol.
const ROW_NAMES: [(Op, &str); 19] = [
    (Op::Get, "mcb:get"),
    (Op::Set, "mcb:set"),
    (Op::Add, "mcb:add"),
    (Op::Replace, "mcb:replace"),
    (Op::Delete, "mcb:delete"),
    (Op::Increment, "mcb:increment"),
    (Op::Decrement, "mcb:decrement"),
    (Op::Quit, "mcb:quit"),
    (Op::Flush, "mcb:flush"),
    (Op::Noop, "mcb:noop"),
    (Op::Version, "mcb:version"),
    (Op::Append, "mcb:append"),
    (Op::Prepend, "mcb:prepend"),
    (Op::Stat, "mcb:stat"),
    (Op::Touch, "mcb:touch"),
    (Op::GetAndTouch, "mcb:gat"),
    (Op::SaslList, "mcb:sasl_list"),
    (Op::SaslAuth, "mcb:sasl_auth"),
    (Op::SaslStep, "mcb:sasl_step"),
];

/// Rows by command; the parser keeps `Unknown` back.
static ROWS_BY_OP: LazyLock<[u16; ROW_NAMES.len()]> = LazyLock::new(|| {
    let mut rows = [0; ROW_NAMES.len()];
    for (op, name) in ROW_NAMES {
        rows[op as usize] = row_of(name);
    }
    rows
});

static TOO_LARGE_ROW: LazyLock<u16> = LazyLock::new(|| row_of("mcb:too_large"));

fn row_of(name: &str) -> u16 {
    TABLE.by_name(name.as_bytes()).expect("every command of the protocol has a row")
}

/// The row that serves a command.
///
/// # Panics
///
/// For [`Op::Unknown`], which the parser refuses.
#[inline]
pub fn row(op: Op) -> u16 {
    ROWS_BY_OP[op as usize]
}

/// The row for a storage command whose value is longer than allowed, given its packet without the value.
pub fn too_large_row() -> u16 {
    *TOO_LARGE_ROW
}

/// A row of this family: all have the arguments of a packet.
const fn packet_row(
    name: &'static str,
    flags: u32,
    keys: Keys,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command {
        name,
        arity: ARGUMENTS,
        flags,
        keys,
        group: "memcache",
        since: "1.0.0",
        summary,
        complexity: "O(1)",
        handler,
        subs: &[],
    }
}

/// A row for a command on one key.
const fn key_row(name: &'static str, flags: u32, summary: &'static str, run: ShardFn) -> Command {
    packet_row(name, flags, Keys::FIRST, summary, Handler::Shard(run))
}

/// The header of a request.
#[inline]
fn header(args: Args<'_>) -> Header {
    Header::read(&args[0]).expect("a packet begins with its header")
}

/// The big-endian number of 32 bits at an offset of the extras.
#[inline]
fn extra_u32(args: Args<'_>, at: usize) -> u32 {
    let bytes = &args[2][at..at + 4];
    u32::from_be_bytes(bytes.try_into().expect("four bytes are four bytes"))
}

/// The big-endian number of 64 bits at an offset of the extras.
#[inline]
fn extra_u64(args: Args<'_>, at: usize) -> u64 {
    let bytes = &args[2][at..at + 8];
    u64::from_be_bytes(bytes.try_into().expect("eight bytes are eight bytes"))
}

/// The moment that a packet's time means, in Unix milliseconds; 0 is never. It may have passed.
#[inline]
fn deadline_ms(exptime: u32, now_ms: u64) -> u64 {
    fields::expires_at_ms(i64::from(exptime), now_ms).unwrap_or(0)
}

/// Answers that something was changed, unless nobody wants to know.
#[inline]
fn done(reply: &mut Reply<'_>, to: &Header, cas: u64, value: &[u8]) -> Result<Outcome, Fault> {
    if !to.meaning().quiet {
        reply.packet(to, cas, b"", b"", value);
    }
    Ok(Outcome::CHANGED)
}

/// Answers that nothing was.
fn refused(reply: &mut Reply<'_>, to: &Header, status: Status) -> Result<Outcome, Fault> {
    reply.packet_error(to, status);
    Ok(Outcome::READ)
}

/// The status where the store refuses a value.
fn refusal(refused: Refused) -> Status {
    match refused {
        Refused::NoMemory => Status::NoMemory,
        Refused::ValueTooLarge => Status::TooLarge,
        Refused::KeyTooLong => Status::Invalid,
    }
}

#[cfg(test)]
mod tests;
