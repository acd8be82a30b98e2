//! The longest common subsequence of two byte strings.
//!
//! The textbook table has a number per pair of prefixes. Numbers beside each other in a row differ by 0 or 1,
//! so a row is kept as one bit per byte of the second string (0 where the number grows), and 64 of them are
//! worked out by one addition (Crochemore and others, 2001; Hyyrö, 2004). Which pair of bytes belongs to the
//! subsequence is read off the rows from the end: rows are kept at intervals, and the ones between are worked
//! out again when the trace comes there, so memory grows with the root of the table.

/// The work that is done at most, in words of 64 bits of the table: about a second of one core.
pub const WORK_WORDS_MAX: u64 = 1 << 30;

/// The work for two strings of these lengths, in words of the table.
pub fn work_words(a_bytes: usize, b_bytes: usize) -> u64 {
    (a_bytes as u64).saturating_mul(b_bytes.div_ceil(64) as u64)
}

/// The length of the longest common subsequence.
pub fn length(a: &[u8], b: &[u8]) -> usize {
    let table = Table::new(b);
    let mut row = table.first_row();
    for &byte in a {
        table.step(&mut row, byte);
    }
    table.grown(&row)
}

/// Calls `visit(i, j)` for each pair of equal bytes `a[i]`, `b[j]` of a longest common subsequence, from the
/// last to the first. Where there are several, it is the one that Redis finds: at unequal bytes it steps back in
/// `a` if that loses nothing and a step in `b` would, else in `b`.
pub fn trace(a: &[u8], b: &[u8], mut visit: impl FnMut(usize, usize)) {
    let table = Table::new(b);
    let words = table.words;
    let block = a.len().isqrt().max(1);
    // The row before each block.
    let mut starts = Vec::with_capacity((a.len() / block + 1) * words);
    let mut row = table.first_row();
    for (i, &byte) in a.iter().enumerate() {
        if i % block == 0 {
            starts.extend_from_slice(&row);
        }
        table.step(&mut row, byte);
    }
    let mut rows = Vec::with_capacity(block * words);
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        let nth = (i - 1) / block;
        row.copy_from_slice(&starts[nth * words..][..words]);
        rows.clear();
        for &byte in &a[nth * block..i] {
            table.step(&mut row, byte);
            rows.extend_from_slice(&row);
        }
        while i > nth * block && j > 0 {
            let current = &rows[(i - 1 - nth * block) * words..][..words];
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                visit(i, j);
            } else if current[(j - 1) / 64] >> ((j - 1) % 64) & 1 == 0 {
                // The number grows with this byte of `b`, so it does not with this byte of `a`.
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
}

/// What all rows of a table share.
struct Table {
    words: usize,
    b_bytes: usize,
    /// For each byte value where its places in `b` begin in `places`; values that do not occur share the first.
    offsets: [usize; 256],
    /// Bits of the places, `words` per value.
    places: Vec<u64>,
}

impl Table {
    fn new(b: &[u8]) -> Table {
        let words = b.len().div_ceil(64);
        let mut table = Table { words, b_bytes: b.len(), offsets: [0; 256], places: vec![0; words] };
        for (j, &byte) in b.iter().enumerate() {
            if table.offsets[byte as usize] == 0 {
                table.offsets[byte as usize] = table.places.len();
                table.places.resize(table.places.len() + words, 0);
            }
            table.places[table.offsets[byte as usize] + j / 64] |= 1 << (j % 64);
        }
        table
    }

    /// The row of the empty prefix of `a`: no number grows.
    fn first_row(&self) -> Vec<u64> {
        vec![u64::MAX; self.words]
    }

    /// From a row to the one for a byte more of `a`.
    fn step(&self, row: &mut [u64], byte: u8) {
        let places = &self.places[self.offsets[byte as usize]..][..self.words];
        let mut carry = false;
        for (word, &place) in row.iter_mut().zip(places) {
            let hit = *word & place;
            let (sum, over) = word.overflowing_add(hit);
            let (sum, over_by_carry) = sum.overflowing_add(u64::from(carry));
            carry = over || over_by_carry;
            *word = sum | (*word & !place);
        }
    }

    /// The number at the end of a row.
    fn grown(&self, row: &[u64]) -> usize {
        let zeros = |(i, word): (usize, &u64)| {
            let used = (self.b_bytes - i * 64).min(64);
            (word | u64::MAX.checked_shl(used as u32).unwrap_or(0)).count_zeros() as usize
        };
        row.iter().enumerate().map(zeros).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook table and its trace.
    fn naive(a: &[u8], b: &[u8]) -> (usize, Vec<(usize, usize)>) {
        let mut table = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let (mut i, mut j, mut pairs) = (a.len(), b.len(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                pairs.push((i, j));
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        (table[a.len()][b.len()], pairs)
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        (1_u8..30).prop_flat_map(|letters| prop::collection::vec(0..letters, 0..200))
    }

    proptest! {
        #[test]
        fn length_and_trace_equal_the_textbook_table(a in text(), b in text()) {
            let (expected, pairs) = naive(&a, &b);
            prop_assert_eq!(length(&a, &b), expected);
            let mut traced = Vec::new();
            trace(&a, &b, |i, j| traced.push((i, j)));
            prop_assert_eq!(traced, pairs);
        }
    }

    #[test]
    fn nothing_has_nothing_in_common() {
        for (a, b) in [(&b""[..], &b""[..]), (b"", b"abc"), (b"abc", b""), (b"abc", b"xyz")] {
            assert_eq!(length(a, b), 0);
            trace(a, b, |_, _| panic!("nothing is common"));
        }
    }
}
