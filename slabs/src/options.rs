//! How a store is built: its budget, its limits and its policy.

use std::fmt;
use std::str::FromStr;

/// What to build a [`Store`](crate::Store) with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything that the ledger counts stays at or under this, but for one page and one large value.
    pub budget_bytes: u64,
    /// The largest budget that may be set later; 0 is the machine's memory but at most 16 GiB, or the budget if that
    /// is larger. Reserves addresses, not memory. Above 16 GiB chunks are rounded to 8 bytes instead of 4, above
    /// 32 GiB to 16.
    pub reserve_bytes: u64,
    /// The largest value that is taken, up to 1 GiB.
    pub item_bytes_max: u64,
    /// What may be evicted.
    pub policy: Policy,
    /// What eviction maximises.
    pub goal: EvictionGoal,
    /// The seeds of the [`Hasher`](crate::Hasher) that callers hash their keys with.
    pub seeds: [u64; 4],
    /// Ask the kernel for huge pages under the arena and the index.
    pub huge_pages: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            budget_bytes: 64 << 20,
            reserve_bytes: 0,
            item_bytes_max: VALUE_BYTES_MAX,
            policy: Policy::AllKeys,
            goal: EvictionGoal::Hits,
            seeds: [1, 2, 3, 4],
            huge_pages: true,
        }
    }
}

/// The largest value that a store can be told to take: 1 GiB, memcached's largest `item_size_max`.
pub const VALUE_BYTES_MAX: u64 = 1 << 30;

/// What may be evicted when memory runs out.
///
/// Redis's eight names map onto these (`FromStr`): which use of a key counts is the eviction's own business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing: writes that need memory are refused.
    NoEviction,
    /// Any item.
    AllKeys,
    /// Only items with an expiry, the least useful first.
    VolatileOnly,
    /// Only items with an expiry, those that expire soonest first.
    VolatileTtl,
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Policy, UnknownPolicy> {
        match name {
            "noeviction" => Ok(Policy::NoEviction),
            "allkeys-lru" | "allkeys-lfu" | "allkeys-random" => Ok(Policy::AllKeys),
            "volatile-lru" | "volatile-lfu" | "volatile-random" => Ok(Policy::VolatileOnly),
            "volatile-ttl" => Ok(Policy::VolatileTtl),
            _ => Err(UnknownPolicy),
        }
    }
}

/// The name is none of Redis's eight `maxmemory-policy` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPolicy;

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown eviction policy")
    }
}

impl std::error::Error for UnknownPolicy {}

/// What eviction maximises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionGoal {
    /// Requests answered: small items are favoured.
    Hits,
    /// Bytes answered.
    Bytes,
}

/// Why a store cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// The budget is under `minimum_bytes`, what an empty store and a few pages take.
    BudgetTooSmall {
        /// The smallest budget that works.
        minimum_bytes: u64,
    },
    /// The budget or the reservation is above what 32-bit handles can address.
    BudgetTooLarge {
        /// The largest budget that works.
        maximum_bytes: u64,
    },
    /// `item_bytes_max` is above 1 GiB.
    ItemLimitTooLarge,
    /// The kernel did not give the address range (errno).
    Reserve(i32),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            BuildError::BudgetTooSmall { minimum_bytes } => {
                write!(f, "a shard needs at least {minimum_bytes} bytes of memory")
            }
            BuildError::BudgetTooLarge { maximum_bytes } => write!(
                f,
                "a shard can use at most {maximum_bytes} bytes of memory (items are addressed with 32 bits); use more cores"
            ),
            BuildError::ItemLimitTooLarge => write!(f, "values can be at most {VALUE_BYTES_MAX} bytes"),
            BuildError::Reserve(errno) => write!(f, "cannot reserve address space: errno {errno}"),
        }
    }
}

impl std::error::Error for BuildError {}
