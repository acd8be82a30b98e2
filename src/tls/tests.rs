use super::{Config, Credentials, Opened, Stream, load};
use crate::parameters::Parameters;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// 2026-11-25.
const NOW_SECS: u64 = 1_795_600_000;

/// An authority, and files of what it has signed, gone with the value.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let directory = std::env::temp_dir().join(format!("larder-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { issuer, directory };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().into()
    }

    /// A certificate for `localhost` that ends to be valid in that year, and its key.
    fn issue(&self, until: i32) -> (String, String, CertificateDer<'static>, KeyPair) {
        let mut parameters = CertificateParams::new(vec!["localhost".into()]).unwrap();
        (parameters.not_before, parameters.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().unwrap();
        let issuer: &Issuer<'_, _> = &self.issuer;
        let certificate = parameters.signed_by(&key, issuer).unwrap();
        (certificate.pem(), key.serialize_pem(), certificate.der().clone(), key)
    }

    /// Parameters that name a good certificate, and these.
    fn parameters(&self, more: &[(&str, &str)]) -> Parameters {
        let (certificate, key, ..) = self.issue(2090);
        let (certificate, key) = (self.write("server.pem", &certificate), self.write("server.key", &key));
        let parameters = Parameters::default();
        let own = [("tls-port", "1"), ("tls-auth-clients", "no")];
        let files = [("tls-cert-file", certificate.as_str()), ("tls-key-file", &key)];
        for (name, value) in own.iter().chain(&files).chain(more) {
            parameters.set_at_start(name, value.as_bytes()).unwrap();
        }
        parameters
    }

    /// Why these parameters are refused.
    fn refusal(&self, more: &[(&str, &str)]) -> String {
        load(&self.parameters(more), NOW_SECS).err().expect("refused")
    }

    fn client(&self, version: &'static SupportedProtocolVersion, shows: bool) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = if shows {
            let (.., certificate, key) = self.issue(2090);
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A client and the server's end of its connection; `step` bytes travel at a time.
struct Pair {
    client: ClientConnection,
    server: Stream,
    /// What the server has been told, and how far.
    heard: Vec<u8>,
    opened: Opened,
    fault: Option<String>,
    step: usize,
}

impl Pair {
    fn new(client: ClientConnection, config: &Config, step: usize) -> Pair {
        let server = Stream::new(config).unwrap();
        Pair { client, server, heard: Vec::new(), opened: Opened::On, fault: None, step }
    }

    /// Moves bytes both ways until none is left. Returns what the client was told.
    fn exchange(&mut self) -> Vec<u8> {
        let (mut told, mut scratch) = (Vec::new(), Vec::new());
        loop {
            let mut up = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut up).unwrap();
            }
            let down = std::mem::take(&mut self.server.wire);
            if up.is_empty() && down.is_empty() {
                return told;
            }
            for part in up.chunks(self.step) {
                match self.server.open(part, &mut self.heard, &mut scratch) {
                    Ok(opened) => self.opened = opened,
                    Err(fault) => self.fault = Some(fault.to_string()),
                }
            }
            for mut part in down.chunks(self.step) {
                while !part.is_empty() && self.client.read_tls(&mut part).unwrap() > 0 {
                    if self.client.process_new_packets().is_err() {
                        return told;
                    }
                    let _ = self.client.reader().read_to_end(&mut told);
                }
            }
        }
    }
}

#[test]
fn replies_and_requests_pass_whole_and_byte_by_byte() {
    let authority = Authority::new("pass");
    for version in [&TLS12, &TLS13] {
        let config = load(&authority.parameters(&[]), NOW_SECS).unwrap();
        for step in [1, 7, 1 << 20] {
            let mut pair = Pair::new(authority.client(version, false), &config, step);
            let request: Vec<u8> = (0..70_000u32).map(|n| n as u8).collect();
            pair.exchange();
            assert!(!pair.server.is_handshaking(), "{:?}", pair.fault);
            pair.client.writer().write_all(&request[..40_000]).unwrap();
            pair.exchange();
            pair.client.writer().write_all(&request[40_000..]).unwrap();
            pair.exchange();
            assert!(pair.heard == request && pair.server.raw_capacity() == 0);
            let parts = [&request[..5], &request[5..60_000], &request[60_000..]];
            let mut sealed = 0;
            let mut told = Vec::new();
            while sealed < request.len() {
                let mut skip = sealed;
                let rest = parts.iter().filter_map(|part| {
                    let skipped = skip.min(part.len());
                    skip -= skipped;
                    (skipped < part.len()).then_some(&part[skipped..])
                });
                sealed += pair.server.seal(rest, 16_000).unwrap();
                told.extend(pair.exchange());
            }
            assert!(told == request);
            let words = pair.server.describe();
            assert!(
                words.starts_with(if version == &TLS12 { "TLSv1.2/ECDHE-ECDSA-" } else { "TLSv1.3/TLS_AES" }),
                "{words}"
            );
            pair.client.send_close_notify();
            pair.exchange();
            assert_eq!(pair.opened, Opened::Ended);
            // Half closed: replies still leave, and then the notice.
            pair.server.seal([&b"last"[..]].into_iter(), 100).unwrap();
            pair.server.close();
            assert_eq!(pair.exchange(), b"last");
        }
    }
}

#[test]
fn new_keys_are_followed() {
    let authority = Authority::new("keys");
    let config = load(&authority.parameters(&[]), NOW_SECS).unwrap();
    let mut pair = Pair::new(authority.client(&TLS13, false), &config, 11);
    pair.exchange();
    for round in 0..5u8 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.client.writer().write_all(&[round; 100]).unwrap();
        pair.exchange();
        pair.server.seal([&[round; 50][..]].into_iter(), 1000).unwrap();
        assert_eq!(pair.exchange(), [round; 50]);
    }
    assert_eq!((pair.heard.len(), &pair.fault), (500, &None));
}

#[test]
fn what_is_no_tls_is_answered_with_an_alert() {
    let authority = Authority::new("garbage");
    let config = load(&authority.parameters(&[]), NOW_SECS).unwrap();
    let garbage: [&[u8]; 5] = [
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0],
        &[22, 3, 1, 255, 255, 1],
        &[0; 600],
    ];
    for bytes in garbage {
        for step in [1, 1000] {
            let mut stream = Stream::new(&config).unwrap();
            let (mut plain, mut scratch) = (Vec::new(), Vec::new());
            let mut outcomes = bytes.chunks(step).map(|part| stream.open(part, &mut plain, &mut scratch));
            assert!(outcomes.any(|outcome| outcome.is_err()), "{bytes:?}");
            drop(outcomes);
            assert_eq!((stream.wire[0], stream.wire[5]), (21, 2), "{bytes:?}");
            assert!(plain.is_empty() && stream.is_handshaking());
            assert!(stream.open(b"more", &mut plain, &mut scratch).is_err());
        }
    }
}

/// Whatever comes, at whatever place it is cut: a fault at most. (A panic would end the server.)
#[test]
fn no_bytes_are_more_than_a_fault() {
    let authority = Authority::new("noise");
    let ca = authority.directory.join("ca.pem");
    let asking = [("tls-auth-clients", "optional"), ("tls-ca-cert-file", ca.to_str().unwrap())];
    let config = load(&authority.parameters(&asking), NOW_SECS).unwrap();
    let (mut faults, mut ends) = (0, 0);
    for seed in 0..300u64 {
        let mut dice = seed;
        let mut below = |n: usize| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) as usize % n
        };
        let version = [&TLS12, &TLS13][below(2)];
        let mut client = authority.client(version, below(2) == 0);
        let mut server = Stream::new(&config).unwrap();
        let (mut plain, mut scratch, mut damage) = (Vec::new(), Vec::new(), below(6000));
        for _ in 0..12 {
            let mut up = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut up).unwrap();
            }
            if !client.is_handshaking() {
                let _ = client.refresh_traffic_keys();
                let _ = client.writer().write_all(&[7; 300]);
                if below(6) == 0 {
                    client.send_close_notify();
                }
            }
            if damage < up.len() {
                match below(3) {
                    0 => up[damage] ^= 1 << below(8),
                    1 => up.truncate(damage),
                    _ => up.insert(damage, 0),
                }
                damage = usize::MAX;
            }
            damage = damage.saturating_sub(up.len());
            let mut at = 0;
            while at < up.len() {
                let part = (1 + below(500)).min(up.len() - at);
                match server.open(&up[at..at + part], &mut plain, &mut scratch) {
                    Ok(Opened::On) => {}
                    Ok(Opened::Ended) => ends += 1,
                    Err(_) => faults += 1,
                }
                at += part;
                if !server.is_handshaking() && below(3) == 0 {
                    let _ = server.seal([&[1; 100][..], &[2; 20_000]].into_iter(), 1 + below(30_000));
                }
            }
            if below(10) == 0 {
                server.close();
            }
            let mut down = &std::mem::take(&mut server.wire)[..];
            while !down.is_empty() && client.read_tls(&mut down).is_ok_and(|bytes| bytes > 0) {
                if client.process_new_packets().is_err() {
                    break;
                }
                let _ = client.reader().read_to_end(&mut Vec::new());
            }
        }
    }
    assert!(faults > 50 && ends > 50, "{faults} faults, {ends} ends");
}

#[test]
fn damaged_records_end_a_session() {
    let authority = Authority::new("damage");
    let config = load(&authority.parameters(&[]), NOW_SECS).unwrap();
    let mut pair = Pair::new(authority.client(&TLS13, false), &config, 1000);
    pair.exchange();
    pair.client.writer().write_all(b"get key\r\n").unwrap();
    let mut record = Vec::new();
    pair.client.write_tls(&mut record).unwrap();
    *record.last_mut().unwrap() ^= 1;
    let (mut plain, mut scratch) = (Vec::new(), Vec::new());
    assert!(pair.server.open(&record, &mut plain, &mut scratch).is_err());
    assert!(plain.is_empty() && !pair.server.wire.is_empty());
    assert!(pair.server.seal([&b"reply"[..]].into_iter(), 10).is_err());
}

#[test]
fn certificates_of_clients_are_asked_for_as_the_parameter_says() {
    let (authority, stranger) = (Authority::new("clients"), Authority::new("stranger"));
    let ca = authority.directory.join("ca.pem");
    let directory = authority.directory.join("authorities");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::copy(&ca, directory.join("0.pem")).unwrap();
    std::fs::write(directory.join("README"), "nothing").unwrap();
    let (file, directory) =
        (("tls-ca-cert-file", ca.to_str().unwrap()), ("tls-ca-cert-dir", directory.to_str().unwrap()));
    for authorities in [file, directory] {
        for (asks, shows, served) in [
            ("yes", true, true),
            ("yes", false, false),
            ("optional", false, true),
            ("optional", true, true),
            ("no", true, true),
        ] {
            let config =
                load(&authority.parameters(&[authorities, ("tls-auth-clients", asks)]), NOW_SECS).unwrap();
            let mut pair = Pair::new(authority.client(&TLS13, shows), &config, 1000);
            pair.exchange();
            assert_eq!(
                pair.fault.is_none() && !pair.server.is_handshaking(),
                served,
                "{asks} {shows}: {:?}",
                pair.fault
            );
            let shown = served && shows && asks != "no";
            assert_eq!(pair.server.describe().ends_with("+certificate"), shown);
        }
    }
    let config = load(&authority.parameters(&[file, ("tls-auth-clients", "yes")]), NOW_SECS).unwrap();
    let (.., certificate, key) = stranger.issue(2090);
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let client = ClientConnection::new(Arc::new(client), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut pair = Pair::new(client, &config, 1000);
    pair.exchange();
    assert!(pair.fault.is_some(), "a stranger's certificate");
}

#[test]
fn sessions_are_taken_up_by_ticket_unless_that_is_switched_off() {
    let authority = Authority::new("tickets");
    for (caching, version, resumed) in
        [("yes", &TLS13, true), ("no", &TLS13, false), ("yes", &TLS12, true), ("no", &TLS12, false)]
    {
        let config = load(&authority.parameters(&[("tls-session-caching", caching)]), NOW_SECS).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.issuer.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Arc::new(client);
        let mut last = false;
        for _ in 0..2 {
            let name = ServerName::try_from("localhost").unwrap();
            let mut pair = Pair::new(ClientConnection::new(client.clone(), name).unwrap(), &config, 1000);
            pair.exchange();
            assert!(!pair.server.is_handshaking());
            last = pair.server.is_resumed();
        }
        assert_eq!(last, resumed, "{caching} {version:?}");
    }
}

#[test]
fn versions_and_ciphers_are_those_of_the_parameters() {
    let authority = Authority::new("versions");
    let only = |name, value| load(&authority.parameters(&[(name, value)]), NOW_SECS).unwrap();
    let config = only("tls-protocols", "TLSv1.3");
    let mut pair = Pair::new(authority.client(&TLS12, false), &config, 1000);
    pair.exchange();
    assert!(pair.fault.is_some());
    let config = only("tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256");
    let mut pair = Pair::new(authority.client(&TLS13, false), &config, 1000);
    pair.exchange();
    assert_eq!(pair.server.describe(), "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256");
    assert!(authority.refusal(&[("tls-protocols", "TLSv1")]).starts_with("--tls-protocols: 'TLSv1'"));
    assert!(authority.refusal(&[("tls-ciphers", "RC4-MD5")]).starts_with("--tls-ciphers: "));
}

/// Each with the path of the file that is at fault.
#[test]
fn files_that_are_no_good_are_refused_with_their_path() {
    let authority = Authority::new("refused");
    let (good, key, ..) = authority.issue(2090);
    let (expired, expired_key, ..) = authority.issue(2021);
    let (_, other_key, ..) = authority.issue(2090);
    let half = &good[..good.len() / 2];
    let flipped = good.replacen("MII", "MIJ", 1);
    let file = |name: &str, text: &str| authority.write(name, text);
    let certificate_faults = [
        (file("half.pem", half), "it ends in the middle"),
        (file("empty.pem", ""), "there is none in it"),
        (file("flipped.pem", &flipped), "no certificate"),
        (file("key-only.pem", &key), "there is none in it"),
        (file("expired.pem", &expired), "it expired"),
        (file("chain.pem", &format!("{good}{expired}")), "certificate 2: it expired"),
        ("/no/such/file".into(), "No such file"),
        (file("long.pem", &"x".repeat(2 << 20)), "longer than"),
    ];
    for (path, words) in &certificate_faults {
        let line = authority.refusal(&[("tls-cert-file", path)]);
        assert!(line.starts_with(&format!("--tls-cert-file {path}: ")) && line.contains(words), "{line}");
    }
    let future = load(&authority.parameters(&[]), 1_000_000_000).err().unwrap();
    assert!(future.contains("not valid before"), "{future}");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let key_faults = [
        (file("other.key", &other_key), "not that of the certificate"),
        (file("expired.key", &expired_key), "not that of the certificate"),
        (file("half.key", &key[..key.len() / 2]), "it ends in the middle"),
        (file("encrypted.key", encrypted), "is encrypted"),
        (file("certificate.key", &good), "there is none in it"),
        ("/no/such/key".into(), "No such file"),
    ];
    for (path, words) in &key_faults {
        let line = authority.refusal(&[("tls-key-file", path)]);
        assert!(line.starts_with(&format!("--tls-key-file {path}: ")) && line.contains(words), "{line}");
    }
    let line = authority.refusal(&[("tls-auth-clients", "yes")]);
    assert!(line.contains("--tls-ca-cert-file or --tls-ca-cert-dir"), "{line}");
    let path = file("half-ca.pem", half);
    let line = authority.refusal(&[("tls-auth-clients", "yes"), ("tls-ca-cert-file", &path)]);
    assert!(line.starts_with(&format!("--tls-ca-cert-file {path}: ")), "{line}");
    let both = file("both.pem", &format!("{good}{key}"));
    assert!(load(&authority.parameters(&[("tls-cert-file", &both), ("tls-key-file", "")]), NOW_SECS).is_ok());
}

#[test]
fn a_certificate_tells_how_long_it_is_valid() {
    let authority = Authority::new("validity");
    let config = load(&authority.parameters(&[]), NOW_SECS).unwrap();
    let day = |year: i32| date_time_ymd(year, 1, 1).unix_timestamp() as u64;
    assert_eq!(config.validity, (day(2020), day(2090)));
    let credentials = Credentials::default();
    assert!(credentials.get().is_none());
    credentials.set(config);
    assert_eq!(credentials.get().unwrap().read_secs, NOW_SECS);
}
