//! What other cores ask of this shard: parcels of requests, claims and work of multi-shard commands;
//! and who waits here for keys that are held.

use super::mail::{LargeReply, LongRequest};
use super::waking::ToHome;
use super::watch::Whose;
use super::{Core, Mail};
use crate::command::run::run_here;
use crate::command::{Call, Command, Fault, Handler, Merge, Outcome, ShardFn, stores};
use crate::limits::{BATCH_REQUESTS_MAX, ITEMS_AHEAD, VALUES_AHEAD};
use crate::mesh::parcel::{self, Origin, Request};
use crate::pieces::Piece;
use crate::protocol::limits::MEMCACHE_KEY_BYTES_MAX;
use crate::protocol::memcache::meta;
use crate::protocol::{Args, Proto, Reply};
use crate::session::{Queued, Watched};
use crate::shard::locks::{ClaimId, Claimed, Mode};
use crate::shard::{Key, Shard};
use crate::shared::watchers::topic;
use crate::transaction::parts::Parcel;
use crate::transaction::plan::{keys_of, mode_of};
use crate::transaction::{Answer, FromShard, Ticket, ToShard, Work, serve};
use slabs::Staged;

/// A command of one shard that waits for its keys.
pub(super) struct Parked {
    core: u16,
    origin: Origin,
    request: Queued,
    db: u8,
    proto: Proto,
    touch: bool,
    hash: u64,
}

/// Its one key was hashed by whoever sent it.
fn is_of_one_key(command: &Command) -> bool {
    matches!(
        command.handler,
        Handler::Shard(_) | Handler::Meta(_) | Handler::Spread { merge: Merge::Lines, .. }
    )
}

/// A claim that waits, and what is to be done at its grant.
pub(super) struct WaitingClaim {
    ticket: Ticket,
    work: AtGrant,
}

/// What a claim brings with it.
enum AtGrant {
    /// A share of a round, if any.
    Work(Option<Work>),
    /// Parts of a spread command.
    Parts(Vec<u8>),
}

/// Parts that are to be made once all shards can make theirs, and the room that is kept for them.
pub(super) struct Prepared {
    parcel: Vec<u8>,
    room: Vec<Staged>,
}

/// Asks for the memory that a parcel's requests will look at, some requests ahead of each: buckets first, then the items
/// that they name, then the rest of those. What comes from another core is otherwise not in this CPU's caches, and each
/// request would wait for its own.
struct Scouts<'a> {
    buckets: parcel::Keys<'a>,
    items: parcel::Keys<'a>,
    values: parcel::Keys<'a>,
}

impl<'a> Scouts<'a> {
    /// Sends them ahead of the first request.
    fn set_out(parcel: &'a [u8], shard: &Shard) -> Scouts<'a> {
        let keys = parcel::keys(parcel);
        let mut scouts = Scouts { buckets: keys.clone(), items: keys.clone(), values: keys };
        let key = |(db, hash)| Key { db: shard.physical(db), bytes: b"", hash };
        let Scouts { buckets, items, values } = &mut scouts;
        buckets.take(BATCH_REQUESTS_MAX).for_each(|head| shard.store.prefetch_bucket(&key(head)));
        items.take(ITEMS_AHEAD).for_each(|head| shard.store.prefetch_item(&key(head)));
        values.take(VALUES_AHEAD).for_each(|head| shard.store.prefetch_value(&key(head)));
        scouts
    }

    /// One request further.
    #[inline]
    fn go_on(&mut self, shard: &Shard) {
        let key = |(db, hash)| Key { db: shard.physical(db), bytes: b"", hash };
        if let Some(head) = self.buckets.next() {
            shard.store.prefetch_bucket(&key(head));
        }
        if let Some(head) = self.items.next() {
            shard.store.prefetch_item(&key(head));
        }
        if let Some(head) = self.values.next() {
            shard.store.prefetch_value(&key(head));
        }
    }
}

impl Core {
    /// Executes a parcel's requests in order; the replies make one parcel back.
    pub(super) fn serve_parcel(&mut self, from: u16, bytes: &[u8]) {
        let mut spans = self.take_part_spans();
        let mut at = 0;
        let mut replies = self.pool.take();
        let mut scouts = Scouts::set_out(bytes, &self.shard);
        while let Some(request) = parcel::next_request(bytes, &mut at, &mut spans) {
            scouts.go_on(&self.shard);
            if !self.shard.locks.is_idle() && !self.permits(&request) {
                self.park(from, &request);
                continue;
            }
            let mark = parcel::begin_reply(&mut replies, request.origin);
            let mut pieces = Vec::new();
            let answered = self.run_request(from, &request, &mut replies, &mut pieces);
            if !answered {
                parcel::cancel_reply(&mut replies);
            } else if pieces.is_empty() {
                parcel::end_reply(&mut replies, mark);
            } else {
                let text = replies.split_off(mark);
                parcel::cancel_reply(&mut replies);
                pieces.iter_mut().for_each(|piece| piece.at -= mark);
                self.send_large_reply(from, LargeReply { origin: request.origin, text, pieces });
            }
            self.wake_if_any();
        }
        spans.clear();
        self.part_spans = spans;
        if replies.is_empty() {
            self.pool.give(replies);
        } else {
            self.post(from, Mail::Replies(replies));
        }
    }

    /// Executes a request that came in a block.
    #[cold]
    pub(super) fn serve_long_request(&mut self, from: u16, long: &LongRequest) {
        let &LongRequest { origin, row, db, proto, touch, hash, .. } = long;
        let args = Args::new(&long.block, &long.spans);
        let request = Request { origin, row, db, proto, touch, hash, args };
        if !self.shard.locks.is_idle() && !self.permits(&request) {
            return self.park(from, &request);
        }
        let (mut out, mut pieces) = (self.pool.take(), Vec::new());
        self.shard.offer = Some(long.block.clone());
        let answered = self.run_request(from, &request, &mut out, &mut pieces);
        self.shard.offer = None;
        if answered {
            self.send_whole_reply(from, origin, out, pieces);
        } else {
            self.pool.give(out);
        }
        self.wake_if_any();
    }

    fn send_whole_reply(&mut self, to: u16, origin: Origin, out: Vec<u8>, pieces: Vec<Piece>) {
        if pieces.is_empty() {
            self.send_reply(to, origin, &out);
            self.pool.give(out);
        } else {
            self.send_large_reply(to, LargeReply { origin, text: out, pieces });
        }
    }

    /// Runs a request that came from a core, this one included, and appends its reply. Where in it large values
    /// belong that are not copied stands in `pieces`, which is empty before. False: there is none, a client waits.
    fn run_request(
        &mut self,
        from: u16,
        request: &Request<'_>,
        out: &mut Vec<u8>,
        pieces: &mut Vec<Piece>,
    ) -> bool {
        let command = self.table.row(request.row);
        let start = out.len();
        let mut reply = Reply::with_pieces(out, pieces, request.proto);
        let (args, db, touch) = (request.args, request.db, request.touch);
        let done = match command.handler {
            Handler::Shard(run) | Handler::Spread { each: run, merge: Merge::Lines, .. } => {
                let bytes = args.get(command.keys.first as usize).unwrap_or_default();
                let key = Key { db: self.shard.physical(db), bytes, hash: request.hash };
                self.run_on_key(from, request, run, &Call { args, key, db, touch }, &mut reply)
            }
            Handler::Meta(run) => {
                let mut place = [0; MEMCACHE_KEY_BYTES_MAX];
                let bytes = meta::key(args, &mut place);
                let key = Key { db: self.shard.physical(db), bytes, hash: request.hash };
                self.run_on_key(from, request, run, &Call { args, key, db, touch }, &mut reply)
            }
            _ => run_here(command, &mut self.shard, args, db, &self.shared.hasher, touch, &mut reply),
        };
        if done.is_err() {
            pieces.clear();
        }
        if done.as_ref().is_ok_and(|outcome| Core::found_nothing(command, outcome)) {
            out.truncate(start);
            let waiter = self.waiter(from, request.origin);
            self.stand_in_line(waiter, command, args, db);
            if from == self.index {
                self.stands(waiter);
            } else {
                self.post(from, Mail::ToHome(ToHome::Standing(waiter)));
            }
            return false;
        }
        self.conclude(request.row, done, out, start, request.proto);
        true
    }

    /// Runs a request on one key, seen by those who watch items.
    #[inline]
    fn run_on_key(
        &mut self,
        from: u16,
        request: &Request<'_>,
        run: ShardFn,
        call: &Call<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome, Fault> {
        if self.watched & topic::ITEMS == 0 {
            return run(&mut self.shard, call, reply);
        }
        let Origin { connection, client, .. } = request.origin;
        self.run_watched(Whose { core: from, connection, client }, request.row, run, call, reply)
    }

    fn conclude(
        &mut self,
        row: u16,
        done: Result<Outcome, Fault>,
        out: &mut Vec<u8>,
        start: usize,
        proto: Proto,
    ) {
        match done {
            Ok(outcome) => self.shard.traffic.changes += u64::from(outcome.changed),
            Err(fault) => {
                out.truncate(start);
                fault.write(&mut Reply::new(out, proto));
                self.count_failure(row, &fault);
            }
        }
    }

    /// Hashes of the keys of a request, and how it holds them.
    fn claims_of(&mut self, request: &Request<'_>) -> Vec<(u64, Mode)> {
        let command = self.table.row(request.row);
        let mode = mode_of(command);
        if is_of_one_key(command) {
            return vec![(request.hash, mode)];
        }
        let mut keys = std::mem::take(&mut self.keys);
        let args = request.args;
        // A command that refuses its arguments touches nothing. Which it refuses may depend on the database.
        let _ = keys_of(command, args, request.db, self.shard.databases(), &mut keys);
        let claims = keys.iter().map(|key| (self.shared.hasher.hash(&args[key.arg]), mode)).collect();
        self.keys = keys;
        claims
    }

    fn permits(&mut self, request: &Request<'_>) -> bool {
        let command = self.table.row(request.row);
        let mode = mode_of(command);
        if is_of_one_key(command) {
            return self.shard.locks.permits(&[(request.hash, mode)]);
        }
        let mut keys = std::mem::take(&mut self.keys);
        let args = request.args;
        let _ = keys_of(command, args, request.db, self.shard.databases(), &mut keys);
        let hasher = &self.shared.hasher;
        let claims = keys.iter().map(|key| (hasher.hash(&args[key.arg]), mode));
        let permitted = self.shard.locks.permits_each(claims);
        self.keys = keys;
        permitted
    }

    /// Keeps a request until the keys that it needs are free.
    pub(super) fn park(&mut self, core: u16, request: &Request<'_>) {
        let claims = self.claims_of(request);
        let id = self.shard.locks.wait(&claims);
        let parked = Parked {
            core,
            origin: request.origin,
            request: Queued::copy_of(request.row, request.args),
            db: request.db,
            proto: request.proto,
            touch: request.touch,
            hash: request.hash,
        };
        self.parked.insert(id, parked);
    }

    /// A message of a coordinator about a multi-shard command.
    pub(super) fn serve_coordinator(&mut self, ticket: Ticket, message: ToShard) {
        match message {
            ToShard::Claim { keys, work, manner } => {
                let claimed = self.shard.locks.claim(ticket.number, manner, keys.as_deref());
                self.claimed(claimed, WaitingClaim { ticket, work: AtGrant::Work(work) });
            }
            ToShard::Parts(parcel, manner) => {
                let claims = Parcel::open(&parcel).claims();
                let claimed = self.shard.locks.claim_each(ticket.number, manner, claims);
                self.claimed(claimed, WaitingClaim { ticket, work: AtGrant::Parts(parcel) });
            }
            ToShard::Work { work: Work::Apply(changes), release } => self.apply(ticket, changes, release),
            ToShard::Work { work, release } => {
                let answer = self.work(ticket, work);
                self.work_done(ticket, answer, release);
            }
            ToShard::Unwatch(keys) => {
                for Watched { db, key } in &keys {
                    let key = Key::new(&self.shared.hasher, self.shard.physical(*db), key);
                    self.shard.store.unwatch(&key);
                }
            }
            ToShard::Release => {
                self.waiting_claims.remove(&ticket.number);
                self.forget_parts(ticket);
                self.release(ticket.number);
            }
        }
    }

    /// Answers for a share of a round, and gives the keys back if it was the last.
    pub(super) fn work_done(&mut self, ticket: Ticket, answer: Answer, release: bool) {
        self.look_for_watchers();
        self.post(ticket.core, Mail::FromShard(ticket, FromShard::Done(answer)));
        if release {
            self.release(ticket.number);
        } else {
            self.wake_if_any();
        }
    }

    fn claimed(&mut self, claimed: Claimed, claim: WaitingClaim) {
        match claimed {
            Claimed::Granted => self.grant(claim),
            Claimed::Waits => {
                self.waiting_claims.insert(claim.ticket.number, claim);
            }
            Claimed::Refused => {
                self.post(claim.ticket.core, Mail::FromShard(claim.ticket, FromShard::Refused));
                if let AtGrant::Parts(parcel) = claim.work {
                    self.pool.give(parcel);
                }
            }
        }
    }

    fn grant(&mut self, claim: WaitingClaim) {
        let ticket = claim.ticket;
        let answer = match claim.work {
            AtGrant::Work(work) => work.map(|work| self.work(ticket, work)),
            AtGrant::Parts(parcel) if Parcel::open(&parcel).reads() => {
                Some(self.make_parts(Prepared { parcel, room: Vec::new() }))
            }
            AtGrant::Parts(parcel) => Some(self.work(ticket, Work::Prepare(parcel))),
        };
        self.look_for_watchers();
        self.post(ticket.core, Mail::FromShard(ticket, FromShard::Granted(answer)));
    }

    pub(super) fn work(&mut self, ticket: Ticket, work: Work) -> Answer {
        match work {
            Work::Prepare(parcel) => {
                let mut room = Vec::new();
                let vote = Parcel::open(&parcel).vote(&mut self.shard, &mut room);
                self.prepared.insert(ticket.number, Prepared { parcel, room });
                Answer::Voted(vote)
            }
            Work::Go => {
                let prepared = self.prepared.remove(&ticket.number).expect("parts were kept for this");
                self.make_parts(prepared)
            }
            Work::Forget => {
                self.forget_parts(ticket);
                Answer::Forgotten
            }
            Work::Listen { change, connection, client } => {
                self.note_listening(ticket.core, &change, connection, client);
                Answer::Listened { connection, client }
            }
            work => serve::work(&mut self.local(), work),
        }
    }

    fn make_parts(&mut self, prepared: Prepared) -> Answer {
        let Prepared { parcel, mut room } = prepared;
        let done = Parcel::open(&parcel).run(&mut self.shard, &mut room, self.pool.take());
        self.pool.give(parcel);
        Answer::Parts(done)
    }

    /// Drops parts that are kept, if there are any, and gives their room up.
    fn forget_parts(&mut self, ticket: Ticket) {
        if let Some(Prepared { parcel, mut room }) = self.prepared.remove(&ticket.number) {
            stores::give_up(&mut self.shard, &mut room);
            self.pool.give(parcel);
        }
    }

    /// Gives keys back, and runs whoever they were waited for by. If something was put under keys that clients in blocking
    /// commands wait for, those come first.
    pub(super) fn release(&mut self, id: ClaimId) {
        if self.may_wake() && self.wake(Some(id)) {
            return;
        }
        let mut granted = Vec::new();
        let mut at = 0;
        self.shard.locks.release(id, &mut granted);
        while at < granted.len() {
            let next = granted[at];
            at += 1;
            if let Some(claim) = self.waiting_claims.remove(&next) {
                self.grant(claim);
                continue;
            }
            let parked = self.parked.remove(&next).expect("a granted claim waits somewhere");
            self.run_parked(&parked);
            if !self.may_wake() || !self.wake(Some(next)) {
                self.shard.locks.release(next, &mut granted);
            }
        }
        if self.shard.waiters.any_listed() {
            self.wake(None);
        }
    }

    fn run_parked(&mut self, parked: &Parked) {
        let (mut out, mut pieces) = (self.pool.take(), Vec::new());
        let request = Request {
            origin: parked.origin,
            row: parked.request.row,
            db: parked.db,
            proto: parked.proto,
            touch: parked.touch,
            hash: parked.hash,
            args: parked.request.args(),
        };
        if self.run_request(parked.core, &request, &mut out, &mut pieces) {
            self.send_whole_reply(parked.core, parked.origin, out, pieces);
        } else {
            self.pool.give(out);
        }
    }
}
