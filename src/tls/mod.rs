//! TLS: what the certificate files mean, and the records of one connection.
//!
//! Owns everything that rustls is asked for. It touches no socket: bytes go in and come out, as with the other protocols.
//! It does read the certificate files, at start and when an operator asks for it, and it draws entropy and looks at the
//! time of day, through rustls, for handshakes.
//!
//! The cryptography is ring's: it needs a C compiler only and builds in half a minute, where aws-lc-rs wants CMake and
//! several; with records of some hundred bytes to 16 KiB the two are within a few per cent of each other on AES-GCM.
//!
//! Where the kernel can seal and open records itself, it is given the keys once the handshake is over, and nothing here is
//! left of the connection; a record that holds no data is shown to [`control`] then.
//!
//! | file | has |
//! |---|---|
//! | `files` | from parameters and files to a configuration, or to the line that says what is wrong |
//! | `names` | OpenSSL's names of ciphers and protocols, which configuration files use |
//! | `stream` | handshake and records of one connection |
//! | `credentials` | the configuration in use, which a reload replaces |

mod credentials;
mod files;
mod names;
mod stream;
#[cfg(test)]
mod tests;

pub use credentials::Credentials;
pub use files::{Config, SETTINGS, is_wanted, load};
pub use stream::{Fault, GOODBYE, Opened, Stream, control};

/// What a TLS client is told that cannot be served, before there is a session: the record of a fatal alert, internal
/// error. On a port without TLS it tells one who says hello that nobody will answer.
pub const ALERT_INTERNAL_ERROR: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// The first byte of every TLS connection: a record of the handshake. No protocol here begins with it.
pub const HANDSHAKE_BYTE: u8 = 22;
