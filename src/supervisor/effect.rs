//! The settings that have an effect, for each kind of child.
//!
//! A setting without effect is refused if the code says it of that child alone. If a policy file says it of a path, the
//! log warns. Defaults are for children of many kinds, so settings without effect on one of them are left out there.
//!
//! Fields have the names of policy files.

use regrow_supervisors::{BudgetClock, Exit, Policy, Readiness, Restart, Shutdown};

use crate::child::{Child, Factory};
use crate::error::start::StartError;
use crate::supervisor::description::Description;
use crate::supervisor::plan::Plan;
use crate::tree::directory::ChildKind;
use crate::tree::effect::{IDLE_AFTER, Idle, why_idle};
use crate::tree::in_force::TreeOptions;
use crate::tree::options::Options;

/// The first setting of a child that has no effect.
pub(crate) fn of_child(child: &Child) -> Option<Idle> {
    child.spec.own_policy().and_then(|policy| of_policy(child.kind, policy)).or_else(|| of_leaf(child))
}

fn of_policy(kind: ChildKind, policy: &Policy) -> Option<Idle> {
    let said = [
        ("watchdog", policy.watchdog.is_some()),
        // The other value is the default, and does no harm.
        ("ready", policy.readiness == Some(Readiness::WhenSaid)),
        ("reset_after_messages", policy.reset_after_messages.is_some()),
        ("failure_rate", policy.failure_rate.is_some()),
        ("kept", policy.kept.is_some()),
    ];
    let said = said.into_iter().filter(|(_, is_said)| *is_said);
    said.filter_map(|(field, _)| Some((in_code(field), why_idle(kind, field)?))).next()
}

/// The first setting of a supervisor that has no effect in its place: some settings are for a root, and some for a
/// child.
pub(crate) fn of_supervisor(description: &Description, is_root: bool) -> Option<Idle> {
    let (spec, terms) = (&description.spec, &description.terms);
    let (said, why) = match is_root {
        true => (
            vec![
                // The default values do no harm.
                ("restart", spec.restart_type() != Restart::Permanent),
                ("shutdown", spec.shutdown_rule() != Shutdown::Wait),
                ("significant", spec.is_significant()),
                ("policy", spec.policy_rule() != Policy::default()),
            ],
            "it is for a supervisor below another one, and no supervisor is above a root: leave it out",
        ),
        false => (
            vec![
                ("policies", terms.overrides.is_some()),
                ("seed", terms.seed.is_some()),
                ("dump_history_to", terms.at_end.is_some()),
            ],
            "it is for the whole tree: set it on the root",
        ),
    };
    said.into_iter().find(|(_, is_said)| *is_said).map(|(setting, _)| (setting, why))
}

/// The first setting of a new description that cannot change while the supervisor runs. `now` is in force.
pub(crate) fn of_reconfiguration(new: &Options, now: &Options) -> Option<Idle> {
    let said = [
        ("defaults", new.defaults.is_some() && new.defaults != now.defaults),
        ("budget_each", new.each.is_some() && new.each != now.each),
        ("budget_clock", new.budget_clock != BudgetClock::default() && new.budget_clock != now.budget_clock),
        ("max_starting", new.starts_max.is_some() && new.starts_max != now.starts_max),
    ];
    let why = "only flags, limits, templates and children can be changed while it runs";
    said.into_iter().find(|(_, is_other)| *is_other).map(|(setting, _)| (setting, why))
}

/// Checks a subtree that comes while the tree runs: its rules know errors by the names that the tree was started with.
pub(crate) fn check_error_types(plan: &Plan, options_in_force: &TreeOptions) -> Result<(), StartError> {
    let mut checked = Ok(());
    plan.for_each(&mut |plan| {
        if checked.is_ok() && plan.terms.error_types.iter().any(|error| !options_in_force.knows(&error.name)) {
            let why = "error names are for the whole tree: set them on a supervisor that the tree starts with";
            checked = Err(StartError::NoEffect { path: plan.path.clone(), setting: "error_type", why });
        }
    });
    checked
}

/// The name of the setting in code.
fn in_code(field: &'static str) -> &'static str {
    if field == "ready" { "readiness" } else { field }
}

fn of_leaf(child: &Child) -> Option<Idle> {
    let Factory::Leaf(leaf) = &child.recipe else { return None };
    let drain = match child.kind {
        ChildKind::Thread => {
            Some("a thread's iterator ends when the thread is asked to stop: drain the inbox in its own code")
        }
        ChildKind::Actor => Some("its messages are handed on to the actor at once"),
        _ if child.spec.shutdown_rule() == Shutdown::Kill => Some("`shutdown(Kill)` leaves no time for it"),
        _ => None,
    };
    let redeliver = match child.kind {
        ChildKind::Actor => Some("a message that was handed on to an actor cannot be put back"),
        _ => None,
    };
    let idle_after = match child.kind {
        // Most children say no such time.
        _ if leaf.settings.idle_after.is_none() => None,
        ChildKind::Thread | ChildKind::Actor => why_idle(child.kind, IDLE_AFTER),
        _ if child.spec.is_restarted_after(&Exit::Normal) => {
            Some("a permanent service is started again as soon as it ends: make it transient or temporary")
        }
        _ => None,
    };
    let mailbox = leaf.is_given_in_vain.then_some("a partition is reached through the handle of all partitions");
    [
        ("drain", drain.filter(|_| child.drain)),
        ("idle_after", idle_after),
        ("redeliver", redeliver.filter(|_| leaf.redeliveries > 0)),
        ("mailbox", mailbox),
    ]
    .into_iter()
    .find_map(|(setting, why)| Some((setting, why?)))
}
