//! What a packet asks for.

/// A command of the binary protocol, whatever its flavour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A value.
    Get,
    /// Stores a value; with a cas unique only if the item still has that.
    Set,
    /// As `Set`, if the key is absent.
    Add,
    /// As `Set`, if the key is present.
    Replace,
    /// Removes a key.
    Delete,
    /// Adds to a number, or stores a first one.
    Increment,
    /// Subtracts from a number, or stores a first one.
    Decrement,
    /// Ends the connection.
    Quit,
    /// Removes all keys, now or later.
    Flush,
    /// Does nothing; its reply says that all before it is done.
    Noop,
    /// The server's version.
    Version,
    /// Adds to the end of a value.
    Append,
    /// Adds to the start of a value.
    Prepend,
    /// Statistics.
    Stat,
    /// Sets when a key dies.
    Touch,
    /// `Touch`, and the value.
    GetAndTouch,
    /// The ways to authenticate.
    SaslList,
    /// Authenticates.
    SaslAuth,
    /// Goes on with authenticating.
    SaslStep,
    /// Nothing that memcached serves: range operations, vbuckets, and the numbers that have no meaning.
    Unknown,
}

/// An opcode taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode {
    /// The command.
    pub op: Op,
    /// Only what is worth a word is answered: a hit of those that read, an error of the others.
    pub quiet: bool,
    /// The reply repeats the key.
    pub with_key: bool,
}

impl Opcode {
    /// The meaning of an opcode's byte.
    pub const fn of(byte: u8) -> Opcode {
        let (op, quiet, with_key) = match byte {
            0x00 => (Op::Get, false, false),
            0x01 => (Op::Set, false, false),
            0x02 => (Op::Add, false, false),
            0x03 => (Op::Replace, false, false),
            0x04 => (Op::Delete, false, false),
            0x05 => (Op::Increment, false, false),
            0x06 => (Op::Decrement, false, false),
            0x07 => (Op::Quit, false, false),
            0x08 => (Op::Flush, false, false),
            0x09 => (Op::Get, true, false),
            0x0a => (Op::Noop, false, false),
            0x0b => (Op::Version, false, false),
            0x0c => (Op::Get, false, true),
            0x0d => (Op::Get, true, true),
            0x0e => (Op::Append, false, false),
            0x0f => (Op::Prepend, false, false),
            0x10 => (Op::Stat, false, false),
            0x11 => (Op::Set, true, false),
            0x12 => (Op::Add, true, false),
            0x13 => (Op::Replace, true, false),
            0x14 => (Op::Delete, true, false),
            0x15 => (Op::Increment, true, false),
            0x16 => (Op::Decrement, true, false),
            0x17 => (Op::Quit, true, false),
            0x18 => (Op::Flush, true, false),
            0x19 => (Op::Append, true, false),
            0x1a => (Op::Prepend, true, false),
            0x1c => (Op::Touch, false, false),
            0x1d => (Op::GetAndTouch, false, false),
            0x1e => (Op::GetAndTouch, true, false),
            0x20 => (Op::SaslList, false, false),
            0x21 => (Op::SaslAuth, false, false),
            0x22 => (Op::SaslStep, false, false),
            0x23 => (Op::GetAndTouch, false, true),
            0x24 => (Op::GetAndTouch, true, true),
            _ => (Op::Unknown, false, false),
        };
        Opcode { op, quiet, with_key }
    }
}

impl Op {
    /// What the command is called where packets are shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Op::Get => "get",
            Op::Set => "set",
            Op::Add => "add",
            Op::Replace => "replace",
            Op::Delete => "delete",
            Op::Increment => "increment",
            Op::Decrement => "decrement",
            Op::Quit => "quit",
            Op::Flush => "flush",
            Op::Noop => "noop",
            Op::Version => "version",
            Op::Append => "append",
            Op::Prepend => "prepend",
            Op::Stat => "stat",
            Op::Touch => "touch",
            Op::GetAndTouch => "gat",
            Op::SaslList => "sasl_list",
            Op::SaslAuth => "sasl_auth",
            Op::SaslStep => "sasl_step",
            Op::Unknown => "unknown",
        }
    }

    /// Strangers may ask for it.
    pub fn is_for_strangers(self) -> bool {
        matches!(self, Op::SaslList | Op::SaslAuth | Op::SaslStep | Op::Version)
    }

    /// Whether a packet of these lengths can be this command. `Unknown` has no form.
    pub(super) fn fits(self, extras: usize, key: usize, value: u64) -> bool {
        match self {
            Op::Get | Op::Delete => extras == 0 && key > 0 && value == 0,
            Op::Set | Op::Add | Op::Replace => extras == 8 && key > 0,
            Op::Increment | Op::Decrement => extras == 20 && key > 0 && value == 0,
            Op::Append | Op::Prepend | Op::SaslAuth | Op::SaslStep => extras == 0 && key > 0,
            Op::Touch | Op::GetAndTouch => extras == 4 && key > 0 && value == 0,
            Op::Noop | Op::Version | Op::Quit | Op::SaslList => extras == 0 && key == 0 && value == 0,
            Op::Flush => matches!(extras, 0 | 4) && key == 0 && value == 0,
            Op::Stat => extras == 0 && value == 0,
            Op::Unknown => true,
        }
    }
}
