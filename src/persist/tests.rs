//! Whole files: written by shards, changed, and taken by other shards.

use super::format::{Bad, Block, End, HEADER_BYTES, Record, VERSION, header, records};
use super::{Feed, Saver, feed, take};
use crate::clock::Now;
use crate::parameters::Parameters;
use crate::shard::memcache::PendingFlush;
use crate::shard::{Key, Kind, Meta, Shard, Store};
use crate::shared::Shared;
use crate::transaction::plan::shard_of;
use slabs::{Options, Standing};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

const NOW: Now = Now { unix_ms: 1_700_000_000_000, mono_us: 5_000_000 };

/// A file's place that is emptied at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let directory = std::env::temp_dir().join(format!("larder-persist-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Place(directory)
    }

    fn file(&self) -> PathBuf {
        self.0.join("warm")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Value, metadata and CAS unique by database and key.
type Contents = HashMap<(u8, Vec<u8>), (Vec<u8>, Meta, u64)>;

/// Cores of a process without threads and sockets.
struct Process {
    shared: Shared,
    shards: Vec<Shard>,
}

impl Process {
    fn new(cores: u16, seed: u64, budget_bytes: u64) -> Process {
        let seeds = [seed, 2, 3, 4];
        let options = Options { huge_pages: false, seeds, budget_bytes, ..Options::default() };
        let shards = (0..cores).map(|core| {
            let mut shard = Shard::new(Store::new(&options).unwrap(), 16);
            shard.place(core, cores, 1);
            shard.now = NOW;
            shard
        });
        let shards = shards.collect();
        Process { shared: Shared::new(Parameters::default(), cores as usize, NOW, seeds), shards }
    }

    fn shard(&mut self, key: &[u8]) -> &mut Shard {
        let shard = shard_of(&self.shared, key);
        &mut self.shards[shard as usize]
    }

    fn put(&mut self, db: u8, key: &[u8], value: &[u8], meta: &Meta) {
        let hasher = self.shared.hasher.clone();
        let shard = self.shard(key);
        let key = Key::new(&hasher, shard.physical(db), key);
        shard.store.put(&key, value, meta, NOW.unix_ms).unwrap();
    }

    /// Every item.
    fn contents(&self) -> Contents {
        let mut found = HashMap::new();
        for shard in &self.shards {
            let mut cursor = 0;
            loop {
                cursor = shard.store.scan(cursor, shard.now_ms(), &mut |item| {
                    if let Some(db) = shard.logical(item.db()) {
                        let facts = (item.value().to_vec(), item.meta(), item.cas_unique());
                        found.insert((db, item.key().to_vec()), facts);
                    }
                });
                if cursor == 0 {
                    break;
                }
            }
        }
        found
    }

    fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.store.len()).sum()
    }

    fn save(self, path: &Path) -> super::Summary {
        let saver = Saver::new(path);
        self.shards.into_iter().for_each(|shard| saver.add(shard));
        saver.finish(NOW.unix_ms).unwrap()
    }

    /// Takes a file, in as many threads as a server would: the reader's own, and one for all cores after another.
    fn load(&mut self, path: &Path) -> Result<u64, String> {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            self.shards.iter().map(|_| sync_channel::<Feed>(1 << 16)).unzip();
        let result = feed(path, &senders);
        drop(senders);
        for (shard, receiver) in self.shards.iter_mut().zip(&receivers) {
            take(receiver, &self.shared, shard);
        }
        result.map(|read| read.map_or(0, |read| read.items))
    }
}

fn filled(cores: u16) -> Process {
    let mut process = Process::new(cores, 1, 64 << 20);
    for number in 0..3000u64 {
        let key = format!("key:{number}");
        let meta = Meta {
            kind: if number.is_multiple_of(7) { Kind::Stream } else { Kind::String },
            client_flags: (number % 3) as u32 * 77,
            expire_at_ms: if number.is_multiple_of(5) { NOW.unix_ms + 1 + number } else { 0 },
            cas: number.is_multiple_of(11).then_some(number << 40),
            ..Meta::default()
        };
        process.put((number % 16) as u8, key.as_bytes(), &vec![number as u8; number as usize], &meta);
    }
    process.put(0, b"", b"", &Meta::default());
    process.put(3, &vec![b'k'; 65_535], &vec![1; 3 << 20], &Meta { client_flags: 9, ..Meta::default() });
    process
}

#[test]
fn another_process_with_other_seeds_and_threads_has_every_item_as_it_was() {
    for cores in [1, 2, 3] {
        let place = Place::new(&format!("all-{cores}"));
        let before = filled(2);
        let contents = before.contents();
        let last_change = before.shards.iter().map(|shard| shard.store.last_change()).max().unwrap();
        assert_eq!(before.save(&place.file()).items, contents.len() as u64);
        let mut after = Process::new(cores, 99, 64 << 20);
        assert_eq!(after.load(&place.file()), Ok(contents.len() as u64));
        assert_eq!(after.contents(), contents);
        // A new change has a unique that none had before.
        after.put(0, b"key:0", b"new", &Meta::default());
        assert!(after.contents()[&(0, b"key:0".to_vec())].2 > u64::from(last_change));
        assert!(std::fs::read_dir(&place.0).unwrap().next().is_none(), "the file is taken once");
        assert_eq!(Process::new(1, 1, 64 << 20).load(&place.file()), Ok(0));
    }
}

#[test]
fn what_is_dead_or_flushed_is_not_handed_over_and_a_flush_to_come_is() {
    let place = Place::new("dead");
    let mut before = Process::new(1, 1, 64 << 20);
    before.put(1, b"flushed", b"x", &Meta::default());
    before.put(2, b"swapped", b"x", &Meta::default());
    before.put(0, b"short", b"x", &Meta { expire_at_ms: NOW.unix_ms + 5, ..Meta::default() });
    before.put(0, b"long", b"x", &Meta { expire_at_ms: NOW.unix_ms + 50, ..Meta::default() });
    before.shards[0].flush_db(1);
    before.shards[0].swap_db(2, 5);
    before.shards[0].pending_flush = Some(PendingFlush { at_ms: NOW.unix_ms + 9, db: 5 });
    before.shards[0].now.unix_ms += 5;
    before.save(&place.file());
    let mut after = Process::new(1, 2, 64 << 20);
    after.load(&place.file()).unwrap();
    let contents = after.contents();
    let mut keys: Vec<_> = contents.keys().collect();
    keys.sort();
    assert_eq!(keys, [&(0, b"long".to_vec()), &(5, b"swapped".to_vec())]);
    assert_eq!(after.shards[0].pending_flush, Some(PendingFlush { at_ms: NOW.unix_ms + 9, db: 5 }));
}

#[test]
fn a_smaller_cache_keeps_what_was_used() {
    let place = Place::new("small");
    let mut before = Process::new(1, 1, 64 << 20);
    let hasher = before.shared.hasher.clone();
    let key = |number: u32| format!("key:{number:06}").into_bytes();
    for number in 0..100_000 {
        before.put(0, &key(number), &[7; 100], &Meta::default());
    }
    for number in (0..100_000).step_by(10) {
        before.shards[0].store.get(&Key::new(&hasher, 0, &key(number)), NOW.unix_ms).unwrap();
    }
    before.save(&place.file());
    let mut after = Process::new(1, 2, 8 << 20);
    after.load(&place.file()).unwrap();
    let contents = after.contents();
    let used = (0..100_000).step_by(10).filter(|&number| contents.contains_key(&(0, key(number)))).count();
    assert!(contents.len() < 60_000, "{}", contents.len());
    assert!(used > 9_500, "{used}");
}

/// A small file as bytes: two blocks.
fn small_file() -> Vec<u8> {
    let meta = Meta { client_flags: 5, expire_at_ms: NOW.unix_ms + 7, cas: Some(9), ..Meta::default() };
    let standing = Standing { version: 4, uses: 2 };
    let mut bytes = header(NOW.unix_ms).to_vec();
    let mut block = Block::default();
    for number in 0..2u32 {
        for key in [b"one".as_slice(), b"", b"three"] {
            block.push(&Record { db: 1, key, value: &[number as u8; 9], meta, standing });
        }
        bytes.extend(block.close(number));
        block.clear();
    }
    bytes.extend(End { blocks: 2, records: 6, last_change: 8, flush: None }.write());
    bytes
}

/// What becomes of a process that finds these bytes.
fn found(place: &Place, bytes: &[u8]) -> (Result<u64, String>, u64) {
    std::fs::write(place.file(), bytes).unwrap();
    let mut process = Process::new(1, 1, 1 << 20);
    let result = process.load(&place.file());
    (result, process.len())
}

#[test]
fn a_file_cut_off_anywhere_is_refused_and_nothing_of_it_stays() {
    let place = Place::new("cut");
    let whole = small_file();
    assert_eq!(found(&place, &whole), (Ok(6), 3));
    for bytes in 0..whole.len() {
        let (result, items) = found(&place, &whole[..bytes]);
        assert_eq!((result.is_err(), items), (true, 0), "{bytes} bytes");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert_eq!(found(&place, &longer), (Err(Bad::Cut.to_string()), 0));
}

#[test]
fn a_file_with_any_bit_changed_is_refused_and_nothing_of_it_stays() {
    let place = Place::new("flip");
    let whole = small_file();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (result, items) = found(&place, &bytes);
        assert_eq!((result.is_err(), items), (true, 0), "bit {bit}");
    }
}

#[test]
fn blocks_that_were_exchanged_or_left_out_are_refused() {
    let place = Place::new("order");
    let whole = small_file();
    let end = whole.len() - 48;
    let half = HEADER_BYTES + (end - HEADER_BYTES) / 2;
    let (head, one, two, last) =
        (&whole[..HEADER_BYTES], &whole[HEADER_BYTES..half], &whole[half..end], &whole[end..]);
    assert_eq!(found(&place, &[head, one, two, last].concat()), (Ok(6), 3));
    for parts in
        [[head, two, one, last], [head, &[], two, last], [head, one, &[], last], [head, two, two, last]]
    {
        assert_eq!(found(&place, &parts.concat()), (Err(Bad::Damaged.to_string()), 0));
    }
}

#[test]
fn another_version_is_named_and_the_file_left_alone() {
    let place = Place::new("version");
    let mut bytes = small_file();
    bytes[8..12].copy_from_slice(&(VERSION + 1).to_ne_bytes());
    assert_eq!(found(&place, &bytes).0, Err(Bad::Version(VERSION + 1).to_string()));
    assert!(place.file().exists());
    assert_eq!(
        found(&place, b"something else that is long enough to be a header").0,
        Err(Bad::Foreign.to_string())
    );
}

#[test]
fn records_equal_what_was_pushed() {
    let mut block = Block::default();
    let keys: Vec<Vec<u8>> = (0..200usize).map(|length| vec![length as u8; length * 7]).collect();
    let record = |key: &'static [u8], length: usize| Record {
        db: length as u8,
        key,
        value: &key[..length.min(key.len())],
        meta: Meta { expire_at_ms: length as u64, ..Meta::default() },
        standing: Standing { version: length as u32, uses: length as u8 & 3 },
    };
    let keys: Vec<&'static [u8]> = keys.into_iter().map(|key| &*key.leak()).collect();
    for (length, key) in keys.iter().enumerate() {
        block.push(&record(key, length));
    }
    let count = block.records();
    let bytes = block.bytes();
    let contents = &block.close(0)[..bytes];
    let read: Vec<Record<'_>> = records(contents).collect();
    assert_eq!(read.len(), count as usize);
    for (length, key) in keys.iter().enumerate() {
        assert_eq!(read[length], record(key, length));
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_leaves_nothing() {
    let place = Place::new("unwritable");
    let saver = Saver::new(&place.0.join("none/warm"));
    filled(1).shards.into_iter().for_each(|shard| saver.add(shard));
    assert!(saver.finish(NOW.unix_ms).is_err());
    assert!(std::fs::read_dir(&place.0).unwrap().next().is_none());
}
