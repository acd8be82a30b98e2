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
//! with a fresh number.
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
//! Claims wait for smaller numbers only, so no circle of waiting exists. A refused command was refused
//! because of a greater number under way; the greatest number under way is never refused; so some
//! command always finishes.
//!
//! # Who does what
//!
//! [`coordinator::Transaction`] is a state machine on the core of the client's connection. It takes
//! answers and gives messages; [`serve`] is a shard's side of the work. Neither sends anything: the core does.

pub mod coordinator;
pub mod plan;
pub mod serve;

use crate::command::{Asker, Fault, Gathered, Outcome};
use crate::protocol::Proto;
use crate::session::{Queued, Seen, Watched};
use crate::shard::Meta;
use crate::shard::locks::Mode;
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
    /// Claim keys (`None`: the whole shard); once granted do this work, if any, and then give the keys back if `release`.
    Claim {
        /// Key hashes and how each is held.
        keys: Option<Vec<(u64, Mode)>>,
        /// What to do at the grant.
        work: Option<Work>,
        /// Give the keys back after the work.
        release: bool,
    },
    /// Do this now: the keys are held, or none are needed.
    Work {
        /// What to do.
        work: Work,
        /// Give the keys back after it.
        release: bool,
    },
    /// Give the keys back, held or waited for.
    Release,
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
    /// Changes. Nothing is removed if something could not be stored.
    Apply(Vec<Change>),
    /// What is under these keys, for `WATCH`.
    Look(Vec<Watched>),
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
}

/// An item to be stored, or removed where `put` is `None`.
#[derive(Debug)]
pub struct Change {
    /// Logical database.
    pub db: u8,
    /// The key.
    pub key: Vec<u8>,
    /// New value and what is stored beside it.
    pub put: Option<(Vec<u8>, Meta)>,
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
    /// To `Work::Look`, one per key. A key that was absent and has been ever since looks as it did.
    Seen(Vec<Seen>),
    /// To `Work::Ask`.
    Asked(Vec<u8>),
}

/// What a call on one shard gave.
#[derive(Debug)]
pub struct PartReply {
    /// The reply, or this part of it.
    pub bytes: Vec<u8>,
    /// What was done.
    pub result: Result<Outcome, Fault>,
}
