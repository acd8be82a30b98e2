//! Clients as lines of text: `CLIENT LIST` and `CLIENT INFO`.

use crate::command::answer::{Pack, Unpack};
use crate::command::table::TABLE;
use crate::command::{Asker, Context, Every, Fault, Local, Outcome};
use crate::protocol::{Args, Proto, Reply};
use crate::session::{Queued, Session};
use crate::text::parse_i64;
use std::io::Write as _;

/// `CLIENT LIST [TYPE type] [ID id...]`.
pub(super) const LIST: Every = Every {
    check: |args, _| Wanted::parse(args).map(|_| ()),
    ask,
    merge: |args, parts, _, reply| merge(args, parts, reply),
    atomic: false,
};

/// `CLIENT INFO`.
pub(super) fn info(
    context: &mut Context<'_, '_>,
    _: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, Fault> {
    let (core, now_ms) = (context.local.core, context.local.now.mono_ms());
    let mut line = Vec::new();
    describe(context.session(), Some("client|info"), core, now_ms, &mut line);
    reply.verbatim(*b"txt", &line);
    Ok(Outcome::READ)
}

/// Which clients are listed.
enum Wanted {
    All,
    /// Of one type.
    Type(ClientType),
    /// With these ids, in this order.
    Ids(Vec<u64>),
}

impl Wanted {
    fn parse(args: Args<'_>) -> Result<Wanted, Fault> {
        match args.get(2) {
            None => Ok(Wanted::All),
            Some(word) if word.eq_ignore_ascii_case(b"type") && args.len() == 4 => {
                Ok(Wanted::Type(ClientType::parse(&args[3])?))
            }
            Some(word) if word.eq_ignore_ascii_case(b"id") && args.len() > 3 => {
                let id = |arg: &[u8]| parse_i64(arg).ok_or(Fault::text("ERR Invalid client ID"));
                // No client has a negative id; it is left to find none.
                let ids = args.from(3).iter().map(|arg| id(arg).map(|id| id as u64));
                Ok(Wanted::Ids(ids.collect::<Result<_, _>>()?))
            }
            Some(_) => Err(Fault::Syntax),
        }
    }
}

/// A type of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientType {
    /// Who listens to nothing.
    Normal,
    /// Who listens.
    Pubsub,
    /// Servers, of which there are none.
    Server,
}

impl ClientType {
    pub(super) fn parse(word: &[u8]) -> Result<ClientType, Fault> {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"normal") {
            Ok(ClientType::Normal)
        } else if is(b"pubsub") {
            Ok(ClientType::Pubsub)
        } else if is(b"master") || is(b"replica") || is(b"slave") {
            Ok(ClientType::Server)
        } else {
            Err(Fault::quoted("ERR Unknown client type '", word, "'"))
        }
    }

    pub(super) fn of(session: &Session) -> ClientType {
        if session.is_listening() { ClientType::Pubsub } else { ClientType::Normal }
    }
}

/// Each client that is wanted: its id and its line.
fn ask(local: &mut Local<'_>, args: Args<'_>, asker: &Asker) -> Vec<u8> {
    let mut answer = Pack::default();
    let wanted = Wanted::parse(args).unwrap_or(Wanted::All);
    for (_, session) in local.sessions.iter() {
        let listed = match &wanted {
            Wanted::All => true,
            Wanted::Type(wanted) => *wanted == ClientType::of(session),
            Wanted::Ids(ids) => ids.contains(&session.client_id),
        };
        if listed {
            let mut line = Vec::with_capacity(320);
            let running = (session.client_id == asker.client_id).then_some("client|list");
            describe(session, running, local.core, local.now.mono_ms(), &mut line);
            answer.number(session.client_id).bytes(&line);
        }
    }
    answer.finish()
}

fn merge(args: Args<'_>, parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    let mut lines: Vec<(u64, &[u8])> = Vec::new();
    for part in parts {
        let mut part = Unpack::new(part);
        while !part.is_empty() {
            lines.push((part.number(), part.bytes()));
        }
    }
    lines.sort_unstable_by_key(|(id, _)| *id);
    let text = match Wanted::parse(args)? {
        Wanted::Ids(ids) => {
            let line =
                |id: &u64| lines.binary_search_by_key(id, |(id, _)| *id).map_or(&b""[..], |at| lines[at].1);
            ids.iter().map(line).collect::<Vec<_>>().concat()
        }
        Wanted::All | Wanted::Type(_) => lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().concat(),
    };
    reply.verbatim(*b"txt", &text);
    Ok(Outcome::READ)
}

/// Writes a client's line: Redis's fields, of which those about its allocations are 0 here, then the core.
/// `running` is the command that it gives at this moment; what others gave last is in their sessions.
pub(crate) fn describe(session: &Session, running: Option<&str>, core: u16, now_ms: u64, line: &mut Vec<u8>) {
    let queue = session.multi.as_ref().map(|multi| multi.queue.as_slice());
    let queued: i64 = queue.map_or(-1, |queue| queue.len() as i64);
    let queue_bytes: usize = queue.unwrap_or_default().iter().map(bytes_of).sum();
    let last = || session.last_row.map_or("NULL", |row| TABLE.row(row).name);
    let command = running.unwrap_or_else(last);
    let [sub, psub, ssub] = session.subscriptions();
    let total = size_of::<Session>()
        + session.name.len()
        + session.peer.len()
        + session.local.len()
        + queue_bytes
        + (session.query_bytes + session.output_bytes) as usize;
    // Writing to a vector cannot fail.
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name=",
        session.client_id, session.peer, session.local, session.fd
    );
    line.extend(&session.name);
    let _ = write!(
        line,
        " age={} idle={} flags={} db={} sub={sub} psub={psub} ssub={ssub} multi={queued} qbuf={} qbuf-free=0 argv-mem=0 \
         multi-mem={queue_bytes} rbs=0 rbp=0 obl={} oll=0 omem={} tot-mem={total} events={} cmd={command} user=",
        now_ms.saturating_sub(session.created_ms) / 1000,
        now_ms.saturating_sub(session.active_ms) / 1000,
        flags(session),
        session.db,
        session.query_bytes,
        session.output_bytes,
        session.output_bytes,
        if session.output_bytes == 0 { "r" } else { "rw" },
    );
    line.extend(session.user_name());
    let _ = write!(
        line,
        " redir=-1 resp={} lib-name=",
        match session.proto {
            Proto::Resp2 => 2,
            Proto::Resp3 => 3,
            Proto::Memcache | Proto::MemcacheBinary => 0,
        },
    );
    line.extend(&session.lib_name);
    line.extend(b" lib-ver=");
    line.extend(&session.lib_version);
    let _ = write!(line, " core={core}");
    if !session.tls.is_empty() {
        let _ = write!(line, " tls={}", session.tls);
    }
    line.push(b'\n');
}

fn bytes_of(queued: &Queued) -> usize {
    size_of::<Queued>() + queued.bytes.len() + size_of_val(queued.spans.as_slice())
}

fn flags(session: &Session) -> String {
    let all = [
        (session.monitor, 'O'),
        (session.is_listening(), 'P'),
        (session.multi.is_some(), 'x'),
        (session.blocked, 'b'),
        (session.doomed, 'c'),
        (session.unix, 'U'),
        (session.readonly, 'r'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    let set: String = all.iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect();
    if set.is_empty() { "N".into() } else { set }
}
