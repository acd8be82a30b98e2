//! The cursor of `SCAN`: a place in the walk over all cores' shards, as one number.
//!
//! The low 16 bits are the core, the others the position in that core's store, which fits 48 bits. So 0 is both
//! the start and the end, as clients expect, and core `n` is begun at the number `n`.

use crate::command::Fault;

/// Bits of the number that name the core.
const CORE_BITS: u32 = 16;

/// A place in the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The core whose shard is being walked.
    pub core: u16,
    /// Where in that core's store, 48 bits; 0 is its start.
    pub position: u64,
}

impl Cursor {
    /// The cursor in a client's words: a decimal number of 64 bits, with the liberties that Redis takes from
    /// `strtoul` (a sign, leading zeros, nothing at all for 0).
    pub fn parse(text: &[u8]) -> Result<Cursor, Fault> {
        const INVALID: Fault = Fault::text("ERR invalid cursor");
        // For `strtoul` the text ends at a zero byte.
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        let (negative, digits) = match text {
            [] => (false, &b"0"[..]),
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        let number = crate::text::parse_u64(digits).ok_or(INVALID)?;
        let number = if negative { number.wrapping_neg() } else { number };
        Ok(Cursor { core: number as u16, position: number >> CORE_BITS })
    }

    /// What the client is to send next time.
    pub fn number(self) -> u64 {
        assert!(self.position < 1 << (u64::BITS - CORE_BITS), "a store's position fits 48 bits");
        self.position << CORE_BITS | u64::from(self.core)
    }
}

/// The core that a cursor sends the request to. One that no cursor of ours names gets core 0, which sees that
/// the cursor is not its own and answers the end of the walk.
pub fn core_of(text: &[u8], cores: u16) -> Result<u16, Fault> {
    let core = Cursor::parse(text)?.core;
    Ok(if core < cores { core } else { 0 })
}
