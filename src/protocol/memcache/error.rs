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
    /// A meta command with more words than are looked at.
    TooManyFlags,
    /// A flag that was given before, or a byte that can be none.
    DuplicateFlag,
    /// A letter that is no flag.
    InvalidFlag,
    /// A flag whose token is no number.
    BadToken,
    /// The key is to be base64 and is not.
    BadKeyEncoding,
    /// An initial value that is no number.
    InvalidInitial,
    /// What a meta command is to add is no number.
    InvalidMetaDelta,
    /// An opaque token beyond what is given back.
    OpaqueTooLong,
    /// `ms` in no mode that there is.
    InvalidSetMode,
    /// `ma` in no mode that there is.
    InvalidArithmeticMode,
    /// What `ma` says of everything that is wrong with its flags.
    InvalidOrDuplicateFlag,
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
            Self::TooManyFlags => "CLIENT_ERROR options flags are too long",
            Self::DuplicateFlag => "CLIENT_ERROR duplicate flag",
            Self::InvalidFlag => "CLIENT_ERROR invalid flag",
            Self::BadToken => "CLIENT_ERROR bad token in command line format",
            Self::BadKeyEncoding => "CLIENT_ERROR error decoding key",
            Self::InvalidInitial => "CLIENT_ERROR invalid numeric initial value",
            Self::InvalidMetaDelta => "CLIENT_ERROR invalid numeric delta value",
            Self::OpaqueTooLong => "CLIENT_ERROR opaque token too long",
            Self::InvalidSetMode => "CLIENT_ERROR invalid mode for ms M token",
            Self::InvalidArithmeticMode => "CLIENT_ERROR invalid mode for ma M token",
            Self::InvalidOrDuplicateFlag => "CLIENT_ERROR invalid or duplicate flag",
        }
    }
}

/// Reply to [`Parsed::TooLarge`](super::Parsed::TooLarge), without the line end.
pub const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";

/// Reply to [`Parsed::LineTooLong`](super::Parsed::LineTooLong) before the connection is closed. memcached
/// itself closes without a word.
pub const LINE_TOO_LONG: &str = "CLIENT_ERROR line too long";
