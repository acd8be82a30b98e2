//! Buffers for reuse: a busy core allocates none, and an idle connection holds none.

use crate::limits::{POOLED_BUFFER_BYTES_MAX, POOLED_BUFFERS_MAX};

/// Empty buffers with memory behind them.
#[derive(Debug, Default)]
pub struct Pool {
    spare: Vec<Vec<u8>>,
}

impl Pool {
    /// An empty buffer.
    #[inline]
    pub fn take(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back. One that has grown large is not kept.
    #[inline]
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < POOLED_BUFFERS_MAX && (1..=POOLED_BUFFER_BYTES_MAX).contains(&buffer.capacity())
        {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.spare.iter().map(Vec::capacity).sum()
    }
}
