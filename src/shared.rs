//! Facts of the whole process that every core may read: parameters, counters, identity, and the
//! few numbers that are drawn from one place. No keys, no values, no clients.

pub mod tuning;
pub mod watchers;

use crate::acl::Registry;
use crate::clock::Now;
use crate::metrics::Metrics;
use crate::parameters::{Name, Parameters};
use crate::secrets::Suites;
use crate::tls::{self, Credentials};
use crate::users::Users;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

/// Facts of the process.
pub struct Shared {
    /// Values of the parameters.
    pub parameters: Parameters,
    /// Counters, one set per core.
    pub metrics: Vec<Metrics>,
    /// When the process started.
    pub started: Now,
    /// 40 hexadecimal digits, drawn anew at every start.
    pub run_id: String,
    /// Hash of keys: picks the shard, the bucket and the tag. Seeded at start.
    pub hasher: slabs::Hasher,
    /// How many clients are in `MONITOR`.
    pub monitors: AtomicU32,
    /// Who watches what the cache does.
    pub watchers: watchers::Watchers,
    /// What memcached's administrators have set.
    pub tuning: tuning::Tuning,
    /// Clients' commands wait until then (`CLIENT PAUSE`), in milliseconds of the clock that never steps; 0: no pause.
    pub pause_until_ms: AtomicU64,
    /// The pause holds reads too.
    pub pause_all: AtomicBool,
    /// The server is going down: cores answer what is in flight and end.
    pub stopping: AtomicBool,
    /// What is cached is not to outlive the process (`SHUTDOWN NOSAVE`).
    pub keeps_nothing: AtomicBool,
    /// Clients of each core, those on their way to it included.
    pub load: Vec<AtomicU32>,
    /// Cores that have no clients left while the server stops.
    pub drained: AtomicU16,
    /// Which driver runs and why, one line per core's choice (they agree).
    pub driver: OnceLock<String>,
    /// Users of Redis's protocol and what they may do.
    pub acl: Registry,
    /// What TLS connections are served with.
    pub tls: Credentials,
    /// What the kernel can seal and open of them, or why nothing; where that was tried.
    pub kernel_tls: OnceLock<Result<Suites, String>>,
    /// Who may use memcached's protocols; `None`: everybody. Read when somebody connects or authenticates.
    memcache_users: RwLock<Option<Users>>,
    next_client_id: AtomicU64,
    next_transaction: AtomicU64,
}

impl Shared {
    /// Facts of a process that starts now with so many cores.
    pub fn new(parameters: Parameters, cores: usize, started: Now, seeds: [u64; 4]) -> Shared {
        let run_id = format!(
            "{:016x}{:016x}{:08x}",
            seeds[0].rotate_left(7) ^ seeds[2],
            seeds[1].rotate_left(13) ^ seeds[3],
            started.unix_ms as u32
        );
        let acl = Registry::default();
        let password = parameters.text(Name::Requirepass);
        if !password.is_empty() {
            acl.set_default_password(&password);
        }
        let watchers = watchers::Watchers::default();
        // Who names a delimiter wants prefixes counted.
        watchers.set_detail(!parameters.text(Name::PrefixDelimiter).is_empty());
        Shared {
            acl,
            parameters,
            metrics: (0..cores).map(|_| Metrics::default()).collect(),
            started,
            run_id,
            hasher: slabs::Hasher::new(seeds),
            monitors: AtomicU32::new(0),
            watchers,
            tuning: tuning::Tuning::default(),
            pause_until_ms: AtomicU64::new(0),
            pause_all: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            keeps_nothing: AtomicBool::new(false),
            load: (0..cores).map(|_| AtomicU32::new(0)).collect(),
            drained: AtomicU16::new(0),
            driver: OnceLock::new(),
            tls: Credentials::default(),
            kernel_tls: OnceLock::new(),
            memcache_users: RwLock::new(None),
            next_client_id: AtomicU64::new(1),
            next_transaction: AtomicU64::new(1),
        }
    }

    /// From here on these may use memcached's protocols. Who is connected stays.
    pub fn set_memcache_users(&self, users: Users) {
        *self.memcache_users.write().unwrap_or_else(PoisonError::into_inner) = Some(users);
    }

    /// Reads the files of TLS, if some port speaks it: new connections are served with what is in them. The error names
    /// the file, and then everything stays as it was. False: no port does.
    pub fn load_tls(&self, unix_secs: u64) -> Result<bool, String> {
        if !tls::is_wanted(&self.parameters) {
            return Ok(false);
        }
        if self.parameters.choice(Name::TlsKernel) == "yes"
            && let Some(Err(why)) = self.kernel_tls.get()
        {
            return Err(format!("--{} yes: {why}", Name::TlsKernel.row().text));
        }
        self.tls.set(tls::load(&self.parameters, unix_secs)?);
        Ok(true)
    }

    /// What the kernel can seal and open.
    pub fn kernel_suites(&self) -> Suites {
        self.kernel_tls.get().and_then(|tried| tried.as_ref().ok()).copied().unwrap_or_default()
    }

    /// Who seals and opens the records of TLS connections, in a few words and without a comma: clients split lines there.
    pub fn tls_by(&self) -> String {
        match self.kernel_tls.get() {
            _ if self.parameters.choice(Name::TlsKernel) == "no" => "process (as asked for)".into(),
            None => "process".into(),
            Some(Ok(_)) => "kernel".into(),
            Some(Err(why)) => format!("process ({why})"),
        }
    }

    /// Clients of memcached's protocols must authenticate.
    pub fn asks_memcache_users(&self) -> bool {
        self.memcache_users.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// That is the name and the password of a user; nobody is known where nobody is asked.
    pub fn is_memcache_user(&self, name: &[u8], password: &[u8]) -> bool {
        let users = self.memcache_users.read().unwrap_or_else(PoisonError::into_inner);
        users.as_ref().is_some_and(|users| users.know(name, password))
    }

    /// A client id, never given twice.
    pub fn client_id(&self) -> u64 {
        self.next_client_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of a multi-shard command: later ones are greater.
    pub fn transaction(&self) -> u64 {
        self.next_transaction.fetch_add(1, Ordering::Relaxed)
    }

    /// There is room for one more client.
    pub fn admit(&self) -> bool {
        let clients: u64 = self.load.iter().map(|load| u64::from(load.load(Ordering::Relaxed))).sum();
        (clients as i64) < self.parameters.number(Name::Maxclients)
    }

    /// The core with the fewest clients.
    pub fn least_loaded(&self) -> u16 {
        let clients = |core: &u16| self.load[*core as usize].load(Ordering::Relaxed);
        (0..self.cores()).min_by_key(clients).expect("there is a core")
    }

    /// Number of cores.
    pub fn cores(&self) -> u16 {
        self.metrics.len() as u16
    }

    /// The shard that owns a key with that hash.
    #[inline]
    pub fn shard_of(&self, hash: u64) -> u16 {
        // Bits 48..64 are used for nothing else; the product maps them evenly onto any number of cores.
        (((hash >> 48) * self.metrics.len() as u64) >> 16) as u16
    }
}
