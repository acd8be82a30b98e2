//! Boot and end: listeners, shards, one thread per core, signals.

use crate::clock::Now;
use crate::command::acl;
use crate::core::{Core, DOOR_MEMCACHE, DOOR_RESP, DOOR_TLS_BIT, Mail};
use crate::limits::{MESH_RING_MAILS, RECEIVE_SHARE};
use crate::logging::Log;
use crate::mesh::Mesh;
use crate::parameters::{Name, Parameters, bytes};
use crate::persist::{self, Feed, Saver};
use crate::reactor::{self, Door, Driver, Reactor, Waker, bind};
use crate::service::Manager;
use crate::service::sockets::{self, Given};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::tls;
use crate::users::Users;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use slabs::Store;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The process's start on the clock that never steps.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Reads both clocks.
pub fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { unix_ms: unix.as_millis() as u64, mono_us: START.elapsed().as_micros() as u64 }
}

/// What each core's thread starts with.
struct Boot {
    index: u16,
    shared: Arc<Shared>,
    seeds: [u64; 4],
    mesh: Mesh<Mail>,
    listeners: Vec<(OwnedFd, Door)>,
    /// Tells that the core is ready, and how to wake it; or why it is not.
    ready: Sender<Result<(u16, Waker), String>>,
    /// The wakers of all cores, once all are ready.
    wakers: Receiver<Vec<Waker>>,
    /// What the process before left, until all of it has come.
    feed: Receiver<Feed>,
    /// Where the items go at the end.
    saver: Option<Arc<Saver>>,
}

/// Serves until a signal or `SHUTDOWN`. The error is one line that names what is at fault. `log` is that which lines go to.
pub fn run(parameters: Parameters, log: Log) -> Result<(), String> {
    let started = now();
    // First of all: from here on a signal is kept until there is somebody to stop.
    let signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1]).map_err(|error| format!("signals: {error}"))?;
    slabs::return_freed_values();
    let cores = parameters.threads();
    let seeds = random_seeds()?;
    // Before anything else is opened: these have numbers that are known beforehand.
    let mut given = sockets::take(&parameters)?;
    let manager = Arc::new(Manager::from_env(&parameters));
    let users = read_users(&parameters)?;
    let mut listeners = listen(&parameters, &given)?;
    let mut files = SocketFiles::default();
    listeners.extend(listen_unix(&parameters, &given, &mut files)?);
    listeners.append(&mut given.listeners);
    let mut listeners = Some(listeners);
    let _pid_file = PidFile::write(&parameters)?;
    let shared = Arc::new(Shared::new(parameters, cores, started, seeds));
    if let Some(users) = users {
        shared.set_memcache_users(users);
    }
    set_acl(&shared)?;
    if tls::is_wanted(&shared.parameters) {
        shared.kernel_tls.get_or_init(reactor::try_records);
    }
    shared.load_tls(started.unix_secs())?;
    raise_descriptor_limit(&shared.parameters);
    announce(&shared, &given);
    let (ready, all_ready) = channel();
    let (mut threads, mut starts, mut feeds) = (Vec::new(), Vec::new(), Vec::new());
    let warm_file = warm_restart_file(&shared.parameters);
    let saver = warm_file.as_deref().map(|path| Arc::new(Saver::new(path)));
    for (index, mesh) in Mesh::connect(cores, MESH_RING_MAILS).into_iter().enumerate() {
        let (start, wakers) = channel();
        starts.push(start);
        let (feeder, feed) = sync_channel(WARM_BLOCKS_AHEAD);
        feeds.push(feeder);
        let boot = Boot {
            index: index as u16,
            shared: shared.clone(),
            seeds,
            mesh,
            listeners: listeners.take().unwrap_or_default(),
            ready: ready.clone(),
            wakers,
            feed,
            saver: saver.clone(),
        };
        let thread = std::thread::Builder::new().name(format!("core-{index}"));
        threads.push(
            thread.spawn(move || core(boot)).map_err(|error| format!("cannot start a thread: {error}"))?,
        );
    }
    drop(ready);
    if let Some(path) = &warm_file {
        warm_start(path, &feeds);
    }
    drop(feeds);
    let mut wakers: Vec<Option<Waker>> = (0..cores).map(|_| None).collect();
    for _ in 0..cores {
        let (index, waker) = all_ready.recv().map_err(|_| "a core has panicked at start".to_string())??;
        wakers[index as usize] = Some(waker);
    }
    let wakers: Vec<Waker> = wakers.into_iter().flatten().collect();
    stop_on_signals(signals, shared.clone(), wakers.clone(), manager.clone(), log)?;
    let _watchdog = manager.watch(shared.clone())?;
    for start in starts {
        start.send(wakers.clone()).map_err(|_| "a core has panicked at start".to_string())?;
    }
    if let Some(driver) = shared.driver.get() {
        log::info!("ready to serve; I/O driver {driver}");
        manager.tell("READY=1", &format!("serves with {} threads, I/O driver {driver}", shared.cores()));
    }
    for thread in threads {
        thread.join().map_err(|_| "a core has panicked".to_string())??;
    }
    // A client may have stopped the server; then the manager has not heard of it.
    manager.tell("STOPPING=1", "stops");
    if let (Some(saver), Some(path)) = (saver, warm_file)
        && !shared.keeps_nothing.load(Ordering::Acquire)
    {
        warm_end(&path, &saver);
    }
    log::info!("stopped");
    Ok(())
}

/// Blocks of a warm restart file that wait for a core, so that reading and storing overlap.
const WARM_BLOCKS_AHEAD: usize = 4;

fn warm_restart_file(parameters: &Parameters) -> Option<PathBuf> {
    let bytes = parameters.text(Name::WarmRestartFile);
    (!bytes.is_empty()).then(|| PathBuf::from(OsString::from_vec(bytes)))
}

/// Takes over what the process before left, before anybody is served.
fn warm_start(path: &Path, cores: &[SyncSender<Feed>]) {
    let started = Instant::now();
    match persist::feed(path, cores) {
        Ok(None) => log::info!("no warm restart file at {}: the cache starts empty", path.display()),
        Ok(Some(read)) => {
            let (size, took) = (bytes::human(read.bytes), started.elapsed().as_millis());
            log::info!("warm restart: {} items, {size} of {}, in {took} ms", read.items, path.display());
        }
        Err(line) => {
            log::warn!("warm restart file {} is refused: {line}; the cache starts empty", path.display())
        }
    }
}

/// Closes the file for the next process. All cores have ended.
fn warm_end(path: &Path, saver: &Saver) {
    match saver.finish(now().unix_ms) {
        Ok(written) => {
            let size = bytes::human(written.bytes);
            log::info!("warm restart: {} items, {size}, left in {}", written.items, path.display());
            if written.left_out > 0 {
                log::warn!("warm restart: {} collections were not kept", written.left_out);
            }
        }
        Err(error) => log::warn!("warm restart file {}: {error}; nothing is kept", path.display()),
    }
}

/// A core's thread, from its driver's opening to its end.
fn core(boot: Boot) -> Result<(), String> {
    let io = boot.shared.parameters.choice(Name::Io);
    let choice = match io {
        "uring" => reactor::Choice::Uring,
        "poll" => reactor::Choice::Poll,
        _ => reactor::Choice::Auto,
    };
    match reactor::open(choice, &driver_options(&boot.shared)) {
        Ok((Reactor::Uring(driver), way)) => turn(boot, driver, &way),
        Ok((Reactor::Poll(driver), way)) => turn(boot, driver, &way),
        Err(error) => fail(&boot, format!("--io {io}: {error}")),
    }
}

/// Sizes of a core's driver: with little memory there is less to receive into.
fn driver_options(shared: &Shared) -> reactor::Options {
    let default = reactor::Options::default();
    let share = shared.parameters.maxmemory_bytes() / u64::from(shared.cores()) / RECEIVE_SHARE;
    let buffers = share / u64::from(default.buffer_bytes);
    let most = buffers.clamp(u64::from(default.buffers), u64::from(default.buffers_max));
    reactor::Options { buffers_max: 1 << most.ilog2(), ..default }
}

/// Tells the one who waits for all cores that this one cannot start.
fn fail(boot: &Boot, line: String) -> Result<(), String> {
    // Nobody listens once another core has failed: then its line is the one that is shown.
    let _ = boot.ready.send(Err(line));
    Ok(())
}

fn turn<D: Driver>(mut boot: Boot, mut driver: D, way: &str) -> Result<(), String> {
    let mut shard = match shard(&boot) {
        Ok(shard) => shard,
        Err(line) => return fail(&boot, line),
    };
    for (listener, door) in std::mem::take(&mut boot.listeners) {
        if let Err(error) = driver.listen(listener, door) {
            return fail(&boot, format!("cannot accept connections: {error}"));
        }
    }
    shard.now = now();
    let no_room = persist::take(&boot.feed, &boot.shared, &mut shard);
    if no_room > 0 {
        log::warn!("warm restart: core {} has no room for {no_room} items", boot.index);
    }
    let _ = boot.shared.driver.set(format!("{} ({way})", driver.name()));
    let _ = boot.ready.send(Ok((boot.index, driver.waker())));
    let Ok(wakers) = boot.wakers.recv() else { return Ok(()) };
    let shared = boot.shared.clone();
    let core = Core::new(boot.index, boot.shared, shard, boot.mesh, now);
    let mut shard = core.run(driver, &wakers).map_err(|error| format!("core {}: {error}", boot.index))?;
    if let Some(saver) = boot.saver
        && !shared.keeps_nothing.load(Ordering::Acquire)
    {
        shard.now = now();
        saver.add(shard);
    }
    Ok(())
}

/// An empty shard with its share of the memory.
fn shard(boot: &Boot) -> Result<Shard, String> {
    let parameters = &boot.shared.parameters;
    let cores = boot.shared.cores();
    let options = slabs::Options {
        budget_bytes: parameters.maxmemory_bytes() / u64::from(cores),
        // Either protocol has a bound of its own, which its parser keeps.
        item_bytes_max: slabs::VALUE_BYTES_MAX,
        policy: parameters.policy(),
        goal: parameters.eviction_goal(),
        seeds: boot.seeds,
        ..slabs::Options::default()
    };
    let store = Store::new(&options).map_err(|error| format!("maxmemory with {cores} threads: {error}"))?;
    let mut shard = Shard::new(store, parameters.databases());
    shard.place(boot.index, cores, boot.seeds[0] ^ u64::from(boot.index));
    Ok(shard)
}

/// All listening sockets. They are opened before anything else: a port in use is the commonest mistake.
fn listen(parameters: &Parameters, given: &Given) -> Result<Vec<(OwnedFd, Door)>, String> {
    let mut listeners = Vec::new();
    let backlog = parameters.number(Name::TcpBacklog) as u32;
    let with_tls = |door: Door| Door(door.0 | DOOR_TLS_BIT);
    let main = |door| if parameters.number(Name::Tls) != 0 { with_tls(door) } else { door };
    for (name, door) in [
        (Name::Port, main(DOOR_RESP)),
        (Name::MemcachePort, main(DOOR_MEMCACHE)),
        (Name::TlsPort, with_tls(DOOR_RESP)),
        (Name::TlsMemcachePort, with_tls(DOOR_MEMCACHE)),
    ] {
        let port = parameters.number(name) as u16;
        if port == 0 || given.covers(name) {
            continue;
        }
        for address in parameters.addresses() {
            match bind::tcp(SocketAddr::new(address.ip, port), backlog) {
                Ok(listener) => listeners.push((listener, door)),
                Err(error) if address.optional && error.kind() == std::io::ErrorKind::AddrNotAvailable => {}
                Err(error) => return Err(format!("--{} {port}: {error}", name.row().text)),
            }
        }
    }
    Ok(listeners)
}

/// Listening Unix sockets. Their files go with `files`.
fn listen_unix(
    parameters: &Parameters,
    given: &Given,
    files: &mut SocketFiles,
) -> Result<Vec<(OwnedFd, Door)>, String> {
    let mut listeners = Vec::new();
    for (name, mode, door) in [
        (Name::Unixsocket, Name::Unixsocketperm, DOOR_RESP),
        (Name::MemcacheUnixsocket, Name::MemcacheUnixsocketperm, DOOR_MEMCACHE),
    ] {
        let path = PathBuf::from(OsString::from_vec(parameters.text(name)));
        if path.as_os_str().is_empty() || given.covers(name) {
            continue;
        }
        let listener = bind::unix(&path, parameters.number(mode) as u32);
        listeners.push((listener.map_err(|error| format!("--{}: {error}", name.row().text))?, door));
        files.note(path);
    }
    Ok(listeners)
}

/// The files of Unix sockets, removed at the end unless somebody else has put others in their place.
#[derive(Default)]
struct SocketFiles(Vec<(PathBuf, u64, u64)>);

impl SocketFiles {
    fn note(&mut self, path: PathBuf) {
        if let Ok(facts) = fs::symlink_metadata(&path) {
            self.0.push((path, facts.dev(), facts.ino()));
        }
    }
}

impl Drop for SocketFiles {
    fn drop(&mut self) {
        for (path, device, inode) in &self.0 {
            let ours =
                fs::symlink_metadata(path).is_ok_and(|facts| (facts.dev(), facts.ino()) == (*device, *inode));
            if ours && let Err(error) = fs::remove_file(path) {
                log::warn!("{}: {error}", path.display());
            }
        }
    }
}

/// The file with the process's number, removed at the end.
struct PidFile(PathBuf);

impl PidFile {
    /// Writes it where `pidfile` says. The error names the flag and the file.
    fn write(parameters: &Parameters) -> Result<Option<PidFile>, String> {
        let path = PathBuf::from(OsString::from_vec(parameters.text(Name::Pidfile)));
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let written = fs::write(&path, format!("{}\n", std::process::id()));
        written.map_err(|error| format!("--{} {}: {error}", Name::Pidfile.row().text, path.display()))?;
        Ok(Some(PidFile(path)))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            log::warn!("{}: {error}", self.0.display());
        }
    }
}

/// The users of memcached's protocols, if a file names them. The error names the flag and the file.
fn read_users(parameters: &Parameters) -> Result<Option<Users>, String> {
    let path = PathBuf::from(OsString::from_vec(parameters.text(Name::MemcacheAuthFile)));
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let flag = Name::MemcacheAuthFile.row().text;
    let refused = |why: &dyn std::fmt::Display| format!("--{flag} {}: {why}", path.display());
    let text = fs::read(&path).map_err(|error| refused(&error))?;
    Users::parse(&text).map(Some).map_err(|malformed| refused(&malformed))
}

/// The users of Redis's protocol, from their file or from the configuration. The error names the place.
fn set_acl(shared: &Shared) -> Result<(), String> {
    let parameters = &shared.parameters;
    let all_channels = parameters.all_channels();
    let path = PathBuf::from(OsString::from_vec(parameters.text(Name::Aclfile)));
    let declared = parameters.declared_users();
    if path.as_os_str().is_empty() {
        return shared.acl.change(|users| {
            for (index, (place, words)) in declared.iter().enumerate() {
                if declared[..index].iter().any(|(_, earlier)| earlier.first() == words.first()) {
                    return Err(format!("{place}: this user is declared already"));
                }
                users.declare(words, &acl::WORDS, all_channels).map_err(|line| format!("{place}: {line}"))?;
            }
            Ok(())
        });
    }
    if let Some((place, _)) = declared.first() {
        return Err(format!(
            "{place}: with an aclfile users are declared there, and not in the configuration"
        ));
    }
    let read = acl::read_file(&path, all_channels);
    let read = read.map_err(|line| format!("--{}: {line}", Name::Aclfile.row().text))?;
    shared.acl.change(|users| {
        users.replace(read);
        Ok(())
    })
}

/// Takes the files that are read at start anew: users and certificates. One that cannot be taken changes nothing.
fn reload(shared: &Shared) {
    let users = read_users(&shared.parameters);
    let tls = shared.load_tls(now().unix_secs());
    match &tls {
        Ok(true) => log::info!("SIGHUP: the certificate was read again"),
        Ok(false) if matches!(users, Ok(None)) => log::info!("SIGHUP: there is no file to be read again"),
        Ok(false) => {}
        Err(line) => log::warn!("SIGHUP: {line}; TLS goes on as it was"),
    }
    match users {
        Ok(Some(users)) => {
            log::info!("SIGHUP: {users:?} in the file");
            shared.set_memcache_users(users);
        }
        Ok(None) => {}
        Err(line) => log::warn!("SIGHUP: {line}; the users stay as they were"),
    }
}

/// First lines of the log: what an operator looks for.
fn announce(shared: &Shared, given: &Given) {
    let parameters = &shared.parameters;
    log::info!("larder {} starts, process {}", env!("CARGO_PKG_VERSION"), std::process::id());
    let bind = String::from_utf8_lossy(&parameters.text(Name::Bind)).into_owned();
    for (name, what) in [(Name::Port, "Redis"), (Name::MemcachePort, "memcached")] {
        match parameters.number(name) {
            0 => log::info!("no port for {what} clients (--{} 0)", name.row().text),
            _ if given.covers(name) => {}
            port if parameters.number(Name::Tls) != 0 => {
                log::info!("{what} clients: port {port} on {bind}, with TLS")
            }
            port => log::info!("{what} clients: port {port} on {bind}"),
        }
    }
    for (name, what) in [(Name::TlsPort, "Redis"), (Name::TlsMemcachePort, "memcached")] {
        match parameters.number(name) {
            0 => {}
            port => log::info!("{what} clients: port {port} on {bind}, with TLS"),
        }
    }
    if shared.tls.get().is_some() {
        log::info!("TLS records are sealed and opened by the {}", shared.tls_by());
    }
    for (name, what) in [(Name::Unixsocket, "Redis"), (Name::MemcacheUnixsocket, "memcached")] {
        let path = parameters.text(name);
        if !path.is_empty() && !given.covers(name) {
            log::info!("{what} clients: Unix socket {}", String::from_utf8_lossy(&path));
        }
    }
    if !given.names.is_empty() {
        log::info!("sockets of the service manager: {}", given.names.join(", "));
    }
    let shut = parameters.number(Name::ProtectedMode) != 0;
    if shut && parameters.addresses().iter().any(|address| !address.ip.is_loopback()) {
        let is_open = shared.acl.users().default_user().needs_no_password();
        for (open, what, how) in [
            (is_open, "Redis", "requirepass"),
            (!shared.asks_memcache_users(), "memcached", "memcache_auth_file"),
        ] {
            if open {
                log::warn!("protected-mode: without {how}, only this machine's {what} clients are served");
            }
        }
    }
    let policy = parameters.policy_name();
    let memory = bytes::human(parameters.maxmemory_bytes());
    log::info!("{} threads, maxmemory {memory}, maxmemory-policy {policy}", shared.cores());
}

/// As many descriptors as `maxclients` asks for, or as many as the system gives.
fn raise_descriptor_limit(parameters: &Parameters) {
    /// Listeners, rings, eventfds, the log.
    const OWN: u64 = 64;
    let wanted = parameters.number(Name::Maxclients) as u64 + OWN;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(given) if given < wanted => {
            log::warn!(
                "only {given} file descriptors are allowed; maxclients {} may not be reached",
                wanted - OWN
            );
        }
        Ok(_) => {}
        Err(error) => log::warn!("the limit of file descriptors is unknown: {error}"),
    }
}

/// SIGTERM, SIGINT and SIGUSR1 (memcached's for a warm restart) stop the server; a second one at once. SIGHUP has the
/// files of users and certificates read again, and the log's file opened anew.
fn stop_on_signals(
    mut signals: Signals,
    shared: Arc<Shared>,
    wakers: Vec<Waker>,
    manager: Arc<Manager>,
    log: Log,
) -> Result<(), String> {
    let wait = move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                manager.tell("RELOADING=1", "reads its files again");
                if log.reopen() {
                    log::info!("SIGHUP: the log's file is opened anew");
                }
                reload(&shared);
                manager.tell("READY=1", "serves");
                continue;
            }
            if shared.stopping.swap(true, Ordering::AcqRel) {
                log::warn!("signal {signal} again: ending at once");
                std::process::exit(1);
            }
            log::info!("signal {signal}: stopping");
            manager.tell("STOPPING=1", "stops");
            wakers.iter().for_each(Waker::wake);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .map_err(|error| format!("signals: {error}"))?;
    Ok(())
}

/// Seeds of the hash of keys, unknown to clients, so that nobody can choose keys that collide.
fn random_seeds() -> Result<[u64; 4], String> {
    let mut bytes = [0u8; 32];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(std::array::from_fn(|i| {
        u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().expect("eight bytes are eight bytes"))
    }))
}
