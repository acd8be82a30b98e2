//! Random traffic in a world that goes wrong: both protocols on few and on many keys, while connections break, mail is
//! late, clocks jump and memory ends. Afterwards every reply must have been possible: each group of keys has a history,
//! and there must be an order of it in which one client after the other would have been answered the same
//! (`checker`, `model`). Nothing may be left of anybody who has gone, and what is counted must be what is there.
//!
//! `LARDER_SEED=n` replays a seed, `LARDER_SIM_OPS=n` with fewer operations; `LARDER_SIM_SEEDS=n` runs so many seeds,
//! `LARDER_SIM_SEEDS=forever` until it is stopped, `LARDER_SIM_FROM=n` from there on. With `LARDER_SIM_AUDIT=1` memory is
//! counted anew after every turn.

mod model;
mod op;
mod plan;
mod shown;
mod speech;
mod talker;
mod tests;

use crate::driver::Dice;
use crate::faults::{Fault, Rates, Tally};
use crate::world::{Sabotage, World, clock};
use larder::core::{DOOR_MEMCACHE, DOOR_RESP};
use op::{Key, Op, Reply};
use plan::{Kind, Maker, Memory, Plan};
use speech::{Form, Spoken, Tongue};
use std::collections::BTreeSet;
use talker::{Purpose, Role, Standing, Talker, Waiting};

/// Turns within which all traffic must have come to its end.
const TURNS_MAX: usize = 60_000;

/// Places that the checker looks at for one group of keys.
const STATES_MAX: usize = 50_000;

/// Keys that are there all the time, for those who scan.
const RESIDENTS: usize = 40;

/// Of a value of those who fill the memory, bytes at most.
const FILL_BYTES_MAX: usize = 60_000;

/// What a run is to be, beside its seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Fewer operations than the seed has.
    pub ops: Option<usize>,
    /// Something is wrong with the server's world.
    pub sabotage: Option<Sabotage>,
    /// Something is wrong with what a client says it did.
    pub lie: Option<Lie>,
    /// Memory is counted anew after every turn.
    pub audits: bool,
}

/// A client that is not to be believed, to see that it is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A reply goes missing.
    NoReply,
    /// A reply comes twice.
    TwoReplies,
    /// Of an `MSET` only the first pair is sent.
    HalfMset,
    /// A write that is said to have been acknowledged was never sent.
    LostWrite,
    /// A read is said to have returned what an earlier one did.
    OldRead,
}

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub tally: Tally,
    /// Requests whose replies were checked.
    pub commands: u64,
    /// Operations that were put into an order.
    pub ordered: u64,
    /// Histories of groups of keys.
    pub histories: u64,
    /// Of these, those with too many orders to try.
    pub undecided: u64,
    /// Of all replies.
    pub digest: u64,
}

impl Report {
    pub fn join(&mut self, other: &Report) {
        self.tally.join(&other.tally);
        self.commands += other.commands;
        self.ordered += other.ordered;
        self.histories += other.histories;
        self.undecided += other.undecided;
        self.digest ^= other.digest;
    }
}

/// One operation of the history.
struct Record {
    group: usize,
    client: u32,
    op: Op,
    reply: Option<Reply>,
    /// When its last byte was written, and when its reply had come.
    begin: Option<u64>,
    end: Option<u64>,
    evicting: bool,
    /// No core can have seen it.
    void: bool,
}

struct Publication {
    channel: String,
    client: u32,
    number: usize,
    receivers: Option<i64>,
    void: bool,
}

struct Case {
    world: World,
    maker: Maker,
    dice: Dice,
    options: Options,
    talkers: Vec<Talker>,
    records: Vec<Record>,
    publications: Vec<Publication>,
    /// Moments so far: no two events have the same.
    moment: u64,
    /// When it was which time, Unix milliseconds, and the latest until then.
    walls: Vec<(u64, u64, u64)>,
    made: usize,
    lies_left: usize,
    report: Report,
}

/// Runs a seed. Panics with what is wrong.
pub fn run(seed: u64, options: Options) -> Report {
    let mut dice = Dice(seed ^ 0x5eed);
    let mut plan = Plan::new(&mut dice);
    if let Some(ops) = options.ops {
        plan.ops = plan.ops.min(ops);
    }
    let rates = plan.rates;
    let memory = plan.memory;
    let world = World::with(seed, Rates { refused: 0, not_adopted: 0, ..rates }, |cores| {
        let limit: &[u8] = [&b"2mb"[..], b"2mb", b"2mb", b"2240kb"][cores - 1];
        let small: [(&[u8], &[u8]); 4] = [
            (b"set-max-listpack-entries", b"3"),
            (b"list-max-listpack-size", b"3"),
            (b"hash-max-listpack-entries", b"2"),
            (b"zset-max-listpack-entries", b"3"),
        ];
        // Collections of a few elements have grown, or have not.
        let mut settings = if seed.is_multiple_of(2) { small.to_vec() } else { Vec::new() };
        match memory {
            Memory::Plenty => {}
            Memory::Evicts => settings.push((b"maxmemory", limit)),
            Memory::Refuses => {
                settings.extend([(&b"maxmemory"[..], limit), (b"maxmemory-policy", b"noeviction")])
            }
        }
        settings
    });
    let maker = Maker::new(Dice(seed ^ 0x4d41), plan);
    let mut case = Case {
        world,
        maker,
        dice,
        options,
        talkers: Vec::new(),
        records: Vec::new(),
        publications: Vec::new(),
        moment: 0,
        walls: Vec::new(),
        made: 0,
        lies_left: 3,
        report: Report::default(),
    };
    case.world.sabotage = options.sabotage.filter(|sabotage| *sabotage != Sabotage::UntoldEnd);
    case.begin();
    case.world.set_rates(rates);
    case.traffic();
    case.end();
    case.check_histories();
    case.check_messages();
    case.leave();
    case.report.tally.join(&case.world.tally());
    case.report
}

impl Case {
    fn seed(&self) -> u64 {
        self.world.seed
    }

    fn turns_max(&self) -> usize {
        let wrong = self.options.sabotage.is_some() || self.options.lie.is_some();
        if wrong { TURNS_MAX / 8 } else { TURNS_MAX }
    }

    fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// One turn of the world. Whatever it does it does at one time.
    fn step(&mut self) {
        self.world.step();
        let now = clock().unix_ms;
        let latest = self.walls.last().map_or(0, |wall| wall.2).max(now);
        let moment = self.next_moment();
        self.walls.push((moment, now, latest));
        if self.options.audits {
            self.audit();
        }
    }

    /// Fails if memory is not counted right, and tells what was asked last.
    fn audit(&self) {
        if let Err(wrong) = self.world.audit() {
            let asked = self.records.iter().filter(|record| record.begin.is_some());
            let last = asked.rev().take(20).collect::<Vec<_>>();
            last.iter().rev().for_each(|record| {
                let Record { group, client, op, reply, begin, end, .. } = record;
                eprintln!("  {begin:?}..{end:?} client {client}, group {group}: {op:?} -> {reply:?}");
            });
            panic!("{wrong}");
        }
    }

    fn connect(&mut self, tongue: Tongue, role: Role) -> usize {
        let wire = self.world.dial(if tongue.is_memcache() { DOOR_MEMCACHE } else { DOOR_RESP });
        let number = self.talkers.len() as u32 + 1;
        self.talkers.push(Talker::new(number, tongue, role, wire));
        self.talkers.len() - 1
    }

    fn worker(&mut self) -> usize {
        let tongues =
            [Tongue::Resp2, Tongue::Resp3, Tongue::Resp2, Tongue::Classic, Tongue::Meta, Tongue::Binary];
        let tongue = tongues[self.dice.below(tongues.len())];
        let tongue = if self.maker.group(tongue).is_some() { tongue } else { Tongue::Resp3 };
        self.connect(tongue, Role::Worker)
    }

    // -- talking

    /// All talkers hear, then write.
    fn talk(&mut self) {
        for at in 0..self.talkers.len() {
            if self.talkers[at].standing != Standing::Gone {
                self.hear(at);
                self.write(at);
            }
        }
    }

    fn write(&mut self, at: usize) {
        let Case { talkers, records, moment, dice, .. } = self;
        talkers[at].write(dice, |waiting| {
            if let Purpose::Recorded(place, ops) = &waiting.purpose {
                for record in &mut records[*place..*place + ops.len()] {
                    *moment += 1;
                    record.begin = Some(*moment);
                }
            }
        });
    }

    fn hear(&mut self, at: usize) {
        let refused = self.talkers[at].wire.borrow().gone && !self.talkers[at].wire.borrow().adopted;
        if refused {
            return self.lose(at);
        }
        loop {
            let lie = self.options.lie.filter(|_| self.lies_left > 0 && self.report.commands >= 20);
            match self.talkers[at].hear() {
                Err(wrong) => {
                    let talker = &self.talkers[at];
                    if talker.standing == Standing::Broken {
                        break;
                    }
                    panic!("seed {}: client {} ({:?}): {wrong}", self.seed(), talker.number, talker.tongue);
                }
                Ok(None) => break,
                Ok(Some((waiting, replies))) => {
                    self.report.commands += 1;
                    for byte in format!("{at}{replies:?}").bytes() {
                        self.report.digest = self.report.digest.rotate_left(5).wrapping_mul(0x0100_0000_01b3)
                            ^ u64::from(byte);
                    }
                    if lie == Some(Lie::NoReply) && !self.talkers[at].waiting.is_empty() {
                        self.lies_left = 0;
                        self.talkers[at].waiting.push_front(waiting);
                        continue;
                    }
                    if lie == Some(Lie::TwoReplies) && matches!(waiting.purpose, Purpose::Recorded(..)) {
                        self.lies_left = 0;
                        if let Some(next) = self.talkers[at].waiting.pop_front() {
                            self.take(at, next, replies.clone());
                        } else {
                            panic!("seed {}: a reply too many", self.seed());
                        }
                    }
                    self.take(at, waiting, replies);
                }
            }
        }
        if self.talkers[at].wire.borrow().gone {
            self.lose(at);
        }
    }

    /// A reply has come.
    fn take(&mut self, at: usize, waiting: Waiting, replies: Vec<Reply>) {
        let seed = self.seed();
        match waiting.purpose {
            Purpose::Recorded(place, ops) => {
                assert_eq!(replies.len(), ops.len(), "seed {seed}: {ops:?} is answered with {replies:?}");
                let evicting = self.world.evicted() > 0;
                for (offset, reply) in replies.into_iter().enumerate() {
                    let end = self.next_moment();
                    let record = &mut self.records[place + offset];
                    if let (Op::McGets(key), Reply::Array(shown)) = (&record.op, &reply)
                        && let Some(Reply::Int(unique)) = shown.get(1)
                    {
                        self.talkers[at].uniques.insert((record.group, *key), *unique as u64);
                    }
                    if reply.is_oom() {
                        self.world.count(Fault::OutOfMemory);
                    }
                    record.reply = Some(reply);
                    record.end = Some(end);
                    record.evicting = evicting;
                }
            }
            Purpose::Published(place) => match replies[..] {
                [Reply::Int(receivers)] => self.publications[place].receivers = Some(receivers),
                _ => panic!("seed {seed}: {replies:?} answers PUBLISH"),
            },
            Purpose::Formal => {
                let failed = matches!(replies.first(), Some(Reply::Error(_)));
                assert!(!failed, "seed {seed}: {replies:?} to client {}", self.talkers[at].number);
            }
            Purpose::Filling => match &replies[..] {
                [reply] if reply.is_oom() => self.world.count(Fault::OutOfMemory),
                [Reply::Word(_) | Reply::Int(_)] => {}
                _ => panic!("seed {seed}: {replies:?} to one who fills"),
            },
            Purpose::Scan => self.take_scan(at, &replies[0]),
        }
    }

    fn take_scan(&mut self, at: usize, reply: &Reply) {
        let seed = self.seed();
        let Role::Scanner { cursor, seen, rounds } = &mut self.talkers[at].role else {
            unreachable!("only scanners scan")
        };
        let (next, keys) = match reply {
            Reply::Array(parts) => match &parts[..] {
                [Reply::Bulk(next), Reply::Array(keys)] => (next, keys),
                _ => panic!("seed {seed}: {reply:?} answers SCAN"),
            },
            _ => panic!("seed {seed}: {reply:?} answers SCAN"),
        };
        for key in keys {
            let Reply::Bulk(key) = key else { panic!("seed {seed}: SCAN found {key:?}") };
            let known = key.starts_with(b"resident:") || key.starts_with(b"g");
            assert!(known, "seed {seed}: SCAN found {}", key.escape_ascii());
            seen.insert(key.clone());
        }
        *cursor = String::from_utf8_lossy(next).into_owned();
        if cursor == "0" {
            *rounds += 1;
            let found = seen.iter().filter(|key| key.starts_with(b"resident:")).count();
            assert_eq!(
                found, RESIDENTS,
                "seed {seed}: SCAN has found {found} of those that were always there"
            );
            seen.clear();
        }
    }

    /// The server has closed a connection.
    fn lose(&mut self, at: usize) {
        let seed = self.seed();
        let talker = &mut self.talkers[at];
        let adopted = talker.wire.borrow().adopted;
        let before = std::mem::replace(&mut talker.standing, Standing::Gone);
        let waited = talker.waiting.iter().any(|waiting| waiting.blocks);
        let owed = talker.waiting.iter().filter(|waiting| waiting.said).count();
        assert!(
            before == Standing::Broken || !adopted || before == Standing::HalfClosed && (owed == 0 || waited),
            "seed {seed}: client {} ({:?}) is closed, {before:?}, with {owed} replies owed: {:?}",
            talker.number,
            talker.tongue,
            talker.waiting
        );
        for waiting in std::mem::take(&mut talker.waiting) {
            let void = !adopted;
            match waiting.purpose {
                Purpose::Recorded(place, ops) => {
                    self.records[place..place + ops.len()].iter_mut().for_each(|record| record.void = void)
                }
                Purpose::Published(place) => self.publications[place].void = void,
                _ => {}
            }
        }
        talker.unsaid.clear();
    }

    // -- asking

    fn record(&mut self, at: usize, group: usize, ops: Vec<Op>) {
        let client = self.talkers[at].number;
        let place = self.records.len();
        for op in &ops {
            let (op, begin, end) = (op.clone(), None, None);
            let record = Record { group, client, op, reply: None, begin, end, evicting: false, void: false };
            self.records.push(record);
        }
        let lies = self.lies_left > 0 && self.made > 20;
        let said = match (&ops[0], self.options.lie) {
            (Op::MSet(pairs), Some(Lie::HalfMset)) if lies => {
                self.lies_left -= 1;
                vec![Op::MSet(pairs[..1].to_vec())]
            }
            (Op::MSet(pairs), Some(Lie::LostWrite)) if lies => {
                self.lies_left -= 1;
                // Nobody looks at this key, and the reply is the same.
                vec![Op::MSet(vec![(Key::MAX, pairs[0].1.clone())])]
            }
            _ => ops,
        };
        self.talkers[at].ask(group, said, place);
    }

    /// A worker thinks of something to ask.
    fn ask(&mut self, at: usize) {
        let (tongue, number) = (self.talkers[at].tongue, self.talkers[at].number);
        let Some(group) = self.maker.group(tongue) else { return };
        self.made += 1;
        if tongue.is_memcache() {
            let ops = self.maker.memcache(group, number, tongue, &self.talkers[at].uniques);
            return self.record(at, group, ops);
        }
        if self.dice.once_in(15) {
            return self.talkers[at].echo();
        }
        if self.maker.plan.listeners > 0 && self.dice.once_in(8) {
            return self.publish(at);
        }
        if self.maker.plan.flushes && self.dice.once_in(40) {
            // It concerns every group, and is asked once.
            return self.record_flush(at);
        }
        if self.dice.once_in(8) {
            for op in self.maker.transaction(group, number) {
                self.record(at, group, vec![op]);
            }
            return;
        }
        let op = self.maker.command(group, number, true);
        self.record(at, group, vec![op]);
    }

    fn record_flush(&mut self, at: usize) {
        let groups = self.maker.plan.groups.len();
        let client = self.talkers[at].number;
        let place = self.records.len();
        for group in 0..groups {
            let (op, begin, end) = (Op::FlushAll, None, None);
            let record = Record { group, client, op, reply: None, begin, end, evicting: false, void: false };
            self.records.push(record);
        }
        let spoken = speech::resp(0, &Op::FlushAll);
        let ops = vec![Op::FlushAll; groups];
        self.talkers[at].queue(
            Spoken { form: Form::Same(groups), ..spoken },
            Purpose::Recorded(place, ops),
            false,
        );
    }

    fn publish(&mut self, at: usize) {
        let talker = &mut self.talkers[at];
        talker.published += 1;
        let (client, number) = (talker.number, talker.published);
        let channel = format!("news:{}", self.dice.below(2));
        let bytes = speech::line(&format!("PUBLISH {channel} {client}.{number}"));
        let place = self.publications.len();
        talker.queue(Spoken { bytes, form: Form::Plain }, Purpose::Published(place), false);
        self.publications.push(Publication { channel, client, number, receivers: None, void: false });
    }

    fn fill(&mut self, at: usize) {
        let key = self.dice.below(60 * self.world.cores.len());
        let bytes = if self.dice.once_in(8) {
            speech::line(&format!("DEL fill:{key}"))
        } else {
            let value = vec![b'f'; FILL_BYTES_MAX / 3 + self.dice.below(FILL_BYTES_MAX * 2 / 3)];
            speech::words(&[b"SET".to_vec(), format!("fill:{key}").into_bytes(), value])
        };
        self.talkers[at].queue(Spoken { bytes, form: Form::Plain }, Purpose::Filling, false);
    }

    fn scan(&mut self, at: usize) {
        let Role::Scanner { cursor, .. } = &self.talkers[at].role else { return };
        let bytes = speech::line(&format!("SCAN {cursor} COUNT {}", 1 + self.dice.below(20)));
        self.talkers[at].queue(Spoken { bytes, form: Form::Plain }, Purpose::Scan, false);
    }

    // -- the run

    /// Talks until this one has all its replies.
    fn await_all(&mut self, at: usize) {
        for _ in 0..self.turns_max() {
            self.talk();
            if self.talkers[at].is_done() {
                return;
            }
            self.step();
        }
        panic!("seed {}: client {} waits for {:?}", self.seed(), at + 1, self.talkers[at].waiting);
    }

    /// What must be there before the traffic.
    fn begin(&mut self) {
        self.connect(Tongue::Resp2, Role::Control);
        // Answered, it is served, whatever becomes of those who come later.
        self.talkers[0].echo();
        if self.maker.plan.scans {
            for resident in 0..RESIDENTS {
                let bytes = speech::line(&format!("SET resident:{resident} {resident}"));
                self.talkers[0].queue(Spoken { bytes, form: Form::Plain }, Purpose::Formal, false);
            }
            let seen = BTreeSet::new();
            self.connect(Tongue::Resp2, Role::Scanner { cursor: "0".into(), seen, rounds: 0 });
        }
        for listener in 0..self.maker.plan.listeners {
            let tongue = if self.dice.once_in(2) { Tongue::Resp2 } else { Tongue::Resp3 };
            let channels: Vec<String> = (0..2 - listener).map(|news| format!("news:{news}")).collect();
            let role = Role::Listener { channels: channels.clone(), messages: Vec::new() };
            let at = self.connect(tongue, role);
            for channel in channels {
                let bytes = speech::line(&format!("SUBSCRIBE {channel}"));
                self.talkers[at].queue(Spoken { bytes, form: Form::Plain }, Purpose::Formal, false);
            }
            self.await_all(at);
        }
        if self.maker.plan.memory != Memory::Plenty {
            self.connect(Tongue::Resp2, Role::Filler);
            self.connect(Tongue::Resp2, Role::Filler);
        }
        self.await_all(0);
        for _ in 0..self.maker.plan.clients {
            self.worker();
        }
    }

    fn traffic(&mut self) {
        let (ops, depth) = (self.maker.plan.ops, self.maker.plan.depth);
        for _ in 0..self.turns_max() {
            self.talk();
            let busy = self.made < ops;
            for at in 0..self.talkers.len() {
                if busy {
                    self.act(at, depth);
                } else {
                    self.talkers[at].wire.borrow_mut().window = usize::MAX;
                }
            }
            if !busy
                && self.talkers.iter().all(|talker| talker.standing == Standing::Gone || talker.is_done())
            {
                return;
            }
            self.step();
        }
        let waiting: Vec<_> = self.talkers.iter().flat_map(|talker| talker.waiting.front()).collect();
        panic!("seed {}: unanswered: {waiting:?}", self.seed());
    }

    /// A client asks, leaves, comes back, reads slowly.
    fn act(&mut self, at: usize, depth: usize) {
        let talker = &self.talkers[at];
        let (open, fine) = (talker.waiting.len(), talker.standing == Standing::Fine);
        let works = matches!(talker.role, Role::Worker);
        let fills = matches!(talker.role, Role::Filler);
        let scans = matches!(talker.role, Role::Scanner { .. });
        if works && talker.standing == Standing::Gone {
            // Another comes in its place.
            self.talkers[at].role = Role::Control;
            let at = self.worker();
            return self.ask(at);
        }
        if !fine {
            return;
        }
        if fills && open < 3 {
            self.fill(at);
        } else if scans && open == 0 {
            self.scan(at);
        } else if works && open < depth && self.dice.once_in(4) {
            self.ask(at);
        } else if works && self.dice.at_rate(self.maker.plan.cut) {
            return self.cut(at);
        }
        if self.dice.once_in(30) {
            let mut wire = self.talkers[at].wire.borrow_mut();
            let more = [0, 1, 20][self.dice.below(3)];
            if self.dice.once_in(2) {
                wire.window = wire.down.len() + more;
                self.world.count(Fault::SlowReader);
            } else {
                wire.window = usize::MAX;
            }
        }
    }

    /// A client leaves, at once or with a last word.
    fn cut(&mut self, at: usize) {
        let half = self.dice.once_in(2) && self.talkers[at].unsaid.is_empty();
        let talker = &mut self.talkers[at];
        let mut wire = talker.wire.borrow_mut();
        if half {
            wire.ended = true;
            wire.window = usize::MAX;
        } else {
            wire.reset = true;
        }
        talker.standing = if half { Standing::HalfClosed } else { Standing::Broken };
        self.world.count(if half { Fault::HalfClose } else { Fault::Reset });
    }

    /// The last look at all keys, when everything has come to rest.
    fn end(&mut self) {
        self.world.admit_all();
        for talker in &mut self.talkers {
            talker.wire.borrow_mut().window = usize::MAX;
        }
        for _ in 0..self.turns_max() {
            self.talk();
            self.step();
            if self.world.unfinished() == 0 && self.moment.is_multiple_of(64) {
                break;
            }
        }
        self.audit();
        for group in 0..self.maker.plan.groups.len() {
            let (kind, keys) = self.maker.plan.groups[group];
            for key in 0..keys as Key {
                let looks = match kind {
                    Kind::Strings => vec![Op::Get(key)],
                    Kind::Lists => vec![Op::LRange(key)],
                    Kind::Sets => vec![Op::SMembers(key)],
                    Kind::Hashes => vec![Op::HGetAll(key)],
                    Kind::Sorted => vec![Op::ZRange(key)],
                    Kind::Mixed => vec![
                        Op::Get(key),
                        Op::LRange(key),
                        Op::SMembers(key),
                        Op::HGetAll(key),
                        Op::ZRange(key),
                    ],
                };
                looks.into_iter().for_each(|look| self.record(0, group, vec![look]));
            }
        }
        self.await_all(0);
        // Messages may be on their way still.
        (0..200).for_each(|_| {
            self.talk();
            self.step();
        });
    }

    /// All leave; nothing is left of them, and nothing of what they have stored once it is deleted.
    fn leave(&mut self) {
        let seed = self.seed();
        self.world.set_rates(Rates::MILD);
        self.world.set_untold(self.options.sabotage == Some(Sabotage::UntoldEnd));
        for at in 1..self.talkers.len() {
            if self.talkers[at].standing == Standing::Fine {
                let mut wire = self.talkers[at].wire.borrow_mut();
                wire.reset = true;
                wire.window = usize::MAX;
                drop(wire);
                self.talkers[at].standing = Standing::Broken;
            }
        }
        self.talkers[0].queue(speech::resp(0, &Op::FlushAll), Purpose::Formal, false);
        self.await_all(0);
        self.talkers[0].standing = Standing::Broken;
        self.talkers[0].wire.borrow_mut().reset = true;
        let bare = |case: &Case| {
            case.world.unfinished() == 0
                && case.world.cores.iter().all(|core| core.clients() == 0 && core.contents() == (0, 0, 0))
        };
        for _ in 0..self.turns_max() {
            self.talk();
            self.step();
            if self.moment.is_multiple_of(64) && bare(self) {
                break;
            }
        }
        let world = &self.world;
        for (index, core) in world.cores.iter().enumerate() {
            assert_eq!(core.clients(), 0, "seed {seed}: core {index} has clients");
            assert_eq!(core.contents(), (0, 0, 0), "seed {seed}: core {index} has items, values, structures");
            assert_eq!(core.blocked(), (0, 0), "seed {seed}: core {index} has clients that wait");
        }
        assert_eq!(world.unfinished(), 0, "seed {seed}: something is under way");
        assert_eq!((world.watched(), world.listened()), (0, 0), "seed {seed}: watched, listened to");
        world.assert_nothing_is_held();
        self.audit();
        for load in &world.shared.load {
            assert_eq!(load.load(std::sync::atomic::Ordering::Relaxed), 0, "seed {seed}: load");
        }
    }
}
