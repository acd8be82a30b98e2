//! Whether a client on the port for Redis clients speaks HTTP.

use crate::protocol::limits::HTTP_HEAD_BYTES_MAX;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// A request line of HTTP.
    Http,
    /// Something else, for good.
    Other,
    /// The beginning of either.
    More,
}

/// Methods of HTTP. `GET` alone is also a command of Redis, and takes one argument where a request line has two.
const METHODS: &[&[u8]] =
    &[b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"];

/// Looks at the first bytes of a connection: a method, a target and a version make a request line of HTTP. No inline
/// command that does anything looks like that, so nothing is taken away from clients who type commands.
pub fn recognise(bytes: &[u8]) -> Recognised {
    let method = &bytes[..bytes.len().min(8)];
    let (method, whole) = match memchr::memchr(b' ', method) {
        Some(end) => (&method[..end], true),
        None => (method, false),
    };
    let possible = match whole {
        true => METHODS.contains(&method),
        false => METHODS.iter().any(|known| known.starts_with(method)),
    };
    if !possible {
        return Recognised::Other;
    }
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return if bytes.len() > HTTP_HEAD_BYTES_MAX { Recognised::Other } else { Recognised::More };
    };
    let line = &bytes[..end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    match (words.next(), words.next()) {
        (Some(version), None) if version.starts_with(b"HTTP/") => Recognised::Http,
        _ => Recognised::Other,
    }
}
