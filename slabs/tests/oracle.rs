//! Every operation's result equals that of a map with expiry, or is a miss that eviction explains; and the ledger
//! keeps to the budget all the time.

mod twin;

use proptest::prelude::*;
use slabs::Policy;
use twin::{Pair, Step};

const POLICIES: [Policy; 4] =
    [Policy::AllKeys, Policy::NoEviction, Policy::VolatileOnly, Policy::VolatileTtl];

fn run(budget_bytes: u64, policy: Policy, steps: impl IntoIterator<Item = Step>) {
    let mut pair = Pair::new(budget_bytes, policy);
    for step in steps {
        pair.step(step);
    }
    pair.finish();
}

/// Steps from a seed.
fn steps(seed: u64, count: usize, keys: u16) -> impl Iterator<Item = Step> {
    let mut state = seed | 1;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let mixed = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((mixed >> 8) as u8, (mixed >> 16) as u16 % keys, (mixed >> 32) as u32 >> 8, mixed as u8)
    })
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0..16u8, 0..600u16, 0..1_000_000u32, any::<u8>()), 1..1500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ample_store_equals_the_twin(steps in any_steps()) {
        run(64 << 20, Policy::AllKeys, steps);
    }

    #[test]
    fn tight_store_equals_the_twin_but_for_evictions(steps in any_steps(), policy in 0..4usize) {
        run(600 << 10, POLICIES[policy], steps);
    }
}

#[test]
fn a_million_random_operations_equal_the_twin() {
    run(4 << 20, Policy::AllKeys, steps(1, 400_000, 6000));
    run(64 << 20, Policy::AllKeys, steps(2, 200_000, 6000));
    run(2 << 20, Policy::VolatileOnly, steps(3, 150_000, 3000));
    run(2 << 20, Policy::VolatileTtl, steps(4, 100_000, 3000));
    run(2 << 20, Policy::NoEviction, steps(5, 150_000, 3000));
}

#[test]
fn a_falling_and_rising_budget_is_kept() {
    let mut pair = Pair::new(8 << 20, Policy::AllKeys);
    for (round, part) in [8u64, 2, 6, 1, 16, 3].into_iter().enumerate() {
        pair.store.set_budget(part << 20).unwrap();
        while !pair.store.settle(1, 0) {}
        assert!(pair.store.ledger().total() <= part << 20);
        for step in steps(round as u64 + 10, 20_000, 4000) {
            pair.step(step);
        }
    }
    pair.finish();
}
