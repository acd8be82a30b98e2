//! What the server says it is.

/// The version of larder.
pub const LARDER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version of Redis whose commands and replies larder's are; clients decide by it what to send.
pub const REDIS_VERSION: &str = "7.2.4";
