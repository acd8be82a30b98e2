//! Which physical databases a logical one has been, lately: somebody who watches a key that was absent wants to know
//! of every place where it may have come and gone.

use std::collections::VecDeque;

/// Replacements remembered.
const REPLACEMENTS_MAX: usize = 64;

/// The latest replacements of physical databases.
#[derive(Debug, Default)]
pub struct Past {
    /// Logical database and the physical one that it had until then.
    replaced: VecDeque<(u8, u8)>,
    forgotten: u64,
}

impl Past {
    /// How many replacements there have been: a moment to compare with.
    pub fn moment(&self) -> u64 {
        self.forgotten + self.replaced.len() as u64
    }

    /// The logical database `db` is not the physical one `physical` any more.
    pub(super) fn note(&mut self, db: u8, physical: u8) {
        if self.replaced.len() == REPLACEMENTS_MAX {
            self.replaced.pop_front();
            self.forgotten += 1;
        }
        self.replaced.push_back((db, physical));
    }

    /// What a logical database was since a moment, the present not counted; `None`: that is too long ago.
    pub fn since(&self, moment: u64, db: u8) -> Option<impl Iterator<Item = u8>> {
        let skipped = moment.checked_sub(self.forgotten)? as usize;
        Some(
            self.replaced
                .iter()
                .skip(skipped)
                .filter(move |(of, _)| *of == db)
                .map(|(_, physical)| *physical),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_was_is_known_for_a_while() {
        let mut past = Past::default();
        past.note(0, 7);
        let moment = past.moment();
        past.note(0, 8);
        past.note(1, 9);
        past.note(0, 10);
        assert_eq!(past.since(moment, 0).unwrap().collect::<Vec<_>>(), [8, 10]);
        assert_eq!(past.since(past.moment(), 0).unwrap().count(), 0);
        for _ in 0..REPLACEMENTS_MAX {
            past.note(2, 3);
        }
        assert!(past.since(moment, 0).is_none());
    }
}
