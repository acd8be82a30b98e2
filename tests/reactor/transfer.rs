//! Bytes go through whole and in order, whatever the sockets do to them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use larder::reactor::{Choice, Options};

use crate::over_both_drivers;
use crate::server::{Manner, News, Order, Server, pattern};

over_both_drivers!(
    torn_input_is_echoed_in_order,
    half_closed_client_gets_its_replies,
    slow_reader_gets_all_of_a_large_reply,
    what_the_peer_takes_of_a_send_is_told,
    chained_sends_need_no_other_event,
    paused_client_is_pushed_back_until_resumed,
    pause_and_resume_in_any_order_lose_nothing,
    pipelining_in_both_directions_moves_all_bytes,
);

/// Sends `bytes` in pieces of `piece` bytes from another thread, then closes the sending half.
fn send_in_pieces(stream: &TcpStream, bytes: Vec<u8>, piece: usize) -> std::thread::JoinHandle<()> {
    let mut stream = stream.try_clone().expect("a descriptor");
    std::thread::spawn(move || {
        for piece in bytes.chunks(piece) {
            stream.write_all(piece).expect("the server reads");
        }
        stream.shutdown(Shutdown::Write).expect("a connected socket");
    })
}

fn torn_input_is_echoed_in_order(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    for piece in [1, 7, 1000, 16 << 10, 100_000] {
        let mut stream = server.connect();
        stream.set_nodelay(true).expect("a connected socket");
        let bytes: Vec<u8> = (0..piece * 30).map(pattern).collect();
        let sender = send_in_pieces(&stream, bytes.clone(), piece);
        let mut echo = Vec::new();
        stream.read_to_end(&mut echo).expect("the server answers");
        assert!(echo == bytes, "pieces of {piece}");
        sender.join().expect("all was sent");
    }
}

fn half_closed_client_gets_its_replies(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Flood(5_000_000)) else { return };
    let (mut stream, socket) = server.connect_known();
    stream.write_all(b"xx").expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("a connected socket");
    server.await_news(&News::Ended(socket));
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("the server answers");
    assert!(reply.len() == 10_000_000);
    server.await_news(&News::Gone(socket));
}

fn slow_reader_gets_all_of_a_large_reply(choice: Choice) {
    const LEN: usize = 64 << 20;
    let Some(server) = Server::start(choice, Options::default(), Manner::Flood(LEN)) else { return };
    let (mut stream, socket) = server.connect_known();
    stream.write_all(b"x").expect("the server reads");
    server.await_news(&News::Received(socket, 1));
    let mut bytes = vec![0; 1000];
    let mut at = 0;
    while at < LEN {
        let len = stream.read(&mut bytes).expect("the server answers");
        assert!(len > 0 && bytes[..len].iter().enumerate().all(|(i, &b)| b == pattern(at + i)), "at {at}");
        at += len;
        // Reads of all sizes, now and then many in a row: the socket is full, half full and empty by turns.
        bytes.resize(1 + (at * 7919) % 70_000, 0);
    }
    server.await_news(&News::Sent(socket, LEN));
}

fn what_the_peer_takes_of_a_send_is_told(choice: Choice) {
    const LEN: usize = 64 << 20;
    let Some(server) = Server::start(choice, Options::default(), Manner::Flood(LEN)) else { return };
    let (mut stream, socket) = server.connect_known();
    let untaken = || {
        server.order(Order::AskUntaken(socket));
        server.find(|news| if let News::Untaken(bytes) = news { Some(*bytes) } else { None })
    };
    assert_eq!(untaken(), 0);
    stream.write_all(b"x").expect("the server reads");
    server.await_news(&News::Received(socket, 1));
    // Its own socket takes some; then it stands still at what the client has not read.
    let still = || {
        let mut last = untaken();
        loop {
            let next = untaken();
            if std::mem::replace(&mut last, next) == next && next > 0 {
                return next;
            }
        }
    };
    let mut before = still();
    assert!(before <= LEN as u64);
    let mut read = vec![0; 8 << 20];
    for _ in 0..3 {
        stream.read_exact(&mut read).expect("the server answers");
        let after = loop {
            let after = untaken();
            if after < before {
                break after;
            }
        };
        before = after.min(still());
    }
    stream.read_exact(&mut vec![0; LEN - 3 * read.len()]).expect("the server answers");
    server.await_news(&News::Sent(socket, LEN));
    assert_eq!(untaken(), 0);
}

fn chained_sends_need_no_other_event(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Chain(1000)) else { return };
    let mut stream = server.connect();
    stream.write_all(b"x").expect("the server reads");
    stream.read_exact(&mut [0; 1000]).expect("the server answers");
}

/// Round trips of another client, so that the server has had its turns.
fn turn_it(server: &Server) {
    for _ in 0..50 {
        server.waker.wake();
        server.await_news(&News::Woken);
    }
}

fn paused_client_is_pushed_back_until_resumed(choice: Choice) {
    const LEN: usize = 64 << 20;
    let Some(server) = Server::start(choice, Options::default(), Manner::Swallow) else { return };
    let (mut stream, socket) = server.connect_known();
    server.order_done(Order::Pause(socket));
    turn_it(&server);
    let sender = {
        stream.set_nonblocking(true).expect("a connected socket");
        let bytes = vec![b'x'; 1 << 20];
        let mut sent = 0;
        loop {
            match stream.write(&bytes) {
                Ok(len) => sent += len,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => panic!("{e}"),
            }
            assert!(sent < LEN, "nobody pushes back");
        }
        turn_it(&server);
        assert!(server.news.try_iter().all(|news| !matches!(news, News::Received(..))), "read while paused");
        stream.set_nonblocking(false).expect("a connected socket");
        let rest = vec![b'x'; LEN - sent];
        send_in_pieces(&stream, rest, 1 << 20)
    };
    server.order(Order::Resume(socket));
    let mut received = 0;
    while received < LEN {
        received += server.find(|news| match news {
            News::Received(s, len) if *s == socket => Some(*len),
            _ => None,
        });
    }
    assert_eq!(received, LEN);
    sender.join().expect("all was sent");
    server.await_news(&News::Gone(socket));
}

fn pause_and_resume_in_any_order_lose_nothing(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let (mut stream, socket) = server.connect_known();
    let bytes: Vec<u8> = (0..8 << 20).map(pattern).collect();
    let sender = send_in_pieces(&stream, bytes.clone(), 10_000);
    let reader = std::thread::spawn(move || {
        let mut echo = Vec::new();
        stream.read_to_end(&mut echo).expect("the server answers");
        echo
    });
    let mut random = 1u64;
    for _ in 0..500 {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // Several orders may meet in one turn, with and without an end of the receive in between.
        match random >> 62 {
            0 => server.order(Order::Pause(socket)),
            1 => server.order(Order::Resume(socket)),
            2 => [Order::Pause(socket), Order::Resume(socket)].into_iter().for_each(|o| server.order(o)),
            _ => [Order::Resume(socket), Order::Pause(socket)].into_iter().for_each(|o| server.order_done(o)),
        }
    }
    server.order(Order::Resume(socket));
    assert!(reader.join().expect("a reply") == bytes);
    sender.join().expect("all was sent");
}

fn pipelining_in_both_directions_moves_all_bytes(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Echo) else { return };
    let clients: Vec<_> = (0..20)
        .map(|n| {
            let mut stream = server.connect();
            std::thread::spawn(move || {
                let bytes: Vec<u8> = (0..1 << 20).map(|at| pattern(at + n)).collect();
                let sender = send_in_pieces(&stream, bytes.clone(), 4096 + n);
                let mut echo = Vec::new();
                stream.read_to_end(&mut echo).expect("the server answers");
                sender.join().expect("all was sent");
                echo == bytes
            })
        })
        .collect();
    assert!(clients.into_iter().all(|client| client.join().expect("a client")));
}
