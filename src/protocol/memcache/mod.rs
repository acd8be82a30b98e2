//! memcached's text protocol.

pub mod verb;

pub use verb::Verb;
