//! Holds replies against what was asked: every reply must be one that the request allows, every value as long
//! as its key's, and with `--verify` the same byte by byte.

use crate::frame::{Framer, Piece};
use crate::keys::KeyText;
use crate::options::Protocol;
use crate::tally::{Kind, Tally};
use crate::values::Values;
use std::collections::VecDeque;

/// What all connections know of the data.
#[derive(Debug)]
pub struct Expected {
    /// The protocol spoken.
    pub protocol: Protocol,
    /// How keys are written.
    pub keys: KeyText,
    /// What is stored.
    pub values: Values,
    /// Contents are looked at, not only lengths.
    pub verify: bool,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    /// What it does.
    pub kind: Kind,
    /// How many keys.
    pub keys: u32,
    /// When it was, or should have been, sent: nanoseconds since the start.
    pub start_ns: u64,
}

/// The replies of one connection.
#[derive(Debug, Default)]
pub struct Checker {
    framer: Framer,
    asked: Asked,
}

/// What the connection has asked and how far the answers have come.
#[derive(Debug, Default)]
struct Asked {
    flights: VecDeque<Flight>,
    /// Keys of all flights, in order.
    keys: VecDeque<u64>,
    /// Keys of the first flight that are not answered yet; meaningful once `begun`.
    left: u32,
    begun: bool,
    /// The block that is arriving: its key, bytes seen, whether to look at them, whether all was well.
    block: Block,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    key: u64,
    seen: usize,
    look: bool,
    bad: bool,
}

/// What a line leads to.
enum Line {
    /// The request is answered.
    Done,
    /// There is more of it.
    Goes,
    /// A block follows.
    Block(usize),
    /// It is no answer to what was asked.
    Strange,
}

impl Checker {
    /// A request was written.
    #[inline]
    pub fn expect(&mut self, flight: Flight, keys: &[u64]) {
        self.asked.flights.push_back(flight);
        self.asked.keys.extend(keys);
    }

    /// Requests that are not answered.
    #[inline]
    pub fn in_flight(&self) -> usize {
        self.asked.flights.len()
    }

    /// Takes bytes that arrived at `now_ns`. Missed keys are added to `missed`; `answered` gets each request
    /// that is over, with its latency in nanoseconds. The error says why the connection is of no further use.
    pub fn feed(
        &mut self,
        input: &[u8],
        now_ns: u64,
        expected: &Expected,
        tally: &mut Tally,
        missed: &mut Vec<u64>,
        mut answered: impl FnMut(&mut Tally, Flight, u64),
    ) -> Result<(), String> {
        let Checker { framer, asked } = self;
        let mut at = 0;
        loop {
            let done = match framer.next(input, &mut at) {
                Piece::More => return Ok(()),
                Piece::Broken(why) => return Err(why.to_string()),
                Piece::Part(part) => {
                    asked.part(part, expected);
                    false
                }
                Piece::BlockEnd => asked.block_end(expected, tally),
                Piece::Line(line) => match asked.line(line, expected, tally, missed) {
                    Line::Done => true,
                    Line::Goes => false,
                    Line::Block(bytes) => {
                        framer.block(bytes);
                        false
                    }
                    Line::Strange => return Err(asked.strange(line)),
                },
            };
            if done {
                let flight = asked.finish();
                answered(tally, flight, now_ns.saturating_sub(flight.start_ns));
            }
        }
    }
}

impl Asked {
    fn strange(&self, line: &[u8]) -> String {
        let shown = &line[..line.len().min(80)];
        match self.flights.front() {
            None => format!("a reply that nobody asked for: '{}'", shown.escape_ascii()),
            Some(flight) => {
                let kind = if flight.kind == Kind::Get { "get" } else { "set" };
                format!("no answer to a {kind}: '{}'", shown.escape_ascii())
            }
        }
    }

    /// The first flight is over; keys that it still has are dropped.
    fn finish(&mut self) -> Flight {
        let flight = self.flights.pop_front().expect("only what is expected is answered");
        if flight.kind == Kind::Get {
            let left = if self.begun { self.left } else { flight.keys };
            self.keys.drain(..left as usize);
        } else {
            self.keys.pop_front();
        }
        self.begun = false;
        flight
    }

    #[inline]
    fn line(&mut self, line: &[u8], expected: &Expected, tally: &mut Tally, missed: &mut Vec<u64>) -> Line {
        let Some(flight) = self.flights.front().copied() else { return Line::Strange };
        match (expected.protocol, flight.kind) {
            (Protocol::Resp, Kind::Get) => self.resp_get(line, flight, expected, tally, missed),
            (Protocol::Memcache, Kind::Get) => self.memcache_get(line, flight, expected, tally, missed),
            (Protocol::Resp, Kind::Set) if line == b"+OK" => Line::Done,
            (Protocol::Memcache, Kind::Set) if line == b"STORED" => Line::Done,
            _ => refusal(line, expected.protocol, tally),
        }
    }

    #[inline]
    fn resp_get(
        &mut self,
        line: &[u8],
        flight: Flight,
        expected: &Expected,
        tally: &mut Tally,
        missed: &mut Vec<u64>,
    ) -> Line {
        if !self.begun {
            if flight.keys > 1 {
                if line.first() != Some(&b'*') {
                    return refusal(line, expected.protocol, tally);
                }
                if number(&line[1..]) != Some(flight.keys as usize) {
                    return Line::Strange;
                }
            }
            self.begun = true;
            self.left = flight.keys;
            if flight.keys > 1 {
                return Line::Goes;
            }
        }
        match line.first() {
            Some(b'$') if line != b"$-1" => {
                let Some(bytes) = number(&line[1..]) else { return Line::Strange };
                let Some(key) = self.next_key() else { return Line::Strange };
                self.open_block(key, bytes, expected, tally);
                Line::Block(bytes)
            }
            Some(b'$' | b'_') => {
                let Some(key) = self.next_key() else { return Line::Strange };
                tally.misses += 1;
                missed.push(key);
                if self.left == 0 { Line::Done } else { Line::Goes }
            }
            // Within an array, an error leaves the rest of it to come: not to be reckoned with.
            _ if flight.keys == 1 => refusal(line, expected.protocol, tally),
            _ => Line::Strange,
        }
    }

    #[inline]
    fn memcache_get(
        &mut self,
        line: &[u8],
        flight: Flight,
        expected: &Expected,
        tally: &mut Tally,
        missed: &mut Vec<u64>,
    ) -> Line {
        if !self.begun {
            self.begun = true;
            self.left = flight.keys;
        }
        if line == b"END" {
            while let Some(key) = self.next_key() {
                tally.misses += 1;
                missed.push(key);
            }
            return Line::Done;
        }
        let Some(rest) = line.strip_prefix(b"VALUE ") else { return refusal(line, expected.protocol, tally) };
        let Some((key, bytes)) = value_line(rest, &expected.keys) else { return Line::Strange };
        // Keys come in the order they were asked for, without those that are not there.
        loop {
            match self.next_key() {
                None => return Line::Strange,
                Some(asked) if asked == key => break,
                Some(asked) => {
                    tally.misses += 1;
                    missed.push(asked);
                }
            }
        }
        self.open_block(key, bytes, expected, tally);
        Line::Block(bytes)
    }

    fn next_key(&mut self) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        self.keys.pop_front()
    }

    fn open_block(&mut self, key: u64, bytes: usize, expected: &Expected, tally: &mut Tally) {
        tally.hits += 1;
        let right = bytes == expected.values.bytes(key);
        if !right {
            tally.errors.lengths += 1;
            tally.sample(|| format!("key {key}: {bytes} bytes, not {}", expected.values.bytes(key)));
        }
        self.block = Block { key, seen: 0, look: right && expected.verify, bad: false };
    }

    #[inline]
    fn part(&mut self, part: &[u8], expected: &Expected) {
        let block = &mut self.block;
        if block.look {
            block.bad |= !expected.values.matches(block.key, block.seen, part);
            block.seen += part.len();
        }
    }

    /// True where the request is answered with this.
    fn block_end(&mut self, expected: &Expected, tally: &mut Tally) -> bool {
        if self.block.bad {
            tally.errors.contents += 1;
            let key = self.block.key;
            tally.sample(|| format!("key {key}: the value is not what was stored"));
        }
        // memcached ends every answer with a line.
        expected.protocol == Protocol::Resp && self.left == 0
    }
}

/// An error in the protocol's own words ends the request; anything else is not to be understood.
#[cold]
fn refusal(line: &[u8], protocol: Protocol, tally: &mut Tally) -> Line {
    let refused = match protocol {
        // A null is Redis's answer to a SET that was not done.
        Protocol::Resp => line.first() == Some(&b'-') || line == b"$-1" || line == b"_",
        Protocol::Memcache => {
            line == b"ERROR"
                || line == b"NOT_STORED"
                || [&b"SERVER_ERROR"[..], b"CLIENT_ERROR", b"ERROR "]
                    .iter()
                    .any(|start| line.starts_with(start))
        }
    };
    if !refused {
        return Line::Strange;
    }
    tally.errors.refused += 1;
    tally.sample(|| String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned());
    Line::Done
}

#[inline]
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    digits.iter().try_fold(0, |n, digit| {
        let value = digit.wrapping_sub(b'0');
        if value > 9 { None } else { Some(n * 10 + usize::from(value)) }
    })
}

/// Key and length of `key flags length[ cas]`.
#[inline]
fn value_line(rest: &[u8], keys: &KeyText) -> Option<(u64, usize)> {
    let key = keys.read(rest.get(..keys.bytes())?)?;
    let mut words = rest.get(keys.bytes() + 1..)?.split(|&byte| byte == b' ');
    number(words.next()?)?;
    Some((key, number(words.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(protocol: Protocol) -> Expected {
        Expected {
            protocol,
            keys: KeyText::new("k", 3, 100).unwrap(),
            values: Values::new("uniform:3-5".parse().unwrap()),
            verify: true,
        }
    }

    fn value(expected: &Expected, key: u64) -> String {
        let mut out = Vec::new();
        expected.values.write(key, expected.values.bytes(key), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Two requests of one, one of three keys, a set.
    fn asked() -> Checker {
        let mut checker = Checker::default();
        let flight = |kind, keys| Flight { kind, keys, start_ns: 10 };
        checker.expect(flight(Kind::Get, 1), &[1]);
        checker.expect(flight(Kind::Get, 1), &[2]);
        checker.expect(flight(Kind::Get, 3), &[3, 4, 3]);
        checker.expect(flight(Kind::Set, 1), &[5]);
        checker
    }

    /// Hits, misses, latencies recorded, errors; or why the connection broke.
    fn fed(input: &str, cuts: &[usize], expected: &Expected) -> (Tally, Vec<u64>, Result<usize, String>) {
        let mut checker = asked();
        let (mut tally, mut missed, mut answered) = (Tally::default(), Vec::new(), 0);
        let mut from = 0;
        for &to in cuts.iter().chain([&input.len()]) {
            let fed = checker.feed(
                &input.as_bytes()[from..to],
                25,
                expected,
                &mut tally,
                &mut missed,
                |_, _, ns| {
                    assert_eq!(ns, 15);
                    answered += 1;
                },
            );
            if let Err(why) = fed {
                return (tally, missed, Err(why));
            }
            from = to;
        }
        assert_eq!(checker.in_flight(), 4 - answered);
        assert!(answered < 4 || checker.asked.keys.is_empty());
        (tally, missed, Ok(answered))
    }

    fn good(expected: &Expected) -> String {
        let value = |key| value(expected, key);
        let (one, three) = (value(1), value(3));
        match expected.protocol {
            Protocol::Resp => format!(
                "${}\r\n{one}\r\n$-1\r\n*3\r\n${}\r\n{three}\r\n_\r\n${}\r\n{three}\r\n+OK\r\n",
                one.len(),
                three.len(),
                three.len()
            ),
            Protocol::Memcache => {
                let three = format!("VALUE k03 0 {} 77\r\n{three}\r\n", three.len());
                format!("VALUE k01 0 {}\r\n{one}\r\nEND\r\nEND\r\n{three}{three}END\r\nSTORED\r\n", one.len())
            }
        }
    }

    #[test]
    fn replies_are_understood_wherever_they_are_torn() {
        for protocol in [Protocol::Resp, Protocol::Memcache] {
            let expected = expected(protocol);
            let input = good(&expected);
            for cut in 0..=input.len() {
                let (tally, missed, answered) = fed(&input, &[cut], &expected);
                assert_eq!(answered, Ok(4), "{protocol:?} torn at {cut}");
                assert_eq!((tally.hits, tally.misses, missed), (3, 2, vec![2, 4]));
                assert_eq!(tally.errors.total(), 0, "{:?}", tally.samples);
            }
            let bytes: Vec<usize> = (1..input.len()).collect();
            assert_eq!(fed(&input, &bytes, &expected).2, Ok(4));
        }
    }

    #[test]
    fn wrong_values_are_counted_and_do_not_end_the_connection() {
        for protocol in [Protocol::Resp, Protocol::Memcache] {
            let expected = expected(protocol);
            let (one, two) = (value(&expected, 1), value(&expected, 3));
            let other = |text: &str| text.chars().rev().map(|_| '!').collect::<String>();
            let (tally, _, answered) = fed(&good(&expected).replacen(&one, &other(&one), 1), &[], &expected);
            assert_eq!((answered, tally.errors.contents, tally.errors.lengths), (Ok(4), 1, 0));
            let longer = good(&expected)
                .replace(&two, &format!("{two}{two}"))
                .replace(&format!("k03 0 {}", two.len()), &format!("k03 0 {}", 2 * two.len()))
                .replace(
                    &format!("${}\r\n{two}{two}", two.len()),
                    &format!("${}\r\n{two}{two}", 2 * two.len()),
                );
            let (tally, _, answered) = fed(&longer, &[], &expected);
            assert_eq!((answered, tally.errors.contents, tally.errors.lengths), (Ok(4), 0, 2));
        }
    }

    #[test]
    fn errors_of_the_server_are_counted_and_shown() {
        let resp = expected(Protocol::Resp);
        let (tally, _, answered) = fed("-LOADING x\r\n-A\r\n-A\r\n-OOM y\r\n", &[], &resp);
        assert_eq!((answered, tally.errors.refused, tally.misses), (Ok(4), 4, 0));
        assert_eq!(tally.samples, ["-LOADING x", "-A", "-OOM y"]);
        let memcache = expected(Protocol::Memcache);
        let (tally, _, answered) = fed("ERROR\r\nEND\r\nSERVER_ERROR a\r\nNOT_STORED\r\n", &[], &memcache);
        assert_eq!((answered, tally.errors.refused, tally.misses), (Ok(4), 3, 1));
    }

    #[test]
    fn what_was_not_asked_for_breaks_the_connection() {
        for (protocol, input) in [
            (Protocol::Resp, "+OK\r\n"),
            (Protocol::Resp, ":1\r\n"),
            (Protocol::Resp, "$x\r\n"),
            (Protocol::Resp, "$-1\r\n$-1\r\n*2\r\n"),
            (Protocol::Resp, "$-1\r\n$-1\r\n-A\r\n$-1\r\n"),
            (Protocol::Resp, "$-1\r\n$-1\r\n*3\r\n:1\r\n"),
            (Protocol::Resp, "-A\r\n-A\r\n-A\r\n+OK\r\n+OK\r\n"),
            (Protocol::Memcache, "STORED\r\n"),
            (Protocol::Memcache, "VALUE k02 0 1\r\n"),
            (Protocol::Memcache, "VALUE k01 0\r\n"),
            (Protocol::Memcache, "VALUE k01 0 x\r\n"),
            (Protocol::Memcache, "VALUE k0 0 1\r\n"),
        ] {
            // The fourth is a refused multiget whose set is then answered by a null: no more than refused.
            let (_, _, answered) = fed(input, &[], &expected(protocol));
            if input.ends_with("-A\r\n$-1\r\n") {
                assert_eq!(answered, Ok(4), "{input}");
            } else {
                assert!(answered.is_err(), "{input}");
            }
        }
    }
}
