//! Ghosts: 16 bits for each of the last keys evicted, so that one which comes back is known.
//!
//! A table of small rows, newest first; a key's row and fingerprint come from its hash. A new ghost pushes the
//! oldest of its row out, so the place in the row tells about how long ago a key went. One key in some thousands is
//! mistaken for a ghost, which does no harm.

/// Ghosts of a row: half a cache line.
const ROW: usize = 16;
/// Set in the fingerprint of a key that was evicted from a main queue.
const FROM_MAIN: u16 = 0x8000;

/// The table.
#[derive(Default)]
pub(crate) struct Ghosts {
    /// A power of two of rows, or none.
    rows: Vec<[u16; ROW]>,
}

/// A key that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Return {
    /// It was evicted from a main queue.
    pub(crate) from_main: bool,
    /// How many keys of its row went after it.
    pub(crate) rank: usize,
}

impl Ghosts {
    /// Bytes of the table.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        (self.rows.len() * size_of::<[u16; ROW]>()) as u64
    }

    /// Makes the table fit a store of so many items: about three quarters as many ghosts. Forgets all if the size changes.
    pub(crate) fn fit(&mut self, items: u64) {
        let rows = (items as usize / ROW).max(16);
        if rows >= self.rows.len() * 2 || rows * 3 < self.rows.len() {
            self.rows = vec![[0; ROW]; 1 << rows.ilog2()];
        }
    }

    /// Forgets everything and holds no memory.
    pub(crate) fn clear(&mut self) {
        self.rows = Vec::new();
    }

    /// Asks the CPU for the row of a hash.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        if let Some((row, _)) = self.place(hash) {
            crate::index::prefetch(self.rows[row].as_ptr().cast());
        }
    }

    /// Notes a key that was evicted.
    pub(crate) fn add(&mut self, hash: u64, from_main: bool) {
        let Some((row, fingerprint)) = self.place(hash) else { return };
        let row = &mut self.rows[row];
        row.copy_within(..ROW - 1, 1);
        row[0] = if from_main { fingerprint | FROM_MAIN } else { fingerprint };
    }

    /// If the key went not long ago, forgets it and says so.
    #[inline]
    pub(crate) fn take(&mut self, hash: u64) -> Option<Return> {
        let (row, fingerprint) = self.place(hash)?;
        let row = &mut self.rows[row];
        let rank = row.iter().position(|ghost| ghost & !FROM_MAIN == fingerprint)?;
        let from_main = row[rank] & FROM_MAIN != 0;
        row.copy_within(rank + 1.., rank);
        row[ROW - 1] = 0;
        Some(Return { from_main, rank })
    }

    /// Row and fingerprint, which is never 0, of a hash.
    #[inline]
    fn place(&self, hash: u64) -> Option<(usize, u16)> {
        let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let row = (mixed >> 16) as usize & self.rows.len().checked_sub(1)?;
        Some((row, ((mixed >> 49) as u16).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        (number + 1).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(31)
    }

    #[test]
    fn what_went_lately_is_known_and_what_never_was_here_is_not() {
        let mut ghosts = Ghosts::default();
        assert_eq!(ghosts.take(hash(1)), None);
        ghosts.add(hash(1), true);
        ghosts.fit(20_000);
        let capacity = ghosts.bytes() / 2;
        assert!((10_000..=20_000).contains(&capacity));
        for number in 0..100_000 {
            ghosts.add(hash(number), number.is_multiple_of(3));
        }
        let known = (95_000..100_000u64)
            .filter(|&number| {
                ghosts.take(hash(number)).is_some_and(|ghost| ghost.from_main == (number.is_multiple_of(3)))
            })
            .count();
        assert!(known > 4_500, "{known}");
        let mistaken = (200_000..210_000).filter(|&number| ghosts.take(hash(number)).is_some()).count();
        assert!(mistaken < 30, "{mistaken}");
        let twice = (99_000..100_000).filter(|&number| ghosts.take(hash(number)).is_some()).count();
        assert!(twice < 10, "{twice}");
    }

    #[test]
    fn rows_equal_lists() {
        let mut ghosts = Ghosts::default();
        ghosts.fit(0);
        let mut twin: Vec<Vec<(u16, bool)>> = vec![Vec::new(); ghosts.rows.len()];
        for step in 0..20_000u64 {
            let key = hash(hash(step) % 600);
            let (row, fingerprint) = ghosts.place(key).unwrap();
            let list = &mut twin[row];
            if hash(step * 3).is_multiple_of(2) {
                let main = step.is_multiple_of(2);
                ghosts.add(key, main);
                list.insert(0, (fingerprint, main));
                list.truncate(ROW);
            } else {
                let rank = list.iter().position(|ghost| ghost.0 == fingerprint);
                let expected = rank.map(|rank| Return { from_main: list.remove(rank).1, rank });
                assert_eq!(ghosts.take(key), expected);
            }
        }
    }

    #[test]
    fn the_table_follows_the_number_of_items_by_doublings() {
        let mut ghosts = Ghosts::default();
        ghosts.fit(1_000_000);
        let bytes = ghosts.bytes();
        ghosts.fit(1_020_000);
        assert_eq!(ghosts.bytes(), bytes);
        ghosts.fit(100_000);
        assert!(ghosts.bytes() < bytes / 4);
        ghosts.clear();
        assert_eq!(ghosts.bytes(), 0);
    }
}
