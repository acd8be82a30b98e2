//! Who may see the console, and who may change something by it.
//!
//! Users are those of the access control list, by Basic authentication: a browser gives a password to this origin
//! alone. A name that no user has stands for the default one, so that its password is enough. What is shown or changed
//! takes the right to the command that does the same.
//!
//! Where the default user has no password, two things protect a server on its own machine from pages that a browser
//! there has open. The host must be an address or `localhost`, so that no name of somebody else's can be made to lead
//! here (DNS rebinding). And a change must bear a header that no page of another origin can send, and come from
//! this machine.

use super::Scene;
use crate::acl::{DEFAULT, User};
use crate::command::acl;
use crate::command::table::TABLE;
use crate::protocol::http::{Answer, Request, Status};
use crate::session::Queued;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use std::sync::Arc;

/// Who asks. Refuses who is nobody, or comes by a way that is not to be trusted.
pub(super) fn who(request: &Request<'_>, scene: &Scene<'_>) -> Result<Arc<User>, Answer> {
    let users = scene.shared.acl.users();
    let given = request.authorization.and_then(credentials);
    let user = match &given {
        Some((name, password)) => {
            let name = if users.get(name).is_some() { name.as_slice() } else { DEFAULT };
            users.authenticate(name, password)
        }
        None => Some(users.default_user()).filter(|user| user.is_open()),
    };
    let Some(user) = user else {
        let header = Some("WWW-Authenticate: Basic realm=\"larder\", charset=\"UTF-8\"");
        return Err(Answer {
            header,
            ..Answer::text(Status::Unauthorized, "the password is wanted (requirepass, or a user's)")
        });
    };
    // A scraper may know this server by a name; nothing in there is secret or changes anything.
    let trusted = request.path == "/metrics" || request.host.is_empty() || is_own_name(request.host);
    if user.needs_no_password() && !trusted {
        return Err(Answer::text(
            Status::Forbidden,
            "without a password (requirepass) the console is shown under an address or localhost only, not under a name",
        ));
    }
    Ok(user.clone())
}

/// Refuses who may not give that command.
pub(super) fn may_give(user: &User, words: &[&[u8]]) -> Result<(), Answer> {
    if user.is_unrestricted() {
        return Ok(());
    }
    let joined = words.iter().take(2).copied().collect::<Vec<_>>().join(&b'|');
    let row = TABLE.by_name(&joined).or_else(|| TABLE.by_name(words[0]));
    let row = row.expect("the console names commands that there are");
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    acl::check(user, row, Queued::of_words(row, &words).args()).map_err(|_| {
        Answer::text(Status::Forbidden, "this user has no permissions to run the command that does this")
    })
}

/// Refuses who may not change anything, although the user might.
pub(super) fn may_change(request: &Request<'_>, scene: &Scene<'_>, user: &User) -> Result<(), Answer> {
    if request.console != Some("1") {
        return Err(Answer::text(Status::Forbidden, "the header X-Larder-Console: 1 is wanted"));
    }
    if let Some(origin) = request.origin
        && origin.split_once("://").is_none_or(|(_, host)| host != request.host)
    {
        return Err(Answer::text(Status::Forbidden, "a page of another origin may change nothing"));
    }
    if user.needs_no_password() && !scene.is_local {
        return Err(Answer::text(
            Status::Forbidden,
            "without a password (requirepass) parameters are changed from this machine only",
        ));
    }
    Ok(())
}

/// Name and password of `Basic user:password`.
fn credentials(authorization: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = STANDARD.decode(credentials.trim()).ok()?;
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    Some((credentials[..colon].to_vec(), credentials[colon + 1..].to_vec()))
}

/// The host is an address or this machine's own name for itself, with or without a port.
fn is_own_name(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && !name.ends_with(':') => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_told_from_names() {
        for own in ["localhost", "LOCALHOST:6379", "127.0.0.1", "10.0.0.7:6379", "[::1]:6379", "[::1]"] {
            assert!(is_own_name(own), "{own}");
        }
        for other in
            ["example.com", "example.com:6379", "127.0.0.1.example.com", "localhost.example.com", "", ":1"]
        {
            assert!(!is_own_name(other), "{other}");
        }
    }

    #[test]
    fn the_password_is_what_stands_behind_the_first_colon() {
        let given = |name: &str, password: &str| Some((name.into(), password.into()));
        assert_eq!(credentials("Basic dXNlcjpzOmVjcmV0"), given("user", "s:ecret"));
        assert_eq!(credentials("basic  OnA="), given("", "p"));
        for bad in ["Basic", "Basic !", "Bearer dXNlcjpz", "Basic dXNlcg==", ""] {
            assert_eq!(credentials(bad), None, "{bad}");
        }
    }
}
