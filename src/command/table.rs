//! All commands in one table, and the way from a name to its row.

use super::{
    Command, acl, bitmaps, connection, flag, hashes, keys, lists, memcache, observe, pubsub, server, sets,
    sort, sorted, strings, transactions,
};
use crate::metrics::FAMILIES_MAX;
use crate::protocol::Args;
use std::sync::LazyLock;

/// Rows of every family, in the order of this list.
static FAMILIES: &[&[Command]] = &[
    connection::ROWS,
    connection::client::ROWS,
    server::ROWS,
    acl::ROWS,
    transactions::ROWS,
    strings::get::ROWS,
    strings::set::ROWS,
    strings::edit::ROWS,
    strings::count::ROWS,
    strings::lcs::ROWS,
    bitmaps::bit::ROWS,
    bitmaps::range::ROWS,
    bitmaps::combine::ROWS,
    bitmaps::field::ROWS,
    hashes::get::ROWS,
    hashes::set::ROWS,
    hashes::chance::ROWS,
    hashes::deadline::ROWS,
    lists::ends::ROWS,
    lists::places::ROWS,
    lists::moves::ROWS,
    lists::blocking::ROWS,
    sets::members::ROWS,
    sets::chance::ROWS,
    sets::combine::ROWS,
    sorted::members::ROWS,
    sorted::ranges::ROWS,
    sorted::pops::ROWS,
    sorted::blocking::ROWS,
    sorted::chance::ROWS,
    sorted::combine::ROWS,
    pubsub::listen::ROWS,
    pubsub::publish::ROWS,
    pubsub::inquire::ROWS,
    keys::existence::ROWS,
    keys::ttl::ROWS,
    keys::deadline::ROWS,
    keys::moving::ROWS,
    keys::listing::ROWS,
    keys::object::ROWS,
    keys::databases::ROWS,
    sort::ROWS,
    memcache::retrieval::ROWS,
    memcache::storage::ROWS,
    memcache::arithmetic::ROWS,
    memcache::removal::ROWS,
    memcache::meta::ROWS,
    memcache::session::ROWS,
    memcache::stats::ROWS,
    memcache::access::ROWS,
    memcache::binary::retrieval::ROWS,
    memcache::binary::storage::ROWS,
    memcache::binary::arithmetic::ROWS,
    memcache::binary::removal::ROWS,
    memcache::binary::session::ROWS,
    memcache::binary::sasl::ROWS,
    memcache::binary::stat::ROWS,
    memcache::pages::ROWS,
    memcache::lru::ROWS,
    memcache::dump::ROWS,
    memcache::watch::ROWS,
    observe::ROWS,
];

/// Commands that do no more than copy what the client has sent: their time says nothing, and reading the clock
/// twice for each would be felt. With a threshold under a millisecond they are timed all the same.
const QUICK: &[&str] =
    &["set", "setex", "psetex", "mc:set", "mc:get", "mc:gets", "mc:mg", "mc:ms", "mcb:set"];

/// Names longer than this are unknown without a look.
const NAME_BYTES_MAX: usize = 24;

/// Names up to here fit into a word, and are found by it.
const SHORT_BYTES_MAX: usize = 8;

/// A command of a short name that clients may call.
#[derive(Clone, Copy)]
struct Short {
    /// Its name, see `word_of`; 0 for an empty place.
    word: u64,
    row: u16,
    /// Its length, because a name may have zeros behind it.
    length: u8,
    /// What it means depends on the next argument.
    container: bool,
}

/// The joined table with its hash of names.
pub struct Table {
    rows: Vec<&'static Command>,
    /// Open addressing by `place_of`.
    shorts: Vec<Short>,
    /// Open addressing; `u16::MAX` is an empty place.
    places: Vec<u16>,
    mask: usize,
    /// By row: Redis clients may call it by its name. Not so `client|list` and memcached's `mc:get`.
    callable: Vec<bool>,
    /// By row: it may take long, so that the slow log wants to know.
    timed: Vec<bool>,
    /// By row: place of its group in `family_names`.
    families: Vec<u8>,
    family_names: Vec<&'static str>,
}

/// The one table of the process.
pub static TABLE: LazyLock<Table> = LazyLock::new(Table::build);

/// What a name leads to.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// A command, or a subcommand of the container that `args[0]` names.
    Row(u16),
    /// `args[0]` is no command.
    UnknownCommand,
    /// `args[0]` is a container and `args[1]` is not one of its subcommands; the container's row.
    UnknownSub(u16),
}

impl Table {
    fn build() -> Table {
        let mut rows: Vec<&'static Command> = Vec::new();
        for command in FAMILIES.iter().flat_map(|family| family.iter()) {
            rows.push(command);
            rows.extend(command.subs.iter());
        }
        let size = (rows.len() * 4).next_power_of_two();
        let callable = rows.iter().map(|row| !row.name.contains(['|', ':'])).collect();
        let quick = |row: &Command| row.is(flag::FAST) || QUICK.contains(&row.name);
        let timed = rows.iter().map(|row| !quick(row)).collect();
        let mut family_names: Vec<&'static str> = Vec::new();
        let mut family_of = |row: &&'static Command| {
            let known = family_names.iter().position(|name| *name == row.group);
            known.unwrap_or_else(|| {
                family_names.push(row.group);
                family_names.len() - 1
            }) as u8
        };
        let families = rows.iter().map(&mut family_of).collect();
        assert!(family_names.len() <= FAMILIES_MAX, "more groups than FAMILIES_MAX");
        let nobody = Short { word: 0, row: 0, length: 0, container: false };
        let mut table = Table {
            rows,
            shorts: vec![nobody; size],
            places: vec![u16::MAX; size],
            mask: size - 1,
            callable,
            timed,
            families,
            family_names,
        };
        for row in 0..table.rows.len() {
            let name = table.rows[row].name.as_bytes();
            assert!(name.len() <= NAME_BYTES_MAX, "{} is longer than NAME_BYTES_MAX", table.rows[row].name);
            let mut place = hash(name) & table.mask;
            while table.places[place] != u16::MAX {
                let other = table.rows[table.places[place] as usize].name;
                assert!(other.as_bytes() != name, "two rows for {other}");
                place = (place + 1) & table.mask;
            }
            table.places[place] = row as u16;
            table.add_short(row);
        }
        table
    }

    fn add_short(&mut self, row: usize) {
        let name = self.rows[row].name.as_bytes();
        if name.len() > SHORT_BYTES_MAX || !self.callable[row] {
            return;
        }
        let word = word_of(name);
        let mut place = place_of(word) & self.mask;
        while self.shorts[place].word != 0 {
            place = (place + 1) & self.mask;
        }
        let container = !self.rows[row].subs.is_empty();
        self.shorts[place] = Short { word, row: row as u16, length: name.len() as u8, container };
    }

    /// The row of a callable command of at most `SHORT_BYTES_MAX` letters in any case.
    #[inline]
    fn find_short(&self, name: &[u8]) -> Option<Short> {
        let word = lower(word_of(name));
        let mut place = place_of(word) & self.mask;
        loop {
            let short = self.shorts[place];
            if short.word == 0 {
                return None;
            }
            if short.word == word && usize::from(short.length) == name.len() {
                return Some(short);
            }
            place = (place + 1) & self.mask;
        }
    }

    /// Every row, subcommands behind their containers.
    pub fn rows(&self) -> impl Iterator<Item = (u16, &'static Command)> {
        self.rows.iter().enumerate().map(|(i, c)| (i as u16, *c))
    }

    /// The command of a row.
    #[inline]
    pub fn row(&self, row: u16) -> &'static Command {
        self.rows[row as usize]
    }

    /// The command of a row may take long.
    #[inline]
    pub fn is_timed(&self, row: u16) -> bool {
        self.timed[row as usize]
    }

    /// The family of a row, for counting: its group's place in [`Table::family_names`].
    #[inline]
    pub fn family(&self, row: u16) -> u8 {
        self.families[row as usize]
    }

    /// The groups of all commands.
    pub fn family_names(&self) -> &[&'static str] {
        &self.family_names
    }

    /// The row of a full name in lower case (`set`, `client|list`).
    pub fn by_name(&self, name: &[u8]) -> Option<u16> {
        let mut place = hash(name) & self.mask;
        loop {
            let row = self.places[place];
            if row == u16::MAX {
                return None;
            }
            if self.rows[row as usize].name.as_bytes() == name {
                return Some(row);
            }
            place = (place + 1) & self.mask;
        }
    }

    /// The row of a request, whatever case its name is in.
    #[inline]
    pub fn find(&self, args: Args<'_>) -> Found {
        let name = &args[0];
        if name.len() <= SHORT_BYTES_MAX {
            match self.find_short(name) {
                None => return Found::UnknownCommand,
                Some(short) if !short.container => return Found::Row(short.row),
                Some(_) => {}
            }
        }
        self.find_long(args)
    }

    /// A long name, or a container's.
    fn find_long(&self, args: Args<'_>) -> Found {
        let mut buffer = [0u8; NAME_BYTES_MAX];
        let Some(name) = lower_into(&args[0], &mut buffer) else { return Found::UnknownCommand };
        let Some(row) = self.by_name(name) else { return Found::UnknownCommand };
        if !self.callable[row as usize] {
            return Found::UnknownCommand;
        }
        if self.rows[row as usize].subs.is_empty() || args.len() < 2 {
            return Found::Row(row);
        }
        let used = name.len();
        let sub = &args[1];
        if used + 1 + sub.len() > NAME_BYTES_MAX || sub.contains(&b'|') {
            return Found::UnknownSub(row);
        }
        buffer[used] = b'|';
        for (to, from) in buffer[used + 1..].iter_mut().zip(sub) {
            *to = from.to_ascii_lowercase();
        }
        match self.by_name(&buffer[..used + 1 + sub.len()]) {
            Some(row) => Found::Row(row),
            None => Found::UnknownSub(row),
        }
    }
}

/// Lower case of a name, or `None` where it is too long to be one.
#[inline]
fn lower_into<'b>(name: &[u8], buffer: &'b mut [u8; NAME_BYTES_MAX]) -> Option<&'b [u8]> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    for (to, from) in buffer.iter_mut().zip(name) {
        *to = from.to_ascii_lowercase();
    }
    Some(&buffer[..name.len()])
}

/// The bytes of a short name in a word, the first one lowest. Loads overlap, so that there is no loop.
#[inline]
fn word_of(name: &[u8]) -> u64 {
    let four =
        |at: usize| u64::from(u32::from_le_bytes([name[at], name[at + 1], name[at + 2], name[at + 3]]));
    let one = |at: usize| u64::from(name[at]) << (8 * at);
    match name.len() {
        0 => 0,
        length @ 1..4 => one(0) | one(length / 2) | one(length - 1),
        length => four(0) | four(length - 4) << (8 * (length - 4)),
    }
}

/// The letters among eight bytes in lower case.
#[inline]
fn lower(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low_bits = word & (0x7f * EACH);
    let from_a = low_bits + u64::from(0x80 - b'A') * EACH;
    let past_z = low_bits + u64::from(0x7f - b'Z') * EACH;
    let upper = (from_a ^ past_z) & !word & (0x80 * EACH);
    word | upper >> 2
}

#[inline]
fn place_of(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

#[inline]
fn hash(name: &[u8]) -> usize {
    let mut h = 0xcbf2_9ce4_8422_2325u64 ^ name.len() as u64;
    for &byte in name {
        h = (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (h ^ (h >> 29)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_in_lower_case_equals_its_bytes_in_lower_case(name in proptest::collection::vec(any::<u8>(), 0..9)) {
            prop_assert_eq!(lower(word_of(&name)), word_of(&name.to_ascii_lowercase()));
            let mut bytes = [0; 8];
            bytes[..name.len()].copy_from_slice(&name);
            prop_assert_eq!(word_of(&name), u64::from_le_bytes(bytes));
        }
    }

    #[test]
    fn an_empty_name_and_one_of_zeros_are_unknown() {
        for length in 0..9 {
            let spans = [crate::protocol::Span { start: 0, len: length }];
            assert!(matches!(TABLE.find(Args::new(&[0; 8], &spans)), Found::UnknownCommand), "{length}");
        }
    }

    #[test]
    fn every_callable_row_is_found_by_its_name_in_any_case_and_by_nothing_else() {
        for (row, command) in TABLE.rows() {
            let mut names = vec![command.name.to_string(), command.name.to_uppercase()];
            names.push(format!("{}\0", command.name));
            for (i, name) in names.iter().enumerate() {
                let words: Vec<&str> = name.split('|').collect();
                let bytes = words.concat().into_bytes();
                let mut at = 0;
                let spans: Vec<crate::protocol::Span> = words
                    .iter()
                    .map(|word| {
                        at += word.len() as u32;
                        crate::protocol::Span { start: at - word.len() as u32, len: word.len() as u32 }
                    })
                    .collect();
                let found = TABLE.find(Args::new(&bytes, &spans));
                let wanted = i < 2 && !command.name.contains(':');
                match found {
                    Found::Row(found) => assert!(wanted && found == row, "{name:?} leads to {found}"),
                    _ => assert!(!wanted, "{name:?} is not found"),
                }
            }
        }
    }
}
