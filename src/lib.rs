//! larder: a cache server that memcached and Redis clients use without knowing it.

pub mod clock;
pub mod command;
pub mod config;
pub mod connection;
pub mod core;
pub mod data;
pub mod limits;
pub mod logging;
pub mod mesh;
pub mod metrics;
pub mod parameters;
pub mod protocol;
pub mod reactor;
pub mod server;
pub mod session;
pub mod shard;
pub mod shared;
pub mod slowlog;
pub mod text;
pub mod transaction;
pub mod version;
