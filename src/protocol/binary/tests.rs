use super::super::args::Args;
use super::*;
use proptest::prelude::*;

/// What came out of a stream of input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// Header, key, extras, value.
    Request(Op, Vec<Vec<u8>>),
    TooLarge(Op, Vec<Vec<u8>>, usize),
    Refused(Status, usize),
    Closed(Option<Status>),
}

/// Feeds `pieces` one after the other, the way a connection does: what is not used is kept and more is added.
fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Vec<Event> {
    let mut parser = Parser::default();
    let (mut events, mut held, mut spans) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        let mut at = 0;
        loop {
            spans.clear();
            let parsed = parser.parse(&held[at..], &mut spans, limits);
            let args =
                || -> Vec<Vec<u8>> { Args::new(&held[at..], &spans).iter().map(<[u8]>::to_vec).collect() };
            at += match parsed {
                Parsed::Done { used, op } => {
                    events.push(Event::Request(op, args()));
                    used
                }
                Parsed::TooLarge { used, op } => {
                    events.push(Event::TooLarge(op, args(), 0));
                    used
                }
                Parsed::Refused { used, status } => {
                    events.push(Event::Refused(status, 0));
                    used
                }
                Parsed::Swallowed { used } => {
                    let Some(Event::TooLarge(_, _, dropped) | Event::Refused(_, dropped)) = events.last_mut()
                    else {
                        panic!("nothing was refused before {used} bytes were dropped");
                    };
                    *dropped += used;
                    used
                }
                Parsed::More => break,
                Parsed::Fatal(status) => {
                    events.push(Event::Closed(Some(status)));
                    return events;
                }
                Parsed::BadMagic => {
                    events.push(Event::Closed(None));
                    return events;
                }
            };
            assert!(at <= held.len());
        }
        held.drain(..at);
    }
    events
}

/// The parser as one would write it without a thought for speed or for input in pieces.
fn naive(mut input: &[u8], limits: &Limits) -> Vec<Event> {
    let number = |bytes: &[u8]| bytes.iter().fold(0u128, |n, b| n * 256 + u128::from(*b));
    let mut events = Vec::new();
    while !input.is_empty() {
        if input[0] != 0x80 {
            events.push(Event::Closed(None));
            break;
        }
        if input.len() < 24 {
            break;
        }
        let (opcode, key, extras, body) =
            (input[1], number(&input[2..4]), number(&input[4..5]), number(&input[8..12]));
        let op = Opcode::of(opcode).op;
        let status = if key + extras > body {
            Some(Status::UnknownCommand)
        } else if !limits.authenticated && !matches!(opcode, 0x0b | 0x20 | 0x21 | 0x22) {
            Some(Status::AuthError)
        } else {
            let value = body - key - extras;
            let form = match opcode {
                0x00 | 0x09 | 0x0c | 0x0d | 0x04 | 0x14 => extras == 0 && key > 0 && value == 0,
                0x01..=0x03 | 0x11..=0x13 => extras == 8 && key > 0,
                0x05 | 0x06 | 0x15 | 0x16 => extras == 20 && key > 0 && value == 0,
                0x07 | 0x17 | 0x0a | 0x0b | 0x20 => body == 0,
                0x08 | 0x18 => key == 0 && (body == 0 || extras == 4 && body == 4),
                0x0e | 0x0f | 0x19 | 0x1a | 0x21 | 0x22 => extras == 0 && key > 0,
                0x10 => extras == 0 && value == 0,
                0x1c | 0x1d | 0x1e | 0x23 | 0x24 => extras == 4 && key > 0 && value == 0,
                _ => true,
            };
            (key > 250 || !form).then_some(Status::Invalid)
        };
        if let Some(status) = status {
            events.push(Event::Closed(Some(status)));
            break;
        }
        let value = body - key - extras;
        let sasl = matches!(opcode, 0x21 | 0x22);
        let refused = if op == Op::Unknown {
            Some(Status::UnknownCommand)
        } else if sasl && key > 32 {
            Some(Status::Invalid)
        } else if sasl && value > u128::from(limits.value_bytes_max.min(16384)) {
            Some(Status::NoMemory)
        } else {
            None
        };
        if let Some(status) = refused {
            let there = (body as usize).min(input.len() - 24);
            events.push(Event::Refused(status, there));
            input = &input[24 + there..];
            continue;
        }
        let (key, extras, value) = (key as usize, extras as usize, value as usize);
        let head = 24 + extras + key;
        let whole = head + if value as u64 > limits.value_bytes_max { 0 } else { value };
        if input.len() < whole {
            break;
        }
        let args = [&input[..24], &input[24 + extras..head], &input[24..24 + extras], &input[head..whole]];
        let args = args.map(<[u8]>::to_vec).to_vec();
        input = &input[whole..];
        if whole < head + value {
            let there = value.min(input.len());
            events.push(Event::TooLarge(op, args, there));
            input = &input[there..];
        } else {
            events.push(Event::Request(op, args));
        }
    }
    events
}

/// A packet with the lengths of its parts, or others.
fn packet(opcode: u8, key: &[u8], extras: &[u8], value: &[u8]) -> Vec<u8> {
    let body = (key.len() + extras.len() + value.len()) as u32;
    let mut packet = vec![0x80, opcode];
    packet.extend_from_slice(&(key.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[extras.len() as u8, 0, 0, 0]);
    packet.extend_from_slice(&body.to_be_bytes());
    packet.extend_from_slice(b"opaq\0\0\0\0\0\0\0\x07");
    [&packet[..], extras, key, value].concat()
}

#[track_caller]
fn equals_the_twin(input: &[u8], limits: &Limits) -> Vec<Event> {
    let expected = naive(input, limits);
    assert_eq!(events([input], limits), expected);
    assert_eq!(events(input.chunks(1), limits), expected, "byte by byte");
    expected
}

#[test]
fn a_packet_is_taken_apart() {
    let found = equals_the_twin(&packet(0x11, b"key", b"flagexpi", b"value"), &Limits::default());
    let [Event::Request(Op::Set, args)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(args[1..], [&b"key"[..], b"flagexpi", b"value"]);
    let header = Header::read(&args[0]).unwrap();
    assert_eq!(header, Header { opcode: 0x11, opaque: *b"opaq", cas: 7 });
    assert!(header.meaning().quiet);
}

#[test]
fn lengths_that_cannot_be_are_refused_before_anything_is_kept() {
    let limits = Limits { value_bytes_max: 1000, ..Limits::default() };
    // The body shorter than its parts, as in CVE-2016-8704 to 8706.
    for (opcode, key, extras, body) in [
        (0x01, 3u16, 8u8, 10u32),
        (0x0e, 0xffff, 0, 1),
        (0x21, 32, 0, 31),
        (0x00, 250, 0, 0),
        (0x1c, 1, 4, 4),
    ] {
        let mut input = packet(opcode, b"", b"", b"");
        input[2..4].copy_from_slice(&key.to_be_bytes());
        input[4] = extras;
        input[8..12].copy_from_slice(&body.to_be_bytes());
        assert_eq!(equals_the_twin(&input, &limits), [Event::Closed(Some(Status::UnknownCommand))]);
    }
    // Bodies of up to 4 GiB: 2^31 turned negative in memcached (CVE-2011-4971).
    for body in [1012u32, 0x7fff_ffff, 0x8000_0000, 0x8000_000c, 0xffff_ffff] {
        let mut input = packet(0x01, b"key", b"flagexpi", b"value");
        input[8..12].copy_from_slice(&body.to_be_bytes());
        let found = equals_the_twin(&input, &limits);
        assert!(matches!(found[..], [Event::TooLarge(Op::Set, _, 5)]), "{found:?}");
    }
}

#[test]
fn a_refused_body_is_dropped_to_the_byte() {
    let limits = Limits { value_bytes_max: 10, ..Limits::default() };
    let noop = packet(0x0a, b"", b"", b"");
    let input =
        [packet(0x55, b"key", b"extras", b"value"), packet(0x0f, b"k", b"", b"12345678901"), noop].concat();
    let found = equals_the_twin(&input, &limits);
    assert!(
        matches!(
            found[..],
            [
                Event::Refused(Status::UnknownCommand, 14),
                Event::TooLarge(Op::Prepend, _, 11),
                Event::Request(Op::Noop, _)
            ]
        ),
        "{found:?}"
    );
}

#[test]
fn strangers_may_authenticate_and_no_more() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    let sasl = packet(0x21, b"PLAIN", b"", b"\0user\0password");
    let input = [packet(0x0b, b"", b"", b""), packet(0x20, b"", b"", b""), sasl].concat();
    assert_eq!(equals_the_twin(&input, &limits).len(), 3);
    let found = equals_the_twin(&packet(0x0a, b"", b"", b""), &limits);
    assert_eq!(found, [Event::Closed(Some(Status::AuthError))]);
    let found = equals_the_twin(&packet(0x21, b"PLAIN", b"", &[0; 16385]), &limits);
    assert_eq!(found, [Event::Refused(Status::NoMemory, 16390)]);
    let found = equals_the_twin(&packet(0x22, &[b'm'; 33], b"", b"x"), &limits);
    assert_eq!(found, [Event::Refused(Status::Invalid, 34)]);
}

/// Packets that are mostly well formed, of all opcodes.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let part = |most: usize| prop::collection::vec(any::<u8>(), 0..most);
    let right = (0u8..0x26, part(6), part(40)).prop_map(|(opcode, key, value)| {
        let key = if key.is_empty() { b"k".to_vec() } else { key };
        match Opcode::of(opcode).op {
            Op::Get | Op::Delete | Op::Stat => packet(opcode, &key, b"", b""),
            Op::Set | Op::Add | Op::Replace => packet(opcode, &key, &[1; 8], &value),
            Op::Append | Op::Prepend | Op::SaslAuth | Op::SaslStep => packet(opcode, &key, b"", &value),
            Op::Increment | Op::Decrement => packet(opcode, &key, &[2; 20], b""),
            Op::Touch | Op::GetAndTouch => packet(opcode, &key, &[3; 4], b""),
            Op::Noop | Op::Version | Op::Quit | Op::SaslList => packet(opcode, b"", b"", b""),
            Op::Flush => packet(opcode, b"", &value[..value.len().min(4) & 4], b""),
            Op::Unknown => packet(opcode, &key, b"e", &value),
        }
    });
    let any_form = (any::<u8>(), part(300), part(30), part(30))
        .prop_map(|(opcode, key, extras, value)| packet(opcode, &key, &extras, &value));
    let lies = (0u8..0x26, any::<[u8; 10]>(), part(40)).prop_map(|(opcode, lengths, rest)| {
        let mut lie = packet(opcode, b"key", b"", &rest);
        lie[2..12].copy_from_slice(&lengths);
        lie
    });
    prop_oneof![20 => right, 2 => any_form, 1 => lies, 1 => part(30)]
}

proptest! {
    #[test]
    fn any_input_in_any_pieces_is_found_as_by_the_twin(
        packets in prop::collection::vec(packets(), 1..12),
        cuts in prop::collection::vec(1usize..60, 1..20),
        authenticated in any::<bool>(),
    ) {
        let limits = Limits { authenticated, value_bytes_max: 30, ..Limits::default() };
        let input = packets.concat();
        let expected = equals_the_twin(&input, &limits);
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
        prop_assert_eq!(events(pieces, &limits), expected);
    }

    #[test]
    fn no_input_makes_the_parser_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let with_magic = [&[0x80], &input[..]].concat();
        equals_the_twin(&with_magic, &Limits::default());
    }
}
