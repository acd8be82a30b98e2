//! The wire formats: bytes to requests, replies to bytes.
//!
//! Owns parsing (`resp`, `memcache`, `binary`, `http`) and composing (`reply`). Parsers are pure: they borrow the input,
//! allocate nothing for a request that arrives whole, and never look at the same byte twice when it arrives
//! in pieces. Nothing here knows what a command does, what a key is stored in, or what a socket is.

pub mod args;
pub mod binary;
pub mod http;
pub mod limits;
pub mod memcache;
pub mod reply;
pub mod resp;

pub use args::{Args, Span};
pub use limits::Limits;
pub use reply::{Proto, Reply};
