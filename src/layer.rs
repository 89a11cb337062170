//! What a policy file may say about a path, and the seam through which it is said: a layer over what the code says.

use std::fmt;

use regrow_supervisors::{BudgetClock, ChildSpec, Intensity};

use crate::mailbox;

/// All that can be set about the child with one path, as the code or a layer over it has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Configured {
    /// Restart type, shutdown, policy.
    pub(crate) spec: ChildSpec,
    /// Of a child that is not a supervisor.
    pub(crate) mailbox: Option<mailbox::Settings>,
    /// Of a supervisor, where its children as a whole are asked about.
    pub(crate) group: Option<Group>,
    /// What is said of every service is not said of it.
    pub(crate) is_supervisor: bool,
}

/// What a supervisor may be told about its children as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// The restart budget that its children share.
    pub(crate) intensity: Intensity,
    /// What that budget's window is measured in.
    pub(crate) budget_clock: BudgetClock,
    /// How many of the services below it, at any depth, may be starting at the same time.
    pub(crate) starts_max: Option<usize>,
}

/// Something that has a say about every path of a tree.
pub(crate) trait Layer: Send + Sync + fmt::Debug {
    /// What is in force for `path`, where the code says `coded`.
    fn apply(&self, path: &str, coded: &Configured) -> Configured;

    /// As [`apply`](Self::apply), or why that makes no sense for this path.
    #[cfg(feature = "policy")]
    fn check(&self, path: &str, coded: &Configured) -> Result<Configured, Vec<String>> {
        Ok(self.apply(path, coded))
    }

    /// What it says that means nothing in a tree with these paths, and with supervisors that have no children yet.
    #[cfg(feature = "policy")]
    fn warnings(&self, paths: &[&str], empty: &[&str]) -> Vec<String> {
        let _ = (paths, empty);
        Vec::new()
    }
}
