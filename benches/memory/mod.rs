//! Cores without sockets: a driver that hands a core bytes from memory and takes its replies away.

use larder::clock::Now;
use larder::config::{self, Start, host};
use larder::core::{Core, DOOR_MEMCACHE, DOOR_RESP, Mail};
use larder::limits::MESH_RING_MAILS;
use larder::mesh::Mesh;
use larder::reactor::{
    self, Choice, Door, Driver, Events, Options, Outgoing, Peer, Reactor, Report, Socket, Wait, Waker,
};
use larder::shard::Shard;
use larder::shared::Shared;
use slabs::Draft;
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Fixed, so that every run counts the same instructions.
const SEEDS: [u64; 4] = [1, 2, 3, 4];

/// The connection of RESP clients, and that of memcached's.
pub const RESP: Socket = Socket(0);
/// See [`RESP`].
pub const MEMCACHE: Socket = Socket(1);
/// The client that speaks memcached's binary protocol.
pub const PACKETS: Socket = Socket(2);

/// Turns that a receive may take: two would do, were nothing ever held back.
const TURNS_MAX: usize = 10_000;

thread_local! {
    static MONO_US: Cell<u64> = const { Cell::new(0) };
}

/// Each reading is a little later than the last: a clock that the system is not asked for.
fn clock() -> Now {
    let mono_us = MONO_US.get() + 3;
    MONO_US.set(mono_us);
    Now { unix_ms: 1_700_000_000_000 + mono_us / 1000, mono_us }
}

/// A driver of connections that lie in memory.
struct Memory {
    waker: Waker,
    newcomers: Vec<(OwnedFd, Door)>,
    adopted: u32,
    /// What the next turn receives.
    input: Option<(Socket, Rc<[u8]>)>,
    /// Where more of a long request was to go: it comes like all else, and the block is given back.
    block: Option<(Socket, Draft)>,
    /// What was sent and is to be given back.
    sent: Vec<(Socket, Vec<u8>)>,
    /// Bytes sent so far.
    sent_bytes: u64,
    /// The last bytes sent.
    last: Option<Vec<u8>>,
}

impl Memory {
    fn new() -> Memory {
        // Nobody sleeps here, but a core wants somebody to wake: any driver's bell will do.
        let opened = reactor::open(Choice::Poll, &Options::default()).expect("epoll");
        let (Reactor::Poll(bell), _) = opened else { panic!("epoll was asked for") };
        Memory {
            waker: bell.waker(),
            newcomers: Vec::new(),
            adopted: 0,
            input: None,
            block: None,
            sent: Vec::new(),
            sent_bytes: 0,
            last: None,
        }
    }
}

impl Driver for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn adopt(&mut self, _: OwnedFd) -> io::Result<Socket> {
        self.adopted += 1;
        Ok(Socket(self.adopted - 1))
    }

    fn peer(&self, _: Socket) -> io::Result<Peer> {
        Ok(Peer::Unix(PathBuf::new()))
    }

    fn send(&mut self, socket: Socket, output: impl Into<Outgoing>, _: Report) {
        let output = output.into();
        let length = output.len();
        let buffer = output.into_buffer();
        self.sent_bytes += length as u64;
        self.sent.push((socket, buffer));
    }

    fn untaken(&self, _: Socket) -> io::Result<u64> {
        Ok(0)
    }

    fn receive_into(&mut self, socket: Socket, block: Draft, _: usize) {
        self.block = Some((socket, block));
    }

    fn receive_bytes(&self) -> u64 {
        0
    }

    fn close(&mut self, socket: Socket) {
        let said = self.sent.last().map(|(_, bytes)| bytes.escape_ascii().to_string());
        panic!("{socket:?} is closed by the core after {said:?}");
    }

    fn pause(&mut self, _: Socket) {}

    fn resume(&mut self, _: Socket) {}

    fn listen(&mut self, _: OwnedFd, _: Door) -> io::Result<()> {
        Ok(())
    }

    fn stop_listening(&mut self) {}

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn wake(&mut self, _: &Waker) {}

    fn turn<E: Events>(&mut self, _: Wait, events: &mut E) -> io::Result<()> {
        while let Some((socket, buffer)) = self.sent.pop() {
            if let Some(last) = &mut self.last {
                last.clone_from(&buffer);
            }
            events.sent(socket, buffer);
        }
        for (descriptor, door) in self.newcomers.drain(..) {
            events.accepted(descriptor, door);
        }
        if let Some((socket, block)) = self.block.take() {
            events.filled(socket, block, 0);
        }
        if let Some((socket, bytes)) = self.input.take() {
            events.received(socket, &bytes);
        }
        Ok(())
    }
}

/// Some cores, turned one after the other, and a client of each protocol on the first.
pub struct Machine {
    cores: Vec<(Core, Memory)>,
    wakers: Vec<Waker>,
    shared: Arc<Shared>,
}

impl Machine {
    /// A server of so many cores with nothing in it.
    pub fn new(cores: usize) -> Machine {
        let args = ["--maxmemory=1gb".to_string(), format!("--threads={cores}")];
        let start = config::load(args.into_iter().map(Into::into), std::iter::empty(), host::detect());
        let Ok(Start::Run { parameters, .. }) = start else { panic!("{start:?}") };
        let shared = Arc::new(Shared::new(*parameters, cores, clock(), SEEDS));
        let ends = Mesh::<Mail>::connect(cores, MESH_RING_MAILS).into_iter().enumerate();
        let cores: Vec<(Core, Memory)> =
            ends.map(|(index, mesh)| core(index as u16, &shared, mesh)).collect();
        let wakers = cores.iter().map(|(_, driver)| driver.waker()).collect();
        let mut machine = Machine { cores, wakers, shared };
        // Adopted in this order, so that the numbers are those of `RESP`, `MEMCACHE`, `PACKETS`. The first core takes them.
        for door in [DOOR_RESP, DOOR_MEMCACHE, DOOR_MEMCACHE] {
            for _ in 1..machine.cores.len() {
                machine.shared.load.iter().skip(1).for_each(|load| {
                    load.fetch_add(1, Ordering::Relaxed);
                });
            }
            let file = File::open("/dev/null").expect("/dev/null");
            machine.cores[0].1.newcomers.push((file.into(), door));
            machine.settle();
        }
        machine
    }

    /// Every core turns once, in order.
    pub fn turn(&mut self) {
        for (core, driver) in &mut self.cores {
            let stopped = core.turn(driver, &self.wakers).expect("memory does not fail");
            assert!(!stopped, "a core has stopped");
        }
    }

    /// Turns until all that was asked is answered and every buffer is back.
    pub fn settle(&mut self) {
        (0..2 + 2 * self.cores.len()).for_each(|_| self.turn());
    }

    /// One receive of `bytes` by the first core, and the turns until `reply_bytes` of replies are sent.
    #[inline]
    pub fn serve(&mut self, socket: Socket, bytes: &Rc<[u8]>, reply_bytes: usize) {
        let until = self.sent_bytes() + reply_bytes as u64;
        self.cores[0].1.input = Some((socket, bytes.clone()));
        for _ in 0..TURNS_MAX {
            self.turn();
            if self.sent_bytes() >= until {
                return;
            }
        }
        panic!("{} bytes of replies are missing after {TURNS_MAX} turns", until - self.sent_bytes());
    }

    /// Serves `bytes` and returns the last of the reply.
    pub fn ask(&mut self, socket: Socket, bytes: &Rc<[u8]>, reply_bytes: usize) -> Vec<u8> {
        self.cores[0].1.last = Some(Vec::new());
        self.serve(socket, bytes, reply_bytes);
        self.settle();
        self.cores[0].1.last.take().unwrap_or_default()
    }

    /// Bytes of replies so far.
    pub fn sent_bytes(&self) -> u64 {
        self.cores[0].1.sent_bytes
    }

    /// The core that owns a key.
    pub fn owner(&self, key: &[u8]) -> u16 {
        self.shared.shard_of(self.shared.hasher.hash(key))
    }
}

fn core(index: u16, shared: &Arc<Shared>, mesh: Mesh<Mail>) -> (Core, Memory) {
    let parameters = &shared.parameters;
    let options = slabs::Options {
        budget_bytes: parameters.maxmemory_bytes() / u64::from(shared.cores()),
        seeds: SEEDS,
        ..slabs::Options::default()
    };
    let store = slabs::Store::new(&options).expect("address space for a shard");
    let mut shard = Shard::new(store, parameters.databases());
    shard.place(index, shared.cores(), u64::from(index));
    (Core::new(index, shared.clone(), shard, mesh, clock), Memory::new())
}
