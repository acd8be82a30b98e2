//! A connected stream socket, TCP or Unix.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Peer;

/// The descriptor of a connection. It is kept as a `TcpStream` for both families: that type is a
/// descriptor with recv(2), send(2) and setsockopt(2), and only its addresses are particular to IP.
pub(super) struct Stream(TcpStream);

impl Stream {
    /// Takes `descriptor` over and sets what each connection has set; the mode of waiting is the driver's.
    pub fn new(descriptor: OwnedFd, nonblocking: bool) -> io::Result<Stream> {
        let stream = TcpStream::from(descriptor);
        stream.set_nonblocking(nonblocking)?;
        match stream.set_nodelay(true) {
            // A Unix socket has no such option; a TCP connection that died already says so when read.
            Err(e) if !matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => Err(e),
            _ => Ok(Stream(stream)),
        }
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub fn peer(&self) -> io::Result<Peer> {
        match self.0.local_addr() {
            Ok(local) => Ok(Peer::Ip { peer: self.0.peer_addr()?, local }),
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                let unix = UnixStream::from(OwnedFd::from(self.0.try_clone()?));
                let address = unix.local_addr()?;
                Ok(Peer::Unix(address.as_pathname().unwrap_or(Path::new("")).to_path_buf()))
            }
            Err(e) => Err(e),
        }
    }

    pub fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(bytes)
    }

    pub fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0).write_vectored(parts)
    }

    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }
}
