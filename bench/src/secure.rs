//! A connection with TLS. Reads and writes as a socket does, without blocking once it is told so.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

/// Sealed bytes that may wait for the socket; beyond it a write has to wait.
const UNSENT_BYTES_MAX: usize = 256 << 10;

/// A connection with TLS.
#[derive(Debug)]
pub struct Secure {
    tls: ClientConnection,
    socket: TcpStream,
}

/// What a client needs that trusts the authorities in this file. The error names the file.
pub fn config(path: &Path) -> Result<Arc<ClientConfig>, String> {
    let fail = |error: &dyn std::fmt::Display| format!("--tls-ca {}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fail(&error))? {
        roots.add(certificate.map_err(|error| fail(&error))?).map_err(|error| fail(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| fail(&error))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

impl Secure {
    /// Shakes hands over a socket that blocks.
    pub fn new(mut socket: TcpStream, config: &Arc<ClientConfig>, host: &str) -> io::Result<Secure> {
        let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Secure { tls, socket })
    }

    /// From here on nothing waits.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }
}

impl Read for Secure {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if self.tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Write for Secure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let taken = self.tls.writer().write(bytes)?;
            if taken > 0 {
                return Ok(taken);
            }
            self.flush()?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

impl AsFd for Secure {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
