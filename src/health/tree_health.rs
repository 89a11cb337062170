//! The health of a tree as data: live, ready, started, and the reasons if it is not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;

use crate::log::one_line;
use crate::slot::status::{ServiceState, ServiceStatus};

/// Number of services that are named when a [`TreeHealth`] is displayed.
const NAMED_MAX: usize = 3;

/// Health of a tree at one moment, as [`Tree::health`](crate::Tree::health) and
/// [`HealthSource::check`](super::HealthSource::check) return it.
///
/// Displayed, it is one line: `shop is live and not ready: shop/db is parked`. The line contains names, so it is for
/// operators and not for a probe.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TreeHealth {
    /// The root's name.
    pub tree: Arc<str>,
    /// Whether the tree lives, and the reason if not.
    pub life: Life,
    /// Whether the boot is still under way.
    pub is_booting: bool,
    /// Whether the tree was asked to end, or ends: see [`Tree::is_draining`](crate::Tree::is_draining).
    pub is_draining: bool,
    /// Whether the tree was ready once, now or earlier.
    pub was_ready: bool,
    /// The services that are required and not ready, in the order of their paths. The list is empty once the tree is
    /// over.
    pub missing: Vec<MissingService>,
}

/// Whether a tree lives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Life {
    /// The root is not over. If it was asked, it has answered in time.
    Live,
    /// The root is over: it was stopped, gave up or was killed. Nothing of the tree comes back.
    Over {
        /// Exit of the root.
        exit: Exit,
    },
    /// A new task did not get its turn in time: the threads of the tree's runtime are blocked.
    Blocked {
        /// Time within which the task should have had its turn.
        limit: Duration,
    },
    /// New tasks get their turn, and the root supervisor did not answer in time: the thread that runs it is blocked.
    Silent {
        /// Time within which the root should have answered.
        limit: Duration,
    },
}

impl Life {
    /// Whether the root is not over, and nothing is blocked.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }
}

/// A service that is required and not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingService {
    /// Its full path.
    pub path: Arc<str>,
    /// Its status.
    pub status: ServiceStatus,
}

impl TreeHealth {
    /// Whether the tree lives: for a liveness probe, which restarts the process if it is false. A parked or failed
    /// service never makes it false.
    pub fn is_live(&self) -> bool {
        self.life.is_live()
    }

    /// Whether the tree can do its work: for a readiness probe, which sends no more requests if it is false. It is
    /// false during the boot, while a required service is not ready, and from the first moment of a drain on.
    pub fn is_ready(&self) -> bool {
        self.is_live() && !self.is_booting && !self.is_draining && self.missing.is_empty()
    }

    /// Whether the tree was ready once: for a startup probe. Once true, it stays true.
    ///
    /// A task waits for the first moment of readiness once a [`HealthSource`](super::HealthSource) was made, or if the
    /// tree is run by `run_until_signal` with `sd_notify`. It misses a moment that is over before the task has its turn.
    /// Without that task, only a look at the right time sees it, such as that of [`Tree::ready`](crate::Tree::ready).
    pub fn is_started(&self) -> bool {
        self.was_ready
    }
}

impl fmt::Display for TreeHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tree = one_line(&*self.tree);
        match &self.life {
            Life::Live => {}
            Life::Over { exit } => return write!(f, "{tree} is over: {}", one_line(exit)),
            Life::Blocked { limit } => {
                return write!(
                    f,
                    "{tree} is not live: a new task did not run within {limit:?}, so its runtime is blocked"
                );
            }
            Life::Silent { limit } => {
                return write!(f, "{tree} is not live: its root supervisor did not answer within {limit:?}");
            }
        }
        if self.is_ready() {
            return write!(f, "{tree} is live and ready");
        }
        write!(f, "{tree} is live and not ready: ")?;
        if self.is_draining {
            return f.write_str("it is draining");
        }
        if self.missing.is_empty() {
            return f.write_str("it is booting");
        }
        for (number, service) in self.missing.iter().take(NAMED_MAX).enumerate() {
            write!(f, "{}{service}", if number == 0 { "" } else { ", " })?;
        }
        match self.missing.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

impl fmt::Display for MissingService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, state) = (one_line(&*self.path), self.status.state);
        let suffix = if state == ServiceState::Up { " and not ready" } else { "" };
        write!(f, "{path} is {state}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(life: Life, paths: &[&str]) -> TreeHealth {
        let status = ServiceStatus { state: ServiceState::Up, generation: 1, ready: false };
        let missing = paths.iter().map(|path| MissingService { path: (*path).into(), status }).collect();
        let tree = "shop".into();
        TreeHealth { tree, life, is_booting: false, is_draining: false, was_ready: true, missing }
    }

    #[test]
    fn a_tree_with_a_missing_service_is_live_and_started_and_not_ready() {
        let health = health(Life::Live, &["shop/db"]);
        assert!(health.is_live() && health.is_started() && !health.is_ready());
        assert_eq!(health.to_string(), "shop is live and not ready: shop/db is up and not ready");
    }

    #[test]
    fn a_boot_and_a_drain_are_not_ready_whatever_the_services_say() {
        let whole = health(Life::Live, &[]);
        assert!(whole.is_ready());
        let booting = TreeHealth { is_booting: true, ..whole.clone() };
        let draining = TreeHealth { is_draining: true, ..whole };
        assert!(!booting.is_ready() && booting.is_live() && !draining.is_ready() && draining.is_live());
        assert_eq!(booting.to_string(), "shop is live and not ready: it is booting");
        assert_eq!(draining.to_string(), "shop is live and not ready: it is draining");
    }

    #[test]
    fn only_a_root_that_is_over_or_blocked_is_not_live() {
        let limit = Duration::from_secs(1);
        for life in [Life::Over { exit: Exit::Shutdown }, Life::Blocked { limit }, Life::Silent { limit }] {
            let health = health(life, &[]);
            assert!(!health.is_live() && !health.is_ready(), "{health}");
        }
        assert_eq!(health(Life::Over { exit: Exit::Killed }, &[]).to_string(), "shop is over: killed");
    }

    #[test]
    fn the_line_names_three_services_and_counts_the_others_and_is_one_line() {
        let line = health(Life::Live, &["a", "b\nREADY=1", "c", "d", "e"]).to_string();
        assert!(line.ends_with("c is up and not ready, and 2 more"), "{line}");
        assert!(!line.contains('\n') && line.contains("b\\nREADY=1"), "{line}");
    }
}
