//! A client: what it says, byte by byte, and what it hears.

use super::op::{Key, Op, Reply};
use super::speech::{self, Form, Spoken, Tongue};
use crate::driver::{Dice, Wire};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

/// What a client is there for.
#[derive(Debug)]
pub enum Role {
    /// It asks what the plan makes up.
    Worker,
    /// It fills the memory with keys of its own.
    Filler,
    /// It goes through all keys, again and again.
    Scanner { cursor: String, seen: BTreeSet<Vec<u8>>, rounds: usize },
    /// It listens to some channels, and hears messages.
    Listener { channels: Vec<String>, messages: Vec<(String, String)> },
    /// It asks what the run itself wants to know.
    Control,
}

/// How a client stands to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Fine,
    /// It says no more, and reads on.
    HalfClosed,
    /// Its connection broke.
    Broken,
    /// The server has closed.
    Gone,
}

/// What is wanted of a reply.
#[derive(Debug)]
pub enum Purpose {
    /// It is part of the history: these places in the record.
    Recorded(usize, Vec<Op>),
    /// A message was published: its place.
    Published(usize),
    /// Only its form matters.
    Formal,
    /// It may be refused for want of memory.
    Filling,
    /// The next step of a scan.
    Scan,
}

/// A request that has not been answered.
#[derive(Debug)]
pub struct Waiting {
    pub purpose: Purpose,
    form: Form,
    /// The byte from whose writing on it may be executed, counted from the connection's first: mostly its last.
    counts_at: u64,
    /// Its last byte.
    ends_at: u64,
    counts: bool,
    /// It has been written whole.
    pub said: bool,
    /// It may wait for others before it is answered.
    pub blocks: bool,
}

pub struct Talker {
    pub number: u32,
    pub tongue: Tongue,
    pub role: Role,
    pub wire: Rc<RefCell<Wire>>,
    pub standing: Standing,
    pub waiting: VecDeque<Waiting>,
    pub uniques: HashMap<(usize, Key), u64>,
    pub published: usize,
    /// Queued and not written yet.
    pub unsaid: VecDeque<u8>,
    /// Bytes queued so far, and written so far.
    queued: u64,
    written: u64,
    /// The next number for a request that has one.
    opaque: u32,
}

impl Talker {
    pub fn new(number: u32, tongue: Tongue, role: Role, wire: Rc<RefCell<Wire>>) -> Talker {
        let mut talker = Talker {
            number,
            tongue,
            role,
            wire,
            standing: Standing::Fine,
            waiting: VecDeque::new(),
            uniques: HashMap::new(),
            published: 0,
            unsaid: VecDeque::new(),
            queued: 0,
            written: 0,
            opaque: number * 10_000,
        };
        if tongue == Tongue::Resp3 {
            talker.queue(
                Spoken { bytes: speech::line("HELLO 3"), form: Form::Plain },
                Purpose::Formal,
                false,
            );
        }
        talker
    }

    /// A request is going to be written.
    pub fn queue(&mut self, spoken: Spoken, purpose: Purpose, blocks: bool) {
        let ends_at = self.queued + spoken.bytes.len() as u64;
        // Several packets are executed one by one.
        let several = matches!(spoken.form, Form::Packets(first, last) if first < last);
        let counts_at = if several { self.queued + 1 } else { ends_at };
        self.queued = ends_at;
        self.unsaid.extend(spoken.bytes);
        let (form, counts, said) = (spoken.form, false, false);
        self.waiting.push_back(Waiting { purpose, form, counts_at, ends_at, counts, said, blocks });
    }

    /// Asks something of the history, whose places begin at `place`.
    pub fn ask(&mut self, group: usize, ops: Vec<Op>, place: usize) {
        self.opaque += 100;
        let spoken = match self.tongue {
            Tongue::Resp2 | Tongue::Resp3 => speech::resp(group, &ops[0]),
            Tongue::Classic => speech::classic(group, &ops),
            Tongue::Meta => speech::meta(group, &ops[0], self.opaque),
            Tongue::Binary => speech::binary(group, &ops, self.opaque),
        };
        let blocks = ops[0].blocks();
        self.queue(spoken, Purpose::Recorded(place, ops), blocks);
    }

    /// Asks for something that nobody else gets.
    pub fn echo(&mut self) {
        self.opaque += 1;
        let text = format!("echo.{}", self.opaque);
        let bytes = speech::line(&format!("ECHO {text}"));
        self.queue(Spoken { bytes, form: Form::Echo(text) }, Purpose::Formal, false);
    }

    /// Writes a part of what is queued; `counts` hears of each request that may be executed from then on.
    pub fn write(&mut self, dice: &mut Dice, mut counts: impl FnMut(&Waiting)) {
        if self.unsaid.is_empty() || self.standing != Standing::Fine || !dice.once_in(3) {
            return;
        }
        let part = if dice.once_in(3) { dice.below(self.unsaid.len() + 1) } else { self.unsaid.len() };
        self.wire.borrow_mut().up.extend(self.unsaid.drain(..part));
        self.written += part as u64;
        for waiting in self.waiting.iter_mut().filter(|waiting| !waiting.said) {
            if waiting.counts_at > self.written {
                break;
            }
            if !std::mem::replace(&mut waiting.counts, true) {
                counts(waiting);
            }
            waiting.said = waiting.ends_at <= self.written;
        }
    }

    /// The next whole reply, if one has come.
    pub fn hear(&mut self) -> Result<Option<(Waiting, Vec<Reply>)>, String> {
        let mut wire = self.wire.borrow_mut();
        if wire.down.is_empty() {
            return Ok(None);
        }
        if let Role::Listener { messages, .. } = &mut self.role {
            let mut at = 0;
            let Some(frame) = speech::frame(&wire.down, &mut at)? else { return Ok(None) };
            if let Reply::Array(items) = frame
                && let [Reply::Bulk(kind), Reply::Bulk(channel), Reply::Bulk(text)] = &items[..]
                && kind == b"message"
            {
                let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                messages.push((string(channel), string(text)));
                wire.down.drain(..at);
                return Ok(None);
            }
        }
        let Some(waiting) = self.waiting.front() else {
            return Err(format!("nobody has asked for \"{}\"", wire.down.escape_ascii()));
        };
        let none = Vec::new();
        let ops = if let Purpose::Recorded(_, ops) = &waiting.purpose { ops } else { &none };
        let Some((used, replies)) = speech::replies(&waiting.form, ops, &wire.down)? else { return Ok(None) };
        if !waiting.said {
            return Err(format!("{waiting:?} is answered before it was asked"));
        }
        wire.down.drain(..used);
        let waiting = self.waiting.pop_front().expect("it was there");
        Ok(Some((waiting, replies)))
    }

    /// It wants nothing more.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.unsaid.is_empty()
    }
}
