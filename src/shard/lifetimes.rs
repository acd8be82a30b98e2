//! How long items still have to live, per database: a moving average over items drawn by chance, as Redis's `avg_ttl` is.
//! A few draws now and then cost nothing, and each item is about as likely to be drawn as any other.

use super::random::Random;
use super::{Shard, Store};

/// Items drawn at a time.
const DRAWS: usize = 16;

/// Weight of what was known before, against 1 of what is drawn.
const PAST_WEIGHT: u64 = 7;

/// Averages, milliseconds; 0: nothing in the database expires, or nothing is known yet.
#[derive(Debug)]
pub struct Lifetimes {
    averages_ms: Vec<u64>,
    random: Random,
}

impl Lifetimes {
    /// For so many databases.
    pub(super) fn new(databases: u8) -> Lifetimes {
        Lifetimes { averages_ms: vec![0; usize::from(databases)], random: Random::new(1) }
    }

    /// The average of a logical database.
    pub fn average_ms(&self, db: u8) -> u64 {
        self.averages_ms[usize::from(db)]
    }

    fn note(&mut self, db: u8, sum_ms: u64, count: u64) {
        let average = &mut self.averages_ms[usize::from(db)];
        let drawn = sum_ms / count;
        *average = if *average == 0 {
            drawn
        } else {
            (*average / (PAST_WEIGHT + 1)) * PAST_WEIGHT + drawn / (PAST_WEIGHT + 1)
        };
    }
}

impl Shard {
    /// Draws some items. To be called now and then.
    pub fn sample_lifetimes(&mut self) {
        let databases = self.databases();
        let expire = |store: &Store, physical: u8| store.expires_db(physical) > 0;
        if !(0..databases).any(|db| expire(&self.store, self.physical(db))) {
            self.lifetimes.averages_ms.fill(0);
            return;
        }
        let now_ms = self.now_ms();
        let mut drawn = [(0u64, 0u64); 256];
        for _ in 0..DRAWS {
            let chance = self.lifetimes.random.draw();
            let Some(item) = self.store.random(chance, now_ms).filter(|item| item.expire_at_ms() > now_ms)
            else {
                continue;
            };
            let sums = &mut drawn[usize::from(item.db())];
            *sums = (sums.0.saturating_add(item.expire_at_ms() - now_ms), sums.1 + 1);
        }
        for db in 0..databases {
            let physical = self.physical(db);
            match drawn[usize::from(physical)] {
                (_, 0) if !expire(&self.store, physical) => self.lifetimes.averages_ms[usize::from(db)] = 0,
                (_, 0) => {}
                (sum_ms, count) => self.lifetimes.note(db, sum_ms, count),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::shard::{Key, Meta};
    use slabs::Options;

    #[test]
    fn the_average_is_that_of_items_that_expire() {
        const NOW_MS: u64 = 1_600_000_000_000;
        let options = Options { huge_pages: false, ..Options::default() };
        let mut shard = Shard::new(Store::new(&options).unwrap(), 4);
        shard.tick(Now { unix_ms: NOW_MS, mono_us: 0 });
        let hasher = shard.store.hasher().clone();
        for number in 0..3000u64 {
            let name = format!("key{number}");
            // A third lives for ever, the others for 10 to 30 seconds.
            let expire_at_ms = if number % 3 == 0 { 0 } else { NOW_MS + 10_000 + number * 20_000 / 3000 };
            let key = Key::new(&hasher, shard.physical(2), name.as_bytes());
            shard.store.put(&key, b"x", &Meta { expire_at_ms, ..Meta::default() }, NOW_MS).unwrap();
        }
        for _ in 0..100 {
            shard.sample_lifetimes();
        }
        assert!(
            (16_000..24_000).contains(&shard.lifetimes.average_ms(2)),
            "{}",
            shard.lifetimes.average_ms(2)
        );
        assert_eq!(shard.lifetimes.average_ms(0), 0);
        shard.flush_all();
        while shard.purge_step(1000) {}
        shard.sample_lifetimes();
        assert_eq!(shard.lifetimes.average_ms(2), 0);
    }
}
