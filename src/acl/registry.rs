//! The users of the process as they are now, and the log of refusals. Every core has a copy of the set at hand; who
//! changes it makes a new one, and the version tells the cores.

use super::log::{Entry, Log};
use super::users::Users;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// In a cache line of its own: every core reads it before every batch, and refusals that are written down beside it
/// shall not take it away from them.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Version(AtomicU64);

/// See the module.
#[derive(Debug, Default)]
pub struct Registry {
    users: RwLock<Arc<Users>>,
    version: Version,
    log: Mutex<Log>,
}

impl Registry {
    /// Grows with every change of the users.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.0.load(Ordering::Acquire)
    }

    /// The users now.
    pub fn users(&self) -> Arc<Users> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The users with their version.
    pub fn snapshot(&self) -> (u64, Arc<Users>) {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        (self.version(), users.clone())
    }

    /// Changes the users. Where `change` fails they stay as they were.
    pub fn change<T, E>(&self, change: impl FnOnce(&mut Users) -> Result<T, E>) -> Result<T, E> {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Users::clone(&users);
        let done = change(&mut changed)?;
        *users = Arc::new(changed);
        // Under the lock, so that a version goes with its users.
        self.version.0.fetch_add(1, Ordering::Release);
        Ok(done)
    }

    /// Gives the default user that password, or none where it is empty (`requirepass`).
    pub fn set_default_password(&self, password: &[u8]) {
        let done: Result<(), std::convert::Infallible> = self.change(|users| {
            users.set_default_password(password);
            Ok(())
        });
        let Ok(()) = done;
    }

    /// Adds a refusal to the log, of which so many are kept.
    pub fn refused(&self, entry: Entry, entries_max: usize) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).add(entry, entries_max);
    }

    /// The log.
    pub fn with_log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_fails_is_none() {
        let registry = Registry::default();
        let (version, users) = registry.snapshot();
        assert_eq!(registry.change(|_| Err::<(), i32>(1)), Err(1));
        assert_eq!(registry.version(), version);
        assert!(Arc::ptr_eq(&registry.users(), &users));
        registry.set_default_password(b"p");
        assert!(registry.version() > version);
        assert!(users.default_user().is_open() && !registry.users().default_user().is_open());
    }
}
