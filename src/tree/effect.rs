//! The settings without effect, for each kind of child.
//!
//! Fields have the names of policy files.

use regrow_supervisors::Policy;

use crate::tree::directory::ChildKind;

/// A setting without effect, and the reason.
pub(crate) type Idle = (&'static str, &'static str);

/// The reason why a field has no effect on this kind of child; `None` if it has one.
pub(crate) fn why_idle(kind: ChildKind, field: &str) -> Option<&'static str> {
    let group = field.split_once('.').map_or(field, |(group, _)| group);
    match (group, kind) {
        ("watchdog", ChildKind::Actor) => {
            Some("its messages wait in the actor's own mailbox, where the watchdog sees none")
        }
        ("watchdog", ChildKind::Supervisor | ChildKind::Dynamic | ChildKind::Partitioned) => {
            Some("a supervisor handles no messages: set it on its children")
        }
        ("ready", ChildKind::Actor) => Some("an actor has no context, so it cannot say that it is ready"),
        ("ready", ChildKind::Supervisor | ChildKind::Dynamic | ChildKind::Partitioned) => {
            Some("a supervisor is ready when its children have started")
        }
        ("kept", ChildKind::Actor) => Some("an actor has no context, so it keeps no value"),
        ("kept", ChildKind::Supervisor | ChildKind::Dynamic | ChildKind::Partitioned) => {
            Some("a supervisor keeps no value: set it on its children")
        }
        ("failure_rate", ChildKind::Actor) => Some("an actor has no context, so it cannot say that a message failed"),
        ("reset_after_messages" | "failure_rate" | "mailbox", ChildKind::Task) => Some("a task takes no messages"),
        (
            "reset_after_messages" | "failure_rate" | "mailbox",
            ChildKind::Supervisor | ChildKind::Dynamic | ChildKind::Partitioned,
        ) => Some("a supervisor takes no messages: set it on its children"),
        ("mailbox", ChildKind::Thread) if field == IDLE_AFTER => {
            Some("a thread waits for its messages in its own code: it can call `Inbox::stop_if_idle`")
        }
        ("mailbox", ChildKind::Actor) if field == IDLE_AFTER => Some("its messages wait in the actor's own mailbox"),
        _ => None,
    }
}

/// The reason why a field is left out if it comes from defaults; `None` if it is not. A watchdog on a task asks the task
/// for signs of life, and would kill one without them in its code. An idle time would end services that nothing starts
/// again. So only the policy of the child itself sets them.
pub(crate) fn why_left_out(kind: ChildKind, field: &str) -> Option<&'static str> {
    why_idle(kind, field).or(match field {
        "watchdog" if kind == ChildKind::Task => {
            Some("only a task that calls `ctx.alive()` can have one: set it in a table for the path of that task")
        }
        IDLE_AFTER => {
            Some("a service that ends needs code that starts it again: set it in a table for the path of that service")
        }
        _ => None,
    })
}

/// Name of the field with the time after which an idle service ends.
pub(crate) const IDLE_AFTER: &str = "mailbox.idle_after";

/// Returns the part of these defaults that is for this kind of child.
pub(crate) fn inherited(kind: ChildKind, defaults: &Policy) -> Policy {
    let is_for = |field| why_left_out(kind, field).is_none();
    let mut policy = defaults.clone();
    policy.watchdog = policy.watchdog.filter(|_| is_for("watchdog"));
    policy.readiness = policy.readiness.filter(|_| is_for("ready"));
    policy.kept = policy.kept.filter(|_| is_for("kept"));
    policy.failure_rate = policy.failure_rate.filter(|_| is_for("failure_rate"));
    policy.reset_after_messages = policy.reset_after_messages.filter(|_| is_for("reset_after_messages"));
    policy
}
