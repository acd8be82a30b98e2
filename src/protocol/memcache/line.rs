//! One line of a memcached request: its words, and what is wrong with them.

use super::super::args::{Args, Span};
use super::super::limits::MEMCACHE_KEY_BYTES_MAX;
use super::meta::Flags;
use super::{LineError, Verb, fields};

/// What to make of a line.
pub(super) enum Verdict {
    /// It is a request.
    Line { verb: Verb, noreply: bool },
    /// It is a request once `data_bytes` and a line end have come.
    Data { verb: Verb, noreply: bool, data_bytes: u32 },
    /// It is none; so many bytes behind it are its data.
    Bad { error: LineError, noreply: bool, swallow: u32 },
    /// It is a request to a web server.
    Http,
}

/// Appends the words of `line`, which are what lies between its spaces. Eight bytes are looked at at once: words are
/// short, and a search for each would cost more than it skips.
#[inline]
pub(super) fn words(line: &[u8], spans: &mut Vec<Span>) {
    let mut start = 0;
    let mut add = |end: usize| {
        if end > start {
            spans.push(Span::new(start, end - start));
        }
        start = end + 1;
    };
    let (eights, rest) = line.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        let mut blanks = blanks_of(u64::from_le_bytes(*eight));
        while blanks != 0 {
            add(8 * i + blanks.trailing_zeros() as usize / 8);
            blanks &= blanks - 1;
        }
    }
    let behind = line.len() - rest.len();
    for (i, &byte) in rest.iter().enumerate() {
        if byte == b' ' {
            add(behind + i);
        }
    }
    add(line.len());
}

/// The highest bit of each byte that is a space.
#[inline]
fn blanks_of(eight: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Bytes that are zero are spaces; the sum carries into no other byte.
    let zero = eight ^ (u64::from(b' ') * EACH);
    !(((zero & (0x7f * EACH)) + 0x7f * EACH) | zero) & (0x80 * EACH)
}

/// Judges the line with these words at the start of `bytes`.
pub(super) fn judge(bytes: &[u8], words: &[Span]) -> Verdict {
    let args = Args::new(bytes, words);
    let bad = |error, noreply| Verdict::Bad { error, noreply, swallow: 0 };
    let Some(name) = args.get(0) else {
        return bad(LineError::BadFormat, false);
    };
    let mut verb = Verb::from_name(name);
    if verb.takes_keys() {
        // The hot ones; none of them knows noreply.
        return match read(verb, args, words) {
            Ok(()) => Verdict::Line { verb, noreply: false },
            Err(error) => bad(error, false),
        };
    }
    if verb == Verb::LruCrawler && args.len() == 3 && matches!(&args[1], b"metadump" | b"mgdump") {
        verb = Verb::Dump;
    }
    let (least, most) = arity(verb);
    if args.len() < least || args.len() > most {
        let error = if args.len() < least { LineError::BadFormat } else { LineError::Unknown };
        return bad(error, false);
    }
    let noreply = knows_noreply(verb, args) && args.last() == Some(b"noreply");
    let checked = match verb {
        Verb::Set | Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend | Verb::Cas => {
            return match (storage(verb, args), fields::data_bytes(&args[4])) {
                (Ok(()), Some(data_bytes)) => Verdict::Data { verb, noreply, data_bytes },
                // What is to be dropped is known even where the line is wrong.
                (_, data_bytes) => Verdict::Bad {
                    error: LineError::BadFormat,
                    noreply,
                    swallow: data_bytes.map_or(0, |data_bytes| data_bytes + 2),
                },
            };
        }
        Verb::MetaSet => {
            // Its flags are the command's business, once its data block is out of the way.
            return match fields::data_bytes(&args[2]) {
                Some(data_bytes) => Verdict::Data { verb, noreply, data_bytes },
                None => bad(LineError::BadFormat, noreply),
            };
        }
        Verb::Delete => delete(args),
        Verb::Incr | Verb::Decr => arithmetic(args),
        Verb::Touch => key(args).and_then(|()| exptime(&args[2])),
        Verb::FlushAll if args.len() > 1 + usize::from(noreply) => exptime(&args[1]),
        Verb::Verbosity => required(fields::unsigned(&args[1]), LineError::BadFormat),
        Verb::Other if args.last().is_some_and(|word| word.starts_with(b"HTTP/")) => return Verdict::Http,
        // As memcached 1.6.45 says of a line that is too short to be any command.
        Verb::Other if args.len() == 1 && name.len() == 1 => Err(LineError::BadFormat),
        _ => Ok(()),
    };
    match checked {
        Ok(()) => Verdict::Line { verb, noreply },
        Err(error) => bad(error, noreply),
    }
}

/// What to say of a request with these words whose data block does not end where it should: what is wrong with the
/// flags of `ms` was to be said before.
#[cold]
pub(super) fn wrong_data(verb: Verb, bytes: &[u8], words: &[Span]) -> LineError {
    let flags = if verb == Verb::MetaSet { Flags::parse(verb, Args::new(bytes, words)).err() } else { None };
    flags.unwrap_or(LineError::BadDataChunk)
}

/// The least and the greatest number of words, the name included. A storage command may have any number of words
/// behind what it needs: its data block is known and must not be taken for commands.
fn arity(verb: Verb) -> (usize, usize) {
    match verb {
        Verb::Get | Verb::Gets => (2, usize::MAX),
        Verb::Gat | Verb::Gats | Verb::MetaSet => (3, usize::MAX),
        Verb::Set | Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend | Verb::Cas => (5, usize::MAX),
        Verb::Delete => (2, 4),
        Verb::Incr | Verb::Decr | Verb::Touch => (3, 4),
        Verb::FlushAll => (1, 3),
        Verb::Verbosity => (2, 3),
        Verb::MetaGet | Verb::MetaDelete | Verb::MetaArithmetic | Verb::MetaDebug => (2, usize::MAX),
        Verb::MetaNoop | Verb::Version | Verb::Stats | Verb::Quit | Verb::Shutdown | Verb::Other => {
            (1, usize::MAX)
        }
        // No name leads to it.
        Verb::Auth => (1, usize::MAX),
        // Who answers them knows what they want, and which of their errors are told in spite of noreply.
        Verb::Slabs
        | Verb::Lru
        | Verb::LruCrawler
        | Verb::Dump
        | Verb::CacheMemlimit
        | Verb::Watch
        | Verb::RefreshCerts => (1, usize::MAX),
    }
}

/// Whether the last word can be `noreply`. To `delete` alone a key of that name is no option.
fn knows_noreply(verb: Verb, args: Args) -> bool {
    match verb {
        Verb::Delete => args.len() > 2,
        // memcached tells the other errors of its administration in spite of noreply.
        Verb::Slabs => args.len() > 2 && &args[1] == b"automove",
        Verb::Lru | Verb::CacheMemlimit | Verb::Watch => true,
        Verb::Set
        | Verb::Add
        | Verb::Replace
        | Verb::Append
        | Verb::Prepend
        | Verb::Cas
        | Verb::Incr
        | Verb::Decr
        | Verb::Touch
        | Verb::FlushAll
        | Verb::Verbosity => true,
        _ => false,
    }
}

fn read(verb: Verb, args: Args, words: &[Span]) -> Result<(), LineError> {
    let touches = matches!(verb, Verb::Gat | Verb::Gats);
    let first_key = 1 + usize::from(touches);
    if args.len() <= first_key {
        return Err(LineError::BadFormat);
    }
    if touches {
        exptime(&args[1])?;
    }
    let fit = words[first_key..].iter().all(|key| key.len as usize <= MEMCACHE_KEY_BYTES_MAX);
    if fit { Ok(()) } else { Err(LineError::BadFormat) }
}

fn storage(verb: Verb, args: Args) -> Result<(), LineError> {
    key(args)?;
    let unique = verb != Verb::Cas || args.get(5).is_some_and(|word| fields::unsigned(word).is_some());
    let well_formed = fields::flags(&args[2]).is_some() && fields::exptime(&args[3]).is_some() && unique;
    if well_formed { Ok(()) } else { Err(LineError::BadFormat) }
}

fn delete(args: Args) -> Result<(), LineError> {
    // Older clients send a time, which must be 0.
    let well_formed = match args.len() {
        2 => true,
        3 => matches!(&args[2], b"0" | b"noreply"),
        _ => &args[2] == b"0" && &args[3] == b"noreply",
    };
    if !well_formed {
        return Err(LineError::DeleteUsage);
    }
    key(args)
}

fn arithmetic(args: Args) -> Result<(), LineError> {
    key(args)?;
    required(fields::unsigned(&args[2]), LineError::InvalidDelta)
}

fn key(args: Args) -> Result<(), LineError> {
    let key = args.get(1).filter(|key| key.len() <= MEMCACHE_KEY_BYTES_MAX);
    required(key, LineError::BadFormat)
}

fn exptime(field: &[u8]) -> Result<(), LineError> {
    required(fields::exptime(field), LineError::InvalidExptime)
}

fn required<T>(field: Option<T>, error: LineError) -> Result<(), LineError> {
    field.map(drop).ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_are_what_lies_between_spaces(line in "[ !a\\x00\u{7f}\u{ff}]{0,40}") {
            let line = line.as_bytes();
            let mut spans = Vec::new();
            words(line, &mut spans);
            let args = Args::new(line, &spans);
            let naive: Vec<&[u8]> = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(args.iter().collect::<Vec<_>>(), naive);
        }
    }
}
