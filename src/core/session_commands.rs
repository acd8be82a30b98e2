//! Commands on the client's own state, their effects, and `MULTI` with its kin.

use super::{Client, Core, Mail};
use crate::command::{Context, Control, Effect, Fault, SessionFn};
use crate::connection::{Closing, Hold};
use crate::metrics::Counter;
use crate::parameters::Name;
use crate::protocol::{Args, Reply};
use crate::session::{Multi, ReplyMode, SessionId, Watched};
use crate::shard::locks::Mode;
use crate::transaction::ToShard;
use crate::transaction::coordinator::Purpose;
use crate::transaction::plan::{Claims, shard_of};
use std::collections::HashSet;
use std::sync::atomic::Ordering;

impl Core {
    /// A command on the client's own state.
    pub(super) fn session_command(
        &mut self,
        id: SessionId,
        client: &mut Client,
        row: u16,
        run: SessionFn,
        args: Args<'_>,
        muted: bool,
    ) {
        let mut effects = Vec::new();
        let failed_before = self.metrics().total(Counter::AuthErrors);
        let mut bytes = self.pool.take();
        let mut local = self.local();
        let mut reply = Reply::new(&mut bytes, client.proto());
        let done = run(&mut Context { id, local: &mut local, effects: &mut effects }, args, &mut reply);
        if let Err(fault) = done {
            reply.truncate(0);
            fault.write(&mut reply);
            self.count_failure(row, &fault);
            if fault.line().starts_with("WRONGPASS") {
                self.log_login_failure(id);
            }
        }
        if self.metrics().total(Counter::AuthErrors) != failed_before {
            self.log_login_failure(id);
        }
        self.follow_users(client.asker.client_id);
        // `CONFIG SET` holds for the next request, also of the same turn.
        let events = self.shared.parameters.number(Name::NotifyKeyspaceEvents) as u16;
        if events != self.shard.events.mode() {
            self.set_events(events);
        }
        if !self.sessions.listeners.outbox.is_empty() {
            self.send_published();
            self.slow_publisher(id);
        }
        *client = self.client(id);
        // `CLIENT REPLY ON` is the one that is heard although it was said in silence.
        let unmuted = self.table.row(row).name == "client|reply"
            && self.sessions.get(id).is_some_and(|session| session.reply == ReplyMode::On)
            && args.get(2).is_some_and(|mode| mode.eq_ignore_ascii_case(b"on"));
        self.answer(id, client, muted && !unmuted, |reply| reply.raw(&bytes));
        self.pool.give(bytes);
        self.perform(id, &effects);
    }

    /// Turns effects into actions.
    pub(super) fn perform(&mut self, id: SessionId, effects: &[Effect]) {
        for effect in effects {
            let connection = &mut self.connections[id as usize];
            match effect {
                Effect::CloseAfterReply => connection.closing = connection.closing.max(Closing::AfterReplies),
                Effect::CloseNow => connection.closing = connection.closing.max(Closing::Now),
                Effect::Unwatch => self.unwatch(id),
                Effect::Unlisten => self.stop_listening(id),
                Effect::Watch => {
                    self.watchers.push(id);
                    self.begin_watching(id);
                }
                Effect::Shutdown => self.shared.stopping.store(true, Ordering::Release),
                Effect::Sleep(us) => {
                    connection.hold = Hold::Sleep(self.now.mono_us + us);
                    self.sleepers.push(id);
                }
            }
        }
    }

    /// `MULTI`, `EXEC`, `DISCARD`, `WATCH`, `UNWATCH`.
    pub(super) fn control(
        &mut self,
        id: SessionId,
        client: &mut Client,
        control: Control,
        args: Args<'_>,
        muted: bool,
    ) {
        let session = self.sessions.get_mut(id).expect("a connection has a session");
        let fault = match control {
            Control::Multi if session.multi.is_some() => "ERR MULTI calls can not be nested",
            Control::Multi => {
                session.multi = Some(Multi::default());
                ""
            }
            Control::Discard if session.multi.is_none() => "ERR DISCARD without MULTI",
            Control::Discard => {
                self.discard(id);
                ""
            }
            Control::Unwatch => {
                self.unwatch(id);
                ""
            }
            Control::Watch if session.multi.is_some() => "ERR WATCH inside MULTI is not allowed",
            Control::Watch => return self.watch(id, client, args, muted),
            Control::Exec => {
                self.exec(id, client, muted);
                // It may be done already, and may have changed the client.
                *client = self.client(id);
                return;
            }
        };
        *client = self.client(id);
        if fault.is_empty() {
            self.answer(id, client, muted, |reply| reply.ok());
        } else {
            self.metrics().error(fault);
            self.answer(id, client, muted, |reply| Fault::text(fault).write(reply));
        }
    }

    /// Forgets what was queued and watched.
    pub(super) fn discard(&mut self, id: SessionId) {
        let session = self.sessions.get_mut(id).expect("a connection has a session");
        session.multi = None;
        self.unwatch(id);
    }

    /// Forgets what was watched.
    fn unwatch(&mut self, id: SessionId) {
        let session = self.sessions.get_mut(id).expect("a connection has a session");
        if !session.watched.is_empty() {
            let watched = std::mem::take(&mut session.watched);
            self.end_watches(watched.into_keys());
        }
    }

    /// Tells the shards of keys that one client less watches them.
    pub(super) fn end_watches(&mut self, watched: impl Iterator<Item = Watched>) {
        let mut by_shard: Vec<Vec<Watched>> = vec![Vec::new(); self.shared.cores() as usize];
        watched.for_each(|key| by_shard[shard_of(&self.shared, &key.key) as usize].push(key));
        let ticket = self.ticket(0, 0);
        for (shard, keys) in by_shard.into_iter().enumerate().filter(|(_, keys)| !keys.is_empty()) {
            self.post(shard as u16, Mail::ToShard(ticket, ToShard::Unwatch(keys)));
        }
    }

    fn watch(&mut self, id: SessionId, client: &Client, args: Args<'_>, muted: bool) {
        let db = client.asker.db;
        let known = &self.sessions.get(id).expect("a connection has a session").watched;
        // A key that is watched already is watched since the first time.
        let mut named = HashSet::with_capacity(args.len());
        let watched: Vec<Watched> = args
            .iter()
            .skip(1)
            .filter(|key| named.insert(*key))
            .map(|key| Watched { db, key: key.into() })
            .filter(|key| !known.contains_key(key))
            .collect();
        // Held while they are looked at, so that the client's own commands that wait for these keys come first.
        let mut claims = Claims::none(self.shared.cores());
        watched.iter().for_each(|w| claims.add(&self.shared, &w.key, Mode::Shared));
        let purpose = Purpose::Watch { watched, moments: Vec::new() };
        self.start_transaction(id, client, purpose, Vec::new(), claims, muted);
    }

    fn exec(&mut self, id: SessionId, client: &mut Client, muted: bool) {
        let session = self.sessions.get_mut(id).expect("a connection has a session");
        let Some(multi) = session.multi.take() else {
            return self
                .answer(id, client, muted, |reply| Fault::text("ERR EXEC without MULTI").write(reply));
        };
        if multi.refused {
            self.unwatch(id);
            *client = self.client(id);
            let text = "EXECABORT Transaction discarded because of previous errors.";
            return self.answer(id, client, muted, |reply| Fault::text(text).write(reply));
        }
        let watched: Vec<(Watched, u64)> = std::mem::take(&mut session.watched).into_iter().collect();
        *client = self.client(id);
        let databases = self.shard.databases();
        let mut claims = Claims::none(self.shared.cores());
        for request in &multi.queue {
            claims.add_command(&self.shared, request, databases);
        }
        for (w, _) in &watched {
            claims.add(&self.shared, &w.key, Mode::Shared);
        }
        self.start_transaction(id, client, Purpose::Exec { watched }, multi.queue, claims, muted);
        // One without keys has run already, and may have been a `SELECT`.
        *client = self.client(id);
    }
}
