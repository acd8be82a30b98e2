//! The round in which every core is told of what a client listens to.

use super::{Client, Purpose, Round, Scope, Transaction};
use crate::command::Fault;
use crate::command::pubsub::listen::Verb;
use crate::protocol::Reply;
use crate::session::Queued;
use crate::session::listeners::Change as Listening;
use crate::transaction::Work;
use std::sync::Arc;

/// What a command on the client's own state has led to.
pub struct Changed {
    /// The client as it is now.
    pub client: Client,
    /// What it listens to now; every core is to be told.
    pub listening: Option<Telling>,
}

/// What every core is to be told of a client.
#[derive(Clone)]
pub struct Telling {
    /// What has changed.
    pub change: Arc<Listening>,
    /// Its slot.
    pub connection: u32,
    /// Low half of its id.
    pub client: u32,
}

impl Transaction {
    /// Changes what the client listens to. `None`: its reply is ready; else what the cores are told first.
    pub(super) fn listen_round(
        &mut self,
        scope: &mut Scope<'_>,
        (command, verb): (usize, Verb),
        request: &Queued,
        reply: &mut Vec<u8>,
    ) -> Option<Vec<Option<Work>>> {
        // Redis's clients of a shard's channels wait for one reply where they would get several.
        if verb.waits_alone() && matches!(self.purpose, Purpose::Exec { .. }) {
            let fault = Fault::text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
            fault.write(&mut Reply::new(reply, self.client.asker.proto));
            return None;
        }
        let Changed { client, listening } = scope.host.session(request, reply);
        self.client = client;
        let Telling { change, connection, client } = listening?;
        self.round = Round::Listen { command, reply: std::mem::take(reply) };
        let tell = |_| Some(Work::Listen { change: change.clone(), connection, client });
        Some((0..self.answers.len()).map(tell).collect())
    }
}
