//! What memcached's `stats detail` counts: commands by what stands before the first `:` of their keys, or
//! another byte of the user's choice.

use crate::limits::PREFIXES_MAX;
use std::collections::HashMap;

/// Byte that ends a prefix, where the user has said nothing else.
pub const DELIMITER: u8 = b':';

/// Counts of one prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixCounts {
    /// Keys asked for.
    pub gets: u64,
    /// Of these, keys that were there.
    pub hits: u64,
    /// Attempts to store.
    pub sets: u64,
    /// Attempts to delete.
    pub deletes: u64,
}

/// What a command is to those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It asks for the value.
    Get,
    /// It stores, under memcached's name for that.
    Store(&'static str),
    /// It deletes; the command's name.
    Delete(&'static str),
    /// It changes a number, and may store a first one.
    Count,
    /// Something else with an item.
    Other,
}

/// Counts by prefix. Empty while nobody has switched it on.
#[derive(Debug)]
pub struct Prefixes {
    /// Byte that ends a prefix.
    pub delimiter: u8,
    counts: HashMap<Box<[u8]>, PrefixCounts>,
}

impl Default for Prefixes {
    fn default() -> Prefixes {
        Prefixes { delimiter: DELIMITER, counts: HashMap::new() }
    }
}

impl Prefixes {
    /// Counts a command on a key. Keys without a delimiter have no prefix; neither has what comes when there are
    /// too many prefixes already.
    pub fn note(&mut self, key: &[u8], deed: Deed, found: bool) {
        let Some(len) = key.iter().position(|&byte| byte == self.delimiter) else { return };
        let prefix = &key[..len];
        if !self.counts.contains_key(prefix) {
            if self.counts.len() == PREFIXES_MAX || matches!(deed, Deed::Count | Deed::Other) {
                return;
            }
            self.counts.insert(prefix.into(), PrefixCounts::default());
        }
        let Some(counts) = self.counts.get_mut(prefix) else { return };
        match deed {
            Deed::Get => {
                counts.gets += 1;
                counts.hits += u64::from(found);
            }
            Deed::Store(_) => counts.sets += 1,
            Deed::Delete(_) => counts.deletes += 1,
            Deed::Count | Deed::Other => {}
        }
    }

    /// Every prefix, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &PrefixCounts)> {
        self.counts.iter().map(|(prefix, counts)| (&**prefix, counts))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts = HashMap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_by_prefix() {
        let mut prefixes = Prefixes::default();
        prefixes.note(b"a:b:c", Deed::Get, true);
        prefixes.note(b"a:", Deed::Get, false);
        prefixes.note(b"a:x", Deed::Store("set"), false);
        prefixes.note(b"a:x", Deed::Delete("delete"), true);
        prefixes.note(b"none", Deed::Get, true);
        prefixes.note(b"o:x", Deed::Other, true);
        prefixes.note(b"n:x", Deed::Count, true);
        let counts = PrefixCounts { gets: 2, hits: 1, sets: 1, deletes: 1 };
        assert_eq!(prefixes.iter().collect::<Vec<_>>(), [(&b"a"[..], &counts)]);
    }

    #[test]
    fn prefixes_are_limited() {
        let mut prefixes = Prefixes::default();
        for number in 0..2 * PREFIXES_MAX {
            prefixes.note(format!("{number}:").as_bytes(), Deed::Get, true);
        }
        assert_eq!(prefixes.iter().count(), PREFIXES_MAX);
        prefixes.note(b"0:", Deed::Get, true);
        assert!(prefixes.iter().any(|(prefix, counts)| prefix == b"0" && counts.gets == 2));
    }
}
