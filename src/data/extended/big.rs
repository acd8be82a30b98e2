//! Natural numbers of any length, for decimal numbers that do not fit 128 bits.

use std::cmp::Ordering;

/// Limbs of 64 bits, the least first, the last not 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Big(Vec<u64>);

/// Powers of ten up to here fit 64 bits.
pub(super) const TEN_POWER_MAX: u32 = 19;
/// Powers of five up to here fit 64 bits.
pub(super) const FIVE_POWER_MAX: u32 = 27;

impl Big {
    /// The number of decimal digits.
    pub(super) fn of_digits(digits: impl Iterator<Item = u8>) -> Big {
        let mut big = Big::default();
        let (mut chunk, mut count) = (0, 0);
        for digit in digits {
            chunk = chunk * 10 + u64::from(digit);
            count += 1;
            if count == TEN_POWER_MAX {
                big.multiply_add(10_u64.pow(count), chunk);
                (chunk, count) = (0, 0);
            }
        }
        big.multiply_add(10_u64.pow(count), chunk);
        big
    }

    /// `5^power`.
    pub(super) fn five_to(power: u32) -> Big {
        let mut big = Big(vec![1]);
        big.multiply_five_to(power);
        big
    }

    /// `self *= 5^power`.
    pub(super) fn multiply_five_to(&mut self, mut power: u32) {
        while power > 0 {
            let step = power.min(FIVE_POWER_MAX);
            self.multiply_add(5_u64.pow(step), 0);
            power -= step;
        }
    }

    /// `self = self * factor + addend`.
    fn multiply_add(&mut self, factor: u64, addend: u64) {
        let mut carry = addend;
        for limb in &mut self.0 {
            let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.0.push(carry);
        }
    }

    /// How many bits it has.
    pub(super) fn bits(&self) -> u32 {
        self.0.last().map_or(0, |top| self.0.len() as u32 * 64 - top.leading_zeros())
    }

    /// `self *= 2^shift`.
    pub(super) fn shift_up(&mut self, shift: u32) {
        let (limbs, bits) = ((shift / 64) as usize, shift % 64);
        self.0.splice(0..0, std::iter::repeat_n(0, limbs));
        if bits > 0 {
            self.multiply_add(1 << bits, 0);
        }
    }

    /// Halves it, rounding down.
    fn halve(&mut self) {
        let mut carry = 0;
        for limb in self.0.iter_mut().rev() {
            let odd = *limb << 63;
            *limb = (*limb >> 1) | carry;
            carry = odd;
        }
        self.trim();
    }

    fn subtract(&mut self, other: &Big) {
        let mut borrow = false;
        for (i, limb) in self.0.iter_mut().enumerate() {
            let (less, under) = limb.overflowing_sub(other.0.get(i).copied().unwrap_or(0));
            let (less, under_by_borrow) = less.overflowing_sub(u64::from(borrow));
            borrow = under || under_by_borrow;
            *limb = less;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn compare(&self, other: &Big) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// `self / divisor` for a quotient of at most 127 bits, and whether there is a rest.
    pub(super) fn divide(mut self, mut divisor: Big) -> (u128, bool) {
        let steps = (self.bits() + 1).saturating_sub(divisor.bits());
        divisor.shift_up(steps);
        let mut quotient = 0;
        for _ in 0..=steps {
            quotient <<= 1;
            if self.compare(&divisor) != Ordering::Less {
                self.subtract(&divisor);
                quotient |= 1;
            }
            divisor.halve();
        }
        (quotient, !self.0.is_empty())
    }

    /// The top 128 bits, how many bits are below them, and whether any of those is set.
    pub(super) fn top(&self) -> (u128, u32, bool) {
        let mut top = 0;
        let mut rest = self.0.iter().rev();
        for limb in rest.by_ref().take(2) {
            top = top << 64 | u128::from(*limb);
        }
        (top, self.0.len().saturating_sub(2) as u32 * 64, rest.any(|&limb| limb != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn big(value: u128) -> Big {
        Big::of_digits(value.to_string().bytes().map(|digit| digit - b'0'))
    }

    proptest! {
        #[test]
        fn division_equals_that_of_machine_numbers(a: u128, b: u128, low in 0_u32..127, high in 0_u32..127) {
            let (a, b) = (a >> 1 >> low, (b >> high).max(1));
            prop_assert_eq!(big(a).divide(big(b)), (a / b, a % b != 0));
        }

        #[test]
        fn shifting_and_multiplying_fit_together(a: u64, power in 0_u32..60, shift in 0_u32..200) {
            let mut shifted = big(u128::from(a));
            shifted.shift_up(shift);
            shifted.multiply_five_to(power);
            let (quotient, rest) = {
                let mut divisor = Big::five_to(power);
                divisor.shift_up(shift);
                shifted.divide(divisor)
            };
            prop_assert_eq!((quotient, rest), (u128::from(a), false));
        }
    }
}
