//! Ranges of bits: `BITCOUNT`, `BITPOS`.

use super::counts_bits;
use crate::command::strings::read;
use crate::command::{Call, Command, Fault, Handler, Keys, Outcome, flag};
use crate::data::bits;
use crate::protocol::Reply;
use crate::shard::Shard;
use crate::text::parse_i64;
use std::ops::RangeInclusive;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    Command {
        name: "bitcount",
        arity: -2,
        flags: flag::READONLY,
        keys: Keys::FIRST,
        group: "bitmap",
        since: "2.6.0",
        summary: "Counts the set bits of a string or of a range of it.",
        complexity: "O(N) for N bytes looked at",
        handler: Handler::Shard(bitcount),
        subs: &[],
    },
    Command {
        name: "bitpos",
        arity: -3,
        flags: flag::READONLY,
        keys: Keys::FIRST,
        group: "bitmap",
        since: "2.8.7",
        summary: "Finds the first set or the first clear bit of a string or of a range of it.",
        complexity: "O(N) for N bytes looked at",
        handler: Handler::Shard(bitpos),
        subs: &[],
    },
];

fn bitcount(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let args = call.args;
    // A missing key holds nothing to count, whatever the other arguments say.
    let Some(item) = read(shard, call)? else {
        reply.int(0);
        return Ok(Outcome::READ);
    };
    let value = item.value();
    let range = match args.len() {
        2 => bit_range(value, 0, -1, false),
        4 | 5 => {
            let start = parse_i64(&args[2]).ok_or(Fault::NotInteger)?;
            let end = parse_i64(&args[3]).ok_or(Fault::NotInteger)?;
            // Such a range is empty before anybody asks for its unit.
            if start < 0 && end < 0 && start > end {
                None
            } else {
                bit_range(value, start, end, counts_bits(args, 4)?)
            }
        }
        _ => return Err(Fault::Syntax),
    };
    reply.int(range.map_or(0, |range| bits::count(value, range)) as i64);
    Ok(Outcome::READ)
}

fn bitpos(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let args = call.args;
    let on = match parse_i64(&args[2]).ok_or(Fault::NotInteger)? {
        0 => false,
        1 => true,
        _ => return Err(Fault::text("ERR The bit argument must be 1 or 0.")),
    };
    let Some(item) = read(shard, call)? else {
        // A missing key is zeros without end.
        reply.int(if on { -1 } else { 0 });
        return Ok(Outcome::READ);
    };
    let value = item.value();
    let (start, end, by_bit) = match args.len() {
        3 => (0, -1, false),
        4..=6 => {
            let start = parse_i64(&args[3]).ok_or(Fault::NotInteger)?;
            let by_bit = counts_bits(args, 5)?;
            let end = args.get(4).map_or(Some(-1), parse_i64).ok_or(Fault::NotInteger)?;
            (start, end, by_bit)
        }
        _ => return Err(Fault::Syntax),
    };
    let open_end = args.len() < 5;
    let place = match bit_range(value, start, end, by_bit) {
        None => -1,
        Some(range) => match bits::find(value, on, range) {
            Some(at) => at as i64,
            // Where no end was given, zeros follow the string.
            None if !on && open_end => value.len() as i64 * 8,
            None => -1,
        },
    };
    reply.int(place);
    Ok(Outcome::READ)
}

/// The bits from offset `start` to offset `end`, both included, of bytes or of bits; negative offsets count from
/// the end. `None` for no bits at all.
fn bit_range(value: &[u8], start: i64, end: i64, by_bit: bool) -> Option<RangeInclusive<u64>> {
    let total = value.len() as i64 * if by_bit { 8 } else { 1 };
    let absolute = |offset: i64| if offset < 0 { offset.saturating_add(total).max(0) } else { offset };
    let (start, end) = (absolute(start), absolute(end).min(total - 1));
    if start > end {
        return None;
    }
    let (start, end) = (start as u64, end as u64);
    Some(if by_bit { start..=end } else { start * 8..=end * 8 + 7 })
}
