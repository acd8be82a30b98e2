//! A request: its head by `httparse`, its body by its length.

use super::Status;
use crate::protocol::limits::{HTTP_BODY_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};
use httparse::Error;

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`: as `GET`, without the body.
    Head,
    /// `POST`.
    Post,
    /// Any other.
    Other,
}

/// A request. Borrows from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is wanted.
    pub method: Method,
    /// The path, as it was sent.
    pub path: &'a str,
    /// What stood behind a `?`.
    pub query: &'a str,
    /// Another request may follow on this connection.
    pub keep_alive: bool,
    /// `Host`, empty where HTTP/1.0 has none.
    pub host: &'a str,
    /// `Origin`, which browsers send with what is not a plain read.
    pub origin: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `X-Larder-Console`, which a page of another origin cannot send.
    pub console: Option<&'a str>,
    /// The body, empty where there is none.
    pub body: &'a [u8],
}

/// What the input begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A whole request.
    Done {
        /// The request.
        request: Request<'a>,
        /// Its length in bytes.
        used: usize,
    },
    /// The input ends within a request.
    More,
    /// No request, and no telling where the next one begins: say so and close.
    Bad(Status),
}

/// Finds the request at the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    // A head beyond the bound is refused as soon as it is seen to be, whether it is whole or not.
    let first = &bytes[..bytes.len().min(HTTP_HEAD_BYTES_MAX)];
    let head_bytes = match head.parse(first) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) if bytes.len() >= HTTP_HEAD_BYTES_MAX => {
            return Parsed::Bad(Status::HeadTooLarge);
        }
        Ok(httparse::Status::Partial) => return Parsed::More,
        Err(Error::TooManyHeaders) => return Parsed::Bad(Status::HeadTooLarge),
        Err(Error::Version) => return Parsed::Bad(Status::VersionNotSupported),
        Err(_) => return Parsed::Bad(Status::BadRequest),
    };
    match Fields::read(&head) {
        Ok(fields) => fields.request(&head, &bytes[head_bytes..], head_bytes),
        Err(status) => Parsed::Bad(status),
    }
}

/// The headers that mean something here. Each may stand once.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a str>,
    origin: Option<&'a str>,
    authorization: Option<&'a str>,
    console: Option<&'a str>,
    connection: Option<&'a str>,
    length: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(head: &httparse::Request<'_, 'a>) -> Result<Fields<'a>, Status> {
        let mut fields = Fields::default();
        for header in head.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let place = if is("host") {
                &mut fields.host
            } else if is("origin") {
                &mut fields.origin
            } else if is("authorization") {
                &mut fields.authorization
            } else if is("x-larder-console") {
                &mut fields.console
            } else if is("connection") {
                &mut fields.connection
            } else if is("content-length") {
                &mut fields.length
            } else if is("transfer-encoding") {
                // Two ways to say where a body ends are how requests are smuggled.
                return Err(Status::LengthRequired);
            } else {
                continue;
            };
            let value = std::str::from_utf8(header.value).map_err(|_| Status::BadRequest)?;
            if place.replace(value.trim()).is_some() {
                return Err(Status::BadRequest);
            }
        }
        Ok(fields)
    }

    fn request(self, head: &httparse::Request<'_, 'a>, rest: &'a [u8], head_bytes: usize) -> Parsed<'a> {
        let newer = head.version == Some(1);
        if newer && self.host.is_none() {
            return Parsed::Bad(Status::BadRequest);
        }
        let body_bytes = match self.length {
            None => 0,
            Some(digits) if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                return Parsed::Bad(Status::BadRequest);
            }
            Some(digits) => digits.parse().unwrap_or(usize::MAX),
        };
        if body_bytes > HTTP_BODY_BYTES_MAX {
            return Parsed::Bad(Status::BodyTooLarge);
        }
        let Some(body) = rest.get(..body_bytes) else { return Parsed::More };
        let has = |word: &str| {
            let words = self.connection.unwrap_or_default().split(',');
            words.map(str::trim).any(|other| other.eq_ignore_ascii_case(word))
        };
        let (path, query) = split(head.path.unwrap_or_default());
        let request = Request {
            method: match head.method {
                Some("GET") => Method::Get,
                Some("HEAD") => Method::Head,
                Some("POST") => Method::Post,
                _ => Method::Other,
            },
            path,
            query,
            keep_alive: if newer { !has("close") } else { has("keep-alive") },
            host: self.host.unwrap_or_default(),
            origin: self.origin,
            authorization: self.authorization,
            console: self.console,
            body,
        };
        Parsed::Done { request, used: head_bytes + body_bytes }
    }
}

/// Path and query of a target, which a proxy's client may have given with a scheme and a host.
fn split(target: &str) -> (&str, &str) {
    let target = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    target.split_once('?').unwrap_or((target, ""))
}
