//! Connections come and go: closes, resets, listeners, addresses. Each is gone exactly once (the server asserts it).

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use larder::reactor::{Choice, Options, Peer, Socket, bind};

use crate::over_both_drivers;
use crate::server::{Manner, News, Order, Server};

over_both_drivers!(
    reset_in_mid_send_ends_one_client_only,
    close_in_mid_send_lets_nothing_more_out,
    closes_that_race_with_bytes_are_clean,
    closed_slots_are_reused,
    unix_connections_are_served,
    addresses_are_told,
    stopped_listener_refuses_and_connections_live_on,
    dropped_driver_closes_its_connections,
);

fn assert_served(server: &Server) {
    let mut stream = server.connect();
    stream.write_all(b"x").expect("the server reads");
    stream.read_exact(&mut [0]).expect("the server answers");
}

fn reset_in_mid_send_ends_one_client_only(choice: Choice) {
    const LEN: usize = 64 << 20;
    let Some(server) = Server::start(choice, Options::default(), Manner::Flood(LEN)) else { return };
    for taken in [0, 1, 100_000, 10_000_000] {
        let (mut stream, socket) = server.connect_known();
        stream.write_all(b"x").expect("the server reads");
        server.await_news(&News::Received(socket, 1));
        stream.read_exact(&mut vec![0; taken]).expect("the server answers");
        // Closing with bytes unread resets the connection.
        stream.read_exact(&mut [0]).expect("the server answers");
        drop(stream);
        server.await_news(&News::Gone(socket));
        assert_served(&server);
    }
}

fn close_in_mid_send_lets_nothing_more_out(choice: Choice) {
    const LEN: usize = 64 << 20;
    let Some(server) = Server::start(choice, Options::default(), Manner::Flood(LEN)) else { return };
    let (mut stream, socket) = server.connect_known();
    stream.write_all(b"x").expect("the server reads");
    server.await_news(&News::Received(socket, 1));
    stream.read_exact(&mut vec![0; 1_000_000]).expect("the server answers");
    server.order(Order::Close(socket));
    server.order(Order::Close(socket));
    server.await_news(&News::Gone(socket));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("what the kernel had taken, then the end");
    assert!(rest.len() < LEN - 1_000_000);
}

fn closes_that_race_with_bytes_are_clean(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Slam) else { return };
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let address = server.address;
            std::thread::spawn(move || {
                for n in 0..200 {
                    let mut stream = TcpStream::connect(address).expect("the server listens");
                    // Both are right: the server may be faster or slower than the next write.
                    while stream.write_all(&[b'x'; 100]).is_ok() && n % 2 == 0 {}
                    if n % 3 == 0 {
                        let _ = stream.read(&mut [0]);
                    }
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    for _ in 0..1600 {
        server.find(|news| matches!(news, News::Gone(_)).then_some(()));
    }
}

fn closed_slots_are_reused(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let mut seen: HashSet<Socket> = HashSet::new();
    for _ in 0..300 {
        let (stream, socket) = server.connect_known();
        seen.insert(socket);
        drop(stream);
        server.await_news(&News::Gone(socket));
    }
    assert_eq!(seen.len(), 1);
}

fn unix_connections_are_served(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let (mut ours, theirs) = UnixStream::pair().expect("a socket pair");
    server.order(Order::Adopt(theirs.into()));
    let socket = server.find(|news| match news {
        News::Adopted(socket) => Some(*socket),
        _ => None,
    });
    ours.write_all(b"hello").expect("the server reads");
    let mut echo = [0; 5];
    ours.read_exact(&mut echo).expect("the server answers");
    assert_eq!(&echo, b"hello");
    server.order(Order::Ask(socket));
    server.await_news(&News::Peer(Peer::Unix("".into())));
}

fn addresses_are_told(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let (stream, socket) = server.connect_known();
    server.order(Order::Ask(socket));
    let peer = stream.local_addr().expect("a connected socket");
    server.await_news(&News::Peer(Peer::Ip { peer, local: server.address }));
}

fn stopped_listener_refuses_and_connections_live_on(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let (mut stream, _) = server.connect_known();
    server.order_done(Order::StopListening);
    server.order_done(Order::StopListening);
    // The listener closes with a turn, and turns are what these round trips make.
    for _ in 0..3 {
        stream.write_all(b"x").expect("the server reads");
        stream.read_exact(&mut [0]).expect("the server answers");
    }
    TcpListener::bind(server.address).expect("the port is free again");
}

fn dropped_driver_closes_its_connections(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Flood(64 << 20)) else { return };
    // Somebody may hold on to the waker, and with it to the ring, but not to the connections.
    let waker = server.waker.clone();
    let (mut idle, _) = server.connect_known();
    let (mut busy, socket) = server.connect_known();
    busy.write_all(b"x").expect("the server reads");
    server.await_news(&News::Received(socket, 1));
    drop(server);
    assert_eq!(idle.read(&mut [0]).expect("the end"), 0);
    // A reset is as good an end as another.
    let _ = busy.read_to_end(&mut Vec::new());
    waker.wake();
}

#[test]
fn addresses_that_cannot_be_bound_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let error = bind::tcp(address, 16).expect_err("the port is taken");
    assert_eq!(error.to_string(), format!("cannot listen on {address}: the address is in use"));
    let error = bind::tcp("192.0.2.1:0".parse().expect("an address"), 16).expect_err("not of this host");
    assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
    let error = bind::unix("/nonexistent/socket".as_ref(), 0o700).expect_err("no such directory");
    assert!(error.to_string().starts_with("cannot listen on /nonexistent/socket: "), "{error}");
}

#[test]
fn abandoned_unix_socket_is_replaced_and_a_used_one_is_not() {
    let directory = std::env::temp_dir().join(format!("larder-reactor-{}", std::process::id()));
    std::fs::create_dir(&directory).expect("a new directory");
    let path = directory.join("socket");
    let first = bind::unix(&path, 0o700).expect("a listener");
    bind::unix(&path, 0o700).expect_err("somebody listens");
    drop(first);
    let second = bind::unix(&path, 0o600).expect("nobody listens any more");
    UnixStream::connect(&path).expect("somebody listens");
    drop(second);
    std::fs::remove_dir_all(&directory).expect("our own directory");
}
