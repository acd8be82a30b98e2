//! Which keys a command touches, how it holds them, and which shards own them.

use crate::command::keys::moving::copies;
use crate::command::table::TABLE;
use crate::command::{Command, Fault, Handler, KeyRef, flag, sort};
use crate::protocol::Args;
use crate::session::Queued;
use crate::shard::locks::Mode;
use crate::shared::Shared;

/// Places of a command's keys among its arguments, as the row gives them or as the command itself finds them.
pub fn keys_of(
    command: &Command,
    args: Args<'_>,
    db: u8,
    databases: u8,
    keys: &mut Vec<KeyRef>,
) -> Result<(), Fault> {
    keys.clear();
    match command.handler {
        Handler::Hops(hops) => (hops.keys)(args, db, databases, keys),
        Handler::Sort => sort::keys(command, args, db, keys),
        Handler::Shard(_) | Handler::Meta(_) | Handler::Spread { .. } => {
            keys.extend(command.keys.positions(args.len()).map(|arg| KeyRef { arg, db, value: true }));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// How a command holds its keys.
pub fn mode_of(command: &Command) -> Mode {
    if command.is(flag::READONLY) { Mode::Shared } else { Mode::Exclusive }
}

/// Where the keys of a command live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has no keys.
    Nowhere,
    /// All of them are on one shard.
    One(u16),
    /// They are on several.
    Several,
}

/// Where these keys live.
pub fn place_of(shared: &Shared, args: Args<'_>, keys: &[KeyRef]) -> Place {
    let mut place = Place::Nowhere;
    for key in keys {
        let shard = shard_of(shared, &args[key.arg]);
        match place {
            Place::Nowhere => place = Place::One(shard),
            Place::One(known) if known != shard => return Place::Several,
            _ => {}
        }
    }
    place
}

/// The shard of a key; `{hash tags}` put keys together.
#[inline]
pub fn shard_of(shared: &Shared, key: &[u8]) -> u16 {
    if shared.cores() == 1 { 0 } else { shared.shard_of(shared.hasher.hash(tag(key))) }
}

/// What of a key decides its shard: what stands between the first `{` and the next `}`, if anything does.
#[inline]
pub fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    match memchr::memchr(b'}', &key[open + 1..]) {
        None | Some(0) => key,
        Some(len) => &key[open + 1..open + 1 + len],
    }
}

/// What a sequence of commands must hold while it runs.
#[derive(Debug, Default)]
pub struct Claims {
    /// Every shard is held whole.
    pub everything: bool,
    /// Otherwise: the keys, by shard.
    pub keys: Vec<Vec<(u64, Mode)>>,
    /// A question to all cores is among the commands.
    pub asks: bool,
}

impl Claims {
    /// Nothing, over so many shards.
    pub fn none(shards: u16) -> Claims {
        Claims { everything: false, keys: vec![Vec::new(); shards as usize], asks: false }
    }

    /// Adds a key.
    pub fn add(&mut self, shared: &Shared, key: &[u8], mode: Mode) {
        self.keys[shard_of(shared, key) as usize].push((shared.hasher.hash(key), mode));
    }

    /// Adds what a queued command needs. Its arguments were checked when it was queued, save for what
    /// only the command itself can judge when it runs.
    pub fn add_command(&mut self, shared: &Shared, request: &Queued, databases: u8) {
        let command = TABLE.row(request.row);
        if let Handler::Every(every) = command.handler {
            self.asks = true;
            self.everything |= every.atomic;
        }
        let mut keys = Vec::new();
        let args = request.args();
        // Which other keys it needs is known when it is too late to claim them.
        self.everything |= sort::looks_up(command, args);
        let mode = mode_of(command);
        if keys_of(command, args, 0, databases, &mut keys).is_ok() {
            for (place, key) in keys.iter().enumerate() {
                let reads = place == 0 && copies(command);
                self.add(shared, &args[key.arg], if reads { Mode::Shared } else { mode });
            }
        } else {
            // It may refuse its arguments only in database 0, and a `SELECT` may come before it.
            command.keys.positions(args.len()).for_each(|at| self.add(shared, &args[at], mode));
        }
    }

    /// Shards concerned.
    pub fn shards(&self) -> Vec<u16> {
        (0..self.keys.len() as u16)
            .filter(|&s| self.everything || !self.keys[s as usize].is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn a_hash_tag_is_what_redis_cluster_takes_for_one() {
        for (key, part) in
            [("a{b}c", "b"), ("{}a", "{}a"), ("a{{b}}", "{b"), ("a{b", "a{b"), ("a{b}{c}", "b"), ("", "")]
        {
            assert_eq!(tag(key.as_bytes()), part.as_bytes(), "{key}");
        }
    }
}
