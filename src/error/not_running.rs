//! Error of everything that needs a running incarnation.

use std::fmt;
use std::sync::Arc;

/// The service or supervisor has no incarnation: it is between two lives, not started yet, or over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRunning {
    pub(crate) path: Arc<str>,
}

impl NotRunning {
    /// Its full path.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for NotRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not running: try again if it comes back", self.path)
    }
}

impl std::error::Error for NotRunning {}
