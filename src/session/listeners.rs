//! Who listens to which channel: publishing and subscribing, without the sending.
//!
//! # Where it lies
//!
//! Every core has the whole registry, as counts: how many clients of which core listen to a name ([`Audience`]). The core
//! of a client knows besides which of its clients these are. So whoever publishes finds the number of receivers and the
//! cores that have some where he is, asks nobody, and mails those cores only. What it costs is that whoever subscribes
//! tells all cores, and has his confirmation when all of them know. People subscribe now and then, and publish always.
//!
//! # What is promised, and why
//!
//! A change of a client's subscriptions is a [`Step`]: a mail to every core, answered by each. Mail between two cores keeps
//! its order, so what a core publishes after its answer arrives after its answer. The client's core hears a message from a
//! core by what that core knew when it sent it ([`Listens::hears`]): from the answer on for a name that is added, up to the
//! answer for one that is given up. From this follows:
//!
//! - A subscription that is confirmed sees every message published after the confirmation was sent: all cores have
//!   answered. What arrives before the confirmation leaves waits behind it (`connection::Line`), and what comes later behind that.
//! - After the confirmation that a subscription has ended no message of it comes: all cores have answered, and what they
//!   sent before lies before their answers; it overtakes the confirmation where that is awaited.
//! - The number that `PUBLISH` answers is that of the clients which are given the message, as long as they stay: a core
//!   counts a client exactly while the client hears that core.
//! - Messages of one publisher arrive in his order, whatever their channels are: he stays on one core, its mail to the
//!   receiver's core keeps order, and so does the receiver's output.
//!
//! Inside `EXEC` the confirmations of all its commands come at once, when the last is done: a message of a name that is
//! added and given up in there may come behind both.
//!
//! A client that leaves (or resets) is not waited for: other cores count it until their mail has come. One with very many
//! names leaves them in slices, and is counted for the rest meanwhile; it hears nothing more.

use super::SessionId;
use crate::text::glob_matches;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The name of a channel, or a pattern. Cores and clients share it.
pub type Name = Arc<[u8]>;

/// What is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A channel (`SUBSCRIBE`).
    Channel,
    /// All channels that a pattern matches (`PSUBSCRIBE`).
    Pattern,
    /// A channel of a shard (`SSUBSCRIBE`): a world of its own, which patterns do not reach.
    Shard,
}

/// Every kind, in the order in which a client that leaves gives them up.
pub const KINDS: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

/// Bytes that a name takes beside itself in a registry: its place, its audience, and the client's copy of the handle. An
/// estimate, for the ledger.
const NAME_OVERHEAD_BYTES: usize = 160;

/// Names that are moved at once where a registry gets smaller: a fifth of a millisecond.
const MOVED_NAMES_MAX: usize = 2000;

/// A change of what a client listens to that not every core has answered for.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it concerns.
    pub change: Arc<Change>,
    /// By core: it has answered.
    knows: Vec<bool>,
}

/// Names that are added or given up. Only those that are news: none twice.
#[derive(Debug)]
pub struct Change {
    /// What they are.
    pub kind: Kind,
    /// Added, or given up.
    pub joins: bool,
    /// The names.
    pub names: Vec<Name>,
}

/// What a client listens to.
#[derive(Clone, Debug, Default)]
pub struct Listens {
    names: [BTreeSet<Name>; 3],
    steps: Vec<Step>,
    /// Bytes of all names.
    name_bytes: usize,
}

impl Listens {
    /// How many names of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.names[kind as usize].len()
    }

    /// The count that a confirmation shows: channels of shards count apart from everything else.
    pub fn shown_count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.count(Kind::Shard),
            Kind::Channel | Kind::Pattern => self.count(Kind::Channel) + self.count(Kind::Pattern),
        }
    }

    /// It listens to nothing.
    pub fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }

    /// The names of a kind.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &Name> {
        self.names[kind as usize].iter()
    }

    /// Adds a name. `None`: it is no news.
    pub fn add(&mut self, kind: Kind, name: &[u8]) -> Option<Name> {
        let names = &mut self.names[kind as usize];
        if names.contains(name) {
            return None;
        }
        let name: Name = name.into();
        names.insert(name.clone());
        self.name_bytes += name.len();
        Some(name)
    }

    /// Gives a name up. `None`: it was none.
    pub fn take(&mut self, kind: Kind, name: &[u8]) -> Option<Name> {
        let taken = self.names[kind as usize].take(name)?;
        self.name_bytes -= taken.len();
        Some(taken)
    }

    /// The cores are being told.
    pub fn begin(&mut self, change: Arc<Change>, cores: u16) {
        self.steps.push(Step { change, knows: vec![false; cores as usize] });
    }

    /// A core has answered for the last step.
    pub fn answered(&mut self, core: u16) {
        if let Some(step) = self.steps.last_mut() {
            step.knows[core as usize] = true;
        }
    }

    /// All cores have answered for all steps: the names that were given up and were not added again.
    pub fn settle(&mut self) -> Vec<(Kind, Name)> {
        let steps = std::mem::take(&mut self.steps);
        let gone = steps.iter().filter(|step| !step.change.joins).flat_map(|step| {
            let kind = step.change.kind;
            step.change.names.iter().map(move |name| (kind, name.clone()))
        });
        gone.filter(|(kind, name)| !self.names[*kind as usize].contains(name)).collect()
    }

    /// Steps are under way.
    #[inline]
    pub fn is_changing(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Names of changes that are under way: the registry of its own core may name it for them, added or given up.
    pub fn going(&self) -> impl Iterator<Item = (Kind, &Name)> {
        self.steps.iter().flat_map(|step| {
            let kind = step.change.kind;
            step.change.names.iter().map(move |name| (kind, name))
        })
    }

    /// Everything that the registry of its own core may name it for.
    pub fn all(&self) -> impl Iterator<Item = (Kind, &Name)> {
        let named = KINDS.into_iter().flat_map(|kind| self.names(kind).map(move |name| (kind, name)));
        named.chain(self.going())
    }

    /// Its own core's registry has a right to name it for this.
    pub fn concerns(&self, kind: Kind, name: &[u8]) -> bool {
        self.names[kind as usize].contains(name)
            || self.going().any(|(of, going)| of == kind && **going == *name)
    }

    /// Gives up to so many names up, of a client that has left. None are left: none are given.
    pub fn take_some(&mut self, most: usize) -> Vec<(Kind, Name)> {
        let mut taken = Vec::new();
        for kind in KINDS {
            while taken.len() < most
                && let Some(name) = self.names[kind as usize].pop_first()
            {
                taken.push((kind, name));
            }
        }
        taken
    }

    /// Whether a message for a name, for which the registry names this client, is heard from a core.
    pub fn hears(&self, kind: Kind, name: &[u8], from: u16) -> bool {
        let mut first = None;
        let mut last_known = None;
        for Step { change, knows } in &self.steps {
            if change.kind == kind && change.names.iter().any(|own| **own == *name) {
                first = first.or(Some(change.joins));
                if knows[from as usize] {
                    last_known = Some(change.joins);
                }
            }
        }
        // Before its first step the name was what that step has changed.
        last_known.or(first.map(|joins| !joins)).unwrap_or(true)
    }

    /// Bytes that this takes on all cores together, about.
    pub fn bytes(&self, cores: u16) -> usize {
        let count: usize = self.names.iter().map(BTreeSet::len).sum();
        self.name_bytes + count * NAME_OVERHEAD_BYTES * usize::from(cores)
    }
}

/// Who listens to one name.
#[derive(Debug, Default)]
pub struct Audience {
    /// Cores with clients that do, and how many each has.
    cores: Vec<(u16, u32)>,
    /// Those of this core.
    own: BTreeSet<SessionId>,
}

impl Audience {
    /// How many clients listen.
    pub fn count(&self) -> u64 {
        self.cores.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Clients of this core that listen, or have until they are told that they do not.
    pub fn own(&self) -> impl Iterator<Item = SessionId> {
        self.own.iter().copied()
    }
}

/// A message for the cores that have listeners.
#[derive(Debug)]
pub struct Published {
    /// `Channel` or `Shard`.
    pub kind: Kind,
    /// The message as a client of `RESP2` reads it that listens to the channel.
    frame: Vec<u8>,
    /// Where the channel lies in it.
    channel: (usize, usize),
    /// Patterns that match, and that somebody listens to.
    pub patterns: Vec<Name>,
}

impl Published {
    fn new(kind: Kind, channel: &[u8], payload: &[u8], patterns: Vec<Name>) -> Published {
        let mut frame = Vec::with_capacity(channel.len() + payload.len() + 64);
        let word = if kind == Kind::Shard { "smessage" } else { "message" };
        frame.extend_from_slice(b"*3\r\n");
        put_bulk(&mut frame, word.as_bytes());
        put_bulk(&mut frame, channel);
        let end = frame.len() - 2;
        put_bulk(&mut frame, payload);
        Published { kind, frame, channel: (end - channel.len(), end), patterns }
    }

    /// The channel.
    pub fn channel(&self) -> &[u8] {
        &self.frame[self.channel.0..self.channel.1]
    }

    /// What a client reads that listens to the channel: an array's mark, or a push's, and the rest.
    pub fn frame(&self) -> &[u8] {
        &self.frame[1..]
    }

    /// What stands before `tail` for a client that listens to a pattern, without the mark.
    pub fn pattern_head(pattern: &[u8], head: &mut Vec<u8>) {
        head.clear();
        head.extend_from_slice(b"4\r\n$8\r\npmessage\r\n");
        put_bulk(head, pattern);
    }

    /// Channel and message, as both kinds of listeners read them.
    pub fn tail(&self) -> &[u8] {
        // The length of the channel stands before it.
        let digits = self.frame[..self.channel.0 - 2].iter().rposition(|&byte| byte == b'$');
        &self.frame[digits.expect("a bulk string begins with its mark")..]
    }

    /// Bytes of it.
    pub fn bytes(&self) -> usize {
        self.frame.capacity()
    }
}

/// Adds a bulk string.
fn put_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut digits = [0; 21];
    out.push(b'$');
    out.extend_from_slice(crate::text::format_i64(bytes.len() as i64, &mut digits));
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// One core's registry.
#[derive(Debug, Default)]
pub struct Listeners {
    channels: HashMap<Name, Audience>,
    shards: HashMap<Name, Audience>,
    /// In the order of their bytes: a message goes to them in this order.
    patterns: BTreeMap<Name, Audience>,
    /// By kind: names that somebody listens to.
    heard: [usize; 3],
    /// Bytes of the registry, about.
    bytes: usize,
    /// Messages to be sent, each to these cores.
    pub outbox: Vec<(Arc<Published>, Vec<u16>)>,
}

impl Listeners {
    fn audience_mut(&mut self, kind: Kind, name: &Name) -> &mut Audience {
        let mut fresh = false;
        let make = || {
            fresh = true;
            Audience::default()
        };
        let audience = match kind {
            Kind::Channel => self.channels.entry(name.clone()).or_insert_with(make),
            Kind::Shard => self.shards.entry(name.clone()).or_insert_with(make),
            Kind::Pattern => self.patterns.entry(name.clone()).or_insert_with(make),
        };
        if fresh {
            self.bytes += name.len() + NAME_OVERHEAD_BYTES;
        }
        audience
    }

    /// Who listens to a name.
    pub fn audience(&self, kind: Kind, name: &[u8]) -> Option<&Audience> {
        match kind {
            Kind::Channel => self.channels.get(name),
            Kind::Shard => self.shards.get(name),
            Kind::Pattern => self.patterns.get(name),
        }
    }

    /// A client more of a core listens to a name.
    pub fn join(&mut self, kind: Kind, name: &Name, core: u16) {
        let audience = self.audience_mut(kind, name);
        let first = audience.cores.is_empty();
        match audience.cores.iter_mut().find(|(of, _)| *of == core) {
            Some((_, count)) => *count += 1,
            None => audience.cores.push((core, 1)),
        }
        self.heard[kind as usize] += usize::from(first);
    }

    /// A client less.
    pub fn leave(&mut self, kind: Kind, name: &Name, core: u16) {
        let audience = self.audience_mut(kind, name);
        let at = audience.cores.iter().position(|(of, _)| *of == core).expect("who leaves has joined");
        audience.cores[at].1 -= 1;
        if audience.cores[at].1 == 0 {
            audience.cores.swap_remove(at);
        }
        let last = audience.cores.is_empty();
        self.heard[kind as usize] -= usize::from(last);
        self.forget_unheard(kind, name);
    }

    /// A client of this core is to be given messages.
    pub fn join_own(&mut self, kind: Kind, name: &Name, id: SessionId) {
        self.audience_mut(kind, name).own.insert(id);
    }

    /// It is not any more.
    pub fn leave_own(&mut self, kind: Kind, name: &Name, id: SessionId) {
        if self.audience(kind, name).is_some() {
            self.audience_mut(kind, name).own.remove(&id);
            self.forget_unheard(kind, name);
        }
    }

    fn forget_unheard(&mut self, kind: Kind, name: &Name) {
        let unheard = |audience: &Audience| audience.cores.is_empty() && audience.own.is_empty();
        if !self.audience(kind, name).is_some_and(unheard) {
            return;
        }
        self.bytes -= name.len() + NAME_OVERHEAD_BYTES;
        match kind {
            Kind::Channel => self.channels.remove(name),
            Kind::Shard => self.shards.remove(name),
            Kind::Pattern => self.patterns.remove(name),
        };
        // What a crowd took is given back with it, once those who stay are moved in no time.
        for names in [&mut self.channels, &mut self.shards] {
            let (most, len) = (names.capacity(), names.len());
            if most > 64 && len < most / 8 && len <= MOVED_NAMES_MAX {
                names.shrink_to_fit();
            }
        }
    }

    /// Nobody listens to anything of which a keyspace event would be told.
    #[inline]
    pub fn is_silent(&self) -> bool {
        self.heard[Kind::Channel as usize] == 0 && self.heard[Kind::Pattern as usize] == 0
    }

    /// How many names of a kind somebody listens to.
    pub fn count(&self, kind: Kind) -> usize {
        self.heard[kind as usize]
    }

    /// Names of channels that somebody listens to.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &Name> {
        let channels = if kind == Kind::Shard { &self.shards } else { &self.channels };
        channels.iter().filter(|(_, audience)| !audience.cores.is_empty()).map(|(name, _)| name)
    }

    /// How many clients listen to a name.
    pub fn listening(&self, kind: Kind, name: &[u8]) -> u64 {
        self.audience(kind, name).map_or(0, Audience::count)
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a message into the outbox, if anybody listens. How many do: who listens to the channel and to two patterns
    /// that match it counts three times, and reads it three times.
    pub fn publish(&mut self, kind: Kind, channel: &[u8], payload: &[u8]) -> u64 {
        let mut count = 0;
        let mut cores: Vec<u16> = Vec::new();
        let mut hear = |audience: &Audience| {
            for &(core, clients) in &audience.cores {
                count += u64::from(clients);
                if !cores.contains(&core) {
                    cores.push(core);
                }
            }
        };
        if let Some(audience) = self.audience(kind, channel) {
            hear(audience);
        }
        let mut patterns = Vec::new();
        if kind == Kind::Channel {
            for (pattern, audience) in &self.patterns {
                if !audience.cores.is_empty() && glob_matches(pattern, channel) {
                    hear(audience);
                    patterns.push(pattern.clone());
                }
            }
        }
        if count > 0 {
            let published = Published::new(kind, channel, payload, patterns);
            self.outbox.push((Arc::new(published), cores));
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.as_bytes().into()
    }

    #[test]
    fn a_message_is_counted_once_for_each_subscription_that_matches() {
        let mut listeners = Listeners::default();
        listeners.join(Kind::Channel, &name("news"), 0);
        listeners.join(Kind::Channel, &name("news"), 2);
        listeners.join(Kind::Channel, &name("news"), 2);
        listeners.join(Kind::Pattern, &name("n*"), 1);
        listeners.join(Kind::Pattern, &name("x*"), 3);
        listeners.join(Kind::Shard, &name("news"), 4);
        assert_eq!(listeners.publish(Kind::Channel, b"news", b"hi"), 4);
        assert_eq!(listeners.publish(Kind::Shard, b"news", b"hi"), 1);
        assert_eq!(listeners.publish(Kind::Channel, b"other", b"hi"), 0);
        let sent = std::mem::take(&mut listeners.outbox);
        assert_eq!((&sent[0].1[..], &sent[1].1[..]), (&[0, 2, 1][..], &[4][..]));
        let (published, mut head) = (&sent[0].0, Vec::new());
        assert_eq!(published.frame(), b"3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
        Published::pattern_head(&published.patterns[0], &mut head);
        head.extend_from_slice(published.tail());
        assert_eq!(head, b"4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
        assert_eq!(sent[1].0.frame(), b"3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
    }

    #[test]
    fn names_of_marks_and_of_nothing_are_framed_as_others() {
        for channel in [&b"$1\r\n$"[..], b"", b"$", b"\r\n"] {
            let published = Published::new(Kind::Channel, channel, b"$3\r\n", Vec::new());
            assert_eq!(published.channel(), channel);
            let tail =
                [format!("${}\r\n", channel.len()).as_bytes(), channel, b"\r\n$4\r\n$3\r\n\r\n"].concat();
            assert_eq!(published.tail(), tail);
        }
    }

    #[test]
    fn a_registry_without_listeners_takes_nothing() {
        let mut listeners = Listeners::default();
        for round in 0..3 {
            for kind in KINDS {
                listeners.join(kind, &name("a"), round);
                listeners.join_own(kind, &name("a"), 7);
                assert_eq!((listeners.count(kind), listeners.listening(kind, b"a")), (1, 1));
                listeners.leave(kind, &name("a"), round);
                assert_eq!((listeners.count(kind), listeners.names(kind).count()), (0, 0));
                listeners.leave_own(kind, &name("a"), 7);
                assert!(listeners.audience(kind, b"a").is_none());
            }
        }
        assert_eq!(listeners.bytes(), 0);
    }

    #[test]
    fn a_core_is_heard_by_what_it_knew() {
        let change = |joins| Arc::new(Change { kind: Kind::Channel, joins, names: vec![name("a")] });
        let mut listens = Listens::default();
        let heard = |listens: &Listens| [0, 1].map(|core| listens.hears(Kind::Channel, b"a", core));
        listens.add(Kind::Channel, b"a");
        listens.begin(change(true), 2);
        assert_eq!(heard(&listens), [false, false]);
        listens.answered(1);
        assert_eq!(heard(&listens), [false, true]);
        assert!(listens.hears(Kind::Pattern, b"a", 0) && listens.hears(Kind::Channel, b"b", 0));
        listens.answered(0);
        listens.take(Kind::Channel, b"a");
        listens.begin(change(false), 2);
        assert_eq!(heard(&listens), [true, true]);
        listens.answered(0);
        assert_eq!(heard(&listens), [false, true]);
        listens.answered(1);
        assert_eq!(heard(&listens), [false, false]);
        assert_eq!(listens.settle(), [(Kind::Channel, name("a"))]);
        assert!(!listens.is_changing() && listens.is_empty());
    }

    #[test]
    fn a_name_that_is_added_again_is_not_given_up() {
        let change = |joins| Arc::new(Change { kind: Kind::Shard, joins, names: vec![name("a")] });
        let mut listens = Listens::default();
        listens.add(Kind::Shard, b"a");
        for joins in [false, true] {
            if joins {
                listens.add(Kind::Shard, b"a");
            } else {
                listens.take(Kind::Shard, b"a");
            }
            listens.begin(change(joins), 1);
            listens.answered(0);
        }
        assert!(listens.hears(Kind::Shard, b"a", 0));
        assert!(listens.settle().is_empty());
    }
}
