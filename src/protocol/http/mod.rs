//! HTTP/1.1 as far as a browser, a scraper of metrics and `curl` speak it to a cache: requests found in bytes,
//! answers written as bytes.
//!
//! Owns telling HTTP from Redis's inline commands, the bounds on a head and a body, and the form of an answer.
//! It refuses chunked bodies, upgrades and everything whose end it cannot tell, and knows no path.

mod answer;
mod recognise;
mod request;

pub use answer::{Answer, Status};
pub use recognise::{Recognised, recognise};
pub use request::{Method, Parsed, Request, parse};

#[cfg(test)]
mod tests;
