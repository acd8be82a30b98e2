//! Rules that cannot be applied, and lists of rules that must be put together first.

use std::fmt;

/// Why a rule was not applied; texts are Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// There is no such command or category.
    Unknown,
    /// It is no rule.
    Syntax,
    /// A pattern of keys where all keys are allowed already.
    AfterAllKeys,
    /// A pattern of channels where all channels are allowed already.
    AfterAllChannels,
    /// The password to be taken away is not there.
    NoSuchPassword,
    /// A hash that is none.
    BadHash,
    /// A first argument of a subcommand.
    FirstArgOfSub,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::AfterAllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::AfterAllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::FirstArgOfSub => "Allowing first-arg of a subcommand is not supported",
        })
    }
}

/// Why a list of rules was not applied, and which of them is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// A selector is not closed; its first part.
    Unmatched(Vec<u8>),
    /// This rule.
    Rule(Vec<u8>, RuleError),
}

/// Puts the parts of selectors together: `(+get`, `~a)` are one rule. The error is the part that opens one which
/// is not closed.
pub(super) fn joined<'a>(rules: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Rejected> {
    let mut whole: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for rule in rules {
        match &mut open {
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend(rule);
                if rule.ends_with(b")") {
                    whole.extend(open.take().map(|(_, selector)| selector));
                }
            }
            None if rule.starts_with(b"(") && !rule.ends_with(b")") => open = Some((rule, rule.to_vec())),
            None => whole.push(rule.to_vec()),
        }
    }
    match open {
        Some((first, _)) => Err(Rejected::Unmatched(first.to_vec())),
        None => Ok(whole),
    }
}

/// Names and patterns may not hold what would break a line of rules.
pub(super) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> Result<Vec<String>, Rejected> {
        let whole = joined(line.split(' ').map(str::as_bytes))?;
        Ok(whole.into_iter().map(|rule| String::from_utf8(rule).unwrap()).collect())
    }

    #[test]
    fn selectors_are_put_together() {
        assert_eq!(parts("on (+get ~a) off"), Ok(vec!["on".into(), "(+get ~a)".into(), "off".into()]));
        assert_eq!(parts("(+get) (a b c)"), Ok(vec!["(+get)".into(), "(a b c)".into()]));
        assert_eq!(parts("(a (b) c)"), Ok(vec!["(a (b)".into(), "c)".into()]));
        assert_eq!(parts("on (+get ~a"), Err(Rejected::Unmatched(b"(+get".to_vec())));
    }
}
