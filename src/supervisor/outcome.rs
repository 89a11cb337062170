//! Answers to orders given to a supervisor.

use std::sync::Arc;

use regrow_supervisors::{ChildSpec, ChildState};

use crate::tree::directory::ChildKind;

/// The outcome of an ordered start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartOutcome {
    /// The child is up.
    Up(StartedChild),
    /// The child said that it is not wanted (OTP's `ok(undefined)`).
    Ignored,
}

impl StartOutcome {
    /// The child that came up; `None` if it is not wanted.
    pub fn up(self) -> Option<StartedChild> {
        match self {
            Self::Up(up) => Some(up),
            Self::Ignored => None,
        }
    }
}

/// A child that came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedChild {
    /// Its full path.
    pub path: Arc<str>,
    /// Its generation.
    pub generation: u64,
    /// The line that its factory gave with [`Context::info`](crate::Context::info).
    pub info: Option<Arc<str>>,
}

/// A child of a supervisor and its state.
#[derive(Debug, Clone)]
pub struct ChildInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its full path.
    pub path: Arc<str>,
    /// Its kind.
    pub kind: ChildKind,
    /// Its state, as its supervisor sees it.
    pub standing: ChildState,
    /// The generation of its latest incarnation.
    pub generation: u64,
    /// Its spec.
    pub spec: ChildSpec,
}

/// Numbers of a supervisor's children (OTP rule 67).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildCount {
    /// All children.
    pub specs: usize,
    /// Children that run.
    pub active: usize,
    /// Children that are supervisors.
    pub supervisors: usize,
    /// Children that are not supervisors.
    pub workers: usize,
}
