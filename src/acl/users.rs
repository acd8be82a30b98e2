//! The set of all users. It always has the default one.

use super::rule::Rejected;
use super::user::User;
use super::vocabulary::Vocabulary;
use super::{DEFAULT, file};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of users, over all sets.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub(super) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// Why users were not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// A user's rules.
    Rejected(Rejected),
    /// The default user is never removed.
    Default,
}

/// All users, by name.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: BTreeMap<Box<[u8]>, Arc<User>>,
}

impl Default for Users {
    /// The default user alone, with all rights and no password.
    fn default() -> Users {
        let mut users = Users { by_name: BTreeMap::new() };
        users.put(User::default_user(next_id()));
        users
    }
}

impl Users {
    /// The user of a name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The user that clients are at first.
    pub fn default_user(&self) -> &Arc<User> {
        &self.by_name[DEFAULT]
    }

    /// All users in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// The user of a name, if that is its password.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<&Arc<User>> {
        match self.get(name) {
            Some(user) => user.accepts(password).then_some(user),
            None => {
                // As long as for a user that there is.
                std::hint::black_box(self.default_user().accepts(password));
                None
            }
        }
    }

    pub(super) fn put(&mut self, user: User) {
        self.by_name.insert(user.name().into(), Arc::new(user));
    }

    /// Changes a user by rules, or makes one.
    pub fn set<'a>(
        &mut self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
        words: &Vocabulary,
        all_channels: bool,
    ) -> Result<(), Unchanged> {
        let changed = match self.get(name) {
            Some(user) => user.changed(rules, words, all_channels),
            None => User::new(next_id(), name, all_channels).changed(rules, words, all_channels),
        };
        self.put(changed.map_err(Unchanged::Rejected)?);
        Ok(())
    }

    /// Makes a user as the configuration file declares it, by the words behind `user`. A user that there is already
    /// begins anew.
    pub fn declare(
        &mut self,
        words: &[Vec<u8>],
        vocabulary: &Vocabulary,
        all_channels: bool,
    ) -> Result<(), String> {
        let user = file::declared(words, self, vocabulary, all_channels)?;
        self.put(user);
        Ok(())
    }

    /// Removes users; how many there were.
    pub fn remove<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) -> Result<usize, Unchanged> {
        let mut removed = 0;
        for name in names {
            if name == DEFAULT {
                return Err(Unchanged::Default);
            }
            removed += usize::from(self.by_name.remove(name).is_some());
        }
        Ok(removed)
    }

    /// Gives the default user that password, or none (`requirepass`).
    pub fn set_default_password(&mut self, password: &[u8]) {
        let mut user = User::clone(self.default_user());
        user.set_password(password);
        self.put(user);
    }

    /// Takes the users of a file instead of all that there are. Who bears the name of one that there was is that one,
    /// changed. Where the file has no default user, it is as at first.
    pub fn replace(&mut self, read: Vec<User>) {
        let mut users = Users { by_name: BTreeMap::new() };
        if !read.iter().any(|user| user.name() == DEFAULT) {
            users.put(User::default_user(self.default_user().id()));
        }
        for user in read {
            let id = self.get(user.name()).map_or(user.id(), |known| known.id());
            users.put(user.numbered(id));
        }
        *self = users;
    }

    /// The text of an ACL file with these users.
    pub fn text(&self) -> Vec<u8> {
        file::text(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::sample;
    use super::*;

    fn set(users: &mut Users, name: &str, rules: &str) -> Result<(), Unchanged> {
        users.set(name.as_bytes(), rules.split(' ').map(str::as_bytes), &sample(), false)
    }

    fn names(users: &Users) -> Vec<&[u8]> {
        users.iter().map(|user| user.name()).collect()
    }

    #[test]
    fn users_are_listed_by_name_and_the_default_one_stays() {
        let mut users = Users::default();
        set(&mut users, "b", "on").unwrap();
        set(&mut users, "a", "on").unwrap();
        assert_eq!(names(&users), [&b"a"[..], b"b", b"default"]);
        assert_eq!(users.clone().remove([&b"a"[..], b"x", b"a"].into_iter()), Ok(1));
        assert_eq!(users.remove([&b"default"[..]].into_iter()), Err(Unchanged::Default));
    }

    #[test]
    fn a_user_keeps_its_number_while_it_is_changed_and_another_gets_another() {
        let mut users = Users::default();
        let id = |users: &Users| users.get(b"a").unwrap().id();
        set(&mut users, "a", "on").unwrap();
        let first = id(&users);
        set(&mut users, "a", "off").unwrap();
        assert_eq!(id(&users), first);
        assert!(set(&mut users, "a", "nix").is_err());
        users.remove([&b"a"[..]].into_iter()).unwrap();
        set(&mut users, "a", "on").unwrap();
        assert_ne!(id(&users), first);
    }

    #[test]
    fn a_file_replaces_all_and_keeps_who_is_in_it() {
        let mut users = Users::default();
        set(&mut users, "a", "on >x").unwrap();
        set(&mut users, "b", "on").unwrap();
        set(&mut users, "default", "-@all").unwrap();
        let (a, default) = (users.get(b"a").unwrap().id(), users.default_user().id());
        let read = file::parse("f", b"user a off\nuser c on\n", &sample(), false).unwrap();
        users.replace(read);
        assert_eq!(names(&users), [&b"a"[..], b"c", b"default"]);
        assert_eq!((users.get(b"a").unwrap().id(), users.default_user().id()), (a, default));
        assert!(users.default_user().is_unrestricted());
    }

    #[test]
    fn the_default_password_is_the_default_users() {
        let mut users = Users::default();
        assert!(users.authenticate(b"default", b"any").is_some());
        users.set_default_password(b"p");
        assert!(users.authenticate(b"default", b"p").is_some());
        assert!(users.authenticate(b"default", b"any").is_none() && users.authenticate(b"x", b"p").is_none());
        users.set_default_password(b"");
        assert!(users.default_user().is_open());
    }
}
