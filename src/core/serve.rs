//! From bytes to requests, a batch at a time.
//!
//! A batch is what one receive brought, up to a bound: all requests are found, all keys hashed and
//! their buckets fetched, then all items, and only then are the requests executed, in order. With a
//! data set far beyond the CPU's caches, most of the waiting for memory is done once per batch.

use super::{Client, Core};
use crate::command::Keys;
use crate::command::memcache as memcache_rows;
use crate::command::table::Found;
use crate::connection::{Closing, Hold, Parser};
use crate::limits::{BATCH_REQUESTS_MAX, OUTPUT_SOFT_BYTES};
use crate::metrics::Counter;
use crate::protocol::memcache;
use crate::protocol::resp::{self, ProtocolError};
use crate::protocol::{Args, Limits, Reply, Span};
use crate::session::SessionId;
use crate::shard::Key;

/// One request of a batch.
#[derive(Debug)]
pub(super) struct Request {
    /// Where it begins in the input.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its arguments among the batch's spans.
    pub spans: (usize, usize),
    /// Its command.
    pub found: Found,
    /// Hash of its first key, if it has one.
    pub hash: u64,
    /// Its reply is not wanted (`noreply`).
    pub muted: bool,
    /// The bytes that the spans point into, where those are not the input's own (quoted inline commands).
    pub unquoted: Option<Box<[u8]>>,
}

/// Why a batch ended where it did.
enum Stop {
    /// The input is used up, or ends within a request.
    More,
    /// The batch is full.
    Full,
    /// These bytes are dropped, with or without a reply.
    Drop { used: usize, reply: Option<&'static str> },
    /// A storage command that is refused for its size: as `Drop`; the outdated item goes.
    TooLarge { used: usize, spans: (usize, usize), muted: bool },
    /// A RESP error: the reply, then the end.
    Fatal(ProtocolError),
    /// A memcached client that cannot be served: the line, if any, then the end.
    FatalLine(Option<&'static str>),
}

impl Core {
    /// Serves requests from the start of `input` until it is used up or the connection has to wait.
    /// Returns the bytes that are done with.
    pub(super) fn serve(&mut self, id: SessionId, input: &[u8]) -> usize {
        let mut batch = std::mem::take(&mut self.batch);
        let mut spans = std::mem::take(&mut self.spans);
        if self.connections[id as usize].out.capacity() == 0 {
            self.connections[id as usize].out = self.pool.take();
        }
        let mut at = 0;
        let mut client = self.client(id);
        while at < input.len() && self.connections[id as usize].serves() {
            let rest = &input[at..];
            let (end, stop) = self.find_requests(id, &client, rest, &mut batch, &mut spans);
            if batch.len() > 1 {
                self.prefetch(&client, rest, &batch, &spans);
            }
            let done = self.execute_batch(id, &mut client, rest, &batch, &spans);
            if let Some(done) = done {
                // What was found beyond is found again later.
                self.forget_parsing(id);
                at += done;
                break;
            }
            at += end;
            match stop {
                Stop::Full => {}
                Stop::More => break,
                _ if !self.connections[id as usize].serves() => {
                    // It is found again when its turn comes.
                    self.forget_parsing(id);
                    break;
                }
                other => at += self.stop(id, &client, &rest[end..], other, &spans),
            }
        }
        self.batch = batch;
        self.spans = spans;
        let connection = &mut self.connections[id as usize];
        if !connection.out.is_empty() || connection.closing != Closing::No {
            self.mark_dirty(id);
        } else if connection.out.capacity() > 0 {
            // Half a request, or one without a reply: who waits holds no buffer.
            let buffer = std::mem::take(&mut connection.out);
            self.pool.give(buffer);
        }
        at
    }

    /// Finds the requests of a batch. Returns where the last one ends.
    fn find_requests(
        &mut self,
        id: SessionId,
        client: &Client,
        input: &[u8],
        batch: &mut Vec<Request>,
        spans: &mut Vec<Span>,
    ) -> (usize, Stop) {
        batch.clear();
        spans.clear();
        let limits = Limits { authenticated: client.authenticated, ..self.limits };
        // What a stranger may send behind `AUTH` is known once that has run.
        let requests_max = if client.authenticated { BATCH_REQUESTS_MAX } else { 1 };
        let mut at = 0;
        while at < input.len() {
            if batch.len() == requests_max {
                return (at, Stop::Full);
            }
            let before = spans.len();
            let stop = match &mut self.connections[id as usize].parser {
                Parser::Resp(parser) => match parser.parse(&input[at..], spans, &limits) {
                    resp::Parsed::Done { used } => Ok((used, None, None)),
                    resp::Parsed::Unquoted { used, bytes } => Ok((used, Some(bytes), None)),
                    resp::Parsed::More => Err(Stop::More),
                    resp::Parsed::Bad(error) => Err(Stop::Fatal(error)),
                },
                Parser::Memcache(parser) => match parser.parse(&input[at..], spans, &limits) {
                    memcache::Parsed::Done { used, verb, noreply } => Ok((used, None, Some((verb, noreply)))),
                    memcache::Parsed::TooLarge { used, noreply, .. } => {
                        Err(Stop::TooLarge { used, spans: (before, spans.len()), muted: noreply })
                    }
                    memcache::Parsed::Swallowed { used } => Err(Stop::Drop { used, reply: None }),
                    memcache::Parsed::Bad { used, error, noreply } => {
                        Err(Stop::Drop { used, reply: (!noreply).then(|| error.message()) })
                    }
                    memcache::Parsed::More => Err(Stop::More),
                    memcache::Parsed::LineTooLong => Err(Stop::FatalLine(Some(memcache::LINE_TOO_LONG))),
                    memcache::Parsed::Http => Err(Stop::FatalLine(None)),
                    memcache::Parsed::Binary => Err(Stop::FatalLine(Some("ERROR"))),
                },
            };
            let (used, unquoted, verb) = match stop {
                Ok(found) => found,
                Err(stop) => return (at, stop),
            };
            if spans.len() > before {
                if let Some((verb, _)) = verb {
                    memcache_rows::arrange(verb, spans, before);
                }
                let bytes = unquoted.as_deref().unwrap_or(&input[at..at + used]);
                let args = Args::new(bytes, &spans[before..]);
                let found = match verb {
                    None => self.table.find(args),
                    Some((verb, _)) => memcache_rows::row(verb).map_or(Found::UnknownCommand, Found::Row),
                };
                let hash = self.hash_first_key(found, args);
                let muted = verb.is_some_and(|(_, noreply)| noreply);
                batch.push(Request {
                    start: at,
                    end: at + used,
                    spans: (before, spans.len()),
                    found,
                    hash,
                    muted,
                    unquoted,
                });
            }
            at += used;
        }
        (at, Stop::More)
    }

    #[inline]
    fn hash_first_key(&self, found: Found, args: Args<'_>) -> u64 {
        let Found::Row(row) = found else { return 0 };
        let Keys { first, .. } = self.table.row(row).keys;
        match args.get(first as usize) {
            Some(key) if first > 0 => self.shared.hasher.hash(key),
            _ => 0,
        }
    }

    /// Fetches the memory that a batch will look at: all buckets, then all items.
    fn prefetch(&self, client: &Client, input: &[u8], batch: &[Request], spans: &[Span]) {
        let db = self.shard.physical(client.asker.db);
        let mut keys = [Key { db, bytes: b"", hash: 0 }; BATCH_REQUESTS_MAX];
        let mut count = 0;
        for request in batch {
            let Found::Row(row) = request.found else { continue };
            let first = self.table.row(row).keys.first as usize;
            if first == 0 || request.unquoted.is_some() || self.shared.shard_of(request.hash) != self.index {
                continue;
            }
            let args =
                Args::new(&input[request.start..request.end], &spans[request.spans.0..request.spans.1]);
            let Some(bytes) = args.get(first) else { continue };
            keys[count] = Key { db, bytes, hash: request.hash };
            self.shard.store.prefetch_bucket(&keys[count]);
            count += 1;
        }
        for key in &keys[..count] {
            self.shard.store.prefetch_item(key);
        }
        for key in &keys[..count] {
            self.shard.store.prefetch_value(key);
        }
    }

    /// Executes a batch in order. `Some`: the connection has to wait, and the input before this place is done with.
    fn execute_batch(
        &mut self,
        id: SessionId,
        client: &mut Client,
        input: &[u8],
        batch: &[Request],
        spans: &[Span],
    ) -> Option<usize> {
        let mut served = 0;
        let mut last_row = None;
        let mut stopped_at = None;
        for (index, request) in batch.iter().enumerate() {
            let bytes = request.unquoted.as_deref().unwrap_or(&input[request.start..request.end]);
            let args = Args::new(bytes, &spans[request.spans.0..request.spans.1]);
            if !self.execute(id, client, request, args) {
                stopped_at = Some(request.start);
                break;
            }
            served += 1;
            if let Found::Row(row) = request.found {
                last_row = Some(row);
            }
            self.hold_if_flooded(id);
            if !self.connections[id as usize].serves() && index + 1 < batch.len() {
                stopped_at = Some(request.end);
                break;
            }
        }
        self.metrics().add(Counter::Commands, served);
        if let Some(session) = self.sessions.get_mut(id) {
            session.commands += served;
            session.active_ms = self.now.unix_ms;
            session.last_row = last_row.or(session.last_row);
        }
        stopped_at
    }

    /// Leaves further requests unread while too much waits to be sent, or too many requests are away.
    #[inline]
    pub(super) fn hold_if_flooded(&mut self, id: SessionId) {
        let connection = &mut self.connections[id as usize];
        if connection.hold != Hold::None {
            return;
        }
        if connection.out.len() + connection.line.bytes() > OUTPUT_SOFT_BYTES {
            connection.hold = Hold::Output;
        } else if connection.line.len() > connection.hops_max()
            || self.mesh.is_congested() && !connection.line.is_empty()
        {
            connection.hold = Hold::Hops;
        }
    }

    /// The parser expects the start of a request again.
    fn forget_parsing(&mut self, id: SessionId) {
        match &mut self.connections[id as usize].parser {
            Parser::Resp(parser) => *parser = resp::Parser::new(),
            Parser::Memcache(parser) => *parser = memcache::Parser::new(),
        }
    }

    /// Deals with what ended a batch other than its size. Returns the bytes to be dropped.
    fn stop(&mut self, id: SessionId, client: &Client, input: &[u8], stop: Stop, spans: &[Span]) -> usize {
        match stop {
            Stop::More | Stop::Full => 0,
            Stop::Drop { used, reply } => {
                if let Some(text) = reply {
                    self.answer(id, client, false, |reply| reply.line(text));
                }
                used
            }
            Stop::TooLarge { used, spans: (from, to), muted } => {
                self.too_large(id, client, Args::new(input, &spans[from..to]), muted);
                used
            }
            Stop::Fatal(error) => {
                self.answer(id, client, false, |reply| {
                    reply.error_bytes(&error.message());
                });
                self.connections[id as usize].closing = Closing::AfterReplies;
                input.len()
            }
            Stop::FatalLine(line) => {
                if let Some(text) = line {
                    self.answer(id, client, false, |reply| reply.line(text));
                }
                self.connections[id as usize].closing = Closing::AfterReplies;
                input.len()
            }
        }
    }

    /// Writes a reply that is made here, behind all that came before.
    pub(super) fn answer(
        &mut self,
        id: SessionId,
        client: &Client,
        muted: bool,
        write: impl FnOnce(&mut Reply<'_>),
    ) {
        if muted {
            return;
        }
        let connection = &mut self.connections[id as usize];
        if connection.line.is_empty() {
            write(&mut Reply::new(&mut connection.out, client.proto()));
        } else {
            let late = connection.line.open_reply();
            let start = late.len();
            write(&mut Reply::new(late, client.proto()));
            connection.line.close_reply(start);
        }
    }
}
