//! Natural numbers of any size, as far as converting floating point numbers needs them.

use std::cmp::Ordering;

/// A natural number: 32-bit limbs, least first, no zero at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Natural(Vec<u32>);

const LIMB_BITS: usize = 32;

impl Natural {
    pub(super) fn from_u64(value: u64) -> Self {
        let mut natural = Self(vec![value as u32, (value >> LIMB_BITS) as u32]);
        natural.trim();
        natural
    }

    /// The number with these decimal digits, without checking that they are some.
    pub(super) fn from_digits(digits: impl Iterator<Item = u8>) -> Self {
        let mut natural = Self(Vec::new());
        let (mut chunk, mut power) = (0, 1);
        for digit in digits {
            chunk = chunk * 10 + u32::from(digit - b'0');
            power *= 10;
            if power == DECIMAL_CHUNK {
                natural.multiply_add(power, chunk);
                (chunk, power) = (0, 1);
            }
        }
        natural.multiply_add(power, chunk);
        natural
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn multiply_power_of_ten(&mut self, mut exponent: u32) {
        while exponent >= DECIMAL_CHUNK_DIGITS {
            self.multiply_add(DECIMAL_CHUNK, 0);
            exponent -= DECIMAL_CHUNK_DIGITS;
        }
        self.multiply_add(10u32.pow(exponent), 0);
    }

    /// How many bits the number has without leading zeros.
    pub(super) fn bits(&self) -> usize {
        self.0.last().map_or(0, |last| self.0.len() * LIMB_BITS - last.leading_zeros() as usize)
    }

    pub(super) fn shift_left(&mut self, bits: usize) {
        let (limbs, bits) = (bits / LIMB_BITS, bits % LIMB_BITS);
        if bits > 0 {
            let mut carry = 0;
            for limb in &mut self.0 {
                let wide = u64::from(*limb) << bits | carry;
                *limb = wide as u32;
                carry = wide >> LIMB_BITS;
            }
            self.0.push(carry as u32);
        }
        self.0.splice(0..0, std::iter::repeat_n(0, limbs));
        self.trim();
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for limb in self.0.iter_mut().rev() {
            let low = *limb & 1;
            *limb = *limb >> 1 | carry << (LIMB_BITS - 1);
            carry = low;
        }
        self.trim();
    }

    /// The quotient, which must be below 2^67, and whether there is a remainder.
    pub(super) fn divide_small_quotient(mut self, mut by: Self) -> (u128, bool) {
        const QUOTIENT_BITS: u32 = 67;
        by.shift_left(QUOTIENT_BITS as usize);
        let mut quotient = 0;
        for _ in 0..QUOTIENT_BITS {
            by.halve();
            quotient <<= 1;
            if self.compare(&by) != Ordering::Less {
                self.subtract(&by);
                quotient |= 1;
            }
        }
        (quotient, !self.is_zero())
    }

    /// The highest bits, at most 66 of them, how many bits are below them, and whether one of those is set.
    pub(super) fn top(&self) -> (u128, usize, bool) {
        const TOP_BITS: usize = 66;
        let below = self.bits().saturating_sub(TOP_BITS);
        let (skipped, shift) = (below / LIMB_BITS, below % LIMB_BITS);
        let wide =
            self.0[skipped..].iter().rev().fold(0u128, |sum, limb| sum << LIMB_BITS | u128::from(*limb));
        let lost = self.0[..skipped].iter().any(|limb| *limb != 0) || wide & ((1 << shift) - 1) != 0;
        (wide >> shift, below, lost)
    }

    /// Appends the decimal digits.
    pub(super) fn write_decimal(mut self, out: &mut Vec<u8>) {
        let mut chunks = Vec::new();
        while !self.is_zero() {
            let mut remainder = 0;
            for limb in self.0.iter_mut().rev() {
                let wide = remainder << LIMB_BITS | u64::from(*limb);
                *limb = (wide / u64::from(DECIMAL_CHUNK)) as u32;
                remainder = wide % u64::from(DECIMAL_CHUNK);
            }
            self.trim();
            chunks.push(remainder);
        }
        let mut digits = [0; 21];
        out.extend_from_slice(super::format_u64(chunks.pop().unwrap_or(0), &mut digits));
        for chunk in chunks.into_iter().rev() {
            let digits = super::format_u64(chunk, &mut digits);
            out.extend(std::iter::repeat_n(b'0', DECIMAL_CHUNK_DIGITS as usize - digits.len()));
            out.extend_from_slice(digits);
        }
    }

    fn multiply_add(&mut self, by: u32, add: u32) {
        let mut carry = u64::from(add);
        for limb in &mut self.0 {
            let wide = u64::from(*limb) * u64::from(by) + carry;
            *limb = wide as u32;
            carry = wide >> LIMB_BITS;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_len = self.0.len().cmp(&other.0.len());
        by_len.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Subtracts a number that is not greater.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (at, limb) in self.0.iter_mut().enumerate() {
            let (less, first) = limb.overflowing_sub(other.0.get(at).copied().unwrap_or(0));
            let (less, second) = less.overflowing_sub(u32::from(borrow));
            *limb = less;
            borrow = first || second;
        }
        debug_assert!(!borrow);
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

/// The greatest power of ten in a limb.
const DECIMAL_CHUNK: u32 = 1_000_000_000;
const DECIMAL_CHUNK_DIGITS: u32 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(natural: Natural) -> String {
        let mut out = Vec::new();
        natural.write_decimal(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn natural(value: u128) -> Natural {
        Natural::from_digits(value.to_string().bytes())
    }

    proptest! {
        #[test]
        fn digits_come_back(text in "[1-9][0-9]{0,200}") {
            prop_assert_eq!(decimal(Natural::from_digits(text.bytes())), text);
        }

        #[test]
        fn arithmetic_equals_that_of_128_bits(a: u128, b in 1u128.., shift in 0usize..64, power in 0u32..19) {
            let a = a >> 64;
            let mut shifted = natural(a);
            shifted.shift_left(shift);
            prop_assert_eq!(shifted.bits() as u32, 128 - (a << shift).leading_zeros());
            let (top, below, lost) = natural(b).top();
            prop_assert_eq!(top, b >> below);
            prop_assert_eq!(lost, top << below != b);
            prop_assert_eq!(decimal(shifted), (a << shift).to_string());
            let mut product = natural(a >> 4);
            product.multiply_power_of_ten(power);
            prop_assert_eq!(decimal(product), ((a >> 4) * 10u128.pow(power)).to_string());
            let by = b >> 100 | 1;
            prop_assert_eq!(
                natural(a).divide_small_quotient(natural(by)),
                (a / by, a % by != 0)
            );
        }
    }
}
