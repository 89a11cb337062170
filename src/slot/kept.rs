//! A kept value, a change of it, and the facts about it, as data. `heir.rs` has the verbs.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// A value that is kept, without its type.
pub(crate) type AnyValue = Arc<dyn Any + Send + Sync>;

/// A kept value, and the facts about it.
pub(crate) struct KeptValue {
    pub(super) value: AnyValue,
    pub(super) type_name: &'static str,
    pub(super) bytes: Option<usize>,
    pub(super) since: Instant,
}

impl KeptValue {
    pub(crate) fn new<T: Send + Sync + 'static>(value: T, bytes: Option<usize>) -> Self {
        Self { value: Arc::new(value), type_name: type_name::<T>(), bytes, since: Instant::now() }
    }

    /// Gives the value back, if nothing else has it.
    pub(crate) fn into_inner<T: Send + Sync + 'static>(self) -> Option<T> {
        self.value.downcast().ok().and_then(Arc::into_inner)
    }
}

/// A change of what is kept.
pub(crate) enum Change {
    Keep(KeptValue),
    Forget,
    /// A change that was made. The values that it has replaced are still to be dropped (invariant 3).
    Made([Option<KeptValue>; 2]),
}

/// The value that a service keeps, and a change that waits.
#[derive(Default)]
pub(crate) struct Heir {
    pub(super) committed: Option<Committed>,
    /// Change of the present incarnation that belongs to no message: it is made when the incarnation is up, or when its
    /// stop hook has succeeded.
    pub(super) waiting: Option<Change>,
}

pub(super) struct Committed {
    pub(super) kept: KeptValue,
    pub(super) generation: u64,
    /// Number of lives that began with it.
    pub(super) lives: u32,
    /// Number of those in a row that ended by a fault of their own.
    pub(super) failed: u32,
    pub(super) is_set_aside: bool,
}

/// Facts about the value that a service [keeps](crate::Context::keep) for its next incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptInfo {
    /// Name of its type.
    pub type_name: &'static str,
    /// Its size in bytes, if [`keep_sized`](crate::Context::keep_sized) told it.
    pub bytes: Option<usize>,
    /// Time since it was kept.
    pub age: Duration,
    /// Generation of the incarnation that kept it. In a factory that is the one to come.
    pub generation: u64,
    /// Number of lives, and failed starts, that began with it.
    pub lives: u32,
    /// Number of those, in a row, that ended by a fault of their own before they were a success.
    pub failed: u32,
    /// Whether it was set aside, because too many of them did: see [`Policy::kept`](field@crate::Policy::kept).
    pub is_set_aside: bool,
}

impl fmt::Display for KeptInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { type_name, bytes, age, generation, .. } = self;
        write!(f, "a `{type_name}`")?;
        if let Some(bytes) = bytes {
            write!(f, " of {bytes} bytes")?;
        }
        write!(f, ", kept {age:.1?} ago in generation {generation}")
    }
}
