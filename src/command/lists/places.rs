//! Places in a list: elements by index and by value, ranges, and changes in the middle.

use super::{absolute, row, within};
use crate::command::collections::put;
use crate::command::{Call, Command, Fault, Outcome, flag};
use crate::data::list::End;
use crate::data::packed::Packed;
use crate::protocol::{Args, Reply};
use crate::shard::{Shard, events};
use crate::text::parse_i64;

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("lrange", 4, flag::READONLY, "1.0.0", "Returns a range of a list's elements.",
        "O(S+N) for N elements that are S away from the nearer end", lrange),
    row("lindex", 3, flag::READONLY, "1.0.0", "Returns the element of an index of a list.",
        "O(N) for an index that is N away from the nearer end", lindex),
    row("lset", 4, flag::WRITE | flag::DENYOOM, "1.0.0", "Sets the element of an index of a list.",
        "O(N) for an index that is N away from the nearer end", lset),
    row("lrem", 4, flag::WRITE, "1.0.0", "Removes elements of a list that equal one.", "O(N) for N elements", lrem),
    row("ltrim", 4, flag::WRITE, "1.0.0", "Removes the elements of a list that are outside a range.",
        "O(N) for N elements that go", ltrim),
    row("linsert", 5, flag::WRITE | flag::DENYOOM, "2.2.0", "Inserts an element before or after another of a list.",
        "O(N) for N elements before the other", linsert),
    row("lpos", -3, flag::READONLY, "6.0.6", "Returns the indexes of elements of a list that equal one.",
        "O(N) for N elements", lpos),
];

/// Start and stop, which are arguments 2 and 3.
fn ends(args: Args<'_>) -> Result<(i64, i64), Fault> {
    let number = |at: usize| parse_i64(&args[at]).ok_or(Fault::NotInteger);
    Ok((number(2)?, number(3)?))
}

fn lrange(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let (start, stop) = ends(call.args)?;
    let list = shard.read_list(&call.key, call.touch)?;
    let found = list.and_then(|list| Some((list, within(start, stop, list.len())?)));
    let Some((list, (start, count))) = found else {
        reply.array(0);
        return Ok(Outcome::READ);
    };
    reply.array(count);
    list.range(start, count, false, |element| put(reply, element));
    Ok(Outcome::READ)
}

fn lindex(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let Some(list) = shard.read_list(&call.key, call.touch)? else {
        reply.null();
        return Ok(Outcome::READ);
    };
    let index = parse_i64(&call.args[2]).ok_or(Fault::NotInteger)?;
    let index = usize::try_from(absolute(index, list.len())).ok();
    match index.and_then(|index| list.get(index)) {
        Some(element) => put(reply, element),
        None => reply.null(),
    }
    Ok(Outcome::READ)
}

fn lset(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let list = shard.find_list(&call.key, call.touch)?.ok_or(Fault::NoSuchKey)?;
    let index = parse_i64(&call.args[2]).ok_or(Fault::NotInteger)?;
    let index = usize::try_from(absolute(index, list.len())).ok().filter(|index| *index < list.len());
    let index = index.ok_or(Fault::text("ERR index out of range"))?;
    shard.list_set(&call.key, index, &call.args[3])?;
    shard.tell(events::LIST, "lset", &call.key);
    reply.ok();
    Ok(Outcome::CHANGED)
}

fn lrem(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let count = parse_i64(&call.args[2]).ok_or(Fault::NotInteger)?;
    shard.find_list(&call.key, call.touch)?;
    let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let from = if count < 0 { End::Back } else { End::Front };
    let removed = shard.list_remove(&call.key, &call.args[3], most, from)?;
    if removed > 0 {
        shard.tell(events::LIST, "lrem", &call.key);
        shard.tell_if_gone(&call.key);
    }
    reply.int(removed as i64);
    Ok(Outcome::changed_if(removed > 0))
}

fn ltrim(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let (start, stop) = ends(call.args)?;
    let list = shard.find_list(&call.key, call.touch)?;
    let Some(len) = list.map(|list| list.len()) else {
        reply.ok();
        return Ok(Outcome::READ);
    };
    let (start, kept) = within(start, stop, len).unwrap_or((len, 0));
    let (front, back) = (start, len - start - kept);
    if front + back > 0 {
        shard.list_drop(&call.key, front, back)?;
    }
    shard.tell(events::LIST, "ltrim", &call.key);
    shard.tell_if_gone(&call.key);
    reply.ok();
    Ok(Outcome::CHANGED)
}

fn linsert(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let after = match &call.args[2] {
        text if text.eq_ignore_ascii_case(b"after") => true,
        text if text.eq_ignore_ascii_case(b"before") => false,
        _ => return Err(Fault::Syntax),
    };
    let Some(list) = shard.find_list(&call.key, call.touch)? else {
        reply.int(0);
        return Ok(Outcome::READ);
    };
    let (pivot, len) = (Packed::new(&call.args[3]), list.len());
    let (mut index, mut found) = (0, false);
    list.walk(0, false, |bytes| {
        found = pivot.is_at(bytes);
        index += usize::from(!found);
        !found
    });
    if !found {
        reply.int(-1);
        return Ok(Outcome::READ);
    }
    shard.list_insert(&call.key, index + usize::from(after), &call.args[4])?;
    shard.tell(events::LIST, "linsert", &call.key);
    reply.int(len as i64 + 1);
    Ok(Outcome::CHANGED)
}

/// What `LPOS` was asked for besides the element.
struct Search {
    /// Matches to be passed over.
    skip: u64,
    /// From the right end.
    back: bool,
    /// Matches to be answered, as an array; 0: all. `None`: one, by itself.
    count: Option<u64>,
    /// Elements to look at.
    most: u64,
}

impl Search {
    fn parse(options: Args<'_>) -> Result<Search, Fault> {
        let mut search = Search { skip: 0, back: false, count: None, most: u64::MAX };
        let not_negative = |value: &[u8], fault: &'static str| {
            parse_i64(value).and_then(|number| u64::try_from(number).ok()).ok_or(Fault::text(fault))
        };
        let mut at = 0;
        while let Some(option) = options.get(at) {
            let value = options.get(at + 1).ok_or(Fault::Syntax)?;
            if option.eq_ignore_ascii_case(b"rank") {
                let rank = match parse_i64(value).ok_or(Fault::NotInteger)? {
                    0 => {
                        return Err(Fault::text(
                            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                             or use negative to start from the end of the list",
                        ));
                    }
                    // Redis 7.0 takes it for a positive one by overflow; later ones say this.
                    i64::MIN => {
                        return Err(Fault::text(
                            "ERR value is out of range, value must between -9223372036854775807 and \
                             9223372036854775807",
                        ));
                    }
                    rank => rank,
                };
                (search.skip, search.back) = (rank.unsigned_abs() - 1, rank < 0);
            } else if option.eq_ignore_ascii_case(b"count") {
                search.count = Some(not_negative(value, "ERR COUNT can't be negative")?);
            } else if option.eq_ignore_ascii_case(b"maxlen") {
                let most = not_negative(value, "ERR MAXLEN can't be negative")?;
                search.most = if most == 0 { u64::MAX } else { most };
            } else {
                return Err(Fault::Syntax);
            }
            at += 2;
        }
        Ok(search)
    }
}

fn lpos(shard: &mut Shard, call: &Call<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let search = Search::parse(call.args.from(3))?;
    let element = Packed::new(&call.args[2]);
    let mut found = Vec::new();
    if let Some(list) = shard.read_list(&call.key, call.touch)? {
        let wanted = match search.count {
            None => 1,
            Some(0) => u64::MAX,
            Some(count) => count,
        };
        let (mut looked, mut skip) = (0, search.skip);
        let last = list.len() - 1;
        list.walk(if search.back { last } else { 0 }, search.back, |bytes| {
            if element.is_at(bytes) {
                if skip > 0 {
                    skip -= 1;
                } else {
                    let index = if search.back { last as u64 - looked } else { looked };
                    found.push(index as i64);
                }
            }
            looked += 1;
            looked < search.most && (found.len() as u64) < wanted
        });
    }
    match (search.count, found.first()) {
        (Some(_), _) => {
            reply.array(found.len());
            found.iter().for_each(|index| reply.int(*index));
        }
        (None, Some(index)) => reply.int(*index),
        (None, None) => reply.null(),
    }
    Ok(Outcome::READ)
}
