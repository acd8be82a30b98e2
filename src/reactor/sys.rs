//! The few system calls of the reactor that the standard library does not offer.
#![allow(unsafe_code)]

use slabs::Draft;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Turns the -1 of a system call into its error.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A new eventfd whose counter is 0.
pub(super) fn eventfd(nonblocking: bool) -> io::Result<OwnedFd> {
    let flags = libc::EFD_CLOEXEC | if nonblocking { libc::EFD_NONBLOCK } else { 0 };
    // SAFETY: no pointer is passed.
    let fd = checked(unsafe { libc::eventfd(0, flags) })?;
    // SAFETY: the call succeeded, so `fd` is a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Accepts one connection if one is waiting (`WouldBlock` if none is), whichever mode the listener is in.
/// The connection is non-blocking.
pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut ready = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: `ready` is one pollfd, alive and exclusively borrowed for the call.
    if checked(unsafe { libc::poll(&mut ready, 1, 0) })? == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: null for both address pointers means that no address is wanted.
    let fd = checked(unsafe {
        libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags)
    })?;
    // SAFETY: the call succeeded, so `fd` is a descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Bytes that the kernel has taken for a stream and the peer has not taken from it.
pub(super) fn queued_bytes(descriptor: RawFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ writes one int, which is alive for the call; on what is no socket the call fails.
    checked(unsafe { libc::ioctl(descriptor, libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Receives what is there into a block, `bytes_max` at most, from a descriptor whose operations do not wait.
pub(super) fn receive(descriptor: RawFd, block: &mut Draft, bytes_max: usize) -> io::Result<usize> {
    let vacant = block.vacant().ok_or(io::ErrorKind::OutOfMemory)?;
    let len = vacant.len().min(bytes_max);
    // SAFETY: the call writes at most `len` bytes to where `vacant` lies, which is exclusively borrowed.
    let received = unsafe { libc::recv(descriptor, vacant.as_mut_ptr().cast(), len, 0) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has written so many.
    unsafe { block.filled(received) };
    Ok(received)
}

/// Sets whether operations on a descriptor fail rather than wait.
pub(super) fn set_nonblocking(descriptor: &OwnedFd, nonblocking: bool) -> io::Result<()> {
    let mut on = libc::c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one int, which is alive for the call.
    checked(unsafe { libc::ioctl(descriptor.as_raw_fd(), libc::FIONBIO, &raw mut on) })?;
    Ok(())
}
