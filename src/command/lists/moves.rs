//! Elements that go from one list to another, or come from the first of several that has some. The lists may lie on
//! several shards, so these commands hop.

use super::parse_end;
use crate::command::collections::{counted_pop, put};
use crate::command::{Command, DecideFn, Fault, Gathered, Handler, Hops, KeyRef, Keys, Write, flag};
use crate::data::list::End;
use crate::protocol::{Args, Reply};
use crate::shard::collections::list::ListView;
use crate::shard::{Key, Shard, events};
use crate::text::Digits;

type KeysFn = fn(Args<'_>, u8, u8, &mut Vec<KeyRef>) -> Result<(), Fault>;

const MOVE: u32 = flag::WRITE | flag::DENYOOM;

/// The commands of this file.
#[rustfmt::skip]
pub static ROWS: &[Command] = &[
    row("lmove", 5, MOVE, "6.2.0", "Moves an element from an end of a list to an end of another, and returns it.", "O(1)", move_keys, lmove),
    row("rpoplpush", 3, MOVE, "1.2.0", "Moves the rightmost element of a list to the left end of another, and returns it.", "O(1)", two_keys, rpoplpush),
    Command {
        keys: Keys::NONE,
        ..row("lmpop", -4, flag::WRITE | flag::MOVABLEKEYS, "7.0.0", "Removes elements of the first of several lists that has some, and returns them.",
            "O(N+M) for N keys and M elements", counted_keys, lmpop)
    },
];

#[allow(clippy::too_many_arguments)]
const fn row(
    name: &'static str,
    arity: i16,
    flags: u32,
    since: &'static str,
    summary: &'static str,
    complexity: &'static str,
    keys: KeysFn,
    decide: DecideFn,
) -> Command {
    Command {
        name,
        arity,
        flags,
        keys: Keys::TWO,
        group: "list",
        since,
        summary,
        complexity,
        handler: Handler::Hops(Hops { keys, decide }),
        subs: &[],
    }
}

// -- which keys

/// The value of the destination is not needed: what is added goes to its end.
pub(super) fn two_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    keys.push(KeyRef { arg: 1, db, value: true });
    if args[1] != args[2] {
        keys.push(KeyRef { arg: 2, db, value: false });
    }
    Ok(())
}

fn move_keys(args: Args<'_>, db: u8, databases: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    parse_end(&args[3])?;
    parse_end(&args[4])?;
    two_keys(args, db, databases, keys)
}

/// How many keys `LMPOP` has, from which end it pops, and how many elements.
pub(super) fn counted(args: Args<'_>) -> Result<(usize, End, usize), Fault> {
    counted_pop(args, parse_end)
}

fn counted_keys(args: Args<'_>, db: u8, _: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let (count, ..) = counted(args)?;
    keys.extend((2..2 + count).map(|arg| KeyRef { arg, db, value: true }));
    Ok(())
}

// -- what is done

fn lmove(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    go(found, parse_end(&args[3])?, parse_end(&args[4])?, reply)
}

fn rpoplpush(
    _: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    go(found, End::Back, End::Front, reply)
}

/// Moves an element; replies it, or null.
pub(super) fn go(
    found: &[Option<Gathered>],
    from: End,
    to: End,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let Some(source) = &found[0] else {
        reply.null();
        return Ok(Vec::new());
    };
    let element = source.list()?.at_end(from).expect("a list has elements");
    if let Some(Some(destination)) = found.get(1) {
        destination.is_list()?;
    }
    put(reply, element);
    let mut digits = Digits::default();
    let with = element.text(&mut digits).to_vec();
    let pushed = if to == End::Front { "lpush" } else { "rpush" };
    let popped = if from == End::Front { "lpop" } else { "rpop" };
    if found.len() == 1 {
        let turn = match (from, to) {
            (End::Front, End::Front) => front_to_front,
            (End::Front, End::Back) => front_to_back,
            (End::Back, End::Front) => back_to_front,
            (End::Back, End::Back) => back_to_back,
        };
        let turn = Write::Edit { key: 0, edit: turn, with, removes: false };
        return Ok(vec![turn, tell(0, pushed), tell(0, popped)]);
    }
    let emptied = source.list()?.len() == 1;
    let edit = if to == End::Front { push_front } else { push_back };
    let push = Write::Edit { key: 1, edit, with, removes: false };
    let mut writes = vec![push, pop(0, from, 1), tell(1, pushed), tell(0, popped)];
    writes.extend(emptied.then(|| gone(0)));
    Ok(writes)
}

fn lmpop(
    args: Args<'_>,
    found: &[Option<Gathered>],
    _: u64,
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    pop_counted(args, found, reply)
}

/// `LMPOP`, from its number of keys on.
pub(super) fn pop_counted(
    args: Args<'_>,
    found: &[Option<Gathered>],
    reply: &mut Reply<'_>,
) -> Result<Vec<Write>, Fault> {
    let (_, end, count) = counted(args)?;
    let Some((key, list)) = first_list(found)? else {
        reply.null_array();
        return Ok(Vec::new());
    };
    let count = count.min(list.len());
    reply.array(2);
    reply.bulk(&args[2 + key]);
    reply.array(count);
    list.take(end, count, |element| put(reply, element));
    Ok(popped(key, &list, end, count))
}

/// Takes so many elements off an end of a list, and tells so.
pub(super) fn popped(key: usize, list: &ListView<'_>, end: End, count: usize) -> Vec<Write> {
    let name = if end == End::Front { "lpop" } else { "rpop" };
    let mut writes = vec![pop(key, end, count), tell(key, name)];
    writes.extend((count == list.len()).then(|| gone(key)));
    writes
}

fn tell(key: usize, name: &'static str) -> Write {
    Write::Tell { key, class: events::LIST, name }
}

/// Tells that a list is gone with its last element.
fn gone(key: usize) -> Write {
    Write::Tell { key, class: events::GENERIC, name: "del" }
}

/// The first key that there is, and its list.
pub(super) fn first_list(found: &[Option<Gathered>]) -> Result<Option<(usize, ListView<'_>)>, Fault> {
    let first = found.iter().enumerate().find_map(|(key, item)| Some((key, item.as_ref()?)));
    first.map(|(key, item)| Ok((key, item.list()?))).transpose()
}

/// Takes so many elements off an end.
fn pop(key: usize, end: End, count: usize) -> Write {
    let edit = if end == End::Front { pop_front } else { pop_back };
    Write::Edit { key, edit, with: count.to_ne_bytes().to_vec(), removes: true }
}

fn count_of(with: &[u8]) -> usize {
    usize::from_ne_bytes(*with.first_chunk().expect("a count"))
}

fn pop_front(shard: &mut Shard, key: &Key<'_>, with: &[u8]) -> Result<(), Fault> {
    Ok(shard.list_drop(key, count_of(with), 0)?)
}

fn pop_back(shard: &mut Shard, key: &Key<'_>, with: &[u8]) -> Result<(), Fault> {
    Ok(shard.list_drop(key, 0, count_of(with))?)
}

fn push_front(shard: &mut Shard, key: &Key<'_>, element: &[u8]) -> Result<(), Fault> {
    shard.list_push(key, End::Front, std::iter::once(element))?;
    Ok(())
}

fn push_back(shard: &mut Shard, key: &Key<'_>, element: &[u8]) -> Result<(), Fault> {
    shard.list_push(key, End::Back, std::iter::once(element))?;
    Ok(())
}

/// The element at an end stays in its place: the list is written all the same, as Redis does.
fn front_to_front(shard: &mut Shard, key: &Key<'_>, element: &[u8]) -> Result<(), Fault> {
    Ok(shard.list_set(key, 0, element)?)
}

/// See `front_to_front`.
fn back_to_back(shard: &mut Shard, key: &Key<'_>, element: &[u8]) -> Result<(), Fault> {
    let len = shard.find_list(key, false)?.map_or(0, |list| list.len());
    Ok(shard.list_set(key, len - 1, element)?)
}

/// It is added first: what is refused leaves the list as it is.
fn front_to_back(shard: &mut Shard, key: &Key<'_>, element: &[u8]) -> Result<(), Fault> {
    push_back(shard, key, element)?;
    Ok(shard.list_drop(key, 1, 0)?)
}

/// See `front_to_back`.
fn back_to_front(shard: &mut Shard, key: &Key<'_>, element: &[u8]) -> Result<(), Fault> {
    push_front(shard, key, element)?;
    Ok(shard.list_drop(key, 0, 1)?)
}
