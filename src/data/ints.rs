//! A set of integers as one run of bytes: sorted, all of the width that the widest needs.
//!
//! ```text
//! form       u8    bytes per integer: 2, 4 or 8
//! integers         little-endian, ascending, each once
//! ```
//!
//! The forms are told from those of `entries` by their numbers. As there, this is about bytes only: what changes is a
//! [`Splice`] for whoever owns them, or new bytes where the width changes.

use super::entries::Splice;

/// The narrowest form.
pub const NARROWEST: u8 = 2;

/// Whether a form is one of integers.
#[inline]
pub fn is_form(form: u8) -> bool {
    form >= NARROWEST
}

/// A set of integers, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Ints<'a> {
    width: usize,
    bytes: &'a [u8],
}

/// How to add an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Add {
    /// It is there.
    Present,
    /// Make room, and write it there with [`store`].
    At(Splice),
    /// It needs a wider form: [`Ints::widened`].
    Wider,
}

/// The form that an integer needs.
#[inline]
pub fn form_of(number: i64) -> u8 {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

/// Writes an integer in a form.
#[inline]
pub fn store(form: u8, number: i64, to: &mut [u8]) {
    let width = usize::from(form);
    to[..width].copy_from_slice(&number.to_le_bytes()[..width]);
}

/// The bytes of a set of one integer.
pub fn of_one(number: i64) -> Vec<u8> {
    let form = form_of(number);
    let mut bytes = vec![0; 1 + usize::from(form)];
    bytes[0] = form;
    store(form, number, &mut bytes[1..]);
    bytes
}

/// The bytes of a set of these integers, which are ascending and different.
pub fn of_sorted(numbers: &[i64]) -> Vec<u8> {
    let form = numbers.first().into_iter().chain(numbers.last()).map(|&number| form_of(number)).max();
    let form = form.unwrap_or(NARROWEST);
    let mut bytes = Vec::with_capacity(1 + numbers.len() * usize::from(form));
    bytes.push(form);
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes()[..usize::from(form)]);
    }
    bytes
}

impl<'a> Ints<'a> {
    /// The bytes of a set, its form first.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Ints<'a> {
        Ints { width: usize::from(bytes[0]), bytes: &bytes[1..] }
    }

    /// How many integers.
    #[inline]
    pub fn count(&self) -> usize {
        self.bytes.len() / self.width
    }

    /// The integer at a place.
    #[inline]
    pub fn get(&self, place: usize) -> i64 {
        let bytes = &self.bytes[place * self.width..][..self.width];
        match self.width {
            2 => i64::from(i16::from_le_bytes([bytes[0], bytes[1]])),
            4 => i64::from(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
            _ => i64::from_le_bytes(*bytes.first_chunk().expect("integers are 2, 4 or 8 bytes wide")),
        }
    }

    /// All of them, ascending.
    pub fn iter(self) -> impl ExactSizeIterator<Item = i64> + use<'a> {
        (0..self.count()).map(move |place| self.get(place))
    }

    /// The place of an integer, or where it would be.
    #[inline]
    pub fn find(&self, number: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle).cmp(&number) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// How to add an integer.
    #[inline]
    pub fn add(&self, number: i64) -> Add {
        if usize::from(form_of(number)) > self.width {
            return Add::Wider;
        }
        match self.find(number) {
            Ok(_) => Add::Present,
            Err(place) => Add::At(Splice { at: 1 + place * self.width, remove: 0, insert: self.width }),
        }
    }

    /// What to take out for an integer; `None`: it is not there.
    #[inline]
    pub fn remove(&self, number: i64) -> Option<Splice> {
        let place = self.find(number).ok()?;
        Some(Splice { at: 1 + place * self.width, remove: self.width, insert: 0 })
    }

    /// The bytes of the set with an integer that its form is too narrow for: it is the first or the last.
    pub fn widened(&self, number: i64) -> Vec<u8> {
        let mut numbers: Vec<i64> = self.iter().collect();
        if number < 0 {
            numbers.insert(0, number);
        } else {
            numbers.push(number);
        }
        of_sorted(&numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn add(bytes: &mut Vec<u8>, number: i64) -> bool {
        match Ints::new(bytes).add(number) {
            Add::Present => return false,
            Add::Wider => *bytes = Ints::new(bytes).widened(number),
            Add::At(splice) => {
                let len = bytes.len();
                bytes.resize(splice.apply_len(len), 0);
                splice.move_tail(bytes, len);
                store(bytes[0], number, &mut bytes[splice.at..]);
            }
        }
        true
    }

    fn remove(bytes: &mut Vec<u8>, number: i64) -> bool {
        let Some(splice) = Ints::new(bytes).remove(number) else { return false };
        let len = bytes.len();
        splice.move_tail(bytes, len);
        bytes.truncate(splice.apply_len(len));
        true
    }

    fn numbers() -> impl Strategy<Value = i64> {
        prop_oneof![
            8 => -20i64..20,
            2 => -40_000i64..40_000,
            1 => prop::sample::select(vec![i64::MIN, i64::MAX, -32_769, 32_768, 1 << 31, -(1 << 31) - 1]),
        ]
    }

    proptest! {
        #[test]
        fn integers_are_a_sorted_set(steps in prop::collection::vec((any::<bool>(), numbers()), 1..200)) {
            let mut twin = BTreeSet::from([steps[0].1]);
            let mut bytes = of_one(steps[0].1);
            for (adds, number) in steps {
                if adds {
                    prop_assert_eq!(add(&mut bytes, number), twin.insert(number));
                } else {
                    prop_assert_eq!(remove(&mut bytes, number), twin.remove(&number));
                }
                let ints = Ints::new(&bytes);
                prop_assert_eq!(ints.count(), twin.len());
                prop_assert!(ints.iter().eq(twin.iter().copied()));
                prop_assert_eq!(ints.find(number).is_ok(), twin.contains(&number));
            }
        }
    }

    #[test]
    fn the_form_is_that_of_the_widest() {
        assert_eq!(of_sorted(&[-5, 7])[0], 2);
        assert_eq!(of_sorted(&[-5, 40_000])[0], 4);
        assert_eq!(of_sorted(&[i64::MIN, 7])[0], 8);
        assert_eq!(Ints::new(&of_sorted(&[])).count(), 0);
    }
}
