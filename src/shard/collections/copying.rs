//! Large collections that are copied in slices (`COPY`): one turn is too short for a million elements.
//!
//! Who copies holds the keys meanwhile, so that nobody changes what is copied; should its item go nevertheless (it
//! expires, it is evicted), the copy is of what it was. What is copied is counted as it grows.

use super::heap::Structure;
use super::{Key, Payload, Shard};
use crate::data::copying::Effort;
use slabs::Refused;
use std::sync::Arc;

/// Collections up to this are copied at once, bytes: in less than a tenth of a millisecond.
const AT_ONCE_BYTES: usize = 64 << 10;

/// What is done in a turn, in blocks: a fifth of a millisecond.
const SLICE_BLOCKS: usize = 1024;

/// A copy in the making.
#[derive(Debug)]
pub struct Copying {
    of: Arc<Structure>,
    copy: Structure,
    /// As the ledger has it.
    counted: usize,
}

impl Shard {
    /// Begins to copy a value that is to be stored under a key, if it is so large that this takes several turns. Refused
    /// where there is no room for it.
    pub fn begin_copy(&mut self, key: &Key<'_>, value: &Payload) -> Result<Option<Copying>, Refused> {
        let Payload::Grown(of) = value else { return Ok(None) };
        if of.bytes() <= AT_ONCE_BYTES {
            return Ok(None);
        }
        self.make_room(key, of.bytes())?;
        let mut copying = Copying { of: of.clone(), copy: of.begin_copy(), counted: 0 };
        self.count_copy(&mut copying);
        Ok(Some(copying))
    }

    /// Copies a slice. True: all of it is copied.
    pub fn copy_slice(&mut self, copying: &mut Copying) -> bool {
        let mut effort = Effort::of_blocks(SLICE_BLOCKS);
        let done = copying.copy.copy_on(&copying.of, &mut effort);
        self.count_copy(copying);
        done
    }

    /// What has been copied, to be stored.
    pub fn end_copy(&mut self, copying: Copying) -> Payload {
        let Copying { of, copy, counted } = copying;
        self.store.charge(-(counted as i64));
        self.put_away(Payload::Grown(of));
        Payload::Grown(Arc::new(copy))
    }

    fn count_copy(&mut self, copying: &mut Copying) {
        let now = copying.copy.bytes();
        self.store.charge(now as i64 - copying.counted as i64);
        copying.counted = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::one_shard::OneShard;
    use crate::shard::collections::handle_of;
    use crate::shard::{Kind, Meta};

    /// A grown collection of each kind, with members of all lengths, some of which have gone again.
    fn grown() -> OneShard {
        let mut one = OneShard::new();
        for number in 0..9000 {
            let long = "x".repeat(if number % 50 == 0 { 300 } else { number % 30 });
            one.run(&format!("hset hash f{number}{long} {long}v"));
            one.run(&format!("sadd set m{number}{long}"));
            one.run(&format!("rpush list e{number}{long}"));
            one.run(&format!("zadd zset {} m{number}{long}", number % 77));
            if number % 3 == 0 {
                one.run(&format!("hdel hash f{number}{long}"));
                one.run(&format!("srem set m{number}{long}"));
                one.run(&format!("zrem zset m{number}{long}"));
            }
        }
        one
    }

    fn structure_of(one: &OneShard, name: &str) -> Arc<Structure> {
        let key = Key::new(one.shard.store.hasher(), 0, name.as_bytes());
        let item = one.shard.store.peek(&key, one.shard.now_ms()).expect("it is there");
        one.shard.heap.get(handle_of(&item)).clone()
    }

    #[test]
    fn a_copy_in_slices_is_the_same_and_is_counted_to_the_byte_on_the_way() {
        let mut one = grown();
        for (name, all) in [
            ("hash", "hgetall hash"),
            ("set", "smembers set"),
            ("list", "lrange list 0 -1"),
            ("zset", "zrange zset 0 -1 withscores"),
        ] {
            let value = Payload::Grown(structure_of(&one, name));
            let before = one.shard.store.ledger().heap;
            let key = Key::new(&one.shard.store.hasher().clone(), 0, b"copy");
            let mut copying =
                one.shard.begin_copy(&key, &value).expect("there is room").expect("it is large");
            let mut effort = 0;
            loop {
                effort = effort % 97 + 1;
                let done = copying.copy.copy_on(&copying.of, &mut Effort::of_blocks(effort));
                one.shard.count_copy(&mut copying);
                assert_eq!(one.shard.store.ledger().heap - before, copying.copy.bytes() as u64, "{name}");
                if done {
                    break;
                }
            }
            assert!(copying.copy.bytes() <= copying.of.bytes(), "{name}: no room is copied");
            drop(value);
            let copy = one.shard.end_copy(copying);
            let kind = match name {
                "hash" => Kind::Hash,
                "set" => Kind::Set,
                "list" => Kind::List,
                _ => Kind::SortedSet,
            };
            let meta = Meta { kind, ..Meta::default() };
            one.shard.install(&key, copy, &meta).expect("there is room");
            // What they hold is the same, and each may change by itself.
            assert_eq!(one.run(all), one.run(&all.replacen(name, "copy", 1)), "{name}");
            let change = match name {
                "hash" => "hset copy new 1",
                "set" => "sadd copy new",
                "list" => "rpush copy new",
                _ => "zadd copy 5 new",
            };
            assert_eq!(Arc::strong_count(&structure_of(&one, "copy")), 2, "the shard's and this one");
            let kept = one.run(all);
            one.run(change);
            assert_eq!(one.run(all), kept);
            one.run("del copy");
            one.shard.collect_dropped();
            while one.shard.shed_structures(50) {}
        }
        // Taken apart in the midst of it, nothing is left.
        let before = one.shard.store.ledger().heap;
        let value = Payload::Grown(structure_of(&one, "zset"));
        let key = Key::new(&one.shard.store.hasher().clone(), 0, b"copy");
        let mut copying = one.shard.begin_copy(&key, &value).expect("there is room").expect("it is large");
        copying.copy.copy_on(&copying.of, &mut Effort::of_blocks(20));
        one.shard.count_copy(&mut copying);
        drop(value);
        let part = one.shard.end_copy(copying);
        one.shard.put_away(part);
        while one.shard.shed_structures(3) {}
        let lists = one.shard.heap.own_bytes() as u64;
        assert!(one.shard.store.ledger().heap <= before + lists, "nothing is left of it");
    }
}
