//! From a request to whoever executes it: is it a command, may this client give it now, and what does
//! its row say it touches.

use super::serve::Request;
use super::{Client, Core};
use crate::command::table::Found;
use crate::command::{Command, Control, Fault, Handler, Merge, flag, redact, unknown};
use crate::connection::{Closing, Hold};
use crate::protocol::{Args, Proto, Reply};
use crate::session::{Queued, ReplyMode, SessionId};
use crate::slowlog::Event;

/// What the client's state makes of a request.
enum Gate {
    /// Execute it; its reply is dropped if `muted`.
    Pass { muted: bool },
    /// It was answered.
    Answered,
}

impl Core {
    /// Executes one request. False: it has to wait, and is to be given again.
    pub(super) fn execute(
        &mut self,
        id: SessionId,
        client: &mut Client,
        request: &Request,
        args: Args<'_>,
    ) -> bool {
        let row = match request.found {
            Found::Row(row) => row,
            not_found => {
                self.unknown(id, client, not_found, args);
                return true;
            }
        };
        let command = self.table.row(row);
        if !command.arity_fits(args.len()) {
            self.metrics().rejected(row);
            self.refuse_command(id, client, command, Fault::Arity(command.name));
            *client = self.client(id);
            return true;
        }
        // Before the gate, which is passed once: `CLIENT REPLY SKIP` is for one reply.
        if self.pause.holds(command) {
            self.connections[id as usize].hold = Hold::Pause;
            self.sleepers.push(id);
            return false;
        }
        if let Handler::Listen(_) = command.handler
            && !self.connections[id as usize].line.is_empty()
        {
            self.connections[id as usize].hold = Hold::Line;
            return false;
        }
        let mut muted = request.muted;
        if !client.plain {
            match self.gate(id, client, row, command, args) {
                Gate::Pass { muted: by_mode } => muted |= by_mode,
                Gate::Answered => {
                    // An `EXEC` that is refused ends the transaction.
                    *client = self.client(id);
                    return true;
                }
            }
        }
        if self.monitored && command.flags & (flag::SKIP_MONITOR | flag::ADMIN) == 0 {
            self.feed_monitors(id, args);
        }
        self.metrics().command(row);
        if self.time_all || self.table.is_timed(row) {
            let began_us = (self.clock)().mono_us;
            self.route(id, client, row, request.hash, args, muted);
            let duration_us = (self.clock)().mono_us - began_us;
            self.metrics().spent(row, duration_us);
            if self.slowlog.wants(duration_us) {
                self.note_slow(id, command, args, duration_us);
            }
        } else if let Handler::Shard(run) = command.handler {
            // As `route` does it, without the way through it: most commands are such.
            let key = args.get(command.keys.first as usize).unwrap_or_default();
            self.single(id, client, row, run, (key, request.hash), args, muted);
        } else {
            self.route(id, client, row, request.hash, args, muted);
        }
        true
    }

    /// Gives a command to whoever its row says.
    #[inline]
    pub(super) fn route(
        &mut self,
        id: SessionId,
        client: &mut Client,
        row: u16,
        hash: u64,
        args: Args<'_>,
        muted: bool,
    ) {
        let command = self.table.row(row);
        match command.handler {
            Handler::Shard(run) => {
                let key = args.get(command.keys.first as usize).unwrap_or_default();
                self.single(id, client, row, run, (key, hash), args, muted);
            }
            Handler::Meta(run) => self.meta(id, client, row, run, hash, args, muted),
            Handler::Spread { each, stride, merge: Merge::Lines }
                if args.len() == stride + command.keys.first as usize =>
            {
                self.line(id, client, row, each, hash, args, muted)
            }
            Handler::Spread { .. } | Handler::Hops(_) | Handler::Sort => {
                self.keyed(id, client, row, command, args, muted)
            }
            Handler::Session(run) => self.session_command(id, client, row, run, args, muted),
            Handler::Every(every) => self.every(id, client, row, every, args, muted),
            Handler::Cursor(run) => self.cursor(id, client, row, run, args, muted),
            Handler::Dump(_) => self.start_dump(id, client, row, args),
            Handler::Listen(_) => self.listen(id, client, row, args),
            Handler::Control(control) => self.control(id, client, control, args, muted),
            Handler::Container => self.refuse(id, client, &Fault::Arity(command.name)),
        }
    }

    /// Counts an error that a command ended with.
    #[cold]
    pub(super) fn count_failure(&self, row: u16, fault: &Fault) {
        self.metrics().failed(row);
        self.metrics().error(&fault.line());
    }

    #[cold]
    fn note_slow(&mut self, id: SessionId, command: &'static Command, args: Args<'_>, duration_us: u64) {
        let Some(session) = self.sessions.get(id) else { return };
        if self.slowlog.logs(duration_us) && !command.is(flag::SKIP_SLOWLOG) {
            let shown = redact::shown(args);
            self.slowlog.record(self.now, duration_us, shown, args.len(), &session.peer, &session.name);
        }
        let event = if command.is(flag::FAST) { Event::FastCommand } else { Event::Command };
        self.slowlog.latency.record(event, self.now, duration_us);
    }

    /// What a client that is not plain may do: authenticate, queue commands, hush replies.
    fn gate(&mut self, id: SessionId, client: &Client, row: u16, command: &Command, args: Args<'_>) -> Gate {
        if !client.authenticated && !command.is(flag::NO_AUTH) {
            self.refuse_command(id, client, command, Fault::text("NOAUTH Authentication required."));
            return Gate::Answered;
        }
        let session = self.sessions.get(id).expect("a connection has a session");
        let queues = session.multi.is_some() && !command.is(flag::NOT_QUEUED);
        if queues && command.is(flag::NO_MULTI) {
            self.refuse(id, client, &Fault::text("ERR Command not allowed inside a transaction"));
            return Gate::Answered;
        }
        if session.is_restricted()
            && let Some(fault) = self.denial(id, row, args)
        {
            self.metrics().rejected(row);
            self.refuse_command(id, client, command, fault);
            return Gate::Answered;
        }
        let session = self.sessions.get(id).expect("a connection has a session");
        if session.only_listens() && !is_allowed_to_listeners(command) {
            self.refuse_listener(id, client, command);
            return Gate::Answered;
        }
        let session = self.sessions.get_mut(id).expect("a connection has a session");
        if let Some(multi) = &mut session.multi
            && queues
        {
            let queued = Queued::copy_of(row, args);
            self.connections[id as usize].queued_bytes += queued.memory_bytes();
            multi.queue.push(queued);
            // Counted at the end of the turn, also where nothing is answered.
            self.mark_dirty(id);
            let session = self.sessions.get(id).expect("a connection has a session");
            let muted = session.reply != ReplyMode::On;
            self.answer(id, client, muted, |reply| reply.simple("QUEUED"));
            return Gate::Answered;
        }
        let muted = session.reply != ReplyMode::On;
        if session.reply == ReplyMode::SkipNext {
            session.reply = ReplyMode::On;
        }
        Gate::Pass { muted }
    }

    /// Refuses a command that may not be given now. A refused `EXEC` ends its transaction.
    #[cold]
    fn refuse_command(&mut self, id: SessionId, client: &Client, command: &Command, fault: Fault) {
        let Handler::Control(Control::Exec) = command.handler else {
            return self.refuse(id, client, &fault);
        };
        self.discard(id);
        let line = fault.line();
        // Redis leaves the code out where it is the usual one.
        let reason = line.strip_prefix("ERR ").unwrap_or(&line);
        let text = format!("EXECABORT Transaction discarded because of: {reason}");
        self.refuse(id, client, &Fault::Text(text.into()));
    }

    /// Answers with an error; a transaction that is being queued will not run.
    pub(super) fn refuse(&mut self, id: SessionId, client: &Client, fault: &Fault) {
        self.metrics().error(&fault.line());
        self.refuse_with(id, client, |reply| fault.write(reply));
    }

    fn refuse_with(&mut self, id: SessionId, client: &Client, write: impl FnOnce(&mut Reply<'_>)) {
        let session = self.sessions.get_mut(id).expect("a connection has a session");
        let muted = session.reply != ReplyMode::On;
        if session.reply == ReplyMode::SkipNext {
            session.reply = ReplyMode::On;
        }
        if let Some(multi) = &mut session.multi {
            multi.refused = true;
        }
        self.answer(id, client, muted, write);
    }

    #[cold]
    fn refuse_listener(&mut self, id: SessionId, client: &Client, command: &Command) {
        let text = format!(
            "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            command.name
        );
        if let Handler::Control(Control::Exec) = command.handler {
            self.discard(id);
            let text = format!("EXECABORT Transaction discarded because of: {text}");
            return self.refuse(id, client, &Fault::Text(text.into()));
        }
        self.refuse(id, client, &Fault::Text(format!("ERR {text}").into()));
    }

    #[cold]
    fn unknown(&mut self, id: SessionId, client: &Client, found: Found, args: Args<'_>) {
        if client.proto() == Proto::Memcache {
            self.answer(id, client, false, |reply| reply.line("ERROR"));
            return;
        }
        if matches!(found, Found::UnknownCommand) && is_of_http(&args[0]) {
            // A browser or a proxy that was led here: its body is not to be taken for commands.
            self.log_nonsense(id, "HTTP is not spoken here");
            let connection = &mut self.connections[id as usize];
            connection.closing = connection.closing.max(Closing::AfterReplies);
            self.mark_dirty(id);
            return;
        }
        let mut line = Vec::new();
        let mut reply = Reply::new(&mut line, client.proto());
        match found {
            Found::UnknownSub(_) => unknown::unknown_subcommand(args, &mut reply),
            _ => unknown::unknown_command(args, &mut reply),
        }
        self.metrics().error("ERR");
        self.refuse_with(id, client, |reply| reply.raw(&line));
    }
}

/// What a client may ask that listens and reads RESP2.
fn is_allowed_to_listeners(command: &Command) -> bool {
    matches!(command.handler, Handler::Listen(_)) || matches!(command.name, "ping" | "quit" | "reset")
}

/// Words that begin lines of HTTP, and that Redis closes connections for.
fn is_of_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}
