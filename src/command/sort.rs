//! `SORT` and `SORT_RO`: the elements of a list, a set or a sorted set in order, by themselves or by what other keys
//! hold, and in their place what other keys hold.
//!
//! Which other keys those are is known only when the elements are, and they may lie anywhere. So the work is cut into
//! steps that ask for nothing: [`Sorter::new`] takes the elements, then whoever runs it looks up
//! [`Sorter::weights_wanted`] and says what was found, and the same for [`Sorter::values_wanted`]; at last
//! [`Sorter::finish`] writes the reply. On one shard that is [`sort_here`]; over several it is a
//! transaction that holds all shards meanwhile, unless no patterns are in it.
//!
//! Texts are compared by their bytes, as Redis does where its locale is C; those that it takes for equal keep
//! the order in which they came.

use super::{Command, Fault, Gathered, Handler, KeyRef, Keys, Outcome, Write, flag, run};
use crate::data::list::{End, Fill, List};
use crate::data::packed::{Element, Packed};
use crate::protocol::{Args, Reply};
use crate::shard::collections::heap::Structure;
use crate::shard::{Key, Kind, Meta, Payload, Shard, events};
use crate::text::{Digits, parse_f64, parse_i64};
use slabs::Hasher;
use std::cmp::Ordering;
use std::sync::Arc;

/// The commands of this file.
pub static ROWS: &[Command] = &[
    row(
        "sort",
        flag::WRITE | flag::DENYOOM,
        "1.0.0",
        "Sorts a list, a set or a sorted set, and stores it if asked to.",
    ),
    row("sort_ro", flag::READONLY, "7.0.0", "Sorts a list, a set or a sorted set."),
];

const fn row(name: &'static str, flags: u32, since: &'static str, summary: &'static str) -> Command {
    Command {
        name,
        arity: -2,
        flags: flags | flag::MOVABLEKEYS,
        keys: Keys::FIRST,
        group: "generic",
        since,
        summary,
        complexity: "O(N+M*log(M)) for N elements, of which M are answered; O(N) where nothing is sorted",
        handler: Handler::Sort,
        subs: &[],
    }
}

/// What was asked for.
#[derive(Default)]
struct Wish<'a> {
    descending: bool,
    by_text: bool,
    limit: Option<(i64, i64)>,
    /// A pattern with a place for the element in it.
    by: Option<&'a [u8]>,
    /// `BY` said something without such a place: nothing is sorted.
    as_it_is: bool,
    gets: Vec<&'a [u8]>,
    /// The argument that is the destination.
    store: Option<usize>,
}

impl<'a> Wish<'a> {
    fn parse(args: Args<'a>, may_store: bool) -> Result<Wish<'a>, Fault> {
        let mut wish = Wish::default();
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let left = args.len() - at - 1;
            if is(b"asc") {
                wish.descending = false;
            } else if is(b"desc") {
                wish.descending = true;
            } else if is(b"alpha") {
                wish.by_text = true;
            } else if is(b"limit") && left >= 2 {
                let number = |at: usize| parse_i64(&args[at]).ok_or(Fault::NotInteger);
                wish.limit = Some((number(at + 1)?, number(at + 2)?));
                at += 2;
            } else if may_store && is(b"store") && left >= 1 {
                wish.store = Some(at + 1);
                at += 1;
            } else if is(b"by") && left >= 1 {
                // One that sorts by nothing says so for good, whatever another one says.
                let pattern = args.get(at + 1).unwrap_or_default();
                wish.by = Some(pattern);
                wish.as_it_is |= c_text(pattern).iter().all(|byte| *byte != b'*');
                at += 1;
            } else if is(b"get") && left >= 1 {
                wish.gets.push(args.get(at + 1).unwrap_or_default());
                at += 1;
            } else {
                return Err(Fault::Syntax);
            }
            at += 1;
        }
        Ok(wish)
    }

    /// Other keys are needed.
    fn looks_up(&self) -> bool {
        let has_place = |pattern: &&[u8]| c_text(pattern).contains(&b'*');
        self.by.is_some() && !self.as_it_is || self.gets.iter().any(has_place)
    }
}

/// What C's functions see of a text: all before the first zero.
fn c_text(text: &[u8]) -> &[u8] {
    memchr::memchr(0, text).map_or(text, |end| &text[..end])
}

/// Its keys as far as its arguments tell: what is sorted, and the destination.
pub fn keys(command: &Command, args: Args<'_>, db: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault> {
    let wish = Wish::parse(args, may_store(command))?;
    keys.push(KeyRef { arg: 1, db, value: true });
    keys.extend(wish.store.map(|arg| KeyRef { arg, db, value: false }));
    Ok(())
}

/// Which argument is the destination: a word before it says so, wherever it stands.
pub fn destination(command: &Command, args: Args<'_>) -> Option<usize> {
    let sorts = matches!(command.handler, Handler::Sort);
    sorts.then(|| Wish::parse(args, may_store(command)).ok()?.store).flatten()
}

/// Which argument is the first pattern of other keys: whoever may not read every key may not use one.
pub fn pattern(command: &Command, args: Args<'_>) -> Option<usize> {
    looks_up(command, args).then(|| {
        let is_pattern = |at: &usize| {
            let word = &args[at - 1];
            (word.eq_ignore_ascii_case(b"by") || word.eq_ignore_ascii_case(b"get"))
                && args[*at].contains(&b'*')
        };
        (3..args.len()).find(is_pattern).unwrap_or(1)
    })
}

/// Other keys are needed, which nobody knows yet.
pub fn looks_up(command: &Command, args: Args<'_>) -> bool {
    matches!(command.handler, Handler::Sort)
        && Wish::parse(args, may_store(command)).is_ok_and(|wish| wish.looks_up())
}

fn may_store(command: &Command) -> bool {
    !command.is(flag::READONLY)
}

/// A value that is wanted from another key: its string, or the value of a field of its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The key.
    pub key: Vec<u8>,
    /// The field.
    pub field: Option<Vec<u8>>,
}

impl Lookup {
    /// What a pattern stands for with an element in its place; nothing, if it has no place for one.
    fn new(pattern: &[u8], element: &[u8]) -> Option<Lookup> {
        let place = c_text(pattern).iter().position(|byte| *byte == b'*')?;
        let (before, after) = (&pattern[..place], &pattern[place + 1..]);
        let arrow = memchr::memmem::find(c_text(after), b"->").filter(|at| c_text(after).len() > at + 2);
        let (after, field) = match arrow {
            Some(at) => (&after[..at], Some(after[at + 2..].to_vec())),
            None => (after, None),
        };
        Some(Lookup { key: [before, element, after].concat(), field })
    }

    /// What is there.
    pub fn find(&self, shard: &mut Shard, key: &Key<'_>, touch: bool) -> Option<Vec<u8>> {
        let now_ms = shard.now_ms();
        match &self.field {
            None => {
                let item = shard.read(key, touch)?;
                (item.kind() == Kind::String).then(|| item.value().to_vec())
            }
            Some(field) => {
                let hash = shard.read_collection(key, Kind::Hash, touch).ok()??;
                let value = hash.get(field, now_ms)?.value?;
                Some(value.text(&mut Digits::default()).to_vec())
            }
        }
    }
}

/// One sort under way.
pub struct Sorter {
    elements: Vec<Vec<u8>>,
    may_store: bool,
    is_set: bool,
    /// A weight is no number.
    unfit: bool,
}

impl Sorter {
    /// Takes the elements of what is to be sorted.
    pub fn new(command: &Command, source: Option<&Gathered>, now_ms: u64) -> Result<Sorter, Fault> {
        let mut elements = Vec::new();
        let mut add = |element: Element<'_>| elements.push(element.text(&mut Digits::default()).to_vec());
        let kind = source.map(|item| item.meta.kind);
        match (kind, source) {
            (Some(Kind::List), Some(item)) => {
                let list = item.list()?;
                list.range(0, list.len(), false, add);
            }
            (Some(Kind::Set), Some(item)) => item.view().each(now_ms, |entry| add(entry.field)),
            // By score, which is the order where nothing is sorted.
            (Some(Kind::SortedSet), Some(item)) => {
                let set = item.sorted()?;
                set.range(0, set.len(), false, |member, _| add(member));
            }
            (Some(_), _) => return Err(Fault::WrongType),
            (None, _) => {}
        }
        let may_store = may_store(command);
        Ok(Sorter { elements, may_store, is_set: kind == Some(Kind::Set), unfit: false })
    }

    fn wish<'a>(&self, args: Args<'a>) -> Wish<'a> {
        let mut wish = Wish::parse(args, self.may_store).unwrap_or_default();
        if wish.as_it_is && self.is_set && wish.store.is_some() {
            // The order of a set is nobody's to rely on: what is stored gets one.
            (wish.as_it_is, wish.by_text, wish.by) = (false, true, None);
        }
        wish
    }

    /// What the elements are to be sorted by, one for each, where that lies elsewhere.
    pub fn weights_wanted(&self, args: Args<'_>) -> Vec<Lookup> {
        let wish = self.wish(args);
        let Some(pattern) = wish.by.filter(|_| !wish.as_it_is) else { return Vec::new() };
        let lookup = |element: &Vec<u8>| Lookup::new(pattern, element);
        self.elements.iter().filter_map(lookup).collect()
    }

    /// Sorts, given what was found of that, and keeps what is to be answered.
    pub fn sort(&mut self, args: Args<'_>, weights: Vec<Option<Vec<u8>>>) {
        let wish = self.wish(args);
        let elements = std::mem::take(&mut self.elements);
        let (start, end) = bounds(wish.limit, elements.len());
        let mut sorted = if wish.as_it_is {
            let mut elements = elements;
            if wish.descending && !self.is_set {
                elements.reverse();
            }
            elements
        } else if wish.by_text {
            by_text(elements, wish.by.map(|_| weights), wish.descending)
        } else {
            let weighed = weigh(elements, wish.by.map(|_| weights));
            self.unfit = weighed.iter().any(|(weight, _)| weight.is_none());
            by_number(weighed, wish.descending)
        };
        sorted.truncate(end);
        sorted.drain(..start.min(end));
        self.elements = sorted;
    }

    /// What is to be answered in place of the elements, in order, where that lies elsewhere.
    pub fn values_wanted(&self, args: Args<'_>) -> Vec<Lookup> {
        if self.unfit {
            return Vec::new();
        }
        let wish = self.wish(args);
        let mut wanted = Vec::new();
        for element in &self.elements {
            wanted.extend(wish.gets.iter().filter_map(|pattern| Lookup::new(pattern, element)));
        }
        wanted
    }

    /// Writes the reply, given what was found of that. The second key is the destination, if there is one.
    pub fn finish(
        self,
        args: Args<'_>,
        values: Vec<Option<Vec<u8>>>,
        exists: bool,
        reply: &mut Reply<'_>,
    ) -> Result<Vec<Write>, Fault> {
        if self.unfit {
            return Err(Fault::text("ERR One or more scores can't be converted into double"));
        }
        let wish = self.wish(args);
        let mut values = values.into_iter();
        let mut answers: Vec<Option<Vec<u8>>> = Vec::new();
        for element in self.elements {
            if wish.gets.is_empty() {
                answers.push(Some(element));
                continue;
            }
            for pattern in &wish.gets {
                answers.push(match *pattern {
                    b"#" => Some(element.clone()),
                    pattern if c_text(pattern).contains(&b'*') => values.next().flatten(),
                    _ => None,
                });
            }
        }
        if wish.store.is_none() {
            reply.array(answers.len());
            answers.iter().for_each(|answer| reply.bulk_or_null(answer.as_deref()));
            return Ok(Vec::new());
        }
        reply.int(answers.len() as i64);
        let tell = |class, name| Write::Tell { key: 1, class, name };
        if answers.is_empty() {
            let gone = || vec![Write::Remove { key: 1 }, tell(events::GENERIC, "del")];
            return Ok(if exists { gone() } else { Vec::new() });
        }
        let (mut list, fill) = (List::default(), Fill::of_parameter(-2));
        for answer in answers {
            list.push(End::Back, &Packed::new(&answer.unwrap_or_default()), fill);
        }
        let value = Payload::Grown(Arc::new(Structure::List(list)));
        let put = Write::Put { key: 1, value, meta: Meta { kind: Kind::List, ..Meta::default() } };
        Ok(vec![put, tell(events::LIST, "sortstore")])
    }
}

/// The part of so many elements that is asked for.
fn bounds(limit: Option<(i64, i64)>, len: usize) -> (usize, usize) {
    let (start, count) = limit.unwrap_or((0, -1));
    let start = usize::try_from(start.max(0)).unwrap_or(len).min(len);
    match usize::try_from(count) {
        Ok(count) => (start, start.saturating_add(count).min(len)),
        Err(_) => (start, len),
    }
}

/// A number as `SORT` reads it: blanks may stand before it, and nothing at all is zero. `None` for what is none, or beyond
/// a double's range.
fn number(text: &[u8]) -> Option<f64> {
    let text = c_text(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let value = parse_f64(text.trim_ascii_start())?;
    (value == 0.0 || value.is_infinite() || value.abs() >= f64::MIN_POSITIVE).then_some(value)
}

/// Each element with its weight: what was found for it, 0 if nothing was, or itself.
fn weigh(elements: Vec<Vec<u8>>, weights: Option<Vec<Option<Vec<u8>>>>) -> Vec<(Option<f64>, Vec<u8>)> {
    match weights {
        None => elements.into_iter().map(|element| (number(&element), element)).collect(),
        Some(weights) => {
            let of = |weight: Option<Vec<u8>>| weight.map_or(Some(0.0), |text| number(&text));
            weights.into_iter().map(of).zip(elements).collect()
        }
    }
}

fn turned(ordering: Ordering, descending: bool) -> Ordering {
    if descending { ordering.reverse() } else { ordering }
}

/// By weight, and elements of one weight by their bytes.
fn by_number(mut weighed: Vec<(Option<f64>, Vec<u8>)>, descending: bool) -> Vec<Vec<u8>> {
    weighed.sort_by(|(a, x), (b, y)| {
        turned(a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| x.cmp(y)), descending)
    });
    weighed.into_iter().map(|(_, element)| element).collect()
}

/// By bytes: their own, or those found for them; what has none comes first.
fn by_text(
    mut elements: Vec<Vec<u8>>,
    weights: Option<Vec<Option<Vec<u8>>>>,
    descending: bool,
) -> Vec<Vec<u8>> {
    let Some(weights) = weights else {
        elements.sort_by(|a, b| turned(a.cmp(b), descending));
        return elements;
    };
    let mut weighed: Vec<_> = weights.into_iter().zip(elements).collect();
    weighed.sort_by(|(a, _), (b, _)| turned(a.cmp(b), descending));
    weighed.into_iter().map(|(_, element)| element).collect()
}

/// Runs `SORT` on a shard that has all there is.
#[allow(clippy::too_many_arguments)]
pub fn sort_here(
    command: &'static Command,
    shard: &mut Shard,
    args: Args<'_>,
    db: u8,
    hasher: &Hasher,
    touch: bool,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let mut refs = Vec::new();
    keys(command, args, db, &mut refs)?;
    let physical = shard.physical(db);
    let key_of = |at: usize| Key::new(hasher, physical, args.get(at).unwrap_or_default());
    let source = run::gather(shard, &key_of(1), true, true, touch);
    let mut sorter = Sorter::new(command, source.as_ref(), shard.now_ms())?;
    drop(source);
    let find = |shard: &mut Shard, wanted: Vec<Lookup>| -> Vec<Option<Vec<u8>>> {
        let one = |lookup: &Lookup| lookup.find(shard, &Key::new(hasher, physical, &lookup.key), touch);
        wanted.iter().map(one).collect()
    };
    let weights = find(shard, sorter.weights_wanted(args));
    sorter.sort(args, weights);
    let values = find(shard, sorter.values_wanted(args));
    let destination = refs.get(1).map(|key| key_of(key.arg));
    let exists = destination.is_some_and(|key| shard.store.peek(&key, shard.now_ms()).is_some());
    let writes = sorter.finish(args, values, exists, reply)?;
    let changed = !writes.is_empty();
    if let Some(key) = destination {
        for write in writes {
            run::apply(shard, &key, write)?;
        }
    }
    Ok(Outcome::changed_if(changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::one_shard::OneShard;
    use proptest::prelude::*;

    #[test]
    fn patterns_have_a_place_for_the_element_and_may_name_a_field() {
        let lookup = |key: &str, field: Option<&str>| {
            Some(Lookup { key: key.into(), field: field.map(|field| field.into()) })
        };
        for (pattern, expected) in [
            ("w_*", lookup("w_7", None)),
            ("*", lookup("7", None)),
            ("o_*_x->f", lookup("o_7_x", Some("f"))),
            ("o_*->", lookup("o_7->", None)),
            ("o->f_*", lookup("o->f_7", None)),
            ("o_*->a->b", lookup("o_7", Some("a->b"))),
            ("o_*x*", lookup("o_7x*", None)),
            ("none", None),
            ("#", None),
        ] {
            assert_eq!(Lookup::new(pattern.as_bytes(), b"7"), expected, "{pattern}");
        }
    }

    #[test]
    fn numbers_are_read_as_strtod_reads_them() {
        for (text, value) in [
            ("", Some(0.0)),
            ("  5", Some(5.0)),
            ("5 ", None),
            (" ", None),
            ("5\0x", Some(5.0)),
            ("0x10", Some(16.0)),
            ("inf", Some(f64::INFINITY)),
            ("nan", None),
            ("1e999", None),
            ("x", None),
        ] {
            assert_eq!(number(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn elements_are_sorted_by_number_by_text_and_by_other_keys() {
        let mut shard = OneShard::new();
        shard.check(&[
            ("rpush l 3 10 1 2", ":4"),
            ("sort l", "*4 $1 1 $1 2 $1 3 $2 10"),
            ("sort l desc", "*4 $2 10 $1 3 $1 2 $1 1"),
            ("sort l alpha", "*4 $1 1 $2 10 $1 2 $1 3"),
            ("sort l limit 1 2", "*2 $1 2 $1 3"),
            ("sort l limit -5 1", "*1 $1 1"),
            ("sort l limit 9 1", "*0"),
            ("sort l limit 2 -1", "*2 $1 3 $2 10"),
            ("sort l by nosort", "*4 $1 3 $2 10 $1 1 $1 2"),
            ("sort l by nosort desc limit 1 2", "*2 $1 1 $2 10"),
            ("mset w_1 9 w_2 8 w_3 7 n_1 one n_2 two", "+OK"),
            ("sort l by w_*", "*4 $2 10 $1 3 $1 2 $1 1"),
            ("sort l by w_* get n_* get #", "*8 $-1 $2 10 $-1 $1 3 $3 two $1 2 $3 one $1 1"),
            ("hset h_1 f 5 g x", ":2"),
            ("hset h_2 f 6", ":1"),
            ("sort l by h_*->f desc limit 0 2 get h_*->g", "*2 $-1 $1 x"),
            ("sort l get none", "*4 $-1 $-1 $-1 $-1"),
            ("sort l by n_* alpha get #", "*4 $1 3 $2 10 $1 1 $1 2"),
            ("sort l by n_*", "-ERR One or more scores can't be converted into double"),
            ("sort l store d", ":4"),
            ("lrange d 0 -1", "*4 $1 1 $1 2 $1 3 $2 10"),
            ("sort l by w_* get n_* store d", ":4"),
            ("lrange d 0 -1", "*4 $0  $0  $3 two $3 one"),
            ("sort none store d", ":0"),
            ("exists d", ":0"),
            ("sadd s c a b", ":3"),
            ("sort s", "-ERR One or more scores can't be converted into double"),
            ("sort s alpha desc", "*3 $1 c $1 b $1 a"),
            ("sort s by x store d", ":3"),
            ("lrange d 0 -1", "*3 $1 a $1 b $1 c"),
            ("sort d alpha store d", ":3"),
            ("sort_ro l limit 0 1", "*1 $1 1"),
            ("zadd z 3 1 2 3 1 20", ":3"),
            ("sort z", "*3 $1 1 $1 3 $2 20"),
            ("sort z by nosort", "*3 $2 20 $1 3 $1 1"),
            ("sort z by nosort desc limit 0 2", "*2 $1 1 $1 3"),
            ("sort z by w_* get n_* get #", "*6 $-1 $2 20 $-1 $1 3 $3 one $1 1"),
            ("sort z by x store z", ":3"),
            ("lrange z 0 -1", "*3 $2 20 $1 3 $1 1"),
            ("sort_ro l store d", "-ERR syntax error"),
            ("sort l limit 1", "-ERR syntax error"),
            ("sort l limit x 1", "-ERR value is not an integer or out of range"),
            ("sort l by", "-ERR syntax error"),
            ("sort w_1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("sort none", "*0"),
        ]);
    }

    proptest! {
        #[test]
        fn a_limit_is_a_part_of_the_whole(
            numbers in proptest::collection::vec(-20i64..20, 0..30),
            start in -3i64..40,
            count in -3i64..40,
            descending: bool,
        ) {
            let mut shard = OneShard::new();
            let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
            if !words.is_empty() {
                shard.run(&format!("rpush l {}", words.join(" ")));
            }
            let mut sorted = numbers.clone();
            // Elements that are equal as numbers are so as texts here.
            sorted.sort_unstable();
            if descending {
                sorted.reverse();
            }
            let from = (start.max(0) as usize).min(sorted.len());
            let to = if count < 0 { sorted.len() } else { (from + count as usize).min(sorted.len()) };
            let part: Vec<String> = sorted[from..to].iter().map(|n| format!("${} {n}", n.to_string().len())).collect();
            let expected = [vec![format!("*{}", to - from)], part].concat().join(" ");
            let order = if descending { "desc" } else { "asc" };
            prop_assert_eq!(shard.run(&format!("sort l limit {start} {count} {order}")), expected);
        }
    }
}
