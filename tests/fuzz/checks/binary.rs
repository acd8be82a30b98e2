//! The binary protocol's parser, in pieces and whole; and a request is as long as its header says.

use super::pieces::{cut, ends};
use larder::protocol::Args;
use larder::protocol::binary::{HEADER_BYTES, Parsed, Parser};
use larder::protocol::limits::Limits;

#[derive(Debug, PartialEq)]
enum Event {
    Request { parts: Vec<Vec<u8>>, op: String },
    TooLarge { parts: Vec<Vec<u8>> },
    Refused(String),
    Closed(String),
}

pub fn check(data: &[u8]) {
    let (most, bytes) = cut(data);
    let limits = Limits { value_bytes_max: 2000, ..Limits::default() };
    for authenticated in [true, false] {
        let limits = Limits { authenticated, ..limits };
        let (pieces, whole) = (parse(bytes, most, &limits), parse(bytes, usize::MAX, &limits));
        assert_eq!(pieces, whole, "cut into pieces of up to {most}");
    }
}

fn parse(bytes: &[u8], most: usize, limits: &Limits) -> Vec<Event> {
    let mut events = Vec::new();
    let (mut parser, mut start) = (Parser::default(), 0);
    for end in ends(bytes.len(), most) {
        while start < end {
            let mut spans = Vec::new();
            let input = &bytes[start..end];
            let parts = |spans: &[_]| Args::new(input, spans).iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
            let used = match parser.parse(input, &mut spans, limits) {
                Parsed::Done { used, op } => {
                    let parts = parts(&spans);
                    let body = u32::from_be_bytes(input[8..12].try_into().expect("four bytes"));
                    assert_eq!(used, HEADER_BYTES + body as usize);
                    assert_eq!(
                        parts.iter().map(Vec::len).sum::<usize>(),
                        used,
                        "header, key, extras and value"
                    );
                    events.push(Event::Request { parts, op: format!("{op:?}") });
                    used
                }
                Parsed::TooLarge { used, .. } => {
                    events.push(Event::TooLarge { parts: parts(&spans) });
                    used
                }
                Parsed::Refused { used, status } => {
                    events.push(Event::Refused(format!("{status:?}")));
                    used
                }
                Parsed::Swallowed { used } => used,
                Parsed::More => {
                    assert!(spans.is_empty(), "an unfinished packet has no parts yet");
                    break;
                }
                Parsed::Fatal(status) => {
                    events.push(Event::Closed(format!("{status:?}")));
                    return events;
                }
                Parsed::BadMagic => {
                    events.push(Event::Closed(String::new()));
                    return events;
                }
            };
            assert!(used > 0 && used <= input.len());
            start += used;
        }
    }
    events
}
