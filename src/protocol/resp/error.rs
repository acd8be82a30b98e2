//! Why a Redis client's input cannot be understood.

use std::borrow::Cow;

/// A violation of the protocol after which the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// `*` is followed by something that is no count, or by a count beyond `args_max`.
    MultibulkLength,
    /// `*` is followed by 64 KiB without a line end.
    MultibulkCountTooLong,
    /// More arguments than a client may send before it has authenticated.
    UnauthenticatedMultibulk,
    /// A bulk string begins with this byte.
    ExpectedDollar(u8),
    /// `$` is followed by something that is no length, or by a length beyond `bulk_bytes_max`.
    BulkLength,
    /// `$` is followed by 64 KiB without a line end.
    BulkCountTooLong,
    /// A longer argument than a client may send before it has authenticated.
    UnauthenticatedBulk,
    /// An inline command of more than 64 KiB.
    InlineTooLong,
    /// An inline command whose quotes do not close, or close within a word.
    UnbalancedQuotes,
    /// A request beyond `request_bytes_max`.
    RequestTooLong,
}

impl ProtocolError {
    /// The reply, with its code, for [`Reply::error_bytes`](crate::protocol::Reply::error_bytes).
    pub fn message(self) -> Cow<'static, [u8]> {
        let text: &[u8] = match self {
            Self::MultibulkLength => b"ERR Protocol error: invalid multibulk length",
            Self::MultibulkCountTooLong => b"ERR Protocol error: too big mbulk count string",
            Self::UnauthenticatedMultibulk => b"ERR Protocol error: unauthenticated multibulk length",
            Self::ExpectedDollar(byte) => {
                let mut text = b"ERR Protocol error: expected '$', got '".to_vec();
                text.extend_from_slice(&[byte, b'\'']);
                return Cow::Owned(text);
            }
            Self::BulkLength => b"ERR Protocol error: invalid bulk length",
            Self::BulkCountTooLong => b"ERR Protocol error: too big bulk count string",
            Self::UnauthenticatedBulk => b"ERR Protocol error: unauthenticated bulk length",
            Self::InlineTooLong => b"ERR Protocol error: too big inline request",
            Self::UnbalancedQuotes => b"ERR Protocol error: unbalanced quotes in request",
            Self::RequestTooLong => b"ERR Protocol error: too big request",
        };
        Cow::Borrowed(text)
    }
}
