//! The parts of a spread command on their way to its shards and back, as bytes: one buffer per shard and direction, so
//! that a command on a hundred keys costs each shard two mails and no allocation for each key.
//!
//! A parcel is a head (whose command, for whom) and a record per part: hash of the key, lengths, key, the argument that
//! belongs to it. Replies come back as lengths and bytes, in the same order. Numbers are little-endian; the buffers never leave
//! the process.

use super::{Done, Vote};
use crate::command::table::TABLE;
use crate::command::{Call, Handler, Merge, ShardFn, stores};
use crate::protocol::{Args, Proto, Reply, Span};
use crate::shard::locks::Mode;
use crate::shard::{Key, Shard};
use slabs::Staged;

const HEAD_BYTES: usize = 4;
const RECORD_BYTES: usize = 8 + 4 + 4;

/// For whom the parts are.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Row of the command.
    pub row: u16,
    /// Logical database.
    pub db: u8,
    /// Format of the replies.
    pub proto: Proto,
    /// Reads count as use.
    pub touch: bool,
}

/// Begins a parcel.
pub fn begin(parcel: &mut Vec<u8>, head: &Head) {
    let [low, high] = head.row.to_le_bytes();
    let bits = u8::from(head.touch) | u8::from(head.proto == Proto::Resp3) << 1;
    parcel.extend_from_slice(&[low, high, head.db, bits]);
}

/// Adds a part: a key, its hash, and the argument behind it, if the command has one for each key.
#[inline]
pub fn put_part(parcel: &mut Vec<u8>, hash: u64, key: &[u8], value: &[u8]) {
    let mut record = [0; RECORD_BYTES];
    record[..8].copy_from_slice(&hash.to_le_bytes());
    record[8..12].copy_from_slice(&(key.len() as u32).to_le_bytes());
    record[12..].copy_from_slice(&(value.len() as u32).to_le_bytes());
    parcel.reserve(RECORD_BYTES + key.len() + value.len());
    parcel.extend_from_slice(&record);
    parcel.extend_from_slice(key);
    parcel.extend_from_slice(value);
}

/// Deals the parts of a command out: `shards` gets the shard of each part, `parcels` (one per shard, begun where it is
/// empty) the parts. `parts` are hash, shard, and place of the key among `args`.
pub fn deal(
    head: &Head,
    stride: usize,
    args: Args<'_>,
    parts: impl Iterator<Item = (u64, u16, usize)>,
    parcels: &mut [Vec<u8>],
    shards: &mut Vec<u16>,
) {
    shards.clear();
    for (hash, shard, at) in parts {
        let parcel = &mut parcels[shard as usize];
        if parcel.is_empty() {
            begin(parcel, head);
        }
        let value = if stride == 2 { &args[at + 1] } else { b"" };
        put_part(parcel, hash, &args[at], value);
        shards.push(shard);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The records of a parcel.
#[derive(Clone)]
struct Records<'a> {
    rest: &'a [u8],
    db: u8,
}

impl<'a> Iterator for Records<'a> {
    type Item = (Key<'a>, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (record, rest) = self.rest.split_first_chunk::<RECORD_BYTES>()?;
        let hash = u64::from(word(record, 0)) | u64::from(word(record, 4)) << 32;
        let (key, rest) = rest.split_at(word(record, 8) as usize);
        let (value, rest) = rest.split_at(word(record, 12) as usize);
        self.rest = rest;
        Some((Key { db: self.db, bytes: key, hash }, value))
    }
}

/// A parcel as its shard sees it.
#[derive(Clone, Copy)]
pub struct Parcel<'a> {
    head: Head,
    records: &'a [u8],
    each: ShardFn,
    merge: Merge,
    mode: Mode,
}

impl<'a> Parcel<'a> {
    /// Reads the head.
    pub fn open(bytes: &'a [u8]) -> Parcel<'a> {
        let row = u16::from_le_bytes([bytes[0], bytes[1]]);
        let proto = if bytes[3] & 2 == 0 { Proto::Resp2 } else { Proto::Resp3 };
        let command = TABLE.row(row);
        let Handler::Spread { each, merge, .. } = command.handler else {
            unreachable!("only spread commands come in parts")
        };
        Parcel {
            head: Head { row, db: bytes[2], proto, touch: bytes[3] & 1 != 0 },
            records: &bytes[HEAD_BYTES..],
            each,
            merge,
            mode: super::plan::mode_of(command),
        }
    }

    /// It only reads.
    pub fn reads(&self) -> bool {
        self.mode == Mode::Shared
    }

    /// Hashes of its keys, and how each is held.
    pub fn claims(&self) -> impl Iterator<Item = (u64, Mode)> + Clone + use<'a> {
        let mode = self.mode;
        Records { rest: self.records, db: 0 }.map(move |(key, _)| (key.hash, mode))
    }

    fn pairs(&self, shard: &Shard) -> Records<'a> {
        Records { rest: self.records, db: shard.physical(self.head.db) }
    }

    /// Whether its part of the command can be made; the room that it needs is kept.
    pub fn vote(&self, shard: &mut Shard, room: &mut Vec<Staged>) -> Vote {
        if !self.merge.stores() {
            return Vote::Go;
        }
        let pairs = self.pairs(shard);
        if self.merge == Merge::StoreNew && stores::any_exists(shard, pairs.clone()) {
            return Vote::Exists;
        }
        match stores::find_room(shard, pairs, room) {
            Ok(()) => Vote::Go,
            Err((part, fault)) => Vote::Refused(part, fault),
        }
    }

    /// Makes its parts, in the room that was kept; `bytes` is to hold the replies.
    pub fn run(&self, shard: &mut Shard, room: &mut Vec<Staged>, bytes: Vec<u8>) -> Done {
        let mut done = Done { bytes, count: 0, changed: false, fault: None };
        let pairs = self.pairs(shard);
        if self.merge.stores() {
            done.changed = true;
            done.fault = stores::store(shard, pairs, room).err().map(|fault| (0, fault));
            return done;
        }
        let Head { db, proto, touch, .. } = self.head;
        let replies = self.merge == Merge::Array;
        let mut place = 0;
        stores::each_ahead(shard, pairs, |shard, key, _| {
            let start = done.bytes.len();
            if replies {
                done.bytes.extend_from_slice(&[0; 4]);
            }
            let spans = [Span::default(), Span { start: 0, len: key.bytes.len() as u32 }];
            let args = Args::new(key.bytes, &spans);
            let mut reply = Reply::new(&mut done.bytes, proto);
            match (self.each)(shard, &Call { args, key, db, touch }, &mut reply) {
                Ok(part) => {
                    done.changed |= part.changed;
                    done.count += part.count;
                }
                Err(fault) => done.fault = done.fault.take().or(Some((place, fault))),
            }
            if replies {
                let len = (done.bytes.len() - start - 4) as u32;
                done.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
            }
            place += 1;
        });
        done
    }
}

/// Makes one reply of the parts. `shards` says whose each part is, in the order of the keys; `done` has what each shard
/// answered; `at` is scratch.
pub fn merge(
    merge: Merge,
    shards: &[u16],
    done: &[Option<Done>],
    at: &mut Vec<usize>,
    reply: &mut Reply<'_>,
) -> Result<bool, crate::command::Fault> {
    let faults = done.iter().enumerate().filter_map(|(shard, done)| {
        let (part, fault) = done.as_ref()?.fault.as_ref()?;
        Some((place_of_part(shards, shard as u16, *part), fault))
    });
    if let Some((_, fault)) = faults.min_by_key(|(place, _)| *place) {
        return Err(fault.clone());
    }
    match merge {
        Merge::Array => {
            reply.array(shards.len());
            at.clear();
            at.resize(done.len(), 0);
            for &shard in shards {
                let bytes =
                    &done[shard as usize].as_ref().expect("every shard with parts has answered").bytes;
                let at = &mut at[shard as usize];
                let start = *at + 4;
                *at = start + word(bytes, *at) as usize;
                reply.raw(&bytes[start..*at]);
            }
        }
        Merge::Sum => reply.int(done.iter().flatten().map(|done| done.count).sum()),
        Merge::Store => reply.ok(),
        Merge::StoreNew => reply.int(1),
        Merge::Lines => unreachable!("such parts go their own ways"),
    }
    Ok(done.iter().flatten().any(|done| done.changed))
}

/// Where the n-th part of a shard stands among all parts.
fn place_of_part(shards: &[u16], shard: u16, part: u32) -> usize {
    let own = shards.iter().enumerate().filter(|(_, of)| **of == shard);
    own.map(|(place, _)| place).nth(part as usize).unwrap_or(0)
}

/// What the shards have said about a command, of which all must agree.
#[derive(Debug, Default)]
pub struct Votes {
    exists: bool,
    refused: Option<(usize, crate::command::Fault)>,
}

impl Votes {
    /// One more shard's.
    pub fn add(&mut self, shard: u16, vote: Vote, shards: &[u16]) {
        match vote {
            Vote::Go => {}
            Vote::Exists => self.exists = true,
            Vote::Refused(part, fault) => {
                let place = place_of_part(shards, shard, part);
                if self.refused.as_ref().is_none_or(|(first, _)| place < *first) {
                    self.refused = Some((place, fault));
                }
            }
        }
    }

    /// True: it may be made. Otherwise the reply says why not. The keys are looked at before their room.
    pub fn decide(&mut self, reply: &mut Reply<'_>) -> Result<bool, crate::command::Fault> {
        let Votes { exists, refused } = std::mem::take(self);
        if exists {
            reply.int(0);
            return Ok(false);
        }
        refused.map_or(Ok(true), |(_, fault)| Err(fault))
    }
}
