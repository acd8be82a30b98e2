//! Writing the file: every core adds its shard, then it is closed and gets its name.

use super::format::{Block, End, Record, header};
use super::{BLOCK_BYTES, Summary};
use crate::shard::{Meta, Shard};
use slabs::VALUE_BYTES_MAX;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A file to which cores add their shards.
pub struct Saver {
    path: PathBuf,
    /// Where it is written until it is whole.
    draft: PathBuf,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    file: Option<File>,
    end: End,
    summary: Summary,
    failed: Option<io::Error>,
}

impl Saver {
    /// For a file of this name, which is not touched before `finish`.
    pub fn new(path: &Path) -> Saver {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".part");
        Saver { path: path.into(), draft: draft.into(), progress: Mutex::default() }
    }

    /// Writes a shard's items. Called by each core's thread, at the same time as by others; an error is kept for
    /// `finish`.
    pub fn add(&self, mut shard: Shard) {
        let heap = std::mem::take(&mut shard.heap);
        let now_ms = shard.now_ms();
        let logical: Vec<Option<u8>> = (0..=u8::MAX).map(|db| shard.logical(db)).collect();
        let last_change = shard.store.last_change();
        let flush = shard.pending_flush.map(|flush| (flush.at_ms, flush.db));
        let mut block = Block::default();
        let mut left_out = 0;
        shard.store.hand_over(now_ms, &mut |item| {
            let Some(db) = logical[usize::from(item.db())] else { return };
            let record = Record::of(&item, db);
            if item.is_heap() {
                // In one piece, as small ones are: what is too long for that stays behind.
                let value = Shard::written(&item, &heap);
                if value.len() as u64 > VALUE_BYTES_MAX {
                    left_out += 1;
                    return;
                }
                let meta = Meta { heap: false, ..record.meta };
                block.push(&Record { value: &value, meta, ..record });
            } else {
                block.push(&record);
            }
            if block.bytes() >= BLOCK_BYTES {
                self.write(now_ms, &mut block);
            }
        });
        self.write(now_ms, &mut block);
        let mut progress = self.progress();
        progress.summary.left_out += left_out;
        progress.end.last_change = progress.end.last_change.max(last_change);
        progress.end.flush = progress.end.flush.or(flush);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a block, unless there was an error already.
    fn write(&self, now_ms: u64, block: &mut Block) {
        let mut progress = self.progress();
        if progress.failed.is_none() && block.records() > 0 {
            match self.append(&mut progress, now_ms, block) {
                Ok(()) => {}
                Err(error) => progress.failed = Some(error),
            }
        }
        block.clear();
    }

    fn append(&self, progress: &mut Progress, now_ms: u64, block: &mut Block) -> io::Result<()> {
        self.open(progress, now_ms)?;
        let records = block.records();
        let bytes = block.close(progress.end.blocks);
        write_all(progress, bytes)?;
        progress.end.blocks += 1;
        progress.end.records += u64::from(records);
        Ok(())
    }

    fn open(&self, progress: &mut Progress, now_ms: u64) -> io::Result<()> {
        if progress.file.is_some() {
            return Ok(());
        }
        // A draft that a crash left is no use. Nobody else may read what clients stored.
        match std::fs::remove_file(&self.draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        progress.file = Some(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.draft)?);
        write_all(progress, &header(now_ms))
    }

    /// Ends the file and gives it its name, once all cores have added theirs. Nothing is forced to the disk: a
    /// machine that goes down starts with an empty cache. On an error no file is left.
    pub fn finish(&self, now_ms: u64) -> io::Result<Summary> {
        let mut progress = self.progress();
        let result = self.close(&mut progress, now_ms);
        if result.is_err() {
            let _ = std::fs::remove_file(&self.draft);
        }
        result
    }

    fn close(&self, progress: &mut Progress, now_ms: u64) -> io::Result<Summary> {
        if let Some(error) = progress.failed.take() {
            return Err(error);
        }
        self.open(progress, now_ms)?;
        let end = progress.end.write();
        write_all(progress, &end)?;
        std::fs::rename(&self.draft, &self.path)?;
        Ok(Summary { items: progress.end.records, ..progress.summary })
    }
}

fn write_all(progress: &mut Progress, bytes: &[u8]) -> io::Result<()> {
    let Some(file) = &mut progress.file else { return Err(io::ErrorKind::NotConnected.into()) };
    file.write_all(bytes)?;
    progress.summary.bytes += bytes.len() as u64;
    Ok(())
}
