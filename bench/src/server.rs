//! The server's address, and connections to it that are ready for requests.

use crate::options::{Options, Protocol};
use crate::secure::{self, Secure};
use rustls::ClientConfig;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over TCP, with TLS.
    Tls(Box<Secure>),
    /// Through a Unix socket.
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Tls(stream) => stream.flush(),
            Stream::Tcp(_) | Stream::Unix(_) => Ok(()),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Tls(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

#[derive(Clone, Debug)]
enum Address {
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

/// Where the server is and what it wants to hear first.
#[derive(Clone, Debug)]
pub struct Server {
    address: Address,
    name: String,
    /// Requests before all others, each with the name it has in errors.
    greetings: Vec<(&'static str, Vec<u8>)>,
    timeout: Duration,
    tls: Option<Arc<ClientConfig>>,
    host: String,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Server {
    /// The server that the options name. The error is one line.
    pub fn new(options: &Options) -> Result<Server, String> {
        let (address, name) = match &options.unix {
            Some(path) => (Address::Unix(path.clone()), path.display().to_string()),
            None => {
                let (host, port) = (options.server.as_str(), options.port.unwrap_or(options.proto.port()));
                let found = (host, port).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
                (Address::Tcp(found.collect()), format!("{host}:{port}"))
            }
        };
        let mut greetings = Vec::new();
        if options.proto == Protocol::Resp {
            if let Some(password) = &options.password {
                let words: Vec<&str> = options.user.iter().chain([password]).map(String::as_str).collect();
                greetings.push(("AUTH", command("AUTH", &words)));
            }
            if let Some(db) = options.db {
                greetings.push(("SELECT", command("SELECT", &[&db.to_string()])));
            }
        }
        let timeout = Duration::from_secs_f64(options.timeout);
        let tls = options.tls_ca.as_deref().map(secure::config).transpose()?;
        Ok(Server { address, name, greetings, timeout, tls, host: options.server.clone() })
    }

    /// A new connection, greeted and not blocking. The error is one line that names the server.
    pub fn connect(&self) -> Result<Stream, String> {
        let fail = |error: io::Error| format!("{self}: {error}");
        let mut stream = match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).map_err(fail)?;
                stream.set_read_timeout(Some(self.timeout)).map_err(fail)?;
                Stream::Unix(stream)
            }
            Address::Tcp(addresses) => {
                let mut error = io::Error::other("the name has no address");
                let connected = addresses.iter().find_map(|address| {
                    TcpStream::connect_timeout(address, self.timeout).map_err(|e| error = e).ok()
                });
                let Some(stream) = connected else { return Err(fail(error)) };
                stream.set_nodelay(true).map_err(fail)?;
                stream.set_read_timeout(Some(self.timeout)).map_err(fail)?;
                match &self.tls {
                    Some(config) => {
                        Stream::Tls(Box::new(Secure::new(stream, config, &self.host).map_err(fail)?))
                    }
                    None => Stream::Tcp(stream),
                }
            }
        };
        for (name, request) in &self.greetings {
            stream.write_all(request).map_err(fail)?;
            stream.flush().map_err(fail)?;
            let reply = read_line(&mut stream).map_err(fail)?;
            if reply != b"+OK" {
                return Err(format!("{self}: {name} was answered '{}'", reply.escape_ascii()));
            }
        }
        match &stream {
            Stream::Tcp(stream) => stream.set_nonblocking(true),
            Stream::Tls(stream) => stream.set_nonblocking(),
            Stream::Unix(stream) => stream.set_nonblocking(true),
        }
        .map_err(fail)?;
        Ok(stream)
    }
}

fn command(name: &str, words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len() + 1);
    for word in std::iter::once(&name).chain(words) {
        out.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    out.into_bytes()
}

/// One line, byte by byte: nothing behind it may be taken.
fn read_line(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        if line.len() > 1024 {
            return Err(io::Error::other("a reply without an end"));
        }
        if stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    Ok(line)
}
