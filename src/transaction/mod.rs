//! Commands that touch several shards, made atomic.
//!
//! # The scheme
//!
//! It follows lightweight locking for main-memory databases (VLL; Ren, Thomson, Abadi, VLDB 2012):
//! a multi-shard command takes one number from a counter of the process and claims its keys on all
//! its shards in one hop. A shard grants a claim at once if nothing conflicts, lets it wait in line
//! behind smaller numbers, and refuses it if a greater number is in front (`shard::locks`). Once all
//! shards have granted, the command runs in one or more rounds of work on its shards; the last round
//! gives the keys back. If one shard refuses, all claims are given up and the command starts anew
//! with a fresh number, and now claims its shards one after the other, in their order.
//!
//! A command that is the same for each of many keys (`MGET`, `MSET`, `DEL`) has the shortest form of this: its parts travel with the
//! claim ([`parts`]). Parts that read are made at the grant. Parts that write wait on their shards until all have
//! granted; those that may lack memory find their room before they vote, so that all are made or none is.
//!
//! # Why it is strictly serializable
//!
//! Between the last grant and the first release a command holds all of its keys, so there is a moment
//! at which its effects could have happened all at once, and that moment lies between its request and
//! its reply. Reads may run with the claim itself, before other shards have granted: what they saw
//! cannot change until the release, and is thrown away if the command has to start anew. Commands of
//! one shard run between turns of the shard's lines, at one moment of their own.
//!
//! # Why nobody waits for ever
//!
//! Those who claim all shards at once wait for smaller numbers only, and those who claim them in order, as everybody does who
//! was refused, are never refused again. No circle of waiting exists (`shard::locks` has the argument), lines
//! are served in order of arrival, and no command starts anew twice.
//!
//! # Those who wait for a key to hold something
//!
//! A blocking command that found nothing stands in line on its shards before it gives its keys back. How it is served
//! later, and why nobody waits for ever with a key in hand, is stated where that is done (`core::blocking`).
//!
//! # Who does what
//!
//! [`coordinator::Transaction`] is a state machine on the core of the client's connection. It takes
//! answers and gives messages; [`serve`] is a shard's side of the work. Neither sends anything: the core does. Spread commands by
//! themselves need no program: `core::spread` runs them.

pub mod coordinator;
pub mod parts;
pub mod plan;
pub mod serve;

use crate::command::sort::Lookup;
use crate::command::{Asker, Fault, Gathered, Outcome, Write};
use crate::protocol::Proto;
use crate::session::listeners::Change as Listening;
use crate::session::{Queued, Watched};
use crate::shard::locks::{Manner, Mode};
use crate::shard::waiters::{Awaited, Waiter};
use std::sync::Arc;

/// Names one command under way: where it is coordinated, its slot there, its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The coordinating core.
    pub core: u16,
    /// Its slot in that core's table.
    pub slot: u32,
    /// Its number; a command that starts anew has a new one, and answers to the old one are ignored.
    pub number: u64,
}

/// What a coordinator tells a shard.
#[derive(Debug)]
pub enum ToShard {
    /// Claim keys (`None`: the whole shard); once granted do this work, if any.
    Claim {
        /// Key hashes and how each is held.
        keys: Option<Vec<(u64, Mode)>>,
        /// What to do at the grant.
        work: Option<Work>,
        /// All shards at once, or one after the other.
        manner: Manner,
    },
    /// Claim the keys of these parts of a spread command (`parts`). Once granted: if they only read, make them; otherwise keep
    /// them, find room for them, and vote.
    Parts(Vec<u8>, Manner),
    /// Do this now: the keys are held, or none are needed.
    Work {
        /// What to do.
        work: Work,
        /// Give the keys back after it.
        release: bool,
    },
    /// Give the keys back, held or waited for.
    Release,
    /// One client less watches these keys. Concerns no command; nothing answers it.
    Unwatch(Vec<Watched>),
}

/// What a shard answers.
#[derive(Debug)]
pub enum FromShard {
    /// The claim is granted, and the work that came with it is done.
    Granted(Option<Answer>),
    /// A greater number is in front.
    Refused,
    /// The work is done.
    Done(Answer),
}

/// A share of a round.
#[derive(Debug)]
pub enum Work {
    /// Commands, or parts of spread commands, in order.
    Calls(Vec<PartCall>),
    /// Copies of items.
    Gather(Vec<Wanted>),
    /// Values that lie in other keys, of this logical database.
    Find {
        /// The database.
        db: u8,
        /// What is wanted.
        lookups: Vec<Lookup>,
        /// Reads count as use.
        touch: bool,
    },
    /// Changes. Nothing is removed if something could not be stored.
    Apply(Vec<Change>),
    /// Keep these parts of a spread command, find room for them, and vote.
    Prepare(Vec<u8>),
    /// Make the parts that are kept.
    Go,
    /// Drop the parts that are kept.
    Forget,
    /// Begin to watch these keys.
    Watch(Vec<Watched>),
    /// Has any of these watched keys been touched since that moment?
    Look(Vec<(Watched, u64)>),
    /// A blocking command found nothing: it stands in line for these keys, each with its place among the arguments.
    Await {
        /// Whose it is.
        waiter: Waiter,
        /// The keys.
        places: Vec<(Awaited, u32)>,
    },
    /// A client listens to other names now.
    Listen {
        /// What changes.
        change: Arc<Listening>,
        /// Its slot on the core that coordinates.
        connection: u32,
        /// Low half of its id.
        client: u32,
    },
    /// A question to every core.
    Ask {
        /// Row of the command.
        row: u16,
        /// Its arguments.
        request: Arc<Queued>,
        /// Who asks.
        asker: Asker,
    },
}

/// A command for one shard.
#[derive(Debug)]
pub struct PartCall {
    /// The arguments, and the row.
    pub request: Queued,
    /// It is one key's part of a spread command, not a whole command.
    pub part: bool,
    /// Logical database.
    pub db: u8,
    /// Format of the reply.
    pub proto: Proto,
    /// Reads count as use.
    pub touch: bool,
}

/// An item to be copied.
#[derive(Debug)]
pub struct Wanted {
    /// Logical database.
    pub db: u8,
    /// The key.
    pub key: Vec<u8>,
    /// The value is needed, not only whether there is one.
    pub value: bool,
    /// It counts as a look-up.
    pub reads: bool,
}

/// An item to be stored, changed or removed.
#[derive(Debug)]
pub struct Change {
    /// Logical database.
    pub db: u8,
    /// The key.
    pub key: Vec<u8>,
    /// What is done.
    pub write: Write,
}

/// Answer to a share of a round.
#[derive(Debug)]
pub enum Answer {
    /// To `Work::Calls`, one per call.
    Replies(Vec<PartReply>),
    /// To `Work::Gather`, one per key.
    Gathered(Vec<Option<Gathered>>),
    /// To `Work::Apply`.
    Applied(Result<(), Fault>),
    /// To `Work::Watch`: the moment.
    Watched(u64),
    /// To `Work::Look`.
    Touched(bool),
    /// To `Work::Find`, one per value.
    Found(Vec<Option<Vec<u8>>>),
    /// To `Work::Await`.
    Standing,
    /// To `Work::Ask`.
    Asked(Vec<u8>),
    /// To `Work::Listen`, whose this was.
    Listened {
        /// See there.
        connection: u32,
        /// See there.
        client: u32,
    },
    /// To parts that write, and to `Work::Prepare`.
    Voted(Vote),
    /// To parts that read, and to `Work::Go`.
    Parts(Done),
    /// To `Work::Forget`.
    Forgotten,
}

/// Whether a shard can make its parts of a command.
#[derive(Debug)]
pub enum Vote {
    /// It can, whatever happens meanwhile.
    Go,
    /// One of the keys exists, and none may.
    Exists,
    /// It cannot make the part of this place among its own.
    Refused(u32, Fault),
}

/// What a shard's parts of a spread command gave.
#[derive(Debug)]
pub struct Done {
    /// Replies, each behind its length, where they are merged into an array.
    pub bytes: Vec<u8>,
    /// Sum of the counts.
    pub count: i64,
    /// Something changed.
    pub changed: bool,
    /// The first part of its own that failed.
    pub fault: Option<(u32, Fault)>,
}

/// What a call on one shard gave.
#[derive(Debug)]
pub struct PartReply {
    /// The reply, or this part of it.
    pub bytes: Vec<u8>,
    /// What was done.
    pub result: Result<Outcome, Fault>,
}
