use super::super::args::Args;
use super::*;
use proptest::prelude::*;

mod naive;

/// What came out of a stream of input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Request(Vec<Vec<u8>>),
    Bad(ProtocolError),
}

/// Feeds `pieces` one after the other, the way a connection does: what is not used is kept and more is added.
fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Vec<Event> {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    let mut held = Vec::new();
    let mut spans = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let first = spans.len();
            let (used, args) = match parser.parse(&held[at..], &mut spans, limits) {
                Parsed::Done { used } => (used, owned(&held[at..at + used], &spans[first..])),
                Parsed::Unquoted { used, bytes } => (used, owned(&bytes, &spans[first..])),
                Parsed::More => {
                    assert_eq!(spans.len(), first);
                    break;
                }
                Parsed::Bad(error) => {
                    assert_eq!(spans.len(), first);
                    events.push(Event::Bad(error));
                    return events;
                }
            };
            assert!(used > 0);
            assert!(!parser.is_midway());
            events.push(Event::Request(args));
            at += used;
        }
        assert_eq!(parser.is_midway(), at < held.len());
        assert!(parser.need() > held.len() - at || !parser.is_midway());
        held.drain(..at);
    }
    events
}

fn owned(bytes: &[u8], spans: &[Span]) -> Vec<Vec<u8>> {
    Args::new(bytes, spans).iter().map(<[u8]>::to_vec).collect()
}

fn whole(input: &[u8]) -> Vec<Event> {
    events([input], &Limits::default())
}

fn request(args: &[&[u8]]) -> Event {
    Event::Request(args.iter().map(|arg| arg.to_vec()).collect())
}

fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.as_ref().len()).as_bytes());
        out.extend_from_slice(arg.as_ref());
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
fn requests_of_a_pipeline_share_one_list_of_spans() {
    let input =
        b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$16\r\n0123456789abcdef\r\nPING hello\r\n*0\r\n\r\n*-1\r\n";
    let expected = [
        request(&[b"PING"]),
        request(&[b"GET", b"0123456789abcdef"]),
        request(&[b"PING", b"hello"]),
        request(&[]),
        request(&[]),
        request(&[]),
    ];
    assert_eq!(whole(input), expected);
}

#[test]
fn a_request_cut_at_every_byte_is_the_same_request() {
    let long = encode(&[&b"SET"[..], b"key", &[b'x'; 1234]]);
    let many = encode(&[b"arg"; 123]);
    let inputs: [&[u8]; 9] = [
        b"*2\r\n$3\r\nGET\r\n$16\r\n0123456789abcdef\r\n*1\r\n$4\r\nPING\r\n",
        b"PING\r\nset k \"a b\\x41\" 'c'\r\n  \r\nget k\n",
        b"*0\r\n*-1\r\n\r\n*1\r\n$0\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n",
        b"*2\r\n$3\r\nGET\r\nx1\r\nk\r\n",
        b"*1\r\n$00004\r\nPING\r\n",
        b"ping \"a\r\nping\r\n",
        &long,
        &many,
    ];
    for input in inputs {
        let expected = whole(input);
        for cut in 0..=input.len() {
            let (head, tail) = input.split_at(cut);
            assert_eq!(events([head, tail], &Limits::default()), expected, "cut at {cut}");
        }
        assert_eq!(events(input.chunks(1), &Limits::default()), expected, "byte by byte");
    }
}

#[test]
fn ten_thousand_requests_in_one_segment_are_ten_thousand_requests() {
    let one = encode(&[&b"SET"[..], b"key", b"value"]);
    let input = one.repeat(10_000);
    let events = whole(&input);
    assert_eq!(events.len(), 10_000);
    assert!(events.iter().all(|event| *event == request(&[b"SET", b"key", b"value"])));
}

#[test]
fn a_million_arguments_in_pieces_are_one_request() {
    let args = vec![b"abcdefgh"; 1_000_000];
    let input = encode(&args);
    let events = events(input.chunks(16 * 1024), &Limits::default());
    let [Event::Request(found)] = &events[..] else { panic!("{} events", events.len()) };
    assert_eq!(found.len(), 1_000_000);
    assert!(found.iter().all(|arg| arg == b"abcdefgh"));
}

#[test]
fn what_an_unfinished_request_needs_is_known_from_its_lengths() {
    let mut parser = Parser::new();
    let mut spans = Vec::new();
    let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nxyz";
    assert_eq!(parser.parse(head, &mut spans, &Limits::default()), Parsed::More);
    assert_eq!(parser.need(), head.len() - 3 + 536_870_912 + 2);
    assert!(spans.is_empty());
    assert!(parser.heap_bytes() >= 2 * size_of::<Span>());
}

#[test]
fn a_parser_that_finished_a_huge_request_gives_its_memory_back() {
    let input = encode(&vec![b"x"; 10_000]);
    let mut parser = Parser::new();
    let mut spans = Vec::new();
    assert_eq!(parser.parse(&input[..input.len() - 1], &mut spans, &Limits::default()), Parsed::More);
    assert!(parser.heap_bytes() >= 10_000 * size_of::<Span>() - 64);
    let parsed = parser.parse(&input, &mut spans, &Limits::default());
    assert_eq!(parsed, Parsed::Done { used: input.len() });
    assert_eq!(spans.len(), 10_000);
    assert_eq!(parser.heap_bytes(), 0);
}

/// Inputs, and the text that redis-server 7.0 answers before it closes.
#[test]
fn errors_have_the_texts_of_redis() {
    let digits = b"1".repeat(70_000);
    let cases: [(&[u8], &[u8]); 20] = [
        (b"*2147483648\r\n", b"invalid multibulk length"),
        (b"*\r\n", b"invalid multibulk length"),
        (b"*x\r\n", b"invalid multibulk length"),
        (b"*+1\r\n", b"invalid multibulk length"),
        (b"*01\r\n", b"invalid multibulk length"),
        (b"* 1\r\n", b"invalid multibulk length"),
        (b"*111111111111111111111111111111\r\n", b"invalid multibulk length"),
        (b"*1\r\n$-1\r\n", b"invalid bulk length"),
        (b"*1\r\n$\r\n", b"invalid bulk length"),
        (b"*1\r\n$04\r\n", b"invalid bulk length"),
        (b"*1\r\n$99999999999\r\n", b"invalid bulk length"),
        (b"*1\r\n$9223372036854775807\r\n", b"invalid bulk length"),
        (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
        (b"*1\r\nx\r\n", b"expected '$', got 'x'"),
        (b"*1\r\n:1\r\n", b"expected '$', got ':'"),
        (b"*1\r\n\xff1\r\n", b"expected '$', got '\xff'"),
        (b"*1\r\n\r\n", b"expected '$', got '\r'"),
        (b"ping \"a\r\n", b"unbalanced quotes in request"),
        (b"ping \"a\"b\r\n", b"unbalanced quotes in request"),
        (b"ping 'a\r\n", b"unbalanced quotes in request"),
    ];
    for (input, text) in cases {
        check_error(input, text);
    }
    check_error(&[b"*", &digits[..]].concat(), b"too big mbulk count string");
    check_error(&[b"*1\r\n$", &digits[..]].concat(), b"too big bulk count string");
    check_error(&digits, b"too big inline request");
    check_error(&[&digits[..], b"\r\n"].concat(), b"too big inline request");
    check_error(&digits[..INLINE_BYTES_MAX + 1], b"too big inline request");
}

#[track_caller]
fn check_error(input: &[u8], text: &[u8]) {
    let events = whole(input);
    let [Event::Bad(error)] = events[..] else { panic!("{}: {events:?}", input.escape_ascii()) };
    assert_eq!(error.message(), [b"ERR Protocol error: ", text].concat(), "{}", input.escape_ascii());
}

#[test]
fn a_line_of_the_longest_length_is_still_read() {
    let mut line = vec![b'a'; INLINE_BYTES_MAX];
    assert_eq!(whole(&line), []);
    line.push(b'\n');
    assert_eq!(whole(&line), [request(&[&line[..INLINE_BYTES_MAX]])]);
}

#[test]
fn strangers_get_few_and_short_arguments() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    let error = |input: &[u8]| match &events([input], &limits)[..] {
        [] => None,
        [Event::Bad(error)] => Some(*error),
        other => panic!("{other:?}"),
    };
    assert_eq!(error(b"*10\r\n"), None);
    assert_eq!(error(b"*11\r\n"), Some(ProtocolError::UnauthenticatedMultibulk));
    assert_eq!(error(b"*2147483648\r\n"), Some(ProtocolError::MultibulkLength));
    assert_eq!(error(b"*1\r\n$16384\r\n"), None);
    assert_eq!(error(b"*1\r\n$16385\r\n"), Some(ProtocolError::UnauthenticatedBulk));
    assert_eq!(error(b"*1\r\n$99999999999\r\n"), Some(ProtocolError::BulkLength));
    let text = |error: ProtocolError| String::from_utf8(error.message().into_owned()).unwrap();
    assert_eq!(
        text(ProtocolError::UnauthenticatedMultibulk),
        "ERR Protocol error: unauthenticated multibulk length"
    );
    assert_eq!(text(ProtocolError::UnauthenticatedBulk), "ERR Protocol error: unauthenticated bulk length");
}

#[test]
fn limits_hold_for_counts_lengths_and_whole_requests() {
    let limits = Limits { args_max: 3, bulk_bytes_max: 100, request_bytes_max: 150, ..Limits::default() };
    let run = |input: &[u8]| events([input], &limits);
    assert_eq!(run(b"*4\r\n"), [Event::Bad(ProtocolError::MultibulkLength)]);
    assert_eq!(run(b"*3\r\n$101\r\n"), [Event::Bad(ProtocolError::BulkLength)]);
    let args = [vec![b'x'; 100], vec![b'x'; 34]];
    assert_eq!(encode(&args).len(), 153);
    assert_eq!(run(&encode(&args)), [Event::Bad(ProtocolError::RequestTooLong)]);
    let args = [vec![b'x'; 100], vec![b'x'; 31]];
    assert_eq!(encode(&args).len(), 150);
    assert_eq!(run(&encode(&args)), [Event::Request(args.to_vec())]);
    // Beyond what spans can follow whatever the limit says.
    let limits = Limits { bulk_bytes_max: u64::MAX, request_bytes_max: u64::MAX, ..Limits::default() };
    let huge = b"*1\r\n$9223372036854775807\r\n";
    assert_eq!(events([&huge[..]], &limits), [Event::Bad(ProtocolError::RequestTooLong)]);
}

/// Line ends are counted, not looked at, as in Redis.
#[test]
fn bytes_in_the_place_of_line_ends_are_skipped() {
    assert_eq!(whole(b"*1\rX$4\rXPINGxx*1\r\n$4\r\nPING\r\n"), vec![request(&[b"PING"]); 2]);
}

/// Lines, and the words that redis-server 7.0 makes of them.
#[test]
fn inline_commands_are_split_as_by_redis() {
    let cases: [(&[u8], &[&[u8]]); 16] = [
        (b"PING\n", &[b"PING"]),
        (b"  PING  \r\n", &[b"PING"]),
        (b"\x0bping\x0b \r\n", &[b"ping\x0b"]),
        (b"ping\ta\rb\r\n", &[b"ping", b"a", b"b"]),
        (b"ping a\x0bb\r\n", &[b"ping", b"a\x0bb"]),
        (b"ping a\\nb\r\n", &[b"ping", b"a\\nb"]),
        (b"ping a\r\r\n", &[b"ping", b"a"]),
        (b"ping \"hello world\"\r\n", &[b"ping", b"hello world"]),
        (b"ping 'a\\'b\\n'\r\n", &[b"ping", b"a'b\\n"]),
        (b"ping \"a\\x4a\\x4A\\n\\r\\t\\a\\b\\\"\\\\\\q\\xg\"\r\n", &[b"ping", b"aJJ\n\r\t\x07\x08\"\\qxg"]),
        (b"ping a\"b c\"\r\n", &[b"ping", b"ab c"]),
        (b"ping '' \"\"\r\n", &[b"ping", b"", b""]),
        (b"ping \"a\"\x0b\r\n", &[b"ping", b"a"]),
        (b"ping \"\r\"\r\n", &[b"ping", b"\r"]),
        (b"pi'ng' \"'\"\r\n", &[b"ping", b"'"]),
        (b"$4\r\n", &[b"$4"]),
    ];
    for (line, words) in cases {
        assert_eq!(whole(line), [request(words)], "{}", line.escape_ascii());
    }
}

/// Bytes that are nearly requests: every kind of line, valid or not, in any order.
fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    let count = prop_oneof![
        5 => (0i64..4).prop_map(|n| n.to_string()),
        1 => (-2i64..2000).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => "[-+0-9 x]{0,22}",
    ];
    let arg = prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..20)
            .prop_map(|arg| encode(&[arg]).split_off(4)),
        1 => proptest::collection::vec(any::<u8>(), 990..1010)
            .prop_map(|arg| encode(&[arg]).split_off(4)),
        1 => count.clone().prop_map(|n| format!("${n}\r\nabc\r\n").into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    let item = prop_oneof![
        4 => proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..12)
            .prop_map(|args| encode(&args)),
        2 => (count, proptest::collection::vec(arg, 0..4))
            .prop_map(|(n, args)| [format!("*{n}\r\n").into_bytes(), args.concat()].concat()),
        2 => "[ab\"' \\\\xn\t\r]{0,12}\r?\n".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(item, 0..6).prop_map(|items| items.concat())
}

proptest! {
    #[test]
    fn parsing_equals_the_naive_twin_however_the_input_is_cut(
        input in near_requests(),
        cuts in proptest::collection::vec(1usize..40, 1..20),
        authenticated: bool,
    ) {
        let limits = Limits { authenticated, args_max: 100, bulk_bytes_max: 5000, ..Limits::default() };
        let expected = naive::events(&input, &limits);
        prop_assert_eq!(&events([&input[..]], &limits), &expected);

        let mut rest = &input[..];
        let pieces: Vec<&[u8]> = cuts
            .iter()
            .cycle()
            .map_while(|cut| {
                let (piece, tail) = rest.split_at_checked(*cut).unwrap_or((rest, &[]));
                rest = tail;
                (!piece.is_empty()).then_some(piece)
            })
            .collect();
        prop_assert_eq!(&events(pieces, &limits), &expected);
    }
}
