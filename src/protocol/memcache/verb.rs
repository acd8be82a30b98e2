//! The names of memcached's commands.

/// A memcached command. Names are case-sensitive and lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `get <key>*`
    Get,
    /// `gets <key>*`: with the cas unique.
    Gets,
    /// `gat <exptime> <key>*`: and touch.
    Gat,
    /// `gats <exptime> <key>*`
    Gats,
    /// `set <key> <flags> <exptime> <bytes> [noreply]` and a data block
    Set,
    /// As `set`, if the key is absent.
    Add,
    /// As `set`, if the key is present.
    Replace,
    /// As `set`, after what is there.
    Append,
    /// As `set`, before what is there.
    Prepend,
    /// `cas <key> <flags> <exptime> <bytes> <cas unique> [noreply]` and a data block
    Cas,
    /// `delete <key> [0] [noreply]`
    Delete,
    /// `incr <key> <delta> [noreply]`
    Incr,
    /// `decr <key> <delta> [noreply]`
    Decr,
    /// `touch <key> <exptime> [noreply]`
    Touch,
    /// `flush_all [delay] [noreply]`
    FlushAll,
    /// `version`
    Version,
    /// `verbosity <level> [noreply]`
    Verbosity,
    /// `stats [args]`
    Stats,
    /// `quit`
    Quit,
    /// `shutdown [graceful]`
    Shutdown,
    /// `mn`: the no-op that ends a run of quiet meta commands.
    MetaNoop,
    /// `mg <key> <flag>*`
    MetaGet,
    /// `ms <key> <datalen> <flag>*` and a data block
    MetaSet,
    /// `md <key> <flag>*`
    MetaDelete,
    /// `ma <key> <flag>*`
    MetaArithmetic,
    /// `me <key>`
    MetaDebug,
    /// Not a name: the `set` with which a client authenticates (`credentials`).
    Auth,
    /// `slabs reassign <source> <destination>`, `slabs automove <0|1|2>`
    Slabs,
    /// `lru tune|mode|temp_ttl ...`
    Lru,
    /// `lru_crawler enable|disable|sleep|tocrawl|crawl ...`
    LruCrawler,
    /// `lru_crawler metadump|mgdump <all|hash|classes>`, which answers with as many lines as there are items.
    Dump,
    /// `cache_memlimit <megabytes> [noreply]`
    CacheMemlimit,
    /// `watch [what]*`
    Watch,
    /// `refresh_certs`
    RefreshCerts,
    /// Another command: an administrator's, or none at all. `args[0]` has its name.
    Other,
}

impl Verb {
    /// The verb called `name`.
    #[inline]
    pub fn from_name(name: &[u8]) -> Self {
        match name {
            b"get" => Self::Get,
            b"gets" => Self::Gets,
            b"gat" => Self::Gat,
            b"gats" => Self::Gats,
            b"set" => Self::Set,
            b"add" => Self::Add,
            b"replace" => Self::Replace,
            b"append" => Self::Append,
            b"prepend" => Self::Prepend,
            b"cas" => Self::Cas,
            b"delete" => Self::Delete,
            b"incr" => Self::Incr,
            b"decr" => Self::Decr,
            b"touch" => Self::Touch,
            b"flush_all" => Self::FlushAll,
            b"version" => Self::Version,
            b"verbosity" => Self::Verbosity,
            b"stats" => Self::Stats,
            b"quit" => Self::Quit,
            b"shutdown" => Self::Shutdown,
            b"mn" => Self::MetaNoop,
            b"mg" => Self::MetaGet,
            b"ms" => Self::MetaSet,
            b"md" => Self::MetaDelete,
            b"ma" => Self::MetaArithmetic,
            b"me" => Self::MetaDebug,
            b"slabs" => Self::Slabs,
            b"lru" => Self::Lru,
            b"lru_crawler" => Self::LruCrawler,
            b"cache_memlimit" => Self::CacheMemlimit,
            b"watch" => Self::Watch,
            b"refresh_certs" => Self::RefreshCerts,
            _ => Self::Other,
        }
    }

    /// Whether a data block follows the line.
    #[inline]
    pub fn has_data(self) -> bool {
        matches!(
            self,
            Self::Set | Self::Add | Self::Replace | Self::Append | Self::Prepend | Self::Cas | Self::MetaSet
        )
    }

    /// Whether the line is a list of keys, and so as long as it likes to be.
    #[inline]
    pub fn takes_keys(self) -> bool {
        matches!(self, Self::Get | Self::Gets | Self::Gat | Self::Gats)
    }
}
