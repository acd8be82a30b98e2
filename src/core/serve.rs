//! From bytes to requests, a batch at a time.
//!
//! A batch is what one receive brought, up to a bound: all requests are found, all keys hashed and
//! their buckets fetched, then all items, and only then are the requests executed, in order. With a
//! data set far beyond the CPU's caches, most of the waiting for memory is done once per batch.

use super::{Client, Core};
use crate::command::memcache as memcache_rows;
use crate::command::table::{Found, Table};
use crate::command::{Control, Handler, Merge};
use crate::connection::{Closing, Hold, Parser};
use crate::limits::{BATCH_REQUESTS_MAX, ITEMS_AHEAD, OUTPUT_SOFT_BYTES, VALUES_AHEAD};
use crate::metrics::Counter;
use crate::protocol::binary::{self, Header, Status};
use crate::protocol::http::{self, Recognised};
use crate::protocol::limits::MEMCACHE_KEY_BYTES_MAX;
use crate::protocol::memcache;
use crate::protocol::resp::{self, ProtocolError};
use crate::protocol::{Args, Limits, Proto, Reply, Span};
use crate::session::SessionId;
use crate::shard::{Key, Store};
use crate::shared::Shared;
use crate::tls::{ALERT_INTERNAL_ERROR, HANDSHAKE_BYTE};

/// One request of a batch.
#[derive(Debug)]
pub(super) struct Request {
    /// Where it begins in the input.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its arguments among the batch's spans.
    pub spans: (usize, usize),
    /// Hash of its first key, if it has one.
    pub hash: u64,
    /// Its command.
    pub found: Found,
    /// Its reply is not wanted (`noreply`).
    pub muted: bool,
    /// Its first key is of this core's shard, and not that of the request before it: it is worth being fetched.
    fetch: bool,
}

/// The requests of a batch, as they are found.
struct Batch<'a> {
    requests: &'a mut Vec<Request>,
    spans: &'a mut Vec<Span>,
    table: &'static Table,
    shared: &'a Shared,
    store: &'a Store,
    /// The core that looks.
    index: u16,
    /// The client's physical database.
    db: u8,
    limits: Limits,
    requests_max: usize,
}

impl Batch<'_> {
    fn is_full(&self) -> bool {
        self.requests.len() == self.requests_max
    }

    /// Adds a request whose arguments are the batch's spans from `first` on. Its key is hashed, and the bucket asked for.
    #[inline(always)]
    fn add(&mut self, (start, end): (usize, usize), first: usize, found: Found, bytes: &[u8], muted: bool) {
        let spans = (first, self.spans.len());
        let (mut hash, mut fetch) = (0, false);
        let before = self.requests.last().map_or(0, |request| request.hash);
        let args = Args::new(bytes, &self.spans[first..]);
        if let Found::Row(row) = found
            && let Handler::Meta(_) = self.table.row(row).handler
        {
            hash = hash_meta_key(self.shared, args);
            fetch = hash != before && self.shared.shard_of(hash) == self.index;
            if fetch {
                self.store.prefetch_bucket(&Key { db: self.db, bytes: b"", hash });
            }
        } else if let Found::Row(row) = found
            && let key_at = self.table.row(row).keys.first as usize
            && key_at > 0
            && let Some(bytes) = args.get(key_at)
        {
            hash = self.shared.hasher.hash(bytes);
            fetch = hash != before && self.shared.shard_of(hash) == self.index;
            if fetch {
                self.store.prefetch_bucket(&Key { db: self.db, bytes, hash });
            }
        }
        self.requests.push(Request { start, end, spans, hash, found, muted, fetch });
        if let Found::Row(row) = found
            && self.will_hold(&self.table.row(row).handler, spans.1 - spans.0)
        {
            self.requests_max = self.requests.len();
        }
    }

    /// Whether the client's next request will have to wait for this one, as far as its command tells. What is found behind
    /// such a one would be found again later.
    #[inline]
    fn will_hold(&self, handler: &Handler, arguments: usize) -> bool {
        match handler {
            Handler::Shard(_) | Handler::Spread { merge: Merge::Lines, .. } => false,
            Handler::Spread { stride, .. } => self.shared.cores() > 1 && arguments > 1 + stride,
            Handler::Hops(_) | Handler::Sort => self.shared.cores() > 1,
            Handler::Every(_) | Handler::Listen(_) | Handler::Control(Control::Exec | Control::Watch) => true,
            _ => false,
        }
    }

    /// Finds the requests of a RESP client, and where the last one ends. One that was quoted is the last.
    fn find_resp(
        &mut self,
        parser: &mut resp::Parser,
        input: &[u8],
        unquoted: &mut Option<Box<[u8]>>,
    ) -> (usize, Stop) {
        let mut at = 0;
        while at < input.len() {
            if self.is_full() {
                return (at, Stop::Full);
            }
            let first = self.spans.len();
            let used = match parser.parse(&input[at..], self.spans, &self.limits) {
                resp::Parsed::Done { used } => used,
                resp::Parsed::Unquoted { used, bytes } => {
                    if self.spans.len() > first {
                        let found = self.table.find(Args::new(&bytes, &self.spans[first..]));
                        self.add((at, at + used), first, found, &bytes, false);
                        *unquoted = Some(bytes);
                        return (at + used, Stop::Full);
                    }
                    used
                }
                resp::Parsed::More => return (at, Stop::More),
                resp::Parsed::Bad(error) => return (at, Stop::Fatal(error)),
            };
            if self.spans.len() > first {
                let bytes = &input[at..at + used];
                let found = self.table.find(Args::new(bytes, &self.spans[first..]));
                self.add((at, at + used), first, found, bytes, false);
            }
            at += used;
        }
        (at, Stop::More)
    }

    /// Finds the requests of a memcached client, and where the last one ends.
    fn find_memcache(&mut self, parser: &mut memcache::Parser, input: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        while at < input.len() {
            if self.is_full() {
                return (at, Stop::Full);
            }
            let first = self.spans.len();
            let stop = match parser.parse(&input[at..], self.spans, &self.limits) {
                memcache::Parsed::Done { used, verb, noreply } => {
                    memcache_rows::arrange(verb, self.spans, first);
                    let found = memcache_rows::row(verb).map_or(Found::UnknownCommand, Found::Row);
                    self.add((at, at + used), first, found, &input[at..at + used], noreply);
                    at += used;
                    continue;
                }
                memcache::Parsed::TooLarge { used, verb, noreply } => {
                    let row = memcache_rows::too_large_row(verb);
                    Stop::TooLarge { row, used, spans: (first, self.spans.len()), muted: noreply }
                }
                memcache::Parsed::Swallowed { used } => Stop::Drop { used, reply: None },
                memcache::Parsed::Bad { used, error, noreply } => {
                    Stop::Drop { used, reply: (!noreply).then(|| error.message()) }
                }
                memcache::Parsed::More => Stop::More,
                memcache::Parsed::LineTooLong => Stop::FatalLine(Some(memcache::LINE_TOO_LONG)),
                memcache::Parsed::Http => Stop::FatalLine(None),
            };
            return (at, stop);
        }
        (at, Stop::More)
    }

    /// Finds the packets of a memcached client, and where the last one ends.
    fn find_binary(&mut self, parser: &mut binary::Parser, input: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        while at < input.len() {
            if self.is_full() {
                return (at, Stop::Full);
            }
            let first = self.spans.len();
            let stop = match parser.parse(&input[at..], self.spans, &self.limits) {
                binary::Parsed::Done { used, op } => {
                    let found = Found::Row(memcache_rows::binary::row(op));
                    self.add((at, at + used), first, found, &input[at..at + used], false);
                    at += used;
                    continue;
                }
                binary::Parsed::TooLarge { used, .. } => {
                    let row = memcache_rows::binary::too_large_row();
                    Stop::TooLarge { row, used, spans: (first, self.spans.len()), muted: false }
                }
                binary::Parsed::Swallowed { used } => Stop::Drop { used, reply: None },
                binary::Parsed::Refused { used, status } => Stop::Packet { used, status, ends: false },
                binary::Parsed::Fatal(status) => Stop::Packet { used: 0, status, ends: true },
                binary::Parsed::More => Stop::More,
                binary::Parsed::BadMagic => Stop::FatalLine(None),
            };
            return (at, stop);
        }
        (at, Stop::More)
    }
}

/// The hash of the key of a meta command, which may be written in base64.
pub(super) fn hash_meta_key(shared: &Shared, args: Args<'_>) -> u64 {
    let mut place = [0; MEMCACHE_KEY_BYTES_MAX];
    shared.hasher.hash(memcache::meta::key(args, &mut place))
}

/// Finds the request of an HTTP client: each is a batch of its own.
#[cold]
fn find_http(input: &[u8]) -> (usize, Stop) {
    match http::parse(input) {
        http::Parsed::Done { used, .. } => (0, Stop::Http { used }),
        http::Parsed::More => (0, Stop::More),
        http::Parsed::Bad(status) => (0, Stop::FatalHttp(status)),
    }
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
    TooLarge { row: u16, used: usize, spans: (usize, usize), muted: bool },
    /// A packet that is refused: answered with this status and dropped; the last one before the end if `ends`.
    Packet { used: usize, status: Status, ends: bool },
    /// A RESP error: the reply, then the end.
    Fatal(ProtocolError),
    /// A memcached client that cannot be served: the line, if any, then the end.
    FatalLine(Option<&'static str>),
    /// A request of an HTTP client.
    Http { used: usize },
    /// The same for one that cannot be served.
    FatalHttp(http::Status),
    /// A client that begins with TLS where there is none.
    Hello,
}

impl Core {
    /// Serves requests from the start of `input` until it is used up or the connection has to wait.
    /// Returns the bytes that are done with.
    pub(super) fn serve(&mut self, id: SessionId, input: &[u8]) -> usize {
        // Before each batch and not once a turn: who has been told of a change must find it made.
        self.follow_users(0);
        let mut batch = std::mem::take(&mut self.batch);
        let mut spans = std::mem::take(&mut self.spans);
        if self.connections[id as usize].out.capacity() == 0 {
            self.connections[id as usize].out = self.pool.take();
        }
        if matches!(self.connections[id as usize].parser, Parser::MemcacheUndecided) {
            self.decide_protocol(id, input);
        }
        let mut at = 0;
        let mut client = self.client(id);
        let mut unquoted = None;
        while at < input.len() && self.connections[id as usize].serves() {
            let rest = &input[at..];
            let (end, stop) = self.find_requests(id, &client, rest, &mut batch, &mut spans, &mut unquoted);
            if batch.len() > 1 {
                self.prefetch_first(&client, &batch);
            }
            let done = self.execute_batch(id, &mut client, (rest, unquoted.take()), &batch, &spans);
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
                other => at += self.stop(id, &mut client, &rest[end..], other, &spans),
            }
        }
        self.batch = batch;
        self.spans = spans;
        let connection = &mut self.connections[id as usize];
        if !connection.out.is_empty() || !connection.line.is_empty() || connection.closing != Closing::No {
            self.mark_dirty(id);
        } else if connection.out.capacity() > 0 {
            // Half a request, or one without a reply: who waits holds no buffer.
            let buffer = std::mem::take(&mut connection.out);
            self.pool.give(buffer);
        }
        at
    }

    /// The first byte of a memcached client tells which of the two protocols it speaks for good.
    #[cold]
    fn decide_protocol(&mut self, id: SessionId, input: &[u8]) {
        let parser = match input.first() {
            None => return,
            Some(&HANDSHAKE_BYTE) => {
                self.refuse_hello(id);
                return;
            }
            Some(&binary::MAGIC) => Parser::MemcacheBinary(binary::Parser::default()),
            Some(_) => Parser::Memcache(memcache::Parser::new()),
        };
        if let (Parser::MemcacheBinary(_), Some(session)) = (&parser, self.sessions.get_mut(id)) {
            session.proto = Proto::MemcacheBinary;
        }
        self.connections[id as usize].parser = parser;
    }

    /// Finds the requests of a batch. Returns where the last one ends. If that one was quoted, what its spans point
    /// into is put into `unquoted`.
    fn find_requests(
        &mut self,
        id: SessionId,
        client: &Client,
        input: &[u8],
        requests: &mut Vec<Request>,
        spans: &mut Vec<Span>,
        unquoted: &mut Option<Box<[u8]>>,
    ) -> (usize, Stop) {
        requests.clear();
        spans.clear();
        let mut batch = Batch {
            requests,
            spans,
            table: self.table,
            shared: &self.shared,
            store: &self.shard.store,
            index: self.index,
            db: self.shard.physical(client.asker.db),
            limits: Limits { authenticated: client.authenticated, ..self.limits },
            // What a stranger may send behind `AUTH` is known once that has run.
            requests_max: if client.authenticated { BATCH_REQUESTS_MAX } else { 1 },
        };
        match &mut self.connections[id as usize].parser {
            Parser::Resp(parser) => batch.find_resp(parser, input, unquoted),
            Parser::Memcache(parser) => batch.find_memcache(parser, input),
            Parser::MemcacheBinary(parser) => batch.find_binary(parser, input),
            Parser::MemcacheUndecided => unreachable!("decided at its first byte"),
            Parser::Http => find_http(input),
            fresh @ Parser::Fresh => match http::recognise(input) {
                Recognised::More => (0, Stop::More),
                Recognised::Http => {
                    *fresh = Parser::Http;
                    find_http(input)
                }
                Recognised::Other if input[0] == HANDSHAKE_BYTE => (0, Stop::Hello),
                Recognised::Other => {
                    let mut parser = resp::Parser::new();
                    let found = batch.find_resp(&mut parser, input, unquoted);
                    *fresh = Parser::Resp(parser);
                    found
                }
            },
        }
    }

    /// Fetches the beginnings of the first items that a batch will look at, whose buckets have come meanwhile, and the
    /// rest of the very first. `prefetch_ahead` goes on from there.
    fn prefetch_first(&self, client: &Client, batch: &[Request]) {
        let key = self.key_of(client);
        batch.iter().take(ITEMS_AHEAD).filter_map(&key).for_each(|key| self.shard.store.prefetch_item(&key));
        batch
            .iter()
            .take(VALUES_AHEAD)
            .filter_map(&key)
            .for_each(|key| self.shard.store.prefetch_value(&key));
    }

    /// Fetches what the requests soon behind that place will look at, while the CPU executes this one: all at once they
    /// would wait for each other, and the CPU for them.
    #[inline]
    fn prefetch_ahead(&self, client: &Client, batch: &[Request], at: usize) {
        let key = self.key_of(client);
        if let Some(key) = batch.get(at + ITEMS_AHEAD).and_then(&key) {
            self.shard.store.prefetch_item(&key);
        }
        if let Some(key) = batch.get(at + VALUES_AHEAD).and_then(&key) {
            self.shard.store.prefetch_value(&key);
        }
    }

    /// What prefetching needs of a request's key, if the key is of this shard.
    #[inline]
    fn key_of(&self, client: &Client) -> impl Fn(&Request) -> Option<Key<'static>> + use<> {
        let db = self.shard.physical(client.asker.db);
        move |request| request.fetch.then_some(Key { db, bytes: b"", hash: request.hash })
    }

    /// Executes a batch in order. `Some`: the connection has to wait, and the input before this place is done with.
    /// The last request's spans point into the second part of the input, if there is one.
    fn execute_batch(
        &mut self,
        id: SessionId,
        client: &mut Client,
        (input, unquoted): (&[u8], Option<Box<[u8]>>),
        batch: &[Request],
        spans: &[Span],
    ) -> Option<usize> {
        let mut served = 0;
        let mut last_row = None;
        let mut stopped_at = None;
        for (index, request) in batch.iter().enumerate() {
            let bytes = match &unquoted {
                Some(bytes) if index + 1 == batch.len() => bytes,
                _ => &input[request.start..request.end],
            };
            let args = Args::new(bytes, &spans[request.spans.0..request.spans.1]);
            self.prefetch_ahead(client, batch, index);
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
        if let Some(index) = self.sampling.pass(served as usize) {
            let request = &batch[index];
            let bytes = match &unquoted {
                Some(bytes) if index + 1 == batch.len() => bytes,
                _ => &input[request.start..request.end],
            };
            let args = Args::new(bytes, &spans[request.spans.0..request.spans.1]);
            self.sample(id, client.asker.db, request, args);
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.commands += served;
            if served > 0 {
                session.active_ms = self.now.mono_ms();
            }
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
        if connection.output_bytes() > OUTPUT_SOFT_BYTES {
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
            Parser::MemcacheBinary(parser) => *parser = binary::Parser::default(),
            Parser::MemcacheUndecided | Parser::Fresh | Parser::Http => {}
        }
    }

    /// Deals with what ended a batch other than its size. Returns the bytes to be dropped.
    fn stop(
        &mut self,
        id: SessionId,
        client: &mut Client,
        input: &[u8],
        stop: Stop,
        spans: &[Span],
    ) -> usize {
        match stop {
            Stop::More | Stop::Full => 0,
            Stop::Drop { used, reply } => {
                if let Some(text) = reply {
                    self.answer(id, client, false, |reply| reply.line(text));
                }
                used
            }
            Stop::TooLarge { row, used, spans: (from, to), muted } => {
                self.too_large(id, client, row, Args::new(input, &spans[from..to]), muted);
                used
            }
            Stop::Packet { used, status, ends } => {
                if let Some(header) = Header::read(input) {
                    self.answer(id, client, false, |reply| reply.packet_error(&header, status));
                }
                if !ends {
                    return used;
                }
                self.connections[id as usize].closing = Closing::AfterReplies;
                input.len()
            }
            Stop::Http { used } => {
                self.serve_http(id, client, input);
                used
            }
            Stop::Hello => {
                self.refuse_hello(id);
                input.len()
            }
            Stop::FatalHttp(status) => {
                self.refuse_http(id, client, status);
                input.len()
            }
            Stop::Fatal(error) => {
                self.answer(id, client, false, |reply| {
                    reply.error_bytes(&error.message());
                });
                self.log_nonsense(id, "protocol error");
                self.connections[id as usize].closing = Closing::AfterReplies;
                input.len()
            }
            Stop::FatalLine(line) => {
                if let Some(text) = line {
                    self.answer(id, client, false, |reply| reply.line(text));
                }
                self.log_nonsense(id, "protocol error");
                self.connections[id as usize].closing = Closing::AfterReplies;
                input.len()
            }
        }
    }

    /// Tells a client that begins with TLS, in its own words, that nobody speaks it here: otherwise it would wait for an
    /// answer, and the server for the end of a line.
    #[cold]
    fn refuse_hello(&mut self, id: SessionId) {
        let peer = self.sessions.get(id).map_or("", |session| &session.peer);
        log::debug!("client {peer} speaks TLS on a port that does not");
        let connection = &mut self.connections[id as usize];
        connection.out.extend_from_slice(ALERT_INTERNAL_ERROR);
        connection.closing = Closing::AfterReplies;
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
