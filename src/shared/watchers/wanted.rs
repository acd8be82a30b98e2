//! Which topics anybody listens to: a count for each, and a mask of those that are not 0, which is all that is looked at
//! where something could be told.

use crate::atomic::{AtomicU32, Ordering};

/// Topics are the lowest bits of the mask, so many of them.
const TOPICS: usize = 6;

/// See the module.
#[derive(Debug, Default)]
pub struct Wanted {
    mask: AtomicU32,
    by_topic: [AtomicU32; TOPICS],
}

impl Wanted {
    /// The mask.
    #[inline]
    pub fn mask(&self) -> u32 {
        self.mask.load(Ordering::Relaxed)
    }

    /// Sets or clears bits that are no topics and have no count.
    pub fn set(&self, bits: u32, on: bool) {
        if on {
            self.mask.fetch_or(bits, Ordering::AcqRel);
        } else {
            self.mask.fetch_and(!bits, Ordering::AcqRel);
        }
    }

    /// One more listens to these topics.
    pub fn listen(&self, topics: u16) {
        self.each(topics, |count| count.fetch_add(1, Ordering::AcqRel) == 0);
    }

    /// One less does.
    pub fn unlisten(&self, topics: u16) {
        self.each(topics, |count| count.fetch_sub(1, Ordering::AcqRel) == 1);
    }

    /// Changes the counts of topics, and the mask where `change` says that it may have to be.
    fn each(&self, topics: u16, change: impl Fn(&AtomicU32) -> bool) {
        for (bit, count) in self.by_topic.iter().enumerate() {
            if topics & 1 << bit != 0 && change(count) {
                self.settle(1 << bit, count);
            }
        }
    }

    /// Has the mask follow a count. Another core may change the count meanwhile and be here too: whoever writes the mask
    /// last has looked at the count after that, or looks once more.
    fn settle(&self, bit: u32, count: &AtomicU32) {
        loop {
            let wanted = count.load(Ordering::Acquire) > 0;
            self.set(bit, wanted);
            if (count.load(Ordering::Acquire) > 0) == wanted {
                return;
            }
        }
    }
}
