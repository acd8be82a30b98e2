//! The RESP parser against a reader of whole inputs.

use super::pieces::{cut, ends};
use larder::protocol::Args;
use larder::protocol::limits::Limits;
use larder::protocol::resp::{Parsed, Parser};

/// Requests, and whether the input ended well (there may be an unfinished request at its end).
#[derive(Debug, PartialEq)]
struct Read {
    requests: Vec<Vec<Vec<u8>>>,
    bad: bool,
}

pub fn check(data: &[u8]) {
    let (most, bytes) = cut(data);
    let limits = Limits {
        bulk_bytes_max: 1 << 20,
        args_max: 1 << 16,
        request_bytes_max: 1 << 24,
        ..Limits::default()
    };
    let pieces = parse(bytes, most, &limits);
    assert_eq!(pieces, parse(bytes, usize::MAX, &limits), "cut into pieces of up to {most}");
    if let Some(naive) = naive(bytes, &limits) {
        assert_eq!(pieces, naive, "the plain reader");
    }
    let strangers = Limits { authenticated: false, ..limits };
    assert_eq!(parse(bytes, most, &strangers), parse(bytes, usize::MAX, &strangers), "before authentication");
}

fn parse(bytes: &[u8], most: usize, limits: &Limits) -> Read {
    let mut read = Read { requests: Vec::new(), bad: false };
    let (mut parser, mut start) = (Parser::new(), 0);
    for end in ends(bytes.len(), most) {
        loop {
            let mut spans = Vec::new();
            let input = &bytes[start..end];
            match parser.parse(input, &mut spans, limits) {
                Parsed::Done { used } => {
                    assert!(used > 0 && used <= input.len());
                    read.requests.push(Args::new(input, &spans).iter().map(<[u8]>::to_vec).collect());
                    start += used;
                }
                Parsed::Unquoted { used, bytes } => {
                    assert!(used > 0 && used <= input.len());
                    read.requests.push(Args::new(&bytes, &spans).iter().map(<[u8]>::to_vec).collect());
                    start += used;
                }
                Parsed::More => {
                    assert!(spans.is_empty(), "an unfinished request has no arguments yet");
                    break;
                }
                Parsed::Bad(error) => {
                    assert!(!error.message().is_empty());
                    read.bad = true;
                    return read;
                }
            }
            if start == end {
                break;
            }
        }
    }
    read
}

/// The same from the whole input at once, as the protocol's page has it. `None` where quotes or lengths at the bounds
/// come in, which the plain reader does not know.
fn naive(bytes: &[u8], limits: &Limits) -> Option<Read> {
    let mut read = Read { requests: Vec::new(), bad: false };
    let mut at = 0;
    while at < bytes.len() {
        let request =
            if bytes[at] == b'*' { multibulk(bytes, &mut at, limits)? } else { inline(bytes, &mut at)? };
        match request {
            Some(request) => read.requests.push(request),
            None => return Some(read),
        }
    }
    Some(read)
}

/// `Some(None)`: the input ends within it.
fn multibulk(bytes: &[u8], at: &mut usize, limits: &Limits) -> Option<Option<Vec<Vec<u8>>>> {
    let mut here = *at;
    let Some(count) = number(bytes, &mut here)? else { return Some(None) };
    let mut request = Vec::new();
    for _ in 0..count.max(0) {
        match bytes.get(here) {
            None => return Some(None),
            Some(b'$') => {}
            Some(_) => return None,
        }
        let Some(length) = number(bytes, &mut here)? else { return Some(None) };
        let length = usize::try_from(length).ok().filter(|&length| length as u64 <= limits.bulk_bytes_max)?;
        let Some(value) = bytes.get(here..here + length) else { return Some(None) };
        if bytes.len() < here + length + 2 {
            return Some(None);
        }
        request.push(value.to_vec());
        here += length + 2;
    }
    *at = here;
    Some(Some(request))
}

/// The number behind the sign at `at`, which moves behind its line; only numbers written plainly.
fn number(bytes: &[u8], at: &mut usize) -> Option<Option<i64>> {
    let rest = &bytes[*at + 1..];
    let Some(end) = memchr::memchr(b'\r', rest) else {
        return if rest.len() < 1000 { Some(None) } else { None };
    };
    if rest.len() < end + 2 {
        return Some(None);
    }
    let text = std::str::from_utf8(&rest[..end]).ok()?;
    let value: i64 = text.parse().ok()?;
    // Not "+1" and "007"; what may be counted is bounded elsewhere.
    if value.to_string() != text || value > 10_000 && value > 1 << 16 {
        return None;
    }
    *at += 1 + end + 2;
    Some(Some(value))
}

fn inline(bytes: &[u8], at: &mut usize) -> Option<Option<Vec<Vec<u8>>>> {
    let rest = &bytes[*at..];
    let Some(end) = memchr::memchr(b'\n', rest) else {
        return if rest.len() < 1000 { Some(None) } else { None };
    };
    let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
    if line.len() > 60_000 || line.iter().any(|byte| matches!(byte, b'"' | b'\'' | 0x0b | 0x0c | b'\r' | 0)) {
        return None;
    }
    *at += end + 1;
    Some(Some(
        line.split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty())
            .map(<[u8]>::to_vec)
            .collect(),
    ))
}
