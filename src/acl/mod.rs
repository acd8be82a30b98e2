//! Access control lists: users, what each of them may do, and how that is written.
//!
//! Owns the language of rules (`+get -@dangerous ~cache:* &news`), users with their passwords, the set of all users
//! with its versions, the log of refusals, and the text of an ACL file. It knows commands by number only: which
//! words name them, and which categories they are in, is a [`Vocabulary`] that the command table makes. It reads no
//! file and knows no client.
//!
//! A user is never changed: a change makes another one and puts it into another set. So a core keeps the user of
//! each of its clients at hand and asks it without a lock; that there is a newer set is seen by one number
//! ([`Registry::version`]).

mod file;
pub mod log;
pub mod password;
mod registry;
mod rule;
mod selector;
mod user;
mod users;
mod vocabulary;

pub use file::parse as parse_file;
pub use registry::Registry;
pub use rule::{Rejected, RuleError};
pub use selector::{Selector, need};
pub use user::User;
pub use users::{Unchanged, Users};
pub use vocabulary::{Vocabulary, Word};

/// The user that a client is before it says who it is.
pub const DEFAULT: &[u8] = b"default";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The command.
    Command,
    /// The key that is this argument.
    Key(usize),
    /// The channel that is this argument.
    Channel(usize),
}

impl Denied {
    /// Of several refusals the one that is told: the one that came furthest.
    pub fn rank(self) -> (u8, usize) {
        match self {
            Denied::Command => (0, 0),
            Denied::Key(at) => (1, at),
            Denied::Channel(at) => (2, at),
        }
    }
}
