//! Answers as long as the data set, without the memory for it: slices of the shards one after the other, each asked
//! for when the client has read what was there. A client that stops reading holds a bounded buffer and nothing else;
//! one that reads fast gets a slice a turn, so others are served between any two slices.
//!
//! A slice is made by the core that owns the shard; that of another core comes by mail. The command is a row
//! with [`Handler::Dump`](crate::command::Handler::Dump).

use super::{Client, Core, Mail};
use crate::command::{Asker, Dump, Handler};
use crate::connection::Hold;
use crate::limits::{DUMP_OUTPUT_BYTES, DUMP_SLICES_PER_TURN};
use crate::mesh::parcel::Origin;
use crate::protocol::{Args, Reply};
use crate::session::{Queued, SessionId};
use std::sync::Arc;

/// A dump under way.
struct Job {
    /// Tells its slices from those of an earlier job in this place.
    number: u64,
    origin: Origin,
    client: Client,
    command: &'static Dump,
    request: Arc<Queued>,
    /// The shard whose turn it is, and how far it has come there.
    shard: u16,
    cursor: u64,
    /// A slice is on its way.
    awaited: bool,
}

/// The dumps of one core's clients.
#[derive(Default)]
pub(super) struct Dumps {
    jobs: Vec<Job>,
    numbers: u64,
    /// Whose turn it is.
    next: usize,
    /// There is more to do at once.
    go_on: bool,
}

impl Dumps {
    /// The core should not sleep for these.
    #[inline]
    pub fn go_on(&self) -> bool {
        self.go_on
    }
}

/// A slice that is asked for.
pub struct SliceAsked {
    job: u64,
    request: Arc<Queued>,
    asker: Asker,
    cursor: u64,
}

/// A slice that was made: where the next one begins (0: nowhere), and the bytes.
pub struct Slice {
    job: u64,
    cursor: u64,
    bytes: Vec<u8>,
}

/// What a job can do now.
enum State {
    /// Its client is gone.
    Over,
    /// It waits: for its reader, for replies before it, for a slice.
    Waits,
    /// It can have a slice.
    Ready,
}

impl Core {
    /// Starts a dump for a client, whose further requests wait for its end.
    pub(super) fn start_dump(&mut self, id: SessionId, client: &Client, row: u16, args: Args<'_>) {
        let Handler::Dump(command) = &self.table.row(row).handler else { unreachable!("a row of dumps") };
        if let Err(fault) = (command.check)(&mut self.local(), args) {
            return self.answer(id, client, false, |reply| fault.write(reply));
        }
        let origin = self.await_reply(id, client, false);
        self.connections[id as usize].hold = Hold::Dump;
        self.dumps.numbers += 1;
        self.dumps.jobs.push(Job {
            number: self.dumps.numbers,
            origin,
            client: *client,
            command,
            request: Arc::new(Queued::copy_of(row, args)),
            shard: 0,
            cursor: 0,
            awaited: false,
        });
    }

    /// Begins some slices for the dumps whose readers have room. To be called once a turn.
    #[inline]
    pub(super) fn go_on_dumping(&mut self) {
        if !self.dumps.jobs.is_empty() {
            self.begin_slices();
        } else {
            self.dumps.go_on = false;
        }
    }

    #[cold]
    fn begin_slices(&mut self) {
        self.dumps.go_on = false;
        let mut slices = 0;
        let mut looks = self.dumps.jobs.len();
        while looks > 0 && !self.dumps.jobs.is_empty() {
            looks -= 1;
            self.dumps.next %= self.dumps.jobs.len();
            let place = self.dumps.next;
            match self.state_of(&self.dumps.jobs[place]) {
                State::Over => {
                    self.dumps.jobs.swap_remove(place);
                    continue;
                }
                State::Waits => {}
                State::Ready if slices == DUMP_SLICES_PER_TURN => {
                    self.dumps.go_on = true;
                    return;
                }
                State::Ready => {
                    slices += 1;
                    self.begin_slice(place);
                }
            }
            self.dumps.next += 1;
        }
    }

    fn state_of(&self, job: &Job) -> State {
        let connection = &self.connections[job.origin.connection as usize];
        if connection.client_id as u32 != job.origin.client || connection.client_id == 0 {
            return State::Over;
        }
        let room = connection.out.len() < DUMP_OUTPUT_BYTES && !self.mesh.is_congested();
        if job.awaited || !room || !connection.line.is_alone() { State::Waits } else { State::Ready }
    }

    fn begin_slice(&mut self, place: usize) {
        let job = &mut self.dumps.jobs[place];
        let (shard, job_number, cursor) = (job.shard, job.number, job.cursor);
        let (request, asker) = (job.request.clone(), job.client.asker);
        job.awaited = true;
        let asked = SliceAsked { job: job_number, request, asker, cursor };
        if shard != self.index {
            return self.post(shard, Mail::Slice(Box::new(asked)));
        }
        let id = self.dumps.jobs[place].origin.connection as usize;
        let mut out = self.take_out(id);
        let cursor = self.make_slice(&asked, &mut out);
        self.connections[id].out = out;
        self.note_slice(place, cursor);
    }

    /// Makes a slice for another core's client. Its buffer goes there for good, so it is none of the pool's.
    pub(super) fn slice_for(&mut self, core: u16, asked: &SliceAsked) {
        let mut bytes = Vec::new();
        let cursor = self.make_slice(asked, &mut bytes);
        self.post(core, Mail::Sliced(Slice { job: asked.job, cursor, bytes }));
    }

    /// Appends a slice; returns where the next one begins.
    fn make_slice(&mut self, asked: &SliceAsked, out: &mut Vec<u8>) -> u64 {
        let SliceAsked { request, asker, cursor, .. } = asked;
        let Handler::Dump(command) = &self.table.row(request.row).handler else {
            unreachable!("a row of dumps")
        };
        let mut reply = Reply::new(out, asker.proto);
        (command.slice)(&mut self.local(), request.args(), asker, *cursor, &mut reply)
    }

    /// Gives a slice that came by mail to its client.
    pub(super) fn take_slice(&mut self, slice: Slice) {
        let Slice { job, cursor, bytes } = slice;
        let Some(place) = self.dumps.jobs.iter().position(|other| other.number == job) else { return };
        let id = self.dumps.jobs[place].origin.connection as usize;
        if !matches!(self.state_of(&self.dumps.jobs[place]), State::Over) {
            let mut out = self.take_out(id);
            out.extend_from_slice(&bytes);
            self.connections[id].out = out;
            self.note_slice(place, cursor);
        }
    }

    /// A connection's output, or a buffer for it: sent ones go to the pool, so that is where the next comes from.
    fn take_out(&mut self, id: usize) -> Vec<u8> {
        let out = std::mem::take(&mut self.connections[id].out);
        if out.capacity() == 0 { self.pool.take() } else { out }
    }

    /// A job has got a slice.
    fn note_slice(&mut self, place: usize, cursor: u64) {
        let job = &mut self.dumps.jobs[place];
        job.awaited = false;
        job.cursor = cursor;
        job.shard += u16::from(cursor == 0);
        let (id, over) = (job.origin.connection, job.shard == self.shared.cores());
        self.mark_dirty(id);
        if over {
            self.end_dump(place);
        } else {
            self.dumps.go_on = true;
        }
    }

    fn end_dump(&mut self, place: usize) {
        let job = self.dumps.jobs.swap_remove(place);
        let mut last = self.pool.take();
        (job.command.end)(job.request.args(), &mut Reply::new(&mut last, job.client.proto()));
        self.connections[job.origin.connection as usize].hold = Hold::None;
        self.fill(job.origin, &last);
        self.mark_ready(job.origin.connection);
        self.pool.give(last);
    }
}
