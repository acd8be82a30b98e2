//! What is wrong with a memcached request; the connection goes on after each of these.

/// A request that is not well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// No such command, or not with so many words.
    Unknown,
    /// A key is too long, or a number is none.
    BadFormat,
    /// `delete` takes no time any more.
    DeleteUsage,
    /// An expiry time is no number.
    InvalidExptime,
    /// What to add or subtract is no number.
    InvalidDelta,
    /// The data block does not end where its length says.
    BadDataChunk,
    /// A stranger has sent something else than name and password.
    Unauthenticated,
    /// What a stranger calls name and password is longer than they can be.
    CredentialsTooLong,
    /// The same does not end where its length says.
    BadCredentialsEnd,
    /// The same is not two words.
    BadCredentials,
}

impl LineError {
    /// The reply, without the line end.
    pub fn message(self) -> &'static str {
        match self {
            Self::Unknown => "ERROR",
            Self::BadFormat => "CLIENT_ERROR bad command line format",
            Self::DeleteUsage => "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]",
            Self::InvalidExptime => "CLIENT_ERROR invalid exptime argument",
            Self::InvalidDelta => "CLIENT_ERROR invalid numeric delta argument",
            Self::BadDataChunk => "CLIENT_ERROR bad data chunk",
            Self::Unauthenticated => "CLIENT_ERROR unauthenticated",
            Self::CredentialsTooLong => "CLIENT_ERROR auth token too long",
            Self::BadCredentialsEnd => "CLIENT_ERROR bad command line termination",
            Self::BadCredentials => "CLIENT_ERROR bad authentication token format",
        }
    }
}

/// Reply to [`Parsed::TooLarge`](super::Parsed::TooLarge), without the line end.
pub const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";

/// Reply to [`Parsed::LineTooLong`](super::Parsed::LineTooLong) before the connection is closed. memcached
/// itself closes without a word.
pub const LINE_TOO_LONG: &str = "CLIENT_ERROR line too long";
