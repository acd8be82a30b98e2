//! Strings as rows of bits: bit 0 is the most significant bit of byte 0. Counting, searching, combining.

use std::ops::RangeInclusive;

/// How several strings become one, bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Set where all are.
    And,
    /// Set where any is.
    Or,
    /// Set where an odd number is.
    Xor,
    /// Set where the only one is not.
    Not,
}

/// Bit `at`, which may lie beyond the end: all bits there are 0.
#[inline]
pub fn get(bytes: &[u8], at: u64) -> bool {
    let byte = bytes.get((at >> 3) as usize).copied().unwrap_or(0);
    byte >> (7 - (at & 7)) & 1 == 1
}

/// Changes bit `at`, which must lie within.
#[inline]
pub fn set(bytes: &mut [u8], at: u64, on: bool) {
    let mask = 0x80 >> (at & 7);
    let byte = &mut bytes[(at >> 3) as usize];
    *byte = if on { *byte | mask } else { *byte & !mask };
}

/// How many bits of a range are set. The range must not be empty and must lie within.
pub fn count(bytes: &[u8], range: RangeInclusive<u64>) -> u64 {
    let (first, last) = (*range.start(), *range.end());
    let bytes = &bytes[(first >> 3) as usize..=(last >> 3) as usize];
    let (before, behind) = (edges(first, last), &bytes[bytes.len() - 1]);
    let outside = (bytes[0] & before.0).count_ones() + (behind & before.1).count_ones();
    let (words, rest) = bytes.as_chunks::<8>();
    let whole: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let rest: u32 = rest.iter().map(|byte| byte.count_ones()).sum();
    whole + u64::from(rest) - u64::from(outside)
}

/// Masks of the bits of the first byte before bit `first`, and of the last byte behind bit `last`.
fn edges(first: u64, last: u64) -> (u8, u8) {
    (!(0xff >> (first & 7)), (0x7f_u8) >> (last & 7))
}

/// The first bit of a range that is `on`. The range must not be empty and must lie within.
pub fn find(bytes: &[u8], on: bool, range: RangeInclusive<u64>) -> Option<u64> {
    let (first, last) = (*range.start(), *range.end());
    let base = first >> 3;
    let bytes = &bytes[base as usize..=(last >> 3) as usize];
    // Where nothing is to be found, bytes look like this.
    let dull = if on { 0 } else { 0xff };
    let (before, behind) = edges(first, last);
    // What lies outside the range is made to look dull.
    let veil = |byte: u8, mask: u8| if on { byte & !mask } else { byte | mask };
    let place =
        |index: usize, byte: u8| Some((base + index as u64) * 8 + u64::from((byte ^ dull).leading_zeros()));
    let end = bytes.len() - 1;
    let head = veil(bytes[0], if end == 0 { before | behind } else { before });
    if head != dull {
        return place(0, head);
    }
    if end == 0 {
        return None;
    }
    if let Some(index) = find_byte(&bytes[1..end], dull) {
        return place(1 + index, bytes[1 + index]);
    }
    let tail = veil(bytes[end], behind);
    if tail == dull { None } else { place(end, tail) }
}

/// The first byte that is not `dull`, which is 0 or 255.
fn find_byte(bytes: &[u8], dull: u8) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let same = u64::from_ne_bytes([dull; 8]);
    let skip = words.iter().position(|word| u64::from_ne_bytes(*word) != same).unwrap_or(words.len()) * 8;
    bytes[skip..].iter().position(|&byte| byte != dull).map(|index| skip + index)
}

/// Combines strings; shorter ones count as if zeros followed. As long as the longest.
pub fn combine<'a>(how: Combine, sources: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let length = sources.clone().map(<[u8]>::len).max().unwrap_or(0);
    let mut out = Vec::with_capacity(length);
    for (nth, source) in sources.enumerate() {
        if nth == 0 {
            out.extend_from_slice(source);
            out.resize(length, 0);
            continue;
        }
        let pairs = out.iter_mut().zip(source);
        match how {
            Combine::And => {
                pairs.for_each(|(to, from)| *to &= from);
                out[source.len()..].fill(0);
            }
            Combine::Or => pairs.for_each(|(to, from)| *to |= from),
            Combine::Xor => pairs.for_each(|(to, from)| *to ^= from),
            Combine::Not => {}
        }
    }
    if how == Combine::Not {
        out.iter_mut().for_each(|byte| *byte = !*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes in which long runs of the same bit are likely.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let run = (prop_oneof![Just(0), Just(0xff), any::<u8>()], 1_usize..20);
        prop::collection::vec(run, 1..8)
            .prop_map(|runs| runs.into_iter().flat_map(|(byte, times)| vec![byte; times]).collect())
    }

    fn naive_get(bytes: &[u8], at: u64) -> bool {
        bytes[at as usize / 8] & (1 << (7 - at % 8)) != 0
    }

    proptest! {
        #[test]
        fn counting_and_searching_equal_looking_at_every_bit(bytes in bytes(), a: u64, b: u64, on: bool) {
            let bits = bytes.len() as u64 * 8;
            let (a, b) = (a % bits, b % bits);
            let range = a.min(b)..=a.max(b);
            let ones = range.clone().filter(|&at| naive_get(&bytes, at)).count() as u64;
            prop_assert_eq!(count(&bytes, range.clone()), ones);
            let first = range.clone().find(|&at| naive_get(&bytes, at) == on);
            prop_assert_eq!(find(&bytes, on, range), first);
        }

        #[test]
        fn a_bit_reads_as_it_was_set_and_the_others_stay(bytes in bytes(), at: u64, on: bool) {
            let at = at % (bytes.len() as u64 * 8);
            let mut changed = bytes.clone();
            set(&mut changed, at, on);
            for other in 0..bytes.len() as u64 * 8 {
                let expected = if other == at { on } else { naive_get(&bytes, other) };
                prop_assert_eq!(get(&changed, other), expected);
            }
            prop_assert!(!get(&bytes, bytes.len() as u64 * 8));
        }

        #[test]
        fn combining_equals_doing_it_bit_by_bit(sources in prop::collection::vec(bytes(), 1..5)) {
            let length = sources.iter().map(Vec::len).max().unwrap_or(0);
            for (how, fold) in [
                (Combine::And, (|a, b| a & b) as fn(u8, u8) -> u8),
                (Combine::Or, |a, b| a | b),
                (Combine::Xor, |a, b| a ^ b),
            ] {
                let naive: Vec<u8> = (0..length)
                    .map(|i| sources.iter().map(|s| s.get(i).copied().unwrap_or(0)).reduce(fold).unwrap_or(0))
                    .collect();
                prop_assert_eq!(combine(how, sources.iter().map(Vec::as_slice)), naive);
            }
            let naive: Vec<u8> = sources[0].iter().map(|byte| !byte).collect();
            prop_assert_eq!(combine(Combine::Not, std::iter::once(sources[0].as_slice())), naive);
        }
    }

    #[test]
    fn nothing_combines_to_nothing() {
        assert!(combine(Combine::And, std::iter::empty()).is_empty());
        assert!(combine(Combine::Not, std::iter::once(&b""[..])).is_empty());
    }
}
