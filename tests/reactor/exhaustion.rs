//! Something runs out: buffers, queue entries, descriptors. Nobody is forgotten.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};

use larder::reactor::{Choice, Options};

use crate::over_both_drivers;
use crate::server::{Manner, News, Order, Server, pattern};

over_both_drivers!(
    two_buffers_serve_fifty_busy_clients,
    lent_buffers_grow_and_serve_all,
    buffers_of_a_burst_go_back_and_come_again,
    full_queues_lose_nothing,
    two_thousand_connections_are_served_and_freed,
    clients_beyond_the_descriptor_limit_are_told,
);

/// So many clients send so many bytes each, all at once, and get them back.
fn echo_storm(server: &Server, clients: usize, len: usize) {
    let clients: Vec<_> = (0..clients)
        .map(|n| {
            let mut stream = server.connect();
            std::thread::spawn(move || {
                let bytes: Vec<u8> = (0..len).map(|at| pattern(at * 3 + n)).collect();
                let mut writer = stream.try_clone().expect("a descriptor");
                let sent = bytes.clone();
                let sender = std::thread::spawn(move || {
                    writer.write_all(&sent).expect("the server reads");
                    writer.shutdown(Shutdown::Write).expect("a connected socket");
                });
                let mut echo = Vec::new();
                stream.read_to_end(&mut echo).expect("the server answers");
                sender.join().expect("all was sent");
                echo == bytes
            })
        })
        .collect();
    assert!(clients.into_iter().all(|client| client.join().expect("a client")));
}

fn two_buffers_serve_fifty_busy_clients(choice: Choice) {
    let options = Options { buffers: 2, buffers_max: 2, buffer_bytes: 512, ..Options::default() };
    let Some(server) = Server::start(choice, options, Manner::Echo) else { return };
    echo_storm(&server, 50, 100_000);
}

fn lent_buffers_grow_and_serve_all(choice: Choice) {
    let options = Options { buffers: 1, buffers_max: 32, buffer_bytes: 1000, ..Options::default() };
    let Some(server) = Server::start(choice, options, Manner::Echo) else { return };
    echo_storm(&server, 50, 100_000);
}

fn buffers_of_a_burst_go_back_and_come_again(choice: Choice) {
    let options = Options { buffers: 2, buffers_max: 32, buffer_bytes: 4096, ..Options::default() };
    let Some(server) = Server::start(choice, options, Manner::Echo) else { return };
    let rest = || {
        server.order(Order::Rest);
        server.find(|news| if let News::Holds(bytes) = news { Some(*bytes) } else { None })
    };
    for idle in [true, false, true] {
        echo_storm(&server, 50, 100_000);
        let grown = rest();
        if choice == Choice::Uring {
            assert!(grown > 4 * 4096, "{grown}");
        }
        let mut stream = server.connect();
        let mut held = grown;
        for _ in 0..200 {
            if !idle {
                // What comes back is not lent again.
                stream.write_all(b"x").expect("the server reads");
                stream.read_exact(&mut [0]).expect("the server answers");
            }
            held = rest();
        }
        assert!(held <= 2 * 4096, "{held} of {grown} bytes");
    }
}

fn full_queues_lose_nothing(choice: Choice) {
    let options = Options { submissions: 2, ..Options::default() };
    let Some(server) = Server::start(choice, options, Manner::Echo) else { return };
    echo_storm(&server, 100, 50_000);
}

fn two_thousand_connections_are_served_and_freed(choice: Choice) {
    const CONNECTIONS: usize = 2000;
    raise_descriptor_limit();
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    for round in 0..3 {
        for (n, client) in clients.iter_mut().enumerate() {
            client.write_all(&(n * 3 + round).to_le_bytes()).expect("the server reads");
        }
        for (n, client) in clients.iter_mut().enumerate() {
            let mut echo = [0; 8];
            client.read_exact(&mut echo).expect("the server answers");
            assert_eq!(usize::from_le_bytes(echo), n * 3 + round);
        }
    }
    drop(clients);
    for _ in 0..CONNECTIONS {
        server.find(|news| matches!(news, News::Gone(_)).then_some(()));
    }
}

/// Lets this process have as many descriptors as it may.
fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is alive for both calls.
    #[allow(unsafe_code)]
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max.min(20_000);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
}

const LIMITED: &str = "LARDER_TEST_LIMITED_DRIVER";

/// Not a test by itself: the server of the next one, in a process that may have few descriptors. It serves
/// until its input ends.
#[test]
fn limited_process() {
    let Ok(driver) = std::env::var(LIMITED) else { return };
    let choice = if driver == "Uring" { Choice::Uring } else { Choice::Poll };
    let server = Server::start(choice, Options::default(), Manner::Echo);
    let address = server.as_ref().map_or(String::from("none"), |s| s.address.to_string());
    println!("\naddress {address}");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("a pipe");
}

/// What a new client gets for a byte: that byte, or a refusal.
fn knock(address: &str) -> (TcpStream, bool) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    // A client that is refused may be closed before its byte arrives.
    let _ = stream.write_all(b"x");
    let mut answer = [0; 5];
    let mut len = 0;
    while len == 0 || answer[0] != b'x' && len < 5 {
        match stream.read(&mut answer[len..]) {
            Ok(0) | Err(_) => break,
            Ok(more) => len += more,
        }
    }
    let served = &answer[..len] == b"x";
    assert!(served || &answer[..len] == b"full\n" || len == 0, "answered {:?}", &answer[..len]);
    (stream, served)
}

fn clients_beyond_the_descriptor_limit_are_told(choice: Choice) {
    let program = std::env::current_exe().expect("this test");
    let script = "ulimit -n 64; exec \"$0\" --exact exhaustion::limited_process --nocapture";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(program)
        .env(LIMITED, format!("{choice:?}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let address = output
        .by_ref()
        .lines()
        .map(|line| line.expect("text"))
        .find_map(|line| line.strip_prefix("address ").map(String::from))
        .expect("the address of the server");
    if address != "none" {
        let mut served = Vec::new();
        let mut refused = 0;
        for _ in 0..100 {
            let (stream, ok) = knock(&address);
            if ok { served.push(stream) } else { refused += 1 }
        }
        assert!(served.len() > 20 && refused > 20, "{} served, {refused} refused", served.len());
        // Those who are served still are.
        for stream in &mut served {
            stream.write_all(b"y").expect("the server reads");
            stream.read_exact(&mut [0]).expect("the server answers");
        }
        // With descriptors to spare again, so are new ones.
        served.truncate(10);
        while !knock(&address).1 {}
    }
    drop(child.stdin.take());
    output.read_to_end(&mut Vec::new()).expect("a pipe");
    assert!(child.wait().expect("a child").success());
}
