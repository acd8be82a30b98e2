//! Large blobs that were freed and wait to be taken again by the same thread, so that a stream of large values costs no
//! fresh pages of the kernel's for each of them. Owns which are kept and for how long; `large` takes and frees them.
//!
//! A thread keeps none before it says how much it may ([`crate::keep_spare_blobs`]). What is kept is the ledger's
//! business of whoever said so ([`crate::spare_blob_bytes`]).

use std::collections::VecDeque;

/// Blobs for reuse, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    /// Usable bytes, and where the blob is.
    blobs: VecDeque<(usize, *mut u8)>,
    bytes: usize,
    bytes_max: usize,
    /// The fewest bytes that were kept since the last `stale`: nobody has needed so many.
    unneeded: usize,
}

impl Spares {
    /// Nothing kept, and nothing to be kept.
    pub const fn new() -> Spares {
        Spares { blobs: VecDeque::new(), bytes: 0, bytes_max: 0, unneeded: 0 }
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many may be kept. What is beyond comes out of `surplus`.
    pub fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// A blob of at least so many bytes and at most an eighth more, the smallest of these.
    pub fn take(&mut self, bytes: usize) -> Option<*mut u8> {
        let most = bytes + bytes / 8;
        let fits = self.blobs.iter().enumerate().filter(|(_, blob)| (bytes..=most).contains(&blob.0));
        let (at, _) = fits.min_by_key(|(_, blob)| blob.0)?;
        let (bytes, blob) = self.blobs.remove(at)?;
        self.bytes -= bytes;
        self.unneeded = self.unneeded.min(self.bytes);
        Some(blob)
    }

    /// Keeps a blob; false if it is greater than all that may be kept. What has to go for it comes out of `surplus`.
    pub fn give(&mut self, bytes: usize, blob: *mut u8) -> bool {
        let fits = bytes <= self.bytes_max;
        if fits {
            self.bytes += bytes;
            self.blobs.push_back((bytes, blob));
        }
        fits
    }

    /// The oldest blob, if more is kept than may be.
    pub fn surplus(&mut self) -> Option<*mut u8> {
        if self.bytes > self.bytes_max { self.oldest() } else { None }
    }

    /// Begins to give up a quarter of what nobody has needed since the last time, a blob at least: so many bytes are to
    /// come out of `oldest`.
    pub fn stale(&mut self) -> usize {
        let stale = self.unneeded.div_ceil(4);
        self.unneeded = self.bytes - stale;
        stale
    }

    /// The oldest blob.
    pub fn oldest(&mut self) -> Option<*mut u8> {
        let (bytes, blob) = self.blobs.pop_front()?;
        self.bytes -= bytes;
        self.unneeded = self.unneeded.min(self.bytes);
        Some(blob)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(number: usize) -> *mut u8 {
        std::ptr::without_provenance_mut(number)
    }

    #[test]
    fn the_smallest_that_is_not_much_too_large_is_taken() {
        let mut spares = Spares::new();
        assert!(!spares.give(1, blob(1)));
        spares.limit(10_000);
        for (number, bytes) in [1000, 1200, 1100, 2000].into_iter().enumerate() {
            assert!(spares.give(bytes, blob(number)));
        }
        assert_eq!(spares.take(2001), None);
        assert_eq!(spares.take(1001), Some(blob(2)));
        assert_eq!(spares.take(1001), None, "1200 is more than an eighth too large");
        assert_eq!((spares.take(1000), spares.take(1150)), (Some(blob(0)), Some(blob(1))));
        assert_eq!((spares.bytes(), spares.surplus()), (2000, None));
    }

    #[test]
    fn the_oldest_go_for_new_ones_and_for_a_lower_limit() {
        let mut spares = Spares::new();
        spares.limit(1000);
        assert!(!spares.give(1001, blob(9)));
        for number in 0..4 {
            assert!(spares.give(300, blob(number)));
        }
        assert_eq!((spares.surplus(), spares.surplus()), (Some(blob(0)), None));
        spares.limit(0);
        assert_eq!(
            (spares.surplus(), spares.surplus(), spares.surplus()),
            (Some(blob(1)), Some(blob(2)), Some(blob(3)))
        );
        assert_eq!((spares.surplus(), spares.bytes()), (None, 0));
    }

    #[test]
    fn what_nobody_needs_goes_bit_by_bit_and_what_is_needed_stays() {
        let mut spares = Spares::new();
        spares.limit(100_000);
        (0..100).for_each(|number| assert!(spares.give(1000, blob(number))));
        let rest = |spares: &mut Spares| {
            let until = spares.bytes() - spares.stale();
            while spares.bytes() > until {
                spares.oldest().unwrap();
            }
        };
        rest(&mut spares);
        assert_eq!(spares.bytes(), 100_000, "until now they were being given");
        for _ in 0..5 {
            let taken: Vec<_> = (0..60).map(|_| spares.take(1000).unwrap()).collect();
            taken.into_iter().for_each(|blob| assert!(spares.give(1000, blob)));
            rest(&mut spares);
            assert!(spares.bytes() >= 60_000);
        }
        (0..40).for_each(|_| rest(&mut spares));
        assert_eq!(spares.bytes(), 0);
    }
}
