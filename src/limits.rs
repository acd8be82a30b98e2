//! Every bound of the server in one place, each with its reason. What a user may set is in
//! `parameters`; what stands here is fixed.

use std::time::Duration;

/// Requests of one connection that are looked up together so that their memory is fetched in
/// parallel. More gains nothing: a core has about this many outstanding cache misses.
pub const BATCH_REQUESTS_MAX: usize = 32;

/// How many requests ahead of the one that is executed the rest of an item is asked for: about as many as an answer of
/// memory takes. Few, because a value has several cache lines.
pub const VALUES_AHEAD: usize = 5;

/// The same for the beginning of an item, which must have come before the rest can be asked for.
pub const ITEMS_AHEAD: usize = 12;

/// Bytes of replies a connection may have waiting before its further requests are left unread.
/// Enough for a full socket buffer twice over; a client that reads at all drains it in one turn.
pub const OUTPUT_SOFT_BYTES: usize = 1 << 20;

/// Bytes of requests read and not yet executed while a connection waits; beyond it reading is
/// paused, so that a client's flood waits in its own socket.
pub const INPUT_HELD_BYTES: usize = 256 << 10;

/// Less of a request than this at a time does not count as activity for `timeout`: who drips a request, byte by byte, is as
/// idle as who says nothing. A packet of the slowest network brings more.
pub const ACTIVE_BYTES_MIN: usize = 256;

/// A client whose replies have not moved for so long is looked at: whether the peer takes any of them is known by two
/// looks at the socket. Rarer than this would tell a slow reader late from one that does not read.
pub const READER_LOOK_MS: u64 = 1_000;

/// A client that has taken nothing of its replies for so long is closed: it holds memory for nobody.
pub const STALLED_READER_MS: u64 = 60_000;

/// The same for a client that is to be closed once it has read its last replies.
pub const STALLED_LEAVER_MS: u64 = 5_000;

/// Requests of one connection under way on other cores; beyond it its further requests wait.
pub const HOPS_IN_FLIGHT_MAX: usize = 4096;

/// The same before the size of the replies is known: a burst of large ones is bounded too.
pub const HOPS_IN_FLIGHT_FIRST: usize = 128;

/// The same when replies are as large as can be: fewer would cost a turn each.
pub const HOPS_IN_FLIGHT_MIN: usize = 4;

/// The longest string that a Redis command makes, `proto-max-bulk-len` as Redis has it. (memcached's values may be longer.)
pub const STRING_BYTES_MAX: u64 = 512 << 20;

/// Values from this size on are sent from where they lie; smaller ones are copied between the bytes of their reply, which
/// costs less than a part more of a send and a count of holders.
pub const LENT_BYTES_MIN: usize = 32 << 10;

/// A request that is known to be this long, and has not come whole, is collected in memory of its final size, which a
/// value that makes up most of it takes along into the store.
pub const DRAFT_BYTES_MIN: usize = 32 << 10;

/// Room behind what a request is known to be long, for arguments behind its value; without it they would have the whole
/// moved.
pub const DRAFT_TAIL_BYTES: usize = 64;

/// A long request of which at least so much is missing has it received into its block. Less comes through a buffer of the
/// driver's with the beginning of the next request: a copy of it costs less than a receive more.
pub const BLOCK_RECEIVE_BYTES_MIN: usize = 16 << 10;

/// What a core keeps of the memory of large values that are gone, for the next: this fraction of its maxmemory. A stream
/// of them needs a few; fresh memory costs the kernel as much as the value's bytes.
pub const SPARE_SHARE: u64 = 32;

/// But no more than this.
pub const SPARE_BYTES_MAX: u64 = 8 << 20;

/// Rounds of requests that one turn serves for clients whose multi-shard commands finish within it.
pub const READY_ROUNDS_MAX: usize = 16;

/// Requests that are still coming (or wait for `EXEC`) may take this fraction of their core's maxmemory, together as one
/// alone: much less would refuse values that the store has room for.
pub const INPUT_SHARE: u64 = 4;

/// But at least this much, so that a small cache takes a large value (or refuses it as a value).
pub const INPUTS_BYTES_MIN: u64 = 16 << 20;

/// Keys for which the scratch of a command on many keys, and an idle lock table, keep their memory: a command on a million
/// keys comes once.
pub const SCRATCH_KEYS_MAX: usize = 4096;

/// Ended commands on several shards whose buffers one core keeps for the next: as many as run at once on a busy core.
pub const SPREADS_KEPT_MAX: usize = 64;

/// The size up to which such buffers are kept.
pub const SPREAD_KEPT_BYTES_MAX: usize = 64 << 10;

/// All other buffers of a core together (but for those of one client, which may get as much as a request may take) may take
/// this fraction of its maxmemory, on top of it: the process then stays within maxmemory and a tenth.
pub const BUFFER_SHARE: u64 = 16;

/// But at least this much, so that a small cache serves some clients with large values.
pub const BUFFERS_BYTES_MIN: u64 = 16 << 20;

/// What io_uring may receive into at once, on top: this fraction of its core's maxmemory, in between what a core starts with and
/// has use for (`reactor::Options`). Receives that find no room wait for the turn's end.
pub const RECEIVE_SHARE: u64 = 64;

/// A core that has not turned for less than this may just have nothing to do: with `hz 1` it turns once a second.
pub const CORE_SILENCE: Duration = Duration::from_millis(2_500);

/// Mails between two cores that may be under way; a full ring holds back reading from clients.
pub const MESH_RING_MAILS: usize = 4096;

/// Buffers kept for reuse by one core, and the size up to which one is kept: more would hold the
/// memory of a burst for ever.
pub const POOLED_BUFFERS_MAX: usize = 256;

/// See [`POOLED_BUFFERS_MAX`].
pub const POOLED_BUFFER_BYTES_MAX: usize = 256 << 10;

/// Bytes of buffers for reuse that an idle core keeps: beyond, a quarter of the buffers goes with each housekeeping.
pub const POOLED_BYTES_KEPT: usize = 1 << 20;

/// When so much less of the allocator's memory is held than was, and a sixteenth of the budget less, it gives its free pages
/// back. Closer bounds would have it look through all that is free again and again; wider ones let what is free, and counted
/// by nobody, grow beyond the tenth that the process may take on top of its budget.
pub const GIVE_BACK_BYTES_MIN: u64 = 4 << 20;

/// See [`GIVE_BACK_BYTES_MIN`].
pub const GIVE_BACK_SHARE: u64 = 16;

/// Users in `--memcache_auth_file`. Each attempt compares with all of them; memcached takes eight.
pub const USERS_MAX: usize = 1024;

/// Longest line of that file; memcached's own limit.
pub const USER_LINE_BYTES_MAX: usize = 255;

/// Longest ACL file. Tens of thousands of users; more is no such file.
pub const ACL_FILE_BYTES_MAX: u64 = 16 << 20;

/// Output that may wait for a monitor before it is closed: it cannot push back on those it watches.
pub const MONITOR_OUTPUT_BYTES_MAX: usize = 8 << 20;

/// Elements that one command may draw with repetition (`SRANDMEMBER key -n`): a reply of any length could be asked
/// for with one small number.
pub const RANDOM_ELEMENTS_MAX: u64 = 1 << 24;

/// See [`RANDOM_ELEMENTS_MAX`]: bytes of such a reply, as long as the longest value.
pub const RANDOM_BYTES_MAX: usize = 512 << 20;

/// Clients in memcached's `watch` at once, as many as memcached takes: each line is made for all of them.
pub const WATCHERS_MAX: u32 = 20;

/// Output that may wait for a watcher; lines beyond are skipped and counted. memcached's `watcher_logbuf_size`.
pub const WATCHER_OUTPUT_BYTES_MAX: usize = 256 << 10;

/// Output of a dump that waits for its client before the dump goes on: a turn's worth for a fast reader.
pub const DUMP_OUTPUT_BYTES: usize = 64 << 10;

/// Items that one slice of a dump looks at: ten or twenty microseconds, so that a turn that serves some tens of
/// clients grows by less than half.
pub const DUMP_SLICE_ITEMS: usize = 64;

/// Slices of dumps that one core begins in a turn, however many clients dump.
pub const DUMP_SLICES_PER_TURN: usize = 1;

/// Chunks of a shard that `stats cachedump` looks at, and bytes that it answers over all shards, as memcached does.
pub const CACHEDUMP_CHUNKS_MAX: usize = 16 << 10;

/// See [`CACHEDUMP_CHUNKS_MAX`].
pub const CACHEDUMP_BYTES_MAX: usize = 2 << 20;

/// Prefixes of keys that a shard counts for `stats detail`; keys of others are not counted.
pub const PREFIXES_MAX: usize = 4096;

/// How long the head of an HTTP request may take from its first byte to its end. A browser sends it at once; who
/// drips it holds a connection that others need.
pub const HTTP_HEAD_MS: u64 = 5_000;

/// How long an HTTP connection may rest between requests: longer than the pause between two scrapes.
pub const HTTP_IDLE_MS: u64 = 75_000;

/// How long a TLS handshake may take: some round trips of the slowest network. Who drips or keeps silent holds a
/// connection that others need.
pub const TLS_HANDSHAKE_MS: u64 = 10_000;

/// How long one turn goes on with handshakes once this time is used up, microseconds: a handshake takes up to a
/// millisecond of the core, and others wait meanwhile.
pub const TLS_HANDSHAKES_US: u64 = 500;

/// After handshakes the core is for others for so many times as long, if there are others: a storm of handshakes gets a
/// fifth of it.
pub const TLS_HANDSHAKES_REST: u64 = 4;

/// Sealed bytes that are kept for a handshake which waits for its turn; beyond it reading is paused. Twice the longest
/// message that TLS permits here.
pub const TLS_RAW_BYTES: usize = 128 << 10;

/// Bytes of replies that are sealed for one send: sealed bytes are a copy, so a large value is sealed in steps. Enough that a
/// step costs more than the turn around it.
pub const TLS_SEAL_BYTES: usize = 128 << 10;

/// What rustls keeps of a connection, about: keys of both ways, the session's secrets, the client's certificate. It does not
/// tell, so each is counted with so much.
pub const TLS_STATE_BYTES: usize = 4 << 10;

/// Turns within which a TLS client rests that is to be handed to the kernel: what is under way ends within two or three, unless
/// it does not read. Meanwhile the core does not sleep.
pub const TLS_HANDING_TURNS: u16 = 32;

/// After so many tries it stays with the process.
pub const TLS_HANDING_TRIES: u8 = 8;

/// Bytes that the kernel seals or opens with one key of AES-GCM: those of 2^24 records of the longest kind, after which
/// rustls changes keys, or ends a connection that cannot. The kernel does neither by itself, so such a connection ends.
pub const TLS_KERNEL_BYTES_MAX: u64 = 1 << 38;

/// A certificate file that is longer is none.
pub const TLS_FILE_BYTES_MAX: u64 = 1 << 20;

/// One request in so many is looked at closely: its latency, its key. Such a look costs about 1,300 instructions,
/// so that a request pays for a few of them.
pub const SAMPLE_REQUESTS: u32 = 256;

/// But after so long without a look the next request gets one: what rests most of the time is measured well too.
pub const SAMPLE_QUIET_US: u64 = 10_000;

/// Samples of one core whose replies are awaited. Beyond it further requests go without a look.
pub const SAMPLES_OPEN_MAX: usize = 64;

/// Keys that one core counts to find those that are asked for most. A key with more than this fraction of the
/// requests cannot be missed.
pub const HOT_KEYS: usize = 64;

/// Half of what was counted for a hot key is forgotten after so long.
pub const HOT_KEYS_HALF_US: u64 = 10_000_000;

/// Longer keys are not sampled: what they would hold is for data.
pub const HOT_KEY_BYTES_MAX: usize = 1024;

/// Keys of a core that are remembered as its biggest.
pub const BIG_KEYS: usize = 64;

/// Index steps of one look for big keys, of which there are `hz` per second: some tens of microseconds.
pub const BIG_KEYS_STEPS: usize = 32;

/// A shard of so few items is looked through at once when somebody asks for its big keys.
pub const BIG_KEYS_AT_ONCE: u64 = 10_000;
