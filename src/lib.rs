//! larder: a cache server that memcached and Redis clients use without knowing it.

pub mod clock;
pub mod limits;
pub mod metrics;
pub mod parameters;
pub mod protocol;
pub mod slowlog;
pub mod text;
