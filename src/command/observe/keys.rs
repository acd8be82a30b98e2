//! Keys that stand out, over the parts of all cores.

use crate::command::answer::{Pack, Unpack};
use crate::command::keys::kind_name;
use crate::command::{Every, Fault, Outcome};
use crate::protocol::{Args, Reply};
use crate::text::parse_i64;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Keys that are returned where no number is said.
const DEFAULT_COUNT: usize = 16;

/// `[COUNT count]`.
fn wanted(args: Args<'_>) -> Result<usize, Fault> {
    match (args.get(2), args.get(3)) {
        (None, _) => Ok(DEFAULT_COUNT),
        (Some(word), Some(count)) if word.eq_ignore_ascii_case(b"count") && args.len() == 4 => {
            match parse_i64(count) {
                Some(count) if count > 0 => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
                _ => Err(Fault::text("ERR COUNT must be a positive integer")),
            }
        }
        _ => Err(Fault::Syntax),
    }
}

/// `LARDER HOTKEYS`: each core's clients ask for keys of any shard, so a key's samples are summed over the cores.
pub(super) const HOTKEYS: Every = Every {
    check: |args, _| wanted(args).map(|_| ()),
    ask: |local, _, _| {
        let hot = &local.shard.hot;
        let mut answer = Pack::default();
        answer.number(u64::from(hot.sampled()));
        for key in hot.keys() {
            answer.number(u64::from(key.db)).number(u64::from(key.count)).number(u64::from(key.doubt));
            answer.bytes(&key.key);
        }
        answer.finish()
    },
    merge: |args, parts, _, reply| hot_keys(wanted(args)?, parts, reply),
    atomic: false,
};

fn hot_keys(count: usize, parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut sampled = 0;
    let mut samples: HashMap<(&[u8], u64), u64> = HashMap::new();
    for part in parts {
        let mut part = Unpack::new(part);
        sampled += part.number();
        while !part.is_empty() {
            let (db, count, doubt) = (part.number(), part.number(), part.number());
            // What may be another key's is left out: a key is never said to be hotter than it is.
            *samples.entry((part.bytes(), db)).or_default() += count - doubt;
        }
    }
    let mut list: Vec<((&[u8], u64), u64)> = samples.into_iter().filter(|(_, count)| *count > 0).collect();
    list.sort_by_key(|(key, count)| (Reverse(*count), *key));
    list.truncate(count);
    reply.array(list.len());
    for ((key, db), count) in list {
        reply.map(4);
        reply.bulk(b"key");
        reply.bulk(key);
        reply.bulk(b"db");
        reply.int(db as i64);
        reply.bulk(b"samples");
        reply.int(count as i64);
        reply.bulk(b"share");
        reply.double(count as f64 / sampled.max(1) as f64);
    }
    Ok(Outcome::READ)
}

/// `LARDER BIGKEYS`.
pub(super) const BIGKEYS: Every = Every {
    check: |args, _| wanted(args).map(|_| ()),
    ask: |local, _, _| {
        let mut answer = Pack::default();
        for key in local.shard.big_keys() {
            answer.number(key.bytes).number(u64::from(key.db));
            answer.bytes(&key.key).bytes(kind_name(key.kind).as_bytes());
        }
        answer.finish()
    },
    merge: |args, parts, _, reply| big_keys(wanted(args)?, parts, reply),
    atomic: false,
};

fn big_keys(count: usize, parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut list = Vec::new();
    for part in parts {
        let mut part = Unpack::new(part);
        while !part.is_empty() {
            let (bytes, db) = (part.number(), part.number());
            list.push((Reverse(bytes), db, part.bytes(), part.bytes()));
        }
    }
    list.sort_unstable();
    list.truncate(count);
    reply.array(list.len());
    for (Reverse(bytes), db, key, kind) in list {
        reply.map(4);
        reply.bulk(b"key");
        reply.bulk(key);
        reply.bulk(b"db");
        reply.int(db as i64);
        reply.bulk(b"type");
        reply.bulk(kind);
        reply.bulk(b"bytes");
        reply.int(bytes as i64);
    }
    Ok(Outcome::READ)
}
