//! Who sleeps, so that those who send mail know whom to wake.
//!
//! A sleeper says so and then looks for mail; a sender puts its mail into the ring and then looks for sleepers. Between the
//! two steps of either stands a fence, so at least one of them sees what the other has done: mail that comes as somebody
//! falls asleep either keeps it awake or rings its bell.

use crate::atomic::{AtomicBool, Ordering, fence};

/// A flag for each core: it sleeps, or is about to.
pub struct Sleepers(Box<[AtomicBool]>);

impl Sleepers {
    /// So many cores, all up.
    pub fn new(cores: usize) -> Sleepers {
        Sleepers((0..cores).map(|_| AtomicBool::new(false)).collect())
    }

    /// The core is going to sleep. False if there is mail after all: then it is up and must not.
    pub fn may_sleep(&self, core: u16, has_mail: impl FnOnce() -> bool) -> bool {
        // A store would do: it cannot come between another's exchange and what that one has read. loom does not know that.
        self.0[core as usize].swap(true, Ordering::Relaxed);
        // Pairs with the fence in `must_wake`: either we see the mail, or its sender sees us asleep.
        fence(Ordering::SeqCst);
        if has_mail() {
            self.is_up(core);
            return false;
        }
        true
    }

    /// The core looks into its mail by itself from now on.
    pub fn is_up(&self, core: u16) {
        self.0[core as usize].store(false, Ordering::Relaxed);
    }

    /// Mail for the core lies in its ring. True if it has to be woken: of several senders one is told so.
    pub fn must_wake(&self, core: u16) -> bool {
        fence(Ordering::SeqCst);
        self.0[core as usize].swap(false, Ordering::Relaxed)
    }
}
