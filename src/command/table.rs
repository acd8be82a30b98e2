//! All commands in one table, and the way from a name to its row.

use super::{Command, bitmaps, connection, flag, keys, memcache, server, strings, transactions};
use crate::protocol::Args;
use std::sync::LazyLock;

/// Rows of every family, in the order of this list.
static FAMILIES: &[&[Command]] = &[
    connection::ROWS,
    connection::client::ROWS,
    server::ROWS,
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
    keys::existence::ROWS,
    keys::ttl::ROWS,
    keys::deadline::ROWS,
    keys::moving::ROWS,
    keys::listing::ROWS,
    keys::object::ROWS,
    keys::databases::ROWS,
    memcache::retrieval::ROWS,
    memcache::storage::ROWS,
    memcache::arithmetic::ROWS,
    memcache::removal::ROWS,
    memcache::session::ROWS,
    memcache::stats::ROWS,
];

/// Commands that do no more than copy what the client has sent: their time says nothing, and reading the clock
/// twice for each would be felt. With a threshold under a millisecond they are timed all the same.
const QUICK: &[&str] = &["set", "setex", "psetex", "mc:set", "mc:get", "mc:gets"];

/// Names longer than this are unknown without a look.
const NAME_BYTES_MAX: usize = 24;

/// The joined table with its hash of names.
pub struct Table {
    rows: Vec<&'static Command>,
    /// Open addressing; `u16::MAX` is an empty place.
    places: Vec<u16>,
    mask: usize,
    /// By row: Redis clients may call it by its name. Not so `client|list` and memcached's `mc:get`.
    callable: Vec<bool>,
    /// By row: it may take long, so that the slow log wants to know.
    timed: Vec<bool>,
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
        let mut table = Table { rows, places: vec![u16::MAX; size], mask: size - 1, callable, timed };
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
        }
        table
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

#[inline]
fn hash(name: &[u8]) -> usize {
    let mut h = 0xcbf2_9ce4_8422_2325u64 ^ name.len() as u64;
    for &byte in name {
        h = (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (h ^ (h >> 29)) as usize
}
