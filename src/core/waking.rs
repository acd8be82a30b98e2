//! Clients in blocking commands: the side of the shards where they stand in line. `blocking` states the protocol.
//!
//! What a command has put under an awaited key is offered to the first in line as soon as the command has finished. If
//! that client is of this core, it is served on the spot, before anything else happens; otherwise its core is asked, and
//! the key is held meanwhile: by the claim of the command that was about to give it back, or by one of its own.

use super::blocking::Offer;
use super::{Core, Mail};
use crate::command::blocking::{awaited, kind_of};
use crate::command::run::run_here;
use crate::command::{Command, Outcome, flag};
use crate::protocol::{Args, Proto, Reply};
use crate::session::Queued;
use crate::shard::locks::{ClaimId, Mode};
use crate::shard::waiters::{Awaited, Waiter};
use crate::transaction::plan::{keys_of, shard_of};
use std::collections::HashMap;

/// What the core of a client is told.
pub enum ToHome {
    /// Its command found nothing, and stands in line.
    Standing(Waiter),
    /// There is something for it.
    Offered {
        /// The client.
        waiter: Waiter,
        /// The key, by its place among the arguments.
        argument: u32,
        /// Names the offer.
        serving: u64,
    },
    /// Its reply.
    Served(Waiter, Vec<u8>),
    /// What was offered had gone when it was tried; it stands in line as before.
    Missed(Waiter),
}

/// What a shard is told about those who stand in line there.
pub enum ToLine {
    /// It waits no longer.
    Leave(Waiter),
    /// It was busy when it was offered something, and is no more: look at its keys.
    Look(Waiter),
    /// To an offer.
    Answer {
        /// Which.
        serving: u64,
        /// What the client makes of it.
        verdict: Verdict,
    },
}

/// What a client makes of an offer.
pub enum Verdict {
    /// It takes it: this is to be run.
    Run(Box<Attempt>),
    /// It took it, and another shard was needed for that, which is done.
    Settled {
        /// It has its reply.
        served: bool,
    },
    /// It waits no longer.
    Gone,
    /// Something else is under way for it. It will ask when that has come to nothing.
    Busy,
}

/// A blocking command for the one key that was offered.
pub struct Attempt {
    /// The command.
    pub request: Queued,
    /// Logical database.
    pub db: u8,
    /// Format of the reply.
    pub proto: Proto,
    /// Reads count as use.
    pub touch: bool,
}

/// An offer whose answer is awaited.
struct Serving {
    awaited: Awaited,
    waiter: Waiter,
    /// Holds the key.
    claim: ClaimId,
}

/// The offers of a shard.
#[derive(Default)]
pub(super) struct Waking {
    offers: u64,
    servings: HashMap<u64, Serving>,
    /// How many offers each claim holds a key for. It is released after the last of them.
    claims: HashMap<ClaimId, u32>,
}

impl Waking {
    /// Offers whose answers are awaited.
    pub fn len(&self) -> usize {
        self.servings.len()
    }
}

impl Core {
    /// A blocking command found nothing: it takes its places in the lines of this shard's keys.
    pub(super) fn stand_in_line(
        &mut self,
        waiter: Waiter,
        command: &'static Command,
        args: Args<'_>,
        db: u8,
    ) {
        let mut keys = Vec::new();
        let _ = keys_of(command, args, db, self.shard.databases(), &mut keys);
        for key in awaited(command, &keys) {
            let bytes = &args[key.arg];
            if shard_of(&self.shared, bytes) == self.index {
                let awaited = Awaited { kind: kind_of(command), db, key: bytes.into() };
                self.shard.stand_in_line(waiter, &awaited, key.arg as u32);
            }
        }
    }

    /// Looks at awaited keys that a command has touched just now, which held none.
    #[inline]
    pub(super) fn wake_if_any(&mut self) {
        if self.shard.store.has_arrived() {
            self.wake(None);
        }
    }

    /// The same before a claim is released, and after one was.
    #[inline]
    pub(super) fn may_wake(&self) -> bool {
        self.shard.store.has_arrived() || self.shard.waiters.any_listed()
    }

    /// Looks at awaited keys to which something has happened, those that nobody holds or that this claim holds. True: the
    /// claim is needed for an offer, and will be released once that is answered.
    #[cold]
    pub(super) fn wake(&mut self, held: Option<ClaimId>) -> bool {
        let (mut kept, mut later) = (false, Vec::new());
        loop {
            if self.shard.store.has_arrived() {
                self.shard.list_arrived();
            }
            let Some(awaited) = self.shard.waiters.next_listed() else { break };
            if self.shard.waiters.first(&awaited).is_none() {
                // Whoever is being served there goes on with the line.
                continue;
            }
            let hash = self.shared.hasher.hash(&awaited.key);
            let held = held.filter(|id| self.shard.locks.is_held_by(*id, hash));
            if held.is_none() && !self.shard.locks.permits(&[(hash, Mode::Exclusive)]) {
                later.push(awaited);
                continue;
            }
            // Where it does not hold the key, the offer has a hold of its own.
            kept |= self.serve_line(awaited, hash, held) && held.is_some();
        }
        later.into_iter().for_each(|awaited| self.shard.waiters.list(awaited));
        kept
    }

    /// Serves those in line for a key, one after the other, as long as there is something for them. True: an offer has
    /// to be answered first, and the key is held meanwhile.
    fn serve_line(&mut self, awaited: Awaited, hash: u64, held: Option<ClaimId>) -> bool {
        while self.shard.holds(&awaited)
            && let Some((waiter, argument)) = self.shard.waiters.first(&awaited)
        {
            self.waking.offers += 1;
            let serving = self.waking.offers;
            let verdict = if waiter.core == self.index {
                self.decide_offer(Offer { shard: self.index, serving, waiter, argument })
            } else {
                self.post(waiter.core, Mail::ToHome(ToHome::Offered { waiter, argument, serving }));
                None
            };
            match verdict {
                Some(Verdict::Run(attempt)) => match self.attempt(&attempt) {
                    Some(reply) => {
                        self.shard.leave_lines(&waiter);
                        self.served(waiter, &reply);
                    }
                    None => {
                        self.missed(waiter);
                        return false;
                    }
                },
                Some(Verdict::Gone) => self.shard.leave_lines(&waiter),
                Some(Verdict::Busy | Verdict::Settled { .. }) => return false,
                None => {
                    let claim = held.unwrap_or_else(|| self.shard.locks.hold(hash));
                    *self.waking.claims.entry(claim).or_default() += 1;
                    self.shard.waiters.set_serving(&awaited, true);
                    self.waking.servings.insert(serving, Serving { awaited, waiter, claim });
                    return true;
                }
            }
        }
        false
    }

    /// Runs a blocking command for a client that is there. Its reply, unless there was nothing.
    fn attempt(&mut self, attempt: &Attempt) -> Option<Vec<u8>> {
        let Attempt { request, db, proto, touch } = attempt;
        let command = self.table.row(request.row);
        let mut bytes = Vec::new();
        let mut reply = Reply::new(&mut bytes, *proto);
        let (args, hasher) = (request.args(), &self.shared.hasher);
        match run_here(command, &mut self.shard, args, *db, hasher, *touch, &mut reply) {
            Ok(outcome) if !outcome.changed => return None,
            Ok(_) => self.shard.traffic.changes += 1,
            Err(fault) => {
                bytes.clear();
                fault.write(&mut Reply::new(&mut bytes, *proto));
                self.count_failure(request.row, &fault);
            }
        }
        Some(bytes)
    }

    /// A word of a client's core.
    pub(super) fn hear_of_waiter(&mut self, word: ToLine) {
        match word {
            ToLine::Leave(waiter) => self.shard.leave_lines(&waiter),
            ToLine::Look(waiter) => self.shard.waiters.list_all_of(&waiter),
            // The line is served to its end before anything that went on to another key: its release looks at those.
            ToLine::Answer { serving, verdict } => return self.offer_answered(serving, verdict),
        }
        if self.may_wake() {
            self.wake(None);
        }
    }

    fn offer_answered(&mut self, serving: u64, verdict: Verdict) {
        let Some(Serving { awaited, waiter, claim }) = self.waking.servings.remove(&serving) else {
            unreachable!("an offer is answered once");
        };
        self.shard.waiters.set_serving(&awaited, false);
        let go_on = match verdict {
            Verdict::Run(attempt) => {
                let reply = self.attempt(&attempt);
                let served = reply.is_some();
                let word = match reply {
                    Some(reply) => {
                        self.shard.leave_lines(&waiter);
                        ToHome::Served(waiter, reply)
                    }
                    None => ToHome::Missed(waiter),
                };
                self.post(waiter.core, Mail::ToHome(word));
                served
            }
            Verdict::Settled { served: true } | Verdict::Gone => {
                self.shard.leave_lines(&waiter);
                true
            }
            Verdict::Settled { served: false } | Verdict::Busy => false,
        };
        // Who has left meanwhile stands in nobody's way.
        if go_on || !self.shard.waiters.stands(&waiter, &awaited) {
            let hash = self.shared.hasher.hash(&awaited.key);
            self.serve_line(awaited, hash, Some(claim));
        }
        let left = self.waking.claims.get_mut(&claim).expect("an offer has a claim");
        *left -= 1;
        if *left == 0 {
            self.waking.claims.remove(&claim);
            self.release(claim);
        }
    }

    /// This was a blocking command's try, and there was nothing.
    pub(super) fn found_nothing(command: &Command, outcome: &Outcome) -> bool {
        command.is(flag::BLOCKING) && !outcome.changed
    }
}
