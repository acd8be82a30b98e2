//! A server that parses next to nothing and answers RESP requests of the load generator from canned bytes: what
//! a driver costs, to be compared with the yardstick's floor.
//!
//! `cargo bench --bench reactor -- PORT uring|poll [VALUE_BYTES]`, then the load generator's `get` and `set` runs
//! with keys of 16 bytes.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use larder::reactor::{Choice, Door, Driver, Events, Options, Reactor, Report, Socket, Wait, bind, open};

/// `*2 $3 GET $16 key`, as the load generator writes it.
const GET_BYTES: usize = 36;

#[derive(Default)]
struct Client {
    /// Bytes of a value still to be skipped.
    skip: usize,
    part: Vec<u8>,
    out: Vec<u8>,
    sending: bool,
    dirty: bool,
}

struct Canned {
    value: Vec<u8>,
    set_bytes: usize,
    clients: Vec<Client>,
    dirty: Vec<Socket>,
    accepted: Vec<OwnedFd>,
    ended: Vec<Socket>,
    spare: Vec<Vec<u8>>,
}

impl Client {
    /// Answers the whole requests in `bytes`; returns how many bytes are left over.
    fn answer(&mut self, bytes: &[u8], value: &[u8], set_bytes: usize) -> usize {
        let mut rest = bytes;
        loop {
            let skipped = self.skip.min(rest.len());
            self.skip -= skipped;
            rest = &rest[skipped..];
            if rest.len() < GET_BYTES {
                return rest.len();
            }
            if rest[1] == b'2' {
                self.out.extend_from_slice(value);
                rest = &rest[GET_BYTES..];
            } else {
                self.out.extend_from_slice(b"+OK\r\n");
                self.skip = set_bytes;
            }
        }
    }
}

impl Events for Canned {
    fn accepted(&mut self, descriptor: OwnedFd, _: Door) {
        self.accepted.push(descriptor);
    }

    fn received(&mut self, socket: Socket, bytes: &[u8]) {
        let client = &mut self.clients[socket.0 as usize];
        if client.out.capacity() == 0 {
            client.out = self.spare.pop().unwrap_or_default();
        }
        if client.part.is_empty() {
            let left = client.answer(bytes, &self.value, self.set_bytes);
            client.part.extend_from_slice(&bytes[bytes.len() - left..]);
        } else {
            let mut joined = std::mem::take(&mut client.part);
            joined.extend_from_slice(bytes);
            let left = client.answer(&joined, &self.value, self.set_bytes);
            joined.drain(..joined.len() - left);
            client.part = joined;
        }
        if !client.dirty {
            client.dirty = true;
            self.dirty.push(socket);
        }
    }

    fn sent(&mut self, socket: Socket, mut buffer: Vec<u8>) {
        let client = &mut self.clients[socket.0 as usize];
        client.sending = false;
        buffer.clear();
        self.spare.push(buffer);
        if !client.out.is_empty() && !client.dirty {
            client.dirty = true;
            self.dirty.push(socket);
        }
    }

    fn ended(&mut self, socket: Socket) {
        self.ended.push(socket);
    }

    fn gone(&mut self, socket: Socket) {
        self.clients[socket.0 as usize] = Client::default();
    }

    fn woken(&mut self) {}

    fn refusal(&mut self, _: Door) -> &[u8] {
        b"-ERR max number of clients reached\r\n"
    }
}

fn serve<D: Driver>(mut driver: D, port: u16, mut canned: Canned) {
    let listener = bind::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), 1024).expect("a free port");
    driver.listen(listener, Door(0)).expect("a listening socket");
    loop {
        driver.turn(Wait::Forever, &mut canned).expect("a working driver");
        for descriptor in canned.accepted.drain(..) {
            let socket = driver.adopt(descriptor).expect("a connected socket");
            canned.clients.resize_with(canned.clients.len().max(socket.0 as usize + 1), Client::default);
        }
        for socket in canned.dirty.drain(..) {
            let client = &mut canned.clients[socket.0 as usize];
            client.dirty = false;
            if !client.sending && !client.out.is_empty() {
                client.sending = true;
                driver.send(socket, std::mem::take(&mut client.out), Report::Lazily);
            }
        }
        for socket in canned.ended.drain(..) {
            driver.close(socket);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [port, choice, rest @ ..] = &arguments[..] else {
        // `cargo test --benches` and `cargo bench` without arguments have nothing to measure against.
        return println!("usage: cargo bench --bench reactor -- PORT uring|poll [VALUE_BYTES]");
    };
    let port = port.parse().expect("a port");
    let value_bytes: usize = rest.first().map_or(256, |bytes| bytes.parse().expect("a number of bytes"));
    let mut value = format!("${value_bytes}\r\n").into_bytes();
    value.extend(std::iter::repeat_n(b'x', value_bytes));
    value.extend(b"\r\n");
    let key = "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n".len();
    let set_bytes = key + value.len();
    let canned = Canned {
        value,
        set_bytes,
        clients: Vec::new(),
        dirty: Vec::new(),
        accepted: Vec::new(),
        ended: Vec::new(),
        spare: Vec::new(),
    };
    let choice = if choice == "poll" { Choice::Poll } else { Choice::Uring };
    let (reactor, way) = open(choice, &Options::default()).expect("a driver");
    eprintln!("{way}");
    match reactor {
        Reactor::Uring(driver) => serve(driver, port, canned),
        Reactor::Poll(driver) => serve(driver, port, canned),
    }
}
