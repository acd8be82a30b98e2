//! The Rust client crates `redis` and `memcache` against the real binary: one keyspace behind both.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; stopped when dropped.
struct Server {
    process: Child,
    port: u16,
    memcache_port: u16,
}

impl Server {
    fn start(threads: u16) -> Server {
        let [port, memcache_port] = free_ports();
        let arguments = [
            ("--port", port.to_string()),
            ("--memcache_port", memcache_port.to_string()),
            ("--threads", threads.to_string()),
            ("--maxmemory", "64mb".to_string()),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        for (flag, value) in arguments {
            command.arg(flag).arg(value);
        }
        let process = command.stderr(Stdio::null()).spawn().expect("the binary starts");
        let server = Server { process, port, memcache_port };
        server.wait();
        server
    }

    /// Until both ports take connections. The bound is for a server that never comes up, not for a slow one.
    fn wait(&self) {
        let began = Instant::now();
        for port in [self.port, self.memcache_port] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(began.elapsed() < Duration::from_secs(60), "nobody listens on port {port}");
                std::thread::yield_now();
            }
        }
    }

    fn redis(&self) -> redis::Connection {
        let client =
            redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).expect("the address is one");
        client.get_connection().expect("the server answers")
    }

    fn memcache(&self) -> memcache::Client {
        memcache::connect(format!("memcache://127.0.0.1:{}?protocol=ascii", self.memcache_port))
            .expect("the server answers")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two, held at once, so that they differ.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("there is a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}

#[test]
fn what_one_client_stores_the_other_reads() {
    for threads in [1, 3] {
        let server = Server::start(threads);
        let (mut redis, memcache) = (server.redis(), server.memcache());
        for i in 0..100 {
            memcache.set(&format!("m{i}"), i, 100).unwrap();
            redis::cmd("SET").arg(format!("r{i}")).arg(i).arg("EX").arg(50).exec(&mut redis).unwrap();
        }
        for i in 0..100u64 {
            let (value, ttl): (u64, i64) = redis::pipe()
                .cmd("GET")
                .arg(format!("m{i}"))
                .cmd("TTL")
                .arg(format!("m{i}"))
                .query(&mut redis)
                .unwrap();
            assert_eq!(value, i);
            assert!((1..=100).contains(&ttl), "TTL {ttl}");
            assert_eq!(memcache.get::<u64>(&format!("r{i}")).unwrap(), Some(i));
        }
        memcache.flush().unwrap();
        assert_eq!(redis::cmd("DBSIZE").query::<u64>(&mut redis).unwrap(), 0);
    }
}

#[test]
fn the_memcache_crate_finds_what_it_expects() {
    let server = Server::start(2);
    let client = server.memcache();
    client.set("n", 10, 0).unwrap();
    assert_eq!(client.increment("n", 5).unwrap(), 15);
    assert_eq!(client.decrement("n", 20).unwrap(), 0);
    // The crate takes NOT_STORED for an answer like any other.
    client.add("n", 1, 0).unwrap();
    assert_eq!(client.get::<String>("n").unwrap().as_deref(), Some("0 "), "decr keeps the length");
    client.set("text", "abc", 0).unwrap();
    client.append("text", "d").unwrap();
    client.prepend("text", "_").unwrap();
    let (value, _, Some(cas)) = client.get::<(Vec<u8>, u32, Option<u64>)>("text").unwrap().unwrap() else {
        panic!("gets answers with a cas unique")
    };
    assert_eq!(value, b"_abcd");
    assert!(client.cas("text", "new", 0, cas).unwrap());
    assert!(!client.cas("text", "newer", 0, cas).unwrap());
    let found = client.gets::<String>(&["text", "n", "none"]).unwrap();
    assert_eq!(found.len(), 2);
    assert!(client.touch("text", 100).unwrap());
    assert!(client.delete("text").unwrap());
    assert!(client.version().unwrap()[0].1.starts_with("1.6"));
}

#[test]
fn the_redis_crate_runs_transactions_over_shards() {
    let server = Server::start(3);
    let mut redis = server.redis();
    let keys: Vec<String> = (0..20).map(|i| format!("account:{i}")).collect();
    let mut deposit = redis::pipe();
    deposit.atomic();
    for key in &keys {
        deposit.cmd("INCRBY").arg(key).arg(10).ignore();
    }
    deposit.cmd("MGET").arg(&keys);
    let (balances,): (Vec<i64>,) = deposit.query(&mut redis).unwrap();
    assert_eq!(balances, vec![10; 20]);
    let (other, kept): ((), i64) = redis::transaction(&mut redis, &keys[..2], |connection, pipe| {
        let first: i64 = redis::cmd("GET").arg(&keys[0]).query(connection)?;
        pipe.cmd("RENAME")
            .arg(&keys[0])
            .arg(&keys[1])
            .cmd("INCRBY")
            .arg(&keys[1])
            .arg(first)
            .query(connection)
    })
    .unwrap();
    assert_eq!(((), 20), (other, kept));
}
