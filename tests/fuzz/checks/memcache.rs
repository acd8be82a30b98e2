//! The text protocol's parser, in pieces and whole, and a plain reader of storage commands.

use super::pieces::{cut, ends};
use larder::protocol::Args;
use larder::protocol::limits::Limits;
use larder::protocol::memcache::{Parsed, Parser};

#[derive(Debug, PartialEq)]
enum Event {
    Request { words: Vec<Vec<u8>>, verb: String, noreply: bool },
    TooLarge { words: Vec<Vec<u8>>, noreply: bool },
    Bad { message: &'static str, noreply: bool },
    Closed,
}

pub fn check(data: &[u8]) {
    let (most, bytes) = cut(data);
    let limits = Limits { value_bytes_max: 2000, ..Limits::default() };
    let pieces = parse(bytes, most, &limits);
    assert_eq!(pieces, parse(bytes, usize::MAX, &limits), "cut into pieces of up to {most}");
    if let (Some(set), Some(Event::Request { words, .. })) = (plain_set(bytes), pieces.first()) {
        assert_eq!(words.last().map(Vec::as_slice), Some(set), "the data block of a set");
    }
    let strangers = Limits { authenticated: false, ..limits };
    assert_eq!(parse(bytes, most, &strangers), parse(bytes, usize::MAX, &strangers), "before authentication");
}

fn parse(bytes: &[u8], most: usize, limits: &Limits) -> Vec<Event> {
    let mut events = Vec::new();
    let (mut parser, mut start) = (Parser::new(), 0);
    for end in ends(bytes.len(), most) {
        while start < end {
            let mut spans = Vec::new();
            let input = &bytes[start..end];
            let words = |spans: &[_]| Args::new(input, spans).iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
            let used = match parser.parse(input, &mut spans, limits) {
                Parsed::Done { used, verb, noreply } => {
                    events.push(Event::Request { words: words(&spans), verb: format!("{verb:?}"), noreply });
                    used
                }
                Parsed::TooLarge { used, noreply, .. } => {
                    events.push(Event::TooLarge { words: words(&spans), noreply });
                    used
                }
                Parsed::Swallowed { used } => used,
                Parsed::Bad { used, error, noreply } => {
                    events.push(Event::Bad { message: error.message(), noreply });
                    used
                }
                Parsed::More => {
                    assert!(spans.is_empty(), "an unfinished request has no words yet");
                    break;
                }
                Parsed::LineTooLong | Parsed::Http => {
                    events.push(Event::Closed);
                    return events;
                }
            };
            assert!(used > 0 && used <= input.len());
            start += used;
        }
    }
    events
}

/// The data block of `set KEY 0 0 LENGTH`, if the input begins with just that and the block is whole.
fn plain_set(bytes: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = std::str::from_utf8(bytes[..end].strip_suffix(b"\r")?).ok()?;
    let words: Vec<&str> = line.split(' ').collect();
    let [verb, key, flags, exptime, length] = words[..] else { return None };
    if verb != "set" || flags != "0" || exptime != "0" || key.is_empty() || key.len() > 250 {
        return None;
    }
    let count: usize =
        length.parse().ok().filter(|count: &usize| *count <= 2000 && count.to_string() == length)?;
    let block = bytes.get(end + 1..end + 1 + count)?;
    (bytes.get(end + 1 + count..end + 3 + count)? == b"\r\n").then_some(block)
}
