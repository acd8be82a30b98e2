//! One user: whether it may log in and how, and its selectors.

use super::password::Hash;
use super::rule::{Rejected, RuleError, joined};
use super::selector::Selector;
use super::vocabulary::Vocabulary;
use super::{DEFAULT, Denied};
use crate::parameters::quoted;
use std::hint::black_box;

/// A user. Changes make another one ([`User::changed`]).
#[derive(Clone, Debug)]
pub struct User {
    /// Never given twice: a user that is deleted and made anew is somebody else.
    id: u64,
    name: Box<[u8]>,
    on: bool,
    /// Any password will do.
    nopass: bool,
    /// `sanitize-payload` or its opposite was said.
    sanitize: Option<bool>,
    passwords: Vec<Hash>,
    /// The first is the user's own, the others stand in brackets.
    selectors: Vec<Selector>,
    unrestricted: bool,
}

impl User {
    /// One that may not log in and may do nothing.
    pub(super) fn new(id: u64, name: &[u8], all_channels: bool) -> User {
        User {
            id,
            name: name.into(),
            on: false,
            nopass: false,
            sanitize: None,
            passwords: Vec::new(),
            selectors: vec![Selector::nothing(all_channels)],
            unrestricted: false,
        }
    }

    /// The user that everybody is at first: no password, and all is allowed.
    pub(super) fn default_user(id: u64) -> User {
        User {
            on: true,
            nopass: true,
            selectors: vec![Selector::everything()],
            unrestricted: true,
            ..User::new(id, DEFAULT, true)
        }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Everything is allowed, and nothing has to be asked.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted
    }

    /// Clients are this user without saying so.
    pub fn is_open(&self) -> bool {
        self.on && self.nopass
    }

    /// Any password will do.
    pub fn needs_no_password(&self) -> bool {
        self.nopass
    }

    /// It may log in with that password. The time it takes does not depend on what is right in it.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let given = Hash::of(password);
        let mut known = u8::from(self.nopass);
        for kept in &self.passwords {
            known |= black_box(kept.same(&given));
        }
        self.on & (known != 0)
    }

    /// Its selectors, its own first.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Hashes of its passwords.
    pub fn passwords(&self) -> &[Hash] {
        &self.passwords
    }

    /// It may hear a channel, or a pattern of channels.
    pub fn may_use_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// Whoever heard something as `before` may hear it still, as far as patterns tell.
    pub fn keeps_channels_of(&self, before: &User) -> bool {
        let keeps =
            |known: &Vec<u8>| self.selectors.iter().any(|selector| selector.channels().contains(known));
        self.selectors.iter().any(Selector::has_all_channels)
            || before
                .selectors
                .iter()
                .all(|selector| !selector.has_all_channels() && selector.channels().iter().all(keeps))
    }

    /// The request is refused by all selectors, each of which says why by `refusal`.
    #[inline]
    pub fn permits(&self, refusal: impl FnMut(&Selector) -> Option<Denied>) -> Result<(), Denied> {
        let mut refusal = refusal;
        let mut told = Denied::Command;
        for selector in &self.selectors {
            match refusal(selector) {
                None => return Ok(()),
                Some(denied) if denied.rank() > told.rank() => told = denied,
                Some(_) => {}
            }
        }
        Err(told)
    }

    /// It with these rules applied, all of them or none.
    pub fn changed<'a>(
        &self,
        rules: impl Iterator<Item = &'a [u8]>,
        words: &Vocabulary,
        all_channels: bool,
    ) -> Result<User, Rejected> {
        let mut user = self.clone();
        for rule in joined(rules)? {
            if let Err(error) = user.set(&rule, words, all_channels) {
                return Err(Rejected::Rule(rule, error));
            }
        }
        Ok(user)
    }

    /// The same user with that number.
    pub(super) fn numbered(mut self, id: u64) -> User {
        self.id = id;
        self
    }

    /// Applies a rule. `all_channels`: new selectors allow all channels.
    pub(super) fn set(
        &mut self,
        rule: &[u8],
        words: &Vocabulary,
        all_channels: bool,
    ) -> Result<(), RuleError> {
        let is = |name: &str| rule.eq_ignore_ascii_case(name.as_bytes());
        if is("on") || is("off") {
            self.on = is("on");
        } else if is("nopass") {
            self.nopass = true;
            self.passwords.clear();
        } else if is("skip-sanitize-payload") || is("sanitize-payload") {
            self.sanitize = Some(is("sanitize-payload"));
        } else if is("resetpass") {
            self.nopass = false;
            self.passwords.clear();
        } else if is("clearselectors") {
            self.selectors.truncate(1);
        } else if is("reset") {
            self.reset(all_channels);
        } else {
            match rule {
                // An empty rule says nothing.
                [] => {}
                [b'>', password @ ..] => self.add_password(Hash::of(password)),
                [b'#', digits @ ..] => self.add_password(Hash::read(digits).ok_or(RuleError::BadHash)?),
                [b'<', password @ ..] => self.remove_password(Hash::of(password))?,
                [b'!', digits @ ..] => {
                    self.remove_password(Hash::read(digits).ok_or(RuleError::BadHash)?)?;
                }
                [b'(', inner @ .., b')'] => {
                    let mut selector = Selector::nothing(all_channels);
                    // Quotes that are not closed leave it empty, as in Redis.
                    for rule in quoted::split(inner).unwrap_or_default() {
                        selector.set(&rule, words)?;
                    }
                    self.selectors.push(selector);
                }
                _ => self.selectors[0].set(rule, words)?,
            }
        }
        self.unrestricted = self.selectors.iter().any(Selector::is_everything);
        Ok(())
    }

    fn reset(&mut self, all_channels: bool) {
        self.on = false;
        self.nopass = false;
        self.sanitize = Some(true);
        self.passwords.clear();
        self.selectors.truncate(1);
        self.selectors[0].reset(all_channels);
    }

    fn add_password(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.nopass = false;
    }

    fn remove_password(&mut self, hash: Hash) -> Result<(), RuleError> {
        let place = self.passwords.iter().position(|known| *known == hash);
        self.passwords.remove(place.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// That password and no other, or none is needed (`requirepass`).
    pub(super) fn set_password(&mut self, password: &[u8]) {
        self.nopass = password.is_empty();
        self.passwords.clear();
        if !password.is_empty() {
            self.passwords.push(Hash::of(password));
        }
    }

    /// What it may be besides its rights, in Redis's words.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let sanitize =
            self.sanitize.map(|yes| if yes { "sanitize-payload" } else { "skip-sanitize-payload" });
        let on = if self.on { "on" } else { "off" };
        [Some(on), self.nopass.then_some("nopass"), sanitize].into_iter().flatten()
    }

    /// Rules that make one like it.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = self.flags().map(|flag| flag.as_bytes().to_vec()).collect();
        parts.extend(self.passwords.iter().map(|hash| [b"#", hash.digits()].concat()));
        parts.push(self.selectors[0].describe());
        let more = self.selectors[1..].iter();
        parts.extend(more.map(|selector| [b"(", selector.describe().as_slice(), b")"].concat()));
        parts.join(&b' ')
    }

    /// The line of a file that makes it.
    pub fn line(&self) -> Vec<u8> {
        [b"user ", &*self.name, b" ", &self.describe()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::sample;
    use super::*;

    fn user(rules: &str) -> User {
        let plain = User::new(1, b"u", false);
        plain.changed(rules.split(' ').map(str::as_bytes), &sample(), false).unwrap()
    }

    fn described(rules: &str) -> String {
        String::from_utf8(user(rules).describe()).unwrap()
    }

    const A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

    #[test]
    fn passwords_come_and_go() {
        assert_eq!(described(">a >a"), format!("off #{A} resetchannels -@all"));
        assert_eq!(described(&format!("#{A} nopass")), "off nopass resetchannels -@all");
        assert_eq!(described("nopass >a resetpass"), "off resetchannels -@all");
        assert_eq!(described(">b >a <b"), format!("off #{A} resetchannels -@all"));
        assert_eq!(described(&format!(">b >a !{A} <b on")), "on resetchannels -@all");
        let user = user("on >a >b");
        assert!(user.accepts(b"a") && user.accepts(b"b") && !user.accepts(b"c") && !user.accepts(b""));
    }

    #[test]
    fn who_is_off_is_not_let_in_and_without_a_password_anybody_is() {
        assert!(!user("off >a").accepts(b"a") && !user("nopass").accepts(b"a"));
        assert!(user("on nopass").accepts(b"whatever") && user("on nopass").is_open());
        assert!(!user("on").accepts(b"") && !user("on").is_open());
    }

    #[test]
    fn selectors_stand_in_brackets() {
        let text = "on ~a resetchannels -@all +get (~b resetchannels -@all +set) (%R~c &d +@all)";
        assert_eq!(described(text), text.replace("(%R~c &d", "(%R~c resetchannels &d"));
        assert_eq!(described("(+get ~a) clearselectors ()"), "off resetchannels -@all (resetchannels -@all)");
        assert_eq!(described("on >a +get ~x (+set) reset"), "off sanitize-payload resetchannels -@all");
    }

    #[test]
    fn a_change_is_made_whole_or_not_at_all() {
        let user = user("on");
        let rules = |line: &'static str| line.split(' ').map(str::as_bytes);
        let rejected = user.changed(rules("+get +nix +set"), &sample(), false).unwrap_err();
        assert_eq!(rejected, Rejected::Rule(b"+nix".to_vec(), RuleError::Unknown));
        let rejected = user.changed(rules("<nix"), &sample(), false).unwrap_err();
        assert_eq!(rejected, Rejected::Rule(b"<nix".to_vec(), RuleError::NoSuchPassword));
        let rejected = user.changed(rules("(+get +nix)"), &sample(), false).unwrap_err();
        assert_eq!(rejected, Rejected::Rule(b"(+get +nix)".to_vec(), RuleError::Unknown));
    }

    #[test]
    fn any_selector_may_permit_and_the_furthest_refusal_is_told() {
        let user = user("+get (+get) (+get)");
        let mut refusals = [Some(Denied::Command), Some(Denied::Key(2)), Some(Denied::Key(1))].into_iter();
        assert_eq!(user.permits(|_| refusals.next().unwrap()), Err(Denied::Key(2)));
        let mut refusals = [Some(Denied::Channel(1)), None].into_iter();
        assert_eq!(user.permits(|_| refusals.next().unwrap()), Ok(()));
    }

    #[test]
    fn channels_that_shrink_are_told_from_those_that_do_not() {
        let keeps = |after: &str, before: &str| user(after).keeps_channels_of(&user(before));
        assert!(keeps("&a &b", "&a") && keeps("(&a)", "&a") && keeps("&*", "&a (&*)"));
        assert!(!keeps("&a", "&a &b") && !keeps("&a", "&*") && !keeps("&a*", "&ab"));
    }

    #[test]
    fn all_rights_in_one_selector_make_a_user_unrestricted() {
        assert!(user("+@all ~* &*").is_unrestricted() && user("(+@all ~* &*)").is_unrestricted());
        assert!(!user("+@all ~*").is_unrestricted() && !user("+@all (~* &*)").is_unrestricted());
        assert!(!user("+@all ~* &* -get").is_unrestricted());
    }
}
