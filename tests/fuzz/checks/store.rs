//! The store and its naive twin under the same operations.

use super::twin::Pair;
use slabs::Policy;

const POLICIES: [Policy; 4] =
    [Policy::AllKeys, Policy::NoEviction, Policy::VolatileOnly, Policy::VolatileTtl];

/// The first byte chooses policy and budget; each operation takes seven.
pub fn check(data: &[u8]) {
    let [first, rest @ ..] = data else { return };
    let budget_bytes = [600 << 10, 2 << 20, 8 << 20, 64 << 20][usize::from(first >> 2 & 3)];
    let mut pair = Pair::new(budget_bytes, POLICIES[usize::from(first & 3)]);
    for step in rest.chunks_exact(7) {
        let which = u16::from_le_bytes([step[1], step[2]]) % 600;
        pair.step((step[0], which, u32::from_le_bytes([step[3], step[4], step[5], 0]), step[6]));
    }
    pair.finish();
}
