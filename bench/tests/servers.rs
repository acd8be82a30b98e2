//! The load generator against real servers: larder itself in this process, and memcached and redis-server where
//! they are installed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn bench(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_larder-bench")).args(line.split_whitespace()).output().unwrap()
}

/// Runs to a good end, and returns the JSON.
fn good(line: &str) -> serde_json::Value {
    let output = bench(&format!("{line} --json"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {}\n{out}\n{err}", output.status);
    serde_json::from_str(&out).unwrap()
}

/// Waits until somebody listens; `alive` says whether it is still worth waiting.
fn await_server(port: u16, mut alive: impl FnMut() -> bool) {
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(alive(), "the server has ended at start");
        std::thread::yield_now();
    }
}

/// A peer's process, ended with the value.
struct Peer(Child);

impl Peer {
    /// `None`, with a note, where it is not installed.
    fn start(line: &str, port: u16) -> Option<Peer> {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap();
        let started = Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        match started {
            Ok(child) => {
                let mut peer = Peer(child);
                await_server(port, || peer.0.try_wait().unwrap().is_none());
                Some(peer)
            }
            Err(error) => {
                eprintln!("{program}: {error}: not tested here");
                None
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// larder on threads of this process, stopped with the value.
struct Larder {
    resp: u16,
    memcache: u16,
    thread: Option<std::thread::JoinHandle<Result<(), String>>>,
}

impl Larder {
    fn start(more: &[&str]) -> Larder {
        let (resp, memcache) = (free_port(), free_port());
        let ports = [format!("--port={resp}"), format!("--memcache_port={memcache}")];
        let args = ports.iter().map(String::as_str).chain(["--bind=127.0.0.1", "--maxmemory=64mb"]);
        let args: Vec<_> = args.chain(more.iter().copied()).map(Into::into).collect();
        let start =
            larder::config::load(args.into_iter(), std::iter::empty(), larder::config::host::detect());
        let Ok(larder::config::Start::Run { parameters, .. }) = start else { panic!("{start:?}") };
        let thread =
            std::thread::spawn(move || larder::server::run(*parameters, larder::logging::Log::default()));
        await_server(resp, || !thread.is_finished());
        Larder { resp, memcache, thread: Some(thread) }
    }
}

impl Drop for Larder {
    fn drop(&mut self) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.resp)).unwrap();
        stream.write_all(b"SHUTDOWN NOSAVE\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        let ended = self.thread.take().unwrap().join().unwrap();
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}

/// Every way of loading that a server of this protocol must stand.
fn loads(proto: &str, port: u16) {
    // Both doors of larder lead to the same keys.
    let to = format!("--proto {proto} -p {port} -q --key-prefix {}:", &proto[..1]);
    let json = good(&format!("{to} -k 5000 --preload -n 20000 -c 5 -P 16 --gets 1 --verify"));
    assert_eq!(json["preload"]["keys"], 5000);
    assert_eq!((&json["hits"], &json["misses"]), (&20000.into(), &0.into()));
    assert_eq!(json["get"]["requests"], 20000);
    assert!(json["get"]["latency_us"]["p50"].as_f64().unwrap() > 0.0);

    let json = good(&format!("{to} -k 5000 -n 500 -c 3 -P 2 -t 2 --gets 1 --mget 100 --verify -d zipf:1.1"));
    assert_eq!(json["hits"], 50000);

    // Half of the keys are not there at first; those that are missed are stored.
    let json = good(&format!(
        "{to} -k 10000 -n 30000 -c 5 -P 8 --gets 1 --fill -d sequential --verify --ttl 100-200"
    ));
    assert_eq!(json["misses"], 5000);
    assert_eq!(json["set"]["requests"], 5000);

    let line = "-k 300 --key-bytes 15 --preload -n 2000 -c 4 -P 4 --gets 0.5 --verify";
    let json = good(&format!("{to} {line} --value-bytes lognormal:2000,2,200000"));
    assert!(json["set"]["requests"].as_u64().unwrap() > 500 && json["misses"] == 0);

    let line = "-n 500 -c 4 --rate 20000 --arrivals poisson";
    let json = good(&format!("{to} {line} -k 5000 --gets 0.9"));
    assert_eq!(json["all"]["requests"], 500);
    let json = good(&format!("{to} --time 0.3 --warmup 0.1 -c 4 --rate 1000 -k 5000"));
    let (sent, unsent) = (json["all"]["requests"].as_u64().unwrap(), json["unsent"].as_u64().unwrap());
    assert!((295..=305).contains(&(sent + unsent)), "{sent} {unsent}");
}

#[test]
fn larder_is_loaded_through_both_doors() {
    for more in [["--threads=1"], ["--threads=2"]] {
        let server = Larder::start(&more);
        loads("resp", server.resp);
        loads("memcache", server.memcache);
    }
}

#[test]
fn memcached_is_loaded() {
    let port = free_port();
    let line = format!("memcached -l 127.0.0.1 -p {port} -U 0 -u root -m 64");
    if let Some(_peer) = Peer::start(&line, port) {
        loads("memcache", port);
    }
}

#[test]
fn redis_is_loaded_over_tcp_and_a_unix_socket_with_a_password() {
    let port = free_port();
    let socket = std::env::temp_dir().join(format!("larder-bench-{}-{port}.sock", std::process::id()));
    let line = format!(
        "redis-server --bind 127.0.0.1 --port {port} --save  --appendonly no --unixsocket {} --requirepass secret",
        socket.display()
    );
    // An empty argument cannot be written in a line of words.
    let line = line.replace("--save  ", "");
    let Some(_peer) = Peer::start(&line, port) else { return };
    let output = bench(&format!("--proto resp -p {port} -n 10 -q"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("NOAUTH"));
    let output = bench(&format!("--proto resp -p {port} -n 10 -q --password wrong"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("AUTH was answered '-WRONGPASS"));
    good(&format!(
        "--proto resp -p {port} --password secret --user default --db 3 --preload -n 1000 -k 100 -q"
    ));
    let unix = socket.display();
    good(&format!("--proto resp --unix {unix} --password secret --db 3 -n 1000 -k 100 --gets 1 --verify -q"));
}

#[test]
fn values_that_are_not_those_of_the_options_are_errors() {
    let server = Larder::start(&["--threads=1"]);
    let to = format!("--proto memcache -p {} -q -k 100", server.memcache);
    good(&format!("{to} --preload -n 0 --value-bytes 100"));
    let output = bench(&format!("{to} -n 1000 --gets 1 --value-bytes 99"));
    assert_eq!(output.status.code(), Some(1));
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.contains("1000 wrong length") && out.contains("100 bytes, not 99"), "{out}");
    // The same lengths, other contents: only a look at them tells.
    let mut stream = TcpStream::connect(("127.0.0.1", server.resp)).unwrap();
    for key in 0..100 {
        write!(stream, "SET key:{key:012} {}\r\n", "x".repeat(100)).unwrap();
    }
    stream.read_exact(&mut [0; 500]).unwrap();
    good(&format!("{to} -n 1000 --gets 1 --value-bytes 100"));
    let output = bench(&format!("{to} -n 1000 --gets 1 --value-bytes 100 --verify"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1000 wrong contents"));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = free_port();
    let output = bench(&format!("--proto resp -p {port} -n 1"));
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains(&format!("127.0.0.1:{port}")) && err.contains("refused"), "{err}");
}

/// A server that answers each connection's first bytes with `reply` and closes.
fn canned(reply: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(reply);
        }
    });
    port
}

#[test]
fn a_server_that_closes_or_talks_nonsense_is_given_up_with_its_words() {
    for (reply, words) in [(&b""[..], "closed by the server"), (b"+PONG\r\n", "no answer to a get: '+PONG'")]
    {
        let port = canned(reply);
        let output = bench(&format!("--proto resp -p {port} -c 1 -n 100 --gets 1 --reconnects 3 -q"));
        assert_eq!(output.status.code(), Some(2));
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(err.contains(words) && err.contains("more than 3 connections were lost"), "{err}");
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    // The kernel takes the connection; nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let output = bench(&format!("--proto resp -p {port} -c 1 -n 1 --timeout 0.2 -q"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no reply for 0.2 s"));
}
