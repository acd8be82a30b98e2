//! Integers of 1 to 64 bits at any bit of a string, most significant bit first, and what happens to one that
//! outgrows its bits.

/// The type of such an integer: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// Two's complement, else unsigned.
    pub signed: bool,
    /// Width.
    pub bits: u32,
}

/// What is done with a number that does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Its low bits are kept.
    #[default]
    Wrap,
    /// The nearest number that fits is taken.
    Sat,
    /// Nothing is changed.
    Fail,
}

impl Type {
    /// Reads `bytes` at bit `at`; what lies beyond the end counts as zeros.
    pub fn read(self, bytes: &[u8], at: u64) -> i64 {
        let raw = (window(bytes, at) << (at & 7)) >> (128 - self.bits);
        if self.signed {
            // The sign moves to the top and comes down again over all the bits above the number.
            let free = 64 - self.bits;
            ((raw as u64) << free) as i64 >> free
        } else {
            raw as u64 as i64
        }
    }

    /// Writes the low bits of `value` at bit `at`. All of them must lie within `bytes`.
    pub fn write(self, bytes: &mut [u8], at: u64, value: i64) {
        let shift = 128 - self.bits - (at & 7) as u32;
        let mask = (u128::MAX >> (128 - self.bits)) << shift;
        let new = (window(bytes, at) & !mask) | ((u128::from(value as u64) << shift) & mask);
        let start = (at >> 3) as usize;
        let touched = ((at & 7) as usize + self.bits as usize).div_ceil(8);
        bytes[start..start + touched].copy_from_slice(&new.to_be_bytes()[..touched]);
    }

    /// `value + by` as this type keeps it: `Ok` if it fits, else what `overflow` makes of it, `Err(None)` where
    /// nothing is to be changed. For an unsigned type `value` is taken as 64 unsigned bits.
    pub fn sum(self, value: i64, by: i64, overflow: Overflow) -> Result<i64, Option<i64>> {
        let bound = if self.signed { self.signed_bound(value, by) } else { self.unsigned_bound(value, by) };
        let sum = value.wrapping_add(by);
        match (bound, overflow) {
            (None, _) => Ok(sum),
            (Some(_), Overflow::Wrap) => Err(Some(self.wrap(sum))),
            (Some(bound), Overflow::Sat) => Err(Some(bound)),
            (Some(_), Overflow::Fail) => Err(None),
        }
    }

    /// The low bits of `value`, as this type reads them.
    fn wrap(self, value: i64) -> i64 {
        let free = 64 - self.bits;
        if self.signed { value << free >> free } else { ((value as u64) << free >> free) as i64 }
    }

    /// The bound that `value + by` crosses, if it does.
    ///
    /// The differences wrap for values far outside the type, so that a very negative one counts as crossing the
    /// upper bound. Redis has it so (`BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775808` stores 127), and
    /// replies are compared with it.
    fn signed_bound(self, value: i64, by: i64) -> Option<i64> {
        let max = i64::MAX >> (64 - self.bits);
        let min = !max;
        let (room_above, room_below) = (max.wrapping_sub(value), min.wrapping_sub(value));
        let narrow = self.bits != 64;
        if value > max || (narrow && by > room_above) || (value >= 0 && by > 0 && by > room_above) {
            Some(max)
        } else if value < min || (narrow && by < room_below) || (value < 0 && by < 0 && by < room_below) {
            Some(min)
        } else {
            None
        }
    }

    fn unsigned_bound(self, value: i64, by: i64) -> Option<i64> {
        let max = u64::MAX >> (64 - self.bits);
        let value = value as u64;
        if value > max || (by > 0 && by as u64 > max - value) {
            Some(max as i64)
        } else if by < 0 && by.unsigned_abs() > value {
            Some(0)
        } else {
            None
        }
    }
}

/// The nine bytes from the one that holds bit `at`, at the top of 128 bits.
fn window(bytes: &[u8], at: u64) -> u128 {
    let mut nine = [0; 16];
    let rest = usize::try_from(at >> 3).ok().and_then(|start| bytes.get(start..)).unwrap_or(&[]);
    let length = rest.len().min(9);
    nine[..length].copy_from_slice(&rest[..length]);
    u128::from_be_bytes(nine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn types() -> impl Strategy<Value = Type> {
        prop_oneof![
            (1_u32..=64).prop_map(|bits| Type { signed: true, bits }),
            (1_u32..=63).prop_map(|bits| Type { signed: false, bits }),
        ]
    }

    fn naive_read(this: Type, bytes: &[u8], at: u64) -> i64 {
        let bit = |at: u64| bytes.get(at as usize / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
        let raw = (at..at + u64::from(this.bits)).fold(0_i128, |raw, at| raw * 2 + i128::from(bit(at)));
        let negative = this.signed && bit(at) == 1;
        (if negative { raw - (1 << this.bits) } else { raw }) as i64
    }

    proptest! {
        #[test]
        fn reading_equals_reading_bit_by_bit(this in types(), bytes: [u8; 12], at in 0_u64..120) {
            prop_assert_eq!(this.read(&bytes, at), naive_read(this, &bytes, at));
        }

        #[test]
        fn what_was_written_is_read_and_the_rest_stays(this in types(), bytes: [u8; 17], at in 0_u64..72, value: i64) {
            let mut changed = bytes;
            this.write(&mut changed, at, value);
            prop_assert_eq!(this.read(&changed, at), this.wrap(value));
            let old = this.read(&bytes, at);
            this.write(&mut changed, at, old);
            prop_assert_eq!(changed, bytes);
        }

        #[test]
        fn sums_of_what_fits_are_exact_or_bounded(this in types(), value: i64, by: i64, shift in 0_u32..64) {
            let (value, by) = (this.wrap(value), by >> shift);
            let (min, max) = if this.signed {
                (-(1_i128 << (this.bits - 1)), (1_i128 << (this.bits - 1)) - 1)
            } else {
                (0, (1_i128 << this.bits) - 1)
            };
            let exact = i128::from(value) + i128::from(by);
            if (min..=max).contains(&exact) {
                for overflow in [Overflow::Wrap, Overflow::Sat, Overflow::Fail] {
                    prop_assert_eq!(this.sum(value, by, overflow), Ok(exact as i64));
                }
            } else {
                let bound = if exact > max { max } else { min };
                let wrapped = min + (exact - min).rem_euclid(1 << this.bits);
                prop_assert_eq!(this.sum(value, by, Overflow::Sat), Err(Some(bound as i64)));
                prop_assert_eq!(this.sum(value, by, Overflow::Wrap), Err(Some(wrapped as i64)));
                prop_assert_eq!(this.sum(value, by, Overflow::Fail), Err(None));
            }
        }
    }

    #[test]
    fn a_number_far_below_the_type_saturates_as_redis_has_it() {
        let i8 = Type { signed: true, bits: 8 };
        assert_eq!(i8.sum(-1000, 0, Overflow::Sat), Err(Some(-128)));
        assert_eq!(i8.sum(i64::MIN, 0, Overflow::Sat), Err(Some(127)));
    }

    #[test]
    fn beyond_the_end_everything_is_zero() {
        let i64 = Type { signed: true, bits: 64 };
        assert_eq!(i64.read(&[0xff], 0), 0xff << 56);
        assert_eq!(i64.read(&[0xff], u64::MAX), 0);
    }
}
