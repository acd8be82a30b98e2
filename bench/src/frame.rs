//! Replies in pieces: lines, and blocks of a length that a line has announced. Nothing but a torn line is
//! kept, whatever the length of a block.

/// A line that is longer than this is no reply.
const LINE_BYTES_MAX: usize = 8 << 10;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A line without its end. If it announces a block, call [`Framer::block`] before going on.
    Line(&'a [u8]),
    /// Some of a block's bytes, never none.
    Part(&'a [u8]),
    /// The block and its line end are over.
    BlockEnd,
    /// The input is used up.
    More,
    /// This is no reply of either protocol.
    Broken(&'static str),
}

/// Where in a reply the input stands.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    /// The beginning of a line that was torn.
    torn: Vec<u8>,
    /// `torn` was handed out whole and is to be forgotten.
    whole: bool,
    /// Bytes of the block that are to come, and the two of its line end.
    left: usize,
}

impl Framer {
    /// The line that was just handed out announces a block of so many bytes.
    #[inline]
    pub fn block(&mut self, bytes: usize) {
        self.left = bytes + 2;
    }

    /// The next piece of `input` from `at`, which is moved on.
    #[inline]
    pub fn next<'a>(&'a mut self, input: &'a [u8], at: &mut usize) -> Piece<'a> {
        let rest = &input[*at..];
        if rest.is_empty() {
            return Piece::More;
        }
        match self.left {
            0 => self.line(rest, at),
            3.. => {
                let bytes = rest.len().min(self.left - 2);
                self.left -= bytes;
                *at += bytes;
                Piece::Part(&rest[..bytes])
            }
            left => {
                let end = &b"\r\n"[2 - left..];
                let bytes = rest.len().min(left);
                if rest[..bytes] != end[..bytes] {
                    return Piece::Broken("a block is not as long as announced");
                }
                self.left -= bytes;
                *at += bytes;
                if self.left == 0 { Piece::BlockEnd } else { Piece::More }
            }
        }
    }

    fn line<'a>(&'a mut self, rest: &'a [u8], at: &mut usize) -> Piece<'a> {
        if self.whole {
            self.torn.clear();
            self.whole = false;
        }
        let end = memchr::memchr(b'\n', rest);
        let bytes = end.map_or(rest.len(), |end| end + 1);
        if self.torn.len() + bytes > LINE_BYTES_MAX {
            return Piece::Broken("a line without an end");
        }
        *at += bytes;
        let line = if self.torn.is_empty() && end.is_some() {
            &rest[..bytes]
        } else {
            self.torn.extend_from_slice(&rest[..bytes]);
            if end.is_none() {
                return Piece::More;
            }
            self.whole = true;
            &self.torn
        };
        match line.strip_suffix(b"\r\n") {
            Some(line) => Piece::Line(line),
            None => Piece::Broken("a line feed without a carriage return"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of `input` cut at `cuts`; a line `$n` announces a block. Parts of a block are joined.
    fn pieces(input: &[u8], cuts: &[usize]) -> Vec<String> {
        let mut framer = Framer::default();
        let (mut found, mut block) = (Vec::new(), Vec::new());
        let mut from = 0;
        for &to in cuts.iter().chain([&input.len()]) {
            let part = &input[from..to];
            from = to;
            let mut at = 0;
            loop {
                let announced = match framer.next(part, &mut at) {
                    Piece::Line(line) => {
                        found.push(String::from_utf8_lossy(line).into_owned());
                        line.strip_prefix(b"$").map(|n| String::from_utf8_lossy(n).parse().unwrap())
                    }
                    Piece::Part(bytes) => {
                        block.extend_from_slice(bytes);
                        None
                    }
                    Piece::BlockEnd => {
                        found.push(format!("[{}]", String::from_utf8(std::mem::take(&mut block)).unwrap()));
                        None
                    }
                    Piece::More => break,
                    Piece::Broken(why) => {
                        found.push(format!("broken: {why}"));
                        return found;
                    }
                };
                if let Some(bytes) = announced {
                    framer.block(bytes);
                }
            }
        }
        found
    }

    #[test]
    fn pieces_are_the_same_wherever_the_input_is_torn() {
        let input = b"+OK\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n\r\nEND\r\n$1\r\nx\r\n";
        let whole = pieces(input, &[]);
        assert_eq!(whole, ["+OK", "$5", "[a\r\nbc]", "$0", "[]", "", "END", "$1", "[x]"]);
        for a in 0..=input.len() {
            for b in a..=input.len() {
                assert_eq!(pieces(input, &[a, b]), whole, "torn at {a} and {b}");
            }
        }
        assert_eq!(pieces(input, &(0..input.len()).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn what_is_no_reply_is_said() {
        assert_eq!(pieces(b"$2\r\nabc\r\n", &[])[1], "broken: a block is not as long as announced");
        assert_eq!(pieces(b"$2\r\nab\n\n", &[7])[1], "broken: a block is not as long as announced");
        assert_eq!(pieces(b"+OK\n", &[]), ["broken: a line feed without a carriage return"]);
        assert_eq!(pieces(&[b'x'; LINE_BYTES_MAX + 1], &[5]), ["broken: a line without an end"]);
    }
}
