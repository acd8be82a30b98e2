//! The flags of meta commands, read once into a plain struct.
//!
//! Owns what each flag means as bytes, and which mistake is told when there are several: memcached reads from left
//! to right, ends at a letter that is none or was there before, and tells the last of the other mistakes. Which flags
//! a command looks at is the command's business: memcached, too, lets all of them pass with every command.

use super::super::args::Args;
#[cfg(test)]
use super::super::args::Span;
use super::super::limits::{MEMCACHE_KEY_BYTES_MAX, MEMCACHE_META_WORDS_MAX, MEMCACHE_OPAQUE_BYTES_MAX};
use super::{LineError, Verb, fields};
use crate::text::base64;

/// The flags of one request. Numbers without their flag have the value that stands for nothing asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The letters, each a bit.
    seen: u64,
    /// `M`: the letter of the mode; 0 if none was given.
    pub mode: u8,
    /// `F`
    pub client_flags: u32,
    /// `T`: a time as clients state it, see [`fields::expires_at_ms`].
    pub ttl: i64,
    /// `N`, likewise.
    pub vivify_ttl: i64,
    /// `R`, likewise.
    pub recache_ttl: i64,
    /// `C`
    pub cas: u64,
    /// `E`
    pub new_cas: u64,
    /// `J`
    pub initial: u64,
    /// `D`; 1 if it was not given.
    pub delta: u64,
}

/// The bit of a letter. Flags lie between `@` and DEL.
const fn bit(letter: u8) -> u64 {
    1 << (letter & 0x3f)
}

/// Letters that some meta command knows.
const KNOWN: u64 = {
    let letters = b"bcfhklOqstuvxCDEFIJLMNPRT";
    let mut known = 0;
    let mut i = 0;
    while i < letters.len() {
        known |= bit(letters[i]);
        i += 1;
    }
    known
};

impl Flags {
    /// Reads the flags of a request, whose words are `args` without a data block.
    pub fn parse(verb: Verb, args: Args<'_>) -> Result<Flags, LineError> {
        if args.get(1).is_none_or(|key| key.len() > MEMCACHE_KEY_BYTES_MAX) {
            return Err(LineError::BadFormat);
        }
        let flags = Self::read(args, first_flag(verb)).map_err(|error| match verb {
            Verb::MetaArithmetic => LineError::InvalidOrDuplicateFlag,
            _ => error,
        })?;
        match (verb, flags.mode) {
            (Verb::MetaSet, 0 | b'S' | b'E' | b'A' | b'P' | b'R')
            | (Verb::MetaArithmetic, 0 | b'I' | b'+' | b'D' | b'-') => {}
            (Verb::MetaSet, _) => return Err(LineError::InvalidSetMode),
            (Verb::MetaArithmetic, _) => return Err(LineError::InvalidArithmeticMode),
            _ => {}
        }
        let too_long = |word: &[u8]| word[0] == b'O' && word.len() > MEMCACHE_OPAQUE_BYTES_MAX;
        if flags.has(b'O') && args.from(first_flag(verb)).iter().any(too_long) {
            return Err(LineError::OpaqueTooLong);
        }
        Ok(flags)
    }

    fn read(args: Args<'_>, first: usize) -> Result<Flags, LineError> {
        if args.len() > MEMCACHE_META_WORDS_MAX {
            return Err(LineError::TooManyFlags);
        }
        let mut flags = Flags { delta: 1, ..Flags::default() };
        let mut wrong = None;
        for word in args.from(first).iter() {
            let (letter, token) = (word[0], &word[1..]);
            if letter >= 127 {
                return Err(LineError::DuplicateFlag);
            }
            if letter < b'A' {
                return Err(LineError::BadFormat);
            }
            if KNOWN & bit(letter) == 0 {
                return Err(LineError::InvalidFlag);
            }
            if flags.seen & bit(letter) != 0 {
                return Err(LineError::DuplicateFlag);
            }
            flags.seen |= bit(letter);
            if let Err(error) = flags.take(letter, token, args) {
                // Of all flags `F` alone does not say what is wrong with it.
                let unnamed = error == LineError::BadFormat;
                wrong = wrong.filter(|_| unnamed).or(Some(error));
            }
        }
        wrong.map_or(Ok(flags), Err)
    }

    fn take(&mut self, letter: u8, token: &[u8], args: Args<'_>) -> Result<(), LineError> {
        match letter {
            b'T' => self.ttl = fields::exptime(token).ok_or(LineError::BadToken)?,
            b'N' => self.vivify_ttl = fields::exptime(token).ok_or(LineError::BadToken)?,
            b'R' => self.recache_ttl = fields::exptime(token).ok_or(LineError::BadToken)?,
            b'C' => self.cas = fields::unsigned(token).ok_or(LineError::BadToken)?,
            b'E' => self.new_cas = fields::unsigned(token).ok_or(LineError::BadToken)?,
            b'J' => self.initial = fields::unsigned(token).ok_or(LineError::InvalidInitial)?,
            b'D' => self.delta = fields::unsigned(token).ok_or(LineError::InvalidMetaDelta)?,
            b'F' => self.client_flags = fields::flags(token).ok_or(LineError::BadFormat)?,
            // What a mode without a letter means, the next byte of the line, is none.
            b'M' => self.mode = token.first().copied().unwrap_or(b' '),
            b'b' if base64::decode(&args[1], &mut [0; MEMCACHE_KEY_BYTES_MAX]).is_none() => {
                return Err(LineError::BadKeyEncoding);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether this flag was given.
    #[inline]
    pub fn has(&self, letter: u8) -> bool {
        self.seen & bit(letter) != 0
    }

    /// Whether any of these flags was given.
    #[inline]
    pub fn has_any(&self, letters: &[u8]) -> bool {
        self.seen & letters.iter().fold(0, |bits, &letter| bits | bit(letter)) != 0
    }
}

/// Where the flags begin among the words.
#[inline]
pub fn first_flag(verb: Verb) -> usize {
    if verb == Verb::MetaSet { 3 } else { 2 }
}

/// The key of a meta command, which is base64 if there is a flag `b`; then `place` takes what it means. A key that
/// cannot be decoded stays as it is: the command itself will say so.
#[inline]
pub fn key<'a>(args: Args<'a>, place: &'a mut [u8; MEMCACHE_KEY_BYTES_MAX]) -> &'a [u8] {
    let written = args.get(1).unwrap_or_default();
    let flags = match args.get(0) {
        Some(b"ms") => args.first(args.len() - 1).from(first_flag(Verb::MetaSet)),
        _ => args.from(2),
    };
    if flags.iter().all(|word| word[0] != b'b') || written.len() > MEMCACHE_KEY_BYTES_MAX {
        return written;
    }
    base64::decode(written, place).unwrap_or(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_words<T>(line: &str, then: impl FnOnce(Args<'_>) -> T) -> T {
        let mut spans: Vec<Span> = Vec::new();
        super::super::line::words(line.as_bytes(), &mut spans);
        then(Args::new(line.as_bytes(), &spans))
    }

    fn parsed(verb: Verb, line: &str) -> Result<Flags, LineError> {
        with_words(line, |args| Flags::parse(verb, args))
    }

    fn get(flags: &str) -> Result<Flags, LineError> {
        parsed(Verb::MetaGet, &format!("mg key {flags}"))
    }

    #[test]
    fn every_flag_and_its_token_are_read() {
        let flags = get("b c f h k l Oabc q s t u v x C1 D2 E3 F4 I J5 L6 MS N7 P8 R9 T-10");
        // Too many for one line: what memcached knows in two.
        assert_eq!(flags, Err(LineError::TooManyFlags));
        let flags = parsed(Verb::MetaGet, "mg a2V5 b c f h k l Oabc q s t u v x C1 D2 E3 F4").unwrap();
        assert_eq!((flags.cas, flags.delta, flags.new_cas, flags.client_flags), (1, 2, 3, 4));
        assert!(b"bcfhklOqstuvxCDEF".iter().all(|&letter| flags.has(letter)));
        assert!(!flags.has_any(b"IJLMNPRT") && flags.has_any(b"Mv"));
        let flags = get("I J5 L6 MX N7 P8 R9 T-10").unwrap();
        assert_eq!((flags.initial, flags.mode, flags.vivify_ttl, flags.recache_ttl), (5, b'X', 7, 9));
        assert_eq!((flags.ttl, flags.delta), (-10, 1));
    }

    #[test]
    fn no_flag_is_taken_twice() {
        for letter in "cfhkqstuvxI".chars() {
            assert_eq!(get(&format!("{letter} {letter}")), Err(LineError::DuplicateFlag), "{letter}");
        }
        for letter in "CDEFJNRT".chars() {
            assert_eq!(get(&format!("{letter}1 {letter}2")), Err(LineError::DuplicateFlag), "{letter}");
        }
        assert_eq!(get("\u{e4}"), Err(LineError::DuplicateFlag), "as memcached says of bytes beyond ASCII");
        assert_eq!(get("\x7f"), Err(LineError::DuplicateFlag));
    }

    #[test]
    fn the_last_mistake_is_told_unless_a_letter_is_none() {
        assert_eq!(get("S3"), Err(LineError::InvalidFlag));
        assert_eq!(get("["), Err(LineError::InvalidFlag));
        assert_eq!(get("1"), Err(LineError::BadFormat));
        assert_eq!(get("@"), Err(LineError::BadFormat));
        assert_eq!(get("Tx S"), Err(LineError::InvalidFlag));
        assert_eq!(get("Tx"), Err(LineError::BadToken));
        assert_eq!(get("T"), Err(LineError::BadToken));
        assert_eq!(get("C-1"), Err(LineError::BadToken));
        assert_eq!(get("E18446744073709551616"), Err(LineError::BadToken));
        assert_eq!(get("Jx"), Err(LineError::InvalidInitial));
        assert_eq!(get("Dx"), Err(LineError::InvalidMetaDelta));
        assert_eq!(get("Dx Jx"), Err(LineError::InvalidInitial));
        assert_eq!(get("Fx"), Err(LineError::BadFormat));
        assert_eq!(get("Tx Fx"), Err(LineError::BadToken));
        assert_eq!(get("Fx Tx"), Err(LineError::BadToken));
        assert_eq!(get("b"), Err(LineError::BadKeyEncoding));
    }

    #[test]
    fn modes_belong_to_commands() {
        for mode in ["", "MS", "ME", "MA", "MP", "MR", "MSomething"] {
            assert!(parsed(Verb::MetaSet, &format!("ms key 3 {mode}")).is_ok(), "{mode}");
        }
        for mode in ["M", "MX", "Ms", "M+"] {
            assert_eq!(parsed(Verb::MetaSet, &format!("ms key 3 {mode}")), Err(LineError::InvalidSetMode));
        }
        for mode in ["", "MI", "M+", "MD", "M-"] {
            assert!(parsed(Verb::MetaArithmetic, &format!("ma key {mode}")).is_ok(), "{mode}");
        }
        for mode in ["M", "MS", "Mi"] {
            let wrong = parsed(Verb::MetaArithmetic, &format!("ma key {mode}"));
            assert_eq!(wrong, Err(LineError::InvalidArithmeticMode));
        }
        assert!(get("MX").is_ok());
        for flags in ["Tx", "v v", "S", "Jx"] {
            let wrong = parsed(Verb::MetaArithmetic, &format!("ma key {flags}"));
            assert_eq!(wrong, Err(LineError::InvalidOrDuplicateFlag));
        }
    }

    #[test]
    fn opaque_tokens_and_keys_have_their_lengths() {
        let opaque = "O".repeat(32);
        assert!(get(&opaque).is_ok());
        assert_eq!(get(&format!("{opaque}x")), Err(LineError::OpaqueTooLong));
        let key = "k".repeat(250);
        assert!(parsed(Verb::MetaGet, &format!("mg {key} v")).is_ok());
        assert_eq!(parsed(Verb::MetaGet, &format!("mg {key}k v")), Err(LineError::BadFormat));
    }

    #[test]
    fn a_base64_key_means_its_bytes() {
        let key_of = |line: &str| with_words(line, |args| key(args, &mut [0; 250]).to_vec());
        assert_eq!(key_of("mg Zm9v b v"), b"foo");
        assert_eq!(key_of("mg Zm9v v"), b"Zm9v");
        assert_eq!(key_of("mg !!!! b"), b"!!!!");
        assert_eq!(key_of("ms Zm9v 1 b b"), b"foo");
        assert_eq!(key_of("ms Zm9v 1 b"), b"Zm9v", "the last word of ms is its data");
    }
}
