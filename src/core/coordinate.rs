//! Multi-shard commands of this core's clients: what `transaction::coordinator` asks for is sent, and
//! what comes back is given to it. A client's further requests wait until its command is done.

use super::{Client, Core, Mail};
use crate::command::{Context, Effect, Handler};
use crate::connection::Hold;
use crate::mesh::parcel::Origin;
use crate::protocol::Reply;
use crate::session::{Door, Queued, Session, SessionId, Sessions};
use crate::transaction::coordinator::{self, Messages, Purpose, Scope, Step, Transaction};
use crate::transaction::plan::Claims;
use crate::transaction::{FromShard, Ticket};

/// A command under way, and whose it is.
pub(super) struct Running {
    transaction: Transaction,
    origin: Origin,
    client: Client,
}

impl Core {
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
        let on_behalf = coordinator::Client { asker: client.asker, touch: client.touch };
        let transaction = Transaction::new(purpose, on_behalf, commands, claims);
        let slot = self.running_free.pop().unwrap_or_else(|| {
            self.running.push(None);
            self.running.len() as u32 - 1
        });
        self.step(slot, Running { transaction, origin, client: *client }, |transaction, scope| {
            Some(transaction.start(scope))
        });
    }

    /// A shard's answer.
    pub(super) fn coordinate(&mut self, from: u16, ticket: Ticket, answer: FromShard) {
        let slot = ticket.slot;
        let Some(running) = self.running[slot as usize].take() else { return };
        if running.transaction.number != ticket.number {
            self.running[slot as usize] = Some(running);
            return;
        }
        self.step(slot, running, |transaction, scope| transaction.answered(from, answer, scope));
    }

    /// Takes a program one step on, and does what the step says.
    fn step(
        &mut self,
        slot: u32,
        mut running: Running,
        step: impl FnOnce(&mut Transaction, &mut Scope<'_>) -> Option<Step>,
    ) {
        let shared = self.shared.clone();
        let (databases, now_ms) = (self.shard.databases(), self.now.unix_ms);
        let before = running.transaction.number;
        let mut client = running.client;
        let origin = running.origin;
        let mut session = |request: &Queued, reply: &mut Vec<u8>| {
            self.session_in_transaction(origin, &mut client, request, reply)
        };
        let mut scope = Scope { shared: &shared, databases, now_ms, session: &mut session };
        let done = step(&mut running.transaction, &mut scope);
        running.client = client;
        match done {
            None => self.running[slot as usize] = Some(running),
            Some(Step::Send(messages)) => {
                let number = running.transaction.number;
                self.running[slot as usize] = Some(running);
                self.tell_shards(slot, before, number, messages);
            }
            Some(Step::Finished(messages)) => {
                let number = running.transaction.number;
                self.running_free.push(slot);
                self.tell_shards(slot, before, number, messages);
                self.finish_transaction(running);
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

    fn finish_transaction(&mut self, running: Running) {
        let Running { transaction, origin, .. } = running;
        let mut bytes = self.pool.take();
        let (purpose, changes) = transaction.finish(&mut bytes);
        self.shard.traffic.changes += changes;
        let id = origin.connection;
        let here = self.connections.get(id as usize).is_some_and(|c| c.client_id as u32 == origin.client);
        if here {
            if let Purpose::Watch { watched } = purpose
                && let Some(session) = self.sessions.get_mut(id)
            {
                session.watched.extend(watched);
            }
            self.connections[id as usize].hold = Hold::None;
            self.fill(origin, &bytes);
            self.mark_ready(id);
        }
        self.pool.give(bytes);
    }

    /// A session command inside `EXEC`.
    fn session_in_transaction(
        &mut self,
        origin: Origin,
        client: &mut Client,
        request: &Queued,
        out: &mut Vec<u8>,
    ) -> coordinator::Client {
        let id = origin.connection;
        let here = self.connections.get(id as usize).is_some_and(|c| c.client_id as u32 == origin.client);
        let mut reply = Reply::new(out, client.proto());
        let Handler::Session(run) = self.table.row(request.row).handler else {
            reply.ok();
            return coordinator::Client { asker: client.asker, touch: client.touch };
        };
        // A client that has left meanwhile has a stand-in: what it selected decides what the rest does.
        let mut gone = Sessions::default();
        if !here {
            let mut session = Session::new(client.asker.client_id, Door::Resp, true, self.now.unix_ms);
            (session.db, session.proto, session.no_touch) =
                (client.asker.db, client.asker.proto, !client.touch);
            gone.insert(id, session);
            std::mem::swap(&mut self.sessions, &mut gone);
        }
        let mut effects = Vec::new();
        let mut local = self.local();
        let done =
            run(&mut Context { id, local: &mut local, effects: &mut effects }, request.args(), &mut reply);
        if let Err(fault) = done {
            reply.truncate(0);
            fault.write(&mut reply);
        }
        *client = self.client(id);
        if here {
            // The transaction holds the client already; a sleep inside it would let it go too early.
            effects.retain(|effect| !matches!(effect, Effect::Sleep(_)));
            self.perform(id, &effects);
        } else {
            std::mem::swap(&mut self.sessions, &mut gone);
        }
        coordinator::Client { asker: client.asker, touch: client.touch }
    }
}
