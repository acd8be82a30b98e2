//! One connection: requests that wait to be written, replies that are awaited.

use crate::checker::Checker;
use crate::server::Stream;
use std::io::{self, Read, Write};

/// One connection of a worker.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// What was asked and not answered.
    pub checker: Checker,
    /// Requests, of which the first `written` bytes have left.
    pub out: Vec<u8>,
    written: usize,
    /// Some of it is held up behind the socket's TLS.
    unflushed: bool,
    /// Keys that were missed and are to be stored.
    pub missed: Vec<u64>,
    /// Open loop: when the next request is due, nanoseconds since the start.
    pub due_ns: u64,
    /// Open loop: it is due, but too many are in flight.
    pub late: bool,
    /// It is on the list of those that have something to write.
    pub dirty: bool,
    /// The socket was full: epoll tells when it is not.
    pub blocked: bool,
}

impl Connection {
    /// A connection over a stream that does not block.
    pub fn new(stream: Stream) -> Connection {
        Connection {
            stream,
            checker: Checker::default(),
            out: Vec::new(),
            written: 0,
            unflushed: false,
            missed: Vec::new(),
            due_ns: 0,
            late: false,
            dirty: false,
            blocked: false,
        }
    }

    /// The socket.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Writes what the socket takes. Returns the bytes.
    pub fn write(&mut self) -> io::Result<usize> {
        let before = self.written;
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(self.written - before),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match self.stream.flush() {
            Ok(()) => {}
            // All is given away, but not all has left.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.unflushed = true;
                return Ok(self.written - before);
            }
            Err(error) => return Err(error),
        }
        self.unflushed = false;
        let bytes = self.written - before;
        self.out.clear();
        self.written = 0;
        Ok(bytes)
    }

    /// Some requests wait to be written.
    pub fn has_unwritten(&self) -> bool {
        self.written < self.out.len() || self.unflushed
    }

    /// Reads once. `None` where there is nothing; 0 bytes at the end of the stream.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
