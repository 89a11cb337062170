//! The two homes of a child's life: a bare task or a ractor actor.

use regrow::{ServiceChild, TaskChild};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// A bare tokio task.
    Task,
    /// A ractor actor.
    Actor,
}

pub(crate) const HOMES: [Home; 2] = [Home::Task, Home::Actor];

impl Home {
    pub(crate) fn of<M: Send + 'static>(self, child: ServiceChild<M>) -> ServiceChild<M> {
        match self {
            Self::Task => child,
            Self::Actor => child.as_actor(),
        }
    }

    pub(crate) fn of_task(self, child: TaskChild) -> TaskChild {
        match self {
            Self::Task => child,
            Self::Actor => child.as_actor(),
        }
    }
}

/// Whether this run of the suite makes every child a ractor actor (`REGROW_ACTORS`).
pub(crate) fn all_are_actors() -> bool {
    std::env::var_os("REGROW_ACTORS").is_some()
}
