//! Multi-shard commands of this core's clients: what `transaction::coordinator` asks for is sent, and
//! what comes back is given to it. A client's further requests wait until its command is done.

use super::spread::Spread;
use super::{Client, Core, Mail};
use crate::acl::{Denied, User};
use crate::command::{Context, Effect, Gathered, Handler, acl};
use crate::connection::Hold;
use crate::mesh::parcel::Origin;
use crate::protocol::Reply;
use crate::session::{Door, Queued, Session, SessionId, Sessions};
use crate::transaction::coordinator::{self, Changed, Host, Messages, Purpose, Scope, Step, Transaction};
use crate::transaction::plan::Claims;
use crate::transaction::{Answer, FromShard, Ticket};
use std::sync::Arc;

/// A command under way, and whose it is.
pub(super) enum Running {
    /// A program of commands.
    Program(Box<Program>),
    /// A spread command by itself.
    Spread(Box<Spread>),
}

impl Running {
    fn number(&self) -> u64 {
        match self {
            Running::Program(program) => program.transaction.number,
            Running::Spread(spread) => spread.number(),
        }
    }
}

/// A program under way, and whose it is.
pub(super) struct Program {
    transaction: Transaction,
    origin: Origin,
    client: Client,
    /// Whose rights its commands need, for `EXEC`; kept, because the client may leave before its commands have run.
    user: Option<Arc<User>>,
}

/// A core while it builds a round of a program.
struct OnBehalf<'a> {
    core: &'a mut Core,
    origin: Origin,
    client: &'a mut Client,
    user: &'a mut Option<Arc<User>>,
}

impl Host for OnBehalf<'_> {
    fn session(&mut self, request: &Queued, reply: &mut Vec<u8>) -> Changed {
        self.core.session_in_transaction(self.origin, self.client, self.user, request, reply)
    }

    fn denies(&mut self, request: &Queued) -> Option<Denied> {
        let id = self.origin.connection;
        if self.core.is_here(self.origin) {
            self.core.follow_users(0);
            *self.user = self.core.sessions.get(id).and_then(|session| session.user.clone());
        }
        let user = self.user.as_ref().filter(|user| !user.is_unrestricted())?;
        acl::check(user, request.row, request.args()).err()
    }

    fn refuse(&mut self, request: &Queued, denied: Denied, reply: &mut Vec<u8>) {
        let fault = acl::late_fault(denied);
        self.core.metrics().error(&fault.line());
        fault.write(&mut Reply::new(reply, self.client.proto()));
        if self.core.is_here(self.origin) {
            let id = self.origin.connection;
            acl::note_denied(&self.core.local(), id, request.row, request.args(), denied, true);
        }
    }

    fn put_away(&mut self, found: Vec<Option<Gathered>>) {
        found.into_iter().flatten().for_each(|item| self.core.shard.put_away(item.value));
    }
}

impl Core {
    /// The client that waits there is still the same.
    pub(super) fn is_here(&self, origin: Origin) -> bool {
        self.connections.get(origin.connection as usize).is_some_and(|c| c.client_id as u32 == origin.client)
    }

    /// Starts a program for a client, who waits for its reply.
    pub(super) fn start_transaction(
        &mut self,
        id: SessionId,
        client: &Client,
        purpose: Purpose,
        commands: Vec<Queued>,
        claims: Claims,
        muted: bool,
    ) {
        let origin = self.await_reply(id, client, muted);
        self.connections[id as usize].hold = Hold::Transaction;
        self.start_program(origin, client, purpose, commands, claims);
    }

    /// Starts a program whose reply has its place.
    pub(super) fn start_program(
        &mut self,
        origin: Origin,
        client: &Client,
        purpose: Purpose,
        commands: Vec<Queued>,
        claims: Claims,
    ) {
        let on_behalf = coordinator::Client { asker: client.asker, touch: client.touch };
        let user = match purpose {
            Purpose::Exec { .. } => {
                self.sessions.get(origin.connection).and_then(|session| session.user.clone())
            }
            _ => None,
        };
        let transaction = Transaction::new(purpose, on_behalf, commands, claims);
        let slot = self.running_slot();
        let program = Box::new(Program { transaction, origin, client: *client, user });
        self.step(slot, program, |transaction, scope| Some(transaction.start(scope)));
    }

    /// A free slot for a command under way.
    pub(super) fn running_slot(&mut self) -> u32 {
        self.running_free.pop().unwrap_or_else(|| {
            self.running.push(None);
            self.running.len() as u32 - 1
        })
    }

    /// A shard's answer.
    pub(super) fn coordinate(&mut self, from: u16, ticket: Ticket, answer: FromShard) {
        if let FromShard::Done(Answer::Listened { connection, client }) = answer
            && from != self.index
        {
            self.core_knows(from, connection, client);
        }
        let slot = ticket.slot;
        let Some(running) = self.running[slot as usize].take() else { return };
        if running.number() != ticket.number {
            self.running[slot as usize] = Some(running);
            return;
        }
        match running {
            Running::Spread(spread) => self.spread_answered(slot, spread, from, answer),
            Running::Program(program) => {
                self.step(slot, program, |transaction, scope| transaction.answered(from, answer, scope));
            }
        }
    }

    /// Takes a program one step on, and does what the step says.
    fn step(
        &mut self,
        slot: u32,
        mut running: Box<Program>,
        step: impl FnOnce(&mut Transaction, &mut Scope<'_>) -> Option<Step>,
    ) {
        let shared = self.shared.clone();
        let (databases, now_ms) = (self.shard.databases(), self.now.unix_ms);
        let before = running.transaction.number;
        let (mut client, mut user) = (running.client, running.user.take());
        let origin = running.origin;
        let mut host = OnBehalf { core: self, origin, client: &mut client, user: &mut user };
        let mut scope = Scope { shared: &shared, databases, now_ms, host: &mut host };
        let done = step(&mut running.transaction, &mut scope);
        (running.client, running.user) = (client, user);
        match done {
            None => self.running[slot as usize] = Some(Running::Program(running)),
            Some(Step::Send(messages)) => {
                let number = running.transaction.number;
                self.running[slot as usize] = Some(Running::Program(running));
                self.tell_shards(slot, before, number, messages);
            }
            Some(Step::Finished(messages)) => {
                let number = running.transaction.number;
                self.running_free.push(slot);
                self.tell_shards(slot, before, number, messages);
                self.finish_transaction(*running);
            }
        }
    }

    /// Sends messages. What is given back before a new start bears the old number.
    fn tell_shards(&mut self, slot: u32, before: u64, number: u64, messages: Messages) {
        let mut started = before == number;
        for (shard, message) in messages {
            started |= !matches!(message, crate::transaction::ToShard::Release);
            let ticket = self.ticket(slot, if started { number } else { before });
            self.post(shard, Mail::ToShard(ticket, message));
        }
    }

    fn finish_transaction(&mut self, program: Program) {
        let Program { transaction, origin, .. } = program;
        let mut bytes = self.pool.take();
        let ended = transaction.ended();
        let (purpose, changes) = transaction.finish(&mut bytes);
        self.shard.traffic.changes += changes;
        let id = origin.connection;
        let here = self.is_here(origin);
        match purpose {
            Purpose::Command => {}
            Purpose::Block { .. } | Purpose::Serve { .. } => {
                self.end_of_try(origin, &purpose, ended, &bytes);
                return self.pool.give(bytes);
            }
            Purpose::Exec { watched } if watched.is_empty() => {}
            Purpose::Exec { watched } => self.end_watches(watched.into_iter().map(|(key, _)| key)),
            Purpose::Watch { watched, moments } => match self.sessions.get_mut(id).filter(|_| here) {
                Some(session) => session.watched.extend(watched.into_iter().zip(moments)),
                None => self.end_watches(watched.into_iter()),
            },
        }
        self.end_transaction(origin, &bytes);
        self.pool.give(bytes);
        let changing =
            |session: &Session| session.listens.as_ref().is_some_and(|listens| listens.is_changing());
        if here && self.sessions.get(id).is_some_and(changing) {
            self.settle_listening(id);
        }
    }

    /// Gives a client its reply and lets its next request be served.
    pub(super) fn end_transaction(&mut self, origin: Origin, bytes: &[u8]) {
        let id = origin.connection;
        if self.connections.get(id as usize).is_some_and(|c| c.client_id as u32 == origin.client) {
            // Who has become a watcher asks nothing more.
            let watches = self.sessions.get(id).is_some_and(|session| session.watches != 0);
            self.connections[id as usize].hold = if watches { Hold::Watch } else { Hold::None };
            match self.awaited.is_empty() {
                true => self.fill(origin, bytes),
                false => self.fill_http(id, origin, bytes),
            }
            self.mark_ready(id);
        }
    }

    /// A session command inside `EXEC`.
    fn session_in_transaction(
        &mut self,
        origin: Origin,
        client: &mut Client,
        user: &mut Option<Arc<User>>,
        request: &Queued,
        out: &mut Vec<u8>,
    ) -> Changed {
        let id = origin.connection;
        let here = self.is_here(origin);
        let mut reply = Reply::new(out, client.proto());
        let unchanged = |client: &Client| Changed {
            client: coordinator::Client { asker: client.asker, touch: client.touch },
            listening: None,
        };
        let run = match self.table.row(request.row).handler {
            Handler::Session(run) => run,
            // Who has left listens to nothing.
            Handler::Listen(_) if !here => return unchanged(client),
            Handler::Listen(verb) => {
                let listening = self.begin_listening(origin, verb, request.args(), &mut reply);
                *client = self.client(id);
                return Changed { listening, ..unchanged(client) };
            }
            _ => {
                reply.ok();
                return unchanged(client);
            }
        };
        // A client that has left meanwhile has a stand-in: what it selected decides what the rest does.
        let mut gone = Sessions::default();
        if !here {
            let mut session = Session::new(client.asker.client_id, Door::Resp, true, self.now.mono_ms());
            (session.db, session.proto, session.no_touch) =
                (client.asker.db, client.asker.proto, !client.touch);
            session.user = user.clone();
            gone.insert(id, session);
            std::mem::swap(&mut self.sessions, &mut gone);
            std::mem::swap(&mut self.sessions.listeners, &mut gone.listeners);
        }
        let mut effects = Vec::new();
        let mut local = self.local();
        let done =
            run(&mut Context { id, local: &mut local, effects: &mut effects }, request.args(), &mut reply);
        if let Err(fault) = done {
            reply.truncate(0);
            fault.write(&mut reply);
        }
        if here {
            self.follow_users(client.asker.client_id);
        }
        *user = self.sessions.get(id).and_then(|session| session.user.clone());
        *client = self.client(id);
        if !here {
            std::mem::swap(&mut self.sessions, &mut gone);
            std::mem::swap(&mut self.sessions.listeners, &mut gone.listeners);
        }
        if !self.sessions.listeners.outbox.is_empty() {
            self.send_published();
        }
        if here {
            // The transaction holds the client already; a sleep inside it would let it go too early.
            effects.retain(|effect| !matches!(effect, Effect::Sleep(_)));
            self.perform(id, &effects);
        }
        unchanged(client)
    }
}
