//! Errors about kept values: one of another type, and one that is not taken.

use std::fmt;
use std::sync::Arc;

use crate::base::name::short_type;

/// Refusal to return the value that a service keeps, because it has another type. The value stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptError {
    /// Path of the service.
    pub path: Arc<str>,
    /// Name of the type that the kept value has.
    pub found: &'static str,
    /// Name of the type that was asked for.
    pub wanted: &'static str,
}

impl fmt::Display for KeptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, found, wanted) = (&self.path, short_type(self.found), short_type(self.wanted));
        write!(
            f,
            "`{path}` keeps a `{found}`, and not a `{wanted}`: ask for the type that it keeps, or drop the value \
             with `forget_kept`"
        )
    }
}

impl std::error::Error for KeptError {}

/// Refusal to keep a value, because the incarnation is over or was abandoned. It gives the value back.
#[derive(Clone, PartialEq, Eq)]
pub struct NotKept<T> {
    pub(crate) path: Arc<str>,
    pub(crate) value: T,
}

impl<T> NotKept<T> {
    /// Path of the service.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for NotKept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotKept").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for NotKept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this incarnation of `{}` is over, or was abandoned: only its successor can keep a value", self.path)
    }
}

impl<T> std::error::Error for NotKept<T> {}
