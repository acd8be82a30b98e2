//! How commands are written: a usage line for each (`lines`) in a compact notation (`notation`), and the tree of
//! arguments that `COMMAND DOCS` makes of it, from which redis-cli takes its hints and its help.
//!
//! It describes to people; no command reads its arguments by it.

mod lines;
mod notation;
#[cfg(test)]
mod usage;

use crate::protocol::Reply;
use lines::LINES;
#[cfg(test)]
pub(crate) use usage::usage;

/// An argument, or several under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument<'a> {
    /// What people call it.
    name: String,
    kind: Kind<'a>,
    /// The word that introduces it.
    token: Option<&'a str>,
    /// May be left out.
    optional: bool,
    /// May come several times.
    multiple: bool,
    /// The token comes again with each.
    repeats_token: bool,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq)]
enum Kind<'a> {
    Key,
    String,
    Integer,
    Double,
    Pattern,
    UnixTime,
    /// A token that has no value.
    PureToken,
    /// One of these.
    OneOf(Vec<Argument<'a>>),
    /// All of these, in this order.
    Block(Vec<Argument<'a>>),
}

impl Kind<'_> {
    /// Redis's word.
    fn name(&self) -> &'static str {
        match self {
            Kind::Key => "key",
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf(_) => "oneof",
            Kind::Block(_) => "block",
        }
    }
}

/// The usage line of a command or subcommand (`client|kill`), without its name.
fn line(name: &str) -> Option<&'static str> {
    LINES.iter().find(|(known, _)| *known == name).map(|(_, line)| *line)
}

/// The arguments of a command or subcommand, none for one that is unknown.
pub fn arguments(name: &str) -> Vec<Argument<'static>> {
    notation::parse(line(name).unwrap_or_default()).expect("every line can be read, as a test shows")
}

/// Writes a list of arguments in the form of `COMMAND DOCS`. `key_specs` is how many specifications of keys
/// `COMMAND INFO` gives for the command: keys belong to them in turn, all that are left to the last.
pub fn write(arguments: &[Argument<'_>], key_specs: usize, reply: &mut Reply<'_>) {
    Writer { key_specs, keys: 0 }.list(arguments, reply);
}

/// Numbers the keys while it writes.
struct Writer {
    key_specs: usize,
    /// Keys written so far.
    keys: usize,
}

impl Writer {
    fn list(&mut self, arguments: &[Argument<'_>], reply: &mut Reply<'_>) {
        reply.array(arguments.len());
        arguments.iter().for_each(|argument| self.argument(argument, reply));
    }

    fn argument(&mut self, argument: &Argument<'_>, reply: &mut Reply<'_>) {
        let flags = argument.flags();
        let spec = self.key_spec(&argument.kind);
        let parts = match &argument.kind {
            Kind::OneOf(parts) | Kind::Block(parts) => Some(parts),
            _ => None,
        };
        let optional_fields = [spec.is_some(), argument.token.is_some(), !flags.is_empty(), parts.is_some()];
        reply.map(2 + optional_fields.into_iter().filter(|present| *present).count());
        reply.bulk(b"name");
        reply.bulk(argument.name.as_bytes());
        reply.bulk(b"type");
        reply.bulk(argument.kind.name().as_bytes());
        if let Some(spec) = spec {
            reply.bulk(b"key_spec_index");
            reply.int(spec as i64);
        }
        if let Some(token) = argument.token {
            reply.bulk(b"token");
            reply.bulk(token.as_bytes());
        }
        if !flags.is_empty() {
            reply.bulk(b"flags");
            reply.set(flags.len());
            flags.iter().for_each(|flag| reply.simple(flag));
        }
        if let Some(parts) = parts {
            reply.bulk(b"arguments");
            self.list(parts, reply);
        }
    }

    /// Which specification of keys an argument belongs to, if it is a key.
    fn key_spec(&mut self, kind: &Kind<'_>) -> Option<usize> {
        let last = self.key_specs.checked_sub(1).filter(|_| *kind == Kind::Key)?;
        self.keys += 1;
        Some(last.min(self.keys - 1))
    }
}

impl Argument<'_> {
    fn flags(&self) -> Vec<&'static str> {
        let flags = [
            (self.optional, "optional"),
            (self.multiple, "multiple"),
            (self.repeats_token, "multiple_token"),
        ];
        flags.into_iter().filter_map(|(set, name)| set.then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests;
