//! One client's bytes: what has been read and not yet served, what is to be sent, and the order of
//! replies. What the client *is* stands in `session`; who executes is the core's business.
//!
//! Replies leave in the order of their requests. While all of them are made here, they go straight
//! into the output. A request that went to another core leaves a place in line; what is made behind it
//! waits beside, until the places before it are filled.

mod secure;

pub use secure::{Handing, Secure};

use crate::limits::{
    HOPS_IN_FLIGHT_FIRST, HOPS_IN_FLIGHT_MAX, HOPS_IN_FLIGHT_MIN, OUTPUT_SOFT_BYTES, POOLED_BUFFER_BYTES_MAX,
};
use crate::pieces::{self, Piece, total_bytes};
use crate::protocol::{binary, memcache, resp};
use crate::reactor::Outgoing;
use slabs::Draft;
use std::collections::{BTreeMap, VecDeque};

/// The parser of the protocol that the client speaks.
#[derive(Debug)]
pub enum Parser {
    /// RESP.
    Resp(resp::Parser),
    /// memcached's text protocol.
    Memcache(memcache::Parser),
    /// memcached's binary protocol.
    MemcacheBinary(binary::Parser),
    /// One of memcached's: the first byte will tell.
    MemcacheUndecided,
    /// RESP or HTTP: the first bytes will tell.
    Fresh,
    /// HTTP.
    Http,
}

impl Parser {
    /// Bytes without which nothing new can be said of the request that has begun; 0 where none has.
    pub fn need(&self) -> usize {
        match self {
            Parser::Resp(parser) => parser.need(),
            Parser::Memcache(parser) => parser.need(),
            Parser::MemcacheBinary(parser) => parser.need(),
            Parser::MemcacheUndecided | Parser::Fresh | Parser::Http => 0,
        }
    }
}

/// Bytes of replies that have left which a line may keep before it moves the others together.
const LATE_SLACK_BYTES: usize = 64 << 10;

/// A place in the order of replies.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The reply is made elsewhere; it is dropped when it comes if `muted`.
    Awaited { muted: bool },
    /// The reply lies at this offset of `late`.
    Ready { start: u32, len: u32 },
    /// The reply is among those with large values.
    Large,
}

/// The replies that cannot leave yet, in order.
#[derive(Debug, Default)]
pub struct Line {
    places: VecDeque<Place>,
    /// Number of the first place.
    first: u32,
    /// Bytes of ready replies that wait for others, and of some that have left.
    late: Vec<u8>,
    /// Bytes that wait, there and in `large`.
    waiting: usize,
    /// Replies with large values, by the numbers of their places.
    large: BTreeMap<u32, (Vec<u8>, Vec<Piece>)>,
}

impl Line {
    /// Every reply so far is in the output: the next may be written there at once.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Replies that have not left.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the last place is the first: whatever it awaits may be written to the output piece by piece.
    #[inline]
    pub fn is_alone(&self) -> bool {
        self.places.len() == 1
    }

    /// The number that the next place will have.
    pub fn next_number(&self) -> u32 {
        self.first.wrapping_add(self.places.len() as u32)
    }

    /// All places before that number have left.
    pub fn has_left(&self, number: u32) -> bool {
        self.first.wrapping_sub(number) < u32::MAX / 2
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.waiting
    }

    /// A place for a reply that is made elsewhere. Returns its number.
    pub fn await_reply(&mut self, muted: bool) -> u32 {
        self.places.push_back(Place::Awaited { muted });
        self.first.wrapping_add(self.places.len() as u32 - 1)
    }

    /// The buffer for a reply that is made here and has to wait; `close_reply` ends it.
    pub fn open_reply(&mut self) -> &mut Vec<u8> {
        &mut self.late
    }

    /// Gives the bytes written since `start` their place.
    pub fn close_reply(&mut self, start: usize) {
        let len = self.late.len() - start;
        if len > 0 {
            self.waiting += len;
            self.places.push_back(Place::Ready { start: start as u32, len: len as u32 });
        }
    }

    /// This place is the first in line and its reply is wanted: it may be written to the output at once. `fill` with
    /// nothing ends it.
    pub fn is_next(&self, number: u32) -> bool {
        number == self.first && matches!(self.places.front(), Some(Place::Awaited { muted: false }))
    }

    /// The same where the reply has `pieces`, whose places count from the start of the buffer.
    pub fn close_large_reply(&mut self, start: usize, mut pieces: Vec<Piece>) {
        let text = self.late.split_off(start);
        pieces.iter_mut().for_each(|piece| piece.at -= start);
        self.places.push_back(Place::Large);
        let number = self.first.wrapping_add(self.places.len() as u32 - 1);
        self.keep_large(number, text, pieces);
    }

    fn keep_large(&mut self, number: u32, text: Vec<u8>, pieces: Vec<Piece>) {
        self.waiting += text.len() + total_bytes(&pieces);
        self.large.insert(number, (text, pieces));
    }

    /// Fills a place with a reply that has pieces.
    pub fn fill_large(
        &mut self,
        number: u32,
        text: Vec<u8>,
        pieces: Vec<Piece>,
        out: &mut Vec<u8>,
        out_pieces: &mut Vec<Piece>,
    ) {
        let index = number.wrapping_sub(self.first) as usize;
        if let Some(place @ Place::Awaited { muted: false }) = self.places.get_mut(index) {
            *place = Place::Large;
            self.keep_large(number, text, pieces);
            self.advance(out, out_pieces);
        } else {
            // Not wanted, or no place at all.
            self.fill(number, b"", out, out_pieces);
        }
    }

    /// Fills a place. What has come to the front of the line is moved to `out` and its pieces.
    pub fn fill(&mut self, number: u32, bytes: &[u8], out: &mut Vec<u8>, out_pieces: &mut Vec<Piece>) {
        let index = number.wrapping_sub(self.first) as usize;
        let Some(&Place::Awaited { muted }) = self.places.get(index) else {
            unreachable!("reply {number} is not awaited");
        };
        let bytes = if muted { b"" } else { bytes };
        if index > 0 {
            self.places[index] = Place::Ready { start: self.late.len() as u32, len: bytes.len() as u32 };
            self.late.extend_from_slice(bytes);
            self.waiting += bytes.len();
            return;
        }
        out.extend_from_slice(bytes);
        self.places.pop_front();
        self.first = self.first.wrapping_add(1);
        self.advance(out, out_pieces);
    }

    /// Moves what has come to the front of the line.
    #[inline]
    fn advance(&mut self, out: &mut Vec<u8>, out_pieces: &mut Vec<Piece>) {
        while let Some(place) = self.places.front() {
            match *place {
                Place::Awaited { .. } => break,
                Place::Ready { start, len } => {
                    // A place without bytes lies nowhere: `late` may have been emptied before its turn came.
                    if len > 0 {
                        out.extend_from_slice(&self.late[start as usize..(start + len) as usize]);
                    }
                    self.waiting -= len as usize;
                }
                Place::Large => self.move_large(out, out_pieces),
            }
            self.places.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        if self.waiting == 0 {
            self.late.clear();
            self.late.shrink_to(POOLED_BUFFER_BYTES_MAX);
        } else if self.late.len() > LATE_SLACK_BYTES + 2 * self.waiting {
            self.close_gaps();
        }
    }

    #[cold]
    fn move_large(&mut self, out: &mut Vec<u8>, out_pieces: &mut Vec<Piece>) {
        let (text, more) = self.large.remove(&self.first).expect("a large reply's place names it");
        self.waiting -= text.len() + total_bytes(&more);
        pieces::append(out, out_pieces, &text, more);
    }

    /// Bytes of values that are lent to it.
    #[inline]
    fn lent_bytes(&self) -> usize {
        if self.large.is_empty() {
            return 0;
        }
        self.large.values().map(|(_, pieces)| total_bytes(pieces)).sum()
    }

    /// Bytes of the buffers of the line.
    #[inline]
    fn buffer_bytes(&self) -> usize {
        let buffers = self.late.capacity() + self.places.capacity() * size_of::<Place>();
        if self.large.is_empty() {
            return buffers;
        }
        buffers + self.large.values().map(|(text, _)| text.capacity()).sum::<usize>()
    }

    /// Forgets the bytes that have left. A line that is never empty would keep all of them.
    #[cold]
    fn close_gaps(&mut self) {
        let mut kept = Vec::with_capacity(self.waiting);
        for place in &mut self.places {
            if let Place::Ready { start, len } = place
                && *len > 0
            {
                let from = *start as usize;
                *start = kept.len() as u32;
                kept.extend_from_slice(&self.late[from..from + *len as usize]);
            }
        }
        self.late = kept;
    }

    /// Gives memory back that a burst took.
    fn shrink(&mut self) {
        if self.places.is_empty() {
            self.places = VecDeque::new();
            self.late = Vec::new();
        }
    }
}

/// Bytes read and not served. What is served is passed over, and the rest is moved only when it is the smaller part: a
/// pipeline whose requests are served one by one costs no more than its length.
#[derive(Debug, Default)]
pub struct Held {
    bytes: Vec<u8>,
    /// Those that are served.
    served: usize,
}

impl Held {
    /// What is not served.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.served..]
    }

    /// How much that is.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.served
    }

    /// Everything is served.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// More has been read. `fresh` gives the buffer for the first bytes.
    pub fn push(&mut self, more: &[u8], fresh: impl FnOnce() -> Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = fresh();
        }
        self.bytes.extend_from_slice(more);
    }

    /// So many bytes more are served.
    pub fn pass(&mut self, used: usize) {
        self.served += used;
        if self.served > self.len() {
            self.bytes.drain(..self.served);
            self.served = 0;
        }
    }

    /// These bytes come before what is not served.
    pub fn put_before(&mut self, bytes: &[u8]) {
        self.bytes.splice(self.served..self.served, bytes.iter().copied());
    }

    /// The buffer, for reuse: all is served, or nobody will.
    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}

/// Why a connection's next request is not served yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is.
    None,
    /// A multi-shard command of this client is under way: what follows must see it done.
    Transaction,
    /// `CLIENT PAUSE`.
    Pause,
    /// Until this `mono_us` (`DEBUG SLEEP`).
    Sleep(u64),
    /// Too much output waits for the client to read it.
    Output,
    /// Too many requests are under way on other cores.
    Hops,
    /// The replies so far have to leave: what it listens to changes between replies and messages.
    Line,
    /// A dump is written for it, as fast as it reads.
    Dump,
    /// It is a watcher, and asks nothing more.
    Watch,
    /// It is in a blocking command.
    Blocked,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closing {
    /// It goes on.
    No,
    /// When all that is owed has been sent; no further request is served.
    AfterReplies,
    /// At the end of this turn.
    Now,
    /// The driver was told.
    Told,
}

/// Bytes that a connection holds, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Buffers of requests that have not been served, commands that wait for `EXEC` among them.
    pub input: usize,
    /// What has come of these.
    pub arrived: usize,
    /// Buffers of replies, that of the send in flight among them.
    pub output: usize,
    /// Values that are lent to be sent, whether their store has them still or not.
    pub lent: usize,
}

impl Holding {
    /// More of each.
    #[inline]
    pub fn add(&mut self, other: &Holding) {
        self.input += other.input;
        self.arrived += other.arrived;
        self.output += other.output;
        self.lent += other.lent;
    }

    /// Less of each.
    #[inline]
    pub fn take(&mut self, other: &Holding) {
        self.input -= other.input;
        self.arrived -= other.arrived;
        self.output -= other.output;
        self.lent -= other.lent;
    }
}

/// What is known of a block while the driver has it.
#[derive(Clone, Copy, Debug)]
pub struct Away {
    /// What it takes from the process.
    pub charged_bytes: usize,
    /// What had come into it.
    pub arrived: usize,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// The client's id; 0 for a free slot.
    pub client_id: u64,
    /// Finds requests.
    pub parser: Parser,
    /// Bytes read and not served: a request's beginning, or what waits behind a hold.
    pub held: Held,
    /// A long request that is coming. What is behind it waits in `held`.
    pub incoming: Option<Draft>,
    /// The same while it is the driver's, which receives into it.
    pub away: Option<Away>,
    /// Replies to be sent.
    pub out: Vec<u8>,
    /// Large values between the bytes of `out`.
    pub pieces: Vec<Piece>,
    /// Bytes of these.
    pub pieces_bytes: usize,
    /// Replies that wait for others.
    pub line: Line,
    /// Why the next request waits.
    pub hold: Hold,
    /// Whether and when it ends.
    pub closing: Closing,
    /// A send is in flight.
    pub sending: bool,
    /// Bytes of it, for those who count what has left.
    pub sending_bytes: usize,
    /// Of these, bytes of values that are sent from where they lie.
    pub sending_pieces_bytes: usize,
    /// The buffer that the driver has for it.
    pub sending_capacity: usize,
    /// Bytes of commands that wait for `EXEC`.
    pub queued_bytes: usize,
    /// Bytes that its subscriptions take, on all cores; 0: it listens to nothing.
    pub listening_bytes: usize,
    /// Messages may overtake awaited replies once all places before this number have left: the confirmation that lets them
    /// come is among those, and so are messages that wait themselves.
    pub push_barrier: u32,
    /// Messages have overtaken replies and are to be sent though those are awaited.
    pub pushed: bool,
    /// What it holds, as its core has counted it.
    pub counted: Holding,
    /// Reading is paused.
    pub paused: bool,
    /// The client will send no more.
    pub ended: bool,
    /// It is on the list of those with something to flush.
    pub dirty: bool,
    /// It is on the list of those whose held input may be served.
    pub ready: bool,
    /// The largest reply that another core has sent lately; 0 before the first.
    pub reply_bytes_max: u32,
    /// Last time that output moved, `mono_us`.
    pub moved_us: u64,
    /// Since when more output than the soft limit waits, `mono_us`; 0: it does not.
    pub over_soft_us: u64,
    /// What the peer had not taken of the send in flight at the last look (`Driver::untaken`); `u64::MAX` before it.
    pub untaken_bytes: u64,
    /// When the first of the held bytes came, `mono_us`.
    pub held_since_us: u64,
    /// TLS, where the client speaks it.
    pub tls: Option<Box<Secure>>,
}

impl Connection {
    /// A free slot.
    pub fn free() -> Connection {
        Connection {
            client_id: 0,
            parser: Parser::Resp(resp::Parser::new()),
            held: Held::default(),
            incoming: None,
            away: None,
            out: Vec::new(),
            pieces: Vec::new(),
            pieces_bytes: 0,
            line: Line::default(),
            hold: Hold::None,
            closing: Closing::No,
            sending: false,
            sending_bytes: 0,
            sending_pieces_bytes: 0,
            sending_capacity: 0,
            queued_bytes: 0,
            listening_bytes: 0,
            push_barrier: 0,
            pushed: false,
            counted: Holding::default(),
            paused: false,
            ended: false,
            dirty: false,
            ready: false,
            reply_bytes_max: 0,
            moved_us: 0,
            over_soft_us: 0,
            untaken_bytes: u64::MAX,
            held_since_us: 0,
            tls: None,
        }
    }

    /// A client has it now.
    pub fn open(client_id: u64, parser: Parser, mono_us: u64) -> Connection {
        Connection { client_id, parser, moved_us: mono_us, ..Connection::free() }
    }

    /// Further requests may be served.
    #[inline]
    pub fn serves(&self) -> bool {
        self.hold == Hold::None && self.closing == Closing::No
    }

    /// What arrives at its socket are the client's own words: they may be received to where they belong. (Not so where
    /// something has to be made of them first.)
    #[inline]
    pub fn receives_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Requests that may be under way on other cores: so many that their replies fit into the output's bound,
    /// as far as the replies so far tell. The first burst is small, because nothing is known yet.
    #[inline]
    pub fn hops_max(&self) -> usize {
        match self.reply_bytes_max as usize {
            0 => HOPS_IN_FLIGHT_FIRST,
            largest => (OUTPUT_SOFT_BYTES / largest).clamp(HOPS_IN_FLIGHT_MIN, HOPS_IN_FLIGHT_MAX),
        }
    }

    /// The replies to all requests that were served have left, here and from the socket's send.
    pub fn has_answered(&self) -> bool {
        self.out.is_empty() && !self.sending && self.line.is_empty()
    }

    /// Bytes of replies that wait for the client or for each other.
    #[inline]
    pub fn output_bytes(&self) -> usize {
        self.out.len() + self.pieces_bytes + self.line.bytes()
    }

    /// The same with what the driver has.
    pub fn unsent_bytes(&self) -> usize {
        self.output_bytes() + if self.sending { self.sending_bytes } else { 0 }
    }

    /// Bytes of requests that have not been served.
    pub fn input_bytes(&self) -> usize {
        self.held_bytes().arrived
    }

    /// Some of them may be served, or reading may go on.
    pub fn has_input(&self) -> bool {
        !self.held.is_empty() || self.incoming.is_some() || self.paused
    }

    /// Takes the pieces of a reply that was written from `start` on, to `out` (`at_once`) or to the line.
    #[cold]
    pub fn add_reply_pieces(&mut self, at_once: bool, start: usize, mut pieces: Vec<Piece>) {
        if at_once {
            self.pieces_bytes += total_bytes(&pieces);
            self.pieces.append(&mut pieces);
        } else {
            self.line.close_large_reply(start, pieces);
        }
    }

    /// `buffer`, which was `out`, with the values that belong between its bytes, to be sent.
    #[cold]
    pub fn take_pieces(&mut self, buffer: Vec<u8>) -> Outgoing {
        self.sending_bytes += self.pieces_bytes;
        self.sending_pieces_bytes = std::mem::take(&mut self.pieces_bytes);
        Outgoing::with_pieces(buffer, std::mem::take(&mut self.pieces))
    }

    /// A reply for a place in the line, which may let others follow.
    #[inline]
    pub fn fill(&mut self, sequence: u32, bytes: &[u8]) {
        let pieces = self.pieces.len();
        self.line.fill(sequence, bytes, &mut self.out, &mut self.pieces);
        self.count_pieces(pieces);
    }

    /// The same for one with large values.
    pub fn fill_large(&mut self, sequence: u32, text: Vec<u8>, large: Vec<Piece>) {
        let pieces = self.pieces.len();
        self.line.fill_large(sequence, text, large, &mut self.out, &mut self.pieces);
        self.count_pieces(pieces);
    }

    #[inline]
    fn count_pieces(&mut self, before: usize) {
        if self.pieces.len() > before {
            self.pieces_bytes += total_bytes(&self.pieces[before..]);
        }
    }

    /// What it holds now.
    #[inline]
    pub fn held_bytes(&self) -> Holding {
        let mut held = Holding {
            input: self.held.capacity() + self.queued_bytes,
            arrived: self.held.len() + self.queued_bytes,
            output: self.out.capacity()
                + self.line.buffer_bytes()
                + self.sending_capacity
                + self.listening_bytes,
            lent: self.pieces_bytes + self.sending_pieces_bytes + self.line.lent_bytes(),
        };
        if let Some(draft) = &self.incoming {
            held.input += draft.charged_bytes() as usize;
            held.arrived += draft.len();
        }
        if let Some(away) = &self.away {
            held.input += away.charged_bytes;
            held.arrived += away.arrived;
        }
        if let Some(secure) = &self.tls {
            held.input += secure.input_bytes();
            held.arrived += secure.stream.raw_len();
            held.output += secure.output_bytes();
        }
        held
    }

    /// Gives the memory of buffers back that an idle connection does not need.
    pub fn rest(&mut self) {
        if self.held.is_empty() {
            self.held = Held::default();
        }
        self.reply_bytes_max = 0;
        self.line.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_leave_in_the_order_of_their_requests() {
        let mut line = Line::default();
        let mut out = Vec::new();
        let first = line.await_reply(false);
        let here = |line: &mut Line, text: &[u8]| {
            let start = line.open_reply().len();
            line.open_reply().extend_from_slice(text);
            line.close_reply(start);
        };
        here(&mut line, b"2");
        let third = line.await_reply(true);
        here(&mut line, b"4");
        let fifth = line.await_reply(false);
        line.fill(fifth, b"5", &mut out, &mut Vec::new());
        line.fill(third, b"muted", &mut out, &mut Vec::new());
        assert!(out.is_empty());
        line.fill(first, b"1", &mut out, &mut Vec::new());
        assert_eq!(out, b"1245");
        assert!(line.is_empty() && line.bytes() == 0);
        let next = line.await_reply(false);
        line.fill(next, b"6", &mut out, &mut Vec::new());
        assert_eq!(out, b"12456");
    }

    #[test]
    fn what_is_served_one_by_one_is_moved_no_more_than_once() {
        let mut held = Held::default();
        let (mut expected, mut moved) = (Vec::new(), 0);
        for round in 0..1000u32 {
            let more = round.to_le_bytes().repeat(20);
            held.push(&more, Vec::new);
            expected.extend(more);
            for _ in 0..if round < 900 { 7 } else { 60 } {
                let used = held.len().min(10);
                let passed = held.served + used;
                held.pass(used);
                expected.drain(..used);
                moved += if held.served < passed { held.len() } else { 0 };
                assert_eq!(held.rest(), &expected[..]);
            }
        }
        assert!(held.is_empty() && moved <= 1000 * 80, "{moved}");
    }

    #[test]
    fn replies_with_large_values_keep_their_places() {
        let lent = |byte: u8| {
            let mut draft = Draft::new(50_000).unwrap();
            draft.fill(&[byte; 50_000]);
            draft.lend()
        };
        let mut connection = Connection::free();
        connection.out.extend_from_slice(b"<0>");
        let numbers = [false, true, false, false].map(|muted| connection.line.await_reply(muted));
        let start = connection.line.open_reply().len();
        connection.line.open_reply().extend_from_slice(b"[]4");
        let pieces = vec![Piece { at: start + 1, bytes: lent(b'4') }];
        connection.line.close_large_reply(start, pieces);
        connection.fill_large(numbers[2], b"[]2".to_vec(), vec![Piece { at: 1, bytes: lent(b'2') }]);
        connection.fill_large(numbers[1], b"[]1".to_vec(), vec![Piece { at: 1, bytes: lent(b'1') }]);
        assert_eq!((connection.out.len(), connection.line.bytes()), (3, 2 * 50_003));
        assert_eq!(connection.held_bytes().lent, 100_000);
        connection.fill_large(numbers[0], b"[]0".to_vec(), vec![Piece { at: 1, bytes: lent(b'0') }]);
        assert_eq!(connection.line.len(), 2);
        connection.fill(numbers[3], b"3");
        assert_eq!(connection.out, b"<0>[]0[]23[]4");
        assert_eq!(connection.pieces.iter().map(|piece| piece.at).collect::<Vec<_>>(), [4, 7, 11]);
        assert_eq!(connection.pieces.iter().map(|piece| piece.bytes[0]).collect::<Vec<_>>(), *b"024");
        assert_eq!((connection.output_bytes(), connection.held_bytes().lent), (150_013, 150_000));
        assert!(connection.line.is_empty() && connection.line.bytes() == 0);
    }

    #[test]
    fn a_muted_reply_outlives_the_bytes_that_came_before_it() {
        let mut line = Line::default();
        let mut out = Vec::new();
        let numbers = [false, false, false, true].map(|muted| line.await_reply(muted));
        line.fill(numbers[1], b"2", &mut out, &mut Vec::new());
        line.fill(numbers[3], b"muted", &mut out, &mut Vec::new());
        line.fill(numbers[0], b"1", &mut out, &mut Vec::new());
        line.fill(numbers[2], b"3", &mut out, &mut Vec::new());
        assert!(out == b"123" && line.is_empty());
    }

    #[test]
    fn a_line_that_is_never_empty_keeps_only_what_waits() {
        let (mut line, mut out, mut expected) = (Line::default(), Vec::new(), Vec::new());
        let reply = |n: u32| vec![n as u8; 1000];
        let mut last = line.await_reply(false);
        for n in 0..1000 {
            let ahead = line.await_reply(false);
            let start = line.open_reply().len();
            line.open_reply().extend_from_slice(&reply(n + 1));
            line.close_reply(start);
            let next = line.await_reply(false);
            line.fill(ahead, &reply(n + 2), &mut out, &mut Vec::new());
            line.fill(last, &reply(n), &mut out, &mut Vec::new());
            (0..3).for_each(|i| {
                expected.extend(if i == 0 {
                    reply(n)
                } else if i == 1 {
                    reply(n + 2)
                } else {
                    reply(n + 1)
                })
            });
            last = next;
            assert!(line.bytes() == 0 && line.late.len() <= LATE_SLACK_BYTES + 2000);
        }
        assert!(out == expected && line.len() == 1);
    }
}
