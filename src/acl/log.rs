//! What was refused, for `ACL LOG`: the newest first, the same again counted.

use std::collections::VecDeque;

/// The same refusal within this time is one entry.
const GROUPED_MS: u64 = 60_000;

/// Of the newest entries so many are looked at for the same.
const GROUPED_AMONG: usize = 10;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
    /// Somebody with a wrong name or password.
    Auth,
}

impl Reason {
    /// Redis's word.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How often.
    pub count: u64,
    /// What.
    pub reason: Reason,
    /// It was within `MULTI`.
    pub in_multi: bool,
    /// The command, key or channel.
    pub object: Vec<u8>,
    /// Who.
    pub username: Vec<u8>,
    /// When last, Unix milliseconds.
    pub time_ms: u64,
    /// The client as `CLIENT LIST` shows it.
    pub client: Vec<u8>,
}

impl Entry {
    fn is_same(&self, other: &Entry) -> bool {
        self.reason == other.reason
            && self.in_multi == other.in_multi
            && self.time_ms.abs_diff(other.time_ms) <= GROUPED_MS
            && self.object == other.object
            && self.username == other.username
    }
}

/// The log.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
}

impl Log {
    /// Adds a refusal; of all, `entries_max` are kept (`acllog-max-len`).
    pub fn add(&mut self, mut entry: Entry, entries_max: usize) {
        let same = self.entries.iter().take(GROUPED_AMONG).position(|known| known.is_same(&entry));
        if let Some(known) = same.and_then(|at| self.entries.remove(at)) {
            entry.count += known.count;
        }
        self.entries.push_front(entry);
        self.entries.truncate(entries_max);
    }

    /// The newest.
    pub fn newest(&self, count: usize) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter().take(count)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str, time_ms: u64) -> Entry {
        Entry {
            count: 1,
            reason: Reason::Key,
            in_multi: false,
            object: object.into(),
            username: b"u".to_vec(),
            time_ms,
            client: time_ms.to_string().into_bytes(),
        }
    }

    fn shown(log: &Log) -> Vec<(String, u64, u64)> {
        let shown = |e: &Entry| (String::from_utf8(e.object.clone()).unwrap(), e.count, e.time_ms);
        log.newest(99).map(shown).collect()
    }

    #[test]
    fn the_same_is_counted_and_comes_first_again() {
        let mut log = Log::default();
        for (object, time_ms) in [("a", 1), ("b", 2), ("a", 60_001), ("a", 120_002)] {
            log.add(entry(object, time_ms), 128);
        }
        assert_eq!(shown(&log), [("a".into(), 1, 120_002), ("a".into(), 2, 60_001), ("b".into(), 1, 2)]);
        assert_eq!(log.newest(2).nth(1).unwrap().client, b"60001");
        log.clear();
        assert_eq!(shown(&log), []);
    }

    #[test]
    fn the_oldest_go_and_old_ones_are_not_looked_for() {
        let mut log = Log::default();
        (0..11).for_each(|n| log.add(entry(&n.to_string(), 1), 128));
        log.add(entry("0", 1), 128);
        assert_eq!(log.newest(99).filter(|entry| entry.object == b"0").count(), 2);
        log.add(entry("x", 1), 3);
        assert_eq!(log.newest(99).len(), 3);
        log.add(entry("y", 1), 0);
        assert_eq!(log.newest(99).len(), 0);
    }
}
