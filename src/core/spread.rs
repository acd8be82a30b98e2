//! Spread commands over several shards (`MGET`, `MSET`, `DEL` and their like): their parts go out with the claims, and the
//! replies come back, in one buffer per shard and direction. The scheme is that of `transaction`; what is here is the
//! coordinator's side of its shortest form.

use super::coordinate::Running;
use super::{Client, Core, Mail};
use crate::command::Handler;
use crate::connection::Hold;
use crate::limits::{SPREAD_KEPT_BYTES_MAX, SPREADS_KEPT_MAX};
use crate::mesh::parcel::Origin;
use crate::protocol::{Args, Reply, Span};
use crate::session::SessionId;
use crate::shard::locks::Manner;
use crate::transaction::parts::{self, Votes};
use crate::transaction::{Answer, Done, FromShard, ToShard, Work};

/// A spread command under way. Its buffers are used again by later ones.
pub(super) struct Spread {
    number: u64,
    origin: Origin,
    client: Client,
    row: u16,
    /// The request, for the case that it has to start anew.
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// Hash and shard of each key.
    keys: Vec<(u64, u16)>,
    /// Shard of each part, in the order of the keys.
    shards: Vec<u16>,
    /// By shard: what it has answered.
    done: Vec<Option<Done>>,
    /// Shards with parts.
    asked: Vec<u16>,
    votes: Votes,
    /// Its parts write, and not all shards have voted.
    voting: bool,
    /// Not all shards have granted.
    claiming: bool,
    /// It was refused once: it claims its shards one after the other.
    in_order: bool,
    waiting: usize,
    /// Scratch of the merge.
    at: Vec<usize>,
    /// Scratch of the dealing; empty between.
    parcels: Vec<Vec<u8>>,
}

impl Spread {
    fn new(cores: u16, origin: Origin, client: Client) -> Spread {
        Spread {
            number: 0,
            origin,
            client,
            row: 0,
            bytes: Vec::new(),
            spans: Vec::new(),
            keys: Vec::new(),
            shards: Vec::new(),
            done: (0..cores).map(|_| None).collect(),
            asked: Vec::new(),
            votes: Votes::default(),
            voting: false,
            claiming: false,
            in_order: false,
            waiting: 0,
            at: Vec::new(),
            parcels: (0..cores).map(|_| Vec::new()).collect(),
        }
    }

    /// Its number now.
    pub fn number(&self) -> u64 {
        self.number
    }

    fn buffer_bytes(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>() + self.keys.capacity() * 16
    }
}

impl Core {
    /// Starts a spread command whose keys are on several shards. `keys` are their hashes and shards; what is left in it
    /// is scratch.
    pub(super) fn start_spread(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        args: Args<'_>,
        keys: &mut Vec<(u64, u16)>,
        muted: bool,
    ) {
        let origin = self.await_reply(id, client, muted);
        self.connections[id as usize].hold = Hold::Transaction;
        let cores = self.shared.cores();
        let mut spread =
            self.spare_spreads.pop().unwrap_or_else(|| Box::new(Spread::new(cores, origin, *client)));
        (spread.origin, spread.client, spread.row) = (origin, *client, row);
        spread.in_order = false;
        std::mem::swap(&mut spread.keys, keys);
        spread.bytes.clear();
        spread.spans.clear();
        for arg in args.iter() {
            spread.spans.push(Span { start: spread.bytes.len() as u32, len: arg.len() as u32 });
            spread.bytes.extend_from_slice(arg);
        }
        let slot = self.running_slot();
        self.claim_spread(slot, spread);
    }

    /// Sends the parts with their claims, under a fresh number.
    fn claim_spread(&mut self, slot: u32, mut spread: Box<Spread>) {
        let command = self.table.row(spread.row);
        let Handler::Spread { stride, .. } = command.handler else {
            unreachable!("only spread commands come here")
        };
        spread.number = self.shared.transaction();
        spread.voting = !command.is(crate::command::flag::READONLY);
        spread.claiming = true;
        spread.votes = Votes::default();
        let Client { asker, touch, .. } = spread.client;
        let head = parts::Head { row: spread.row, db: asker.db, proto: asker.proto, touch };
        let first = command.keys.first as usize;
        let mut parcels = std::mem::take(&mut spread.parcels);
        let mut shards = std::mem::take(&mut spread.shards);
        spread.asked.clear();
        for &(_, shard) in &spread.keys {
            let parcel = &mut parcels[shard as usize];
            if parcel.is_empty() {
                *parcel = self.pool.take();
                parts::begin(parcel, &head);
                spread.asked.push(shard);
            }
        }
        let args = Args::new(&spread.bytes, &spread.spans);
        let dealt =
            spread.keys.iter().enumerate().map(|(n, &(hash, shard))| (hash, shard, first + n * stride));
        parts::deal(&head, stride, args, dealt, &mut parcels, &mut shards);
        (spread.parcels, spread.shards) = (parcels, shards);
        spread.waiting = spread.asked.len();
        if spread.in_order {
            spread.asked.sort_unstable();
            self.send_parts(slot, &mut spread, 0);
        } else {
            (0..spread.waiting).for_each(|at| self.send_parts(slot, &mut spread, at));
        }
        self.running[slot as usize] = Some(Running::Spread(spread));
    }

    /// Sends the parts of one of the shards.
    fn send_parts(&mut self, slot: u32, spread: &mut Spread, at: usize) {
        let shard = spread.asked[at];
        let parcel = std::mem::take(&mut spread.parcels[shard as usize]);
        let manner = if spread.in_order { Manner::InOrder } else { Manner::AtOnce };
        let ticket = self.ticket(slot, spread.number);
        self.post(shard, Mail::ToShard(ticket, ToShard::Parts(parcel, manner)));
    }

    /// A shard's answer.
    pub(super) fn spread_answered(
        &mut self,
        slot: u32,
        mut spread: Box<Spread>,
        from: u16,
        answer: FromShard,
    ) {
        match answer {
            FromShard::Refused => {
                // Answers to the old number that are still on their way name it, and are ignored.
                debug_assert!(!spread.in_order, "who claims in order is never refused");
                self.release_spread(slot, &mut spread);
                spread.in_order = true;
                return self.claim_spread(slot, spread);
            }
            FromShard::Granted(Some(Answer::Voted(vote))) => spread.votes.add(from, vote, &spread.shards),
            FromShard::Granted(Some(Answer::Parts(done))) | FromShard::Done(Answer::Parts(done)) => {
                spread.done[from as usize] = Some(done);
            }
            other => unreachable!("parts are answered with votes or replies, not {other:?}"),
        }
        spread.waiting -= 1;
        if spread.waiting > 0 {
            if spread.in_order && spread.claiming {
                let at = spread.asked.len() - spread.waiting;
                self.send_parts(slot, &mut spread, at);
            }
            self.running[slot as usize] = Some(Running::Spread(spread));
            return;
        }
        let direct = self.takes_reply(spread.origin);
        let mut bytes = match direct {
            Some(id) => std::mem::take(&mut self.connections[id as usize].out),
            None => Vec::new(),
        };
        if bytes.capacity() == 0 {
            bytes = self.pool.take();
        }
        let mut reply = Reply::new(&mut bytes, spread.client.proto());
        let command = self.table.row(spread.row);
        let Handler::Spread { merge, .. } = command.handler else {
            unreachable!("only spread commands come here")
        };
        let done = if spread.voting {
            match spread.votes.decide(&mut reply) {
                Ok(true) => {
                    self.put_back(direct, bytes);
                    return self.go(slot, spread);
                }
                Ok(false) => Ok(false),
                Err(fault) => Err(fault),
            }
        } else {
            parts::merge(merge, &spread.shards, &spread.done, &mut spread.at, &mut reply)
        };
        match done {
            Ok(changed) => self.shard.traffic.changes += u64::from(changed),
            Err(fault) => {
                fault.write(&mut reply);
                self.count_failure(spread.row, &fault);
            }
        }
        // Those that went have given their keys back with it.
        if spread.voting || command.is(crate::command::flag::READONLY) {
            self.release_spread(slot, &mut spread);
        }
        self.running_free.push(slot);
        if direct.is_some() {
            self.put_back(direct, bytes);
            self.end_transaction(spread.origin, b"");
        } else {
            self.end_transaction(spread.origin, &bytes);
            self.pool.give(bytes);
        }
        self.keep_spread(spread);
    }

    /// The client whose reply may go straight into its output: it is there, and nothing has to leave before.
    fn takes_reply(&self, origin: Origin) -> Option<SessionId> {
        let connection = self.connections.get(origin.connection as usize)?;
        let here = connection.client_id as u32 == origin.client && connection.client_id != 0;
        (here && connection.line.is_next(origin.sequence)).then_some(origin.connection)
    }

    fn put_back(&mut self, direct: Option<SessionId>, bytes: Vec<u8>) {
        match direct {
            Some(id) => {
                self.connections[id as usize].out = bytes;
                // Its buffers are counted at the end of the turn.
                self.mark_dirty(id);
            }
            None => self.pool.give(bytes),
        }
    }

    /// All shards can make their parts: they do.
    fn go(&mut self, slot: u32, mut spread: Box<Spread>) {
        (spread.voting, spread.claiming) = (false, false);
        spread.waiting = spread.asked.len();
        let ticket = self.ticket(slot, spread.number);
        for &shard in &spread.asked {
            self.post(shard, Mail::ToShard(ticket, ToShard::Work { work: Work::Go, release: true }));
        }
        self.running[slot as usize] = Some(Running::Spread(spread));
    }

    /// Gives the keys back, and forgets what was answered.
    fn release_spread(&mut self, slot: u32, spread: &mut Spread) {
        let ticket = self.ticket(slot, spread.number);
        for &shard in &spread.asked {
            self.post(shard, Mail::ToShard(ticket, ToShard::Release));
            if let Some(done) = spread.done[shard as usize].take() {
                self.pool.give(done.bytes);
            }
        }
    }

    fn keep_spread(&mut self, mut spread: Box<Spread>) {
        for &shard in &spread.asked {
            if let Some(done) = spread.done[shard as usize].take() {
                self.pool.give(done.bytes);
            }
        }
        if self.spare_spreads.len() < SPREADS_KEPT_MAX && spread.buffer_bytes() <= SPREAD_KEPT_BYTES_MAX {
            self.spare_spreads.push(spread);
        }
    }
}
