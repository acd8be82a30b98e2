//! Turning clients away when no descriptor is left.
//!
//! A connection that cannot be accepted stays in the listener's queue and keeps it readable. So one descriptor
//! is held in reserve: it is given up for a moment, for each waiting client to be told and closed.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::sys;

/// How long a listener rests after it ran out of descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Clients turned away at a time, so that a storm of them does not hold up those who are served.
const REFUSALS_MAX: usize = 64;

/// The descriptor in reserve.
pub(super) struct Spare(Option<File>);

impl Spare {
    pub fn new() -> Spare {
        Spare(File::open("/dev/null").ok())
    }

    /// Tells those who wait at `listener` `answer` and closes them.
    pub fn refuse(&mut self, listener: &OwnedFd, answer: &[u8]) {
        for _ in 0..REFUSALS_MAX {
            // Other threads may snatch what is given up here; the clients are then refused after the pause.
            drop(self.0.take());
            let accepted = sys::accept(listener.as_fd());
            let over = accepted.is_err();
            if let Ok(descriptor) = accepted {
                // Best effort: the client learns from the close too.
                let _ = TcpStream::from(descriptor).write(answer);
            }
            self.0 = File::open("/dev/null").ok();
            if over {
                return;
            }
        }
    }
}

/// Whether accepting failed because something is used up, so that trying again at once is of no use.
pub(super) fn is_exhaustion(errno: i32) -> bool {
    matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
}
