//! The settings that a policy file may have for a path, and the interface by which it sets them: a layer over the code.
//!
//! The code has three classes of settings, and the special ones win. The root's `.defaults` are for every service,
//! those of a supervisor for its children, and the rest is for one child. A layer has the same three classes, and wins
//! within each.

use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{BudgetClock, ChildSpec, Intensity, Policy};

use crate::slot::settings;
use crate::tree::directory::ChildKind;
use crate::tree::effect;

/// All settings of the child with one path, as the code or a layer over it has them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effective {
    /// Restart type, shutdown, policy.
    pub(crate) spec: ChildSpec,
    /// The mailbox, for a child that is not a supervisor.
    pub(crate) mailbox: Option<settings::Settings>,
    /// The settings of a supervisor's children as a group, if those are asked for.
    pub(crate) group: Option<Group>,
    /// The kind, which decides the settings that have an effect, and whether the defaults for services are for it.
    pub(crate) kind: ChildKind,
}

/// The settings of a supervisor's children as a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// The restart budget that its children share.
    pub(crate) intensity: Intensity,
    /// The clock that measures that budget's window.
    pub(crate) budget_clock: BudgetClock,
    /// Number of the services below it, at any depth, that may be starting at the same time.
    pub(crate) starts_max: Option<usize>,
}

/// The settings of the code for one child, class by class.
#[derive(Debug, Clone)]
pub(crate) struct Coded {
    /// The settings for this child alone. For what its policy leaves open, the defaults decide.
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
    pub(crate) idle_after: bool,
}

/// The settings of the code for children that leave something open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    /// For every service of the tree: the root's.
    pub(crate) tree: Option<Arc<Policy>>,
    /// For the children of one supervisor: its own.
    pub(crate) siblings: Option<Arc<Policy>>,
}

impl Coded {
    /// The settings of a supervisor, if its children as a group are asked about.
    pub(crate) fn of_group(name: &str, group: Group) -> Self {
        let spec = ChildSpec::supervisor(name);
        let own = Effective { spec, mailbox: None, group: Some(group), kind: ChildKind::Supervisor };
        Self { own, named: Named::default(), defaults: Defaults::default() }
    }

    /// The settings in force without a layer.
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
    /// Whether both are empty.
    pub(crate) fn is_silent(&self) -> bool {
        self.tree.is_none() && self.siblings.is_none()
    }

    /// Completes the policy with the defaults for what it leaves open, the special ones first. Defaults that are not
    /// for this kind of child are left out.
    pub(crate) fn complete(&self, kind: ChildKind, policy: Policy) -> Policy {
        let all = [&self.siblings, &self.tree].into_iter().flatten();
        all.fold(policy, |policy, defaults| policy.or(&effect::inherited(kind, defaults)))
    }
}

/// A layer that may change the settings of every path of a tree.
pub(crate) trait Overrides: Send + Sync + fmt::Debug {
    /// Returns the settings in force for `path`, if the code says `coded`.
    fn apply(&self, path: &str, coded: &Coded) -> Effective;

    /// Does what [`apply`](Self::apply) does, or says why the result makes no sense for this path.
    #[cfg(feature = "policy")]
    fn check(&self, path: &str, coded: &Coded) -> Result<Effective, Vec<String>> {
        Ok(self.apply(path, coded))
    }

    /// Every setting in force for `path`: its name, its value, and its origin.
    #[cfg(feature = "policy")]
    #[cfg_attr(not(feature = "admin"), allow(dead_code, reason = "only the admin source asks, and it is a feature"))]
    fn settings(&self, path: &str, coded: &Coded) -> Vec<(String, String, String)> {
        let _ = (path, coded);
        Vec::new()
    }

    /// The settings that mean nothing in a tree with these children, and with supervisors that have no children yet.
    #[cfg(feature = "policy")]
    fn warnings(&self, children: &[(&str, ChildKind)], empty: &[&str]) -> Vec<String> {
        let _ = (children, empty);
        Vec::new()
    }
}
