//! Bytes that are received straight into a block of the core's: in order with those that are not, whatever happens
//! meanwhile.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use larder::reactor::{Choice, Options, Socket};
use socket2::SockRef;

use crate::over_both_drivers;
use crate::server::{Manner, News, Order, Server, pattern};

over_both_drivers!(
    blocks_and_buffers_take_a_stream_in_order,
    blocks_are_pausable_and_lose_nothing,
    half_close_brings_the_block_back_before_the_end,
    closed_and_reset_connections_take_their_blocks_along,
    a_block_gets_its_share_of_a_turn,
    dropped_driver_frees_the_blocks_that_it_has,
);

fn echoed(server: &Server, bytes: &[u8], piece: usize, meanwhile: impl FnOnce(Socket)) {
    let (mut stream, socket) = server.connect_known();
    stream.set_nodelay(true).expect("a connected socket");
    let mut writer = stream.try_clone().expect("a descriptor");
    let sent = bytes.to_vec();
    let sender = std::thread::spawn(move || {
        for piece in sent.chunks(piece) {
            writer.write_all(piece).expect("the server reads");
        }
        writer.shutdown(Shutdown::Write).expect("a connected socket");
    });
    let reader = std::thread::spawn(move || {
        let mut echo = Vec::new();
        stream.read_to_end(&mut echo).expect("the server answers");
        echo
    });
    meanwhile(socket);
    assert!(reader.join().expect("a reply") == bytes, "pieces of {piece}");
    sender.join().expect("all was sent");
}

fn blocks_and_buffers_take_a_stream_in_order(choice: Choice) {
    for block in [1, 100, 20_000, 3 << 20] {
        let options = Options { buffers: 2, buffers_max: 4, buffer_bytes: 4096, ..Options::default() };
        let Some(server) = Server::start(choice, options, Manner::Blocks(block)) else { return };
        for piece in [1, 1000, 4096, 70_000, 1 << 20] {
            let bytes: Vec<u8> = (0..(piece * 30).min(block * 5000).min(8 << 20)).map(pattern).collect();
            echoed(&server, &bytes, piece, |_| {});
        }
    }
}

fn blocks_are_pausable_and_lose_nothing(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Blocks(50_000)) else { return };
    let bytes: Vec<u8> = (0..8 << 20).map(pattern).collect();
    echoed(&server, &bytes, 10_000, |socket| {
        let mut random = 1u64;
        for _ in 0..500 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            match random >> 62 {
                0 => server.order(Order::Pause(socket)),
                1 => server.order(Order::Resume(socket)),
                2 => [Order::Pause(socket), Order::Resume(socket)].into_iter().for_each(|o| server.order(o)),
                _ => [Order::Resume(socket), Order::Pause(socket)]
                    .into_iter()
                    .for_each(|o| server.order_done(o)),
            }
        }
        server.order(Order::Resume(socket));
    });
}

fn half_close_brings_the_block_back_before_the_end(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Blocks(1 << 20)) else { return };
    for more in [0, 5, 500_000] {
        let (mut stream, socket) = server.connect_known();
        stream.write_all(b"x").expect("the server reads");
        server.await_news(&News::Given(socket));
        let bytes: Vec<u8> = (0..more).map(pattern).collect();
        stream.write_all(&bytes).expect("the server reads");
        stream.shutdown(Shutdown::Write).expect("a connected socket");
        let mut echo = Vec::new();
        stream.read_to_end(&mut echo).expect("the server answers");
        assert!(echo[0] == b'x' && echo[1..] == bytes[..]);
        server.await_news(&News::Gone(socket));
    }
}

fn closed_and_reset_connections_take_their_blocks_along(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Blocks(1 << 20)) else { return };
    for round in 0..60 {
        let (mut stream, socket) = server.connect_known();
        stream.write_all(b"x").expect("the server reads");
        server.await_news(&News::Given(socket));
        if round % 3 == 0 {
            // It races with bytes.
            stream.write_all(&[b'y'; 30_000]).expect("the server reads");
        }
        match round % 4 {
            0 => server.order(Order::Close(socket)),
            1 => {
                [Order::Pause(socket), Order::Close(socket)].into_iter().for_each(|order| server.order(order))
            }
            2 => {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
                drop(stream);
            }
            _ => {
                server.order(Order::Close(socket));
                drop(stream);
            }
        }
        server.await_news(&News::Gone(socket));
    }
    echoed(&server, b"served still", 3, |_| {});
}

fn a_block_gets_its_share_of_a_turn(choice: Choice) {
    let options = Options { receive_bytes_max: 10_000, buffer_bytes: 4096, ..Options::default() };
    let Some(server) = Server::start(choice, options, Manner::Blocks(1 << 20)) else { return };
    let bytes: Vec<u8> = (0..2 << 20).map(pattern).collect();
    echoed(&server, &bytes, 1 << 20, |_| {});
    let mut blocks = 0;
    for news in server.news.try_iter() {
        if let News::Filled(_, bytes) = news {
            blocks += 1;
            assert!(bytes <= 10_000);
        }
    }
    assert!(blocks > 50, "{blocks}");
}

fn dropped_driver_frees_the_blocks_that_it_has(choice: Choice) {
    let Some(server) = Server::start(choice, Options::default(), Manner::Blocks(1 << 20)) else { return };
    let (mut stream, socket) = server.connect_known();
    stream.write_all(b"x").expect("the server reads");
    server.await_news(&News::Given(socket));
    drop(server);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() <= 1);
}
