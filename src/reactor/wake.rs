//! Ending another core's wait.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Ends the wait of the driver that it came from. Cheap to clone, may be used from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Bell>);

#[derive(Debug)]
struct Bell {
    /// An eventfd that the driver watches: the way in for threads without a ring.
    event: File,
    /// A duplicate of the driver's ring, so that the number cannot come to mean another file.
    ring: Option<OwnedFd>,
}

impl Waker {
    /// A waker that rings `event`, or `ring` for those who have a ring themselves.
    pub(super) fn new(event: OwnedFd, ring: Option<OwnedFd>) -> Waker {
        Waker(Arc::new(Bell { event: File::from(event), ring }))
    }

    /// Wakes by a system call. From a core's own thread, `Driver::wake` is cheaper.
    pub fn wake(&self) {
        // The one error possible, a counter about to overflow, means that the bell is ringing.
        let _ = (&self.0.event).write(&1u64.to_ne_bytes());
    }

    /// The ring to send a message to, if the driver has one.
    pub(super) fn ring(&self) -> Option<RawFd> {
        self.0.ring.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// The eventfd, for the driver itself.
    pub(super) fn event(&self) -> &File {
        &self.0.event
    }
}
