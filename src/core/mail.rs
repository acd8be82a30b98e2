//! What cores send each other, and what a core does with what it gets.

use super::Core;
use super::dump::{Slice, SliceAsked};
use super::listen::Names;
use super::waking::{ToHome, ToLine};
use super::watch::Note;
use crate::connection::{Connection, Hold};
use crate::limits::DRAFT_BYTES_MIN;
use crate::mesh::parcel;
use crate::metrics::Counter;
use crate::pieces::Piece;
use crate::protocol::{Proto, Span};
use crate::reactor::Door;
use crate::session::listeners::Published;
use crate::transaction::{FromShard, Ticket, ToShard};
use slabs::Lent;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A mail between two cores.
pub enum Mail {
    /// Requests for the receiver's shard (`mesh::parcel`).
    Requests(Vec<u8>),
    /// Replies to such requests.
    Replies(Vec<u8>),
    /// One request for the receiver's shard that came in a block of its own.
    LongRequest(Box<LongRequest>),
    /// A reply with large values in it.
    LargeReply(Box<LargeReply>),
    /// To the receiver's shard, about a multi-shard command.
    ToShard(Ticket, ToShard),
    /// To the coordinator of a multi-shard command.
    FromShard(Ticket, FromShard),
    /// To the core of a client in a blocking command.
    ToHome(ToHome),
    /// To a shard where such a client stands in line.
    ToLine(ToLine),
    /// A client that the receiver is to serve.
    Client(OwnedFd, Door),
    /// A line for the receiver's monitors.
    Monitor(Arc<[u8]>),
    /// A slice of a dump is wanted from the receiver's shard.
    Slice(Box<SliceAsked>),
    /// A slice of a dump for a client of the receiver's.
    Sliced(Slice),
    /// What the receiver's clients did to items, for it to put into words.
    Notes(Vec<Note>),
    /// Lines for the receiver's watchers (`watch`).
    Watched(Vec<u8>),
    /// Messages for the receiver's listeners, in order.
    Published(Vec<Arc<Published>>),
    /// A client of the sender's listens no more to any of these.
    Unlistened(Names),
}

/// A request that lies in a block, which travels with it.
pub struct LongRequest {
    /// The block's part that is the request.
    pub block: Lent,
    /// Where its arguments are.
    pub spans: Vec<Span>,
    /// The rest, as in a parcel.
    pub origin: parcel::Origin,
    /// See `origin`.
    pub row: u16,
    /// See `origin`.
    pub db: u8,
    /// See `origin`.
    pub proto: Proto,
    /// See `origin`.
    pub touch: bool,
    /// See `origin`.
    pub hash: u64,
}

/// A reply whose large values are sent from where they lie.
pub struct LargeReply {
    /// Where it belongs.
    pub origin: parcel::Origin,
    /// Its bytes.
    pub text: Vec<u8>,
    /// The values between them.
    pub pieces: Vec<Piece>,
}

impl Mail {
    /// Bytes of buffers that travel with it. Lent values belong to their stores.
    pub fn buffer_bytes(&self) -> u64 {
        match self {
            Mail::Requests(bytes) | Mail::Replies(bytes) => bytes.capacity() as u64,
            Mail::LongRequest(request) => request.block.charged_bytes(),
            Mail::LargeReply(reply) => reply.text.capacity() as u64,
            Mail::Published(messages) => messages.iter().map(|message| message.bytes() as u64).sum(),
            _ => 0,
        }
    }
}

impl Core {
    /// Puts a request for another core's shard into this turn's parcel to it.
    pub(super) fn send_request(&mut self, to: u16, request: &parcel::Request<'_>) {
        if self.shard.offer.is_some() && self.send_block(to, request) {
            return;
        }
        if let Some(Mail::Requests(open)) = self.mesh.open_mail(to) {
            parcel::put_request(open, request);
            return;
        }
        let mut fresh = self.pool.take();
        parcel::put_request(&mut fresh, request);
        self.post(to, Mail::Requests(fresh));
    }

    /// Sends a request that lies in the block on offer, with the block. False: it does not, or is small.
    #[cold]
    fn send_block(&mut self, to: u16, request: &parcel::Request<'_>) -> bool {
        let args = request.args;
        let Some(block) = &self.shard.offer else { return false };
        let Some(range) = block.find(args.bytes()).filter(|range| range.len() >= DRAFT_BYTES_MIN) else {
            return false;
        };
        let &parcel::Request { origin, row, db, proto, touch, hash, .. } = request;
        let (block, spans) = (block.part(range), args.spans().to_vec());
        self.post(
            to,
            Mail::LongRequest(Box::new(LongRequest { block, spans, origin, row, db, proto, touch, hash })),
        );
        true
    }

    /// Sends a reply with large values to the core of its client, or gives it to the client where that is here.
    #[cold]
    pub(super) fn send_large_reply(&mut self, to: u16, reply: LargeReply) {
        if to == self.index {
            self.fill_with(reply.origin, reply.text.len(), |connection| {
                connection.fill_large(reply.origin.sequence, reply.text, reply.pieces);
            });
        } else {
            self.post(to, Mail::LargeReply(Box::new(reply)));
        }
    }

    /// Sends a reply to the core of its client, or gives it to the client where that is here.
    pub(super) fn send_reply(&mut self, to: u16, origin: parcel::Origin, bytes: &[u8]) {
        if to == self.index {
            self.fill(origin, bytes);
            return;
        }
        let mark = |open: &mut Vec<u8>| {
            let mark = parcel::begin_reply(open, origin);
            open.extend_from_slice(bytes);
            parcel::end_reply(open, mark);
        };
        if let Some(Mail::Replies(open)) = self.mesh.open_mail(to) {
            mark(open);
            return;
        }
        let mut fresh = self.pool.take();
        mark(&mut fresh);
        self.post(to, Mail::Replies(fresh));
    }

    /// Posts a mail; one to this core itself is opened later in the same turn.
    pub(super) fn post(&mut self, to: u16, mail: Mail) {
        if to == self.index {
            self.own_mail.push_back(mail);
        } else {
            self.mesh.post(to, mail);
        }
    }

    /// Opens all mail that is there. True if there was any.
    pub(super) fn open_mail(&mut self) -> bool {
        let mut any = false;
        loop {
            let (from, mail) = match self.own_mail.pop_front() {
                Some(mail) => (self.index, mail),
                None => match self.mesh.receive() {
                    Some(received) => received,
                    None => return any,
                },
            };
            any = true;
            self.open(from, mail);
        }
    }

    fn open(&mut self, from: u16, mail: Mail) {
        if from != self.index {
            self.metrics().add(Counter::MailBytesOpened, mail.buffer_bytes());
        }
        match mail {
            Mail::Requests(bytes) => {
                self.serve_parcel(from, &bytes);
                self.pool.give(bytes);
            }
            Mail::Replies(bytes) => {
                let mut at = 0;
                while let Some((origin, reply)) = parcel::next_reply(&bytes, &mut at) {
                    self.fill(origin, reply);
                }
                self.pool.give(bytes);
            }
            Mail::LongRequest(request) => self.serve_long_request(from, &request),
            Mail::LargeReply(reply) => self.send_large_reply(self.index, *reply),
            Mail::ToShard(ticket, message) => self.serve_coordinator(ticket, message),
            Mail::FromShard(ticket, answer) => self.coordinate(from, ticket, answer),
            Mail::ToHome(word) => self.hear_of_line(from, word),
            Mail::ToLine(word) => self.hear_of_waiter(word),
            Mail::Client(descriptor, door) => self.newcomers.push((descriptor, door)),
            Mail::Monitor(line) => self.feed_own_monitors(&line),
            Mail::Slice(asked) => self.slice_for(from, &asked),
            Mail::Sliced(slice) => self.take_slice(slice),
            Mail::Notes(notes) => notes.into_iter().for_each(|note| self.put_into_words(note)),
            Mail::Watched(lines) => self.feed_own_watchers(&lines),
            Mail::Published(messages) => messages.iter().for_each(|message| self.deliver(from, message)),
            Mail::Unlistened(names) => self.forget_listener(from, names),
        }
    }

    /// Gives a reply that was made elsewhere to its client, if that is still there.
    pub(super) fn fill(&mut self, origin: parcel::Origin, bytes: &[u8]) {
        self.fill_with(origin, bytes.len(), |connection| connection.fill(origin.sequence, bytes));
    }

    #[inline]
    fn fill_with(&mut self, origin: parcel::Origin, len: usize, fill: impl FnOnce(&mut Connection)) {
        let id = origin.connection;
        let Some(connection) = self.connections.get_mut(id as usize) else { return };
        if connection.client_id as u32 != origin.client || connection.client_id == 0 {
            return;
        }
        if connection.out.capacity() == 0 {
            connection.out = self.pool.take();
        }
        connection.reply_bytes_max = connection.reply_bytes_max.max(len as u32).max(1);
        fill(connection);
        if connection.hold == Hold::Blocked {
            self.end_if_answered(origin);
        }
        let connection = &mut self.connections[id as usize];
        let drained = match connection.hold {
            Hold::Hops => connection.line.len() <= connection.hops_max() / 2,
            Hold::Line => connection.line.is_empty(),
            // Nothing is left to be sent, so no send will end the hold: the last replies were not wanted.
            Hold::Output => connection.has_answered(),
            _ => false,
        };
        if drained {
            connection.hold = Hold::None;
            self.mark_ready(id);
        }
        self.mark_dirty(id);
    }
}
