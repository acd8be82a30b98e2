//! Buffers for reuse: a busy core allocates none, and an idle connection holds none.

use crate::limits::{POOLED_BUFFER_BYTES_MAX, POOLED_BUFFERS_MAX};

/// Empty buffers with memory behind them.
#[derive(Debug, Default)]
pub struct Pool {
    spare: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// An empty buffer.
    #[inline]
    pub fn take(&mut self) -> Vec<u8> {
        let buffer = self.spare.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Takes a buffer back. One that has grown large is not kept.
    #[inline]
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < POOLED_BUFFERS_MAX && (1..=POOLED_BUFFER_BYTES_MAX).contains(&buffer.capacity())
        {
            buffer.clear();
            self.bytes += buffer.capacity();
            self.spare.push(buffer);
        }
    }

    /// Bytes held.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives all of them back.
    pub fn clear(&mut self) {
        *self = Pool::default();
    }
}
