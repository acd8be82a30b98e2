//! A selector: commands with the keys and channels on which they are allowed. Every user has one, and may have more.

use super::rule::{RuleError, has_spaces};
use super::vocabulary::Vocabulary;
use crate::text::glob_matches;

/// What is done to a key, as bits.
pub mod need {
    /// Its value is looked at.
    pub const READ: u8 = 1;
    /// It is changed.
    pub const WRITE: u8 = 2;
}

/// Keys that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    /// Bits of [`need`].
    needs: u8,
    glob: Vec<u8>,
}

/// A selector. Where all commands are allowed and none was taken away, numbers of commands do not matter.
#[derive(Clone, Debug)]
pub struct Selector {
    all_keys: bool,
    all_channels: bool,
    all_commands: bool,
    /// The rules below begin with all commands, not with none.
    from_all: bool,
    /// Rules about commands since all or none were allowed, the later of two about the same: `(allows, what)`.
    rules: Vec<(bool, Vec<u8>)>,
    /// Allowed commands by number; empty: `from_all` says it.
    commands: Vec<u64>,
    /// Commands that are allowed with this first argument only.
    first_args: Vec<(u16, Vec<u8>)>,
    keys: Vec<KeyPattern>,
    channels: Vec<Vec<u8>>,
}

impl Selector {
    /// One that allows nothing, but all channels if `all_channels` (`acl-pubsub-default`).
    pub fn nothing(all_channels: bool) -> Selector {
        Selector {
            all_keys: false,
            all_channels,
            all_commands: false,
            from_all: false,
            rules: Vec::new(),
            commands: Vec::new(),
            first_args: Vec::new(),
            keys: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// One that allows everything.
    pub fn everything() -> Selector {
        Selector { all_keys: true, all_commands: true, from_all: true, ..Selector::nothing(true) }
    }

    /// It allows everything, and so need not be asked.
    pub fn is_everything(&self) -> bool {
        self.all_keys && self.all_channels && self.all_commands
    }

    /// All keys are allowed.
    #[inline]
    pub fn has_all_keys(&self) -> bool {
        self.all_keys
    }

    /// All channels are allowed.
    #[inline]
    pub fn has_all_channels(&self) -> bool {
        self.all_channels
    }

    /// A command is allowed, with what may be its first argument.
    #[inline]
    pub fn allows_command(&self, number: u16, first: Option<&[u8]>) -> bool {
        self.all_commands || self.bit(number) || self.allows_first(number, first)
    }

    #[inline]
    fn bit(&self, number: u16) -> bool {
        match self.commands.get(number as usize / 64) {
            Some(word) => word >> (number % 64) & 1 != 0,
            None => self.from_all,
        }
    }

    fn allows_first(&self, number: u16, first: Option<&[u8]>) -> bool {
        let Some(first) = first else { return false };
        self.first_args.iter().any(|(known, arg)| *known == number && arg.eq_ignore_ascii_case(first))
    }

    /// A key is allowed for that (bits of [`need`]; none: whatever it is allowed for).
    pub fn allows_key(&self, key: &[u8], needs: u8) -> bool {
        let fits = |known: &KeyPattern| known.needs & needs == needs && glob_matches(&known.glob, key);
        self.all_keys || self.keys.iter().any(fits)
    }

    /// A channel is allowed, or a pattern of channels: that must be one of the allowed ones itself.
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        let fits = |known: &Vec<u8>| if is_pattern { known == channel } else { glob_matches(known, channel) };
        self.all_channels || self.channels.iter().any(fits)
    }

    /// Patterns of channels that are allowed.
    pub(super) fn channels(&self) -> &[Vec<u8>] {
        &self.channels
    }

    /// Takes keys, channels and commands away, as the rule `reset` does.
    pub(super) fn reset(&mut self, all_channels: bool) {
        *self = Selector::nothing(all_channels);
    }

    /// Applies a rule.
    pub(super) fn set(&mut self, rule: &[u8], words: &Vocabulary) -> Result<(), RuleError> {
        let is = |name: &str| rule.eq_ignore_ascii_case(name.as_bytes());
        if is("allkeys") || is("~*") {
            self.all_keys = true;
            self.keys.clear();
        } else if is("resetkeys") {
            self.all_keys = false;
            self.keys.clear();
        } else if is("allchannels") || is("&*") {
            self.all_channels = true;
            self.channels.clear();
        } else if is("resetchannels") {
            self.all_channels = false;
            self.channels.clear();
        } else if is("allcommands") || is("+@all") {
            self.start_from(true);
        } else if is("nocommands") || is("-@all") {
            self.start_from(false);
        } else {
            match rule {
                [b'~', glob @ ..] => self.add_keys(need::READ | need::WRITE, glob)?,
                [b'%', rest @ ..] => self.add_keys_for(rest)?,
                [b'&', channel @ ..] => self.add_channel(channel)?,
                [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                    self.set_category(*sign == b'+', category, words)?;
                }
                [b'+', command @ ..] => self.add_command(command, words)?,
                [b'-', command @ ..] => {
                    let number = words.find(command).ok_or(RuleError::Unknown)?;
                    self.set_command(number, false, words);
                    self.note(false, words.word(number).name.as_bytes());
                }
                _ => return Err(RuleError::Syntax),
            }
        }
        Ok(())
    }

    fn start_from(&mut self, all: bool) {
        self.all_commands = all;
        self.from_all = all;
        self.rules.clear();
        self.commands.clear();
        self.first_args.clear();
    }

    /// `%R~glob`: only for reading, or for writing.
    fn add_keys_for(&mut self, rest: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AfterAllKeys);
        }
        let mut needs = 0;
        for (at, byte) in rest.iter().enumerate() {
            let one = match byte.to_ascii_uppercase() {
                b'R' => need::READ,
                b'W' => need::WRITE,
                b'~' if needs != 0 => return self.add_keys(needs, &rest[at + 1..]),
                _ => return Err(RuleError::Syntax),
            };
            if needs & one != 0 {
                return Err(RuleError::Syntax);
            }
            needs |= one;
        }
        // Without a pattern behind it, it is the empty one, as in Redis.
        if needs == 0 { Err(RuleError::Syntax) } else { self.add_keys(needs, b"") }
    }

    fn add_keys(&mut self, needs: u8, glob: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AfterAllKeys);
        }
        if has_spaces(glob) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| known.glob == glob) {
            Some(known) => known.needs |= needs,
            None => self.keys.push(KeyPattern { needs, glob: glob.to_vec() }),
        }
        Ok(())
    }

    fn add_channel(&mut self, channel: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AfterAllChannels);
        }
        if has_spaces(channel) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known == channel) {
            self.channels.push(channel.to_vec());
        }
        Ok(())
    }

    /// `+get`, `+config|get`, or `+select|1`: a command with this first argument only.
    fn add_command(&mut self, command: &[u8], words: &Vocabulary) -> Result<(), RuleError> {
        let Some(bar) = command.iter().rposition(|byte| *byte == b'|') else {
            let number = words.find(command).ok_or(RuleError::Unknown)?;
            self.set_command(number, true, words);
            self.note(true, words.word(number).name.as_bytes());
            return Ok(());
        };
        let (container, first) = (&command[..bar], &command[bar + 1..]);
        let number = words.find(container).ok_or(RuleError::Unknown)?;
        if words.word(number).is_sub {
            return Err(RuleError::FirstArgOfSub);
        }
        if first.is_empty() || has_spaces(first) {
            return Err(RuleError::Syntax);
        }
        if words.word(number).subs.is_empty() {
            let known = |(other, arg): &(u16, Vec<u8>)| *other == number && arg.eq_ignore_ascii_case(first);
            if !self.first_args.iter().any(known) {
                self.first_args.push((number, first.to_vec()));
            }
            self.note(true, &[words.word(number).name.as_bytes(), b"|", first].concat());
        } else {
            let number = words.find(command).ok_or(RuleError::Unknown)?;
            self.set_command(number, true, words);
            self.note(true, words.word(number).name.as_bytes());
        }
        Ok(())
    }

    fn set_category(&mut self, allow: bool, name: &[u8], words: &Vocabulary) -> Result<(), RuleError> {
        let bit = words.category(name).ok_or(RuleError::Unknown)?;
        for number in words.of_category(bit) {
            self.set_command(number, allow, words);
        }
        self.note(allow, &[b"@", name.to_ascii_lowercase().as_slice()].concat());
        Ok(())
    }

    /// Allows a command with its subcommands, or takes it away; first arguments that were allowed for it are
    /// forgotten.
    fn set_command(&mut self, number: u16, allow: bool, words: &Vocabulary) {
        self.set_bit(number, allow, words);
        words.word(number).subs.clone().for_each(|sub| self.set_bit(sub, allow, words));
    }

    fn set_bit(&mut self, number: u16, allow: bool, words: &Vocabulary) {
        if self.commands.is_empty() {
            let all = if self.from_all { u64::MAX } else { 0 };
            self.commands = vec![all; words.len().div_ceil(64)];
        }
        let bit = 1 << (number % 64);
        let word = &mut self.commands[number as usize / 64];
        if allow {
            *word |= bit;
        } else {
            *word &= !bit;
            self.all_commands = false;
        }
        self.first_args.retain(|(known, _)| *known != number);
    }

    /// Remembers a rule about commands; what it makes void is forgotten.
    fn note(&mut self, allow: bool, what: &[u8]) {
        self.rules.retain(|(_, known)| {
            known.strip_prefix(what).is_none_or(|rest| !rest.is_empty() && rest[0] != b'|')
        });
        self.rules.push((allow, what.to_vec()));
    }

    /// The rules about commands.
    pub fn show_commands(&self) -> Vec<u8> {
        let mut text = if self.from_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for (allow, what) in &self.rules {
            text.extend_from_slice(if *allow { b" +" } else { b" -" });
            text.extend(what);
        }
        text
    }

    /// The patterns of keys.
    pub fn show_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let shown = |known: &KeyPattern| {
            let sign: &[u8] = match known.needs {
                need::READ => b"%R~",
                need::WRITE => b"%W~",
                // As `~*` it would be read as all keys, behind which no pattern may stand: the line of rules could not
                // be read again.
                _ if known.glob == b"*" => b"%RW~",
                _ => b"~",
            };
            [sign, &known.glob].concat()
        };
        self.keys.iter().map(shown).collect::<Vec<_>>().join(&b' ')
    }

    /// The patterns of channels.
    pub fn show_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let shown = |channel: &Vec<u8>| [b"&", channel.as_slice()].concat();
        self.channels.iter().map(shown).collect::<Vec<_>>().join(&b' ')
    }

    /// Rules that make one like it.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts = Vec::new();
        let keys = self.show_keys();
        if !keys.is_empty() {
            parts.push(keys);
        }
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        let channels = self.show_channels();
        if !channels.is_empty() {
            parts.push(channels);
        }
        parts.push(self.show_commands());
        parts.join(&b' ')
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::sample;
    use super::*;

    fn selector(rules: &str) -> Selector {
        let mut selector = Selector::nothing(false);
        for rule in rules.split_ascii_whitespace() {
            selector.set(rule.as_bytes(), &sample()).unwrap_or_else(|error| panic!("{rule}: {error}"));
        }
        selector
    }

    fn described(rules: &str) -> String {
        String::from_utf8(selector(rules).describe()).unwrap()
    }

    #[test]
    fn commands_are_allowed_as_the_last_rule_says() {
        let allowed = |rules: &str| {
            let selector = selector(rules);
            (0..6).filter(|number| selector.allows_command(*number, None)).collect::<Vec<u16>>()
        };
        assert_eq!(allowed(""), []);
        assert_eq!(allowed("+@all"), [0, 1, 2, 3, 4, 5]);
        assert_eq!(allowed("+@all -@admin"), [0, 1, 2, 3]);
        assert_eq!(allowed("+config"), [3, 4, 5]);
        assert_eq!(allowed("+config -config|set"), [3, 4]);
        assert_eq!(allowed("+CONFIG|GET"), [4]);
        assert_eq!(allowed("+@read +set -get"), [1]);
        assert_eq!(allowed("+@all -get nocommands +get"), [0]);
        assert!(!selector("+@all -get +get").is_everything());
        assert!(selector("+@all allkeys allchannels").is_everything());
    }

    #[test]
    fn first_arguments_last_until_their_command_is_named() {
        let allows = |rules: &str, first: &str| selector(rules).allows_command(2, Some(first.as_bytes()));
        assert!(allows("+select|0 +select|a", "A"));
        assert!(!allows("+select|0", "1"));
        assert!(!selector("+select|0").allows_command(2, None));
        assert!(!allows("+select|0 -select", "0"));
        assert!(allows("+select|0 +select", "7"));
        assert!(!allows("+select|0 -@all", "0"));
    }

    #[test]
    fn keys_are_allowed_for_what_is_done_to_them() {
        let allows = |rules: &str, key: &str, needs| selector(rules).allows_key(key.as_bytes(), needs);
        assert!(allows("~a*", "ab", need::READ | need::WRITE));
        assert!(!allows("~a*", "b", 0));
        assert!(allows("%R~a", "a", need::READ) && allows("%R~a", "a", 0));
        assert!(!allows("%R~a", "a", need::WRITE));
        // Two patterns do not add up, but two of the same text are one.
        assert!(!allows("%R~a %W~a*", "a", need::READ | need::WRITE));
        assert!(allows("%R~a %W~a", "a", need::READ | need::WRITE));
        assert!(allows("%wr~a", "a", need::READ | need::WRITE));
        assert!(allows("~*", "anything", need::WRITE) && !allows("~* resetkeys", "anything", 0));
    }

    #[test]
    fn a_pattern_of_channels_is_allowed_by_itself_only() {
        let selector = selector("&news.* &x");
        assert!(selector.allows_channel(b"news.a", false) && selector.allows_channel(b"x", false));
        assert!(selector.allows_channel(b"news.*", true) && !selector.allows_channel(b"news.a", true));
        assert!(!selector.allows_channel(b"y", false));
        assert!(Selector::nothing(true).allows_channel(b"y*", true));
    }

    #[test]
    fn rules_are_shown_without_those_that_later_ones_make_void() {
        assert_eq!(described(""), "resetchannels -@all");
        assert_eq!(described("+get ~a &c +@Read -get"), "~a resetchannels &c -@all +@read -get");
        assert_eq!(described("+config|get +config"), "resetchannels -@all +config");
        assert_eq!(described("+config +config|get"), "resetchannels -@all +config +config|get");
        assert_eq!(described("+@all ~* &* -get +set -GET -config|set"), "~* &* +@all +set -get -config|set");
        assert_eq!(described("%W~b %R~b %RW~c %r~d +select|0"), "~b ~c %R~d resetchannels -@all +select|0");
        assert_eq!(described("%R~* %W~* ~a"), "%RW~* ~a resetchannels -@all");
        let twice = described("+@read -config +select|1 ~x &y");
        assert_eq!(described(&twice), twice);
    }

    #[test]
    fn rules_that_mean_nothing_are_refused() {
        for (before, rule, error) in [
            ("", "+nix", RuleError::Unknown),
            ("", "-nix", RuleError::Unknown),
            ("", "-select|1", RuleError::Unknown),
            ("", "+@nix", RuleError::Unknown),
            ("", "+config|nix", RuleError::Unknown),
            ("", "+nix|a", RuleError::Unknown),
            ("", "+config|get|a", RuleError::FirstArgOfSub),
            ("", "+select|", RuleError::Syntax),
            ("", "%~a", RuleError::Syntax),
            ("", "%RR~a", RuleError::Syntax),
            ("", "%X~a", RuleError::Syntax),
            ("", "get", RuleError::Syntax),
            ("", "", RuleError::Syntax),
            ("allkeys", "~a", RuleError::AfterAllKeys),
            ("allkeys", "%R~a", RuleError::AfterAllKeys),
            ("allchannels", "&a", RuleError::AfterAllChannels),
        ] {
            assert_eq!(selector(before).set(rule.as_bytes(), &sample()), Err(error), "{rule}");
        }
        for rule in [&b"~a b"[..], b"~a\0", b"&a\tb", b"%R~a\nb"] {
            assert_eq!(selector("").set(rule, &sample()), Err(RuleError::Syntax));
        }
    }
}
