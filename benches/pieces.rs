//! The parts that a request passes, one by one: parsers, the command table, replies, parcels.
//!
//! `cargo bench --bench pieces [FILTER]`. What a whole core makes of them is in `benches/core.rs`.

mod measure;

use larder::command::table::TABLE;
use larder::mesh::parcel::{self, Origin, Request};
use larder::protocol::{Args, Limits, Proto, Reply, Span, memcache, resp};
use measure::Bench;
use std::hint::black_box;

/// How often a request stands in the input of a parser.
const TIMES: usize = 64;

fn multibulk(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        out.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    out.into_bytes()
}

fn resp_parser(bench: &Bench, name: &str, request: &[u8]) {
    let input = request.repeat(TIMES);
    let (mut parser, mut spans, limits) = (resp::Parser::new(), Vec::new(), Limits::default());
    bench.run(&format!("parse {name}"), TIMES as u64, || {
        let mut at = 0;
        spans.clear();
        while at < input.len() {
            match parser.parse(&black_box(&input)[at..], &mut spans, &limits) {
                resp::Parsed::Done { used } => at += used,
                other => panic!("{name}: {other:?}"),
            }
        }
        black_box(&spans);
    });
}

/// Each request comes in two receives, torn within its last argument.
fn torn_resp_parser(bench: &Bench, name: &str, request: &[u8]) {
    let (mut parser, mut spans, limits) = (resp::Parser::new(), Vec::new(), Limits::default());
    bench.run(&format!("parse torn {name}"), 1, || {
        spans.clear();
        let first = parser.parse(black_box(&request[..request.len() - 10]), &mut spans, &limits);
        assert!(matches!(first, resp::Parsed::More));
        let second = parser.parse(black_box(request), &mut spans, &limits);
        assert!(matches!(second, resp::Parsed::Done { .. }));
    });
}

fn memcache_parser(bench: &Bench, name: &str, request: &str) {
    let input = request.as_bytes().repeat(TIMES);
    let (mut parser, mut spans, limits) = (memcache::Parser::new(), Vec::new(), Limits::default());
    bench.run(&format!("parse mc {name}"), TIMES as u64, || {
        let mut at = 0;
        spans.clear();
        while at < input.len() {
            match parser.parse(&black_box(&input)[at..], &mut spans, &limits) {
                memcache::Parsed::Done { used, .. } => at += used,
                other => panic!("{name}: {other:?}"),
            }
        }
        black_box(&spans);
    });
}

fn parsers(bench: &Bench) {
    let (key, value) = ("key:000000001234", "v".repeat(256));
    let keys = [key; 100];
    resp_parser(bench, "get", &multibulk(&["GET", key]));
    resp_parser(bench, "set 256", &multibulk(&["SET", key, &value]));
    resp_parser(bench, "set ex 256", &multibulk(&["SET", key, &value, "EX", "100"]));
    resp_parser(bench, "mget 100", &multibulk(&[&["MGET"], &keys[..]].concat()));
    resp_parser(bench, "inline get", format!("GET {key}\r\n").as_bytes());
    torn_resp_parser(bench, "set 256", &multibulk(&["SET", key, &value]));
    memcache_parser(bench, "get", &format!("get {key}\r\n"));
    memcache_parser(bench, "get 100", &format!("get {}\r\n", keys.join(" ")));
    memcache_parser(bench, "set 256", &format!("set {key} 0 0 256\r\n{value}\r\n"));
}

fn table(bench: &Bench) {
    for words in
        [&["GET", "k"][..], &["set", "k", "v"], &["incrbyfloat", "k", "1"], &["CLIENT", "LIST"], &["NOPE"]]
    {
        let request = multibulk(words);
        let mut spans = Vec::new();
        resp::Parser::new().parse(&request, &mut spans, &Limits::default());
        bench.run(&format!("find {}", words[0].to_lowercase()), 1, || {
            black_box(TABLE.find(Args::new(black_box(&request), &spans)));
        });
    }
}

fn replies(bench: &Bench) {
    let value = vec![b'v'; 256];
    let mut out = Vec::with_capacity(1 << 20);
    let mut run = |name: &str, write: &dyn Fn(&mut Reply<'_>)| {
        bench.run(&format!("reply {name}"), TIMES as u64, || {
            out.clear();
            for _ in 0..TIMES {
                write(&mut Reply::new(black_box(&mut out), Proto::Resp2));
            }
        });
    };
    run("ok", &|reply| reply.ok());
    run("int", &|reply| reply.int(black_box(1_234_567)));
    run("null", &|reply| reply.null());
    run("bulk 256", &|reply| reply.bulk(&value));
    run("error", &|reply| reply.error("ERR syntax error"));
    run("double", &|reply| reply.double(black_box(3.25)));
}

fn parcels(bench: &Bench) {
    let bytes = multibulk(&["GET", "key:000000001234"]);
    let mut spans = Vec::new();
    resp::Parser::new().parse(&bytes, &mut spans, &Limits::default());
    let request = Request {
        origin: Origin { connection: 1, client: 2, sequence: 3 },
        row: 4,
        db: 0,
        proto: Proto::Resp2,
        touch: true,
        hash: 5,
        args: Args::new(&bytes, &spans),
    };
    let (mut parcel, mut scratch): (Vec<u8>, Vec<Span>) = (Vec::new(), Vec::new());
    bench.run("parcel: request in and out", 16, || {
        parcel.clear();
        (0..16).for_each(|_| parcel::put_request(&mut parcel, black_box(&request)));
        let mut at = 0;
        while let Some(request) = parcel::next_request(&parcel, &mut at, &mut scratch) {
            black_box(request.hash);
        }
    });
    let reply = [b'v'; 264];
    bench.run("parcel: reply of 264 bytes in and out", 16, || {
        parcel.clear();
        for _ in 0..16 {
            let mark = parcel::begin_reply(&mut parcel, request.origin);
            parcel.extend_from_slice(black_box(&reply));
            parcel::end_reply(&mut parcel, mark);
        }
        let mut at = 0;
        while let Some((_, bytes)) = parcel::next_reply(&parcel, &mut at) {
            black_box(bytes.len());
        }
    });
}

fn main() {
    let bench = Bench::from_args();
    parsers(&bench);
    table(&bench);
    replies(&bench);
    parcels(&bench);
}
