//! The options of a supervisor's builder beyond OTP's flags.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{BudgetClock, Policy};

use crate::tree::at_end::AtEnd;
use crate::tree::overrides::{Named, Overrides};

#[derive(Clone, Default)]
pub(crate) struct Options {
    /// Policy for children that leave something open; `None` if it is empty. Of the root: for every service.
    pub(crate) defaults: Option<Arc<Policy>>,
    /// Budget of each child, with what follows when it is used up. Of a dynamic supervisor only.
    pub(crate) each: Option<Arc<Policy>>,
    /// The settings that the builder names for the supervisor itself, as a child.
    pub(crate) named: Named,
    pub(crate) budget_clock: BudgetClock,
    /// Number of the services below it that may be starting at the same time.
    pub(crate) starts_max: Option<usize>,
    /// Types of errors for the rules of the whole tree.
    pub(crate) error_types: Vec<ErrorType>,
    /// Seed of the tree's random delays. Of the root only.
    pub(crate) seed: Option<u64>,
    /// The layer over every path. Of the root only.
    pub(crate) overrides: Option<Arc<dyn Overrides>>,
    /// Work that is done when the tree is over. Of the root only.
    pub(crate) at_end: Option<Arc<dyn AtEnd>>,
}

/// A type of error that rules know by a name.
#[derive(Clone)]
pub(crate) struct ErrorType {
    pub(crate) name: Arc<str>,
    /// Tells whether an error is one, or was caused by one.
    pub(crate) is: fn(&anyhow::Error) -> bool,
}

impl ErrorType {
    pub(crate) fn of<E: std::error::Error + Send + Sync + 'static>(name: impl Into<Arc<str>>) -> Self {
        // `is` sees a context that wraps the error, and the chain sees the error inside.
        Self { name: name.into(), is: |error| error.is::<E>() || error.chain().any(|cause| cause.is::<E>()) }
    }
}

impl fmt::Debug for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErrorType").field(&self.name).finish()
    }
}
