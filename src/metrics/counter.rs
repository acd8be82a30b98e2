//! The names of what is counted.

/// What is counted. Gauges are set, the others only grow until `CONFIG RESETSTAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Connections taken since the start.
    ConnectionsReceived,
    /// Connections refused because `maxclients` was reached.
    ConnectionsRejected,
    /// Gauge: clients connected now.
    Connections,
    /// Gauge: clients in blocking commands.
    Blocked,
    /// Gauge: those of them that do not wait for ever.
    BlockedWithDeadline,
    /// Commands executed for this core's clients.
    Commands,
    /// Bytes read from clients.
    BytesIn,
    /// Bytes sent to clients.
    BytesOut,
    /// Error replies.
    Errors,
    /// Look-ups that found a live key.
    Hits,
    /// Look-ups that did not.
    Misses,
    /// Items reclaimed because they had expired.
    Expired,
    /// Items evicted for want of room.
    Evicted,
    /// Changes of the data set.
    Changes,
    /// Gauge: items in the shard.
    Items,
    /// Gauge: the ledger's total, bytes.
    UsedBytes,
    /// Gauge: the highest ledger total seen.
    PeakBytes,
    /// Gauge: bytes of keys, values and headers in use (`used_memory_dataset`).
    DatasetBytes,
    /// Gauge: bytes of the index.
    IndexBytes,
    /// Gauge: bytes of the buffers of connections.
    BufferBytes,
    /// Gauge: bytes of values that have left the shard and are still sent to somebody; part of `BufferBytes`.
    LentBytes,
    /// Never reset: bytes of buffers in mail that was given to the mesh.
    MailBytesPosted,
    /// Never reset: bytes of buffers in mail that was opened.
    MailBytesOpened,
    /// Clients closed because of the replies that waited for them.
    OutputLimitDisconnections,
    /// Clients closed because of the requests that were kept for them.
    QueryLimitDisconnections,
    /// Gauge: TLS clients whose handshake is over.
    TlsConnections,
    /// Gauge: of these, those whose records the kernel seals and opens.
    TlsKernel,
    /// TLS handshakes that came to their end.
    TlsHandshakes,
    /// Of these, those that took up an earlier session.
    TlsResumed,
    /// TLS handshakes that failed.
    TlsHandshakeErrors,
    /// TLS connections that failed after their handshake.
    TlsRecordErrors,
    /// Requests that went to another core.
    Hops,
    /// Mails sent to other cores.
    Mails,
    /// Turns of the loop.
    Turns,
    /// memcached: attempts to authenticate.
    AuthCommands,
    /// memcached: those that failed.
    AuthErrors,
    /// Entries that io_uring was given.
    IoSubmissions,
    /// System calls of the driver that submit or wait.
    IoEnters,
    /// Receives that found no buffer (`ENOBUFS`).
    IoStarved,
    /// Times that the completion queue was full.
    IoOverflows,
    /// Items evicted that had never been read.
    EvictedUnread,
    /// Keys that came back soon after they were evicted.
    GhostHits,
    /// Pages that went from one size class to another.
    PageMoves,
    /// Writes refused for want of memory.
    Refused,
    /// Gauge: bytes of slab pages.
    PageBytes,
    /// Gauge: bytes of large values beside the pages.
    LargeBytes,
    /// Gauge: bytes of eviction's ghosts, queues and tables.
    EvictionBytes,
    /// Gauge: bytes of collections on the heap.
    HeapBytes,
    /// memcached: retrieval commands (keys asked for).
    GetCommands,
    /// memcached: storage commands.
    SetCommands,
    /// memcached: touch commands.
    TouchCommands,
    /// memcached: `flush_all`.
    FlushCommands,
    /// memcached: hits of get and gat.
    GetHits,
    /// memcached: misses of get and gat.
    GetMisses,
    /// memcached: hits of delete.
    DeleteHits,
    /// memcached: misses of delete.
    DeleteMisses,
    /// memcached: hits of incr.
    IncrHits,
    /// memcached: misses of incr.
    IncrMisses,
    /// memcached: hits of decr.
    DecrHits,
    /// memcached: misses of decr.
    DecrMisses,
    /// memcached: cas that found its unique.
    CasHits,
    /// memcached: cas without an item.
    CasMisses,
    /// memcached: cas with another unique.
    CasBadval,
    /// memcached: hits of touch and gat.
    TouchHits,
    /// memcached: misses of touch and gat.
    TouchMisses,
    /// memcached: values refused because they are too large.
    StoreTooLarge,
    /// memcached: values refused for want of memory.
    StoreNoMemory,
    /// memcached: items stored (`total_items`).
    TotalItems,
    /// memcached: `me`.
    MetaCommands,
    /// memcached: misses of get whose key a flush has just taken.
    GetFlushed,
    /// Messages that were published and had receivers, events of keys among them.
    Published,
    /// Copies of messages that clients were given.
    Delivered,
    /// Number of counters, not one itself.
    Count,
}

/// Values of now; they have no beginning that could be reset.
pub(super) const GAUGES: &[Counter] = &[
    Counter::Connections,
    Counter::Blocked,
    Counter::BlockedWithDeadline,
    Counter::TlsConnections,
    Counter::TlsKernel,
    Counter::Items,
    Counter::UsedBytes,
    Counter::PeakBytes,
    Counter::DatasetBytes,
    Counter::IndexBytes,
    Counter::BufferBytes,
    Counter::LentBytes,
    Counter::MailBytesPosted,
    Counter::MailBytesOpened,
    Counter::Changes,
    Counter::PageBytes,
    Counter::LargeBytes,
    Counter::EvictionBytes,
    Counter::HeapBytes,
];
