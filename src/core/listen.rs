//! Who listens, and messages to them. The registry and the argument are those of `session::listeners`; here its changes and
//! the messages become mail and output, and what a shard did to its keys becomes messages.
//!
//! A message is put together once; cores share it, and each copies it into the output of its own listeners, where it is
//! counted and bounded as all output is (`buffers`). Who has more waiting than `client-output-buffer-limit pubsub` allows is
//! closed before more is copied for him.

use super::{Client, Core, Mail};
use crate::command::pubsub::listen::Verb;
use crate::connection::{Closing, Hold};
use crate::mesh::parcel::Origin;
use crate::metrics::Counter;
use crate::protocol::{Args, Proto, Reply};
use crate::session::listeners::{Change, Kind, Name, Published};
use crate::session::{Queued, SessionId};
use crate::shard::events;
use crate::transaction::coordinator::{Purpose, Telling};
use crate::transaction::plan::Claims;
use std::sync::Arc;

/// How long a client's next request waits that publishes more than the other cores take.
const CONGESTED_WAIT_US: u64 = 1000;

/// Names that somebody listened to.
pub(super) type Names = Arc<Vec<(Kind, Name)>>;

/// Names that a client which leaves gives up in a turn: each core needs a fifth of a millisecond for them.
const LEFT_NAMES_MAX: usize = 1000;

impl Core {
    /// A client changes what it listens to: it is told when all cores know.
    pub(super) fn listen(&mut self, id: SessionId, client: &Client, row: u16, args: Args<'_>) {
        let claims = Claims::none(self.shared.cores());
        // What is asked in silence is confirmed all the same.
        self.start_transaction(id, client, Purpose::Command, vec![Queued::copy_of(row, args)], claims, false);
    }

    /// What a client's command changes, if it does; its confirmations are written.
    pub(super) fn begin_listening(
        &mut self,
        origin: Origin,
        verb: Verb,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> Option<Telling> {
        let cores = self.shared.cores();
        let session = self.sessions.get_mut(origin.connection)?;
        let change = Arc::new(verb.run(session, args, reply)?);
        let listens = session.listens.as_mut().expect("what it listens to has changed");
        listens.begin(change.clone(), cores);
        if verb.joins {
            self.connections[origin.connection as usize].push_barrier = origin.sequence.wrapping_add(1);
        }
        self.measure_listening(origin.connection);
        Some(Telling { change, connection: origin.connection, client: origin.client })
    }

    /// A core's client listens to other names from here on.
    pub(super) fn note_listening(&mut self, core: u16, change: &Change, connection: u32, client: u32) {
        // What happened before is not for those who come now.
        self.tell_events();
        let own = core == self.index && self.is_here(Origin { connection, client, sequence: 0 });
        let listeners = &mut self.sessions.listeners;
        for name in &change.names {
            if !change.joins {
                listeners.leave(change.kind, name, core);
                continue;
            }
            listeners.join(change.kind, name, core);
            if own {
                listeners.join_own(change.kind, name, connection);
            }
        }
        if own {
            self.core_knows(core, connection, client);
        }
    }

    /// A core knows of the last change of what a client listens to.
    pub(super) fn core_knows(&mut self, core: u16, connection: u32, client: u32) {
        if !self.is_here(Origin { connection, client, sequence: 0 }) {
            return;
        }
        if let Some(listens) = self.sessions.get_mut(connection).and_then(|s| s.listens.as_mut()) {
            listens.answered(core);
        }
    }

    /// All cores know of all changes, and the client has its confirmations.
    pub(super) fn settle_listening(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(listens) = &mut session.listens else { return };
        let gone = listens.settle();
        if listens.is_empty() {
            session.listens = None;
        }
        for (kind, name) in gone {
            self.sessions.listeners.leave_own(kind, &name, id);
        }
        self.measure_listening(id);
    }

    fn measure_listening(&mut self, id: SessionId) {
        let cores = self.shared.cores();
        let listens = self.sessions.get(id).and_then(|session| session.listens.as_ref());
        let bytes = listens.map_or(0, |listens| listens.bytes(cores));
        self.connections[id as usize].listening_bytes = bytes;
        self.mark_dirty(id);
    }

    /// A client leaves, or listens to nothing any more without being told.
    pub(super) fn stop_listening(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(listens) = session.listens.take() else { return };
        // Those that are being given up are so already, wherever the mail has come.
        for (kind, name) in listens.going() {
            self.sessions.listeners.leave_own(kind, name, id);
        }
        self.connections[id as usize].listening_bytes = 0;
        self.leavers.push_back((id, listens));
        if self.leavers.len() == 1 {
            self.go_on_leaving();
        }
    }

    /// A slice of what those listened to who have left. True: there is more.
    pub(super) fn go_on_leaving(&mut self) -> bool {
        let mut left = LEFT_NAMES_MAX;
        while left > 0
            && let Some((id, listens)) = self.leavers.front_mut()
        {
            let (id, names) = (*id, listens.take_some(left));
            if names.len() < left {
                self.leavers.pop_front();
            }
            left -= names.len();
            self.leave(id, names);
        }
        !self.leavers.is_empty()
    }

    /// The client of a slot, which has left, listened to these.
    fn leave(&mut self, id: SessionId, names: Vec<(Kind, Name)>) {
        if names.is_empty() {
            return;
        }
        for (kind, name) in &names {
            // The slot may have another client by now.
            let again = self.sessions.get(id).and_then(|session| session.listens.as_ref());
            if !again.is_some_and(|listens| listens.concerns(*kind, name)) {
                self.sessions.listeners.leave_own(*kind, name, id);
            }
        }
        let names = Arc::new(names);
        for core in 0..self.shared.cores() {
            self.post(core, Mail::Unlistened(names.clone()));
        }
    }

    /// A client of a core listens no more to these. A crowd of them waits for its slice, though several came at once.
    pub(super) fn forget_listener(&mut self, core: u16, names: Names) {
        self.forgotten.push_back((core, names));
        if self.forgotten.iter().map(|(_, names)| names.len()).sum::<usize>() < LEFT_NAMES_MAX {
            self.go_on_forgetting();
        }
    }

    /// A slice of what other cores' clients listened to who have left. True: there is more.
    pub(super) fn go_on_forgetting(&mut self) -> bool {
        if !self.forgotten.is_empty() {
            self.tell_events();
        }
        let mut left = LEFT_NAMES_MAX;
        while left > 0
            && let Some((core, names)) = self.forgotten.pop_front()
        {
            names.iter().for_each(|(kind, name)| self.sessions.listeners.leave(*kind, name, core));
            left = left.saturating_sub(names.len());
        }
        !self.forgotten.is_empty()
    }

    /// Sends what has been published: at once, so that the order of what a core does stays.
    pub(super) fn send_published(&mut self) {
        // What keys were told before comes first. It is in the same box then, behind.
        if self.shard.any_event() {
            let later = std::mem::take(&mut self.sessions.listeners.outbox);
            self.tell_events();
            self.sessions.listeners.outbox = later;
        }
        self.send_outbox();
    }

    fn send_outbox(&mut self) {
        let mut outbox = std::mem::take(&mut self.sessions.listeners.outbox);
        for (message, cores) in outbox.drain(..) {
            self.metrics().add(Counter::Published, 1);
            for core in cores {
                if core == self.index {
                    self.deliver(core, &message);
                } else if let Some(Mail::Published(open)) = self.mesh.open_mail(core) {
                    open.push(message.clone());
                } else {
                    self.post(core, Mail::Published(vec![message.clone()]));
                }
            }
        }
        self.sessions.listeners.outbox = outbox;
    }

    /// Lets a client wait that publishes while mail to other cores finds no room.
    #[inline]
    pub(super) fn slow_publisher(&mut self, id: SessionId) {
        if self.mesh.is_congested() && self.connections[id as usize].hold == Hold::None {
            self.connections[id as usize].hold = Hold::Sleep(self.now.mono_us + CONGESTED_WAIT_US);
            self.sleepers.push(id);
        }
    }

    /// Gives a message from a core to this core's listeners: those of the channel first, then those of each pattern.
    pub(super) fn deliver(&mut self, from: u16, message: &Published) {
        self.give(from, message.kind, message.channel(), &[message.frame()]);
        let mut head = Vec::new();
        for pattern in &message.patterns {
            Published::pattern_head(pattern, &mut head);
            self.give(from, Kind::Pattern, pattern, &[&head, message.tail()]);
        }
    }

    /// Gives bytes behind an array's or a push's mark to all who listen to a name.
    fn give(&mut self, from: u16, kind: Kind, name: &[u8], bytes: &[&[u8]]) {
        let Some(audience) = self.sessions.listeners.audience(kind, name) else { return };
        let mut receivers = std::mem::take(&mut self.receivers);
        receivers.extend(audience.own());
        for &id in &receivers {
            let listener =
                self.sessions.get(id).and_then(|session| Some((session, session.listens.as_ref()?)));
            let Some((session, listens)) = listener else {
                debug_assert!(!self.leavers.is_empty(), "who has left is forgotten");
                continue;
            };
            if !self.leavers.is_empty() && !listens.concerns(kind, name) {
                continue;
            }
            if !listens.is_changing() || listens.hears(kind, name, from) {
                let mark = if session.proto == Proto::Resp3 { b'>' } else { b'*' };
                self.push_out(id, mark, bytes);
            }
        }
        receivers.clear();
        self.receivers = receivers;
    }

    /// Gives a message to one client: behind the confirmation that it waits for, but not behind other replies, which it
    /// may await for long.
    fn push_out(&mut self, id: SessionId, mark: u8, bytes: &[&[u8]]) {
        let total: usize = bytes.iter().map(|part| part.len()).sum::<usize>() + 1;
        let hard_bytes = self.output_limit(id).hard_bytes;
        let connection = &mut self.connections[id as usize];
        if connection.closing != Closing::No {
            return;
        }
        if hard_bytes > 0 && (connection.unsent_bytes() + total) as u64 > hard_bytes {
            self.cut_listener(id);
            return;
        }
        if connection.out.capacity() == 0 {
            connection.out = self.pool.take();
        }
        let waits = !connection.line.is_empty();
        let at_once = !waits || connection.line.has_left(connection.push_barrier);
        let out = if at_once { &mut connection.out } else { connection.line.open_reply() };
        let start = out.len();
        out.reserve(total);
        out.push(mark);
        bytes.iter().for_each(|part| out.extend_from_slice(part));
        if at_once {
            connection.pushed |= waits;
        } else {
            connection.line.close_reply(start);
            connection.push_barrier = connection.line.next_number();
        }
        self.buffers.recount(connection);
        self.mark_dirty(id);
        self.metrics().add(Counter::Delivered, 1);
        if self.has_too_much_output() {
            self.settle_buffers();
        }
    }

    /// Closes a listener that does not read, and gives back at once what it does not read.
    #[cold]
    fn cut_listener(&mut self, id: SessionId) {
        self.close_for_buffers(id);
        self.drop_output(id);
    }

    // -- what happened to keys

    /// Other events are wanted from here on.
    pub(super) fn set_events(&mut self, mode: u16) {
        self.tell_events();
        self.shard.set_events(mode);
        self.look_for_watchers();
    }

    /// Makes messages of what this shard's commands have told, and sends them.
    #[inline]
    pub(super) fn tell_events(&mut self) {
        if self.shard.any_event() {
            self.publish_events();
        }
    }

    #[cold]
    fn publish_events(&mut self) {
        let told = self.shard.take_events();
        let mode = self.shard.events.mode();
        if !self.sessions.listeners.is_silent() {
            let (mut channel, listeners) = (Vec::new(), &mut self.sessions.listeners);
            for event in &told {
                if mode & events::KEYSPACE != 0 {
                    event.name_keyspace(&mut channel);
                    listeners.publish(Kind::Channel, &channel, event.name.as_bytes());
                }
                if mode & events::KEYEVENT != 0 {
                    event.name_keyevent(&mut channel);
                    listeners.publish(Kind::Channel, &channel, &event.key);
                }
            }
            self.send_outbox();
        }
        self.shard.events.give_back(told);
    }
}
