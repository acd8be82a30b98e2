//! Who watches what the cache does (memcached's `watch`): which topics anybody wants to hear of, so that nobody speaks
//! where nobody listens.

mod wanted;

use crate::limits::WATCHERS_MAX;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use wanted::Wanted;

/// Topics as bits.
pub mod topic {
    /// Every look at an item.
    pub const FETCHERS: u16 = 1;
    /// Every attempt to store.
    pub const MUTATIONS: u16 = 1 << 1;
    /// Items that are evicted.
    pub const EVICTIONS: u16 = 1 << 2;
    /// Clients that come and go.
    pub const CONNEVENTS: u16 = 1 << 3;
    /// Items that are deleted by request.
    pub const DELETIONS: u16 = 1 << 4;
    /// Accepted, because tools ask for them; nothing is told: raw commands, events of memcached's own threads and proxy.
    pub const SILENT: u16 = 1 << 5;
    /// Not a watcher's: prefixes of keys are counted (`stats detail on`).
    pub const DETAIL: u16 = 1 << 6;
    /// Not a watcher's: events of keys are published (`shard::events`).
    pub const EVENTS: u16 = 1 << 7;
    /// Those that concern one item each.
    pub const ITEMS: u16 = FETCHERS | MUTATIONS | DELETIONS | DETAIL | EVENTS;
}

/// All watchers of the process.
#[derive(Debug, Default)]
pub struct Watchers {
    wanted: Wanted,
    count: AtomicU32,
    lines: AtomicU64,
    sent: AtomicU64,
    skipped: AtomicU64,
}

impl Watchers {
    /// Topics that somebody listens to.
    #[inline]
    pub fn topics(&self) -> u16 {
        self.wanted.mask() as u16
    }

    /// A watcher more. False: there are as many as there may be.
    pub fn join(&self, topics: u16) -> bool {
        if self.count.fetch_add(1, Relaxed) >= WATCHERS_MAX {
            self.count.fetch_sub(1, Relaxed);
            return false;
        }
        self.wanted.listen(topics);
        true
    }

    /// A watcher less.
    pub fn leave(&self, topics: u16) {
        self.count.fetch_sub(1, Relaxed);
        self.wanted.unlisten(topics);
    }

    /// Whether prefixes are counted. Saying it again changes nothing.
    pub fn set_detail(&self, on: bool) {
        self.wanted.set(u32::from(topic::DETAIL), on);
    }

    /// The number of a new line: lines of all cores have one order.
    pub fn number(&self) -> u64 {
        self.lines.fetch_add(1, Relaxed) + 1
    }

    /// A line was given to a watcher, or was skipped because that one does not read.
    pub fn count_line(&self, sent: bool) {
        (if sent { &self.sent } else { &self.skipped }).fetch_add(1, Relaxed);
    }

    /// Watchers, lines made, lines given to watchers, lines that watchers missed.
    pub fn figures(&self) -> [u64; 4] {
        let count = u64::from(self.count.load(Relaxed));
        [count, self.lines.load(Relaxed), self.sent.load(Relaxed), self.skipped.load(Relaxed)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_wanted_as_long_as_anybody_listens() {
        let watchers = Watchers::default();
        assert!(watchers.join(topic::FETCHERS) && watchers.join(topic::FETCHERS | topic::EVICTIONS));
        watchers.leave(topic::FETCHERS);
        assert_eq!(watchers.topics(), topic::FETCHERS | topic::EVICTIONS);
        watchers.leave(topic::FETCHERS | topic::EVICTIONS);
        assert_eq!((watchers.topics(), watchers.figures()[0]), (0, 0));
    }

    #[test]
    fn watchers_are_limited() {
        let watchers = Watchers::default();
        for _ in 0..WATCHERS_MAX {
            assert!(watchers.join(topic::DELETIONS));
        }
        assert!(!watchers.join(topic::DELETIONS));
        watchers.leave(topic::DELETIONS);
        assert!(watchers.join(topic::DELETIONS));
    }
}
