//! `CLIENT KILL`, in its old form (an address) and its new one (filters).

use super::list::ClientType;
use crate::command::answer::{self, Pack};
use crate::command::{Asker, Every, Fault, Local, Outcome};
use crate::protocol::{Args, Reply};
use crate::session::Session;
use crate::text::parse_i64;

/// `CLIENT KILL`.
pub(super) const KILL: Every = Every {
    check: |args, _| Filter::parse(args).map(|_| ()),
    ask,
    merge: |args, parts, _, reply| merge(args, parts, reply),
    atomic: false,
};

/// What a client must have to be closed.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    kind: Option<ClientType>,
    spare_asker: bool,
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Result<Filter<'a>, Fault> {
        if is_old(args) {
            return Ok(Filter { addr: args.get(2), ..Filter::default() });
        }
        let mut filter = Filter { spare_asker: true, ..Filter::default() };
        let mut at = 2;
        while at < args.len() {
            let (Some(word), Some(value)) = (args.get(at), args.get(at + 1)) else {
                return Err(Fault::Syntax);
            };
            filter.add(word, value)?;
            at += 2;
        }
        Ok(filter)
    }

    fn add(&mut self, word: &[u8], value: &'a [u8]) -> Result<(), Fault> {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"id") {
            let id = parse_i64(value).filter(|id| *id > 0);
            self.id = Some(id.ok_or(Fault::text("ERR client-id should be greater than 0"))? as u64);
        } else if is(b"type") {
            self.kind = Some(ClientType::parse(value)?);
        } else if is(b"addr") {
            self.addr = Some(value);
        } else if is(b"laddr") {
            self.laddr = Some(value);
        } else if is(b"user") {
            self.user = Some(value);
        } else if is(b"skipme") && value.eq_ignore_ascii_case(b"yes") {
            self.spare_asker = true;
        } else if is(b"skipme") && value.eq_ignore_ascii_case(b"no") {
            self.spare_asker = false;
        } else {
            return Err(Fault::Syntax);
        }
        Ok(())
    }

    fn fits(&self, session: &Session, asker: &Asker) -> bool {
        !session.doomed
            && self.kind.is_none_or(|kind| kind == ClientType::of(session))
            && self.id.is_none_or(|id| id == session.client_id)
            && self.addr.is_none_or(|addr| addr == session.peer.as_bytes())
            && self.laddr.is_none_or(|laddr| laddr == session.local.as_bytes())
            && self.user.is_none_or(|user| user == session.user_name())
            && !(self.spare_asker && session.client_id == asker.client_id)
    }
}

fn is_old(args: Args<'_>) -> bool {
    args.len() == 3
}

fn ask(local: &mut Local<'_>, args: Args<'_>, asker: &Asker) -> Vec<u8> {
    let Ok(filter) = Filter::parse(args) else { return Pack::default().number(0).finish() };
    if filter.user.is_some_and(|user| local.shared.acl.users().get(user).is_none()) {
        // No answer at all: there is nobody to be asked about.
        return Vec::new();
    }
    let fitting = local.sessions.iter().filter(|(_, session)| filter.fits(session, asker));
    let fitting: Vec<_> = fitting.map(|(slot, _)| slot).collect();
    fitting.iter().for_each(|slot| local.sessions.doom(*slot, asker.client_id));
    Pack::default().number(fitting.len() as u64).finish()
}

fn merge(args: Args<'_>, parts: &[Vec<u8>], reply: &mut Reply<'_>) -> Result<Outcome, Fault> {
    if let Some(user) = Filter::parse(args)?.user
        && parts.iter().any(Vec::is_empty)
    {
        return Err(Fault::quoted("ERR No such user '", user, "'"));
    }
    match answer::sum(parts) {
        0 if is_old(args) => return Err(Fault::text("ERR No such client")),
        _ if is_old(args) => reply.ok(),
        killed => reply.int(killed as i64),
    }
    Ok(Outcome::READ)
}
