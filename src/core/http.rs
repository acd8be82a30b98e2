//! Clients that speak HTTP: the console's requests, one after the other, and the commands that are run for them.

use super::{Client, Core};
use crate::command::{Context, Handler};
use crate::connection::{Closing, Parser};
use crate::console::{Plan, Scene, Show, plan, show};
use crate::limits::{HTTP_HEAD_MS, HTTP_IDLE_MS};
use crate::mesh::parcel::Origin;
use crate::protocol::http::{Answer, Method, Parsed, Status, parse};
use crate::protocol::{Proto, Reply};
use crate::session::{Queued, SessionId};
use crate::transaction::coordinator::Purpose;
use crate::transaction::plan::Claims;
use std::collections::HashMap;
use std::net::SocketAddr;

/// How an answer is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    head_only: bool,
    keep_alive: bool,
}

/// What the replies become that HTTP clients await, by client id.
pub(super) type Awaited = HashMap<u64, (Show, Form)>;

impl Core {
    /// Serves the whole request at the start of `input`.
    #[cold]
    pub(super) fn serve_http(&mut self, id: SessionId, client: &Client, input: &[u8]) {
        let Parsed::Done { request, .. } = parse(input) else { return };
        let form = Form { head_only: request.method == Method::Head, keep_alive: request.keep_alive };
        let is_local = self.sessions.get(id).is_some_and(|session| is_local(&session.peer));
        let scene = Scene { shared: &self.shared, now: self.now, is_local };
        match plan(&request, &scene) {
            Plan::Answer(answer)
                if answer.status == Status::Unauthorized && request.authorization.is_some() =>
            {
                self.log_login_failure(id);
                self.answer_http(id, client, &answer, form);
            }
            Plan::Answer(answer) => self.answer_http(id, client, &answer, form),
            Plan::Ask(words, show) => self.ask(id, client, &words, show, form),
        }
        self.hold_if_flooded(id);
    }

    /// Refuses bytes behind which no request can be found.
    #[cold]
    pub(super) fn refuse_http(&mut self, id: SessionId, client: &Client, status: Status) {
        self.answer_http(id, client, &Answer::refusal(status), Form { head_only: false, keep_alive: false });
    }

    fn answer_http(&mut self, id: SessionId, client: &Client, answer: &Answer, form: Form) {
        let bytes = self.written(answer, form);
        self.answer(id, client, false, |reply| reply.raw(&bytes));
        self.end_unless_alive(id, form);
    }

    fn written(&self, answer: &Answer, form: Form) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(answer.body.len() + 1024);
        answer.write(&mut bytes, self.now.unix_secs(), form.head_only, form.keep_alive);
        bytes
    }

    fn end_unless_alive(&mut self, id: SessionId, form: Form) {
        if !form.keep_alive {
            let connection = &mut self.connections[id as usize];
            connection.closing = connection.closing.max(Closing::AfterReplies);
        }
    }

    /// Runs a command for the console: one that asks every core, or one of the client's own state.
    fn ask(&mut self, id: SessionId, client: &Client, words: &[Vec<u8>], to: Show, form: Form) {
        let mut client = *client;
        client.asker.proto = Proto::Resp3;
        let name = match words {
            [container, sub, ..] => [container.as_slice(), sub].join(&b'|'),
            _ => Vec::new(),
        };
        let row = self.table.by_name(&name).or_else(|| self.table.by_name(&words[0]));
        let row = row.expect("the console names commands that there are");
        let request = Queued::of_words(row, words);
        match self.table.row(row).handler {
            Handler::Every(every) => {
                if let Err(fault) = (every.check)(request.args(), self.shard.databases()) {
                    let mut line = Vec::new();
                    fault.write(&mut Reply::new(&mut line, Proto::Resp3));
                    return self.answer_http(id, &client, &show(to, &line), form);
                }
                self.awaited.insert(client.asker.client_id, (to, form));
                let mut claims = Claims::none(self.shared.cores());
                claims.everything = every.atomic;
                claims.asks = true;
                self.start_transaction(id, &client, Purpose::Command, vec![request], claims, false);
            }
            Handler::Session(run) => {
                let mut bytes = self.pool.take();
                let mut effects = Vec::new();
                let mut reply = Reply::new(&mut bytes, Proto::Resp3);
                let mut local = self.local();
                let done = run(
                    &mut Context { id, local: &mut local, effects: &mut effects },
                    request.args(),
                    &mut reply,
                );
                if let Err(fault) = done {
                    reply.truncate(0);
                    fault.write(&mut reply);
                }
                self.answer_http(id, &client, &show(to, &bytes), form);
                self.pool.give(bytes);
                self.perform(id, &effects);
            }
            _ => unreachable!("the console asks every core, or none"),
        }
    }

    /// The reply of a command has come: where an HTTP client awaits it, it becomes an answer.
    #[cold]
    pub(super) fn fill_http(&mut self, id: SessionId, origin: Origin, reply: &[u8]) {
        let client_id = self.connections[id as usize].client_id;
        let Some((to, form)) = self.awaited.remove(&client_id) else {
            return self.fill(origin, reply);
        };
        let bytes = self.written(&show(to, reply), form);
        self.fill(origin, &bytes);
        self.end_unless_alive(id, form);
    }

    /// A client who may speak HTTP and is too slow with a head, or has rested for too long.
    pub(super) fn dawdles(&self, id: SessionId, idle_ms: u64) -> bool {
        let connection = &self.connections[id as usize];
        let since_us = connection.held_since_us;
        let head_ms = self.now.mono_us.saturating_sub(since_us) / 1000;
        let slow = !connection.held.is_empty() && connection.serves() && head_ms > HTTP_HEAD_MS;
        match connection.parser {
            Parser::Fresh => slow,
            Parser::Http => {
                slow || (connection.held.is_empty() && connection.has_answered() && idle_ms > HTTP_IDLE_MS)
            }
            _ => false,
        }
    }
}

/// A peer on this machine, by its name in `CLIENT LIST`; one on a Unix socket is.
fn is_local(peer: &str) -> bool {
    match peer.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_canonical().is_loopback(),
        Err(_) => !peer.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn peers_on_this_machine_are_local() {
        for local in ["127.0.0.1:1", "127.5.5.5:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "/run/larder.sock:0"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["10.0.0.1:1", "[::ffff:10.0.0.1]:1", "[2001:db8::1]:1", ""] {
            assert!(!is_local(other), "{other}");
        }
    }
}
