use super::super::args::Args;
use super::*;
use proptest::prelude::*;

/// What came out of a stream of input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Request { verb: Verb, args: Vec<Vec<u8>>, noreply: bool },
    TooLarge { verb: Verb, args: Vec<Vec<u8>>, noreply: bool, swallowed: usize },
    Bad { error: LineError, noreply: bool },
    Closed(Parsed),
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
            let parsed = parser.parse(&held[at..], &mut spans, limits);
            let args = || -> Vec<Vec<u8>> {
                Args::new(&held[at..], &spans[first..]).iter().map(<[u8]>::to_vec).collect()
            };
            let used = match parsed {
                Parsed::Done { used, verb, noreply } => {
                    events.push(Event::Request { verb, args: args(), noreply });
                    used
                }
                Parsed::TooLarge { used, verb, noreply } => {
                    events.push(Event::TooLarge { verb, args: args(), noreply, swallowed: 0 });
                    used
                }
                Parsed::Swallowed { used } => {
                    match events.last_mut() {
                        Some(Event::TooLarge { swallowed, .. }) => *swallowed += used,
                        Some(Event::Bad { .. }) => {}
                        _ => panic!("swallowed for nothing"),
                    }
                    used
                }
                Parsed::Bad { used, error, noreply } => {
                    events.push(Event::Bad { error, noreply });
                    used
                }
                Parsed::More => break,
                Parsed::LineTooLong | Parsed::Http => {
                    events.push(Event::Closed(parsed));
                    return events;
                }
            };
            assert!(used > 0);
            at += used;
        }
        assert!(parser.is_midway() || at == held.len());
        held.drain(..at);
    }
    events
}

fn whole(input: &[u8]) -> Vec<Event> {
    events([input], &Limits::default())
}

fn request(verb: Verb, args: &[&[u8]]) -> Event {
    Event::Request { verb, args: args.iter().map(|arg| arg.to_vec()).collect(), noreply: false }
}

fn quiet(verb: Verb, args: &[&[u8]]) -> Event {
    Event::Request { verb, args: args.iter().map(|arg| arg.to_vec()).collect(), noreply: true }
}

fn bad(error: LineError) -> Event {
    Event::Bad { error, noreply: false }
}

#[test]
fn a_storage_command_has_its_data_block_as_last_argument() {
    assert_eq!(
        whole(b"set k 5 0 3\r\na\nb\r\ncas k 0 -1 0 77 noreply\r\n\r\nget k\r\n"),
        [
            request(Verb::Set, &[b"set", b"k", b"5", b"0", b"3", b"a\nb"]),
            quiet(Verb::Cas, &[b"cas", b"k", b"0", b"-1", b"0", b"77", b"noreply", b""]),
            request(Verb::Get, &[b"get", b"k"]),
        ]
    );
}

#[test]
fn words_are_separated_by_any_number_of_spaces_and_nothing_else() {
    assert_eq!(
        whole(b"  get  a\tb\x01 \x7f \r\nversion\nget a\rb\r\r\n"),
        [
            request(Verb::Get, &[b"get", b"a\tb\x01", b"\x7f"]),
            request(Verb::Version, &[b"version"]),
            request(Verb::Get, &[b"get", b"a\rb\r"]),
        ]
    );
}

#[test]
fn a_get_of_a_hundred_thousand_keys_is_one_request() {
    let input = [b"get".to_vec(), b" key".repeat(100_000), b"\r\n".to_vec()].concat();
    for chunk in [input.len(), 16 * 1024] {
        let found = events(input.chunks(chunk), &Limits::default());
        let [Event::Request { verb: Verb::Get, args, noreply: false }] = &found[..] else { panic!() };
        assert_eq!(args.len(), 100_001);
        assert!(args[1..].iter().all(|key| key == b"key"));
    }
}

#[test]
fn ten_thousand_requests_in_one_segment_are_ten_thousand_requests() {
    let found = whole(&b"set key 0 0 5\r\nvalue\r\n".repeat(10_000));
    assert_eq!(found.len(), 10_000);
    let expected = request(Verb::Set, &[b"set", b"key", b"0", b"0", b"5", b"value"]);
    assert!(found.iter().all(|event| *event == expected));
}

#[test]
fn a_request_cut_at_every_byte_is_the_same_request() {
    let limits = Limits { value_bytes_max: 40, ..Limits::default() };
    let inputs: [&[u8]; 8] = [
        b"get a b\r\nset k 1 2 3\r\nabc\r\ndelete k noreply\r\n",
        b"set k 0 0 3\r\nabcd\r\nversion\r\n",
        b"set k 0 0 3 noreply\r\nab\r\nversion\r\n",
        b"set k 0 0 41\r\n01234567890123456789012345678901234567890\r\nversion\r\n",
        b"set k x 0 3\r\nabc\r\nversion\r\n",
        b"ms k 2 T0\r\nab\r\nmn\r\n\r\n\n  \r\nversion\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"version\r\n\x80\x0b\r\n",
    ];
    for input in inputs {
        let expected = events([input], &limits);
        for cut in 0..=input.len() {
            let (head, tail) = input.split_at(cut);
            assert_eq!(events([head, tail], &limits), expected, "cut at {cut}");
        }
        assert_eq!(events(input.chunks(1), &limits), expected, "byte by byte");
    }
}

/// Lines, and the text that memcached 1.6.18 answers; a version command behind each is answered.
#[test]
fn errors_have_the_texts_of_memcached() {
    const FORMAT: &str = "CLIENT_ERROR bad command line format";
    const USAGE: &str = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
    const EXPTIME: &str = "CLIENT_ERROR invalid exptime argument";
    const DELTA: &str = "CLIENT_ERROR invalid numeric delta argument";
    let key = "k".repeat(251);
    for (line, text) in [
        ("", FORMAT),
        (" ", FORMAT),
        ("get", FORMAT),
        ("get ", FORMAT),
        ("gat", FORMAT),
        ("gat x k", EXPTIME),
        ("gat x K", EXPTIME),
        ("gat 0 a K b", FORMAT),
        ("get a K b", FORMAT),
        ("set k 0 0", FORMAT),
        ("set k noreply", FORMAT),
        ("set k 0 0 x", FORMAT),
        ("set k 0 0 -1", FORMAT),
        ("set k 0 0 2147483646", FORMAT),
        ("set k 0 0 2147483648", FORMAT),
        ("gat 0", FORMAT),
        ("x", FORMAT),
        ("delete", FORMAT),
        ("delete k x y z", "ERROR"),
        ("delete k 5", USAGE),
        ("delete k 0 x", USAGE),
        ("delete K 5", USAGE),
        ("delete K", FORMAT),
        ("incr k", FORMAT),
        ("incr k 1 noreply x", "ERROR"),
        ("incr k x", DELTA),
        ("incr k -1", DELTA),
        ("incr k 1x", DELTA),
        ("decr k 18446744073709551616", DELTA),
        ("incr K x", FORMAT),
        ("touch k", FORMAT),
        ("touch k x", EXPTIME),
        ("touch K x", FORMAT),
        ("flush_all x", EXPTIME),
        ("flush_all noreply x", EXPTIME),
        ("flush_all 1 2 3", "ERROR"),
        ("verbosity", FORMAT),
        ("verbosity 1 2 3", "ERROR"),
        ("verbosity x", FORMAT),
        ("verbosity -1", FORMAT),
        ("mg", FORMAT),
        ("ms", FORMAT),
        ("md", FORMAT),
        ("ma", FORMAT),
        ("me", FORMAT),
        ("ms k", FORMAT),
        ("ms k abc", FORMAT),
        ("ms k -1", FORMAT),
        ("ms k S2", FORMAT),
    ] {
        let line = line.replace('K', &key);
        let found = whole(format!("{line}\r\nversion\r\n").as_bytes());
        let [Event::Bad { error, noreply: false }, last] = &found[..] else { panic!("{line}: {found:?}") };
        assert_eq!(error.message(), text, "{line}");
        assert_eq!(*last, request(Verb::Version, &[b"version"]));
    }
}

#[test]
fn a_refused_storage_line_takes_its_data_block_along() {
    let key = "k".repeat(251);
    for line in [
        "set K 0 0 5",
        "set k x 0 5",
        "set k -1 0 5",
        "set k 0x7 0 5",
        "set k 0 x 5",
        "set k 4294967296 0 5",
        "append k x x 5",
        "cas k 0 0 5",
        "cas k 0 0 5 x",
        "cas k 0 0 5 -1",
        "cas k 0 0 5 18446744073709551616",
    ] {
        let input = format!("{}\r\nget x\r\nversion\r\n", line.replace('K', &key));
        let version = request(Verb::Version, &[b"version"]);
        assert_eq!(whole(input.as_bytes()), [bad(LineError::BadFormat), version.clone()], "{line}");
        let quiet = input.replacen("\r\n", " noreply\r\n", 1);
        assert!(
            matches!(&whole(quiet.as_bytes())[..], [Event::Bad { noreply: true, .. }, last] if *last == version)
        );
    }
    assert_eq!(
        whole(b"set k 0 0 3 noreply x\r\nabc\r\nversion\r\n").len(),
        2,
        "more words than are needed are no mistake"
    );
}

#[test]
fn the_data_block_of_ms_is_taken_whatever_its_flags_are() {
    let version = || request(Verb::Version, &[b"version"]);
    let words: &[&[u8]] = &[b"ms", b"k", b"2", b"S3", b"S3", b"ab"];
    assert_eq!(whole(b"ms k 2 S3 S3\r\nab\r\nversion\r\n"), [request(Verb::MetaSet, words), version()]);
    assert_eq!(whole(b"ms k 2\r\nabc\nversion\r\n"), [bad(LineError::BadDataChunk), version()]);
    assert_eq!(whole(b"ms k 2 q v v\r\nabc\nversion\r\n"), [bad(LineError::DuplicateFlag), version()]);
}

#[test]
fn noreply_silences_errors_once_the_number_of_words_is_right() {
    for line in [
        "set K 0 0 1 noreply",
        "set k x 0 3 noreply",
        "set k 0 0 noreply",
        "delete K noreply",
        "delete k 5 noreply",
        "incr k noreply",
        "incr k x noreply",
        "touch k noreply",
        "flush_all x noreply",
        "verbosity noreply",
    ] {
        let line = line.replace('K', &"k".repeat(251));
        let found = whole(format!("{line}\r\n").as_bytes());
        assert!(matches!(found[..], [Event::Bad { noreply: true, .. }]), "{line}: {found:?}");
    }
    assert_eq!(whole(b"set k noreply\r\n"), [bad(LineError::BadFormat)]);
}

#[test]
fn noreply_is_an_option_only_where_a_command_knows_it() {
    assert_eq!(
        whole(b"get noreply\r\ndelete noreply\r\ndelete k noreply\r\nflush_all noreply\r\nflush_all 5 noreply\r\nstats noreply\r\nbogus noreply\r\n"),
        [
            request(Verb::Get, &[b"get", b"noreply"]),
            request(Verb::Delete, &[b"delete", b"noreply"]),
            quiet(Verb::Delete, &[b"delete", b"k", b"noreply"]),
            quiet(Verb::FlushAll, &[b"flush_all", b"noreply"]),
            quiet(Verb::FlushAll, &[b"flush_all", b"5", b"noreply"]),
            request(Verb::Stats, &[b"stats", b"noreply"]),
            request(Verb::Other, &[b"bogus", b"noreply"]),
        ]
    );
}

#[test]
fn forms_that_look_odd_are_valid() {
    for line in [
        "gat -1 k",
        "delete k 0",
        "delete k 0 noreply",
        "incr k 1 x",
        "incr k +1",
        "touch k -1",
        "touch k 0 x",
        "flush_all -1",
        "flush_all 0 x",
        "verbosity 1 x",
        "version x y",
        "quit x",
        "shutdown x",
        "stats a b c",
        "mn x",
        "me k",
    ] {
        let found = whole(format!("{line}\r\n").as_bytes());
        assert!(matches!(found[..], [Event::Request { .. }]), "{line}: {found:?}");
    }
    let found = whole(b"set k \t7 +5 01 bogus\r\nx\r\nset k 18446744073709551615 0 1\r\n");
    assert_eq!(found[0], request(Verb::Set, &[b"set", b"k", b"\t7", b"+5", b"01", b"bogus", b"x"]));
    assert_eq!(found[1], bad(LineError::BadFormat));
}

#[test]
fn a_data_block_of_another_length_costs_what_was_announced_and_no_more() {
    assert_eq!(
        whole(b"set k 0 0 3\r\nabcdefgh\r\nversion\r\n"),
        [
            bad(LineError::BadDataChunk),
            request(Verb::Other, &[b"fgh"]),
            request(Verb::Version, &[b"version"])
        ]
    );
    assert_eq!(
        whole(b"set k 0 0 3\r\nabc\n\nversion\r\n"),
        [bad(LineError::BadDataChunk), request(Verb::Version, &[b"version"])]
    );
    assert_eq!(LineError::BadDataChunk.message(), "CLIENT_ERROR bad data chunk");
}

#[test]
fn a_value_over_the_limit_is_swallowed_to_the_byte() {
    let limits = Limits { value_bytes_max: 1000, ..Limits::default() };
    let input = [b"set k 0 0 1001 noreply\r\n", &[b'x'; 1001][..], b"\r\nversion\r\n"].concat();
    for chunk in [1, 7, 500, input.len()] {
        let found = events(input.chunks(chunk), &limits);
        let args = [&b"set"[..], b"k", b"0", b"0", b"1001", b"noreply"].map(<[u8]>::to_vec).to_vec();
        assert_eq!(
            found,
            [
                Event::TooLarge { verb: Verb::Set, args, noreply: true, swallowed: 1003 },
                request(Verb::Version, &[b"version"])
            ]
        );
    }
    let fits = [b"set k 0 0 1000\r\n", &[b'x'; 1000][..], b"\r\n"].concat();
    assert!(matches!(events([&fits[..]], &limits)[..], [Event::Request { .. }]));
}

#[test]
fn a_refused_block_of_the_greatest_length_is_not_waited_for() {
    let mut parser = Parser::new();
    let mut spans = Vec::new();
    let line = b"set k 0 0 2147483645\r\n";
    let parsed = parser.parse(line, &mut spans, &Limits::default());
    assert_eq!(parsed, Parsed::TooLarge { used: line.len(), verb: Verb::Set, noreply: false });
    assert!(parser.is_midway());
    let mut left = i32::MAX as usize;
    let piece = vec![b'x'; 1 << 26];
    while left > 0 {
        let piece = &piece[..left.min(piece.len())];
        assert_eq!(
            parser.parse(piece, &mut spans, &Limits::default()),
            Parsed::Swallowed { used: piece.len() }
        );
        left -= piece.len();
    }
    assert!(!parser.is_midway());
}

#[test]
fn what_an_unfinished_request_needs_is_known_from_its_line() {
    let mut parser = Parser::new();
    let mut spans = Vec::new();
    let input = b"set k 0 0 1000000\r\nabc";
    assert_eq!(parser.parse(input, &mut spans, &Limits::default()), Parsed::More);
    assert_eq!(parser.need(), 19 + 1_000_000 + 2);
    assert!(spans.is_empty());
}

#[test]
fn a_line_without_an_end_is_given_up() {
    let closed = [Event::Closed(Parsed::LineTooLong)];
    let line = |bytes: usize| vec![b'x'; bytes];
    assert_eq!(whole(&line(MEMCACHE_LINE_BYTES_MAX)), []);
    assert_eq!(whole(&line(MEMCACHE_LINE_BYTES_MAX + 1)), closed);
    let ended = |bytes: usize| [line(bytes - 1), b"\n".to_vec()].concat();
    assert!(matches!(whole(&ended(MEMCACHE_LINE_BYTES_MAX))[..], [Event::Request { .. }]));
    assert_eq!(whole(&ended(MEMCACHE_LINE_BYTES_MAX + 1)), closed);
    // A list of keys may be long, but not endless, and not behind many blanks.
    let get = [b"get ".to_vec(), b"k ".repeat(50_000)].concat();
    assert_eq!(whole(&get), []);
    assert_eq!(whole(&[vec![b' '; 100], get.clone()].concat()), []);
    assert_eq!(whole(&[vec![b' '; 101], get.clone()].concat()), closed);
    assert_eq!(events([&get[..]], &Limits { request_bytes_max: 100_000, ..Limits::default() }), closed);
    assert_eq!(whole(&[b"getx ".to_vec(), b"k ".repeat(50_000)].concat()), closed);
}

#[test]
fn other_protocols_are_told_apart() {
    for input in ["GET / HTTP/1.1\r\n", "POST /x HTTP/1.0\r\n\r\n", "bogus HTTP/\r\n", "HTTP/\r\n"] {
        assert_eq!(whole(input.as_bytes()), [Event::Closed(Parsed::Http)], "{input}");
    }
    assert!(matches!(whole(b"get / HTTP/1.1\r\n")[..], [Event::Request { verb: Verb::Get, .. }]));
    assert!(matches!(whole(b"GET /\r\n")[..], [Event::Request { verb: Verb::Other, .. }]));
    // Only the first byte of a connection can make it binary, and that is not seen here.
    for input in [b"\x80\x80\r\n", b"\x81\x81\r\n"] {
        assert!(matches!(whole(input)[..], [Event::Request { verb: Verb::Other, .. }]));
    }
}

/// Lines of words that are commands, keys and numbers, now and then with the data they announce.
fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    let verb = prop::sample::select(vec![
        "get",
        "gets",
        "gat",
        "gats",
        "set",
        "add",
        "replace",
        "append",
        "prepend",
        "cas",
        "delete",
        "incr",
        "decr",
        "touch",
        "flush_all",
        "version",
        "verbosity",
        "stats",
        "quit",
        "mn",
        "mg",
        "ms",
        "bogus",
        "",
    ]);
    let word = prop_oneof![
        6 => "[a-c]{1,3}",
        8 => "[0-9]{1,2}",
        1 => "-?[0-9]{1,20}",
        1 => Just("noreply".to_owned()),
        1 => Just("k".repeat(251)),
        1 => Just(String::new()),
        1 => "[\t\r\x01-\x09]{1,2}",
    ];
    let line = (verb, proptest::collection::vec(word, 0..8), "\r?\n")
        .prop_map(|(verb, words, end)| format!("{verb} {}{end}", words.join(" ")).into_bytes());
    let storage = ("set|add|cas", 0usize..50, proptest::bool::weighted(0.2), 0usize..2).prop_map(
        |(verb, data, noreply, extra)| {
            let cas = if verb == "cas" { " 7" } else { "" };
            let noreply = if noreply { " noreply" } else { "" };
            let line = format!("{verb} key 1 0 {data}{cas}{noreply}\r\n");
            [line.into_bytes(), vec![b'\n'; data + extra], b"\r\n".to_vec()].concat()
        },
    );
    let item = prop_oneof![3 => line, 2 => storage, 1 => proptest::collection::vec(any::<u8>(), 0..5)];
    proptest::collection::vec(item, 0..6).prop_map(|items| items.concat())
}

/// The parser without memory: it sees all the input and splits each line anew.
fn naive(mut input: &[u8], value_bytes_max: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while !input.is_empty() {
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else { break };
        let (line, rest) = (&input[..end], &input[end + 1..]);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let words: Vec<Vec<u8>> =
            line.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect();
        let spans: Vec<Span> = words
            .iter()
            .scan(0, |start, word| {
                *start += word.len() as u32;
                Some(Span { start: *start - word.len() as u32, len: word.len() as u32 })
            })
            .collect();
        input = rest;
        match judge(&words.concat(), &spans) {
            Verdict::Line { verb, noreply } => events.push(Event::Request { verb, args: words, noreply }),
            Verdict::Bad { error, noreply, swallow } => {
                events.push(Event::Bad { error, noreply });
                input = &rest[rest.len().min(swallow as usize)..];
            }
            Verdict::Http => {
                events.push(Event::Closed(Parsed::Http));
                break;
            }
            Verdict::Data { verb, noreply, data_bytes } => {
                let data_bytes = data_bytes as usize;
                let block = rest.split_at_checked(data_bytes + 2);
                if data_bytes > value_bytes_max {
                    let data = (verb == Verb::MetaSet).then(Vec::new);
                    let words = [words, data.into_iter().collect()].concat();
                    let swallowed = block.map_or(rest.len(), |(block, _)| block.len());
                    events.push(Event::TooLarge { verb, args: words, noreply, swallowed });
                    input = &rest[swallowed..];
                    continue;
                }
                let Some((block, rest)) = block else { break };
                input = rest;
                events.push(match block.strip_suffix(b"\r\n") {
                    Some(data) => {
                        Event::Request { verb, args: [words, vec![data.to_vec()]].concat(), noreply }
                    }
                    None => {
                        let error = line::wrong_data(verb, &words.concat(), &spans);
                        Event::Bad { error, noreply }
                    }
                });
            }
        }
    }
    events
}

proptest! {
    #[test]
    fn parsing_equals_the_naive_twin_however_the_input_is_cut(
        input in near_requests(),
        cuts in proptest::collection::vec(1usize..40, 1..20),
    ) {
        let limits = Limits { value_bytes_max: 40, ..Limits::default() };
        let expected = naive(&input, 40);
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
