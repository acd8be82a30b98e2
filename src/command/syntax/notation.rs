//! The notation of usage lines, and its parser. A line is a sequence of
//!
//! - `name`: a value; `name:type` where the name alone does not tell its type,
//! - `TOKEN`: a word that is written as it is; with a value or a `(...)` behind it, it introduces that,
//! - `[...]`: what may be left out,
//! - `(...)`: what belongs together; with `|` in it, alternatives, as in `[...]`,
//! - `name:(...)` and `name:[...]`: the same under a name; else a group is named after its parts,
//! - `...` behind any of these: as often as wanted. Behind a bracket, a token is repeated with its value.

use super::{Argument, Kind};

/// What a line that cannot be read has wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// A bracket without its partner.
    Unbalanced,
    /// Nothing where an argument must be.
    Empty,
    /// A name before brackets around a single argument, which has its own.
    NeedlessName,
    /// A type that does not exist.
    UnknownType,
}

/// Types that a line may name, as `COMMAND DOCS` spells them.
const TYPES: &[(&str, Kind<'static>)] = &[
    ("key", Kind::Key),
    ("string", Kind::String),
    ("integer", Kind::Integer),
    ("double", Kind::Double),
    ("pattern", Kind::Pattern),
    ("unix-time", Kind::UnixTime),
];

/// The arguments of a line.
pub(super) fn parse(line: &str) -> Result<Vec<Argument<'_>>, Malformed> {
    let mut rest = Rest(line);
    let mut arguments = Vec::new();
    while !rest.ends() {
        arguments.push(rest.argument()?);
    }
    Ok(arguments)
}

/// What of a line is not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn ends(&mut self) -> bool {
        self.skip_blanks();
        self.0.is_empty()
    }

    /// Takes `text` if it comes next.
    fn takes(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// A name or a token, up to a bracket, a bar, a blank or dots. The colon of a group's name stays with it.
    fn word(&mut self) -> &'a str {
        let end = self.0.find([' ', '[', ']', '(', ')', '|']).unwrap_or(self.0.len());
        let end = self.0.find("...").map_or(end, |dots| dots.min(end));
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }

    fn argument(&mut self) -> Result<Argument<'a>, Malformed> {
        self.skip_blanks();
        if self.0.starts_with(['[', '(']) {
            return self.group(None);
        }
        let word = self.word();
        if word.is_empty() {
            return Err(if self.0.starts_with([']', ')']) {
                Malformed::Unbalanced
            } else {
                Malformed::Empty
            });
        }
        if !word.starts_with(|first: char| first.is_ascii_lowercase()) {
            return self.token(word);
        }
        if let (Some(name), true) = (word.strip_suffix(':'), self.0.starts_with(['[', '('])) {
            return self.group(Some(name));
        }
        let mut value = value(word)?;
        value.multiple = self.takes("...");
        Ok(value)
    }

    /// What a token introduces, or the token alone.
    fn token(&mut self, token: &'a str) -> Result<Argument<'a>, Malformed> {
        let behind = self.0.trim_start();
        let introduces = behind.starts_with(|first: char| first == '(' || first.is_ascii_lowercase());
        let mut argument = if introduces {
            self.argument()?
        } else {
            Argument::new(token.to_ascii_lowercase(), Kind::PureToken)
        };
        argument.token = Some(token);
        Ok(argument)
    }

    /// A group with its brackets and the dots behind it.
    fn group(&mut self, name: Option<&str>) -> Result<Argument<'a>, Malformed> {
        let optional = self.takes("[");
        if !optional && !self.takes("(") {
            return Err(Malformed::Empty);
        }
        let mut alternatives = self.alternatives()?;
        if !self.takes(if optional { "]" } else { ")" }) {
            return Err(Malformed::Unbalanced);
        }
        let mut argument = if alternatives.len() > 1 {
            Argument::group(name, alternatives.into_iter().map(together).collect(), Kind::OneOf)
        } else {
            let parts = alternatives.pop().unwrap_or_default();
            match (optional, name) {
                (true, None) => together(parts),
                (true, Some(_)) if parts.len() == 1 => return Err(Malformed::NeedlessName),
                _ => Argument::group(name, parts, Kind::Block),
            }
        };
        argument.optional = optional;
        if self.takes("...") {
            argument.multiple = true;
            argument.repeats_token = argument.token.is_some();
        }
        Ok(argument)
    }

    /// Sequences with bars between them, up to a closing bracket.
    fn alternatives(&mut self) -> Result<Vec<Vec<Argument<'a>>>, Malformed> {
        let mut alternatives = Vec::new();
        loop {
            let mut sequence = Vec::new();
            while !(self.ends() || self.0.starts_with(['|', ']', ')'])) {
                sequence.push(self.argument()?);
            }
            if sequence.is_empty() {
                return Err(Malformed::Empty);
            }
            alternatives.push(sequence);
            if !self.takes("|") {
                return Ok(alternatives);
            }
        }
    }
}

/// One argument of those that stand together: itself if it is the only one.
fn together(mut parts: Vec<Argument<'_>>) -> Argument<'_> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Argument::group(None, parts, Kind::Block),
    }
}

/// A value by its name, with its type behind a colon where the name does not tell it. `ip:port` is a name.
fn value(word: &str) -> Result<Argument<'_>, Malformed> {
    let Some((name, kind)) = word.rsplit_once(':') else {
        return Ok(Argument::new(word.to_owned(), usual_kind(word)));
    };
    match TYPES.iter().find(|(word, _)| *word == kind) {
        Some((_, kind)) => Ok(Argument::new(name.to_owned(), kind.clone())),
        None if word == "ip:port" => Ok(Argument::new(word.to_owned(), Kind::String)),
        None => Err(Malformed::UnknownType),
    }
}

/// The type of a value whose line names none.
fn usual_kind(name: &str) -> Kind<'static> {
    match name {
        "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" => Kind::Key,
        "seconds" | "milliseconds" | "timeout" | "count" | "cursor" | "offset" | "start" | "end" | "bit"
        | "increment" | "decrement" | "index" | "index1" | "index2" | "db" | "destination-db"
        | "client-id" | "protover" | "numreplicas" | "version" | "min-length" | "numfields" | "numkeys"
        | "limit" | "stop" | "rank" | "num-matches" | "len" => Kind::Integer,
        "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
        "pattern" => Kind::Pattern,
        _ => Kind::String,
    }
}

impl<'a> Argument<'a> {
    fn new(name: String, kind: Kind<'a>) -> Argument<'a> {
        Argument { name, kind, token: None, optional: false, multiple: false, repeats_token: false }
    }

    fn group(
        name: Option<&str>,
        parts: Vec<Argument<'a>>,
        kind: fn(Vec<Argument<'a>>) -> Kind<'a>,
    ) -> Argument<'a> {
        let joined = || {
            let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
            names.join("_")
        };
        Argument::new(name.map_or_else(joined, str::to_owned), kind(parts))
    }
}
