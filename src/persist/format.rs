//! The bytes of a warm restart file. Pure: from records to bytes and back, nothing is opened here.
//!
//! ```text
//! header   magic 8, version u32, order u32, unix time in ms u64, sum u64
//! block    records, then foot: kind u32 = 1, bytes of the records u32, records u32, number u32, sum u64
//! ...
//! end      facts, then foot: kind u32 = 2, bytes of the facts u32, 0 u32, blocks u32, sum u64
//! record   value_len u32, version u32, client flags u32, key_len u16, db u8, kind u8, bits u8, expiry u64, cas u64,
//!          key, value
//! ```
//!
//! Numbers are in the order of the machine, which `order` tells: a file goes from a process to the next one on the same
//! machine. A block's foot follows what it describes, so that a file is read from its end, and what was read can be cut
//! off: the file and the cache that it becomes need the memory once, not twice. A sum covers foot and contents.

use slabs::{EXPIRE_AT_MS_MAX, Item, Kind, Marks, Meta, Standing};
use std::fmt;

const MAGIC: [u8; 8] = *b"LARDERWR";
/// What this build writes, and the only one that it reads.
pub const VERSION: u32 = 1;
const ORDER: u32 = 0x0102_0304;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 32;
/// Bytes of a foot.
pub const FOOT_BYTES: usize = 24;
const RECORD_BYTES: usize = 33;
const FACTS_BYTES: usize = 24;
const BLOCK: u32 = 1;
const END: u32 = 2;
const USES: u8 = 0x03;
const CAS: u8 = 0x04;
/// The value is outdated. Who was told to bring a new one is not kept: another is told again.
const STALE: u8 = 0x08;
const NO_DB: u32 = u32::MAX;

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It is no warm restart file.
    Foreign,
    /// It is of another version.
    Version(u32),
    /// It was written on a machine of the other byte order.
    Order,
    /// It does not end as it should: the writer has not come to its end, or something is cut off.
    Cut,
    /// Bytes were changed.
    Damaged,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Foreign => f.write_str("it is no warm restart file"),
            Bad::Version(version) => write!(f, "its version is {version}, and this server's is {VERSION}"),
            Bad::Order => f.write_str("it was written on a machine of the other byte order"),
            Bad::Cut => f.write_str("it is not complete"),
            Bad::Damaged => f.write_str("it is damaged"),
        }
    }
}

/// One item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The logical database.
    pub db: u8,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
    /// What is stored beside the value.
    pub meta: Meta,
    /// Its version and uses.
    pub standing: Standing,
}

impl<'a> Record<'a> {
    /// The record of an item that is in this logical database.
    pub fn of(item: &Item<'a>, db: u8) -> Record<'a> {
        let standing = Standing { version: item.version(), uses: item.uses() };
        Record { db, key: item.key(), value: item.value(), meta: item.meta(), standing }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Record { db, key, value, meta, standing } = self;
        out.extend((value.len() as u32).to_ne_bytes());
        out.extend(standing.version.to_ne_bytes());
        out.extend(meta.client_flags.to_ne_bytes());
        out.extend((key.len() as u16).to_ne_bytes());
        let cas = if meta.cas.is_some() { CAS } else { 0 };
        let stale = if meta.marks.stale { STALE } else { 0 };
        out.extend([*db, meta.kind as u8, standing.uses & USES | cas | stale]);
        out.extend(meta.expire_at_ms.to_ne_bytes());
        out.extend(meta.cas.unwrap_or(0).to_ne_bytes());
        out.extend(*key);
        out.extend(*value);
    }

    /// The first record of some bytes, and how many it takes.
    fn read(bytes: &'a [u8]) -> Option<(Record<'a>, usize)> {
        let head = bytes.first_chunk::<RECORD_BYTES>()?;
        let (value_len, key_len) =
            (word(head, 0) as usize, usize::from(u16::from_ne_bytes([head[12], head[13]])));
        let payload = bytes[RECORD_BYTES..].get(..key_len + value_len)?;
        let (key, value) = payload.split_at(key_len);
        let bits = head[16];
        let meta = Meta {
            kind: kind(head[15])?,
            heap: false,
            client_flags: word(head, 8),
            expire_at_ms: Some(long(head, 17)).filter(|&expiry| expiry <= EXPIRE_AT_MS_MAX)?,
            cas: (bits & CAS != 0).then(|| long(head, 25)),
            marks: Marks::new(bits & STALE != 0, false),
        };
        let standing = Standing { version: word(head, 4), uses: bits & USES };
        Some((Record { db: head[14], key, value, meta, standing }, RECORD_BYTES + payload.len()))
    }
}

/// The records of a block that was checked.
pub fn records(contents: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = contents;
    std::iter::from_fn(move || {
        let (record, bytes) = Record::read(rest)?;
        rest = &rest[bytes..];
        Some(record)
    })
}

fn kind(number: u8) -> Option<Kind> {
    [Kind::String, Kind::List, Kind::Hash, Kind::Set, Kind::SortedSet, Kind::Stream]
        .get(usize::from(number))
        .copied()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes are four bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes are eight bytes"))
}

/// A number that changes with any change of the bytes within eight of them, and hardly ever stays with other changes.
fn sum(seed: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9fb2_1c65_1e98_df25;
    let mix = |sum: u64, eight: u64| {
        let mixed = (sum ^ eight).wrapping_mul(ODD);
        mixed ^ mixed >> 32
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    let sum = eights.iter().fold(seed, |sum, &eight| mix(sum, u64::from_ne_bytes(eight)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(sum, u64::from_ne_bytes(last)), bytes.len() as u64)
}

/// The header of a file that is begun now.
pub fn header(unix_ms: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_ne_bytes());
    bytes[12..16].copy_from_slice(&ORDER.to_ne_bytes());
    bytes[16..24].copy_from_slice(&unix_ms.to_ne_bytes());
    let sum = sum(0, &bytes[..24]);
    bytes[24..].copy_from_slice(&sum.to_ne_bytes());
    bytes
}

/// When a file was begun, in Unix milliseconds.
pub fn read_header(bytes: &[u8; HEADER_BYTES]) -> Result<u64, Bad> {
    if bytes[..8] != MAGIC {
        return Err(Bad::Foreign);
    }
    match word(bytes, 12) {
        ORDER => {}
        other if other == ORDER.swap_bytes() => return Err(Bad::Order),
        _ => return Err(Bad::Damaged),
    }
    if word(bytes, 8) != VERSION {
        return Err(Bad::Version(word(bytes, 8)));
    }
    if long(bytes, 24) != sum(0, &bytes[..24]) {
        return Err(Bad::Damaged);
    }
    Ok(long(bytes, 16))
}

fn foot(kind: u32, contents: &[u8], records: u32, number: u32) -> [u8; FOOT_BYTES] {
    let mut bytes = [0; FOOT_BYTES];
    for (at, word) in [kind, contents.len() as u32, records, number].into_iter().enumerate() {
        bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    let sum = sum(sum(1, &bytes[..16]), contents);
    bytes[16..].copy_from_slice(&sum.to_ne_bytes());
    bytes
}

/// A block while it is filled.
#[derive(Default)]
pub struct Block {
    bytes: Vec<u8>,
    records: u32,
}

impl Block {
    /// Adds a record.
    pub fn push(&mut self, record: &Record<'_>) {
        record.write(&mut self.bytes);
        self.records += 1;
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Records so far.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// The block as it is written, the `number`th of its file from 0.
    pub fn close(&mut self, number: u32) -> &[u8] {
        let foot = foot(BLOCK, &self.bytes, self.records, number);
        self.bytes.extend(foot);
        &self.bytes
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records = 0;
    }
}

/// What a file says about itself at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Blocks before.
    pub blocks: u32,
    /// Records in them.
    pub records: u64,
    /// The latest change of any store.
    pub last_change: u32,
    /// A flush that is still to come: when, in Unix milliseconds, and of which database.
    pub flush: Option<(u64, u8)>,
}

impl End {
    /// The end as it is written.
    pub fn write(&self) -> Vec<u8> {
        let (at_ms, db) = self.flush.unwrap_or_default();
        let db = if self.flush.is_some() { u32::from(db) } else { NO_DB };
        let mut bytes = Vec::with_capacity(FACTS_BYTES + FOOT_BYTES);
        bytes.extend(self.records.to_ne_bytes());
        bytes.extend(at_ms.to_ne_bytes());
        bytes.extend(self.last_change.to_ne_bytes());
        bytes.extend(db.to_ne_bytes());
        let foot = foot(END, &bytes, 0, self.blocks);
        bytes.extend(foot);
        bytes
    }
}

/// What a foot tells of the bytes before it.
#[derive(Clone, Copy, Debug)]
pub struct Foot([u8; FOOT_BYTES]);

impl Foot {
    /// From the bytes; they are trusted only after `check_block` or `check_end`.
    pub fn new(bytes: [u8; FOOT_BYTES]) -> Foot {
        Foot(bytes)
    }

    /// Bytes of the contents, as it claims.
    pub fn contents_bytes(&self) -> usize {
        word(&self.0, 4) as usize
    }

    /// Whether these are the contents, and those of the `number`th block.
    pub fn check_block(&self, contents: &[u8], number: u32) -> Result<u32, Bad> {
        let count = word(&self.0, 8);
        if self.0 != foot(BLOCK, contents, count, number) {
            return Err(Bad::Damaged);
        }
        let (mut bytes, mut found) = (0, 0);
        while bytes < contents.len() {
            bytes += Record::read(&contents[bytes..]).ok_or(Bad::Damaged)?.1;
            found += 1;
        }
        if found == count { Ok(count) } else { Err(Bad::Damaged) }
    }

    /// What the end of a file says. A file that ends otherwise was cut off.
    pub fn check_end(&self, facts: &[u8]) -> Result<End, Bad> {
        if facts.len() != FACTS_BYTES || self.0 != foot(END, facts, 0, word(&self.0, 12)) {
            return Err(Bad::Cut);
        }
        let db = word(facts, 20);
        Ok(End {
            blocks: word(&self.0, 12),
            records: long(facts, 0),
            last_change: word(facts, 16),
            flush: (db != NO_DB).then_some((long(facts, 8), db as u8)),
        })
    }
}
