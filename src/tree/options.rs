//! What a supervisor's builder says beyond OTP's flags: the terms on which its children live.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{BudgetClock, Policy};

use crate::tree::overrides::{Named, Overrides};

#[derive(Clone, Default)]
pub(crate) struct Options {
    /// For children that leave something open; none if they say nothing. Of the root, for every service.
    pub(crate) defaults: Option<Arc<Policy>>,
    /// What its builder says about the supervisor itself, as a child.
    pub(crate) named: Named,
    pub(crate) budget_clock: BudgetClock,
    /// How many of the services below it may be starting at the same time.
    pub(crate) starts_max: Option<usize>,
    /// For the rules of the whole tree.
    pub(crate) error_types: Vec<ErrorType>,
    /// Of the tree's chance. Of the root only.
    pub(crate) seed: Option<u64>,
    /// What has a say about every path. Of the root only.
    pub(crate) overrides: Option<Arc<dyn Overrides>>,
}

/// A type of error that rules know by a name.
#[derive(Clone)]
pub(crate) struct ErrorType {
    pub(crate) name: Arc<str>,
    /// Whether it is one, or was caused by one.
    pub(crate) is: fn(&anyhow::Error) -> bool,
}

impl ErrorType {
    pub(crate) fn of<E: std::error::Error + Send + Sync + 'static>(name: impl Into<Arc<str>>) -> Self {
        // `is` sees a context that was put around, the chain what it was put around of.
        Self { name: name.into(), is: |error| error.is::<E>() || error.chain().any(|cause| cause.is::<E>()) }
    }
}

impl fmt::Debug for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ErrorType").field(&self.name).finish()
    }
}
