//! What the families of collections have in common: replying elements, drawing some by chance, and scanning.
//!
//! It reads views and writes replies; it refuses to change anything.

use super::keys::cursor::Cursor;
use super::{Call, Fault, Outcome};
use crate::data::entries::Entry;
use crate::data::packed::Element;
use crate::data::table::{Spot, Table, below};
use crate::limits::{RANDOM_BYTES_MAX, RANDOM_ELEMENTS_MAX};
use crate::protocol::{Args, Reply};
use crate::shard::random::Random;
use crate::shard::{Kind, Shard, View};
use crate::text::{Digits, glob_matches, parse_i64};
use std::collections::HashSet;

/// An element as a bulk string.
#[inline]
pub fn put(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Int(number) => reply.bulk_int(number),
        element => reply.bulk(element.text(&mut Digits::default())),
    }
}

/// A member as a reply of its own.
fn put_entry(reply: &mut Reply<'_>, entry: &Entry<'_>, with_values: bool) {
    put(reply, entry.field);
    if let Some(value) = entry.value.filter(|_| with_values) {
        put(reply, value);
    }
}

/// What `LMPOP` and `ZMPOP` ask for behind their name: how many keys, from which end, and how many elements.
pub fn counted_pop<E>(
    args: Args<'_>,
    end: impl Fn(&[u8]) -> Result<E, Fault>,
) -> Result<(usize, E, usize), Fault> {
    let positive = |text: &[u8], fault: &'static str| {
        let number = parse_i64(text).filter(|number| *number > 0);
        number.and_then(|number| usize::try_from(number).ok()).ok_or(Fault::text(fault))
    };
    let keys = positive(&args[1], "ERR numkeys should be greater than 0")?;
    let end = end(keys.checked_add(2).and_then(|at| args.get(at)).ok_or(Fault::Syntax)?)?;
    let options = args.from(keys + 3);
    let count = match options.get(0) {
        None => 1,
        Some(option) if option.eq_ignore_ascii_case(b"count") && options.len() > 1 => {
            positive(&options[1], "ERR count should be greater than 0")?
        }
        Some(_) => return Err(Fault::Syntax),
    };
    if options.len() > 2 { Err(Fault::Syntax) } else { Ok((keys, end, count)) }
}

/// How many elements to draw, as `SRANDMEMBER` and its kin take it: distinct ones, or, where it is negative, each for
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// So many different ones, or all.
    Distinct(u64),
    /// So many, each as likely as any other.
    Any(u64),
}

impl Draws {
    /// Reads a count.
    pub fn parse(text: &[u8]) -> Result<Draws, Fault> {
        let count = parse_i64(text).ok_or(Fault::NotInteger)?;
        match count {
            0.. => Ok(Draws::Distinct(count as u64)),
            i64::MIN => Err(Fault::text(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            )),
            _ => Ok(Draws::Any(count.unsigned_abs())),
        }
    }

    /// None at all.
    pub fn is_zero(self) -> bool {
        self == Draws::Distinct(0)
    }
}

/// One live element by chance; `None` if there is none.
pub fn draw_one<'a>(view: &View<'a>, random: &mut Random, now_ms: u64) -> Option<Entry<'a>> {
    if let View::Table(table) = *view {
        return Some(table.at(table.pick(&mut || random.draw(), now_ms)?));
    }
    let count = view.len(now_ms);
    let (mut left, mut found) = (if count == 0 { return None } else { below(random.draw(), count) }, None);
    view.all(now_ms, |entry| {
        found = Some(entry);
        left = left.wrapping_sub(1);
        left != usize::MAX
    });
    found
}

/// Replies elements drawn by chance as an array; with values flat in RESP2 and as pairs in RESP3.
pub fn reply_drawn(
    view: &View<'_>,
    random: &mut Random,
    draws: Draws,
    with_values: bool,
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<(), Fault> {
    let pairs = with_values && reply.proto() == crate::protocol::Proto::Resp3;
    let header = |reply: &mut Reply<'_>, count: usize| {
        reply.array(if with_values && !pairs { 2 * count } else { count });
    };
    let put = |reply: &mut Reply<'_>, entry: &Entry<'_>| {
        if pairs {
            reply.array(2);
        }
        put_entry(reply, entry, with_values);
    };
    let live = view.live_count(now_ms);
    match draws {
        _ if live == 0 => reply.array(0),
        Draws::Any(count) => {
            if count > RANDOM_ELEMENTS_MAX {
                return Err(Fault::text("ERR value is out of range"));
            }
            header(reply, count as usize);
            let start = reply.len();
            let small = small_entries(view, now_ms);
            for _ in 0..count {
                let entry = match (*view, &small) {
                    (View::Table(table), _) => {
                        table.pick(&mut || random.draw(), now_ms).map(|spot| table.at(spot))
                    }
                    (_, small) => small.get(below(random.draw(), small.len())).copied(),
                };
                put(reply, &entry.ok_or(Fault::text("ERR no such element"))?);
                if reply.len() - start > RANDOM_BYTES_MAX {
                    return Err(Fault::text("ERR the reply would be too long"));
                }
            }
        }
        Draws::Distinct(count) => {
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(live);
            header(reply, count);
            match *view {
                // Few of many: draw until they are different ones.
                View::Table(table) if count < live / 4 => {
                    for spot in distinct_spots(table, random, count, now_ms) {
                        put(reply, &table.at(spot));
                    }
                }
                // Each element in turn is chosen with the chance that leaves the rest as likely.
                _ => {
                    let (mut wanted, mut left) = (count, live);
                    view.all(now_ms, |entry| {
                        if below(random.draw(), left) < wanted {
                            put(reply, &entry);
                            wanted -= 1;
                        }
                        left -= 1;
                        wanted > 0
                    });
                }
            }
        }
    }
    Ok(())
}

/// The live entries of a small collection; none of a grown one.
fn small_entries<'a>(view: &View<'a>, now_ms: u64) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    if !matches!(view, View::Table(_)) {
        view.each(now_ms, |entry| entries.push(entry));
    }
    entries
}

fn distinct_spots(table: &Table, random: &mut Random, count: usize, now_ms: u64) -> Vec<Spot> {
    let (mut seen, mut spots) = (HashSet::with_capacity(count), Vec::with_capacity(count));
    while spots.len() < count
        && let Some(spot) = table.pick(&mut || random.draw(), now_ms)
    {
        if seen.insert(spot) {
            spots.push(spot);
        }
    }
    spots
}

/// What a scan of a collection was asked for besides the cursor.
pub struct Filter<'a> {
    /// What elements must match.
    pub pattern: Option<&'a [u8]>,
    /// Elements to find before answering, at least 1.
    pub count: usize,
    /// What belongs to an element is answered behind it.
    pub with_values: bool,
}

impl<'a> Filter<'a> {
    /// Reads the options. `without` is the name of the one that leaves values out, where there are such.
    pub fn parse(options: Args<'a>, without: Option<&[u8]>) -> Result<Filter<'a>, Fault> {
        let mut filter = Filter { pattern: None, count: 10, with_values: without.is_some() };
        let mut at = 0;
        while let Some(option) = options.get(at) {
            if without.is_some_and(|name| option.eq_ignore_ascii_case(name)) {
                filter.with_values = false;
                at += 1;
                continue;
            }
            let value = options.get(at + 1).ok_or(Fault::Syntax)?;
            if option.eq_ignore_ascii_case(b"count") {
                let count = parse_i64(value).ok_or(Fault::NotInteger)?;
                filter.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(Fault::Syntax)?;
            } else if option.eq_ignore_ascii_case(b"match") {
                filter.pattern = Some(value).filter(|pattern| *pattern != b"*");
            } else {
                return Err(Fault::Syntax);
            }
            at += 2;
        }
        Ok(filter)
    }
}

/// `HSCAN` and `SSCAN`: a small collection is answered whole, whatever the cursor says; a grown one by buckets, with
/// the guarantee of [`Table::scan`].
pub fn scan(shard: &mut Shard, call: &Call<'_>, kind: Kind, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut cursor = Cursor::parse(&call.args[2])?.number();
    let (now, proto) = (shard.now_ms(), reply.proto());
    let (mut elements, mut found) = (Vec::new(), 0);
    match shard.read_collection(&call.key, kind, call.touch)? {
        None => cursor = 0,
        Some(view) => {
            let filter = Filter::parse(call.args.from(3), (kind == Kind::Hash).then_some(b"novalues"))?;
            let mut composed = Reply::new(&mut elements, proto);
            let mut digits = Digits::default();
            let mut visit = |entry: Entry<'_>| {
                let matches = |pattern: &&[u8]| glob_matches(pattern, entry.field.text(&mut digits));
                if entry.is_live(now) && filter.pattern.as_ref().is_none_or(matches) {
                    put_entry(&mut composed, &entry, filter.with_values);
                    found += 1 + usize::from(filter.with_values);
                }
                found
            };
            if let View::Table(table) = view {
                let (mut seen, mut steps) = (0, 0);
                while seen < filter.count && steps < filter.count.saturating_mul(10) {
                    cursor = table.scan(cursor, &mut |entry| seen = visit(entry));
                    steps += 1;
                    if cursor == 0 {
                        break;
                    }
                }
            } else {
                view.each(now, |entry| {
                    visit(entry);
                });
                cursor = 0;
            }
        }
    }
    let mut digits = Digits::default();
    reply.array(2);
    reply.bulk(crate::text::format_u64(cursor, &mut digits));
    reply.array(found);
    reply.raw(&elements);
    Ok(Outcome::READ)
}
