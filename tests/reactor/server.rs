//! A core for tests, turned by a real driver on a thread of its own: it echoes, swallows or floods, does what
//! it is ordered to, and reports everything that happens to it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use slabs::Draft;

use larder::reactor::{
    Choice, Door, Driver, Events, Options, Peer, Reactor, Report, Socket, Wait, Waker, bind, open,
};

/// What a connection does with what it receives.
#[derive(Clone, Copy, PartialEq)]
pub enum Manner {
    /// Sends it back.
    Echo,
    /// Counts it.
    Swallow,
    /// Sends so many bytes of the pattern for each byte.
    Flood(usize),
    /// Sends so many single bytes for each byte, each when the one before it has left.
    Chain(usize),
    /// Closes at once.
    Slam,
    /// Sends it back, and after each receive has the next bytes received into a block of this size, but for every fifth
    /// time.
    Blocks(usize),
}

/// What a server can be told to do.
pub enum Order {
    Pause(Socket),
    Resume(Socket),
    Close(Socket),
    Ask(Socket),
    AskUntaken(Socket),
    /// Lets the driver rest and asks what it holds.
    Rest,
    Adopt(OwnedFd),
    Wake(Waker),
    StopListening,
    Leave,
}

/// What a server tells.
#[derive(Debug, PartialEq)]
pub enum News {
    Adopted(Socket),
    Received(Socket, usize),
    /// A block has come back with so many bytes.
    Filled(Socket, usize),
    /// The driver has got a block.
    Given(Socket),
    /// Bytes that it receives into.
    Holds(u64),
    Sent(Socket, usize),
    Ended(Socket),
    Gone(Socket),
    Woken,
    Peer(Peer),
    Untaken(u64),
    Done,
}

pub struct Server {
    pub address: SocketAddr,
    pub waker: Waker,
    pub news: Receiver<News>,
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on a free port. None if this host does not permit the driver.
    pub fn start(choice: Choice, options: Options, manner: Manner) -> Option<Server> {
        let listener =
            bind::tcp("127.0.0.1:0".parse().expect("an address"), 4096).expect("a free port of loopback");
        let address = TcpListener::from(listener.try_clone().expect("a descriptor")).local_addr();
        let (orders, to_do) = mpsc::channel();
        let (tell, news) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let core = Core { manner, clients: Vec::new(), accepted: Vec::new(), woken: false, tell };
            match open(choice, &options) {
                Ok((Reactor::Uring(driver), _)) => core.run(driver, listener, &to_do, &ready),
                Ok((Reactor::Poll(driver), _)) => core.run(driver, listener, &to_do, &ready),
                Err(error) => eprintln!("skipped: {error}"),
            }
        });
        let waker = started.recv().ok()?;
        Some(Server { address: address.expect("an address"), waker, news, orders, thread: Some(thread) })
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).expect("the server listens")
    }

    /// Connects and waits for the connection to be adopted.
    pub fn connect_known(&self) -> (TcpStream, Socket) {
        let stream = self.connect();
        let socket = self.find(|news| match news {
            News::Adopted(socket) => Some(*socket),
            _ => None,
        });
        (stream, socket)
    }

    /// The first news, from here on, that `pick` picks.
    pub fn find<T>(&self, pick: impl Fn(&News) -> Option<T>) -> T {
        loop {
            let news = self.news.recv().expect("the server lives");
            if let Some(found) = pick(&news) {
                return found;
            }
        }
    }

    /// Waits for this piece of news.
    pub fn await_news(&self, awaited: &News) {
        self.find(|news| (news == awaited).then_some(()));
    }

    pub fn order(&self, order: Order) {
        self.orders.send(order).expect("the server lives");
        self.waker.wake();
    }

    /// Gives an order and waits until it was followed.
    pub fn order_done(&self, order: Order) {
        self.order(order);
        self.await_news(&News::Done);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Leave);
        self.waker.wake();
        let result = self.thread.take().expect("dropped once").join();
        if !std::thread::panicking() {
            result.expect("the server's thread ends well");
        }
    }
}

#[derive(Default)]
struct Client {
    alive: bool,
    out: Vec<u8>,
    sending: bool,
    chain: usize,
    slam: bool,
    ended: bool,
    has_block: bool,
    /// The next bytes are to be received into a block.
    wants_block: bool,
    receives: usize,
}

struct Core {
    manner: Manner,
    clients: Vec<Client>,
    accepted: Vec<OwnedFd>,
    woken: bool,
    tell: Sender<News>,
}

/// Byte `at` of what a flood sends.
pub fn pattern(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

impl Core {
    fn tell(&self, news: News) {
        // A test that has seen enough listens no more.
        let _ = self.tell.send(news);
    }

    fn client(&mut self, socket: Socket) -> &mut Client {
        let client = &mut self.clients[socket.0 as usize];
        assert!(client.alive, "an event for {socket:?}, which is gone");
        client
    }

    fn adopt<D: Driver>(&mut self, driver: &mut D, descriptor: OwnedFd) {
        let socket = driver.adopt(descriptor).expect("a connected socket");
        let slots = self.clients.len().max(socket.0 as usize + 1);
        self.clients.resize_with(slots, Client::default);
        assert!(!self.clients[socket.0 as usize].alive, "{socket:?} is taken twice");
        self.clients[socket.0 as usize].alive = true;
        self.tell(News::Adopted(socket));
    }

    fn run<D: Driver>(
        mut self,
        mut driver: D,
        listener: OwnedFd,
        orders: &Receiver<Order>,
        ready: &Sender<Waker>,
    ) {
        driver.listen(listener, Door(7)).expect("a listening socket");
        ready.send(driver.waker()).expect("the test waits");
        loop {
            driver.turn(Wait::Forever, &mut self).expect("a working driver");
            for descriptor in std::mem::take(&mut self.accepted) {
                self.adopt(&mut driver, descriptor);
            }
            if std::mem::take(&mut self.woken) {
                for order in orders.try_iter() {
                    if !self.follow(&mut driver, order) {
                        return;
                    }
                }
            }
            for index in 0..self.clients.len() {
                self.flush(&mut driver, Socket(index as u32));
            }
        }
    }

    fn follow<D: Driver>(&mut self, driver: &mut D, order: Order) -> bool {
        match order {
            Order::Pause(socket) => driver.pause(socket),
            Order::Resume(socket) => driver.resume(socket),
            Order::Close(socket) => driver.close(socket),
            Order::Ask(socket) => self.tell(News::Peer(driver.peer(socket).expect("addresses"))),
            Order::AskUntaken(socket) => self.tell(News::Untaken(driver.untaken(socket).expect("a number"))),
            Order::Rest => {
                driver.rest();
                self.tell(News::Holds(driver.receive_bytes()));
            }
            Order::Adopt(descriptor) => self.adopt(driver, descriptor),
            Order::Wake(waker) => driver.wake(&waker),
            Order::StopListening => driver.stop_listening(),
            Order::Leave => return false,
        }
        self.tell(News::Done);
        true
    }

    fn give_block<D: Driver>(&mut self, driver: &mut D, socket: Socket) {
        let Manner::Blocks(bytes) = self.manner else { return };
        let client = &mut self.clients[socket.0 as usize];
        if !client.alive || client.ended || !std::mem::take(&mut client.wants_block) {
            return;
        }
        client.has_block = true;
        // Sometimes it has room for more than is wanted.
        let block = Draft::new(bytes + client.receives % 3).expect("memory");
        driver.receive_into(socket, block, bytes);
        self.tell(News::Given(socket));
    }

    fn flush<D: Driver>(&mut self, driver: &mut D, socket: Socket) {
        self.give_block(driver, socket);
        let client = &mut self.clients[socket.0 as usize];
        if !client.alive || client.sending {
            return;
        }
        if client.slam {
            driver.close(socket);
        } else if client.chain > 0 {
            client.chain -= 1;
            client.sending = true;
            driver.send(socket, vec![b'.'], Report::AtOnce);
        } else if !client.out.is_empty() {
            client.sending = true;
            // The close waits for this to have left.
            let report = if client.ended { Report::AtOnce } else { Report::Lazily };
            driver.send(socket, std::mem::take(&mut client.out), report);
        } else if client.ended {
            driver.close(socket);
        }
    }
}

impl Events for Core {
    fn accepted(&mut self, descriptor: OwnedFd, door: Door) {
        assert_eq!(door, Door(7));
        self.accepted.push(descriptor);
    }

    fn received(&mut self, socket: Socket, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        let manner = self.manner;
        let client = self.client(socket);
        assert!(!client.ended, "bytes after the end");
        assert!(!client.has_block, "bytes past a block");
        match manner {
            Manner::Blocks(_) => {
                client.out.extend_from_slice(bytes);
                client.receives += 1;
                client.wants_block = !client.receives.is_multiple_of(5);
            }
            Manner::Echo => client.out.extend_from_slice(bytes),
            Manner::Swallow => {}
            Manner::Flood(len) => client.out.extend((0..len * bytes.len()).map(pattern)),
            Manner::Chain(len) => client.chain += len * bytes.len(),
            Manner::Slam => client.slam = true,
        }
        self.tell(News::Received(socket, bytes.len()));
    }

    fn filled(&mut self, socket: Socket, block: Draft, bytes: usize) {
        let Manner::Blocks(most) = self.manner else { panic!("nobody gave a block") };
        let client = self.client(socket);
        assert!(!client.ended && std::mem::take(&mut client.has_block), "a block that was not given");
        assert!(block.len() == bytes && bytes <= most);
        client.out.extend_from_slice(&block);
        client.receives += 1;
        client.wants_block = bytes > 0 && !client.receives.is_multiple_of(5);
        self.tell(News::Filled(socket, bytes));
    }

    fn sent(&mut self, socket: Socket, buffer: Vec<u8>) {
        let client = self.client(socket);
        assert!(std::mem::take(&mut client.sending), "sent what was not being sent");
        self.tell(News::Sent(socket, buffer.len()));
    }

    fn ended(&mut self, socket: Socket) {
        let client = self.client(socket);
        assert!(!std::mem::replace(&mut client.ended, true), "ended twice");
        self.tell(News::Ended(socket));
    }

    fn gone(&mut self, socket: Socket) {
        *self.client(socket) = Client::default();
        self.tell(News::Gone(socket));
    }

    fn woken(&mut self) {
        self.woken = true;
        self.tell(News::Woken);
    }

    fn refusal(&mut self, door: Door) -> &[u8] {
        assert_eq!(door, Door(7));
        b"full\n"
    }
}
