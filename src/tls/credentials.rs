//! The configuration in use.

use super::files::Config;
use std::sync::{Arc, PoisonError, RwLock};

/// What new connections are served with. Who is connected keeps what it began with.
#[derive(Default)]
pub struct Credentials(RwLock<Option<Arc<Config>>>);

impl Credentials {
    /// The configuration, if TLS is served at all. Read when somebody connects.
    pub fn get(&self) -> Option<Arc<Config>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From here on this one.
    pub fn set(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(config));
    }
}
