//! Who may see the console, and who may change something by it.
//!
//! Where a password is set it is asked for, by Basic authentication with any user name: a browser gives it to this
//! origin alone. Where none is set, two things protect a server on its own machine from pages that a browser there
//! has open. The host must be an address or `localhost`, so that no name of somebody else's can be made to lead
//! here (DNS rebinding). And a change must bear a header that no page of another origin can send, and come from
//! this machine.

use super::Scene;
use crate::protocol::http::{Answer, Request, Status};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;

/// Refuses who may not read.
pub(super) fn may_read(request: &Request<'_>, scene: &Scene<'_>) -> Result<(), Answer> {
    // For load balancers, and it tells nothing but that it runs.
    if request.path == "/healthz" {
        return Ok(());
    }
    let parameters = &scene.shared.parameters;
    if parameters.asks_password() {
        let password = request.authorization.and_then(password);
        if password.is_some_and(|password| parameters.is_password(&password)) {
            return Ok(());
        }
        let header = Some("WWW-Authenticate: Basic realm=\"larder\", charset=\"UTF-8\"");
        return Err(Answer {
            header,
            ..Answer::text(Status::Unauthorized, "the password is wanted (requirepass)")
        });
    }
    // A scraper may know this server by a name; nothing in there is secret or changes anything.
    if request.path == "/metrics" || request.host.is_empty() || is_own_name(request.host) {
        return Ok(());
    }
    Err(Answer::text(
        Status::Forbidden,
        "without a password (requirepass) the console is shown under an address or localhost only, not under a name",
    ))
}

/// Refuses who may not change anything. Whoever comes here may read.
pub(super) fn may_change(request: &Request<'_>, scene: &Scene<'_>) -> Result<(), Answer> {
    if request.console != Some("1") {
        return Err(Answer::text(Status::Forbidden, "the header X-Larder-Console: 1 is wanted"));
    }
    if let Some(origin) = request.origin
        && origin.split_once("://").is_none_or(|(_, host)| host != request.host)
    {
        return Err(Answer::text(Status::Forbidden, "a page of another origin may change nothing"));
    }
    if !scene.shared.parameters.asks_password() && !scene.is_local {
        return Err(Answer::text(
            Status::Forbidden,
            "without a password (requirepass) parameters are changed from this machine only",
        ));
    }
    Ok(())
}

/// The password of `Basic user:password`.
fn password(authorization: &str) -> Option<Vec<u8>> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = STANDARD.decode(credentials.trim()).ok()?;
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    Some(credentials[colon + 1..].to_vec())
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
        assert_eq!(password("Basic dXNlcjpzOmVjcmV0"), Some(b"s:ecret".to_vec()));
        assert_eq!(password("basic  OnA="), Some(b"p".to_vec()));
        for bad in ["Basic", "Basic !", "Bearer dXNlcjpz", "Basic dXNlcg==", ""] {
            assert_eq!(password(bad), None, "{bad}");
        }
    }
}
