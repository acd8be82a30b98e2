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
        let Some(line_end) = memchr::memchr(b'\n', &bytes[from..]).map(|at| from + at) else {
            if bytes.len() > CREDENTIALS_LINE_BYTES_MAX {
                *self = Parser::default();
                return Parsed::LineTooLong;
            }
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
