//! What a client must send first where there is a file of users: a `set` whose data are name and password. Key,
//! flags and time may be anything. Everything else is refused, and little is kept for it.
//!
//! memcached 1.6.18 sends these refusals only when something else is sent; here they leave at once, as in later ones.

use super::super::args::Span;
use super::super::limits::{CREDENTIALS_BYTES_MAX, CREDENTIALS_LINE_BYTES_MAX};
use super::line::words;
use super::{LineError, Parsed, Parser, Verb, fields};

/// The place of the data's length among the words.
const LENGTH: usize = 4;

impl Parser {
    /// Finds the credentials at the start of `bytes`: the words of [`Verb::Auth`] are `set`, the name, the password.
    #[cold]
    pub(super) fn credentials(&mut self, bytes: &[u8], spans: &mut Vec<Span>) -> Parsed {
        let before = spans.len();
        let from = self.scanned as usize;
        let line_end = memchr::memchr(b'\n', &bytes[from..]).map(|at| from + at);
        if line_end.map_or(bytes.len(), |end| end + 1) > CREDENTIALS_LINE_BYTES_MAX {
            *self = Parser::default();
            return Parsed::LineTooLong;
        }
        let Some(line_end) = line_end else {
            return self.wait(bytes.len() + 1, bytes.len());
        };
        let used = line_end + 1;
        words(&bytes[..line_end], spans);
        let word = |index: usize| spans.get(before + index).map(|span| span.of(bytes));
        let length = word(LENGTH).filter(|_| word(0) == Some(b"set")).and_then(fields::unsigned);
        let name_of_command = spans.get(before).copied();
        spans.truncate(before);
        let (Some(length), Some(set)) =
            (length.filter(|length| *length <= u64::from(u32::MAX)), name_of_command)
        else {
            self.reset();
            return Parsed::Bad { used, error: LineError::Unauthenticated, noreply: false };
        };
        if length > CREDENTIALS_BYTES_MAX {
            self.reset();
            self.swallow = u32::try_from(length + 2).unwrap_or(u32::MAX);
            return Parsed::Bad { used, error: LineError::CredentialsTooLong, noreply: false };
        }
        let end = used + length as usize;
        if bytes.len() < end + 2 {
            return self.wait(end + 2, line_end);
        }
        self.reset();
        let bad = |error| Parsed::Bad { used: end + 2, error, noreply: false };
        if bytes[end..end + 2] != *b"\r\n" {
            return bad(LineError::BadCredentialsEnd);
        }
        let mut found = [Span::default(); 2];
        let mut count = 0;
        let mut start = used;
        for word in bytes[used..end].split(|&byte| byte == b' ') {
            if !word.is_empty() && count < 2 {
                found[count] = Span::new(start, word.len());
                count += 1;
            }
            start += word.len() + 1;
        }
        if count < 2 {
            return bad(LineError::BadCredentials);
        }
        spans.extend([set, found[0], found[1]]);
        Parsed::Done { used: end + 2, verb: Verb::Auth, noreply: false }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::args::Args;
    use super::super::super::limits::Limits;
    use super::*;
    use proptest::prelude::*;

    /// What came out of a stream of input; the parser is done with a stranger once it has authenticated.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Event {
        Auth(Vec<u8>, Vec<u8>),
        Bad(LineError),
        Closed,
    }

    fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
        let limits = Limits { authenticated: false, ..Limits::default() };
        let mut parser = Parser::new();
        let (mut events, mut held, mut spans) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            held.extend_from_slice(piece);
            loop {
                spans.clear();
                let used = match parser.parse(&held, &mut spans, &limits) {
                    Parsed::Done { used, verb: Verb::Auth, noreply: false } => {
                        let args = Args::new(&held, &spans);
                        assert!(args.len() == 3 && &args[0] == b"set");
                        events.push(Event::Auth(args[1].to_vec(), args[2].to_vec()));
                        used
                    }
                    Parsed::Bad { used, error, noreply: false } => {
                        events.push(Event::Bad(error));
                        used
                    }
                    Parsed::Swallowed { used } => used,
                    Parsed::More => break,
                    Parsed::LineTooLong => {
                        events.push(Event::Closed);
                        return events;
                    }
                    other => panic!("{other:?}"),
                };
                held.drain(..used);
            }
        }
        events
    }

    /// The same without a thought for input in pieces.
    fn naive(mut input: &[u8]) -> Vec<Event> {
        let words = |text: &[u8]| -> Vec<Vec<u8>> {
            text.split(|b| *b == b' ').filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
        };
        let mut events = Vec::new();
        loop {
            let end = input.iter().position(|byte| *byte == b'\n');
            if end.map_or(input.len(), |end| end + 1) > 2048 {
                events.push(Event::Closed);
                return events;
            }
            let Some(end) = end else { return events };
            let line = words(&input[..end]);
            input = &input[end + 1..];
            let length = line.get(4).and_then(|word| {
                let digits = word.strip_suffix(b"\r").unwrap_or(word);
                std::str::from_utf8(digits).ok()?.parse::<u32>().ok()
            });
            let Some(length) = length.filter(|_| line[0] == b"set") else {
                events.push(Event::Bad(LineError::Unauthenticated));
                continue;
            };
            let length = length as usize;
            if length > 16384 {
                events.push(Event::Bad(LineError::CredentialsTooLong));
                input = &input[input.len().min(length + 2)..];
                continue;
            }
            if input.len() < length + 2 {
                return events;
            }
            let (data, rest) = input.split_at(length);
            let found = words(data);
            events.push(match (&rest[..2] == b"\r\n", &found[..]) {
                (false, _) => Event::Bad(LineError::BadCredentialsEnd),
                (true, [name, password, ..]) => Event::Auth(name.clone(), password.clone()),
                (true, _) => Event::Bad(LineError::BadCredentials),
            });
            input = &rest[2..];
        }
    }

    fn requests() -> impl Strategy<Value = Vec<u8>> {
        let data = prop::sample::select(vec!["user pass", "user", "", " a  b c ", "a b", "user pass\r\n"]);
        let set = (data, 0usize..4, any::<bool>()).prop_map(|(data, wrong, noreply)| {
            let length = if wrong == 0 { data.len() + 1 } else { data.len() };
            format!("set k 0 0 {length}{}\r\n{data}\r\n", if noreply { " noreply" } else { "" }).into_bytes()
        });
        let other = prop::sample::select(vec![
            "get a\r\n",
            "\n",
            "set a 0 0\r\n",
            "set a 0 0 x\r\n",
            "set a 0 0 4294967296\r\n",
            "add a 0 0 9\r\n",
            "set a 0 0 16384\r\n",
            "set a 0 0 16385\r\n",
            "set a 0 0 9\n",
        ]);
        let long = (2000usize..2100).prop_map(|length| vec![b'x'; length]);
        let large = (16_380usize..16_390).prop_map(|length| {
            [format!("set k 0 0 {length}\r\n").into_bytes(), vec![b'x'; length + 2]].concat()
        });
        prop_oneof![6 => set, 6 => other.prop_map(|text| text.as_bytes().to_vec()), 1 => long, 1 => large]
    }

    proptest! {
        #[test]
        fn any_input_in_any_pieces_is_found_as_by_the_twin(
            requests in prop::collection::vec(requests(), 1..8),
            cuts in prop::collection::vec(1usize..5000, 1..20),
        ) {
            let input = requests.concat();
            let expected = naive(&input);
            prop_assert_eq!(&events([&input[..]]), &expected);
            let mut rest = &input[..];
            let mut pieces = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            prop_assert_eq!(events(pieces), expected);
        }
    }
}
