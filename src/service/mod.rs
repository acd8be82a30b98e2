//! The service manager (systemd, or whoever speaks its protocol): what it is told about the server, the sockets that it
//! hands over, and whether its journal reads the log.
//!
//! | message | when |
//! |---|---|
//! | `READY=1` | all cores serve; again at the end of a reload |
//! | `RELOADING=1` | SIGHUP has come |
//! | `STOPPING=1` | a signal or a client has stopped the server |
//! | `STATUS=` | beside each of these, for people |
//! | `WATCHDOG=1` | as often as asked for, as long as every core turns |
//!
//! Without `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `LISTEN_FDS` it does nothing.

mod pulse;
pub mod sockets;

use crate::metrics::Counter;
use crate::parameters::{Name, Parameters};
use crate::shared::Shared;
use pulse::Pulse;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names. One that cannot be reached is warned of: it will end the server itself when it
    /// hears nothing.
    pub fn from_env(parameters: &Parameters) -> Manager {
        let supervised = parameters.choice(Name::Supervised);
        if supervised == "no" {
            return Manager::default();
        }
        let manager = Manager::of(&|name| std::env::var_os(name));
        if supervised == "systemd" && manager.socket.is_none() {
            log::warn!("supervised systemd: there is no NOTIFY_SOCKET, nobody is told anything");
        }
        manager
    }

    fn of(variable: &dyn Fn(&str) -> Option<OsString>) -> Manager {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Manager::default();
        };
        match connect(name.as_bytes()) {
            Ok(socket) => Manager { socket: Some(socket), watchdog: watchdog(variable) },
            Err(error) => {
                log::warn!("the service manager cannot be told anything: {error}");
                Manager::default()
            }
        }
    }

    /// Tells it the state in one message, with a status for people.
    pub fn tell(&self, state: &str, status: &str) {
        self.send(&format!("{state}\nSTATUS={status}"));
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            log::debug!("the service manager was not told: {error}");
        }
    }

    /// Tells it as often as it asks that all cores turn, from a thread of its own; no more once one does not. What is
    /// returned ends that when it is dropped.
    pub fn watch(self: &Arc<Manager>, shared: Arc<Shared>) -> Result<Option<Sender<()>>, String> {
        let Some(deadline) = self.watchdog else { return Ok(None) };
        let (guard, ended) = channel::<()>();
        let manager = self.clone();
        let watching = move || {
            let start = Instant::now();
            let mut pulse = Pulse::new(shared.metrics.len(), deadline);
            let mut told = true;
            while ended.recv_timeout(deadline / 4) == Err(RecvTimeoutError::Timeout) {
                // A server that ends has turns of another length; the manager has a limit for that.
                let stopping = shared.stopping.load(Ordering::Acquire);
                let turns = shared.metrics.iter().map(|core| core.total(Counter::Turns));
                match pulse.silent(turns, start.elapsed()) {
                    Some(core) if !stopping => {
                        if std::mem::take(&mut told) {
                            log::error!("core {core} does not turn any more: the watchdog is told nothing");
                        }
                    }
                    _ => {
                        told = true;
                        manager.send("WATCHDOG=1");
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(watching);
        thread.map(|_| Some(guard)).map_err(|error| format!("watchdog: {error}"))
    }
}

/// Whether the journal reads the standard error (`JOURNAL_STREAM`): the manager says which file it is, and a shell may have
/// put another there.
pub fn journal_reads_errors() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let Ok(error) = std::io::stderr().as_fd().try_clone_to_owned() else { return false };
    File::from(error).metadata().is_ok_and(|file| stream == *format!("{}:{}", file.dev(), file.ino()))
}

/// A name with `@` before it is one in the abstract namespace.
fn connect(name: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match name {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A manager that does not read must not hold up a reload.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// After how long without a sign of life the manager will end this process.
fn watchdog(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<Duration> {
    let number = |name| variable(name).and_then(|text| text.to_str()?.parse::<u64>().ok());
    let for_us =
        variable("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(std::process::id().into());
    number("WATCHDOG_USEC").filter(|us| for_us && *us > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: Vec<(&'static str, String)>) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 200];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn messages_arrive_under_a_path_and_under_an_abstract_name() {
        let path = std::env::temp_dir().join(format!("larder-notify-{}", std::process::id()));
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("larder-notify-{}", std::process::id());
        let abstract_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (variable, socket) in [(path.display().to_string(), by_path), (format!("@{name}"), abstract_name)]
        {
            let manager = Manager::of(&variables(vec![("NOTIFY_SOCKET", variable)]));
            manager.tell("READY=1", "serves");
            assert_eq!(heard(&socket), "READY=1\nSTATUS=serves");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        for pairs in
            [vec![], vec![("NOTIFY_SOCKET", String::new())], vec![("NOTIFY_SOCKET", "/no/such".into())]]
        {
            let manager = Manager::of(&variables(pairs));
            manager.tell("READY=1", "");
            assert!(manager.socket.is_none() && manager.watchdog.is_none());
        }
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let own = std::process::id().to_string();
        for (pairs, expected) in [
            (vec![], None),
            (vec![("WATCHDOG_USEC", "x".into())], None),
            (vec![("WATCHDOG_USEC", "0".into())], None),
            (vec![("WATCHDOG_USEC", "5000".into())], Some(Duration::from_millis(5))),
            (vec![("WATCHDOG_USEC", "5000".into()), ("WATCHDOG_PID", own)], Some(Duration::from_millis(5))),
            (vec![("WATCHDOG_USEC", "5000".into()), ("WATCHDOG_PID", "1".into())], None),
        ] {
            assert_eq!(watchdog(&variables(pairs)), expected);
        }
    }
}
