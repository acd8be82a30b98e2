//! OpenSSL's names of ciphers and protocols.

use crate::secrets::Cipher;
use rustls::crypto::ring::ALL_CIPHER_SUITES;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

/// A cipher suite, its name in OpenSSL's lists, and that of the registry.
struct Named(CipherSuite, &'static str, &'static str);

/// All suites that there are here, best first.
const SUITES: &[Named] = &[
    Named(CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    Named(CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    Named(
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    Named(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ),
    Named(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    Named(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    Named(
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ),
    Named(
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    Named(
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

/// OpenSSL's words for groups of ciphers that contain all of those here.
const WHOLE: &[&str] = &["DEFAULT", "ALL", "HIGH", "SECURE", "ECDHE", "EECDH", "AEAD"];

/// OpenSSL's name of a suite.
pub(super) fn name_of(suite: CipherSuite) -> &'static str {
    SUITES.iter().find(|named| named.0 == suite).map_or("unknown", |named| named.1)
}

/// The cipher of a suite.
pub(super) fn cipher_of(suite: CipherSuite) -> Option<Cipher> {
    // All that there are here are authenticated ones, of three kinds.
    let name = name_of(suite);
    let kinds = [
        ("CHACHA20", Cipher::Chacha20Poly1305),
        ("AES_128", Cipher::Aes128Gcm),
        ("AES128", Cipher::Aes128Gcm),
        ("AES_256", Cipher::Aes256Gcm),
        ("AES256", Cipher::Aes256Gcm),
    ];
    kinds.iter().find(|(part, _)| name.contains(part)).map(|(_, cipher)| *cipher)
}

/// The name of a version as OpenSSL shows it.
pub(super) fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => "unknown",
    }
}

/// The suites of one version that a list in OpenSSL's form names, in its order; all where it names none. As there, words
/// that mean nothing here are passed over, and a list of which nothing is left is refused.
pub(super) fn suites(
    list: &str,
    version: &SupportedProtocolVersion,
) -> Result<Vec<SupportedCipherSuite>, String> {
    let of_version = |named: &Named| {
        ALL_CIPHER_SUITES.iter().find(|suite| suite.suite() == named.0 && suite.version() == version).copied()
    };
    let all: Vec<SupportedCipherSuite> = SUITES.iter().filter_map(of_version).collect();
    let words = || list.split([':', ',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    if words().next().is_none() {
        return Ok(all);
    }
    let mut chosen: Vec<SupportedCipherSuite> = Vec::new();
    for word in words() {
        let (out, name) = match word.strip_prefix(['!', '-']) {
            Some(name) => (true, name),
            None => (false, word.trim_start_matches('+')),
        };
        let is_named = |suite: &SupportedCipherSuite| {
            SUITES.iter().any(|named| {
                named.0 == suite.suite()
                    && (named.1.eq_ignore_ascii_case(name) || named.2.eq_ignore_ascii_case(name))
            })
        };
        let whole = WHOLE.iter().any(|group| name.eq_ignore_ascii_case(group));
        if out {
            chosen.retain(|suite| !whole && !is_named(suite));
            continue;
        }
        for suite in all.iter().filter(|suite| whole || is_named(suite)) {
            if !chosen.contains(suite) {
                chosen.push(*suite);
            }
        }
    }
    if chosen.is_empty() { Err(format!("'{list}' names no cipher that there is here")) } else { Ok(chosen) }
}

/// The versions that a list names, in any order; both where it is empty.
pub(super) fn protocols(list: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut chosen: Vec<&'static SupportedProtocolVersion> = Vec::new();
    for word in list.split([' ', ',', ':']).filter(|word| !word.is_empty()) {
        chosen.push(match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => &TLS12,
            "tlsv1.3" => &TLS13,
            _ => return Err(format!("'{word}' is not one of TLSv1.2, TLSv1.3")),
        });
    }
    Ok(if chosen.is_empty() { vec![&TLS12, &TLS13] } else { chosen })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(list: &str, version: &SupportedProtocolVersion) -> Vec<&'static str> {
        suites(list, version).unwrap().iter().map(|suite| name_of(suite.suite())).collect()
    }

    #[test]
    fn every_suite_has_its_names() {
        assert_eq!(SUITES.len(), ALL_CIPHER_SUITES.len());
        assert_eq!(named("", &TLS13).len() + named("DEFAULT", &TLS12).len(), SUITES.len());
        assert!(ALL_CIPHER_SUITES.iter().all(|suite| name_of(suite.suite()) != "unknown"));
        assert!(ALL_CIPHER_SUITES.iter().all(|suite| cipher_of(suite.suite()).is_some()));
        assert_eq!(cipher_of(CipherSuite::TLS13_AES_128_GCM_SHA256), Some(Cipher::Aes128Gcm));
    }

    #[test]
    fn lists_are_read_as_openssl_reads_them() {
        let list = "AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256:ecdhe-ecdsa-aes256-gcm-sha384";
        assert_eq!(named(list, &TLS12), ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]);
        assert_eq!(named("DEFAULT:!MEDIUM", &TLS12).len(), 6);
        assert_eq!(named("HIGH:!ECDHE-RSA-CHACHA20-POLY1305:!aNULL", &TLS12).len(), 5);
        assert_eq!(named("TLS_AES_128_GCM_SHA256", &TLS13), ["TLS_AES_128_GCM_SHA256"]);
        assert!(suites("AES256-SHA", &TLS12).unwrap_err().contains("AES256-SHA"));
    }

    #[test]
    fn protocols_that_are_gone_are_refused() {
        assert_eq!(protocols("").unwrap().len(), 2);
        assert_eq!(protocols("TLSv1.3").unwrap(), [&TLS13]);
        assert_eq!(protocols("TLSv1.2 tlsv1.3").unwrap().len(), 2);
        assert!(protocols("TLSv1.2 TLSv1.1").unwrap_err().contains("TLSv1.1"));
    }
}
