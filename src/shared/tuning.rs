//! What administrators of memcached set and expect to be shown again by `stats settings`. Little of it means anything to
//! this server's own eviction, which tunes itself; the commands are accepted, because tools send them.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// A number with a fraction that every core may read.
#[derive(Debug)]
pub struct Fraction(AtomicU64);

impl Fraction {
    fn new(value: f64) -> Fraction {
        Fraction(AtomicU64::new(value.to_bits()))
    }

    /// Its value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }
}

/// The settings, with memcached's defaults.
#[derive(Debug)]
pub struct Tuning {
    /// `slabs automove`: 0 keeps pages in their classes; 1 and 2 let them move where that saves misses.
    pub automove: AtomicU8,
    /// `slabs automove ratio`. Shown only.
    pub automove_ratio: Fraction,
    /// `slabs automove freeratio`. Shown only.
    pub automove_freeratio: Fraction,
    /// `slabs automove window`. Shown only.
    pub automove_window: AtomicU32,
    /// `lru mode`. Shown only.
    pub segmented: AtomicBool,
    /// `lru tune`: percent of memory. Shown only.
    pub hot_pct: AtomicU32,
    /// See `hot_pct`.
    pub warm_pct: AtomicU32,
    /// `lru tune`: ages relative to the coldest item. Shown only.
    pub hot_factor: Fraction,
    /// See `hot_factor`.
    pub warm_factor: Fraction,
    /// `lru temp_ttl` with a positive time. Shown only.
    pub temp_lru: AtomicBool,
    /// The time, seconds.
    pub temp_ttl_secs: AtomicU32,
    /// `lru_crawler enable`: dead items are looked for, and items may be dumped.
    pub crawler: AtomicBool,
    /// `lru_crawler sleep`, microseconds. Shown only: the sweep follows what it finds.
    pub crawler_sleep_us: AtomicU32,
    /// `lru_crawler tocrawl`. Shown only.
    pub crawler_tocrawl: AtomicU32,
    /// Crawls and dumps that were asked for.
    pub crawler_starts: AtomicU64,
    /// `stats sizes_enable`.
    pub sizes: AtomicBool,
    /// `verbosity`. Shown only: the log's level is a parameter.
    pub verbosity: AtomicU32,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            automove: AtomicU8::new(1),
            automove_ratio: Fraction::new(0.8),
            automove_freeratio: Fraction::new(0.01),
            automove_window: AtomicU32::new(30),
            segmented: AtomicBool::new(true),
            hot_pct: AtomicU32::new(20),
            warm_pct: AtomicU32::new(40),
            hot_factor: Fraction::new(0.2),
            warm_factor: Fraction::new(2.0),
            temp_lru: AtomicBool::new(false),
            temp_ttl_secs: AtomicU32::new(61),
            crawler: AtomicBool::new(true),
            crawler_sleep_us: AtomicU32::new(100),
            crawler_tocrawl: AtomicU32::new(0),
            crawler_starts: AtomicU64::new(0),
            sizes: AtomicBool::new(false),
            verbosity: AtomicU32::new(0),
        }
    }
}
