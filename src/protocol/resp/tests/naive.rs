//! The parser as one would write it without a thought for speed or for input in pieces: it sees all the input,
//! copies everything, and starts over for each request.

use super::{Event, Limits, ProtocolError};

pub(super) fn events(mut input: &[u8], limits: &Limits) -> Vec<Event> {
    let mut events = Vec::new();
    while !input.is_empty() {
        let found = if input[0] == b'*' { multibulk(input, limits) } else { inline(input) };
        match found {
            Ok(Some((args, rest))) => {
                events.push(Event::Request(args));
                input = rest;
            }
            Ok(None) => break,
            Err(error) => {
                events.push(Event::Bad(error));
                break;
            }
        }
    }
    events
}

type Found<'a, T> = Result<Option<(T, &'a [u8])>, ProtocolError>;

fn multibulk<'a>(input: &'a [u8], limits: &Limits) -> Found<'a, Vec<Vec<u8>>> {
    let Some((count, mut input)) = line(input) else { return Ok(None) };
    let count = canonical(&count[1..]).ok_or(ProtocolError::MultibulkLength)?;
    if count > limits.args_max as i64 {
        return Err(ProtocolError::MultibulkLength);
    }
    if count > 10 && !limits.authenticated {
        return Err(ProtocolError::UnauthenticatedMultibulk);
    }
    let mut args = Vec::new();
    for _ in 0..count {
        let Some((header, rest)) = line(input) else { return Ok(None) };
        if input[0] != b'$' {
            return Err(ProtocolError::ExpectedDollar(input[0]));
        }
        let len = canonical(&header[1..]).ok_or(ProtocolError::BulkLength)?;
        if len < 0 || len > limits.bulk_bytes_max as i64 {
            return Err(ProtocolError::BulkLength);
        }
        if len > 16384 && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedBulk);
        }
        let len = len as usize;
        if rest.len() < len + 2 {
            return Ok(None);
        }
        args.push(rest[..len].to_vec());
        input = &rest[len + 2..];
    }
    Ok(Some((args, input)))
}

/// The line up to the first carriage return, and what follows the byte after that.
fn line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.iter().position(|&byte| byte == b'\r')?;
    Some((&input[..end], input.get(end + 2..)?))
}

fn canonical(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

fn inline(input: &[u8]) -> Found<'_, Vec<Vec<u8>>> {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
    let mut line = input[..end].to_vec();
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    let words = split(&line).ok_or(ProtocolError::UnbalancedQuotes)?;
    Ok(Some((words, &input[end + 1..])))
}

/// Splits a line in a single pass over its bytes with one state per kind of place.
fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    #[derive(PartialEq)]
    enum Place {
        Between,
        Plain,
        Double,
        Single,
        Closed,
    }
    let space = |byte: u8| b" \t\n\x0b\x0c\r".contains(&byte);
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut place = Place::Between;
    let mut bytes = line.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if place == Place::Closed {
            if !space(byte) {
                return None;
            }
            place = Place::Between;
        }
        if place == Place::Between {
            if space(byte) {
                continue;
            }
            words.push(Vec::new());
            place = Place::Plain;
        }
        let word = words.last_mut().unwrap();
        let ahead = |n: usize| line.get(at + n).copied();
        match (&place, byte) {
            (Place::Plain, b'"') => place = Place::Double,
            (Place::Plain, b'\'') => place = Place::Single,
            (Place::Plain, b' ' | b'\t' | b'\n' | b'\r') => place = Place::Between,
            (Place::Double, b'"') | (Place::Single, b'\'') => place = Place::Closed,
            (Place::Double, b'\\') if ahead(1).is_some() => {
                let digits = (ahead(1) == Some(b'x')).then(|| line.get(at + 2..at + 4)).flatten();
                let hex = digits
                    .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                    .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
                let (_, escaped) = bytes.next().unwrap();
                word.push(match (hex, escaped) {
                    (Some(value), _) => {
                        bytes.nth(1);
                        value
                    }
                    (None, b'n') => b'\n',
                    (None, b'r') => b'\r',
                    (None, b't') => b'\t',
                    (None, b'b') => 8,
                    (None, b'a') => 7,
                    (None, other) => other,
                });
            }
            (Place::Single, b'\\') if ahead(1) == Some(b'\'') => {
                bytes.next();
                word.push(b'\'');
            }
            _ => word.push(byte),
        }
    }
    (place != Place::Double && place != Place::Single).then_some(words)
}
