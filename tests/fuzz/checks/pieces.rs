//! Cutting an input.

/// The first byte of the data says how to cut the rest: into pieces of how many bytes at most. (0: not at all.)
pub fn cut(data: &[u8]) -> (usize, &[u8]) {
    match data {
        [] => (usize::MAX, data),
        [0, rest @ ..] => (usize::MAX, rest),
        [most, rest @ ..] => (usize::from(*most), rest),
    }
}

/// Where the input ends after each piece of 1 to `most` bytes.
pub fn ends(length: usize, most: usize) -> impl Iterator<Item = usize> {
    let mut state = most as u64 ^ 0x9e37_79b9;
    let mut end = 0;
    std::iter::from_fn(move || {
        if end == length {
            return None;
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let piece = if most >= length { length } else { 1 + (state >> 33) as usize % most };
        end = (end + piece).min(length);
        Some(end)
    })
}
