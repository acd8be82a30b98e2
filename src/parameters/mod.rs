//! The parameters of the server: one table from which flags, environment, file, `CONFIG` and the
//! manual derive; and their values while it runs.
//!
//! Numbers are atomics that every core reads without a lock; texts are behind a mutex and are read
//! off the hot path only. A counter of changes tells cores, once a turn, that there is something to
//! look at. Nothing here reads argv, the environment or a file: that is `config`.

pub mod bytes;
pub mod events;
pub mod foreign;
pub mod kind;
mod numbers;
mod output_limits;
pub mod quoted;
pub mod rewrite;
pub mod table;

pub use kind::{Address, Host};
pub use output_limits::OutputLimit;
pub use table::{Name, Parameter, TABLE};

use kind::{Kind, Value};
use numbers::Numbers;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use table::{COUNT, EVICTION, NO_EVICTION, POLICIES};

/// The least that one core can work with: fewer pages than size classes, and nothing fits anywhere.
const CORE_BYTES_MIN: i64 = 2 << 20;

/// What memcached adds to a value: a header of 48 bytes, a unique of 8, an end of key, a line end.
const MEMCACHE_ITEM_BYTES: u64 = 59;

/// Why a value was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such parameter.
    Unknown,
    /// It cannot change while the server runs.
    Immutable,
    /// It was named twice in one `CONFIG SET`.
    Duplicate,
    /// It does not take that value; Redis's words, with the range.
    Value(Cow<'static, str>),
}

impl Refusal {
    /// What `CONFIG SET` says behind the parameter's name.
    pub fn reason(&self) -> &str {
        match self {
            Refusal::Unknown => "unknown parameter",
            Refusal::Immutable => "can't set immutable config",
            Refusal::Duplicate => "duplicate parameter",
            Refusal::Value(reason) => reason,
        }
    }
}

/// Values of the parameters.
#[derive(Debug)]
pub struct Parameters {
    host: Host,
    numbers: Numbers<COUNT>,
    texts: Mutex<Vec<Vec<u8>>>,
    /// The configuration file that was read at start, absolute.
    file: Option<PathBuf>,
    /// Users that it declares: where, and the words behind `user`.
    users: Vec<(String, Vec<Vec<u8>>)>,
}

impl Default for Parameters {
    /// Defaults on a machine with one processor and 1 GiB: for tests and benches.
    fn default() -> Parameters {
        Parameters::new(Host { cores: 1, memory_bytes: 1 << 30 })
    }
}

impl Parameters {
    /// Defaults on a machine like this.
    pub fn new(host: Host) -> Parameters {
        let parameters = Parameters {
            host,
            numbers: Numbers::new(),
            texts: Mutex::new(vec![Vec::new(); COUNT]),
            file: None,
            users: Vec::new(),
        };
        for row in TABLE {
            if !matches!(row.kind, Kind::CacheMode) {
                parameters.apply(row, row.kind.default(&host));
            }
        }
        parameters
    }

    /// What the machine lets the process use.
    pub fn host(&self) -> Host {
        self.host
    }

    /// Says which file `CONFIG REWRITE` writes.
    pub fn set_file(&mut self, file: PathBuf) {
        self.file = Some(file);
    }

    /// The configuration file that was read at start.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Adds the declaration of a user and where it stands. What it means is `acl`'s business.
    pub fn declare_user(&mut self, place: String, words: Vec<Vec<u8>>) {
        self.users.push((place, words));
    }

    /// Users that were declared at start: where, and the words behind `user`.
    pub fn declared_users(&self) -> &[(String, Vec<Vec<u8>>)] {
        &self.users
    }

    /// Sets one parameter at start, also one that cannot change later.
    pub fn set_at_start(&self, name: &str, value: &[u8]) -> Result<(), Refusal> {
        let row = table::find(name.as_bytes()).ok_or(Refusal::Unknown)?;
        let value = self.parse(row, value).map_err(Refusal::Value)?;
        self.apply(row, value);
        Ok(())
    }

    /// What does not fit together after everything has been set at start; names the parameters.
    pub fn check_at_start(&self) -> Result<(), String> {
        let ports = [Name::Port, Name::MemcachePort, Name::TlsPort, Name::TlsMemcachePort];
        let has_path = |name| !self.lock_texts()[name as usize].is_empty();
        let unix = has_path(Name::Unixsocket) || has_path(Name::MemcacheUnixsocket);
        if ports.iter().all(|name| self.number(*name) == 0) && !unix {
            return Err("port and memcache_port are both 0: there is nothing to serve".into());
        }
        if unix && self.text(Name::Unixsocket) == self.text(Name::MemcacheUnixsocket) {
            return Err("unixsocket and memcache_unixsocket are the same path: they must differ".into());
        }
        for (index, name) in ports.iter().enumerate() {
            let port = self.number(*name);
            if let Some(other) = ports[..index].iter().find(|other| port != 0 && self.number(**other) == port)
            {
                let (other, name) = (other.row().text, name.row().text);
                return Err(format!("{other} and {name} are both {port}: they must differ"));
            }
        }
        let maxmemory = self.number(Name::Maxmemory);
        if maxmemory < self.maxmemory_min() {
            return Err(format!(
                "maxmemory: {maxmemory} bytes are too few for {} threads: at least {}",
                self.threads(),
                bytes::short(self.maxmemory_min() as u64),
            ));
        }
        Ok(())
    }

    /// Sets one parameter while the server runs.
    pub fn set(&self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.set_all(&[(name, value)]).map_err(|(_, refusal)| refusal)
    }

    /// Sets several parameters, or none and says which of them was refused.
    pub fn set_all(&self, pairs: &[(&[u8], &[u8])]) -> Result<(), (usize, Refusal)> {
        let mut values: Vec<(&Parameter, Value)> = Vec::with_capacity(pairs.len());
        for (place, (name, value)) in pairs.iter().enumerate() {
            let refused = |refusal| (place, refusal);
            let row = table::find(name).ok_or(refused(Refusal::Unknown))?;
            if values.iter().any(|(other, _)| other.name == row.name) {
                return Err(refused(Refusal::Duplicate));
            }
            if !row.live {
                return Err(refused(Refusal::Immutable));
            }
            let value = self.parse(row, value).map_err(Refusal::Value).map_err(refused)?;
            if row.name == Name::Maxmemory
                && matches!(value, Value::Number(bytes) if bytes < self.maxmemory_min())
            {
                let reason =
                    format!("argument must be between {} and {} inclusive", self.maxmemory_min(), i64::MAX);
                return Err(refused(Refusal::Value(reason.into())));
            }
            values.push((row, value));
        }
        for (row, value) in values {
            self.apply(row, value);
        }
        self.numbers.changed();
        Ok(())
    }

    /// Reads a value for this row. Limits of output are the one value of which a part may be said: classes that it does not
    /// name keep theirs, so that a file may have a line for each.
    fn parse(&self, row: &Parameter, value: &[u8]) -> Result<Value, Cow<'static, str>> {
        let read = row.kind.parse(value, &self.host)?;
        if !matches!(row.kind, Kind::OutputLimits) {
            return Ok(read);
        }
        Ok(output_limits::merged(&self.text(row.name), value).map_or(read, Value::Text))
    }

    fn apply(&self, row: &Parameter, value: Value) {
        match value {
            Value::Number(yes) if row.name == Name::CacheMode => {
                let policy = Name::MaxmemoryPolicy as usize;
                let evicts = self.numbers.get(policy) != NO_EVICTION;
                match (yes != 0, evicts) {
                    (true, false) => self.numbers.set(policy, EVICTION),
                    (false, true) => self.numbers.set(policy, NO_EVICTION),
                    (true, true) | (false, false) => {}
                }
            }
            Value::Number(number) => self.numbers.set(row.name as usize, number),
            Value::Text(text) => self.lock_texts()[row.name as usize] = text,
        }
    }

    fn lock_texts(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // Nobody panics while holding it, and if somebody did, the texts would still be whole.
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows with every change; a core that remembers it sees whether it must look again.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.numbers.changes()
    }

    /// A parameter that is kept as a number: integers, bytes, booleans (0, 1), places in lists of words.
    #[inline]
    pub fn number(&self, name: Name) -> i64 {
        if name == Name::CacheMode {
            return i64::from(self.numbers.get(Name::MaxmemoryPolicy as usize) != NO_EVICTION);
        }
        self.numbers.get(name as usize)
    }

    /// A parameter that is kept as text. Takes a lock: not for the hot path.
    pub fn text(&self, name: Name) -> Vec<u8> {
        self.lock_texts()[name as usize].clone()
    }

    /// The value as `CONFIG GET` shows it.
    pub fn show(&self, name: Name) -> Cow<'static, [u8]> {
        match name.row().kind {
            Kind::Text { .. } | Kind::Addresses { .. } | Kind::OutputLimits => Cow::Owned(self.text(name)),
            kind => match kind.show(self.number(name)) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
        }
    }

    /// The value is that of a server to which nothing was said.
    pub fn is_default(&self, name: Name) -> bool {
        match name.row().kind.default(&self.host) {
            _ if name == Name::CacheMode => true,
            Value::Number(number) => number == self.number(name),
            Value::Text(text) => text == self.text(name),
        }
    }

    fn maxmemory_min(&self) -> i64 {
        CORE_BYTES_MIN * self.number(Name::Threads)
    }

    /// Number of cores, at least 1.
    pub fn threads(&self) -> usize {
        self.number(Name::Threads) as usize
    }

    /// Number of logical databases, 1 to 255.
    pub fn databases(&self) -> u8 {
        self.number(Name::Dbnum) as u8
    }

    /// The limit on memory of the whole process, bytes.
    pub fn maxmemory_bytes(&self) -> u64 {
        self.number(Name::Maxmemory) as u64
    }

    /// The longest value of a memcached command: `item_size_max` counts what memcached adds to a value, so that as
    /// much is refused here as there. (There a key counts too.)
    pub fn memcache_value_bytes_max(&self) -> u64 {
        self.number(Name::ItemSizeMax) as u64 - MEMCACHE_ITEM_BYTES
    }

    /// What may be evicted.
    pub fn policy(&self) -> slabs::Policy {
        self.policy_name().parse().expect("the table has Redis's names only")
    }

    /// Redis's name of what may be evicted.
    pub fn policy_name(&self) -> &'static str {
        POLICIES[self.number(Name::MaxmemoryPolicy) as usize]
    }

    /// What eviction maximises.
    pub fn eviction_goal(&self) -> slabs::EvictionGoal {
        match self.number(Name::EvictionGoal) {
            0 => slabs::EvictionGoal::Hits,
            _ => slabs::EvictionGoal::Bytes,
        }
    }

    /// The word that was chosen (`io`, `loglevel`).
    pub fn choice(&self, name: Name) -> &'static str {
        match name.row().kind {
            Kind::Choice { of, .. } => of[self.number(name) as usize],
            _ => "",
        }
    }

    /// Which lines are logged.
    pub fn log_level(&self) -> log::LevelFilter {
        match self.choice(Name::Loglevel) {
            "debug" => log::LevelFilter::Trace,
            "verbose" => log::LevelFilter::Debug,
            "notice" => log::LevelFilter::Info,
            "warning" => log::LevelFilter::Warn,
            _ => log::LevelFilter::Off,
        }
    }

    /// Addresses to listen on, never empty.
    pub fn addresses(&self) -> Vec<Address> {
        kind::addresses(&self.text(Name::Bind)).expect("checked when it was set")
    }

    /// How much output may wait for an ordinary client, and for one that listens.
    pub fn output_limits(&self) -> (OutputLimit, OutputLimit) {
        output_limits::of_clients(&self.text(Name::ClientOutputBufferLimit))
    }

    /// New users may use all channels.
    pub fn all_channels(&self) -> bool {
        self.number(Name::AclPubsubDefault) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        Parameters::new(Host { cores: 4, memory_bytes: 1000 << 20 })
    }

    #[test]
    fn defaults_follow_the_machine() {
        let parameters = parameters();
        assert_eq!(parameters.threads(), 4);
        assert_eq!(parameters.maxmemory_bytes(), 800 << 20);
        assert_eq!(parameters.number(Name::Port), 6379);
        assert_eq!(parameters.number(Name::CacheMode), 1);
        assert_eq!(&*parameters.show(Name::MaxmemoryPolicy), b"allkeys-lfu");
        assert!(TABLE.iter().all(|row| parameters.is_default(row.name)));
        assert_eq!(parameters.check_at_start(), Ok(()));
    }

    #[test]
    fn every_policy_of_redis_is_known_to_the_store() {
        let parameters = parameters();
        for policy in POLICIES {
            parameters.set(b"maxmemory-policy", policy.as_bytes()).unwrap();
            assert_eq!(parameters.policy_name(), *policy);
            assert_eq!(parameters.policy() == slabs::Policy::NoEviction, *policy == "noeviction");
        }
    }

    #[test]
    fn cache_mode_and_policy_are_two_views_of_one_thing() {
        let parameters = parameters();
        parameters.set(b"cache_mode", b"false").unwrap();
        assert_eq!(parameters.policy_name(), "noeviction");
        parameters.set(b"cache_mode", b"true").unwrap();
        assert_eq!(parameters.policy_name(), "allkeys-lfu");
        parameters.set(b"maxmemory-policy", b"volatile-ttl").unwrap();
        parameters.set(b"cache-mode", b"yes").unwrap();
        assert_eq!(parameters.policy_name(), "volatile-ttl");
        assert_eq!(&*parameters.show(Name::CacheMode), b"true");
        parameters.set(b"maxmemory-policy", b"noeviction").unwrap();
        assert_eq!(&*parameters.show(Name::CacheMode), b"false");
    }

    #[test]
    fn several_are_set_together_or_not_at_all() {
        let parameters = parameters();
        let before = parameters.changes();
        let refused = parameters.set_all(&[(b"timeout", b"5"), (b"hz", b"0")]).unwrap_err();
        assert_eq!(refused, (1, Refusal::Value("argument must be between 1 and 500 inclusive".into())));
        assert_eq!(parameters.number(Name::Timeout), 0);
        assert_eq!(parameters.changes(), before);
        assert_eq!(
            parameters.set_all(&[(b"timeout", b"5"), (b"TIMEOUT", b"6")]),
            Err((1, Refusal::Duplicate))
        );
        assert_eq!(parameters.set_all(&[(b"port", b"5")]), Err((0, Refusal::Immutable)));
        assert_eq!(parameters.set_all(&[(b"tiemout", b"5")]), Err((0, Refusal::Unknown)));
        parameters.set_all(&[(b"timeout", b"5"), (b"hz", b"50")]).unwrap();
        assert_eq!((parameters.number(Name::Timeout), parameters.number(Name::Hz)), (5, 50));
        assert_ne!(parameters.changes(), before);
    }

    #[test]
    fn maxmemory_has_a_floor_per_core() {
        let parameters = parameters();
        assert!(parameters.set(b"maxmemory", b"1mb").is_err());
        parameters.set(b"maxmemory", b"8mb").unwrap();
        assert_eq!(parameters.maxmemory_bytes(), 8 << 20);
        parameters.set_at_start("maxmemory", b"4mb").unwrap();
        assert!(parameters.check_at_start().unwrap_err().starts_with("maxmemory"));
    }

    #[test]
    fn ports_that_collide_or_are_all_off_are_refused_at_start() {
        let parameters = parameters();
        parameters.set_at_start("memcache_port", b"6379").unwrap();
        assert!(parameters.check_at_start().unwrap_err().contains("6379"));
        parameters.set_at_start("memcache_port", b"0").unwrap();
        assert_eq!(parameters.check_at_start(), Ok(()));
        parameters.set_at_start("port", b"0").unwrap();
        assert!(parameters.check_at_start().is_err());
    }
}
