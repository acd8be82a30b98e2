//! Which way of using io_uring works on this host.
//!
//! Kernels, containers and sandboxes differ in what they permit, and some accept flags that they do not honour.
//! So each way is tried with the driver itself: bytes go through a socket pair, more of them than fit at once.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Uring;
use crate::reactor::{Door, Driver, Events, Options, Report, Socket, Wait};

/// Whether completions are worked off only when the driver enters (Linux 6.1), from best to worst.
const DEFERRED: [bool; 2] = [true, false];

fn name(deferred: bool) -> &'static str {
    if deferred { "with deferred completions" } else { "without deferred completions" }
}

/// Opens a driver in the best way that works. Says which, and why not a better one.
pub(super) fn open(options: &Options) -> io::Result<(Uring, String)> {
    let mut failures = String::new();
    let mut kind = io::ErrorKind::Unsupported;
    for deferred in DEFERRED {
        let attempt = Uring::new(options, deferred).and_then(|mut driver| {
            exercise(&mut driver)?;
            Ok(driver)
        });
        let way = name(deferred);
        match attempt {
            Ok(driver) if failures.is_empty() => return Ok((driver, way.into())),
            Ok(driver) => return Ok((driver, format!("{way} ({failures})"))),
            // Whoever forbids io_uring, or has none, does so in all ways.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => {
                return Err(io::Error::new(error.kind(), format!("io_uring is not usable here: {error}")));
            }
            Err(error) => {
                kind = error.kind();
                let separator = if failures.is_empty() { "" } else { "; " };
                failures += &format!("{separator}{way}: {error}");
            }
        }
    }
    Err(io::Error::new(kind, format!("io_uring is not usable here ({failures})")))
}

const TRIAL_BYTES: usize = 1 << 20;
const IDLE_TURNS_MAX: u32 = 10;
const TURN_MAX: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Witness {
    received: Vec<u8>,
    sent: u32,
    woken: u32,
    ended: u32,
    gone: u32,
}

impl Witness {
    fn progress(&self) -> (usize, u32) {
        (self.received.len(), self.sent + self.woken + self.ended + self.gone)
    }
}

impl Events for Witness {
    fn accepted(&mut self, _: OwnedFd, _: Door) {}

    fn received(&mut self, _: Socket, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    fn sent(&mut self, _: Socket, _: Vec<u8>) {
        self.sent += 1;
    }

    fn ended(&mut self, _: Socket) {
        self.ended += 1;
    }

    fn gone(&mut self, _: Socket) {
        self.gone += 1;
    }

    fn woken(&mut self) {
        self.woken += 1;
    }

    fn refusal(&mut self, _: Door) -> &[u8] {
        &[]
    }
}

/// Makes one round trip of everything that a core relies on.
fn exercise(driver: &mut Uring) -> io::Result<()> {
    let mut witness = Witness::default();
    let (left, right) = UnixStream::pair()?;
    let (left, right) = (driver.adopt(left.into())?, driver.adopt(right.into())?);
    let pattern: Vec<u8> = (0..TRIAL_BYTES).map(|i| (i % 251) as u8).collect();
    driver.send(left, pattern.clone(), Report::Lazily);
    until(driver, &mut witness, |w| w.sent == 1 && w.received.len() >= TRIAL_BYTES)?;
    if witness.received != pattern {
        return Err(io::Error::other("bytes arrive damaged"));
    }
    let waker = driver.waker();
    driver.wake(&waker);
    until(driver, &mut witness, |w| w.woken == 1)?;
    waker.wake();
    until(driver, &mut witness, |w| w.woken == 2)?;
    driver.close(left);
    until(driver, &mut witness, |w| w.gone == 1 && w.ended == 1)?;
    driver.close(right);
    until(driver, &mut witness, |w| w.gone == 2)
}

fn until(driver: &mut Uring, witness: &mut Witness, done: impl Fn(&Witness) -> bool) -> io::Result<()> {
    let mut idle_turns = 0;
    while !done(witness) {
        let before = witness.progress();
        driver.turn(Wait::For(TURN_MAX), witness)?;
        idle_turns = if witness.progress() == before { idle_turns + 1 } else { 0 };
        if idle_turns > IDLE_TURNS_MAX || witness.gone > 2 {
            return Err(io::Error::other("a trial did not come to its end"));
        }
    }
    Ok(())
}
