//! What one request may ask for before it is refused, for all protocols.

/// Longest inline command, and longest line that announces a count or a length: Redis's own limit.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Longest bulk string of a client that has not authenticated (CVE-2021-32675), as in Redis.
pub const UNAUTHENTICATED_BULK_BYTES_MAX: u64 = 16 * 1024;

/// Most arguments of a client that has not authenticated, as in Redis.
pub const UNAUTHENTICATED_ARGS_MAX: u64 = 10;

/// Longest line of a memcached command that does not take a list of keys. memcached reads 16 KiB at a time
/// and refuses what has no line end in there.
pub const MEMCACHE_LINE_BYTES_MAX: usize = 16 * 1024;

/// Longest head of an HTTP request, from its first byte to the empty line. Browsers send under 2 KiB to a server
/// that sets no cookies.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 * 1024;

/// Most headers of an HTTP request; browsers send under 20, proxies add some.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Longest body of an HTTP request: one parameter and its value.
pub const HTTP_BODY_BYTES_MAX: usize = 8 * 1024;

/// Longest memcached key.
pub const MEMCACHE_KEY_BYTES_MAX: usize = 250;

/// Longest name of a SASL mechanism; memcached's own limit.
pub const SASL_MECHANISM_BYTES_MAX: usize = 32;

/// Longest first line of a memcached client that is to authenticate; memcached reads about as much.
pub const CREDENTIALS_LINE_BYTES_MAX: usize = 2048;

/// Longest data block with name and password of a memcached client, as in memcached.
pub const CREDENTIALS_BYTES_MAX: u64 = 16 * 1024;

/// Most words of a meta command, its name and key among them, as in memcached.
pub const MEMCACHE_META_WORDS_MAX: usize = 20;

/// Longest opaque token of a meta command, its letter counted, as in memcached.
pub const MEMCACHE_OPAQUE_BYTES_MAX: usize = 32;

/// The bounds that configuration and authentication move. Cheap to build, passed to every parse.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Whether the client may use more than the little that strangers get.
    pub authenticated: bool,
    /// Most arguments of one command. Redis counts them in an `int`.
    pub args_max: u64,
    /// Longest argument in bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: u64,
    /// Longest request in bytes, framing included (`client-query-buffer-limit`). Spans are 32 bits wide, so
    /// more than 4 GiB - 1 counts as that.
    pub request_bytes_max: u64,
    /// Longest value of a memcached storage command in bytes (`item_size_max` less what an item costs).
    pub value_bytes_max: u64,
}

impl Limits {
    /// `request_bytes_max` as far as spans can follow.
    #[inline]
    pub(super) fn span_bytes_max(&self) -> u64 {
        self.request_bytes_max.min(u32::MAX as u64)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            authenticated: true,
            args_max: i32::MAX as u64,
            bulk_bytes_max: 512 * 1024 * 1024,
            request_bytes_max: 1024 * 1024 * 1024,
            value_bytes_max: 1024 * 1024,
        }
    }
}
