//! Listening sockets.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Listens on a TCP address. `backlog`: connections that may wait to be accepted; the kernel's
/// `somaxconn` is a limit to it. Port 0 takes a free port. The error names the address.
pub fn tcp(address: SocketAddr, backlog: u32) -> io::Result<OwnedFd> {
    listener(address, backlog).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {}", reason(&error)))
    })
}

/// Listens on a Unix socket with these permission bits (0: as the umask leaves them). A socket file that nobody listens
/// on any more is replaced. The error names the path.
pub fn unix(path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let listen = || {
        let abandoned = fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket())
            && UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
        if abandoned {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        if mode != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(OwnedFd::from(listener))
    };
    listen().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {}", path.display(), reason(&error)))
    })
}

/// Takes over a listening socket that whoever started the process has left open under this number. What is no
/// listening socket is refused. To be called before the process opens any listener of its own, once for each number.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    let mut listens: libc::c_int = 0;
    let mut bytes = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value and its length are alive for the call; a number that is no socket makes it fail.
    let asked = checked(unsafe {
        let value = (&raw mut listens).cast();
        libc::getsockopt(number, libc::SOL_SOCKET, libc::SO_ACCEPTCONN, value, &raw mut bytes)
    });
    if asked.is_err() || listens == 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("descriptor {number} is no listening socket"),
        ));
    }
    // SAFETY: no pointer is passed.
    checked(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: a listening socket is there, and this process has not opened one yet, so that nothing in it owns this one.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// An error in words, without the number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use".into(),
        io::ErrorKind::AddrNotAvailable => "this host does not have that address".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

fn listener(address: SocketAddr, backlog: u32) -> io::Result<OwnedFd> {
    let (family, raw) = raw_address(address);
    // SAFETY: no pointer is passed.
    let fd = checked(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the call succeeded, so `fd` is a descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // A restart need not wait for the connections of the last run to be forgotten.
    set(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    // Accepted connections inherit it.
    set(&socket, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
    if address.is_ipv6() {
        // `::` and `0.0.0.0` can then be listed side by side.
        set(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
    }
    let bytes = match address {
        SocketAddr::V4(_) => size_of::<libc::sockaddr_in>(),
        SocketAddr::V6(_) => size_of::<libc::sockaddr_in6>(),
    };
    // SAFETY: `raw` holds a socket address of `bytes` bytes of its family, alive for the call.
    checked(unsafe { libc::bind(fd, (&raw const raw).cast(), bytes as libc::socklen_t) })?;
    // SAFETY: no pointer is passed.
    checked(unsafe { libc::listen(fd, backlog.min(i32::MAX as u32) as i32) })?;
    Ok(socket)
}

/// Either kind of socket address, as the kernel reads it.
#[repr(C)]
union RawAddress {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

fn raw_address(address: SocketAddr) -> (libc::c_int, RawAddress) {
    match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            (libc::AF_INET, RawAddress { v4: raw })
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            (libc::AF_INET6, RawAddress { v6: raw })
        }
    }
}

/// Switches a socket option on.
fn set(socket: &OwnedFd, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let bytes = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is one int, alive for the call.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), bytes) })?;
    Ok(())
}

/// Turns the -1 of a system call into its error.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
