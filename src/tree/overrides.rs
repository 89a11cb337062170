//! What a policy file may say about a path, and the seam through which it is said: a layer over what the code says.
//!
//! The code speaks in three classes, the special over the general: the root's `.defaults` are for every service, those of
//! a supervisor for its children, and the rest is about one child. A layer has the same three, and wins within each.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{BudgetClock, ChildSpec, Intensity, Policy};

use crate::slot::settings;
use crate::tree::directory::ChildKind;
use crate::tree::effect;

/// All that can be set about the child with one path, as the code or a layer over it has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effective {
    /// Restart type, shutdown, policy.
    pub(crate) spec: ChildSpec,
    /// Of a child that is not a supervisor.
    pub(crate) mailbox: Option<settings::Settings>,
    /// Of a supervisor, where its children as a whole are asked about.
    pub(crate) group: Option<Group>,
    /// What has an effect on it, and whether what is said of every service is said of it.
    pub(crate) kind: ChildKind,
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

/// What the code says about one child, class by class.
#[derive(Debug, Clone)]
pub(crate) struct Coded {
    /// What it says about this child alone. What its policy leaves open, the defaults decide.
    pub(crate) own: Effective,
    #[cfg_attr(not(feature = "policy"), allow(dead_code, reason = "only layers ask"))]
    pub(crate) named: Named,
    pub(crate) defaults: Defaults,
}

/// The settings of a child that the code names, beyond its policy. The others have the library's values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) restart: bool,
    pub(crate) shutdown: bool,
    pub(crate) capacity: bool,
    pub(crate) overflow: bool,
    pub(crate) on_restart: bool,
    pub(crate) room_wait: bool,
}

/// What the code says for children that leave something open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    /// For every service of the tree: the root's.
    pub(crate) tree: Option<Arc<Policy>>,
    /// For the children of one supervisor: its own.
    pub(crate) siblings: Option<Arc<Policy>>,
}

impl Coded {
    /// A supervisor, where its children as a whole are asked about.
    pub(crate) fn of_group(name: &str, group: Group) -> Self {
        let spec = ChildSpec::supervisor(name);
        let own = Effective { spec, mailbox: None, group: Some(group), kind: ChildKind::Supervisor };
        Self { own, named: Named::default(), defaults: Defaults::default() }
    }

    /// What is in force where no layer speaks.
    pub(crate) fn whole(&self) -> Effective {
        let mut whole = self.own.clone();
        if !self.defaults.is_silent() {
            let policy = self.defaults.complete(whole.kind, whole.spec.policy_rule());
            whole.spec = whole.spec.policy(policy);
        }
        whole
    }
}

impl Defaults {
    /// Whether they say nothing.
    pub(crate) fn is_silent(&self) -> bool {
        self.tree.is_none() && self.siblings.is_none()
    }

    /// The policy, with what it leaves open: the special first. What is not for this kind of child is left out.
    pub(crate) fn complete(&self, kind: ChildKind, policy: Policy) -> Policy {
        let all = [&self.siblings, &self.tree].into_iter().flatten();
        all.fold(policy, |policy, defaults| policy.or(&effect::inherited(kind, defaults)))
    }
}

/// Something that has a say about every path of a tree.
pub(crate) trait Overrides: Send + Sync + fmt::Debug {
    /// What is in force for `path`, where the code says `coded`.
    fn apply(&self, path: &str, coded: &Coded) -> Effective;

    /// As [`apply`](Self::apply), or why that makes no sense for this path.
    #[cfg(feature = "policy")]
    fn check(&self, path: &str, coded: &Coded) -> Result<Effective, Vec<String>> {
        Ok(self.apply(path, coded))
    }

    /// What it says that means nothing in a tree with these children, and with supervisors that have no children yet.
    #[cfg(feature = "policy")]
    fn warnings(&self, children: &[(&str, ChildKind)], empty: &[&str]) -> Vec<String> {
        let _ = (children, empty);
        Vec::new()
    }
}
