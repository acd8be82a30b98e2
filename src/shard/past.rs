//! Which physical databases a logical one has been, lately: somebody who watches a key that was absent wants to know
//! of every place where it may have come and gone.

use std::collections::VecDeque;

/// Replacements remembered.
const REPLACEMENTS_MAX: usize = 64;

/// The latest replacements of physical databases.
#[derive(Debug, Default)]
pub struct Past {
    replaced: VecDeque<(u8, Former)>,
    forgotten: u64,
}

/// A physical database that a logical one had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Former {
    /// The store's number of it.
    pub physical: u8,
    /// The store's last change by then.
    pub until: u32,
}

impl Past {
    /// How many replacements there have been: a moment to compare with.
    pub fn moment(&self) -> u64 {
        self.forgotten + self.replaced.len() as u64
    }

    /// The logical database `db` is not that physical one any more.
    pub(super) fn note(&mut self, db: u8, former: Former) {
        if self.replaced.len() == REPLACEMENTS_MAX {
            self.replaced.pop_front();
            self.forgotten += 1;
        }
        self.replaced.push_back((db, former));
    }

    /// What a logical database was since a moment, the present not counted; `None`: that is too long ago.
    pub fn since(&self, moment: u64, db: u8) -> Option<impl Iterator<Item = Former>> {
        let skipped = moment.checked_sub(self.forgotten)? as usize;
        Some(self.replaced.iter().skip(skipped).filter(move |(of, _)| *of == db).map(|(_, former)| *former))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_was_is_known_for_a_while() {
        let former = |physical| Former { physical, until: 1 };
        let mut past = Past::default();
        past.note(0, former(7));
        let moment = past.moment();
        past.note(0, former(8));
        past.note(1, former(9));
        past.note(0, former(10));
        assert_eq!(past.since(moment, 0).unwrap().collect::<Vec<_>>(), [former(8), former(10)]);
        assert_eq!(past.since(past.moment(), 0).unwrap().count(), 0);
        for _ in 0..REPLACEMENTS_MAX {
            past.note(2, former(3));
        }
        assert!(past.since(moment, 0).is_none());
    }
}
