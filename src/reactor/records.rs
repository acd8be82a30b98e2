//! TLS by the kernel: the system calls, and whether they do here what they are for.
//!
//! `setsockopt` gives the kernel the keys, each way by itself. What is sent and received by the ordinary operations is data
//! then. Records that hold none, like the notice of the end, are sent with a control message that names their kind; where
//! one is next to be received, ordinary receives fail with `EIO` until it is received with room for such a message.
//!
//! The kernel's module `tls` is loaded by the first who asks for it with the rights to, or by `modprobe tls`.
#![allow(unsafe_code)]

use crate::secrets::{Secret, Secrets, Suite, Suites, Way};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// Control messages of a receive say the kind of the record, those of a send too (`TLS_GET_RECORD_TYPE`,
/// `TLS_SET_RECORD_TYPE` of linux/tls.h).
const GET_KIND: libc::c_int = 2;
const SET_KIND: libc::c_int = 1;

/// Stands for the kind of a record that could not be opened; none has it.
const NOT_OPENED: u8 = 0;

/// Bytes that are looked at of a record without data: more than alerts and new keys have.
pub(super) const CONTROL_BYTES: usize = 64;

/// How long the bytes of the trial may take; they do not leave the machine.
const TRIAL_TIME: Duration = Duration::from_secs(1);

/// Room for one control message with one byte in it, aligned as those are.
#[repr(C, align(8))]
struct Control([u8; 32]);

/// Sets an option of a socket to these bytes.
fn set(descriptor: RawFd, level: libc::c_int, option: libc::c_int, value: &[u8]) -> io::Result<()> {
    // SAFETY: the call reads `value.len()` bytes at `value`, which is borrowed for it.
    let result = unsafe {
        libc::setsockopt(descriptor, level, option, value.as_ptr().cast(), value.len() as libc::socklen_t)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has a connected TCP socket ready to be given keys. It goes on as before.
pub(super) fn prepare(descriptor: RawFd) -> io::Result<()> {
    set(descriptor, libc::SOL_TCP, libc::TCP_ULP, b"tls")
}

/// Gives the kernel the keys.
pub(super) fn give(descriptor: RawFd, secrets: &Secrets) -> io::Result<()> {
    let give = |way, secret: &Secret| set(descriptor, libc::SOL_TLS, way, secret.bytes());
    give(libc::TLS_TX, &secrets.out)?;
    give(libc::TLS_RX, &secrets.incoming)?;
    // Records of TLS 1.3 may have padding, which nobody uses: without it they can be opened where they are to lie. One that
    // has some is opened twice. TLS 1.2 and older kernels know no such thing.
    let _ = set(descriptor, libc::SOL_TLS, libc::TLS_RX_EXPECT_NO_PAD, &1i32.to_ne_bytes());
    Ok(())
}

/// A message of the parts in `part`, with room for control messages.
fn message(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: zeros are a message without address, parts and control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    message
}

/// Failures of a receive that say that what is next is no data, or is no record that the kernel can open: damaged, too long,
/// of another version.
pub(super) fn is_no_data(errno: i32) -> bool {
    matches!(errno, libc::EIO | libc::EBADMSG | libc::EMSGSIZE)
}

/// Receives the record that is next, and on whose account a receive has failed so: its kind, and how much of it `bytes` has
/// got. One that cannot be opened is of the kind 0; what has no kind is an error.
pub(super) fn receive(descriptor: RawFd, errno: i32, bytes: &mut [u8]) -> io::Result<(u8, usize)> {
    if errno != libc::EIO {
        return Ok((NOT_OPENED, 0));
    }
    let mut control = Control([0; 32]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut message = message(&mut part, &mut control);
    // SAFETY: the message names `bytes` and `control`, which are exclusively borrowed, with their lengths.
    let received = unsafe { libc::recvmsg(descriptor, &raw mut message, libc::MSG_DONTWAIT) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has written the control messages that `message` says, into `control`, which is aligned for them; a
    // header that is returned lies in it as a whole.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    match header {
        Some(header) if header.cmsg_level == libc::SOL_TLS && header.cmsg_type == GET_KIND => {
            // SAFETY: the data of this kind of message are one byte, which lies behind the header in `control`.
            Ok((unsafe { *libc::CMSG_DATA(header) }, received))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Sends a record of that kind, if the socket takes it at once.
pub(super) fn send(descriptor: RawFd, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let mut control = Control([0; 32]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut message = message(&mut part, &mut control);
    // SAFETY: arithmetic on a length of 1; the control buffer has room for such a message, so that its first header and
    // the byte behind that lie in it.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(1) as _;
        let header = &mut *libc::CMSG_FIRSTHDR(&raw const message);
        header.cmsg_level = libc::SOL_TLS;
        header.cmsg_type = SET_KIND;
        header.cmsg_len = libc::CMSG_LEN(1) as _;
        *libc::CMSG_DATA(header) = kind;
    }
    // SAFETY: the message names `bytes`, which is only read, and `control`, with their lengths.
    let sent =
        unsafe { libc::sendmsg(descriptor, &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the kernel can seal and open, as seen on a connection of this process with itself for each; or why it cannot.
pub fn trial() -> Result<Suites, String> {
    let mut failure = String::from("it opens no connection to itself");
    let done = Suite::all().filter(|suite| exercise(*suite).map_err(|why| failure = why).is_ok());
    let suites: Suites = done.collect();
    if suites.is_empty() { Err(failure) } else { Ok(suites) }
}

/// Sends bytes both ways between two ends with the same made-up keys.
fn exercise(suite: Suite) -> Result<(), String> {
    let connect = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        Ok([client, server])
    };
    let ends = connect().map_err(|error: io::Error| format!("no connection over loopback: {error}"))?;
    for end in &ends {
        prepare(end.as_raw_fd()).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOPROTOOPT | libc::EOPNOTSUPP) => {
                "the kernel has no TLS or its module tls is not loaded".to_string()
            }
            _ => format!("the kernel's TLS: {error}"),
        })?;
        let secret = |way| Secret::new(suite, way, &[7; 32][..suite.cipher.key_bytes()], &[9; 12], 1);
        // Both have the same keys for both ways, so each opens what the other seals.
        let (Some(out), Some(incoming)) = (secret(Way::Out), secret(Way::In)) else {
            return Err("a key that is none".into());
        };
        let given = give(end.as_raw_fd(), &Secrets { out, incoming });
        given.map_err(|error| format!("the kernel's TLS refuses {suite:?}: {error}"))?;
    }
    for (mut from, mut to) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
        let mut received = [0; 5];
        let passed = from
            .write_all(b"trial")
            .and_then(|()| to.set_read_timeout(Some(TRIAL_TIME)))
            .and_then(|()| to.read_exact(&mut received));
        passed.map_err(|error| format!("the kernel's TLS with {suite:?}: {error}"))?;
        if received != *b"trial" {
            return Err(format!("the kernel's TLS with {suite:?} damages what passes"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the kernel has no TLS, that is what is said; where it has, records that hold no data can be told.
    #[test]
    fn what_the_kernel_does_is_found_out_and_records_without_data_are_told_from_others() {
        let suites = match trial() {
            Ok(suites) => suites,
            Err(why) => return assert!(why.contains("TLS") || why.contains("loopback"), "{why}"),
        };
        for suite in Suite::all().filter(|suite| suites.contains(*suite)) {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            for end in [&client, &server] {
                prepare(end.as_raw_fd()).unwrap();
                let secret =
                    |way| Secret::new(suite, way, &[7; 32][..suite.cipher.key_bytes()], &[9; 12], 1).unwrap();
                let secrets = Secrets { out: secret(Way::Out), incoming: secret(Way::In) };
                give(end.as_raw_fd(), &secrets).unwrap();
            }
            (&client).write_all(b"data").unwrap();
            send(client.as_raw_fd(), 21, &[1, 0]).unwrap();
            let mut bytes = [0; CONTROL_BYTES];
            assert_eq!(server.read(&mut bytes).unwrap(), 4);
            assert_eq!(server.read(&mut bytes).unwrap_err().raw_os_error(), Some(libc::EIO));
            assert_eq!(receive(server.as_raw_fd(), libc::EIO, &mut bytes).unwrap(), (21, 2));
            assert_eq!(bytes[..2], [1, 0]);
        }
    }

    #[test]
    fn what_is_no_tls_has_no_records() {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        (&one).write_all(b"bytes").unwrap();
        assert!(prepare(other.as_raw_fd()).is_err());
        let error = receive(other.as_raw_fd(), libc::EIO, &mut [0; CONTROL_BYTES]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
