//! Inline commands: a line of words, as people type it.
//!
//! Words are separated by blanks. Within `"..."` the escapes `\n \r \t \b \a \xHH` stand for bytes and any other
//! escaped byte for itself; within `'...'` only `\'` is an escape. A closing quote must end its word.

use super::super::args::Span;

/// Whether the words of `line` are not simply what lies between its blanks.
pub(super) fn is_quoted(line: &[u8]) -> bool {
    memchr::memchr2(b'"', b'\'', line).is_some()
}

/// Appends the words of a line without quotes to `spans`.
pub(super) fn split(line: &[u8], spans: &mut Vec<Span>) {
    let mut at = 0;
    while let Some(start) = next_word(line, at) {
        at = line[start..].iter().position(|&byte| ends_word(byte)).map_or(line.len(), |len| start + len);
        spans.push(Span::new(start, at - start));
    }
}

/// Appends the words of a line to `spans`, relative to the returned bytes; `None`, and nothing appended, if its
/// quotes are not balanced.
pub(super) fn unquote(line: &[u8], spans: &mut Vec<Span>) -> Option<Box<[u8]>> {
    let mut bytes = Vec::with_capacity(line.len());
    let before = spans.len();
    let mut at = 0;
    while let Some(start) = next_word(line, at) {
        let word_start = bytes.len();
        let Some(end) = unquote_word(line, start, &mut bytes) else {
            spans.truncate(before);
            return None;
        };
        spans.push(Span::new(word_start, bytes.len() - word_start));
        at = end;
    }
    Some(bytes.into_boxed_slice())
}

/// Appends the word that begins at `at`, and returns where it ends.
fn unquote_word(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    while let Some(&byte) = line.get(at) {
        at += 1;
        match byte {
            b'"' => return closed(line, double_quoted(line, at, word)?),
            b'\'' => return closed(line, single_quoted(line, at, word)?),
            _ if ends_word(byte) => return Some(at),
            _ => word.push(byte),
        }
    }
    Some(at)
}

/// The end of a word whose closing quote is before `at`.
fn closed(line: &[u8], at: usize) -> Option<usize> {
    line.get(at).is_none_or(|&byte| is_space(byte)).then_some(at)
}

fn double_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        let (byte, used) = match line[at..] {
            [] => return None,
            [b'"', ..] => return Some(at + 1),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(high) << 4 | hex(low), 4)
            }
            [b'\\', escaped, ..] => (unescape(escaped), 2),
            [byte, ..] => (byte, 1),
        };
        word.push(byte);
        at += used;
    }
}

fn single_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        let (byte, used) = match line[at..] {
            [] => return None,
            [b'\'', ..] => return Some(at + 1),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (byte, 1),
        };
        word.push(byte);
        at += used;
    }
}

fn next_word(line: &[u8], at: usize) -> Option<usize> {
    line[at..].iter().position(|&byte| !is_space(byte)).map(|blanks| at + blanks)
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// C's `isspace`: what may stand before a word and after a closing quote.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What ends a word without quotes: Redis lets vertical tabs and form feeds be part of one.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
