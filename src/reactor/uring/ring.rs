//! The ring itself: its set-up, and the one system call that submits and waits.
//!
//! The `io-uring` crate lays out the queues. Entering is done here, because the registered descriptor of
//! the ring must outlive one submitter and because waiting is not to be counted as iowait.
#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::super::Figures;
use io_uring::{EnterFlags, IoUring, cqueue, squeue};

const REGISTER_RING_FDS: libc::c_uint = 20;

/// `struct io_uring_rsrc_update` of the kernel's interface.
#[repr(C)]
struct RegisterRing {
    offset: u32,
    reserved: u32,
    descriptor: u64,
}

/// `struct io_uring_getevents_arg` of the kernel's interface.
#[repr(C)]
struct WaitArgument {
    signals: u64,
    signals_bytes: u32,
    wait_min_us: u32,
    timeout: u64,
}

/// `struct __kernel_timespec` of the kernel's interface.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// A submission and a completion queue, for the thread that made them.
pub(super) struct Ring {
    ring: IoUring,
    /// What to enter: the ring's number in this thread's table of registered rings, or its descriptor.
    entrance: RawFd,
    enter_flags: EnterFlags,
    /// Entries pushed so far, wrapping. What `consumed` says is on the same scale.
    pushed: u32,
    /// What is counted for metrics.
    pub figures: Figures,
    /// Registered rings and single issuers belong to a thread.
    not_send: PhantomData<*const ()>,
}

impl Ring {
    /// Sets a ring up. `deferred`: completions are worked off only when this thread enters.
    pub fn new(submissions: u32, completions: u32, deferred: bool) -> io::Result<Ring> {
        let mut builder = IoUring::builder();
        builder.setup_submit_all().setup_cqsize(completions).setup_clamp();
        builder.setup_coop_taskrun().setup_taskrun_flag().setup_single_issuer();
        if deferred {
            builder.setup_defer_taskrun();
        }
        let ring: IoUring = builder.build(submissions)?;
        let features = ring.params();
        if !(features.is_feature_nodrop()
            && features.is_feature_ext_arg()
            && features.is_feature_skip_cqe_on_success())
        {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the kernel's io_uring is too old"));
        }
        let mut enter_flags = EnterFlags::empty();
        if features.is_feature_no_iowait() {
            enter_flags |= EnterFlags::NO_IOWAIT;
        }
        let mut entrance = ring.as_raw_fd();
        if let Some(index) = register(entrance) {
            entrance = index;
            enter_flags |= EnterFlags::REGISTERED_RING;
        }
        Ok(Ring {
            ring,
            entrance,
            enter_flags,
            pushed: 0,
            figures: Figures::default(),
            not_send: PhantomData,
        })
    }

    /// The crate's view, for registrations.
    pub fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    /// Another descriptor of this ring, by which other rings send it messages.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        // SAFETY: the descriptor is open as long as `self.ring` lives, which outlives this borrow.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }.try_clone_to_owned()
    }

    /// Queues an entry and returns how many were pushed with it, or None if the queue is full.
    ///
    /// # Safety
    ///
    /// What the entry points to stays valid and untouched until its completion has been reaped, or, for an
    /// operation which cannot wait, until the entry is consumed.
    #[inline]
    pub unsafe fn push(&mut self, entry: &squeue::Entry) -> Option<u32> {
        // SAFETY: the caller promises what `push` asks for.
        unsafe { self.ring.submission().push(entry) }.ok()?;
        self.pushed = self.pushed.wrapping_add(1);
        Some(self.pushed)
    }

    /// How many of the entries pushed so far the kernel has taken.
    #[inline]
    pub fn consumed(&mut self) -> u32 {
        let waiting = self.ring.submission().len() as u32;
        self.pushed.wrapping_sub(waiting)
    }

    /// Submits all that is queued and waits until `completions_min` completions are there or
    /// `timeout` has passed. It may return earlier, having submitted only a part.
    pub fn enter(&mut self, completions_min: u32, timeout: Option<Duration>) -> io::Result<()> {
        let (waiting, idle) = {
            let queue = self.ring.submission();
            (queue.len() as u32, !queue.taskrun() && !queue.cq_overflow())
        };
        if waiting == 0 && completions_min == 0 && idle {
            return Ok(());
        }
        // Deferred work is run, and overflown completions are delivered, only when events are asked for.
        let mut flags = self.enter_flags | EnterFlags::GETEVENTS;
        let timespec;
        let argument;
        let (mut pointer, mut bytes) = (std::ptr::null(), 0);
        if let Some(timeout) = timeout {
            timespec = Timespec {
                seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
                nanoseconds: i64::from(timeout.subsec_nanos()),
            };
            argument = WaitArgument {
                signals: 0,
                signals_bytes: 0,
                wait_min_us: 0,
                timeout: std::ptr::from_ref(&timespec) as u64,
            };
            flags |= EnterFlags::EXT_ARG;
            pointer = std::ptr::from_ref(&argument);
            bytes = size_of::<WaitArgument>();
        }
        self.figures.enters += 1;
        self.figures.submissions += u64::from(waiting);
        // SAFETY: the queues belong to this ring; `pointer` is null or points to an argument which, with the
        // time it points to, lives in this frame until the call is over.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.entrance,
                waiting,
                completions_min,
                flags.bits(),
                pointer,
                bytes,
            )
        };
        if result >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            // A signal, the time is up, completions must be reaped first, or no memory for a request:
            // the caller reaps and comes again.
            Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN) => Ok(()),
            _ => Err(error),
        }
    }

    /// Whether entering would bring completions that are not in the queue yet.
    pub fn has_work(&mut self) -> bool {
        let queue = self.ring.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// Whether the kernel holds completions for which there was no room. Entering delivers them.
    #[inline]
    pub fn has_overflown(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    /// Whether all completions that are there have been taken.
    pub fn is_reaped(&mut self) -> bool {
        self.ring.completion().is_empty() && !self.ring.submission().cq_overflow()
    }

    /// Moves all completions to the end of `reaped`.
    #[inline]
    pub fn reap(&mut self, reaped: &mut Vec<cqueue::Entry>) {
        reaped.extend(self.ring.completion());
    }
}

/// Registers a ring with the calling thread, which saves each entering the look-up of its descriptor.
/// None where the kernel does not know of it.
fn register(ring: RawFd) -> Option<RawFd> {
    let mut update = RegisterRing { offset: u32::MAX, reserved: 0, descriptor: ring as u64 };
    // SAFETY: `update` is the structure that this operation reads and writes, alive for the call.
    let registered =
        unsafe { libc::syscall(libc::SYS_io_uring_register, ring, REGISTER_RING_FDS, &raw mut update, 1) };
    (registered == 1).then_some(update.offset as RawFd)
}
