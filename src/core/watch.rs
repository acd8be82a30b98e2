//! What happens here, told to memcached's watchers: lines about items, evictions and connections. And, because it
//! takes the same look at every command, the counts by prefix of `stats detail`.
//!
//! Nobody pays for it while nobody watches, but for a branch per command on an item. Commands know nothing of it: what
//! one did is seen from the item before and after, and from its reply. The core that owns the item sees that, the core
//! of the client knows whose it was and puts it into words, and each core feeds its own watchers. A watcher that does not
//! read misses lines, and is told how many.

use super::{Client, Core, Mail};
use crate::command::memcache::deed::{Deed, deed_of, stored};
use crate::command::memcache::watching_row;
use crate::command::{Call, Fault, Handler, Outcome, ShardFn};
use crate::limits::WATCHER_OUTPUT_BYTES_MAX;
use crate::protocol::{Args, Reply};
use crate::session::SessionId;
use crate::shard::{Key, Kind, Shard, events};
use crate::shared::watchers::topic;
use crate::text::uri_encode;
use std::io::Write;

/// Whose command it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose {
    pub core: u16,
    pub connection: u32,
    /// Low half of the client's id.
    pub client: u32,
}

/// An item as a line shows it; all 0 for none.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    found: bool,
    class: u64,
    value_bytes: u64,
    expire_at_ms: u64,
    /// Its unique: another one after every change of its value.
    unique: u64,
}

/// What somebody's command did to an item.
#[derive(Debug)]
pub struct Note {
    topic: u16,
    whose: Whose,
    key: Vec<u8>,
    /// Name of the event and what stands between key and class.
    event: &'static str,
    middle: String,
    sight: Sight,
}

fn sight(shard: &Shard, key: &Key<'_>) -> Sight {
    match shard.store.peek(key, shard.now_ms()).filter(|item| item.kind() == Kind::String) {
        None => Sight::default(),
        Some(item) => Sight {
            found: true,
            class: item.class() as u64 + 1,
            value_bytes: item.value().len() as u64,
            expire_at_ms: item.expire_at_ms(),
            unique: item.cas_unique(),
        },
    }
}

/// Under which name a command has stored, or tried to, and what came of it. Counting stores where it makes the number.
fn storing(
    deed: Deed,
    before: &Sight,
    after: &Sight,
    done: &Result<Outcome, Fault>,
    reply: &[u8],
) -> Option<(&'static str, &'static str)> {
    match deed {
        Deed::Store(command) if done.is_err() => Some((command, "no_memory")),
        Deed::Store(command) => Some((command, stored(command, reply))),
        Deed::Count if !before.found && after.found => Some(("add", "stored")),
        _ => None,
    }
}

impl Core {
    /// A command of this core's client on an item of this shard.
    #[cold]
    pub(super) fn single_watched(
        &mut self,
        id: SessionId,
        client: &Client,
        row: u16,
        run: ShardFn,
        call: &Call<'_>,
        muted: bool,
    ) {
        let whose = Whose { core: self.index, connection: id, client: client.asker.client_id as u32 };
        let mut bytes = self.pool.take();
        let mut reply = Reply::new(&mut bytes, client.proto());
        match self.run_watched(whose, row, run, call, &mut reply) {
            Ok(outcome) => self.shard.traffic.changes += u64::from(outcome.changed),
            Err(fault) => {
                reply.truncate(0);
                fault.write(&mut reply);
                self.count_failure(row, &fault);
            }
        }
        self.answer(id, client, muted, |reply| reply.raw(&bytes));
        self.pool.give(bytes);
        self.wake_if_any();
    }

    /// Runs a command on an item of this shard, and tells of it.
    #[cold]
    pub(super) fn run_watched(
        &mut self,
        whose: Whose,
        row: u16,
        run: ShardFn,
        call: &Call<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome, Fault> {
        let Some(deed) = deed_of(row, call.args) else { return run(&mut self.shard, call, reply) };
        let before = sight(&self.shard, &call.key);
        let mark = reply.len();
        let done = run(&mut self.shard, call, reply);
        let after = sight(&self.shard, &call.key);
        if self.watched & topic::EVENTS != 0 {
            self.tell_deed(deed, &call.key, &before, &after);
        }
        if self.watched & topic::DETAIL != 0 {
            self.shard.prefixes.note(call.key.bytes, deed, before.found);
        }
        let key = || call.key.bytes.to_vec();
        let mut notes = Vec::new();
        if self.watched & topic::FETCHERS != 0 {
            let middle = if before.found { " status=found" } else { " status=not_found" }.into();
            notes.push(Note {
                topic: topic::FETCHERS,
                whose,
                key: key(),
                event: "item_get",
                middle,
                sight: before,
            });
        }
        if self.watched & topic::MUTATIONS != 0
            && let Some((command, status)) = storing(deed, &before, &after, &done, reply.since(mark))
        {
            let now_ms = self.now.unix_ms;
            let was_stored = status == "stored";
            let ttl_secs = match after.expire_at_ms {
                at_ms if was_stored => at_ms.saturating_sub(now_ms).div_ceil(1000),
                _ => 0,
            };
            let offered = call.args.last().unwrap_or_default().len() as u64;
            let sight = Sight {
                class: if was_stored { after.class } else { 0 },
                value_bytes: match status {
                    // The value of such a request is not looked at, and often is not there.
                    "too_large" => 0,
                    "stored" if after.found => after.value_bytes,
                    _ => offered,
                },
                ..after
            };
            let middle = format!(" status={status} cmd={command} ttl={ttl_secs}");
            notes.push(Note {
                topic: topic::MUTATIONS,
                whose,
                key: key(),
                event: "item_store",
                middle,
                sight,
            });
        }
        if let Deed::Delete(command) = deed
            && self.watched & topic::DELETIONS != 0
            && before.found
            && done.as_ref().is_ok_and(|outcome| outcome.changed)
        {
            let middle = format!(" cmd={command}");
            notes.push(Note {
                topic: topic::DELETIONS,
                whose,
                key: key(),
                event: "deleted",
                middle,
                sight: before,
            });
        }
        self.send_notes(whose.core, notes);
        done
    }

    /// Tells what a command of memcached's did to a key, in Redis's words: what stores is `set`, what adds to a value or
    /// counts is what it is there, what ends is `del`, and another deadline is `expire` or `persist`.
    fn tell_deed(&mut self, deed: Deed, key: &Key<'_>, before: &Sight, after: &Sight) {
        let name = match deed {
            Deed::Store("append") => "append",
            Deed::Store("prepend") => "prepend",
            Deed::Count if before.found => "incrby",
            _ => "set",
        };
        if before.found && !after.found {
            return self.shard.tell(events::GENERIC, "del", key);
        }
        let stored = after.found && (!before.found || before.unique != after.unique);
        if stored {
            self.shard.tell(events::STRING, name, key);
        }
        // A deadline that a value was stored with is told even if the one before had the same.
        let dated = stored && name == "set" && after.expire_at_ms != 0;
        if after.found && (dated || before.found && before.expire_at_ms != after.expire_at_ms) {
            let name = if after.expire_at_ms == 0 { "persist" } else { "expire" };
            if after.expire_at_ms != 0 || !stored {
                self.shard.tell(events::GENERIC, name, key);
            }
        }
    }

    /// Gives notes to the core of the client whom they are about.
    fn send_notes(&mut self, core: u16, mut notes: Vec<Note>) {
        if notes.is_empty() {
            return;
        }
        if core == self.index {
            return notes.into_iter().for_each(|note| self.put_into_words(note));
        }
        if let Some(Mail::Notes(open)) = self.mesh.open_mail(core) {
            open.append(&mut notes);
        } else {
            self.post(core, Mail::Notes(notes));
        }
    }

    /// Makes the line of a note, and gives it to all watchers.
    pub(super) fn put_into_words(&mut self, note: Note) {
        let Note { topic, whose, key, event, middle, sight } = note;
        let session = self.sessions.get(whose.connection).filter(|s| s.client_id as u32 == whose.client);
        let fd = session.map_or(-1, |session| session.fd);
        let mut line = self.begin_line(event);
        line.extend_from_slice(b" key=");
        uri_encode(&key, &mut line);
        // Writing to a vector cannot fail.
        let _ = writeln!(line, "{middle} clsid={} cfd={fd} size={}", sight.class, sight.value_bytes);
        self.feed_watchers(topic, &line);
    }

    fn begin_line(&self, event: &str) -> Vec<u8> {
        let (secs, ms) = (self.now.unix_secs(), self.now.unix_ms % 1000);
        let number = self.shared.watchers.number();
        format!("ts={secs}.{:06} gid={number} type={event}", ms * 1000).into_bytes()
    }

    /// A client has come, or goes for a reason.
    #[cold]
    pub(super) fn tell_of_client(&mut self, id: SessionId, gone: Option<&str>) {
        let Some(session) = self.sessions.get(id) else { return };
        let (address, port) = session.peer.rsplit_once(':').unwrap_or((&session.peer, "0"));
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let (rip, rport, transport) =
            if session.unix { ("unix", "0", "local") } else { (address, port, "tcp") };
        let mut line = self.begin_line(if gone.is_some() { "conn_close" } else { "conn_new" });
        let _ = write!(line, " rip={rip} rport={rport} transport={transport}");
        if let Some(reason) = gone {
            let _ = write!(line, " reason={reason}");
        }
        let _ = writeln!(line, " cfd={}", session.fd);
        self.feed_watchers(topic::CONNEVENTS, &line);
    }

    /// Why a client was closed that did not go by itself.
    #[cold]
    pub(super) fn close_reason(&self, id: SessionId) -> &'static str {
        let timeout_ms = self.shared.parameters.number(crate::parameters::Name::Timeout) as u64 * 1000;
        let idle_ms = self.sessions.get(id).map_or(0, |s| self.now.mono_ms().saturating_sub(s.active_ms));
        if timeout_ms > 0 && idle_ms > timeout_ms { "idle_timeout" } else { "normal" }
    }

    /// Tells all cores of a new watcher, whose `OK` comes when they know.
    #[cold]
    pub(super) fn begin_watching(&mut self, id: SessionId) {
        let (client, row) = (self.client_of(id), watching_row());
        let Handler::Every(every) = self.table.row(row).handler else {
            unreachable!("it concerns every core")
        };
        self.every(id, &client, row, every, Args::new(b"", &[]), false);
    }

    /// Looks who wants to hear of what: once a turn, and where a command may have changed it.
    #[inline]
    pub(super) fn look_for_watchers(&mut self) {
        let mut watched = self.shared.watchers.topics();
        if self.shard.events.is_wanted() {
            watched |= topic::EVENTS;
        }
        if watched != self.watched {
            self.watch_topics(watched);
        }
    }

    #[cold]
    fn watch_topics(&mut self, watched: u16) {
        let (before, now) = (self.watched & topic::EVICTIONS, watched & topic::EVICTIONS);
        if before != now {
            self.shard.store.witness_evictions(now != 0);
        }
        if watched & topic::DETAIL == 0 {
            self.shard.prefixes.clear();
        }
        self.watched = watched;
    }

    /// What was evicted in this turn.
    #[cold]
    pub(super) fn tell_of_evictions(&mut self) {
        let (evicted, _) = self.shard.store.take_evicted();
        let now_ms = self.now.unix_ms;
        for item in evicted {
            let mut line = self.begin_line("eviction");
            line.extend_from_slice(b" key=");
            uri_encode(&item.key, &mut line);
            let fetched = if item.read { "yes" } else { "no" };
            let ttl_secs = match item.expire_at_ms {
                0 => -1,
                at_ms => (at_ms.saturating_sub(now_ms) / 1000) as i64,
            };
            let (class, size) = (item.class + 1, item.value_bytes);
            let idle_secs = self.shard.ages.idle_secs_of_evicted(&item, now_ms);
            let _ =
                writeln!(line, " fetch={fetched} ttl={ttl_secs} la={idle_secs} clsid={class} size={size}");
            self.feed_watchers(topic::EVICTIONS, &line);
        }
    }

    /// Gives a line to the watchers of all cores.
    fn feed_watchers(&mut self, topic: u16, line: &[u8]) {
        let mut framed = Vec::new();
        put_line(&mut framed, topic, line);
        self.feed_own_watchers(&framed);
        let index = self.index;
        for core in (0..self.shared.cores()).filter(|&core| core != index) {
            if let Some(Mail::Watched(open)) = self.mesh.open_mail(core) {
                open.extend_from_slice(&framed);
            } else {
                self.post(core, Mail::Watched(framed.clone()));
            }
        }
    }

    /// Gives lines to this core's watchers.
    pub(super) fn feed_own_watchers(&mut self, mut lines: &[u8]) {
        while let Some((topic, line)) = take_line(&mut lines) {
            for place in 0..self.watchers.len() {
                let id = self.watchers[place];
                let connection = &mut self.connections[id as usize];
                let Some(session) = self.sessions.get_mut(id).filter(|s| s.watches & topic != 0) else {
                    continue;
                };
                // Its own replies come first, and so `OK` before any line.
                if !connection.line.is_empty() {
                    continue;
                }
                let room = connection.out.len() + line.len() <= WATCHER_OUTPUT_BYTES_MAX;
                self.shared.watchers.count_line(room);
                if !room {
                    session.lines_skipped += 1;
                    continue;
                }
                if connection.out.capacity() == 0 {
                    connection.out = self.pool.take();
                }
                let skipped = std::mem::take(&mut session.lines_skipped);
                if skipped > 0 {
                    let _ = writeln!(connection.out, "skipped={skipped}");
                }
                connection.out.extend_from_slice(line);
                self.mark_dirty(id);
            }
        }
    }
}

/// Adds a line to a mail of lines.
fn put_line(mail: &mut Vec<u8>, topic: u16, line: &[u8]) {
    mail.extend_from_slice(&topic.to_le_bytes());
    mail.extend_from_slice(&(line.len() as u32).to_le_bytes());
    mail.extend_from_slice(line);
}

/// Takes the first line out of a mail of lines.
fn take_line<'a>(mail: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let (topic, rest) = mail.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (line, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    *mail = rest;
    Some((u16::from_le_bytes(*topic), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_as_they_went_in() {
        let mut mail = Vec::new();
        put_line(&mut mail, topic::FETCHERS, b"one\n");
        put_line(&mut mail, topic::DELETIONS, b"");
        let mut rest = &mail[..];
        assert_eq!(take_line(&mut rest), Some((topic::FETCHERS, &b"one\n"[..])));
        assert_eq!(take_line(&mut rest), Some((topic::DELETIONS, &b""[..])));
        assert_eq!(take_line(&mut rest), None);
    }
}
