//! What an operator looks at: the console page, `/metrics`, `/healthz`, `/info`, over HTTP on the port for Redis
//! clients.
//!
//! Owns the paths, who may see and change what, and the documents. It does no I/O and reaches no other core:
//! a request leads to an answer at once, from what every core has published, or to a command that the core
//! runs for it, whose reply becomes the answer. So what the console shows is what commands show.
//!
//! | path | answer |
//! |---|---|
//! | `/` | the page, with `/console.css` and `/console.js` |
//! | `/metrics` | all counters in Prometheus's text format (`docs/metrics.md` has their names) |
//! | `/healthz` | `ok`, without a password |
//! | `/info` | `INFO everything` as JSON |
//! | `/api/overview` | what the page plots |
//! | `/api/slabs`, `/api/clients`, `/api/slowlog`, `/api/hotkeys`, `/api/bigkeys` | commands' replies as JSON |
//! | `/api/config` | the parameters; with `POST`, sets one |

mod access;
mod config;
mod json;
mod metrics;
mod overview;
mod reply;
mod show;

use crate::clock::Now;
use crate::protocol::http::{Answer, Method, Request, Status};
use crate::shared::Shared;

/// The type of what `/api` answers.
const JSON: &str = "application/json";

/// What the console sees of the server and of who asks.
pub struct Scene<'a> {
    /// Facts of the process.
    pub shared: &'a Shared,
    /// Time of this turn.
    pub now: Now,
    /// The client is on this machine.
    pub is_local: bool,
}

/// What a command's reply becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// `INFO`.
    Info,
    /// The row of the slabs.
    Slabs,
    /// `CLIENT LIST`.
    Clients,
    /// Any reply, as it is.
    Reply,
    /// `CONFIG SET`: done or refused.
    Change,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// This is the answer.
    Answer(Answer),
    /// Run this command in RESP3 and give its reply to [`show`].
    Ask(Vec<Vec<u8>>, Show),
}

impl Plan {
    fn ask(words: &[&str], show: Show) -> Plan {
        Plan::Ask(words.iter().map(|word| word.as_bytes().to_vec()).collect(), show)
    }
}

/// Decides what becomes of a request.
pub fn plan(request: &Request<'_>, scene: &Scene<'_>) -> Plan {
    // For load balancers, and it tells nothing but that it runs.
    if request.path == "/healthz" && request.method != Method::Post {
        return Plan::Answer(Answer::text(Status::Ok, "ok"));
    }
    let user = match access::who(request, scene) {
        Ok(user) => user,
        Err(refusal) => return Plan::Answer(refusal),
    };
    if request.method == Method::Post && request.path == "/api/config" {
        let command = access::may_change(request, scene, &user).and_then(|()| config::change(request.body));
        let allowed = command.and_then(|command| {
            let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            access::may_give(&user, &words).map(|()| command)
        });
        return match allowed {
            Ok(command) => Plan::Ask(command, Show::Change),
            Err(refusal) => Plan::Answer(refusal),
        };
    }
    if let Err(refusal) = needed(request.path).map_or(Ok(()), |words| access::may_give(&user, words)) {
        return Plan::Answer(refusal);
    }
    if !matches!(request.method, Method::Get | Method::Head) {
        let allowed =
            if request.path == "/api/config" { "Allow: GET, HEAD, POST" } else { "Allow: GET, HEAD" };
        let header = Some(allowed);
        return Plan::Answer(Answer { header, ..Answer::refusal(Status::MethodNotAllowed) });
    }
    match request.path {
        "/" => Plan::Answer(Answer::document("text/html; charset=utf-8", include_bytes!("page/index.html"))),
        "/console.svg" => Plan::Answer(Answer::document("image/svg+xml", include_bytes!("page/console.svg"))),
        "/console.css" => {
            Plan::Answer(Answer::document("text/css; charset=utf-8", include_bytes!("page/console.css")))
        }
        "/console.js" => Plan::Answer(Answer::document(
            "text/javascript; charset=utf-8",
            include_bytes!("page/console.js"),
        )),
        "/metrics" => Plan::Answer(metrics::answer(scene)),
        "/info" => Plan::ask(&["info", "everything"], Show::Info),
        "/api/overview" => Plan::Answer(overview::answer(scene)),
        "/api/slabs" => Plan::ask(&[crate::command::observe::slabs::ROW], Show::Slabs),
        "/api/clients" => Plan::ask(&["client", "list"], Show::Clients),
        "/api/slowlog" => Plan::ask(&["slowlog", "get", "50"], Show::Reply),
        "/api/hotkeys" => Plan::ask(&["larder", "hotkeys", "count", "12"], Show::Reply),
        "/api/bigkeys" => Plan::ask(&["larder", "bigkeys", "count", "12"], Show::Reply),
        "/api/config" => Plan::Answer(config::answer(scene)),
        _ => Plan::Answer(Answer::refusal(Status::NotFound)),
    }
}

/// The command that tells what a path shows; whoever may give it may see that.
fn needed(path: &str) -> Option<&'static [&'static [u8]]> {
    Some(match path {
        "/metrics" | "/info" | "/api/overview" | "/api/slabs" => &[b"info"],
        "/api/clients" => &[b"client", b"list"],
        "/api/slowlog" => &[b"slowlog", b"get"],
        "/api/hotkeys" => &[b"larder", b"hotkeys"],
        "/api/bigkeys" => &[b"larder", b"bigkeys"],
        "/api/config" => &[b"config", b"get", b"*"],
        _ => return None,
    })
}

/// Makes an answer of a command's reply.
pub fn show(show: Show, reply: &[u8]) -> Answer {
    match show {
        Show::Info => show::info(reply),
        Show::Slabs => show::slabs(reply),
        Show::Clients => show::clients(reply),
        Show::Reply => show::any(reply),
        Show::Change => show::change(reply),
    }
}

#[cfg(test)]
mod tests;
