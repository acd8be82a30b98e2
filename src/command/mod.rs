//! Commands as data. A command is a row in a table and a function; the kind of function says what
//! it may touch. A family is a file with its functions and its rows (`ROWS`); `table` joins them.
//!
//! No handler sees another shard, a socket or the clock. A handler validates, works on what it was
//! given, writes its reply, and returns an [`Outcome`] or a [`Fault`]; whoever called it routes,
//! locks, records the change and performs effects. On a fault whatever the handler has written to
//! the reply is dropped and the fault's text is sent instead.

pub mod acl;
pub mod answer;
pub mod bitmaps;
pub mod blocking;
pub mod collections;
pub mod connection;
pub mod fault;
pub mod hashes;
mod help;
pub mod keys;
pub mod lists;
pub mod memcache;
pub mod observe;
#[cfg(test)]
pub(crate) mod one_core;
#[cfg(test)]
pub(crate) mod one_shard;
pub mod pubsub;
pub mod redact;
pub mod run;
pub mod server;
pub mod sets;
pub mod sort;
pub mod sorted;
pub mod stores;
pub mod strings;
pub mod syntax;
pub mod table;
pub mod transactions;
pub mod unknown;

pub use fault::Fault;

use crate::clock::Now;
use crate::protocol::{Args, Proto, Reply};
use crate::session::{Session, SessionId, Sessions};
use crate::shard::collections::list::ListView;
use crate::shard::collections::sorted::SortedView;
use crate::shard::{Key, Kind, Meta, Payload, Shard, View};
use crate::shared::Shared;
use std::sync::Arc;

/// What a command did, for those who record and count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The data set changed.
    pub changed: bool,
    /// This part's share of a summed reply (`Merge::Sum`): keys deleted, found, touched.
    pub count: i64,
}

impl Outcome {
    /// Nothing changed.
    pub const READ: Outcome = Outcome { changed: false, count: 0 };
    /// The data set changed.
    pub const CHANGED: Outcome = Outcome { changed: true, count: 0 };

    /// A part of a summed reply that changed nothing.
    pub fn counted(count: i64) -> Outcome {
        Outcome { changed: false, count }
    }

    /// A part of a summed reply; it changed something if it counted something.
    pub fn removed(count: i64) -> Outcome {
        Outcome { changed: count > 0, count }
    }

    /// `CHANGED` or `READ`.
    pub fn changed_if(changed: bool) -> Outcome {
        Outcome { changed, count: 0 }
    }
}

/// What a handler of one key is given.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The command's arguments. For a part of a spread command: one argument that says nothing, then this part's key
    /// and what belongs to it.
    pub args: Args<'a>,
    /// The command's key, with the shard's *physical* database and the hash computed when it was routed.
    pub key: Key<'a>,
    /// Logical database of the client.
    pub db: u8,
    /// A read counts as use of the item (false after `CLIENT NO-TOUCH ON`).
    pub touch: bool,
}

/// A command, or a part of one, on the one shard that owns its key.
pub type ShardFn = fn(&mut Shard, &Call<'_>, &mut Reply<'_>) -> Result<Outcome, Fault>;

/// How the parts of a spread command become one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// An array of the parts' replies in the order of the keys.
    Array,
    /// The sum of the parts' counts, as an integer.
    Sum,
    /// `OK`. The parts are keys with their strings, and all are stored or none (`stores`).
    Store,
    /// The same for keys that must not exist: 1, or 0 and nothing is stored.
    StoreNew,
    /// The parts' replies in order, then memcached's `END`. Needs no atomicity.
    Lines,
}

impl Merge {
    /// Whether all parts must be found possible before any of them is made.
    #[inline]
    pub fn stores(self) -> bool {
        matches!(self, Merge::Store | Merge::StoreNew)
    }
}

/// A copy of an item taken from one shard on its way to others.
#[derive(Clone, Debug, PartialEq)]
pub struct Gathered {
    /// The value. That of a grown collection is shared with its shard: who holds on to it makes the shard copy it.
    pub value: Payload,
    /// Kind, expiry, flags.
    pub meta: Meta,
}

impl Gathered {
    /// The hash or set that it is.
    pub fn view(&self) -> View<'_> {
        self.value.view(self.meta.kind)
    }

    /// The list that it is, or that it is none.
    pub fn list(&self) -> Result<ListView<'_>, Fault> {
        self.is_list()?;
        Ok(ListView::of_payload(&self.value))
    }

    /// The sorted set that it is, or that it is none.
    pub fn sorted(&self) -> Result<SortedView<'_>, Fault> {
        if self.meta.kind == Kind::SortedSet {
            Ok(SortedView::of_payload(&self.value))
        } else {
            Err(Fault::WrongType)
        }
    }

    /// Refuses what is no list; the value may not be there.
    pub fn is_list(&self) -> Result<(), Fault> {
        if self.meta.kind == Kind::List { Ok(()) } else { Err(Fault::WrongType) }
    }
}

/// A key of a command that hops: which argument it is, and in which logical database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// Index into the arguments.
    pub arg: usize,
    /// Logical database.
    pub db: u8,
    /// Its value is needed; false where only writing matters (a destination that is overwritten):
    /// then `Gathered` carries an empty value if the key exists.
    pub value: bool,
}

/// A change of a key in its shard, given some bytes that say what (a member to be added).
pub type EditFn = fn(&mut Shard, &Key<'_>, &[u8]) -> Result<(), Fault>;

/// A change that a hopping command makes once it has seen all of its keys. Whatever stores is done before whatever
/// removes: what cannot be stored leaves everything in place.
#[derive(Clone, Debug)]
pub enum Write {
    /// Store a value under the key of that place in the list of `KeyRef`s.
    Put {
        /// Place in the list of keys.
        key: usize,
        /// The new value.
        value: Payload,
        /// Kind, expiry, flags.
        meta: Meta,
    },
    /// Store a copy of a value, whose own key keeps it, under the key of that place. A large one has been copied before
    /// ([`Copying`]).
    ///
    /// [`Copying`]: crate::shard::collections::copying::Copying
    Copy {
        /// Place in the list of keys.
        key: usize,
        /// The value.
        value: Payload,
        /// Kind, expiry, flags.
        meta: Meta,
    },
    /// Remove the key of that place.
    Remove {
        /// Place in the list of keys.
        key: usize,
    },
    /// Change a part of the value of that place: a whole value may be large.
    Edit {
        /// Place in the list of keys.
        key: usize,
        /// The change.
        edit: EditFn,
        /// What it is given.
        with: Vec<u8>,
        /// It takes something away, and so comes after all that store.
        removes: bool,
    },
    /// Tell what has happened to the key of that place (`shard::events`), once all is done.
    Tell {
        /// Place in the list of keys.
        key: usize,
        /// The event's class.
        class: u16,
        /// Its name.
        name: &'static str,
    },
}

impl Write {
    /// Place in the list of keys.
    pub fn key(&self) -> usize {
        match self {
            Write::Put { key, .. }
            | Write::Copy { key, .. }
            | Write::Remove { key }
            | Write::Edit { key, .. }
            | Write::Tell { key, .. } => *key,
        }
    }

    /// It takes something away.
    pub fn removes(&self) -> bool {
        match self {
            Write::Put { .. } | Write::Copy { .. } => false,
            Write::Remove { .. } => true,
            Write::Edit { removes, .. } => *removes,
            Write::Tell { .. } => false,
        }
    }

    /// It only tells.
    pub fn tells(&self) -> bool {
        matches!(self, Write::Tell { .. })
    }

    /// What is stored comes before what is taken away, and both before what is told.
    pub fn rank(&self) -> u8 {
        u8::from(self.removes()) + 2 * u8::from(self.tells())
    }
}

/// Decides what is written, given what was found under each key; writes the reply.
pub type DecideFn =
    fn(Args<'_>, &[Option<Gathered>], now_ms: u64, &mut Reply<'_>) -> Result<Vec<Write>, Fault>;

/// Makes the reply of the cores' answers, in order of the cores.
pub type MergeFn = fn(Args<'_>, &[Vec<u8>], &Asker, &mut Reply<'_>) -> Result<Outcome, Fault>;

/// A command that needs values of several keys together: it reads all of them, decides, and writes.
/// All its keys are held meanwhile (shared if its row says `READONLY`, else exclusively).
#[derive(Clone, Copy)]
pub struct Hops {
    /// The keys it concerns; may refuse wrong arguments before anything is touched.
    pub keys: fn(Args<'_>, db: u8, databases: u8, keys: &mut Vec<KeyRef>) -> Result<(), Fault>,
    /// The decision, given what was found under each key, in order. Writes the reply. Of the writes one stores
    /// something at most: it may be refused, and then none is made.
    pub decide: DecideFn,
}

/// A command that asks every core.
#[derive(Clone, Copy)]
pub struct Every {
    /// Refuses wrong arguments before anybody is asked.
    pub check: fn(Args<'_>, databases: u8) -> Result<(), Fault>,
    /// What each core does; the bytes are for `merge` alone.
    pub ask: fn(&mut Local<'_>, Args<'_>, asker: &Asker) -> Vec<u8>,
    /// Makes the reply of the cores' answers, in order of the cores.
    pub merge: MergeFn,
    /// It must see or change all shards at one moment (`FLUSHALL`, `SWAPDB`): every shard is held meanwhile.
    pub atomic: bool,
}

/// A command that answers with lines about as much as there is, shard after shard, a slice at a time, and no faster than
/// its client reads.
#[derive(Clone, Copy)]
pub struct Dump {
    /// Refuses wrong arguments before anything is answered.
    pub check: fn(&mut Local<'_>, Args<'_>) -> Result<(), Fault>,
    /// Writes what a shard has at the cursor, a bounded part of it: 0 at first, then what it returned. 0: that was all.
    pub slice: SliceFn,
    /// Writes what stands behind the last slice of the last shard.
    pub end: fn(Args<'_>, &mut Reply<'_>),
}

/// See [`Dump`].
pub type SliceFn = fn(&mut Local<'_>, Args<'_>, &Asker, cursor: u64, &mut Reply<'_>) -> u64;

/// Who asks every core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The client's id.
    pub client_id: u64,
    /// Its selected logical database.
    pub db: u8,
    /// Its reply format.
    pub proto: Proto,
}

/// What a core lends to a command besides the client: its shard, its clients, the process-wide facts.
pub struct Local<'a> {
    /// Number of this core.
    pub core: u16,
    /// Number of cores.
    pub cores: u16,
    /// Its shard.
    pub shard: &'a mut Shard,
    /// Its clients.
    pub sessions: &'a mut Sessions,
    /// Its part of the slow log.
    pub slowlog: &'a mut crate::slowlog::Slowlog,
    /// Facts of the process.
    pub shared: &'a Arc<Shared>,
    /// Time of this turn.
    pub now: Now,
}

/// What a session command asks the core to do after its reply is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send what is to be sent, then close the connection.
    CloseAfterReply,
    /// Close at once without a reply (`SHUTDOWN` that succeeds, memcached's `quit`).
    CloseNow,
    /// Forget the keys under `WATCH`.
    Unwatch,
    /// Listen to nothing any more.
    Unlisten,
    /// Stop the whole server.
    Shutdown,
    /// This client is a watcher from now on, and is asked nothing more (memcached's `watch`).
    Watch,
    /// Hold this client's next command for so many microseconds of `mono_us` (`DEBUG SLEEP`).
    Sleep(u64),
}

/// What a session command is given.
pub struct Context<'a, 'b> {
    /// The client's slot.
    pub id: SessionId,
    /// Shard, clients, process.
    pub local: &'a mut Local<'b>,
    /// What the core is to do afterwards.
    pub effects: &'a mut Vec<Effect>,
}

impl Context<'_, '_> {
    /// The client.
    pub fn session(&mut self) -> &mut Session {
        self.local.sessions.get_mut(self.id).expect("a command runs for a connected client")
    }
}

/// A command on the client's own state or on facts of the process; touches no key.
pub type SessionFn = fn(&mut Context<'_, '_>, Args<'_>, &mut Reply<'_>) -> Result<Outcome, Fault>;

/// Commands whose running is the transaction layer's own business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `MULTI`.
    Multi,
    /// `EXEC`.
    Exec,
    /// `DISCARD`.
    Discard,
    /// `WATCH`.
    Watch,
    /// `UNWATCH`.
    Unwatch,
}

/// What a command may touch, and the function that does.
#[derive(Clone, Copy)]
pub enum Handler {
    /// The client's own state.
    Session(SessionFn),
    /// One key on one shard.
    Shard(ShardFn),
    /// The same for memcached's meta commands, whose key may be written in base64.
    Meta(ShardFn),
    /// The same for each key (with the argument behind it, if `stride` is 2), then a merge. Atomic over all keys save for `Merge::Lines`.
    Spread {
        /// The part for one key.
        each: ShardFn,
        /// Arguments per key: 1 or 2.
        stride: usize,
        /// How the reply is made.
        merge: Merge,
    },
    /// Several keys together.
    Hops(Hops),
    /// One key, and others that only its value tells (`sort`).
    Sort,
    /// Every core.
    Every(Every),
    /// The shard that the cursor in `args[1]` names (`SCAN`); `ShardFn` gets a key without bytes.
    Cursor(ShardFn),
    /// Every core, one after the other, a slice at a time.
    Dump(Dump),
    /// What the client listens to; every core is told.
    Listen(pubsub::listen::Verb),
    /// Transactions.
    Control(Control),
    /// Has subcommands (`Command::subs`) and no meaning alone.
    Container,
}

/// Facts about a command that others decide by. Names as `COMMAND INFO` prints them.
pub mod flag {
    /// May change the data set.
    pub const WRITE: u32 = 1;
    /// Reads keys, changes nothing.
    pub const READONLY: u32 = 1 << 1;
    /// May need memory: refused when the store is full and may not evict.
    pub const DENYOOM: u32 = 1 << 2;
    /// Administration.
    pub const ADMIN: u32 = 1 << 3;
    /// Not from scripts.
    pub const NOSCRIPT: u32 = 1 << 4;
    /// Allowed while loading.
    pub const LOADING: u32 = 1 << 5;
    /// Allowed on a stale replica.
    pub const STALE: u32 = 1 << 6;
    /// Not shown to monitors.
    pub const SKIP_MONITOR: u32 = 1 << 7;
    /// Not put into the slow log.
    pub const SKIP_SLOWLOG: u32 = 1 << 8;
    /// Constant or logarithmic time.
    pub const FAST: u32 = 1 << 9;
    /// Allowed before authentication.
    pub const NO_AUTH: u32 = 1 << 10;
    /// May block.
    pub const BLOCKING: u32 = 1 << 11;
    /// Not queued by `MULTI`.
    pub const NO_MULTI: u32 = 1 << 12;
    /// Publishes or subscribes.
    pub const PUBSUB: u32 = 1 << 13;
    /// Key positions cannot be told from the row alone.
    pub const MOVABLEKEYS: u32 = 1 << 14;
    /// Runs at once although `MULTI` is open (`EXEC`, `DISCARD`, `WATCH`, `QUIT`, `RESET`).
    pub const NOT_QUEUED: u32 = 1 << 15;
    /// Allowed while clients are paused.
    pub const DURING_PAUSE: u32 = 1 << 16;
}

/// Where the keys of a command lie, as `COMMAND INFO` gives it: first, last (negative: from the end), step. All 0: no keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Index of the first key.
    pub first: i16,
    /// Index of the last key; negative counts from the end.
    pub last: i16,
    /// Distance between keys.
    pub step: i16,
}

impl Keys {
    /// No keys.
    pub const NONE: Keys = Keys { first: 0, last: 0, step: 0 };
    /// One key as the first argument.
    pub const FIRST: Keys = Keys { first: 1, last: 1, step: 1 };
    /// One key as the second argument (after a subcommand).
    pub const SECOND: Keys = Keys { first: 2, last: 2, step: 1 };
    /// The first two arguments.
    pub const TWO: Keys = Keys { first: 1, last: 2, step: 1 };
    /// All arguments.
    pub const ALL: Keys = Keys { first: 1, last: -1, step: 1 };

    /// Indexes of the keys among `count` arguments.
    pub fn positions(self, count: usize) -> impl Iterator<Item = usize> {
        let last = if self.last < 0 { count as i64 + i64::from(self.last) } else { i64::from(self.last) };
        let last = last.min(count as i64 - 1);
        let some = self.first > 0 && last >= i64::from(self.first);
        let end = if some { last as usize + 1 } else { 0 };
        let start = if some { self.first as usize } else { 0 };
        (start..end).step_by(self.step.max(1) as usize)
    }
}

/// A row of the command table.
pub struct Command {
    /// Lower case; a subcommand's is `container|sub`.
    pub name: &'static str,
    /// Number of arguments with the name; negative: at least so many.
    pub arity: i16,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Where its keys lie.
    pub keys: Keys,
    /// Redis's group: `string`, `generic`, `bitmap`, `hash`, `list`, `set`, `sorted-set`, `connection`, `server`, `transactions`.
    pub group: &'static str,
    /// Redis version that brought it.
    pub since: &'static str,
    /// One line for `COMMAND DOCS` and the manual.
    pub summary: &'static str,
    /// Cost in Landau's notation, for `COMMAND DOCS`.
    pub complexity: &'static str,
    /// What it does.
    pub handler: Handler,
    /// Subcommands of a container.
    pub subs: &'static [Command],
}

impl Command {
    /// The number of arguments is right.
    #[inline]
    pub fn arity_fits(&self, count: usize) -> bool {
        if self.arity >= 0 {
            count == self.arity as usize
        } else {
            count >= self.arity.unsigned_abs() as usize
        }
    }

    /// All of these flags are set.
    #[inline]
    pub fn is(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }
}
