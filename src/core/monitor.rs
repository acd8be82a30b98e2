//! Lines for `MONITOR`, made on the core of the client that gave the command, sent to all monitors.

use super::{Core, Mail};
use crate::command::server::monitor::monitor_line;
use crate::connection::Closing;
use crate::limits::MONITOR_OUTPUT_BYTES_MAX;
use crate::protocol::Args;
use crate::session::SessionId;
use std::sync::Arc;

impl Core {
    /// Shows a command to every monitor.
    #[cold]
    pub(super) fn feed_monitors(&mut self, id: SessionId, args: Args<'_>) {
        let Some(session) = self.sessions.get(id) else { return };
        let line: Arc<[u8]> = monitor_line(self.now, session.db, &session.peer, args).into();
        self.feed_own_monitors(&line);
        self.post_to_all_others(|| Mail::Monitor(line.clone()));
    }

    /// Shows a line to this core's monitors.
    pub(super) fn feed_own_monitors(&mut self, line: &[u8]) {
        for at in 0..self.sessions.monitors().len() {
            let id = self.sessions.monitors()[at];
            if self.connections[id as usize].out.len() > MONITOR_OUTPUT_BYTES_MAX {
                let connection = &mut self.connections[id as usize];
                connection.closing = connection.closing.max(Closing::Now);
                self.mark_dirty(id);
                continue;
            }
            let client = self.client_of(id);
            self.answer(id, &client, false, |reply| reply.raw(line));
            self.mark_dirty(id);
        }
    }
}
