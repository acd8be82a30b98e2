//! What a command on an item is to those who watch items: memcached's words for what was asked, and for what came of
//! it, whichever of its three dialects a client speaks.
//!
//! Nothing here is read while nobody watches.

use crate::command::table::TABLE;
use crate::protocol::Args;
use crate::protocol::binary::{Header, Op, Status};
use crate::protocol::memcache::Verb;
use crate::protocol::memcache::meta::{Flags, first_flag};
use std::sync::LazyLock;

pub use crate::shard::prefixes::Deed;

/// What a request is, given its words; `None`: it is refused before an item is looked at.
type Reading = fn(Args<'_>) -> Option<Deed>;

/// Rows by name with what their requests are.
const READINGS: &[(&str, Reading)] = &[
    ("mc:get", |_| Some(Deed::Get)),
    ("mc:gets", |_| Some(Deed::Get)),
    ("mc:gat", |_| Some(Deed::Get)),
    ("mc:gats", |_| Some(Deed::Get)),
    ("mc:set", classic_store),
    ("mc:add", classic_store),
    ("mc:replace", classic_store),
    ("mc:append", classic_store),
    ("mc:prepend", classic_store),
    ("mc:cas", classic_store),
    ("mc:too_large", classic_store),
    ("mc:delete", |_| Some(Deed::Delete("delete"))),
    ("mc:incr", |_| Some(Deed::Count)),
    ("mc:decr", |_| Some(Deed::Count)),
    ("mc:touch", |_| Some(Deed::Other)),
    ("mc:mg", |args| Flags::parse(Verb::MetaGet, args).ok().map(|_| Deed::Get)),
    ("mc:ms", meta_store),
    ("mc:ms_too_large", meta_store),
    ("mc:md", meta_delete),
    ("mc:ma", |args| Flags::parse(Verb::MetaArithmetic, args).ok().map(|_| Deed::Count)),
    ("mc:me", |_| Some(Deed::Other)),
    ("mcb:get", |_| Some(Deed::Get)),
    // To memcached's counters this one, too, asks for the value.
    ("mcb:touch", |_| Some(Deed::Get)),
    ("mcb:gat", |_| Some(Deed::Get)),
    ("mcb:set", packet_store),
    ("mcb:add", packet_store),
    ("mcb:replace", packet_store),
    ("mcb:append", packet_store),
    ("mcb:prepend", packet_store),
    ("mcb:too_large", packet_store),
    ("mcb:delete", |_| Some(Deed::Delete("delete"))),
    ("mcb:increment", |_| Some(Deed::Count)),
    ("mcb:decrement", |_| Some(Deed::Count)),
];

static BY_ROW: LazyLock<Vec<(u16, Reading)>> = LazyLock::new(|| {
    let row = |name: &str| TABLE.by_name(name.as_bytes()).expect("what is watched has a row");
    READINGS.iter().map(|&(name, reading)| (row(name), reading)).collect()
});

/// What a request is to those who watch items. `None` if it is none of memcached's commands on one, or is refused
/// before it looks at one.
pub fn deed_of(row: u16, args: Args<'_>) -> Option<Deed> {
    BY_ROW.iter().find(|(of, _)| *of == row).and_then(|(_, reading)| reading(args))
}

fn classic_store(args: Args<'_>) -> Option<Deed> {
    let verbs = ["set", "add", "replace", "append", "prepend", "cas"];
    let verb = verbs.into_iter().find(|verb| args.get(0) == Some(verb.as_bytes()))?;
    Some(Deed::Store(verb))
}

/// The mode, under the name of the classic command that does the same. One that adds to what is there stays what it
/// is where it names a unique.
fn meta_store(args: Args<'_>) -> Option<Deed> {
    debug_assert!(args.len() > first_flag(Verb::MetaSet), "the data block is an argument");
    let flags = Flags::parse(Verb::MetaSet, args.first(args.len() - 1)).ok()?;
    Some(Deed::Store(match flags.mode {
        b'E' => "add",
        b'A' => "append",
        b'P' => "prepend",
        _ if flags.has(b'C') => "cas",
        b'R' => "replace",
        _ => "set",
    }))
}

/// What is only marked as outdated stays.
fn meta_delete(args: Args<'_>) -> Option<Deed> {
    let flags = Flags::parse(Verb::MetaDelete, args).ok()?;
    Some(if flags.has(b'I') { Deed::Other } else { Deed::Delete("md") })
}

fn packet_store(args: Args<'_>) -> Option<Deed> {
    let header = Header::read(args.get(0)?)?;
    Some(Deed::Store(match header.meaning().op {
        Op::Append => "append",
        Op::Prepend => "prepend",
        _ if header.cas != 0 => "cas",
        Op::Add => "add",
        Op::Replace => "replace",
        _ => "set",
    }))
}

/// memcached's word for what came of storing under that name, read from the reply. Quiet requests have none where all
/// went well.
pub fn stored(command: &str, reply: &[u8]) -> &'static str {
    if let Some(status) = status(reply) {
        // Packets tell with one status what the lines of text tell apart.
        return match status {
            _ if status == Status::Success as u16 => "stored",
            _ if status == Status::Exists as u16 && command == "add" => "not_stored",
            _ if status == Status::NotFound as u16 && command == "replace" => "not_stored",
            _ if status == Status::Exists as u16 => "exists",
            _ if status == Status::NotFound as u16 => "not_found",
            _ if status == Status::NotStored as u16 => "not_stored",
            _ if status == Status::TooLarge as u16 => "too_large",
            _ => "no_memory",
        };
    }
    let starts = |word: &str| reply.starts_with(word.as_bytes());
    match reply {
        b"" => "stored",
        _ if starts("STORED") || starts("HD") => "stored",
        _ if starts("EX") => "exists",
        _ if starts("NOT_FOUND") || starts("NF") => "not_found",
        _ if starts("NOT_STORED") || starts("NS") => "not_stored",
        _ if starts("SERVER_ERROR object too large") => "too_large",
        _ => "no_memory",
    }
}

/// The status of a reply that is a packet.
fn status(reply: &[u8]) -> Option<u16> {
    match *reply.first_chunk()? {
        [crate::protocol::binary::REPLY_MAGIC, _, _, _, _, _, high, low] => {
            Some(u16::from_be_bytes([high, low]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_storing_is_read_from_lines() {
        for (reply, word) in [
            ("STORED\r\n", "stored"),
            ("HD\r\n", "stored"),
            ("HD c7 Oq\r\n", "stored"),
            ("", "stored"),
            ("EXISTS\r\n", "exists"),
            ("EX Oq\r\n", "exists"),
            ("NOT_FOUND\r\n", "not_found"),
            ("NF\r\n", "not_found"),
            ("NOT_STORED\r\n", "not_stored"),
            ("NS kx\r\n", "not_stored"),
            ("SERVER_ERROR object too large for cache\r\n", "too_large"),
            ("SERVER_ERROR out of memory storing object\r\n", "no_memory"),
        ] {
            assert_eq!(stored("set", reply.as_bytes()), word, "{reply:?}");
        }
    }

    #[test]
    fn what_came_of_storing_is_read_from_packets() {
        for (command, status, word) in [
            ("set", Status::Success, "stored"),
            ("add", Status::Exists, "not_stored"),
            ("replace", Status::NotFound, "not_stored"),
            ("cas", Status::Exists, "exists"),
            ("append", Status::Exists, "exists"),
            ("cas", Status::NotFound, "not_found"),
            ("append", Status::NotStored, "not_stored"),
            ("set", Status::TooLarge, "too_large"),
            ("set", Status::NoMemory, "no_memory"),
        ] {
            let mut reply = vec![0; 24];
            reply[0] = 0x81;
            reply[6..8].copy_from_slice(&(status as u16).to_be_bytes());
            assert_eq!(stored(command, &reply), word, "{command} {status:?}");
        }
    }
}
