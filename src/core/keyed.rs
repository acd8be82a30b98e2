//! Commands on keys: executed here, sent to the shard that owns the key, or coordinated over several.

use super::serve::hash_meta_key;
use super::{Client, Core};
use crate::command::keys::cursor::core_of;
use crate::command::keys::moving::copies;
use crate::command::run::{parts_fit, run_here};
use crate::command::{Call, Command, Every, Fault, Handler, Merge, Outcome, ShardFn, sort};
use crate::limits::SCRATCH_KEYS_MAX;
use crate::mesh::parcel::{self, Origin};
use crate::metrics::Counter;
use crate::protocol::limits::MEMCACHE_KEY_BYTES_MAX;
use crate::protocol::memcache::meta;
use crate::protocol::{Args, Reply, Span};
use crate::session::{Queued, SessionId};
use crate::shard::{Key, Shard};
use crate::shared::Shared;
use crate::shared::watchers::topic;
use crate::transaction::coordinator::Purpose;
use crate::transaction::plan::{Claims, Place, keys_of, mode_of, place_of, tag};

impl Core {
    /// A command on one key, which is given with its hash.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn single(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        run: ShardFn,
        (bytes, hash): (&[u8], u64),
        args: Args<'_>,
        muted: bool,
    ) {
        let shard = self.shard_of_key(bytes, hash);
        if shard != self.index {
            return self.hop(id, client, row, shard, hash, args, muted);
        }
        if !self.shard.locks.is_idle() && !self.shard.locks.permits(&[(hash, mode_of(self.table.row(row)))]) {
            return self.park_own(id, client, row, hash, args, muted);
        }
        let key = Key { db: self.shard.physical(client.asker.db), bytes, hash };
        let call = Call { args, key, db: client.asker.db, touch: client.touch };
        if self.watched & topic::ITEMS != 0 {
            return self.single_watched(id, client, row, run, &call, muted);
        }
        self.run_into_line(id, client, row, muted, |shard, _, reply| run(shard, &call, reply));
    }

    /// Runs something on this shard and puts its reply where it belongs.
    #[inline]
    fn run_into_line(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        muted: bool,
        run: impl FnOnce(&mut Shard, &Shared, &mut Reply<'_>) -> Result<Outcome, Fault>,
    ) {
        let connection = &mut self.connections[id as usize];
        let at_once = connection.line.is_empty();
        let target = if at_once { &mut connection.out } else { connection.line.open_reply() };
        let start = target.len();
        let mut pieces = Vec::new();
        let mut reply = Reply::with_pieces(target, &mut pieces, client.proto());
        match run(&mut self.shard, &self.shared, &mut reply) {
            Ok(outcome) => self.shard.traffic.changes += u64::from(outcome.changed),
            Err(fault) => {
                target.truncate(start);
                pieces.clear();
                fault.write(&mut Reply::new(target, client.proto()));
                self.count_failure(row, &fault);
            }
        }
        let connection = &mut self.connections[id as usize];
        let target = if at_once { &mut connection.out } else { connection.line.open_reply() };
        if muted {
            target.truncate(start);
            pieces.clear();
        }
        if !pieces.is_empty() {
            connection.add_reply_pieces(at_once, start, pieces);
        } else if !at_once {
            connection.line.close_reply(start);
        }
        self.wake_if_any();
    }

    /// Sends a command to the shard that owns its keys.
    #[allow(clippy::too_many_arguments)]
    fn hop(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        to: u16,
        hash: u64,
        args: Args<'_>,
        muted: bool,
    ) {
        let origin = self.await_reply(id, client, muted);
        let Client { asker, touch, .. } = *client;
        self.metrics().add(Counter::Hops, 1);
        self.send_request(
            to,
            &parcel::Request { origin, row, db: asker.db, proto: asker.proto, touch, hash, args },
        );
    }

    /// A place in the client's line of replies.
    pub(super) fn await_reply(&mut self, id: SessionId, client: &Client, muted: bool) -> Origin {
        let sequence = self.connections[id as usize].line.await_reply(muted);
        Origin { connection: id, client: client.asker.client_id as u32, sequence }
    }

    fn park_own(&mut self, id: SessionId, client: &Client, row: u16, hash: u64, args: Args<'_>, muted: bool) {
        let origin = self.await_reply(id, client, muted);
        let Client { asker, touch, .. } = *client;
        let request = parcel::Request { origin, row, db: asker.db, proto: asker.proto, touch, hash, args };
        self.park(self.index, &request);
    }

    /// The shard of a key whose hash is known.
    #[inline(always)]
    pub(super) fn shard_of_key(&self, key: &[u8], hash: u64) -> u16 {
        if self.shared.cores() == 1 { 0 } else { self.shard_of_tag(key, hash) }
    }

    fn shard_of_tag(&self, key: &[u8], hash: u64) -> u16 {
        let tag = tag(key);
        let hash = if tag.len() == key.len() { hash } else { self.shared.hasher.hash(tag) };
        self.shared.shard_of(hash)
    }

    /// A command on several keys.
    pub(super) fn keyed(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        command: &'static Command,
        args: Args<'_>,
        muted: bool,
    ) {
        if let Handler::Spread { each, stride, merge: Merge::Lines } = command.handler {
            return self.lines(id, client, row, command, (each, stride), args, muted);
        }
        if let Handler::Spread { stride, .. } = command.handler {
            return self.spread(id, client, row, command, stride, args, muted);
        }
        let mut keys = std::mem::take(&mut self.keys);
        let found = keys_of(command, args, client.asker.db, self.shard.databases(), &mut keys)
            .and_then(|()| parts_fit(command, args));
        // A sort by keys that nobody knows yet is over several, wherever they lie, unless everything is here and free.
        let far = copies(command)
            || (self.shared.cores() > 1 || !self.shard.locks.is_idle()) && sort::looks_up(command, args);
        let place = found.map(|()| if far { Place::Several } else { place_of(&self.shared, args, &keys) });
        let permitted = self.shard.locks.is_idle() || {
            let (mode, hasher) = (mode_of(command), &self.shared.hasher);
            let claims = keys.iter().map(|key| (hasher.hash(&args[key.arg]), mode));
            self.shard.locks.permits_each(claims)
        };
        self.keys = keys;
        if Core::may_block(command)
            && let Ok(place) = place
        {
            return self.block(id, client, row, command, args, (place, permitted), muted);
        }
        match place {
            Err(fault) => self.answer(id, client, muted, |reply| fault.write(reply)),
            Ok(Place::One(shard)) if shard != self.index => self.hop(id, client, row, shard, 0, args, muted),
            Ok(Place::One(_)) if !permitted => self.park_own(id, client, row, 0, args, muted),
            Ok(Place::One(_) | Place::Nowhere) => self.run_whole(id, client, row, command, args, muted),
            Ok(Place::Several) => {
                let request = Queued::copy_of(row, args);
                let mut claims = Claims::none(self.shared.cores());
                claims.add_command(&self.shared, &request, self.shard.databases());
                self.start_transaction(id, client, Purpose::Command, vec![request], claims, muted);
            }
        }
    }

    /// memcached's retrieval of one key, then `END`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn line(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        each: ShardFn,
        hash: u64,
        args: Args<'_>,
        muted: bool,
    ) {
        let bytes = &args[self.table.row(row).keys.first as usize];
        let elsewhere = self.shard_of_key(bytes, hash) != self.index;
        if elsewhere || !self.shard.locks.is_idle() || self.watched & topic::ITEMS != 0 {
            self.single(id, client, row, each, (bytes, hash), args, muted);
            return self.answer(id, client, muted, |reply| reply.line("END"));
        }
        let key = Key { db: self.shard.physical(client.asker.db), bytes, hash };
        let call = Call { args, key, db: client.asker.db, touch: client.touch };
        self.run_into_line(id, client, row, muted, |shard, _, reply| {
            let outcome = each(shard, &call, reply)?;
            reply.line("END");
            Ok(outcome)
        });
    }

    /// A command whose keys are all here.
    fn run_whole(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        command: &'static Command,
        args: Args<'_>,
        muted: bool,
    ) {
        let Client { asker, touch, .. } = *client;
        self.run_into_line(id, client, row, muted, |shard, shared, reply| {
            run_here(command, shard, args, asker.db, &shared.hasher, touch, reply)
        });
    }

    /// A command that is the same for each of its keys.
    #[allow(clippy::too_many_arguments)]
    fn spread(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        command: &'static Command,
        stride: usize,
        args: Args<'_>,
        muted: bool,
    ) {
        if let Err(fault) = parts_fit(command, args) {
            return self.answer(id, client, muted, |reply| fault.write(reply));
        }
        if self.shared.cores() == 1 && self.shard.locks.is_idle() {
            return self.run_whole(id, client, row, command, args, muted);
        }
        let mut keys = std::mem::take(&mut self.key_shards);
        keys.clear();
        for key in args.from(command.keys.first as usize).iter().step_by(stride) {
            let hash = self.shared.hasher.hash(key);
            keys.push((hash, self.shard_of_key(key, hash)));
        }
        let shard = keys[0].1;
        if keys.iter().any(|&(_, of)| of != shard) {
            self.start_spread(id, client, row, args, &mut keys, muted);
        } else if shard != self.index {
            self.hop(id, client, row, shard, 0, args, muted);
        } else {
            let mode = mode_of(command);
            let claims = keys.iter().map(|&(hash, _)| (hash, mode));
            if self.shard.locks.is_idle() || self.shard.locks.permits_each(claims) {
                self.run_whole(id, client, row, command, args, muted);
            } else {
                self.park_own(id, client, row, 0, args, muted);
            }
        }
        keys.clear();
        keys.shrink_to(SCRATCH_KEYS_MAX);
        self.key_shards = keys;
    }

    /// memcached's retrieval: each key for itself, wherever it is, the lines in order, then `END`.
    #[allow(clippy::too_many_arguments)]
    fn lines(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        command: &'static Command,
        (each, stride): (ShardFn, usize),
        args: Args<'_>,
        muted: bool,
    ) {
        let first = command.keys.first as usize;
        let Client { asker, touch, .. } = *client;
        let unwatched = self.watched & topic::ITEMS == 0;
        if self.shared.cores() == 1 && self.shard.locks.is_idle() && first == 1 && unwatched {
            return self.run_into_line(id, client, row, muted, |shard, shared, reply| {
                run_here(command, shard, args, asker.db, &shared.hasher, touch, reply)
            });
        }
        let mut spans = std::mem::take(&mut self.part_spans);
        for at in (first..args.len()).step_by(stride) {
            let part = args.part(first, at, stride, &mut spans);
            let hash = self.shared.hasher.hash(&args[at]);
            self.single(id, client, row, each, (&args[at], hash), part, muted);
        }
        spans.clear();
        self.part_spans = spans;
        self.answer(id, client, muted, |reply| reply.line("END"));
    }

    /// A command to the shard that its cursor names.
    pub(super) fn cursor(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        run: ShardFn,
        args: Args<'_>,
        muted: bool,
    ) {
        let shard = core_of(&args[1], self.shared.cores()).unwrap_or(0);
        if shard != self.index {
            return self.hop(id, client, row, shard, 0, args, muted);
        }
        let key = Key { db: self.shard.physical(client.asker.db), bytes: b"", hash: 0 };
        let call = Call { args, key, db: client.asker.db, touch: client.touch };
        self.run_into_line(id, client, row, muted, |shard, _, reply| run(shard, &call, reply));
    }

    /// A command to every core.
    pub(super) fn every(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        every: Every,
        args: Args<'_>,
        muted: bool,
    ) {
        if let Err(fault) = (every.check)(args, self.shard.databases()) {
            return self.answer(id, client, muted, |reply| fault.write(reply));
        }
        let mut claims = Claims::none(self.shared.cores());
        claims.everything = every.atomic;
        claims.asks = true;
        self.start_transaction(id, client, Purpose::Command, vec![Queued::copy_of(row, args)], claims, muted);
    }

    /// A memcached value over the limit: the error is the command's own, as is what becomes of the old item.
    pub(super) fn too_large(
        &mut self,
        id: SessionId,
        client: &mut Client,
        row: u16,
        args: Args<'_>,
        muted: bool,
    ) {
        let hash = match self.table.row(row).handler {
            Handler::Meta(_) => hash_meta_key(&self.shared, args),
            _ => self.shared.hasher.hash(&args[1]),
        };
        self.route(id, client, row, hash, args, muted);
    }

    /// A meta command, whose key may be written in base64.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn meta(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        run: ShardFn,
        hash: u64,
        args: Args<'_>,
        muted: bool,
    ) {
        let mut place = [0; MEMCACHE_KEY_BYTES_MAX];
        self.single(id, client, row, run, (meta::key(args, &mut place), hash), args, muted);
    }

    /// Scratch for spans of parts.
    pub(super) fn take_part_spans(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.part_spans)
    }
}
