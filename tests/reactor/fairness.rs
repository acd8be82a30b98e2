//! A client that sends without end gets its share of a turn and no more.

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use larder::reactor::{Choice, Door, Driver, Events, Options, Reactor, Socket, Wait, open};

use crate::over_both_drivers;

over_both_drivers!(greedy_client_gets_its_share_of_a_turn);

#[derive(Default)]
struct Counter {
    bytes: usize,
}

impl Events for Counter {
    fn accepted(&mut self, _: OwnedFd, _: Door) {}
    fn received(&mut self, _: Socket, bytes: &[u8]) {
        self.bytes += bytes.len();
    }
    fn sent(&mut self, _: Socket, _: Vec<u8>) {}
    fn ended(&mut self, _: Socket) {}
    fn gone(&mut self, _: Socket) {}
    fn woken(&mut self) {}
    fn refusal(&mut self, _: Door) -> &[u8] {
        &[]
    }
}

fn greedy_client_gets_its_share_of_a_turn(choice: Choice) {
    fn count<D: Driver>(mut driver: D) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a listener");
        let (served, _) = listener.accept().expect("a client");
        client.set_nonblocking(true).expect("a socket");
        let mut sent = 0;
        loop {
            match client.write(&[b'x'; 1 << 16]) {
                Ok(len) => sent += len,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => panic!("{e}"),
            }
        }
        driver.adopt(served.into()).expect("a connected socket");
        let mut counter = Counter::default();
        let options = Options::default();
        let lent_bytes = usize::from(options.buffers) * options.buffer_bytes as usize;
        let share_bytes = (options.receive_bytes_max + options.buffer_bytes) as usize;
        let (mut received, mut turns) = (0, 0);
        while received < sent {
            counter.bytes = 0;
            driver.turn(Wait::Forever, &mut counter).expect("a working driver");
            received += counter.bytes;
            turns += 1;
            // io_uring gives a first burst before it is seen what it is.
            let bytes_max = if turns <= 2 { lent_bytes } else { share_bytes };
            assert!(counter.bytes <= bytes_max, "{} bytes in turn {turns}", counter.bytes);
        }
    }
    match open(choice, &Options::default()) {
        Ok((Reactor::Uring(driver), _)) => count(driver),
        Ok((Reactor::Poll(driver), _)) => count(driver),
        Err(error) => eprintln!("skipped: {error}"),
    }
}
