//! Reading the file: one reader checks it, from its end to its beginning, and every core takes the items that are its own.

use super::format::{Bad, End, FOOT_BYTES, Foot, HEADER_BYTES, read_header, records};
use super::{CONTENTS_BYTES_MAX, Summary};
use crate::shard::collections::Payload;
use crate::shard::memcache::PendingFlush;
use crate::shard::{Key, Kind, Shard};
use crate::shared::Shared;
use crate::transaction::plan::shard_of;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

/// Bytes that are read before they are cut off the file.
const CUT_BYTES: u64 = 16 << 20;

/// What the reader tells the cores.
#[derive(Clone)]
pub enum Feed {
    /// The contents of a block that was checked.
    Block(Arc<Vec<u8>>),
    /// All blocks have been there.
    End(End),
    /// The file is not to be trusted: what came of it goes.
    Refused,
}

/// Why nothing comes of a file.
#[derive(Debug)]
enum Failure {
    Bad(Bad),
    Io(io::Error),
}

impl From<Bad> for Failure {
    fn from(bad: Bad) -> Failure {
        Failure::Bad(bad)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::Bad(Bad::Cut),
            _ => Failure::Io(error),
        }
    }
}

/// Deals the file's items out to the cores, each of which has one end of a channel and takes until it is closed.
/// `Ok(None)`: there is no file. The error is one line; the cores have been told then.
pub fn feed(path: &Path, cores: &[SyncSender<Feed>]) -> Result<Option<Summary>, String> {
    let tell = |feed: Feed| {
        for core in cores {
            // A core that could not start tells so itself.
            let _ = core.send(feed.clone());
        }
    };
    let read = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => read(&file, path, &tell),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error.into()),
    };
    read.map(Some).map_err(|failure| {
        tell(Feed::Refused);
        match failure {
            Failure::Bad(bad) => bad.to_string(),
            Failure::Io(error) => error.to_string(),
        }
    })
}

fn read(file: &File, path: &Path, tell: &impl Fn(Feed)) -> Result<Summary, Failure> {
    let bytes = file.metadata()?.len();
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0)?;
    read_header(&header)?;
    let mut left = bytes;
    let (foot, facts) = last_piece(file, &mut left).map_err(|failure| match failure {
        // What is no foot at all claims anything.
        Failure::Bad(_) => Failure::Bad(Bad::Cut),
        other => other,
    })?;
    let end = foot.check_end(&facts)?;
    // From here on the file is taken: whatever happens, nobody takes it again.
    std::fs::remove_file(path)?;
    let mut items = 0;
    let mut uncut = 0;
    for number in (0..end.blocks).rev() {
        let before = left;
        let (foot, contents) = last_piece(file, &mut left)?;
        items += u64::from(foot.check_block(&contents, number)?);
        tell(Feed::Block(Arc::new(contents)));
        uncut += before - left;
        if uncut >= CUT_BYTES {
            file.set_len(left)?;
            uncut = 0;
        }
    }
    if left != HEADER_BYTES as u64 || items != end.records {
        return Err(Bad::Damaged.into());
    }
    tell(Feed::End(end));
    Ok(Summary { items, bytes, left_out: 0 })
}

/// The last foot of the first `left` bytes and what it describes, which `left` is without then.
fn last_piece(file: &File, left: &mut u64) -> Result<(Foot, Vec<u8>), Failure> {
    let Some(end) = left.checked_sub(FOOT_BYTES as u64) else { return Err(Bad::Damaged.into()) };
    let mut foot = [0; FOOT_BYTES];
    file.read_exact_at(&mut foot, end)?;
    let foot = Foot::new(foot);
    let bytes = foot.contents_bytes();
    let start = end.checked_sub(bytes as u64).filter(|&start| start >= HEADER_BYTES as u64);
    let Some(start) = start.filter(|_| bytes <= CONTENTS_BYTES_MAX) else { return Err(Bad::Damaged.into()) };
    let mut contents = vec![0; bytes];
    file.read_exact_at(&mut contents, start)?;
    *left = start;
    Ok((foot, contents))
}

/// A core's side: takes what is its own until the reader is done. Returns how many items there was no room for.
pub fn take(feed: &Receiver<Feed>, shared: &Shared, shard: &mut Shard) -> u64 {
    let mut no_room = 0;
    for feed in feed {
        match feed {
            Feed::Block(contents) => no_room += take_block(&contents, shared, shard),
            Feed::End(end) => {
                shard.store.continue_changes(end.last_change);
                let flush = end.flush.filter(|flush| flush.1 < shard.databases());
                shard.pending_flush = flush.map(|(at_ms, db)| PendingFlush { at_ms, db });
            }
            Feed::Refused => {
                shard.store.clear();
                no_room = 0;
            }
        }
    }
    no_room
}

fn take_block(contents: &[u8], shared: &Shared, shard: &mut Shard) -> u64 {
    let now_ms = shard.now_ms();
    let mut no_room = 0;
    for record in records(contents) {
        let expire_at_ms = record.meta.expire_at_ms;
        let is_dead = expire_at_ms != 0 && expire_at_ms <= now_ms;
        if is_dead || record.db >= shard.databases() || shard_of(shared, record.key) != shard.core {
            continue;
        }
        let key = Key::new(&shared.hasher, shard.physical(record.db), record.key);
        let stored = if record.meta.kind == Kind::String {
            shard.store.restore(&key, record.value, &record.meta, record.standing, now_ms)
        } else {
            // The shard has to know when fields are due.
            let installed = if Shard::is_written(record.meta.kind, record.value) {
                shard.adopt(&key, record.value, &record.meta)
            } else {
                shard.install(&key, Payload::Bytes(record.value.to_vec()), &record.meta)
            };
            installed.map(|()| shard.store.set_standing(&key, record.standing))
        };
        no_room += u64::from(stored.is_err());
    }
    no_room
}
