//! The coordinator's side: one multi-shard command, or one `EXEC`, from its claims to its reply.
//!
//! A state machine without I/O: `start` and `answered` take what happened and give the
//! messages to be sent. A program is a list of commands; it runs in rounds, each of which gives
//! every shard its share at once. Commands on single keys follow each other within a round; one that
//! needs values of several shards has a round to gather and a round to apply.

mod listening;
mod sorting;
mod waiting;
mod writing;

pub use listening::{Changed, Telling};

use super::plan::{Claims, Place, keys_of, place_of, shard_of};
use super::{Answer, Change, Done, FromShard, PartCall, ToShard, Wanted, Work, parts};
use crate::acl::Denied;
use crate::command::keys::cursor::core_of;
use crate::command::keys::moving::copies;
use crate::command::run::{parts_fit, reads};
use crate::command::sort::Sorter;
use crate::command::table::TABLE;
use crate::command::{Asker, Command, Control, Gathered, Handler, KeyRef, Merge, Outcome, sort};
use crate::protocol::{Proto, Reply};
use crate::session::{Queued, Watched};
use crate::shard::locks::Manner;
use crate::shard::waiters::Waiter;
use crate::shared::Shared;
use std::sync::Arc;

/// What the program is for.
#[derive(Debug)]
pub enum Purpose {
    /// One command; its reply is the client's.
    Command,
    /// `EXEC`: the replies of all commands as an array, unless a watched key has changed.
    Exec {
        /// Keys under `WATCH`, each with the moment since when. Its shards still have to be told that it has ended.
        watched: Vec<(Watched, u64)>,
    },
    /// `WATCH`.
    Watch {
        /// The keys.
        watched: Vec<Watched>,
        /// Since when each of them is watched; filled in.
        moments: Vec<u64>,
    },
    /// A blocking command over several shards, which stands in line there if there is nothing for it.
    Block {
        /// Its name there.
        waiter: Waiter,
    },
    /// A blocking command for a key that its shard has on offer and holds meanwhile. It claims its other keys if they are
    /// free, and ends if they are not.
    Serve {
        /// The shard.
        shard: u16,
        /// Its name for the offer.
        serving: u64,
    },
}

/// What became of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has a reply.
    Done,
    /// A blocking command: there was nothing.
    Unserved,
    /// Its keys were not free.
    Refused,
}

/// The client for whom it runs, as far as its commands need it.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Id, selected database and reply format.
    pub asker: Asker,
    /// Reads count as use.
    pub touch: bool,
}

/// What the core lends while a round is built: the process, and a way to run a session command.
pub struct Scope<'a> {
    /// Facts of the process.
    pub shared: &'a Shared,
    /// Number of logical databases.
    pub databases: u8,
    /// Now, Unix milliseconds.
    pub now_ms: u64,
    /// The client's core.
    pub host: &'a mut dyn Host,
}

/// What the client's core does for a program.
pub trait Host {
    /// Runs a command on the client's own state, writes its reply, and gives the client's facts anew.
    fn session(&mut self, request: &Queued, reply: &mut Vec<u8>) -> Changed;

    /// The client may not give that command any more.
    fn denies(&mut self, request: &Queued) -> Option<Denied>;

    /// Writes down that a command was refused for that, and answers with it.
    fn refuse(&mut self, request: &Queued, denied: Denied, reply: &mut Vec<u8>);

    /// Takes values that were read and are needed no more: what has no other owner left may be large.
    fn put_away(&mut self, found: Vec<Option<Gathered>>);
}

/// Messages to be sent, by shard.
pub type Messages = Vec<(u16, ToShard)>;

/// What a step led to.
pub enum Step {
    /// Send these and wait for answers.
    Send(Messages),
    /// Finished: send these (nothing answers them) and give the client its reply.
    Finished(Messages),
}

/// Where the shares of a command lie in the answers of a round.
struct Share {
    shard: u16,
    /// Place in that shard's list.
    at: usize,
}

/// What is being waited for.
enum Round {
    /// Nothing yet: claims only.
    None,
    /// Whether watched keys were touched.
    Look,
    /// That keys are watched. By key: its shard.
    Watch { shards: Vec<u16> },
    /// Commands of this range, each with its shares in order of its keys.
    Calls { shares: Vec<(usize, Vec<Share>)> },
    /// Values for a command that hops.
    Gather { command: usize, keys: Vec<KeyRef>, shares: Vec<Share> },
    /// Values of other keys for a sort: what its elements are sorted by, or what is answered for them.
    Find { command: usize, exists: bool, sorter: Box<Sorter>, sorted: bool, shares: Vec<Share> },
    /// Its changes; its reply is ready. The removals are made when everything is stored.
    Apply { command: usize, reply: Vec<u8>, removals: Vec<(u16, Change)> },
    /// Answers of all cores.
    Ask { command: usize },
    /// That it stands in line.
    Await { command: usize },
    /// That all cores know what the client listens to; the reply is ready.
    Listen { command: usize, reply: Vec<u8> },
    /// Votes on storing several values, then that they are stored, or that the room for them is given up.
    Store { command: usize, shards: Vec<u16>, step: Storing },
}

/// How far several values have come.
enum Storing {
    /// Room is looked for.
    Voting,
    /// They are being stored.
    Going,
    /// They are being forgotten; the reply is ready.
    Forgetting { reply: Vec<u8> },
}

/// One program under way.
pub struct Transaction {
    /// Its number now.
    pub number: u64,
    purpose: Purpose,
    client: Client,
    commands: Vec<Arc<Queued>>,
    /// Reply of each command that has run.
    replies: Vec<Vec<u8>>,
    changes: u64,
    claims: Claims,
    /// Shards that hold keys for it, or keep it in line.
    claimed: Vec<u16>,
    round: Round,
    /// Answers of this round, by shard.
    answers: Vec<Option<Answer>>,
    waiting: usize,
    /// It was refused once: it claims its shards one after the other.
    in_order: bool,
    /// Claims that wait for their turn, the next one last.
    unsent: Messages,
    aborted: bool,
    ended: Ended,
}

impl Transaction {
    /// A program for a client. `claims` says what it holds meanwhile.
    pub fn new(purpose: Purpose, client: Client, commands: Vec<Queued>, claims: Claims) -> Transaction {
        let shards = claims.keys.len();
        Transaction {
            number: 0,
            purpose,
            client,
            replies: Vec::with_capacity(commands.len()),
            commands: commands.into_iter().map(Arc::new).collect(),
            changes: 0,
            claims,
            claimed: Vec::new(),
            round: Round::None,
            answers: (0..shards).map(|_| None).collect(),
            waiting: 0,
            in_order: false,
            unsent: Messages::new(),
            aborted: false,
            ended: Ended::Done,
        }
    }

    /// Claims its keys under a fresh number; a first round that only reads goes along.
    pub fn start(&mut self, scope: &mut Scope<'_>) -> Step {
        self.number = scope.shared.transaction();
        self.round = Round::None;
        self.claimed = self.claims.shards();
        if self.claimed.is_empty() {
            return self.advance(scope);
        }
        // What a claim's work sees cannot change any more; but what it does would be done again by another start.
        let mut work = self.look_round(scope.shared);
        let mut messages = Messages::new();
        for &shard in &self.claimed {
            let keys = (!self.claims.everything).then(|| self.claims.keys[shard as usize].clone());
            let manner = match self.purpose {
                Purpose::Serve { .. } => Manner::Try,
                _ if self.in_order => Manner::InOrder,
                _ => Manner::AtOnce,
            };
            messages.push((shard, ToShard::Claim { keys, work: work[shard as usize].take(), manner }));
        }
        if self.in_order {
            // One at a time; the first is the last in the list.
            messages.reverse();
            self.unsent = messages;
            messages = self.unsent.pop().into_iter().collect();
        }
        self.waiting = messages.len();
        Step::Send(messages)
    }

    /// Takes a shard's answer. `None`: others are still awaited.
    pub fn answered(&mut self, shard: u16, answer: FromShard, scope: &mut Scope<'_>) -> Option<Step> {
        match answer {
            // Answers to the old number that are still on their way name it, and are ignored.
            FromShard::Refused if matches!(self.purpose, Purpose::Serve { .. }) => {
                debug_assert!(self.claimed.len() == 1, "an element goes to one other shard at most");
                self.ended = Ended::Refused;
                return Some(Step::Finished(Messages::new()));
            }
            FromShard::Refused => return Some(self.restart(scope)),
            FromShard::Granted(answer) => self.answers[shard as usize] = answer,
            FromShard::Done(answer) => self.answers[shard as usize] = Some(answer),
        }
        self.waiting -= 1;
        if self.waiting > 0 {
            return None;
        }
        if let Some(next) = self.unsent.pop() {
            self.waiting = 1;
            return Some(Step::Send(vec![next]));
        }
        if let Some(messages) = self.settle(scope) {
            return Some(Step::Send(messages));
        }
        Some(self.advance(scope))
    }

    /// What became of a finished program.
    pub fn ended(&self) -> Ended {
        self.ended
    }

    /// The reply of a finished program, and how many of its commands changed something.
    pub fn finish(self, out: &mut Vec<u8>) -> (Purpose, u64) {
        let mut reply = Reply::new(out, self.client.asker.proto);
        match &self.purpose {
            Purpose::Exec { .. } if self.aborted => reply.null_array(),
            Purpose::Exec { .. } => {
                reply.array(self.replies.len());
                self.replies.iter().for_each(|bytes| reply.raw(bytes));
            }
            Purpose::Command => reply.raw(&self.replies[0]),
            Purpose::Block { .. } | Purpose::Serve { .. } => {
                if self.ended == Ended::Done {
                    reply.raw(&self.replies[0]);
                }
            }
            Purpose::Watch { .. } => reply.ok(),
        }
        (self.purpose, self.changes)
    }

    /// Gives up all claims and claims anew under a fresh number, in order.
    fn restart(&mut self, scope: &mut Scope<'_>) -> Step {
        debug_assert!(!self.in_order, "who claims in order is never refused");
        self.in_order = true;
        let mut messages = self.releases();
        self.answers.iter_mut().for_each(|answer| *answer = None);
        match self.start(scope) {
            Step::Send(more) => messages.extend(more),
            Step::Finished(_) => unreachable!("a refused program has claims"),
        }
        Step::Send(messages)
    }

    fn releases(&mut self) -> Messages {
        self.claimed.drain(..).map(|shard| (shard, ToShard::Release)).collect()
    }

    /// Begins the next round, or ends.
    fn advance(&mut self, scope: &mut Scope<'_>) -> Step {
        let mut work: Vec<Option<Work>> = Vec::new();
        if let Purpose::Watch { watched, moments } = &self.purpose {
            if moments.len() < watched.len() {
                work = self.watch_round(scope.shared);
            }
        } else if !self.aborted {
            work = self.next_round(scope);
        }
        let messages: Messages = work
            .into_iter()
            .enumerate()
            .filter_map(|(shard, work)| Some((shard as u16, ToShard::Work { work: work?, release: false })))
            .collect();
        if messages.is_empty() {
            return Step::Finished(self.releases());
        }
        self.waiting = messages.len();
        Step::Send(self.release_with(messages))
    }

    /// Keys are given back with the last round's work where it is known to be the last.
    fn release_with(&mut self, mut messages: Messages) -> Messages {
        let last = match &self.round {
            Round::Apply { removals, .. } if !removals.is_empty() => false,
            Round::Store { step: Storing::Voting, .. } => false,
            Round::Calls { .. }
            | Round::Apply { .. }
            | Round::Ask { .. }
            | Round::Await { .. }
            | Round::Listen { .. }
            | Round::Store { .. } => self.next_command() >= self.commands.len(),
            _ => false,
        };
        if last {
            for (shard, message) in &mut messages {
                if let ToShard::Work { release, .. } = message
                    && let Some(at) = self.claimed.iter().position(|s| s == shard)
                {
                    *release = true;
                    self.claimed.swap_remove(at);
                }
            }
        }
        messages
    }

    /// First command that the present round does not cover.
    fn next_command(&self) -> usize {
        match &self.round {
            Round::Calls { shares } => shares.last().map_or(self.replies.len(), |(command, _)| command + 1),
            Round::Gather { command, .. }
            | Round::Find { command, .. }
            | Round::Apply { command, .. }
            | Round::Ask { command }
            | Round::Await { command }
            | Round::Listen { command, .. }
            | Round::Store { command, .. } => command + 1,
            Round::None | Round::Look | Round::Watch { .. } => self.replies.len(),
        }
    }

    /// Has the shards look whether watched keys were touched.
    fn look_round(&mut self, shared: &Shared) -> Vec<Option<Work>> {
        let mut keys: Vec<Vec<(Watched, u64)>> = self.answers.iter().map(|_| Vec::new()).collect();
        if let Purpose::Exec { watched } = &self.purpose
            && !watched.is_empty()
        {
            watched.iter().for_each(|w| keys[shard_of(shared, &w.0.key) as usize].push(w.clone()));
            self.round = Round::Look;
        }
        keys.into_iter().map(|keys| (!keys.is_empty()).then_some(Work::Look(keys))).collect()
    }

    /// Has the shards watch keys.
    fn watch_round(&mut self, shared: &Shared) -> Vec<Option<Work>> {
        let mut keys: Vec<Vec<Watched>> = self.answers.iter().map(|_| Vec::new()).collect();
        let Purpose::Watch { watched, .. } = &self.purpose else { unreachable!("only WATCH does") };
        let shards: Vec<u16> = watched.iter().map(|w| shard_of(shared, &w.key)).collect();
        watched.iter().zip(&shards).for_each(|(w, &shard)| keys[shard as usize].push(w.clone()));
        self.round = Round::Watch { shards };
        keys.into_iter().map(|keys| (!keys.is_empty()).then_some(Work::Watch(keys))).collect()
    }

    /// Shares of the next round, by shard. Session commands on the way run at once.
    fn next_round(&mut self, scope: &mut Scope<'_>) -> Vec<Option<Work>> {
        let shards = self.answers.len();
        let mut calls: Vec<Vec<PartCall>> = (0..shards).map(|_| Vec::new()).collect();
        let mut shares: Vec<(usize, Vec<Share>)> = Vec::new();
        let mut at = self.replies.len();
        while at < self.commands.len() {
            let request = self.commands[at].clone();
            let command = TABLE.row(request.row);
            let mut reply = Vec::new();
            if matches!(self.purpose, Purpose::Exec { .. })
                && let Some(denied) = scope.host.denies(&request)
            {
                // Its turn comes when all before it have run.
                if !shares.is_empty() {
                    break;
                }
                scope.host.refuse(&request, denied, &mut reply);
                self.replies.push(reply);
                at += 1;
                continue;
            }
            let mut keys = Vec::new();
            let args = request.args();
            let placed = keys_of(command, args, self.client.asker.db, scope.databases, &mut keys)
                .and_then(|()| parts_fit(command, args))
                .map(|()| place_of(scope.shared, args, &keys));
            let own = match (command.handler, placed) {
                (_, Err(fault)) => {
                    fault.write(&mut Reply::new(&mut reply, self.client.asker.proto));
                    Vec::new()
                }
                (Handler::Session(_), _) | (Handler::Control(Control::Unwatch), _) => {
                    // Its turn comes when all before it have run.
                    if !shares.is_empty() {
                        break;
                    }
                    self.client = scope.host.session(&request, &mut reply).client;
                    Vec::new()
                }
                (Handler::Listen(verb), _) => {
                    if !shares.is_empty() {
                        break;
                    }
                    if let Some(work) = self.listen_round(scope, (at, verb), &request, &mut reply) {
                        return work;
                    }
                    Vec::new()
                }
                (Handler::Every(every), _) => {
                    if !shares.is_empty() {
                        break;
                    }
                    if let Err(fault) = (every.check)(args, scope.databases) {
                        fault.write(&mut Reply::new(&mut reply, self.client.asker.proto));
                        Vec::new()
                    } else {
                        self.round = Round::Ask { command: at };
                        let ask = || Work::Ask {
                            row: request.row,
                            request: request.clone(),
                            asker: self.client.asker,
                        };
                        return (0..shards).map(|_| Some(ask())).collect();
                    }
                }
                (Handler::Hops(_), Ok(place)) if place == Place::Several || copies(command) => {
                    if !shares.is_empty() {
                        break;
                    }
                    return self.gather_round(at, keys, scope.shared);
                }
                (Handler::Sort, Ok(place))
                    if place == Place::Several || shards > 1 && sort::looks_up(command, args) =>
                {
                    if !shares.is_empty() {
                        break;
                    }
                    return self.gather_round(at, keys, scope.shared);
                }
                (Handler::Cursor(_), _) => {
                    let shard = core_of(&args[1], shards as u16).unwrap_or(0);
                    vec![self.whole_call(&mut calls, shard, &request)]
                }
                (Handler::Spread { merge, .. }, Ok(Place::Several)) if merge.stores() => {
                    if !shares.is_empty() {
                        break;
                    }
                    return self.store_round(at, &keys, scope.shared);
                }
                (Handler::Spread { stride, .. }, Ok(Place::Several)) => {
                    self.part_calls(&mut calls, &request, command, &keys, stride, scope.shared)
                }
                (_, Ok(Place::One(shard))) => vec![self.whole_call(&mut calls, shard, &request)],
                (_, Ok(_)) => vec![self.whole_call(&mut calls, 0, &request)],
            };
            if own.is_empty() {
                if !shares.is_empty() {
                    // Replies come in order: a fault found early waits for its turn too.
                    break;
                }
                self.replies.push(reply);
            } else {
                shares.push((at, own));
            }
            at += 1;
        }
        self.round = Round::Calls { shares };
        calls.into_iter().map(|calls| (!calls.is_empty()).then_some(Work::Calls(calls))).collect()
    }

    fn part_call(&self, request: Queued, part: bool) -> PartCall {
        let Client { asker, touch } = self.client;
        PartCall { request, part, db: asker.db, proto: asker.proto, touch }
    }

    fn whole_call(&self, calls: &mut [Vec<PartCall>], shard: u16, request: &Queued) -> Share {
        let list = &mut calls[shard as usize];
        list.push(self.part_call(request.clone(), false));
        Share { shard, at: list.len() - 1 }
    }

    fn part_calls(
        &self,
        calls: &mut [Vec<PartCall>],
        request: &Queued,
        command: &Command,
        keys: &[KeyRef],
        stride: usize,
        shared: &Shared,
    ) -> Vec<Share> {
        let head = command.keys.first as usize;
        let mut shares = Vec::with_capacity(keys.len());
        for key in keys {
            let shard = shard_of(shared, &request.args()[key.arg]);
            let list = &mut calls[shard as usize];
            shares.push(Share { shard, at: list.len() });
            list.push(self.part_call(request.part(head, key.arg, stride), true));
        }
        shares
    }

    /// Has the shards find room for several values.
    fn store_round(&mut self, command: usize, keys: &[KeyRef], shared: &Shared) -> Vec<Option<Work>> {
        let request = &self.commands[command];
        let args = request.args();
        let Client { asker, touch } = self.client;
        let head = parts::Head { row: request.row, db: asker.db, proto: asker.proto, touch };
        let part = |key: &KeyRef| {
            let bytes = &args[key.arg];
            (shared.hasher.hash(bytes), shard_of(shared, bytes), key.arg)
        };
        let mut parcels: Vec<Vec<u8>> = self.answers.iter().map(|_| Vec::new()).collect();
        let mut shards = Vec::with_capacity(keys.len());
        parts::deal(&head, 2, args, keys.iter().map(part), &mut parcels, &mut shards);
        self.round = Round::Store { command, shards, step: Storing::Voting };
        parcels.into_iter().map(|parcel| (!parcel.is_empty()).then_some(Work::Prepare(parcel))).collect()
    }

    /// The votes are there, or what came of them.
    fn settle_store(
        &mut self,
        command: usize,
        shards: Vec<u16>,
        step: Storing,
        answers: Vec<Option<Answer>>,
    ) -> Option<Messages> {
        let Handler::Spread { merge, .. } = TABLE.row(self.commands[command].row).handler else {
            unreachable!("only such commands store several values")
        };
        let asked: Vec<u16> = (0..answers.len() as u16).filter(|&s| answers[s as usize].is_some()).collect();
        let mut bytes = Vec::new();
        let mut reply = Reply::new(&mut bytes, self.client.asker.proto);
        let (next, work): (Storing, fn() -> Work) = match step {
            Storing::Forgetting { reply } => {
                self.replies.push(reply);
                return None;
            }
            Storing::Going => {
                let done: Vec<Option<Done>> = answers
                    .into_iter()
                    .map(|answer| match answer {
                        Some(Answer::Parts(done)) => Some(done),
                        _ => None,
                    })
                    .collect();
                match parts::merge(merge, &shards, &done, &mut Vec::new(), &mut reply) {
                    Ok(changed) => self.changes += u64::from(changed),
                    Err(fault) => fault.write(&mut reply),
                }
                self.replies.push(bytes);
                return None;
            }
            Storing::Voting => {
                let mut votes = parts::Votes::default();
                for (shard, answer) in answers.into_iter().enumerate() {
                    if let Some(Answer::Voted(vote)) = answer {
                        votes.add(shard as u16, vote, &shards);
                    }
                }
                match votes.decide(&mut reply) {
                    Ok(true) => (Storing::Going, || Work::Go),
                    Ok(false) => (Storing::Forgetting { reply: bytes }, || Work::Forget),
                    Err(fault) => {
                        fault.write(&mut reply);
                        (Storing::Forgetting { reply: bytes }, || Work::Forget)
                    }
                }
            }
        };
        self.round = Round::Store { command, shards, step: next };
        self.waiting = asked.len();
        let message = |shard| (shard, ToShard::Work { work: work(), release: false });
        Some(self.release_with(asked.into_iter().map(message).collect()))
    }

    fn gather_round(&mut self, command: usize, keys: Vec<KeyRef>, shared: &Shared) -> Vec<Option<Work>> {
        let mut wanted: Vec<Vec<Wanted>> = self.answers.iter().map(|_| Vec::new()).collect();
        let row = TABLE.row(self.commands[command].row);
        let args = self.commands[command].args();
        let mut shares = Vec::new();
        for key in &keys {
            let bytes = &args[key.arg];
            let shard = shard_of(shared, bytes);
            shares.push(Share { shard, at: wanted[shard as usize].len() });
            let reads = reads(row, key);
            let (db, key, value) = (key.db, bytes.to_vec(), key.value);
            wanted[shard as usize].push(Wanted { db, key, value, reads });
        }
        self.round = Round::Gather { command, keys, shares };
        wanted.into_iter().map(|wanted| (!wanted.is_empty()).then_some(Work::Gather(wanted))).collect()
    }

    /// Works the answers of a round into replies. A command that gathered may have changes to make: those are returned.
    fn settle(&mut self, scope: &mut Scope<'_>) -> Option<Messages> {
        let mut answers = std::mem::take(&mut self.answers);
        self.answers = answers.iter().map(|_| None).collect();
        match std::mem::replace(&mut self.round, Round::None) {
            Round::None => {}
            Round::Look => {
                self.aborted = answers.iter().flatten().any(|answer| matches!(answer, Answer::Touched(true)));
            }
            Round::Watch { shards } => {
                let moment = |shard: &u16| match &answers[*shard as usize] {
                    Some(Answer::Watched(moment)) => *moment,
                    other => unreachable!("keys were to be watched, not {other:?}"),
                };
                if let Purpose::Watch { moments, .. } = &mut self.purpose {
                    *moments = shards.iter().map(moment).collect();
                }
            }
            Round::Calls { shares } => {
                for (command, own) in shares {
                    let command = TABLE.row(self.commands[command].row);
                    self.replies.push(merge_parts(command, &own, &answers, self.client.asker.proto));
                }
            }
            Round::Apply { command, mut reply, removals } => {
                let failed = answers.into_iter().flatten().find_map(|answer| match answer {
                    Answer::Applied(Err(fault)) => Some(fault),
                    _ => None,
                });
                if let Some(fault) = failed {
                    reply.clear();
                    fault.write(&mut Reply::new(&mut reply, self.client.asker.proto));
                } else if !removals.is_empty() {
                    return Some(self.apply_round(command, reply, removals, Vec::new()));
                }
                debug_assert_eq!(command, self.replies.len());
                self.replies.push(reply);
            }
            Round::Ask { command } => {
                let parts: Vec<Vec<u8>> = answers
                    .into_iter()
                    .map(|answer| match answer {
                        Some(Answer::Asked(bytes)) => bytes,
                        other => unreachable!("a question is answered with bytes, not {other:?}"),
                    })
                    .collect();
                self.settle_ask(command, &parts);
            }
            Round::Await { .. } => self.replies.push(Vec::new()),
            Round::Listen { reply, .. } => self.replies.push(reply),
            Round::Store { command, shards, step } => {
                return self.settle_store(command, shards, step, answers);
            }
            Round::Gather { command, keys, shares } => {
                return self.decide(command, keys, &shares, answers, scope);
            }
            Round::Find { command, exists, sorter, sorted, shares } => {
                let found = shares
                    .iter()
                    .map(|share| match &mut answers[share.shard as usize] {
                        Some(Answer::Found(values)) => values[share.at].take(),
                        other => unreachable!("values were asked for, not {other:?}"),
                    })
                    .collect();
                return self.go_on_sorting(command, exists, sorter, sorted, found, scope);
            }
        }
        None
    }

    fn settle_ask(&mut self, command: usize, parts: &[Vec<u8>]) {
        let request = self.commands[command].clone();
        let Handler::Every(every) = TABLE.row(request.row).handler else {
            unreachable!("only such commands ask")
        };
        let mut bytes = Vec::new();
        let mut reply = Reply::new(&mut bytes, self.client.asker.proto);
        match (every.merge)(request.args(), parts, &self.client.asker, &mut reply) {
            Ok(outcome) => self.changes += u64::from(outcome.changed),
            Err(fault) => {
                reply.truncate(0);
                fault.write(&mut reply);
            }
        }
        self.replies.push(bytes);
    }

    fn decide(
        &mut self,
        command: usize,
        keys: Vec<KeyRef>,
        shares: &[Share],
        mut answers: Vec<Option<Answer>>,
        scope: &mut Scope<'_>,
    ) -> Option<Messages> {
        let found: Vec<_> = shares
            .iter()
            .map(|share| match &mut answers[share.shard as usize] {
                Some(Answer::Gathered(items)) => items[share.at].take(),
                other => unreachable!("items were asked for, not {other:?}"),
            })
            .collect();
        let request = self.commands[command].clone();
        let hops = match TABLE.row(request.row).handler {
            Handler::Hops(hops) => hops,
            Handler::Sort => return self.begin_sort(command, &keys, found, scope),
            _ => unreachable!("only such commands gather"),
        };
        let mut bytes = Vec::new();
        let mut reply = Reply::new(&mut bytes, self.client.asker.proto);
        let decided = (hops.decide)(request.args(), &found, scope.now_ms, &mut reply);
        scope.host.put_away(found);
        let blocks = matches!(self.purpose, Purpose::Block { .. } | Purpose::Serve { .. });
        if blocks && decided.as_ref().is_ok_and(Vec::is_empty) {
            self.ended = Ended::Unserved;
            if let Purpose::Block { waiter } = self.purpose {
                return Some(self.await_round(command, waiter, &keys, scope.shared));
            }
        }
        let writes = decided.unwrap_or_else(|fault| {
            reply.truncate(0);
            fault.write(&mut reply);
            Vec::new()
        });
        self.make_writes(command, &keys, bytes, writes, scope.shared)
    }
}

/// Makes one reply of the parts of a command, in order of its keys.
fn merge_parts(command: &Command, shares: &[Share], answers: &[Option<Answer>], proto: Proto) -> Vec<u8> {
    let part = |share: &Share| match &answers[share.shard as usize] {
        Some(Answer::Replies(replies)) => &replies[share.at],
        other => unreachable!("calls are answered with replies, not {other:?}"),
    };
    let mut bytes = Vec::new();
    let mut reply = Reply::new(&mut bytes, proto);
    if let Some(fault) = shares.iter().find_map(|share| part(share).result.as_ref().err()) {
        fault.write(&mut reply);
        return bytes;
    }
    match command.handler {
        Handler::Spread { merge, .. } if shares.len() > 1 => match merge {
            Merge::Array => {
                reply.array(shares.len());
                shares.iter().for_each(|share| reply.raw(&part(share).bytes));
            }
            Merge::Sum => {
                let count =
                    |share: &Share| part(share).result.as_ref().map_or(0, |outcome: &Outcome| outcome.count);
                reply.int(shares.iter().map(count).sum());
            }
            Merge::Store | Merge::StoreNew => unreachable!("it has rounds of its own"),
            Merge::Lines => {
                shares.iter().for_each(|share| reply.raw(&part(share).bytes));
                reply.line("END");
            }
        },
        _ => reply.raw(&part(&shares[0]).bytes),
    }
    bytes
}
