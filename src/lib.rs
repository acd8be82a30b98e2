//! larder: a cache server that memcached and Redis clients use without knowing it.
