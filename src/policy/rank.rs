//! Ranks of settings: for one field, the more specific setting wins. Between equals, the later layer wins.

use std::fmt;

use regrow_supervisors::Policy;

use crate::tree::overrides::{Coded, Named};

/// Class of a setting: how specific it is. Later classes in this list win over earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RankClass {
    /// The library's default.
    Library,
    /// For every service of the tree.
    Defaults,
    /// For the children of one supervisor.
    Children,
    /// For the child itself, by its path or in its description.
    Child,
}

/// Layer in which a setting stands. Within a class, later layers in this list win over earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// In code.
    Code,
    /// In a policy file.
    File,
    /// In the environment.
    Environment,
}

/// The rank of a setting: the greater one wins, and between equals the one that stands further down.
///
/// ```
/// use regrow::policy::{Origin, RankClass, Rank};
///
/// let file_defaults = Rank { class: RankClass::Defaults, by: Origin::File };
/// let child_in_code = Rank { class: RankClass::Child, by: Origin::Code };
/// assert!(child_in_code > file_defaults);
/// assert_eq!(child_in_code.to_string(), "child, code");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// The class of the setting.
    pub class: RankClass,
    /// The layer in which it stands.
    pub by: Origin,
}

impl Rank {
    pub(crate) const LIBRARY: Self = Self { class: RankClass::Library, by: Origin::Code };
}

impl fmt::Display for RankClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Library => "library",
            Self::Defaults => "defaults",
            Self::Children => "children",
            Self::Child => "child",
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "code",
            Self::File => "file",
            Self::Environment => "environment",
        })
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            RankClass::Library => self.class.fmt(f),
            class => write!(f, "{class}, {}", self.by),
        }
    }
}

/// The most specific class in which the code sets this field of a child.
pub(crate) fn class_in_code(coded: &Coded, field: &str) -> Option<RankClass> {
    [RankClass::Child, RankClass::Children, RankClass::Defaults]
        .into_iter()
        .find(|&class| is_in_code(coded, class, field))
}

/// Whether the code sets this field, in exactly this class.
pub(crate) fn is_in_code(coded: &Coded, class: RankClass, field: &str) -> bool {
    let policy = |policy: Option<&Policy>| policy.is_some_and(|policy| is_in_policy(policy, field));
    match class {
        RankClass::Library => false,
        RankClass::Defaults => policy(coded.defaults.tree.as_deref()),
        RankClass::Children => policy(coded.defaults.siblings.as_deref()),
        RankClass::Child => is_named(coded.named, field) || is_in_policy(&coded.own.spec.policy_rule(), field),
    }
}

/// Whether a policy in code sets this field. A curve, a budget and `not_ready` are one value each in code, which sets
/// all of its fields.
fn is_in_policy(policy: &Policy, field: &str) -> bool {
    match field.split_once('.').map_or(field, |(group, _)| group) {
        "delay" | "factor" | "max_delay" | "jitter" => policy.backoff.is_some(),
        "max_restarts" | "within" => policy.budget.is_some(),
        "reset_after" => policy.reset_after.is_some(),
        "reset_on_ready" => policy.reset_on_ready.is_some(),
        "reset_after_messages" => policy.reset_after_messages.is_some(),
        "start_timeout" => policy.start_timeout.is_some(),
        "ready" => policy.readiness.is_some(),
        "depends_on" => policy.depends_on.is_some(),
        "on_dependency_gone" => policy.on_dependency_gone.is_some(),
        "health" => policy.health.is_some(),
        "watchdog" => policy.watchdog.is_some(),
        "failure_rate" => policy.failure_rate.is_some(),
        "kept" => policy.kept.is_some(),
        "on_give_up" => policy.on_give_up.is_some(),
        "retry_start" => policy.retry_start.is_some(),
        "not_ready" => policy.not_ready.is_some(),
        "rules" => policy.rules.is_some(),
        _ => false,
    }
}

fn is_named(named: Named, field: &str) -> bool {
    match field {
        "restart" => named.restart,
        "shutdown_timeout" => named.shutdown,
        "mailbox.capacity" => named.capacity,
        "mailbox.overflow" => named.overflow,
        "mailbox.on_restart" => named.on_restart,
        "mailbox.room_wait" => named.room_wait,
        "mailbox.idle_after" => named.idle_after,
        _ => false,
    }
}
