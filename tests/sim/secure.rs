//! Clients that speak TLS: records torn anywhere, sends cut short, silence.

use crate::driver::{Dice, Wire};
use crate::script::Script;
use crate::world::{World, over_seeds};
use larder::core::{DOOR_MEMCACHE, DOOR_RESP, DOOR_TLS_BIT};
use larder::limits::TLS_HANDSHAKE_MS;
use larder::metrics::{Counter, sum};
use larder::reactor::Door;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::crypto::ring::ALL_CIPHER_SUITES;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedCipherSuite};
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// The server's certificate and key in one file, gone with the value, and what its clients trust.
struct Identity {
    file: PathBuf,
    config: Arc<ClientConfig>,
}

impl Identity {
    fn new(name: &str) -> Identity {
        let mut parameters = CertificateParams::new(vec!["localhost".into()]).unwrap();
        (parameters.not_before, parameters.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2090, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let file = std::env::temp_dir().join(format!("larder-cores-{}-{name}", std::process::id()));
        std::fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Identity { file, config }
    }

    /// The same with clients that know one suite.
    fn with_suite(mut self, suite: SupportedCipherSuite) -> Identity {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites = vec![suite];
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&[suite.version()]).unwrap();
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(&self.file).unwrap();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        self.config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        self
    }

    /// Has the world's TLS doors open.
    fn furnish(&self, world: &World) {
        let parameters = &world.shared.parameters;
        let path = self.file.to_str().unwrap().as_bytes();
        for (name, value) in [("tls-port", &b"1"[..]), ("tls-auth-clients", b"no"), ("tls-cert-file", path)] {
            parameters.set_at_start(name, value).unwrap();
        }
        assert_eq!(world.shared.load_tls(1_800_000_000), Ok(true));
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// A client behind its end of TLS.
struct Client {
    tls: ClientConnection,
    wire: Rc<RefCell<Wire>>,
    /// Bytes of the wire that were taken.
    taken: usize,
    script: Vec<u8>,
    expected: Vec<u8>,
    told: Vec<u8>,
}

impl Client {
    fn connect(world: &mut World, identity: &Identity, memcache: bool, script: Script) -> Client {
        let door = if memcache { DOOR_MEMCACHE } else { DOOR_RESP };
        let wire = world.dial(Door(door.0 | DOOR_TLS_BIT));
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = ClientConnection::new(identity.config.clone(), name).unwrap();
        tls.set_buffer_limit(None);
        Client { tls, wire, taken: 0, script: script.requests, expected: script.expected, told: Vec::new() }
    }

    /// Takes some of what has come, says some of what is to be said.
    fn step(&mut self, dice: &mut Dice) {
        let mut wire = self.wire.borrow_mut();
        let part = dice.below(wire.down.len() - self.taken + 1);
        let mut bytes = &wire.down[self.taken..self.taken + part];
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).unwrap();
            self.tls.process_new_packets().unwrap();
            // It has no more for now, which is no error.
            let _ = self.tls.reader().read_to_end(&mut self.told);
        }
        self.taken += part;
        wire.window = self.taken + [0, 10, 1000, 100_000][dice.below(4)];
        if !self.script.is_empty() && dice.once_in(4) {
            let part = dice.below(self.script.len() + 1);
            self.tls.writer().write_all(&self.script[..part]).unwrap();
            self.script.drain(..part);
        }
        let mut up = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut up).unwrap();
        }
        wire.up.extend(up);
    }

    fn is_done(&self) -> bool {
        self.script.is_empty() && self.told.len() >= self.expected.len()
    }
}

/// Some clients of TLS, with the kernel's or without. Returns how many there were, and how many the kernel had.
fn conversations(identity: &Identity, seed: u64, kernel: bool) -> (usize, usize) {
    let mut world = World::new(seed, &[]);
    identity.furnish(&world);
    if kernel {
        world.give_kernel_tls();
    }
    let mut dice = Dice(seed ^ 0x715);
    let mut clients = Vec::new();
    for name in 0..1 + dice.below(4) {
        let mut script = Script::new(name);
        let memcache = dice.once_in(3);
        (0..60).for_each(|_| if memcache { script.memcache(&mut dice) } else { script.resp(&mut dice) });
        clients.push(Client::connect(&mut world, identity, memcache, script));
    }
    for _ in 0..100_000 {
        world.step();
        clients.iter_mut().for_each(|client| client.step(&mut dice));
        if clients.iter().all(Client::is_done) {
            break;
        }
    }
    for client in &clients {
        assert!(
            client.told == client.expected,
            "seed {seed}: {} of {}",
            client.told.len(),
            client.expected.len()
        );
    }
    let handed = sum(&world.shared.metrics, Counter::TlsKernel) as usize;
    // Each ends in its own way, and nothing is left of any.
    for client in &mut clients {
        match dice.below(3) {
            0 => client.tls.send_close_notify(),
            1 => client.wire.borrow_mut().ended = true,
            _ => client.wire.borrow_mut().reset = true,
        }
    }
    for _ in 0..100_000 {
        world.step();
        clients
            .iter_mut()
            .filter(|client| !client.wire.borrow().gone)
            .for_each(|client| client.step(&mut dice));
        if clients.iter().all(|client| client.wire.borrow().gone) {
            break;
        }
    }
    assert!(clients.iter().all(|client| client.wire.borrow().gone), "seed {seed}: they are let go");
    world.finish();
    world.assert_nothing_is_held();
    assert_eq!(sum(&world.shared.metrics, Counter::TlsKernel), 0);
    assert_eq!(sum(&world.shared.metrics, Counter::TlsConnections), 0);
    (clients.len(), handed)
}

#[test]
fn tls_clients_are_answered_as_if_they_were_alone() {
    let identity = Identity::new("alone");
    over_seeds(100, |seed| {
        let (_, handed) = conversations(&identity, seed, false);
        assert_eq!(handed, 0);
    });
}

/// With each suite, and whatever is under way when their handshakes end.
#[test]
fn clients_whom_the_kernel_takes_over_are_answered_as_before() {
    let ours = |suite: &&SupportedCipherSuite| !format!("{suite:?}").contains("RSA");
    let suites: Vec<_> = ALL_CIPHER_SUITES.iter().filter(ours).copied().collect();
    let named = |number: usize| Identity::new(&format!("kernel-{number}"));
    let identities: Vec<_> =
        suites.iter().enumerate().map(|(number, suite)| named(number).with_suite(*suite)).collect();
    assert_eq!(identities.len(), 6);
    let (all, taken) = (Cell::new(0), Cell::new(0));
    over_seeds(120, |seed| {
        let (clients, handed) = conversations(&identities[seed as usize % identities.len()], seed, true);
        all.set(all.get() + clients);
        taken.set(taken.get() + handed);
    });
    assert!(taken.get() * 10 > all.get() * 9, "the kernel had {} of {}", taken.get(), all.get());
}

/// A client that the kernel has taken over, and has been answered since.
fn handed_over(world: &mut World, identity: &Identity, dice: &mut Dice) -> Client {
    let mut client = Client::connect(world, identity, false, Script::new(0));
    for round in 1..100 {
        client.script = b"PING\r\n".to_vec();
        while client.told.len() < 7 * round {
            world.step();
            client.step(dice);
        }
        if sum(&world.shared.metrics, Counter::TlsKernel) == 1 {
            return client;
        }
    }
    panic!("seed {}: the kernel does not take it", world.seed);
}

/// Turns until the server has let a client go.
fn finish(world: &mut World, client: &mut Client, dice: &mut Dice) {
    for _ in 0..100_000 {
        if client.wire.borrow().gone {
            return;
        }
        world.step();
        client.step(dice);
    }
    panic!("seed {}: it is not let go", world.seed);
}

#[test]
fn the_end_is_said_and_new_keys_are_an_end_where_the_kernel_has_the_records() {
    let identity = Identity::new("kernel-ends");
    over_seeds(20, |seed| {
        let mut world = World::new(seed, &[]);
        identity.furnish(&world);
        world.give_kernel_tls();
        let mut dice = Dice(seed ^ 0x7f);
        let mut quits = handed_over(&mut world, &identity, &mut dice);
        quits.script = b"QUIT\r\n".to_vec();
        finish(&mut world, &mut quits, &mut dice);
        (0..100).for_each(|_| quits.step(&mut dice));
        assert!(quits.told.ends_with(b"+PONG\r\n+OK\r\n"));
        assert_eq!(quits.tls.reader().read(&mut [0]).unwrap(), 0, "seed {seed}: the end was said");
        let mut renews = handed_over(&mut world, &identity, &mut dice);
        renews.tls.refresh_traffic_keys().unwrap();
        renews.script = b"PING\r\n".to_vec();
        finish(&mut world, &mut renews, &mut dice);
        assert_eq!(sum(&world.shared.metrics, Counter::TlsRecordErrors), 1);
        world.finish();
        world.assert_nothing_is_held();
    });
}

#[test]
fn who_is_slow_with_a_handshake_is_closed_and_nobody_else() {
    let identity = Identity::new("slow");
    over_seeds(5, |seed| {
        let mut world = World::new(seed, &[]);
        identity.furnish(&world);
        let mut dice = Dice(seed ^ 0x51);
        let mut patient = Client::connect(&mut world, &identity, false, Script::new(0));
        let silent = world.dial(Door(DOOR_RESP.0 | DOOR_TLS_BIT));
        let dripping = world.dial(Door(DOOR_MEMCACHE.0 | DOOR_TLS_BIT));
        dripping.borrow_mut().up.extend([22, 3, 1, 2, 0, 1]);
        while patient.tls.is_handshaking() {
            world.step();
            patient.step(&mut dice);
        }
        world.pass(TLS_HANDSHAKE_MS / 2 * 1000);
        dripping.borrow_mut().up.push_back(0);
        (0..500).for_each(|_| world.step());
        assert!(!silent.borrow().gone && !dripping.borrow().gone);
        world.pass(TLS_HANDSHAKE_MS * 1000);
        for _ in 0..10_000 {
            world.step();
            if silent.borrow().gone && dripping.borrow().gone {
                break;
            }
        }
        assert!(silent.borrow().gone && dripping.borrow().gone, "seed {seed}");
        patient.script = b"PING\r\n".to_vec();
        while patient.told.len() < 7 {
            world.step();
            patient.step(&mut dice);
        }
        assert_eq!(patient.told, b"+PONG\r\n");
    });
}
