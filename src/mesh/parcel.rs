//! Requests of one turn to one core as bytes, and their replies on the way back. One buffer carries
//! many, so that a pipeline costs one mail per shard.
//!
//! A request: its origin, what a handler's `Call` needs, the lengths of the arguments, the arguments.
//! A reply: the origin, a length, the reply's bytes as they go to the client. Numbers are little-endian;
//! the buffers never leave the process.

use crate::protocol::{Args, Proto, Span};

/// Where a reply belongs: a connection of the asking core, and the place in its order of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The connection's slot.
    pub connection: u32,
    /// Low half of the client's id: a slot that was reused meanwhile is told apart by it.
    pub client: u32,
    /// The reply's number on that connection.
    pub sequence: u32,
}

/// One request in a parcel.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where its reply belongs.
    pub origin: Origin,
    /// Row of the command.
    pub row: u16,
    /// Logical database.
    pub db: u8,
    /// Format of the reply.
    pub proto: Proto,
    /// Reads count as use.
    pub touch: bool,
    /// Hash of the key that names the shard.
    pub hash: u64,
    /// The arguments.
    pub args: Args<'a>,
}

const REQUEST_HEAD_BYTES: usize = 12 + 2 + 1 + 1 + 8 + 4 + 4;
const REPLY_HEAD_BYTES: usize = 12 + 4;

/// Adds a request.
pub fn put_request(parcel: &mut Vec<u8>, request: &Request<'_>) {
    let args = request.args;
    let bytes: usize = args.total_bytes();
    parcel.reserve(REQUEST_HEAD_BYTES + 4 * args.len() + bytes);
    put_origin(parcel, request.origin);
    parcel.extend_from_slice(&request.row.to_le_bytes());
    parcel.push(request.db);
    parcel.push(proto_code(request.proto) | u8::from(request.touch) << 4);
    parcel.extend_from_slice(&request.hash.to_le_bytes());
    parcel.extend_from_slice(&(args.len() as u32).to_le_bytes());
    parcel.extend_from_slice(&(bytes as u32).to_le_bytes());
    for arg in args.iter() {
        parcel.extend_from_slice(&(arg.len() as u32).to_le_bytes());
    }
    for arg in args.iter() {
        parcel.extend_from_slice(arg);
    }
}

/// Takes the request at `at`, moving it on; `None` at the end. `spans` is scratch for the arguments.
pub fn next_request<'a>(parcel: &'a [u8], at: &mut usize, spans: &'a mut Vec<Span>) -> Option<Request<'a>> {
    if *at == parcel.len() {
        return None;
    }
    let head = &parcel[*at..*at + REQUEST_HEAD_BYTES];
    let count = u32_at(head, 24) as usize;
    let bytes = u32_at(head, 28) as usize;
    let lengths = *at + REQUEST_HEAD_BYTES;
    let body = lengths + 4 * count;
    spans.clear();
    let mut start = 0;
    for length in parcel[lengths..body].chunks_exact(4) {
        let len = u32_at(length, 0);
        spans.push(Span { start, len });
        start += len;
    }
    *at = body + bytes;
    Some(Request {
        origin: origin_at(head),
        row: u16::from_le_bytes([head[12], head[13]]),
        db: head[14],
        proto: proto_of(head[15] & 15),
        touch: head[15] & 16 != 0,
        hash: hash_at(head),
        args: Args::new(&parcel[body..body + bytes], spans),
    })
}

/// Logical databases and hashes of a parcel's requests, in order: what is needed to fetch memory ahead of them.
#[derive(Clone, Debug)]
pub struct Keys<'a>(&'a [u8]);

/// Those of this parcel.
pub fn keys(parcel: &[u8]) -> Keys<'_> {
    Keys(parcel)
}

impl Iterator for Keys<'_> {
    type Item = (u8, u64);

    #[inline]
    fn next(&mut self) -> Option<(u8, u64)> {
        let head = self.0.get(..REQUEST_HEAD_BYTES)?;
        let tail_bytes = 4 * u32_at(head, 24) as usize + u32_at(head, 28) as usize;
        self.0 = &self.0[REQUEST_HEAD_BYTES + tail_bytes..];
        Some((head[14], hash_at(head)))
    }
}

/// Opens a reply; its bytes are appended to the parcel next. Returns the mark for `end_reply`.
pub fn begin_reply(parcel: &mut Vec<u8>, origin: Origin) -> usize {
    put_origin(parcel, origin);
    parcel.extend_from_slice(&[0; 4]);
    parcel.len()
}

/// Closes the reply opened at `mark`.
pub fn end_reply(parcel: &mut [u8], mark: usize) {
    let len = (parcel.len() - mark) as u32;
    parcel[mark - 4..mark].copy_from_slice(&len.to_le_bytes());
}

/// Takes back a reply that was opened, and to which nothing was appended.
pub fn cancel_reply(parcel: &mut Vec<u8>) {
    parcel.truncate(parcel.len() - REPLY_HEAD_BYTES);
}

/// Takes the reply at `at`, moving it on; `None` at the end.
pub fn next_reply<'a>(parcel: &'a [u8], at: &mut usize) -> Option<(Origin, &'a [u8])> {
    if *at == parcel.len() {
        return None;
    }
    let head = &parcel[*at..*at + REPLY_HEAD_BYTES];
    let start = *at + REPLY_HEAD_BYTES;
    let end = start + u32_at(head, 12) as usize;
    *at = end;
    Some((origin_at(head), &parcel[start..end]))
}

fn put_origin(parcel: &mut Vec<u8>, origin: Origin) {
    parcel.extend_from_slice(&origin.connection.to_le_bytes());
    parcel.extend_from_slice(&origin.client.to_le_bytes());
    parcel.extend_from_slice(&origin.sequence.to_le_bytes());
}

fn origin_at(head: &[u8]) -> Origin {
    Origin { connection: u32_at(head, 0), client: u32_at(head, 4), sequence: u32_at(head, 8) }
}

fn hash_at(head: &[u8]) -> u64 {
    u64::from(u32_at(head, 16)) | u64::from(u32_at(head, 20)) << 32
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn proto_code(proto: Proto) -> u8 {
    match proto {
        Proto::Resp2 => 0,
        Proto::Resp3 => 1,
        Proto::Memcache => 2,
        Proto::MemcacheBinary => 3,
    }
}

fn proto_of(code: u8) -> Proto {
    match code {
        0 => Proto::Resp2,
        1 => Proto::Resp3,
        2 => Proto::Memcache,
        _ => Proto::MemcacheBinary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_come_out_as_they_went_in() {
        let bytes = b"setkvalue".as_slice();
        let spans = [Span { start: 0, len: 3 }, Span { start: 3, len: 1 }, Span { start: 4, len: 5 }];
        let origin = Origin { connection: 1, client: u32::MAX, sequence: 3 };
        let (mut parcel, mut scratch, mut at) = (Vec::new(), Vec::new(), 0);
        for row in [4, 500] {
            let args = Args::new(bytes, &spans[..if row == 4 { 3 } else { 0 }]);
            put_request(
                &mut parcel,
                &Request {
                    origin,
                    row,
                    db: 15,
                    proto: Proto::Resp3,
                    touch: row == 4,
                    hash: u64::MAX - 1,
                    args,
                },
            );
        }
        assert_eq!(keys(&parcel).collect::<Vec<_>>(), [(15, u64::MAX - 1); 2]);
        let first = next_request(&parcel, &mut at, &mut scratch).unwrap();
        assert_eq!(
            (first.origin, first.row, first.db, first.touch, first.hash),
            (origin, 4, 15, true, u64::MAX - 1)
        );
        assert!(first.proto == Proto::Resp3);
        assert_eq!(first.args.iter().collect::<Vec<_>>(), [&b"set"[..], b"k", b"value"]);
        let second = next_request(&parcel, &mut at, &mut scratch).unwrap();
        assert_eq!((second.row, second.touch, second.args.len()), (500, false, 0));
        assert!(next_request(&parcel, &mut at, &mut scratch).is_none());

        let mut replies = Vec::new();
        for text in [&b"+OK\r\n"[..], b""] {
            let mark = begin_reply(&mut replies, origin);
            replies.extend_from_slice(text);
            end_reply(&mut replies, mark);
        }
        let mut at = 0;
        assert_eq!(next_reply(&replies, &mut at), Some((origin, &b"+OK\r\n"[..])));
        assert_eq!(next_reply(&replies, &mut at), Some((origin, &b""[..])));
        assert_eq!(next_reply(&replies, &mut at), None);
    }
}
