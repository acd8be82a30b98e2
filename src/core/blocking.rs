//! Clients in blocking commands: the home core's side. `waking` is that of the shards, where they stand in line.
//!
//! # How one is served
//!
//! A blocking command is tried first (`command::blocking`), with all of its keys held, and what finds nothing stands in
//! line at the shard of each of its keys before any of them is given back: nothing can come in between. Keys of one
//! shard cost one hop for this, keys of several a transaction ([`Purpose::Block`]).
//!
//! A command that puts something under an awaited key leaves it held when it has finished (a transaction when all of
//! it has), and the shard offers it to the first in line. The offer goes to the core of that client, the only one
//! that decides: it takes one offer at a time, and none for a client that has been answered or has gone. If it is
//! taken, the command is tried once more, for that key alone; the shard gives its reply to the client's core, goes on to the
//! next in line while there is something left, and then gives the key back. Whoever asks for the key meanwhile
//! waits as if the first in line had been served in the same moment as it came.
//!
//! # Why one serves, and nothing is lost
//!
//! *Never two.* A record is [`State::Waiting`] when it takes an offer and is so again only when that one has failed; in
//! between other offers wait for the answer, their keys held. Once served the record is gone, and what is offered to a
//! client without a record is refused.
//!
//! *Nothing is lost.* An element is taken by the try only, after the client's core has said that the client is there; a
//! timeout, `CLIENT UNBLOCK` or the client's end that comes while a try is under way waits for its outcome. (A client
//! whose connection breaks after that has lost its element, as with any command that takes something.)
//!
//! *Nobody sleeps beside a full list.* A key is looked at whenever the store says that it was touched, whenever somebody
//! leaves its line, and whenever a client that was busy asks for it; what is held by somebody else just then is looked at
//! when it is given back.
//!
//! *Nobody waits in a circle.* While a shard holds a key for an offer, the answer needs no lock: a try on one shard runs
//! under the hold, and one that moves an element to another shard takes that key only if it is free ([`Manner::Try`]).
//! If it is not, the offer is given back, the client keeps its place, and the command is tried as a transaction in its
//! own right, which may lose what it was offered to another client: the price of not waiting for locks with a key in
//! hand.
//!
//! # Time
//!
//! Deadlines of a core's clients lie in one ordered set; the loop sleeps until the first.
//!
//! [`Manner::Try`]: crate::shard::locks::Manner::Try

use super::waking::{Attempt, ToHome, ToLine, Verdict};
use super::{Client, Core, Mail};
use crate::command::blocking::{narrowed, wait_of};
use crate::command::run::run_here;
use crate::command::{Command, Fault, flag};
use crate::connection::{Closing, Hold};
use crate::mesh::parcel::{self, Origin};
use crate::metrics::Counter;
use crate::protocol::{Args, Reply};
use crate::session::{Queued, SessionId};
use crate::shard::waiters::Waiter;
use crate::transaction::coordinator::{Ended, Purpose};
use crate::transaction::plan::{Claims, Place, keys_of, place_of, shard_of};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// Something of a shard's for one of this core's clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// The shard.
    pub shard: u16,
    /// Its name for it.
    pub serving: u64,
    /// The client.
    pub waiter: Waiter,
    /// The key, by its place among the arguments.
    pub argument: u32,
}

/// How far a blocking command has come.
#[derive(Clone, Copy, Debug)]
enum State {
    /// It is tried, and stands in line if that gives nothing; its end is not this core's to decide.
    Asking,
    /// It stands in line.
    Waiting,
    /// It has taken an offer.
    Serving,
}

/// Why a wait ends without anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its time is over, or somebody said so.
    Timeout,
    /// `CLIENT UNBLOCK id ERROR`.
    Error,
    /// The client has gone.
    Gone,
}

/// One client's blocking command.
struct Blocked {
    client: Client,
    origin: Origin,
    request: Queued,
    /// The shards of its keys.
    shards: Vec<u16>,
    /// `mono_us`; 0: never.
    deadline_us: u64,
    state: State,
    /// It has come to stand in line, so that it counts as blocked.
    stood: bool,
    /// What is to become of it if what is under way gives nothing.
    ending: Option<Ending>,
    /// Offers that wait for the outcome of the one that was taken.
    offers: VecDeque<Offer>,
    /// Shards whose offers came while it was busy: they are asked to look again.
    turned_down: Vec<u16>,
}

/// The blocking commands of a core's clients.
#[derive(Default)]
pub(super) struct Blocking {
    records: HashMap<SessionId, Box<Blocked>>,
    deadlines: BTreeSet<(u64, SessionId)>,
    /// Those that have come to stand in line.
    stood: u64,
}

impl Blocking {
    /// The first deadline, `mono_us`.
    #[inline]
    pub fn next_deadline_us(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// How many clients are in a blocking command.
    pub fn len(&self) -> usize {
        self.records.len()
    }
}

impl Core {
    /// A blocking command outside of a transaction.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn block(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        command: &'static Command,
        args: Args<'_>,
        (place, permitted): (Place, bool),
        muted: bool,
    ) {
        if place == Place::One(self.index) && permitted {
            return self.block_here(id, client, row, command, args, muted);
        }
        let request = Queued::copy_of(row, args);
        if let Place::One(shard) = place {
            let origin = self.await_reply(id, client, muted);
            self.begin_block(id, client, origin, request, vec![shard], State::Asking);
            let crate::command::Asker { db, proto, .. } = client.asker;
            let touch = client.touch;
            let request = parcel::Request { origin, row, db, proto, touch, hash: 0, args };
            if shard == self.index {
                self.park(shard, &request);
            } else {
                self.metrics().add(Counter::Hops, 1);
                self.send_request(shard, &request);
            }
            return;
        }
        let shards = self.shards_of(command, &request, client.asker.db);
        let origin = self.await_reply(id, client, muted);
        self.begin_block(id, client, origin, request.clone(), shards, State::Asking);
        self.try_as_transaction(origin, client, request);
    }

    /// The same where all keys are of this shard and free.
    fn block_here(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        command: &'static Command,
        args: Args<'_>,
        muted: bool,
    ) {
        let mut bytes = self.pool.take();
        let mut reply = Reply::new(&mut bytes, client.proto());
        let (db, touch) = (client.asker.db, client.touch);
        match run_here(command, &mut self.shard, args, db, &self.shared.hasher, touch, &mut reply) {
            Ok(outcome) if !outcome.changed => {
                let origin = self.await_reply(id, client, muted);
                let request = Queued::copy_of(row, args);
                self.begin_block(id, client, origin, request, vec![self.index], State::Waiting);
                self.stand_in_line(self.waiter(self.index, origin), command, args, db);
            }
            Ok(_) => {
                self.shard.traffic.changes += 1;
                self.answer(id, client, muted, |reply| reply.raw(&bytes));
            }
            Err(fault) => {
                self.count_failure(row, &fault);
                self.answer(id, client, muted, |reply| fault.write(reply));
            }
        }
        self.pool.give(bytes);
        self.wake_if_any();
    }

    /// Where a reply belongs, as a name for who awaits it.
    pub(super) fn waiter(&self, core: u16, origin: Origin) -> Waiter {
        let Origin { connection, client, sequence } = origin;
        Waiter { core, connection, client, sequence }
    }

    /// The shards of the keys of a request.
    fn shards_of(&self, command: &'static Command, request: &Queued, db: u8) -> Vec<u16> {
        let (args, mut keys) = (request.args(), Vec::new());
        let _ = keys_of(command, args, db, self.shard.databases(), &mut keys);
        let mut shards: Vec<u16> = keys.iter().map(|key| shard_of(&self.shared, &args[key.arg])).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    fn begin_block(
        &mut self,
        id: SessionId,
        client: &Client,
        origin: Origin,
        request: Queued,
        shards: Vec<u16>,
        state: State,
    ) {
        let ms = wait_of(self.table.row(request.row), request.args());
        let deadline_us = if ms == 0 { 0 } else { self.now.mono_us.saturating_add(ms.saturating_mul(1000)) };
        if ms > 0 {
            self.blocking.deadlines.insert((deadline_us, id));
        }
        let connection = &mut self.connections[id as usize];
        connection.hold = Hold::Blocked;
        connection.queued_bytes += request.memory_bytes();
        self.mark_dirty(id);
        let stands = matches!(state, State::Waiting);
        let blocked = Blocked {
            client: *client,
            origin,
            request,
            shards,
            deadline_us,
            state,
            stood: false,
            ending: None,
            offers: VecDeque::new(),
            turned_down: Vec::new(),
        };
        let before = self.blocking.records.insert(id, Box::new(blocked));
        assert!(before.is_none(), "a client waits in one command");
        if stands {
            self.count_standing(id);
        }
    }

    /// From now on a client is seen to be blocked.
    fn count_standing(&mut self, id: SessionId) {
        let Some(record) = self.blocking.records.get_mut(&id).filter(|record| !record.stood) else { return };
        record.stood = true;
        self.blocking.stood += 1;
        if let Some(session) = self.sessions.get_mut(id) {
            session.blocked = true;
        }
        self.count_blocked();
    }

    fn count_blocked(&self) {
        self.metrics().set(Counter::Blocked, self.blocking.stood);
        self.metrics().set(Counter::BlockedWithDeadline, self.blocking.deadlines.len() as u64);
    }

    /// Tries a command over several shards; it stands in line where that gives nothing.
    fn try_as_transaction(&mut self, origin: Origin, client: &Client, request: Queued) {
        let mut claims = Claims::none(self.shared.cores());
        claims.add_command(&self.shared, &request, self.shard.databases());
        let purpose = Purpose::Block { waiter: self.waiter(self.index, origin) };
        self.start_program(origin, client, purpose, vec![request], claims);
    }

    /// The record of whoever a waiter is, if that still waits.
    fn record(&mut self, waiter: &Waiter) -> Option<&mut Blocked> {
        let record = self.blocking.records.get_mut(&waiter.connection)?;
        let Origin { client, sequence, .. } = record.origin;
        ((client, sequence) == (waiter.client, waiter.sequence)).then_some(record)
    }

    /// A shard's word.
    pub(super) fn hear_of_line(&mut self, shard: u16, word: ToHome) {
        match word {
            ToHome::Standing(waiter) => self.stands(waiter),
            ToHome::Offered { waiter, argument, serving } => {
                let offer = Offer { shard, serving, waiter, argument };
                if let Some(verdict) = self.decide_offer(offer) {
                    self.answer_offer(&offer, verdict);
                }
            }
            ToHome::Served(waiter, reply) => self.served(waiter, &reply),
            ToHome::Missed(waiter) => self.missed(waiter),
        }
    }

    fn answer_offer(&mut self, offer: &Offer, verdict: Verdict) {
        self.post(offer.shard, Mail::ToLine(ToLine::Answer { serving: offer.serving, verdict }));
    }

    /// What the client makes of an offer; `None`: that will be told later.
    pub(super) fn decide_offer(&mut self, offer: Offer) -> Option<Verdict> {
        self.end_unblocked();
        let id = offer.waiter.connection;
        if self.record(&offer.waiter).is_none() {
            return Some(Verdict::Gone);
        }
        if self.connections[id as usize].closing >= Closing::Now {
            self.end_block(id, Ending::Gone);
        }
        let Some(record) = self.record(&offer.waiter) else { return Some(Verdict::Gone) };
        match record.state {
            State::Asking => {
                record.turned_down.push(offer.shard);
                Some(Verdict::Busy)
            }
            State::Serving => {
                record.offers.push_back(offer);
                None
            }
            State::Waiting => self.take_offer(offer),
        }
    }

    fn take_offer(&mut self, offer: Offer) -> Option<Verdict> {
        let record = self.record(&offer.waiter).expect("the caller has looked");
        record.state = State::Serving;
        let (client, origin) = (record.client, record.origin);
        let command = crate::command::table::TABLE.row(record.request.row);
        let request = narrowed(command, &record.request, offer.argument as usize);
        let (args, mut keys) = (request.args(), Vec::new());
        let _ = keys_of(command, args, client.asker.db, self.shard.databases(), &mut keys);
        if place_of(&self.shared, args, &keys) != Place::Several {
            let crate::command::Asker { db, proto, .. } = client.asker;
            return Some(Verdict::Run(Box::new(Attempt { request, db, proto, touch: client.touch })));
        }
        // The key on offer is held for it already.
        let mut claims = Claims::none(self.shared.cores());
        claims.add_command(&self.shared, &request, self.shard.databases());
        claims.keys[offer.shard as usize].clear();
        let purpose = Purpose::Serve { shard: offer.shard, serving: offer.serving };
        self.start_program(origin, &client, purpose, vec![request], claims);
        None
    }

    /// A program of a blocking command has ended.
    pub(super) fn end_of_try(&mut self, origin: Origin, purpose: &Purpose, ended: Ended, reply: &[u8]) {
        let waiter = self.waiter(self.index, origin);
        let Purpose::Serve { shard, serving } = *purpose else {
            return match ended {
                Ended::Done => self.served(waiter, reply),
                Ended::Unserved | Ended::Refused => self.stands(waiter),
            };
        };
        let verdict = match ended {
            Ended::Refused => Verdict::Busy,
            ended => Verdict::Settled { served: ended == Ended::Done },
        };
        self.post(shard, Mail::ToLine(ToLine::Answer { serving, verdict }));
        match ended {
            Ended::Done => self.served(waiter, reply),
            Ended::Unserved => self.missed(waiter),
            Ended::Refused => self.fall_back(waiter, shard),
        }
    }

    /// Where the element was to go was not free: all keys are claimed in the usual way, with none of them in hand.
    fn fall_back(&mut self, waiter: Waiter, shard: u16) {
        let Some(record) = self.record(&waiter) else { return };
        record.state = State::Asking;
        record.turned_down.push(shard);
        let (client, origin, request) = (record.client, record.origin, record.request.clone());
        let offers = std::mem::take(&mut record.offers);
        record.turned_down.extend(offers.iter().map(|offer| offer.shard));
        offers.iter().for_each(|offer| self.answer_offer(offer, Verdict::Busy));
        self.try_as_transaction(origin, &client, request);
    }

    /// It stands in line at all of its shards.
    pub(super) fn stands(&mut self, waiter: Waiter) {
        let Some(record) = self.record(&waiter) else {
            // The client went while it was asked for it.
            let shards: Vec<u16> = (0..self.shared.cores()).collect();
            return self.post_leave(waiter, &shards);
        };
        record.state = State::Waiting;
        let turned_down = std::mem::take(&mut record.turned_down);
        self.count_standing(waiter.connection);
        if !self.end_if_due(waiter.connection) {
            for shard in turned_down {
                self.post(shard, Mail::ToLine(ToLine::Look(waiter)));
            }
        }
    }

    /// What was offered had gone when it was tried.
    pub(super) fn missed(&mut self, waiter: Waiter) {
        let Some(record) = self.record(&waiter) else { return };
        record.state = State::Waiting;
        if self.end_if_due(waiter.connection) {
            return;
        }
        while let Some(record) = self.record(&waiter)
            && let State::Waiting = record.state
            && let Some(offer) = record.offers.pop_front()
        {
            if let Some(verdict) = self.decide_offer(offer) {
                self.answer_offer(&offer, verdict);
            }
        }
    }

    /// What was to end it while it was busy ends it now.
    fn end_if_due(&mut self, id: SessionId) -> bool {
        let gone =
            self.connections[id as usize].ended || self.connections[id as usize].closing >= Closing::Now;
        let due = self.blocking.records.get(&id).and_then(|record| record.ending);
        let due = due.or(gone.then_some(Ending::Gone));
        due.is_some_and(|ending| {
            self.end_block(id, ending);
            true
        })
    }

    /// It has its reply.
    pub(super) fn served(&mut self, waiter: Waiter, reply: &[u8]) {
        if self.record(&waiter).is_some() {
            let origin = self.forget_block(waiter.connection);
            self.fill(origin, reply);
        }
    }

    /// A blocking command that was sent to another shard had its reply there at once. Replies to what came before it are
    /// none of its business.
    #[cold]
    pub(super) fn end_if_answered(&mut self, origin: Origin) {
        let waiter = self.waiter(self.index, origin);
        if self.record(&waiter).is_some() {
            self.forget_block(waiter.connection);
        }
    }

    /// Ends the wait of a client, now or when what is under way for it has come to nothing.
    pub(super) fn end_block(&mut self, id: SessionId, ending: Ending) {
        let Some(record) = self.blocking.records.get_mut(&id) else { return };
        if !matches!(record.state, State::Waiting) {
            record.ending = record.ending.or(Some(ending));
            if record.deadline_us > 0 {
                // Once is enough.
                self.blocking.deadlines.remove(&(record.deadline_us, id));
                record.deadline_us = 0;
            }
            return;
        }
        let proto = record.client.proto();
        let origin = self.forget_block(id);
        let mut bytes = Vec::new();
        let mut reply = Reply::new(&mut bytes, proto);
        match ending {
            Ending::Timeout => reply.null_array(),
            Ending::Error => {
                let fault = Fault::text("UNBLOCKED client unblocked via CLIENT UNBLOCK");
                fault.write(&mut reply);
                self.metrics().error(&fault.line());
            }
            Ending::Gone => {
                let connection = &mut self.connections[id as usize];
                connection.closing = connection.closing.max(Closing::Now);
                self.mark_dirty(id);
                return;
            }
        }
        self.fill(origin, &bytes);
    }

    /// The wait of a client is over: nobody offers it anything any more, and its next request may be served.
    fn forget_block(&mut self, id: SessionId) -> Origin {
        let record = self.drop_record(id).expect("the caller has looked");
        let connection = &mut self.connections[id as usize];
        connection.hold = Hold::None;
        self.mark_ready(id);
        self.mark_dirty(id);
        if let Some(session) = self.sessions.get_mut(id) {
            session.blocked = false;
        }
        record.origin
    }

    /// A client has gone, in whatever state its wait was.
    pub(super) fn forget_gone(&mut self, id: SessionId) {
        self.drop_record(id);
    }

    fn drop_record(&mut self, id: SessionId) -> Option<Box<Blocked>> {
        let record = self.blocking.records.remove(&id)?;
        self.blocking.deadlines.remove(&(record.deadline_us, id));
        self.post_leave(self.waiter(self.index, record.origin), &record.shards);
        record.offers.iter().for_each(|offer| self.answer_offer(offer, Verdict::Gone));
        self.blocking.stood -= u64::from(record.stood);
        self.count_blocked();
        Some(record)
    }

    fn post_leave(&mut self, waiter: Waiter, shards: &[u16]) {
        shards.iter().for_each(|&shard| self.post(shard, Mail::ToLine(ToLine::Leave(waiter))));
    }

    /// Ends the waits whose time is over.
    #[inline]
    pub(super) fn end_timeouts(&mut self) {
        while let Some(&(at_us, id)) = self.blocking.deadlines.first()
            && at_us <= self.now.mono_us
        {
            self.end_block(id, Ending::Timeout);
        }
    }

    /// Ends the waits that `CLIENT UNBLOCK` has named.
    #[inline]
    pub(super) fn end_unblocked(&mut self) {
        if !self.sessions.unblocked.is_empty() {
            for (id, client_id, error) in std::mem::take(&mut self.sessions.unblocked) {
                if self.connections[id as usize].client_id == client_id {
                    self.end_block(id, if error { Ending::Error } else { Ending::Timeout });
                }
            }
        }
    }

    /// Whether a command waits where there is nothing: it is never so inside of a transaction.
    #[inline]
    pub(super) fn may_block(command: &Command) -> bool {
        command.is(flag::BLOCKING)
    }
}
