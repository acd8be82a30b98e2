//! Sockets that the service manager listens on for the server (`LISTEN_FDS`), so that it is started by its first client or
//! may be restarted without one being refused.

use crate::core::{DOOR_MEMCACHE, DOOR_RESP, DOOR_TLS_BIT};
use crate::parameters::{Name, Parameters};
use crate::reactor::{Door, bind};
use socket2::SockRef;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;

/// More than anybody has a use for.
const COUNT_MAX: i32 = 64;

/// Parameters that name a TCP port.
const PORTS: [(Name, Door); 2] = [(Name::Port, DOOR_RESP), (Name::MemcachePort, DOOR_MEMCACHE)];

/// Parameters that name a Unix socket.
const PATHS: [(Name, Door); 2] = [(Name::Unixsocket, DOOR_RESP), (Name::MemcacheUnixsocket, DOOR_MEMCACHE)];

/// What was handed over.
#[derive(Debug, Default)]
pub struct Given {
    /// Sockets with their doors.
    pub listeners: Vec<(OwnedFd, Door)>,
    /// Parameters whose sockets these are: the server opens none for them.
    covered: Vec<Name>,
    /// How the log names them.
    pub names: Vec<String>,
}

impl Given {
    /// The manager listens where this parameter says.
    pub fn covers(&self, name: Name) -> bool {
        self.covered.contains(&name)
    }
}

/// Takes the sockets that the environment speaks of. The error is one line that names the socket.
pub fn take(parameters: &Parameters) -> Result<Given, String> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
    if number("LISTEN_PID") != i32::try_from(std::process::id()).ok() {
        return Ok(Given::default());
    }
    let count = number("LISTEN_FDS").unwrap_or(0).clamp(0, COUNT_MAX);
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut given = Given::default();
    for place in 0..count {
        let socket = bind::inherited(FIRST + place).map_err(|error| format!("LISTEN_FDS: {error}"))?;
        given.add(socket, names.next().unwrap_or_default(), parameters)?;
    }
    Ok(given)
}

impl Given {
    /// Finds the door of a socket: by its name (`FileDescriptorName=redis` or `memcache`), or by its port or path.
    fn add(&mut self, socket: OwnedFd, name: &str, parameters: &Parameters) -> Result<(), String> {
        let address = SockRef::from(&socket).local_addr().map_err(|error| format!("LISTEN_FDS: {error}"))?;
        let (all, place, matches): (_, _, Box<dyn Fn(Name) -> bool>) = match address.as_socket() {
            Some(tcp) => {
                let port = tcp.port();
                let _ = SockRef::from(&socket).set_tcp_nodelay(true);
                (PORTS, tcp.to_string(), Box::new(move |name| parameters.number(name) == i64::from(port)))
            }
            None => {
                let path = address.as_pathname().map(Path::to_path_buf).unwrap_or_default();
                let shown = path.display().to_string();
                let is = move |name| !path.as_os_str().is_empty() && same_path(&parameters.text(name), &path);
                (PATHS, shown, Box::new(is))
            }
        };
        let by_name = match name {
            "redis" => Some(all[0]),
            "memcache" | "memcached" => Some(all[1]),
            _ => None,
        };
        let found = by_name.or_else(|| all.into_iter().find(|(parameter, _)| matches(*parameter)));
        let Some((parameter, door)) = found else {
            let [redis, memcache] = all.map(|(parameter, _)| parameter.row().text);
            return Err(format!(
                "LISTEN_FDS: the socket {place} is neither that of {redis} nor that of {memcache}, and its name is not redis or memcache"
            ));
        };
        // What `tls` says of the main ports holds whoever listens there.
        let secured = address.as_socket().is_some() && parameters.number(Name::Tls) != 0;
        let door = if secured { Door(door.0 | DOOR_TLS_BIT) } else { door };
        self.listeners.push((socket, door));
        self.covered.push(parameter);
        self.names.push(place);
        Ok(())
    }
}

/// Whether both name the same file, as far as names tell.
fn same_path(text: &[u8], path: &Path) -> bool {
    let named = std::path::absolute(OsString::from_vec(text.to_vec()));
    !text.is_empty() && (OsStr::from_bytes(text) == path || named.is_ok_and(|named| named == path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    fn doors(given: &Given) -> Vec<Door> {
        given.listeners.iter().map(|(_, door)| *door).collect()
    }

    #[test]
    fn a_sockets_door_is_found_by_its_port_or_its_name() {
        let parameters = Parameters::default();
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let memcache = socket();
        let port = memcache.local_addr().unwrap().port().to_string();
        parameters.set_at_start("memcache_port", port.as_bytes()).unwrap();
        let mut given = Given::default();
        given.add(memcache.into(), "larder.socket", &parameters).unwrap();
        assert_eq!(doors(&given), [DOOR_MEMCACHE]);
        assert!(given.covers(Name::MemcachePort) && !given.covers(Name::Port));
        given.add(socket().into(), "redis", &parameters).unwrap();
        assert!(given.covers(Name::Port) && !given.covers(Name::Unixsocket));
        let refused = given.add(socket().into(), "larder.socket", &parameters).unwrap_err();
        assert!(refused.contains("neither that of port nor that of memcache_port"), "{refused}");
    }

    #[test]
    fn a_unix_sockets_door_is_found_by_its_path() {
        let parameters = Parameters::default();
        let path = std::env::temp_dir().join(format!("larder-given-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        parameters.set_at_start("memcache_unixsocket", path.as_os_str().as_bytes()).unwrap();
        let mut given = Given::default();
        given.add(listener.into(), "", &parameters).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((doors(&given), given.covers(Name::MemcacheUnixsocket)), (vec![DOOR_MEMCACHE], true));
    }
}
