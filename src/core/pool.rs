//! Buffers for reuse: a busy core allocates none, and an idle connection holds none.

use crate::limits::{POOLED_BUFFER_BYTES_MAX, POOLED_BUFFERS_MAX, POOLED_BYTES_KEPT};

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

    /// Gives a quarter of them back if they are much, those first that nobody has taken for longest: so a burst's are gone
    /// after some calls.
    pub fn shrink(&mut self) {
        if self.bytes > POOLED_BYTES_KEPT {
            let gone = self.spare.drain(..self.spare.len().div_ceil(4));
            self.bytes -= gone.map(|buffer| buffer.capacity()).sum::<usize>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_of_a_burst_are_given_back() {
        let mut pool = Pool::default();
        for _ in 0..100 {
            pool.give(Vec::with_capacity(100_000));
        }
        assert_eq!(pool.bytes(), 10_000_000);
        (0..20).for_each(|_| pool.shrink());
        assert_eq!(pool.bytes(), pool.spare.iter().map(Vec::capacity).sum::<usize>());
        assert!(pool.bytes() <= POOLED_BYTES_KEPT && pool.bytes() > POOLED_BYTES_KEPT / 2);
    }
}
