//! Copies of grown collections that are made a part at a time.
//!
//! Whoever copies keeps what is copied from changing meanwhile. A copy in the making has no order and no members to speak
//! of, but what it takes is known all the time, and it can be taken apart like a whole one.

/// What may be done in one go: blocks to be made or freed, each worth a tenth of a microsecond or so.
#[derive(Debug)]
pub struct Effort(usize);

/// Bytes that cost as much to be copied as their block to be made.
const BYTES_PER_BLOCK: usize = 512;

impl Effort {
    /// Worth so many blocks.
    pub fn of_blocks(blocks: usize) -> Effort {
        Effort(blocks)
    }

    /// A block of so many bytes is copied. False: not any more.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let left = self.0 > 0;
        self.0 = self.0.saturating_sub(1 + bytes / BYTES_PER_BLOCK);
        left
    }

    /// Copies elements behind those that are copied; `make` gives a copy and its bytes. True: all are there.
    pub(super) fn go_on<T>(
        &mut self,
        copy: &mut Vec<T>,
        of: &[T],
        mut make: impl FnMut(&T) -> (T, usize),
    ) -> bool {
        for element in &of[copy.len()..] {
            if self.0 == 0 {
                return false;
            }
            let (element, bytes) = make(element);
            self.spend(bytes);
            copy.push(element);
        }
        true
    }

    /// Copies numbers, which are no blocks of their own.
    pub(super) fn go_on_plainly(&mut self, copy: &mut Vec<u32>, of: &[u32]) -> bool {
        let part = of.len().min(copy.len() + self.0 * (BYTES_PER_BLOCK / size_of::<u32>()));
        let bytes = (part - copy.len()) * size_of::<u32>();
        copy.extend_from_slice(&of[copy.len()..part]);
        self.0 = self.0.saturating_sub(bytes.div_ceil(BYTES_PER_BLOCK));
        part == of.len()
    }
}
