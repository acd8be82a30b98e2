use super::{Method, Parsed, Recognised, Request, Status, parse, recognise};
use crate::protocol::limits::{HTTP_BODY_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};
use proptest::prelude::*;

fn done(bytes: &[u8]) -> (Request<'_>, usize) {
    match parse(bytes) {
        Parsed::Done { request, used } => (request, used),
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn a_request_line_is_told_from_an_inline_command() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.0\n",
        "HEAD /metrics HTTP/1.1\r\n",
        "POST /api/config HTTP/1.1\r\nHost: a\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "GET http://a/ HTTP/1.1\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
        "GET / HTTP/3\r\n",
    ] {
        assert_eq!(recognise(line.as_bytes()), Recognised::Http, "{line:?}");
        for end in 0..line.find('\n').unwrap() {
            assert_eq!(recognise(&line.as_bytes()[..end]), Recognised::More, "{line:?} up to {end}");
        }
    }
    for line in [
        "GET key\r\n",
        "GET  key HTTP/1.1\r\n",
        "GET HTTP/1.1\r\n",
        "GET a b HTTP/1.1\r\n",
        "get / HTTP/1.1\r\n",
        "GETRANGE / HTTP/1.1\r\n",
        "SET / HTTP/1.1\r\n",
        "DELETE\r\n",
        "POST\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "\r\n",
        "PING\r\n",
        "\x16\x03\x01",
        "PRI * HTTP/2.0\r\n",
    ] {
        assert_eq!(recognise(line.as_bytes()), Recognised::Other, "{line:?}");
    }
    let endless = [b"GET /".as_slice(), &[b'a'; HTTP_HEAD_BYTES_MAX]].concat();
    assert_eq!(recognise(&endless), Recognised::Other);
}

#[test]
fn a_request_is_found_with_its_body_and_what_follows_is_left() {
    let text = "POST /api/config?a=b HTTP/1.1\r\nhost: h:1\r\nContent-Length: 3\r\nORIGIN: http://h:1\r\n\
                Authorization: Basic eA==\r\nX-Larder-Console: 1\r\n\r\na=bGET";
    let (request, used) = done(text.as_bytes());
    assert_eq!(used, text.len() - 3);
    let expected = Request {
        method: Method::Post,
        path: "/api/config",
        query: "a=b",
        keep_alive: true,
        host: "h:1",
        origin: Some("http://h:1"),
        authorization: Some("Basic eA=="),
        console: Some("1"),
        body: b"a=b",
    };
    assert_eq!(request, expected);
    for end in 0..used {
        assert_eq!(parse(&text.as_bytes()[..end]), Parsed::More);
    }
}

#[test]
fn connections_live_on_as_the_version_and_the_client_say() {
    for (head, lives) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
    ] {
        assert_eq!(done(head.as_bytes()).0.keep_alive, lives, "{head}");
    }
}

#[test]
fn a_target_with_a_scheme_leads_to_its_path() {
    for (target, path) in [("http://a:1/x?y", "/x"), ("http://a", "/"), ("/a://b", "/a://b"), ("*", "*")] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(done(head.as_bytes()).0.path, path);
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let many = "a: b\r\n".repeat(HTTP_HEADERS_MAX + 1);
    let large = format!("a: {}\r\n", "b".repeat(HTTP_HEAD_BYTES_MAX));
    let body = format!("Host: a\r\nContent-Length: {}\r\n", HTTP_BODY_BYTES_MAX + 1);
    for (headers, status) in [
        ("", Status::BadRequest),
        ("Host: a\r\nHost: b\r\n", Status::BadRequest),
        ("Host: a\r\nbad header\r\n", Status::BadRequest),
        ("Host: \u{ff}\r\n", Status::BadRequest),
        ("Host: a\r\nContent-Length: -1\r\n", Status::BadRequest),
        ("Host: a\r\nContent-Length: \r\n", Status::BadRequest),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n", Status::BadRequest),
        ("Host: a\r\nContent-Length: 99999999999999999999999\r\n", Status::BodyTooLarge),
        (&body, Status::BodyTooLarge),
        ("Host: a\r\nTransfer-Encoding: chunked\r\n", Status::LengthRequired),
        (&many, Status::HeadTooLarge),
        (&large, Status::HeadTooLarge),
    ] {
        let head: Vec<u8> = format!("GET / HTTP/1.1\r\n{headers}\r\n").chars().map(|c| c as u8).collect();
        assert_eq!(parse(&head), Parsed::Bad(status), "{headers:.60}");
    }
    assert_eq!(parse(b"GET / HTTP/2.0\r\n\r\n"), Parsed::Bad(Status::VersionNotSupported));
    assert_eq!(parse(b"GET /\x01 HTTP/1.1\r\n\r\n"), Parsed::Bad(Status::BadRequest));
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_not_and_never_more_than_there_are(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Parsed::Done { used, .. } = parse(&bytes) {
            prop_assert!(used <= bytes.len());
        }
        let behind = [b"GET / HTTP/1.1\r\n", bytes.as_slice()].concat();
        if let Parsed::Done { used, .. } = parse(&behind) {
            prop_assert!(used <= behind.len());
        }
        if recognise(&bytes) == Recognised::Http {
            prop_assert!(bytes.contains(&b'\n'));
        }
    }
}
