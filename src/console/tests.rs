use super::{Plan, Scene, Show, metrics, plan};
use crate::clock::Now;
use crate::metrics::Counter;
use crate::parameters::Parameters;
use crate::protocol::http::{Answer, Parsed, Status, parse};
use crate::shared::Shared;

fn shared() -> Shared {
    Shared::new(Parameters::default(), 2, Now { unix_ms: 1_000, mono_us: 0 }, [1, 2, 3, 4])
}

/// What becomes of a request with these lines.
fn ask(shared: &Shared, is_local: bool, head: &str) -> Plan {
    let head = head.replace('\n', "\r\n");
    let (head, body) = head.split_once("\r\n\r\n").unwrap_or((&head, ""));
    let length = body.len();
    let bytes = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    let Parsed::Done { request, .. } = parse(bytes.as_bytes()) else { panic!("no request: {bytes}") };
    plan(&request, &Scene { shared, now: Now { unix_ms: 5_000, mono_us: 4_000_000 }, is_local })
}

#[track_caller]
fn answer(shared: &Shared, is_local: bool, head: &str) -> Answer {
    match ask(shared, is_local, head) {
        Plan::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn status(shared: &Shared, head: &str) -> Status {
    answer(shared, true, head).status
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\nHost: 127.0.0.1:6379")
}

#[test]
fn every_path_leads_somewhere_and_others_nowhere() {
    let shared = shared();
    for path in
        ["/", "/?x", "/console.css", "/console.js", "/metrics", "/healthz", "/api/overview", "/api/config"]
    {
        assert_eq!(status(&shared, &get(path)), Status::Ok, "{path}");
    }
    for path in ["/info", "/api/slabs", "/api/clients", "/api/slowlog", "/api/hotkeys", "/api/bigkeys"] {
        assert!(matches!(ask(&shared, true, &get(path)), Plan::Ask(..)), "{path}");
    }
    for path in ["/x", "/metrics/", "//", "/api", "/../etc/passwd", "/api/overview%00", "*"] {
        assert_eq!(status(&shared, &get(path)), Status::NotFound, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X"] {
        let refused = answer(&shared, true, &format!("{method} /metrics HTTP/1.1\nHost: [::1]"));
        assert_eq!((refused.status, refused.header), (Status::MethodNotAllowed, Some("Allow: GET, HEAD")));
    }
}

#[test]
fn a_password_is_asked_for_everywhere_but_for_health() {
    let shared = shared();
    shared.parameters.set(b"requirepass", b"s:ecret").unwrap();
    shared.acl.set_default_password(b"s:ecret");
    for path in ["/", "/metrics", "/info", "/api/overview", "/api/config", "/x"] {
        let refused = answer(&shared, true, &get(path));
        assert_eq!(refused.status, Status::Unauthorized, "{path}");
        assert!(refused.header.unwrap().starts_with("WWW-Authenticate: Basic realm="));
    }
    assert_eq!(status(&shared, &get("/healthz")), Status::Ok);
    let with = |credentials: &str| format!("{}\nAuthorization: Basic {credentials}", get("/metrics"));
    assert_eq!(status(&shared, &with("YW55Ym9keTpzOmVjcmV0")), Status::Ok);
    assert_eq!(status(&shared, &with("OnM6ZWNyZXQ=")), Status::Ok);
    for wrong in ["YW55Ym9keTpzOmVjcmU=", "czplY3JldA==", "", "!"] {
        assert_eq!(status(&shared, &with(wrong)), Status::Unauthorized, "{wrong}");
    }
    // A browser that knows the password may know the server by any name.
    let named = "GET / HTTP/1.1\nHost: cache.example\nAuthorization: Basic OnM6ZWNyZXQ=";
    assert_eq!(status(&shared, named), Status::Ok);
}

#[test]
fn without_a_password_no_foreign_name_leads_to_the_console() {
    let shared = shared();
    for path in ["/", "/info", "/api/config", "/api/clients"] {
        let head = format!("GET {path} HTTP/1.1\nHost: evil.example:6379");
        assert_eq!(status(&shared, &head), Status::Forbidden, "{path}");
    }
    assert_eq!(status(&shared, "GET /metrics HTTP/1.1\nHost: cache.example:6379"), Status::Ok);
    assert_eq!(status(&shared, "GET / HTTP/1.0"), Status::Ok);
}

#[test]
fn changes_come_from_the_page_itself_only() {
    let shared = shared();
    let change = |host: &str, headers: &str| {
        format!("POST /api/config HTTP/1.1\nHost: {host}{headers}\n\nname=hz&value=20")
    };
    let expected =
        Plan::Ask(["config", "set", "hz", "20"].map(|word| word.as_bytes().to_vec()).to_vec(), Show::Change);
    let header = "\nX-Larder-Console: 1";
    let same = "\nX-Larder-Console: 1\nOrigin: http://localhost:6379";
    for headers in [header, same] {
        assert_eq!(ask(&shared, true, &change("localhost:6379", headers)), expected);
    }
    for headers in [
        "",
        "\nX-Larder-Console: 0",
        "\nOrigin: http://localhost:6379",
        "\nX-Larder-Console: 1\nOrigin: http://evil.example",
        "\nX-Larder-Console: 1\nOrigin: http://localhost:6380",
        "\nX-Larder-Console: 1\nOrigin: null",
    ] {
        assert_eq!(status(&shared, &change("localhost:6379", headers)), Status::Forbidden, "{headers}");
    }
    // Without a password, from elsewhere: read but not changed.
    assert_eq!(answer(&shared, false, &change("10.0.0.1:6379", header)).status, Status::Forbidden);
    shared.parameters.set(b"requirepass", b"p").unwrap();
    shared.acl.set_default_password(b"p");
    let known = format!("{header}\nAuthorization: Basic OnA=");
    assert_eq!(ask(&shared, false, &change("cache.example", &known)), expected);
    assert_eq!(answer(&shared, false, &change("cache.example", header)).status, Status::Unauthorized);
}

#[test]
fn a_password_is_never_shown() {
    let shared = shared();
    shared.parameters.set(b"requirepass", b"s3cret").unwrap();
    shared.acl.set_default_password(b"s3cret");
    for path in ["/api/config", "/api/overview", "/metrics"] {
        let head = format!("{}\nAuthorization: Basic OnMzY3JldA==", get(path));
        let body = answer(&shared, true, &head).body;
        assert!(memchr::memmem::find(&body, b"s3cret").is_none(), "{path}");
    }
}

#[test]
fn counters_outlive_a_reset() {
    let shared = shared();
    shared.metrics[1].add(Counter::Evicted, 7);
    shared.metrics[1].reset();
    let body = answer(&shared, true, &get("/metrics")).body;
    let line = b"\nlarder_evicted_items_total{core=\"1\"} 7\n";
    assert!(memchr::memmem::find(&body, line).is_some());
}

#[test]
fn buckets_of_a_histogram_hold_what_is_below_their_end() {
    let shared = shared();
    for us in [0, 1, 2, 3, 100, 1_000, 40_000_000] {
        shared.metrics[0].turn().record(us);
    }
    let body = String::from_utf8(answer(&shared, true, &get("/metrics")).body.into_owned()).unwrap();
    for (end, count) in
        [("0.000002", 2), ("0.000004", 4), ("0.000128", 5), ("0.001024", 6), ("33.554432", 6), ("+Inf", 7)]
    {
        let line = format!("\nlarder_turn_seconds_bucket{{core=\"0\",le=\"{end}\"}} {count}\n");
        assert!(body.contains(&line), "{line}");
    }
    assert!(body.contains("\nlarder_turn_seconds_count{core=\"0\"} 7\n"));
    assert!(body.contains("\nlarder_turn_seconds_sum{core=\"0\"} 40.001106\n"));
}

/// `LARDER_WRITE_DOCS=1 cargo test --lib console` writes the page anew.
#[test]
fn the_list_of_metrics_in_the_manual_is_that_of_the_program() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("LARDER_WRITE_DOCS").is_some() {
        std::fs::write(&path, metrics::manual()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), metrics::manual());
}
