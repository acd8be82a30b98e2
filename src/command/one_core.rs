//! For tests: command lines of clients on cores without sockets, replies as text. Commands on keys run on the
//! core of their client.

use super::run::run_here;
use super::table::{Found, TABLE};
use super::{Asker, Context, Effect, Every, Fault, Handler, Local, Outcome, unknown};
use crate::clock::Now;
use crate::parameters::Parameters;
use crate::protocol::{Args, Proto, Reply, Span};
use crate::session::{Door, Session, SessionId, Sessions};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::slowlog::Slowlog;
use slabs::{Options, Store};
use std::sync::Arc;

/// Gives `line` as arguments.
pub(crate) fn words<R>(line: &[&[u8]], use_them: impl FnOnce(Args<'_>) -> R) -> R {
    let bytes = line.concat();
    let mut start = 0;
    let spans = line.iter().map(|word| {
        let span = Span { start, len: word.len() as u32 };
        start += word.len() as u32;
        span
    });
    let spans: Vec<Span> = spans.collect();
    use_them(Args::new(&bytes, &spans))
}

struct Core {
    shard: Shard,
    sessions: Sessions,
    slowlog: Slowlog,
}

/// Some cores; each has one client at first, in slot 0.
pub(crate) struct Cores {
    pub shared: Arc<Shared>,
    pub now: Now,
    pub effects: Vec<Effect>,
    cores: Vec<Core>,
    /// The core and slot of the client that speaks.
    at: (usize, SessionId),
}

impl Cores {
    pub fn new(count: usize) -> Cores {
        Cores::with(count, Parameters::default())
    }

    pub fn with(count: usize, parameters: Parameters) -> Cores {
        let now = Now { unix_ms: 1_577_836_800_000, mono_us: 5_000_000 };
        let options = Options { huge_pages: false, ..Options::default() };
        let shared = Arc::new(Shared::new(parameters, count, now, options.seeds));
        let core = || Core {
            shard: Shard::new(Store::new(&options).expect("a valid store"), 16),
            sessions: Sessions::default(),
            slowlog: Slowlog::new(&shared.parameters),
        };
        let cores = (0..count).map(|_| core()).collect();
        let mut cores = Cores { shared, now, effects: Vec::new(), cores, at: (0, 0) };
        for core in 0..count {
            cores.connect(core);
        }
        cores.at = (0, 0);
        cores
    }

    /// A client more on a core; it speaks from now on. Returns its id.
    pub fn connect(&mut self, core: usize) -> u64 {
        let client_id = self.shared.client_id();
        let mut session = Session::new(client_id, Door::Resp, false, self.now.mono_ms());
        session.log_out(self.shared.acl.users().default_user());
        session.peer = format!("127.0.0.1:{}", 40_000 + client_id);
        session.local = "127.0.0.1:6379".into();
        session.fd = 7 + client_id as i32;
        let slot = self.cores[core].sessions.len();
        self.cores[core].sessions.insert(slot, session);
        self.at = (core, slot);
        client_id
    }

    /// Who speaks from now on.
    pub fn speak(&mut self, core: usize, slot: SessionId) {
        self.at = (core, slot);
    }

    /// The client that speaks.
    pub fn session(&mut self) -> &mut Session {
        self.cores[self.at.0].sessions.get_mut(self.at.1).expect("connected")
    }

    /// Clients that are to be closed, by id.
    pub fn doomed(&self) -> Vec<u64> {
        let sessions = self.cores.iter().flat_map(|core| core.sessions.iter());
        sessions.filter(|(_, session)| session.doomed).map(|(_, session)| session.client_id).collect()
    }

    pub fn slowlog(&mut self, core: usize) -> &mut Slowlog {
        &mut self.cores[core].slowlog
    }

    pub fn shard(&self, core: usize) -> &Shard {
        &self.cores[core].shard
    }

    pub fn shard_mut(&mut self, core: usize) -> &mut Shard {
        &mut self.cores[core].shard
    }

    /// Asks every core, for a row that no client can call.
    pub fn ask_every(&mut self, every: Every, args: Args<'_>) -> Vec<u8> {
        let asker = Asker { client_id: 0, db: 0, proto: Proto::Resp3 };
        let (shared, now) = (&self.shared, self.now);
        let cores = self.cores.iter_mut().enumerate();
        let parts: Vec<Vec<u8>> = cores
            .map(|(number, core)| (every.ask)(&mut Cores::local(core, number, shared, now), args, &asker))
            .collect();
        let mut out = Vec::new();
        let done = (every.merge)(args, &parts, &asker, &mut Reply::new(&mut out, Proto::Resp3));
        assert!(done.is_ok());
        out
    }

    fn local<'a>(core: &'a mut Core, number: usize, shared: &'a Arc<Shared>, now: Now) -> Local<'a> {
        core.shard.now = now;
        Local {
            core: number as u16,
            cores: shared.cores(),
            shard: &mut core.shard,
            sessions: &mut core.sessions,
            slowlog: &mut core.slowlog,
            shared,
            now,
        }
    }

    /// Runs a command given as its arguments; the raw reply.
    pub fn call(&mut self, line: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let proto = self.session().proto;
        let fault = words(line, |args| self.dispatch(args, &mut Reply::new(&mut out, proto)).err());
        if let Some(fault) = fault {
            out.clear();
            fault.write(&mut Reply::new(&mut out, proto));
        }
        out
    }

    fn dispatch(&mut self, args: Args<'_>, reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
        let row = match TABLE.find(args) {
            Found::Row(row) => row,
            Found::UnknownCommand => {
                unknown::unknown_command(args, reply);
                return Ok(Outcome::READ);
            }
            Found::UnknownSub(_) => {
                unknown::unknown_subcommand(args, reply);
                return Ok(Outcome::READ);
            }
        };
        let command = TABLE.row(row);
        if !command.arity_fits(args.len()) {
            return Err(Fault::Arity(command.name));
        }
        let (core, slot) = self.at;
        let session = self.session();
        session.last_row = Some(row);
        let asker = Asker { client_id: session.client_id, db: session.db, proto: session.proto };
        let (shared, now) = (&self.shared, self.now);
        match command.handler {
            Handler::Session(run) => {
                let mut local = Cores::local(&mut self.cores[core], core, shared, now);
                run(&mut Context { id: slot, local: &mut local, effects: &mut self.effects }, args, reply)
            }
            Handler::Every(every) => {
                (every.check)(args, shared.parameters.databases())?;
                let cores = self.cores.iter_mut().enumerate();
                let parts: Vec<Vec<u8>> = cores
                    .map(|(number, core)| {
                        (every.ask)(&mut Cores::local(core, number, shared, now), args, &asker)
                    })
                    .collect();
                (every.merge)(args, &parts, &asker, reply)
            }
            Handler::Control(_) | Handler::Listen(_) | Handler::Dump(_) | Handler::Container => {
                panic!("{} is run by others", command.name)
            }
            _ => run_here(command, &mut self.cores[core].shard, args, asker.db, &shared.hasher, true, reply),
        }
    }

    /// Runs a command line, split at blanks; `''` is an empty argument and `~` in one a blank. The reply with
    /// every line end as a blank.
    pub fn run(&mut self, line: &str) -> String {
        let line: Vec<Vec<u8>> = line
            .split_ascii_whitespace()
            .map(|word| if word == "''" { Vec::new() } else { word.replace('~', " ").into_bytes() })
            .collect();
        let line: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
        let out = self.call(&line);
        String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_string()
    }

    /// Runs command lines and compares their replies: `(line, reply)`.
    #[track_caller]
    pub fn check(&mut self, dialogue: &[(&str, &str)]) {
        for (line, expected) in dialogue {
            assert_eq!(&self.run(line), expected, "{line}");
        }
    }
}
