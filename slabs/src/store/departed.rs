//! When keys left the store, so that somebody who has seen that a key was absent can tell whether it has been absent
//! ever since: an item that came and went again leaves no version behind.

/// Places for departures; keys share them by hash.
const PLACES: usize = 1024;

/// The last departure of each place.
pub(super) struct Departed {
    changes: Box<[u32; PLACES]>,
}

impl Departed {
    /// Nothing has left yet; `change` is the number of the last change.
    pub(super) fn new(change: u32) -> Departed {
        Departed { changes: Box::new([change; PLACES]) }
    }

    /// An item of this hash has left with this change.
    #[inline]
    pub(super) fn note(&mut self, hash: u64, change: u32) {
        self.changes[hash as usize % PLACES] = change;
    }

    /// Everything has left with this change.
    pub(super) fn note_all(&mut self, change: u32) {
        self.changes.fill(change);
    }

    /// No item of this hash has left after the change `since`. False, too, if another key of its place has.
    pub(super) fn none_since(&self, hash: u64, since: u32) -> bool {
        self.changes[hash as usize % PLACES].wrapping_sub(since).cast_signed() <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_departure_is_seen_by_those_who_looked_before_it() {
        let mut departed = Departed::new(10);
        assert!(departed.none_since(5, 10));
        departed.note(5, 12);
        assert!(!departed.none_since(5, 11) && departed.none_since(5, 12));
        assert!(departed.none_since(6, 10));
        departed.note_all(20);
        assert!(!departed.none_since(6, 19) && departed.none_since(6, 20));
    }

    #[test]
    fn numbers_of_changes_go_round() {
        let mut departed = Departed::new(u32::MAX - 1);
        departed.note(5, 3);
        assert!(!departed.none_since(5, u32::MAX));
        assert!(departed.none_since(5, 4));
    }
}
