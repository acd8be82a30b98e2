//! Some cores in one thread, their clock and their clients.

use crate::counting::{self, Work};
use crate::driver::{Dice, FakeDriver, Net, Wire};
use crate::faults::{Fault, Rates, Tally};
use larder::clock::Now;
use larder::connection::Holding;
use larder::core::{Core, DOOR_MEMCACHE, DOOR_RESP, Mail};
use larder::mesh::Mesh;
use larder::mesh::link::Link;
use larder::parameters::Parameters;
use larder::reactor::{self, Choice, Door, Driver, Options, Reactor, Waker};
use larder::secrets::Suite;
use larder::shard::Shard;
use larder::shared::Shared;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

thread_local! {
    static CLOCK: Cell<u64> = const { Cell::new(0) };
    /// How far the wall clock has jumped, milliseconds.
    static JUMPED: Cell<i64> = const { Cell::new(0) };
}

/// What time it is in the world of this thread.
pub fn clock() -> Now {
    let us = CLOCK.get();
    let unix_ms = (1_800_000_000_000 + us / 1000).saturating_add_signed(JUMPED.get());
    Now { unix_ms, mono_us: us }
}

/// Turns within which everything must have come to its end.
const TURNS_MAX: usize = 60_000;

/// One client: what it has still to say, and its wire.
pub struct Client {
    pub wire: Rc<RefCell<Wire>>,
    /// Bytes still to be sent.
    pub script: Vec<u8>,
    /// The reply bytes that must come.
    pub expected: Vec<u8>,
    /// What it is answered is not looked at.
    pub noise: bool,
}

impl Client {
    /// Whether it has all that is owed to it.
    pub fn is_done(&self) -> bool {
        let wire = self.wire.borrow();
        self.noise
            || wire.reset
            || self.script.is_empty() && wire.down.len() >= self.expected.len() && (!wire.ended || wire.gone)
    }

    fn write(&mut self, dice: &mut Dice) {
        let part =
            if dice.once_in(3) { dice.below(self.script.len() + 1) } else { self.script.len().min(100) };
        self.wire.borrow_mut().up.extend(self.script.drain(..part));
    }

    /// Fails if what has come is not the beginning of what must.
    pub fn check(&self, seed: u64) {
        if self.noise {
            return;
        }
        let wire = self.wire.borrow();
        let down = without_uniques(&wire.down);
        let same = down.iter().zip(&self.expected).take_while(|(a, b)| a == b).count();
        let extra = down.len() > self.expected.len();
        let from = same.saturating_sub(60);
        assert!(
            same == down.len() && !extra,
            "seed {seed}: at {same}: \"{}\" instead of \"{}\"",
            down[from..down.len().min(same + 60)].escape_ascii(),
            self.expected[from..self.expected.len().min(same + 60)].escape_ascii()
        );
    }
}

/// Replies with zeros in the place of cas uniques, if they are packets: which unique an item gets is the shard's business.
fn without_uniques(replies: &[u8]) -> Cow<'_, [u8]> {
    if replies.first() != Some(&0x81) {
        return Cow::Borrowed(replies);
    }
    let mut replies = replies.to_vec();
    let mut at = 0;
    while at + 24 <= replies.len() {
        let body = u32::from_be_bytes(replies[at + 8..at + 12].try_into().unwrap()) as usize;
        replies[at + 16..at + 24].fill(0);
        at += 24 + body;
    }
    // One that has come in part is looked at as far as it is foreseen.
    if at < replies.len() {
        replies.truncate(replies.len().min(at + 16));
    }
    Cow::Owned(replies)
}

/// A way of mail, and for how many turns of its receiver nothing comes.
struct Way {
    link: Link<Mail>,
    late: usize,
}

/// Something that is wrong with a world on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The mail of this number is lost.
    LostMail(u64),
    /// From this number on mail comes behind the next one of the same sender, if that was there.
    MailOutOfOrder(u64),
    /// A core is not told that a connection has gone.
    UntoldEnd,
}

/// Cores, drivers, clients.
pub struct World {
    pub seed: u64,
    pub dice: Dice,
    pub shared: Arc<Shared>,
    pub cores: Vec<Core>,
    pub clients: Vec<Client>,
    drivers: Vec<FakeDriver>,
    wakers: Vec<Waker>,
    net: Rc<RefCell<Net>>,
    ways: Vec<Way>,
    carried: u64,
    pub sabotage: Option<Sabotage>,
    stalled: Vec<usize>,
    stopped: Vec<bool>,
    /// What all turns have done, and the most that one did.
    pub done: Work,
    pub most: Work,
}

impl World {
    pub fn new(seed: u64, settings: &[(&[u8], &[u8])]) -> World {
        World::with(seed, Rates::MILD, |_| settings.to_vec())
    }

    /// A world in which so much goes wrong. Its settings may depend on how many cores it has.
    pub fn with<'a>(
        seed: u64,
        rates: Rates,
        settings: impl FnOnce(usize) -> Vec<(&'a [u8], &'a [u8])>,
    ) -> World {
        let mut dice = Dice(seed);
        let cores = 1 + dice.below(4);
        let ring = [1, 2, 8, 4096][dice.below(4)];
        CLOCK.set(1_000_000);
        JUMPED.set(0);
        // What an earlier world of this thread has kept is none of this one's.
        slabs::keep_spare_blobs(0);
        let parameters = Parameters::default();
        parameters.set(b"maxmemory", b"64mb").unwrap();
        for (name, value) in settings(cores) {
            parameters.set(name, value).unwrap();
        }
        let options =
            slabs::Options { huge_pages: false, reserve_bytes: 64 << 20, ..slabs::Options::default() };
        let shared = Arc::new(Shared::new(parameters, cores, clock(), options.seeds));
        let net = Rc::new(RefCell::new(Net { rates, ..Net::default() }));
        let (reactor, _) = reactor::open(Choice::Poll, &Options::default()).unwrap();
        let Reactor::Poll(poll) = reactor else { unreachable!("it was asked for") };
        let waker = poll.waker();
        let mut world = World {
            seed,
            shared: shared.clone(),
            cores: Vec::new(),
            clients: Vec::new(),
            drivers: Vec::new(),
            wakers: vec![waker.clone(); cores],
            net: net.clone(),
            ways: Vec::new(),
            carried: 0,
            sabotage: None,
            stalled: vec![0; cores],
            stopped: vec![false; cores],
            done: Work::default(),
            most: Work::default(),
            dice,
        };
        let (ends, links) = Mesh::connect_by_links(cores, ring);
        world.ways = links.into_iter().map(|link| Way { link, late: 0 }).collect();
        for (index, mesh) in ends.into_iter().enumerate() {
            let mut shard = Shard::new(slabs::Store::new(&options).unwrap(), 16);
            shard.place(index as u16, cores as u16, seed);
            world.cores.push(Core::new(index as u16, shared.clone(), shard, mesh, clock));
            let seed = seed.wrapping_mul(31).wrapping_add(index as u64);
            world.drivers.push(FakeDriver::new(seed, net.clone(), waker.clone(), index == 0));
        }
        world
    }

    /// A client that says `script` and must be answered with `expected`.
    pub fn connect(&mut self, memcache: bool, script: Vec<u8>, expected: Vec<u8>) -> usize {
        let wire = self.dial(if memcache { DOOR_MEMCACHE } else { DOOR_RESP });
        self.clients.push(Client { wire, script, expected, noise: false });
        self.clients.len() - 1
    }

    /// A connection at this door.
    pub fn dial(&mut self, door: Door) -> Rc<RefCell<Wire>> {
        let wire = Rc::new(RefCell::new(Wire { window: usize::MAX, ..Wire::default() }));
        let descriptor = OwnedFd::from(File::open("/dev/null").unwrap());
        let mut net = self.net.borrow_mut();
        net.dialled.insert(descriptor.as_raw_fd(), wire.clone());
        net.backlog.push_back((descriptor, door));
        wire
    }

    /// From here on the kernel can seal and open records of TLS.
    pub fn give_kernel_tls(&mut self) {
        self.drivers.iter_mut().for_each(|driver| driver.has_tls = true);
        self.shared.kernel_tls.set(Ok(Suite::all().collect())).unwrap();
    }

    /// Time passes while nobody does anything.
    pub fn pass(&mut self, us: u64) {
        CLOCK.set(CLOCK.get() + us);
    }

    /// What has gone wrong so far.
    pub fn tally(&self) -> Tally {
        let mut tally = self.net.borrow().tally.clone();
        tally.add(Fault::Evicted, self.evicted());
        tally
    }

    /// Items that were evicted so far.
    pub fn evicted(&self) -> u64 {
        self.cores.iter().map(Core::evicted).sum()
    }

    /// Something has gone wrong that is not this world's doing.
    pub fn count(&self, fault: Fault) {
        self.net.borrow_mut().tally.count(fault);
    }

    /// Carries mail to a core, or lets it lie.
    fn carry(&mut self, core: usize) {
        let rate = self.net.borrow().rates.late_mail;
        let (mut late, mut moved, mut full) = (0, false, 0);
        for way in self.ways.iter_mut().filter(|way| usize::from(way.link.to) == core) {
            let waiting = way.link.waiting();
            if waiting == 0 {
                continue;
            }
            full += u64::from(way.link.is_full());
            if way.late > 0 {
                way.late -= 1;
                late += 1;
                continue;
            }
            if self.dice.at_rate(rate) {
                let most = if self.dice.once_in(8) { 60 } else { 6 };
                way.late = 1 + self.dice.below(most);
                self.net.borrow_mut().tally.count(Fault::LateMail);
                late += 1;
                continue;
            }
            let most = if self.dice.once_in(4) { 1 + self.dice.below(waiting) } else { waiting };
            for _ in 0..most {
                if !way.link.has_room() {
                    full += 1;
                    break;
                }
                let Some(mail) = way.link.take() else { break };
                self.carried += 1;
                moved = true;
                match self.sabotage {
                    Some(Sabotage::LostMail(number)) if number == self.carried => {}
                    Some(Sabotage::MailOutOfOrder(number)) if number <= self.carried => {
                        let next = way.link.take();
                        next.into_iter().for_each(|next| way.link.put(next));
                        // Of a ring with one place the mail falls beside.
                        if way.link.has_room() {
                            way.link.put(mail);
                        }
                    }
                    _ => way.link.put(mail),
                }
            }
        }
        let tally = &mut self.net.borrow_mut().tally;
        tally.add(Fault::FullRing, full);
        tally.add(Fault::Overtaken, if moved { late } else { 0 });
    }

    /// The wall clock jumps, or nobody does anything for long.
    fn disturb_time(&mut self) {
        let rates = self.net.borrow().rates;
        if self.dice.at_rate(rates.clock) {
            let scale = [20, 1000, 4000][self.dice.below(3)];
            let ms = 1 + self.dice.below(scale) as i64;
            let back = rates.clock_back && self.dice.once_in(2);
            JUMPED.set(JUMPED.get() + if back { -ms } else { ms });
            self.count(if back { Fault::ClockBack } else { Fault::ClockAhead });
        }
        if self.dice.at_rate(rates.pause) {
            let us = 1_000_000 + self.dice.below(2_000_000) as u64;
            self.pass(us);
            self.count(Fault::Pause);
        }
    }

    /// One turn of some core, and some clients write.
    pub fn step(&mut self) {
        CLOCK.set(CLOCK.get() + self.dice.below(300) as u64);
        self.disturb_time();
        for client in &mut self.clients {
            if !client.script.is_empty() && self.dice.once_in(4) {
                client.write(&mut self.dice);
            }
        }
        let core = self.dice.below(self.cores.len());
        if self.stalled[core] > 0 {
            self.stalled[core] -= 1;
            return;
        }
        let rates = self.net.borrow().rates;
        if self.dice.at_rate(rates.stall) {
            self.stalled[core] = self.dice.below(40);
            self.count(Fault::Stall);
        } else if self.dice.at_rate(rates.long_stall) {
            self.stalled[core] = 200 + self.dice.below(400);
            self.count(Fault::LongStall);
        }
        if !self.stopped[core] {
            self.carry(core);
            let before = counting::work();
            self.stopped[core] = self.cores[core].turn(&mut self.drivers[core], &self.wakers).unwrap();
            let done = counting::work().since(before);
            self.done = self.done.plus(done);
            self.most = self.most.most(done);
            let (counted, held) = self.cores[core].held_as_counted_and_as_is();
            assert_eq!(counted, held, "seed {}: buffers of connections", self.seed);
        }
    }

    /// Turns until every client has what is owed to it; checks it, and that nothing is left over.
    pub fn finish(&mut self) {
        for _ in 0..TURNS_MAX {
            self.step();
            if self.clients.iter().all(Client::is_done) && self.unfinished() == 0 {
                break;
            }
        }
        for (number, client) in self.clients.iter().enumerate() {
            client.check(self.seed);
            let wire = client.wire.borrow();
            assert!(
                client.is_done(),
                "seed {}: client {number} of {} has {} of {} bytes, {} unread",
                self.seed,
                self.clients.len(),
                wire.down.len(),
                client.expected.len(),
                wire.up.len()
            );
        }
        assert_eq!(self.unfinished(), 0, "seed {}: nothing is left", self.seed);
    }

    /// Fails if a connection or a reply holds memory, once nobody is there.
    pub fn assert_nothing_is_held(&self) {
        for core in &self.cores {
            let (counted, held) = core.held_as_counted_and_as_is();
            assert_eq!((&counted, &held), (&Holding::default(), &Holding::default()), "seed {}", self.seed);
            assert_eq!(core.lent_bytes(), 0, "seed {}: lent values", self.seed);
        }
    }

    /// Commands under way, and mail.
    pub fn unfinished(&self) -> usize {
        let mail: usize = self.ways.iter().map(|way| way.link.waiting()).sum();
        mail + self.cores.iter().map(Core::unfinished).sum::<usize>()
    }

    /// From here on so much goes wrong.
    pub fn set_rates(&mut self, rates: Rates) {
        self.net.borrow_mut().rates = rates;
    }

    /// The next end of a connection is not told (see [`Sabotage::UntoldEnd`]).
    pub fn set_untold(&mut self, untold: bool) {
        self.net.borrow_mut().untold = untold;
    }

    /// From here on nothing goes wrong that makes a client be sent away.
    pub fn admit_all(&mut self) {
        let mut net = self.net.borrow_mut();
        (net.rates.refused, net.rates.not_adopted) = (0, 0);
    }

    /// Whether each core's account of memory is what there is.
    pub fn audit(&self) -> Result<(), String> {
        let audit = |(index, core): (usize, &Core)| {
            core.audit().map_err(|wrong| format!("seed {}: core {index}: {wrong}", self.seed))
        };
        self.cores.iter().enumerate().try_for_each(audit)
    }

    /// Keys that any shard thinks are watched.
    pub fn watched(&self) -> usize {
        self.cores.iter().map(Core::watched).sum()
    }

    /// Names that any core thinks somebody listens to.
    pub fn listened(&self) -> usize {
        self.cores.iter().map(Core::listened).sum()
    }

    /// Turns until all cores have stopped.
    pub fn stop(&mut self) {
        self.shared.stopping.store(true, std::sync::atomic::Ordering::Release);
        for _ in 0..TURNS_MAX {
            self.step();
            if self.stopped.iter().all(|stopped| *stopped) {
                return;
            }
        }
        panic!("seed {}: the server does not stop", self.seed);
    }
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs a case over its seeds, or over the one that `LARDER_SEED` names, or over `LARDER_SEED_TIMES` as many.
pub fn over_seeds(count: u64, case: impl Fn(u64)) {
    if let Some(seed) = number("LARDER_SEED") {
        return case(seed);
    }
    for seed in 0..count * number("LARDER_SEED_TIMES").unwrap_or(1) {
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(seed))) {
            eprintln!("replay with LARDER_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
