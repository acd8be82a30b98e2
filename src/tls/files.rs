//! From parameters and files to what connections are served with, or to one line that says what is wrong with which
//! file.

use super::names;
use crate::limits::TLS_FILE_BYTES_MAX;
use crate::parameters::{Name, Parameters};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The parameters that make a configuration: a change to one of them has it made anew.
pub const SETTINGS: &[Name] = &[
    Name::TlsCertFile,
    Name::TlsKeyFile,
    Name::TlsCaCertFile,
    Name::TlsCaCertDir,
    Name::TlsAuthClients,
    Name::TlsProtocols,
    Name::TlsCiphers,
    Name::TlsCiphersuites,
    Name::TlsPreferServerCiphers,
    Name::TlsSessionCaching,
    Name::TlsKernel,
];

/// What connections are served with, and when it was read.
pub struct Config {
    /// For rustls.
    pub server: Arc<ServerConfig>,
    /// When the certificate begins and ends to be valid, Unix seconds.
    pub validity: (u64, u64),
    /// When the files were read, Unix seconds.
    pub read_secs: u64,
    /// The kernel is to seal and open the records of its connections, where it can.
    pub kernel: bool,
}

/// Some port speaks TLS.
pub fn is_wanted(parameters: &Parameters) -> bool {
    [Name::TlsPort, Name::TlsMemcachePort, Name::Tls].iter().any(|name| parameters.number(*name) != 0)
}

/// Reads the files that the parameters name. The error names the parameter and the file.
pub fn load(parameters: &Parameters, unix_secs: u64) -> Result<Config, String> {
    let (certificates, certificate_file) = certificates(parameters, unix_secs)?;
    let validity = validity(&certificates[0]).map_err(|error| format!("{certificate_file}: {error}"))?;
    let mut provider = ring::default_provider();
    let text = |name| String::from_utf8_lossy(&parameters.text(name)).into_owned();
    let versions = names::protocols(&text(Name::TlsProtocols))
        .map_err(|why| format!("--{}: {why}", Name::TlsProtocols.row().text))?;
    provider.cipher_suites.clear();
    // The suites of the newer version first: where the server's order counts, it is theirs.
    for (version, name) in [(&TLS13, Name::TlsCiphersuites), (&TLS12, Name::TlsCiphers)] {
        if versions.contains(&version) {
            let suites = names::suites(&text(name), version);
            provider.cipher_suites.extend(suites.map_err(|why| format!("--{}: {why}", name.row().text))?);
        }
    }
    let key = key(parameters, certificates, &provider, &certificate_file)?;
    let provider = Arc::new(provider);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| format!("TLS: {error}"))?;
    let builder = match clients(parameters, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    server.ignore_client_order = parameters.number(Name::TlsPreferServerCiphers) != 0;
    if parameters.number(Name::TlsSessionCaching) != 0 {
        // Tickets only: the client keeps its session, sealed with a key that goes with this configuration.
        server.ticketer = ring::Ticketer::new().map_err(|error| format!("TLS: {error}"))?;
        server.send_tls13_tickets = 1;
    } else {
        server.send_tls13_tickets = 0;
    }
    server.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    let kernel = parameters.choice(Name::TlsKernel) != "no";
    // Or nobody else is given the keys.
    server.enable_secret_extraction = kernel;
    Ok(Config { server: Arc::new(server), validity, read_secs: unix_secs, kernel })
}

fn path_of(parameters: &Parameters, name: Name) -> Option<PathBuf> {
    let bytes = parameters.text(name);
    (!bytes.is_empty()).then(|| PathBuf::from(OsString::from_vec(bytes)))
}

/// How errors name a file: by its parameter and its path.
fn place(name: Name, path: &Path) -> String {
    format!("--{} {}", name.row().text, path.display())
}

/// A whole file; what is much longer than any certificate chain is none.
fn read(path: &Path, place: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(TLS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("{place}: {error}"))?;
    if bytes.len() as u64 > TLS_FILE_BYTES_MAX {
        return Err(format!("{place}: longer than {TLS_FILE_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

fn pem_fault(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it ends in the middle".into(),
        pem::Error::NoItemsFound => "there is none in it".into(),
        other => other.to_string(),
    }
}

/// The server's certificate and those behind it, all valid now; and how errors name their file.
fn certificates(
    parameters: &Parameters,
    unix_secs: u64,
) -> Result<(Vec<CertificateDer<'static>>, String), String> {
    let name = Name::TlsCertFile;
    let path = path_of(parameters, name)
        .ok_or(format!("TLS needs a certificate: --{} is empty", name.row().text))?;
    let place = place(name, &path);
    let bytes = read(&path, &place)?;
    let chain: Result<Vec<CertificateDer<'static>>, pem::Error> =
        CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| format!("{place}: no certificate: {}", pem_fault(&error)))?;
    if chain.is_empty() {
        return Err(format!("{place}: no certificate: there is none in it"));
    }
    for (number, certificate) in chain.iter().enumerate() {
        let which = if number == 0 { String::new() } else { format!("certificate {}: ", number + 1) };
        let (from, to) = validity(certificate).map_err(|error| format!("{place}: {which}{error}"))?;
        if unix_secs > to {
            return Err(format!("{place}: {which}it expired {} ago", ago(unix_secs - to)));
        }
        if unix_secs < from {
            return Err(format!("{place}: {which}it is not valid before {} from now", ago(from - unix_secs)));
        }
    }
    Ok((chain, place))
}

/// A time in the largest unit that it has one of.
fn ago(secs: u64) -> String {
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let unit = units.iter().find(|(unit, _)| secs >= 2 * unit);
    unit.map_or(format!("{secs} seconds"), |(unit, name)| format!("{} {name}", secs / unit))
}

/// When a certificate begins and ends to be valid, Unix seconds. The verifier is asked at both ends of time, as it says
/// then where its border is.
fn validity(certificate: &CertificateDer<'_>) -> Result<(u64, u64), String> {
    let parsed =
        webpki::EndEntityCert::try_from(certificate).map_err(|error| format!("no certificate: {error:?}"))?;
    let at = |secs| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let usage = webpki::KeyUsage::server_auth();
        parsed.verify_for_usage(&[], &[], &[], time, usage, None, None).err()
    };
    let from = match at(0) {
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => not_before.as_secs(),
        Some(
            error @ (webpki::Error::BadDer | webpki::Error::BadDerTime | webpki::Error::InvalidCertValidity),
        ) => {
            return Err(format!("no certificate: {error:?}"));
        }
        _ => 0,
    };
    match at(u64::MAX) {
        Some(webpki::Error::CertExpired { not_after, .. }) => Ok((from, not_after.as_secs())),
        _ => Ok((from, u64::MAX)),
    }
}

/// The key that belongs to the certificates.
fn key(
    parameters: &Parameters,
    certificates: Vec<CertificateDer<'static>>,
    provider: &CryptoProvider,
    certificate_file: &str,
) -> Result<CertifiedKey, String> {
    // As memcached has it: without a file of its own the key is in that of the certificate.
    let (name, path) = match path_of(parameters, Name::TlsKeyFile) {
        Some(path) => (Name::TlsKeyFile, path),
        None => (Name::TlsCertFile, path_of(parameters, Name::TlsCertFile).unwrap_or_default()),
    };
    let place = place(name, &path);
    let bytes = read(&path, &place)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        if memchr::memmem::find(&bytes, b"ENCRYPTED").is_some() {
            return format!(
                "{place}: the private key is encrypted, and there is nobody to ask for its password"
            );
        }
        format!("{place}: no private key: {}", pem_fault(&error))
    })?;
    CertifiedKey::from_der(certificates, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            format!("{place}: the private key is not that of the certificate ({certificate_file})")
        }
        other => format!("{place}: no private key that there is a use for: {other}"),
    })
}

/// Who verifies the certificates of clients, if they are looked at.
fn clients(
    parameters: &Parameters,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>, String> {
    let asks = parameters.choice(Name::TlsAuthClients);
    if asks == "no" {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    if let Some(path) = path_of(parameters, Name::TlsCaCertFile) {
        let place = place(Name::TlsCaCertFile, &path);
        add_roots(&mut roots, &read(&path, &place)?).map_err(|why| format!("{place}: {why}"))?;
    }
    if let Some(path) = path_of(parameters, Name::TlsCaCertDir) {
        let place = place(Name::TlsCaCertDir, &path);
        let entries = fs::read_dir(&path).map_err(|error| format!("{place}: {error}"))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        // Whatever else lies there is nobody's authority.
        let known = roots.len();
        for file in files.iter().filter(|file| file.is_file()) {
            if let Ok(bytes) = read(file, &place)
                && add_roots(&mut roots, &bytes).is_err()
            {
                log::debug!("{place}: {} holds no certificate of an authority", file.display());
            }
        }
        if roots.len() == known {
            return Err(format!("{place}: no certificate of an authority is in it"));
        }
    }
    if roots.is_empty() {
        return Err(format!(
            "--{} {asks} needs --{} or --{}: the authorities whose certificates clients may show",
            Name::TlsAuthClients.row().text,
            Name::TlsCaCertFile.row().text,
            Name::TlsCaCertDir.row().text,
        ));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = if asks == "optional" { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Some).map_err(|error| format!("TLS: certificates of clients: {error}"))
}

fn add_roots(roots: &mut RootCertStore, bytes: &[u8]) -> Result<(), String> {
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        let certificate = certificate.map_err(|error| format!("no certificate: {}", pem_fault(&error)))?;
        roots.add(certificate).map_err(|error| format!("no certificate of an authority: {error}"))?;
        found += 1;
    }
    if found == 0 { Err("no certificate: there is none in it".into()) } else { Ok(()) }
}
