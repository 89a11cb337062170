//! A tree that an `Admin` shows, and its end.
//!
//! The directory, the record and the state of the root outlive the tree, so the reason of its end can be shown. They are
//! forgotten a minute later, at the next request.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::wire::greeting::{Tree as Greeted, TreeState};
use crate::admin::{record, row};
use crate::health::{HealthSource, Life};
use crate::tree::root::Root;
use crate::tree::shared::Shared;
use crate::tree::{Directory, Tree};

/// Time for which a tree that is over is shown.
pub(crate) const SHOWN_AFTER_END: Duration = Duration::from_secs(60);
/// Number of required children that are named as not ready.
const NOT_READY_MAX: usize = 10;

/// A tree that is shown.
pub(crate) struct Shown {
    pub(crate) name: Arc<str>,
    /// Random text: positions in the stream of events of this tree begin with it.
    pub(crate) boot: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) root: watch::Receiver<Root>,
    health: HealthSource,
    /// Moment of the end.
    end_seen: OnceLock<Instant>,
}

/// End of a tree.
pub(crate) struct End {
    pub(crate) reason: String,
    pub(crate) at_ms: u64,
    pub(crate) is_failure: bool,
}

impl Shown {
    pub(crate) fn new(tree: &Tree) -> Self {
        Self {
            name: tree.path.clone(),
            boot: format!("{:016x}", fastrand::u64(..)),
            shared: tree.shared.clone(),
            root: tree.root.clone(),
            health: tree.health_from(None),
            end_seen: OnceLock::new(),
        }
    }

    /// Whether it is over for so long that it is not shown any more.
    pub(crate) fn is_past(&self) -> bool {
        self.ended().is_some() && self.end_seen().elapsed() >= SHOWN_AFTER_END
    }

    /// Returns its end, if it is over.
    pub(crate) fn end(&self) -> Option<End> {
        let exit = self.ended()?;
        let at_ms = row::ago_ms(self.end_seen().elapsed());
        let notes = self.shared.ending.notes();
        let is_failure = notes.gave_up.is_some() || exit.is_abnormal();
        let reason = match notes.gave_up {
            Some(gave_up) => format!("`{}` {gave_up}", self.name),
            None => format!("`{}` ended: {exit}", self.name),
        };
        Some(End { reason, at_ms, is_failure })
    }

    /// Returns it as the greeting shows it. It looks at the required children, for those that are not ready.
    pub(crate) fn greeted(&self) -> Greeted {
        // The health comes first: what it calls ready was not over.
        let health = self.health.health();
        let end = self.end();
        let state = match &end {
            Some(End { is_failure: true, .. }) => TreeState::Failed,
            Some(_) => TreeState::Ended,
            None if health.is_draining => TreeState::Draining,
            None if health.is_booting => TreeState::Starting,
            None => TreeState::Up,
        };
        let not_ready = health.missing.iter().take(NOT_READY_MAX).map(|missing| missing.path.to_string());
        Greeted {
            name: self.name.to_string(),
            state,
            ended_at_ms: end.as_ref().map(|end| end.at_ms),
            ended: end.map(|end| end.reason),
            ready: state == TreeState::Up && health.is_ready(),
            not_ready: not_ready.collect(),
            boot: self.boot.clone(),
            now_ms: record::moment(self.shared.clock.boot(), self.shared.clock.now()),
            newest: Directory { shared: self.shared.clone() }.history_after(u64::MAX).latest,
        }
    }

    /// The exit of the root.
    fn ended(&self) -> Option<Exit> {
        match self.health.root_now().0 {
            Life::Over { exit } => Some(exit),
            Life::Live | Life::Blocked { .. } | Life::Silent { .. } => None,
        }
    }

    fn end_seen(&self) -> Instant {
        *self.end_seen.get_or_init(|| {
            let over = self.shared.ending.notes().over;
            let ago = over.map_or(Duration::ZERO, |over| self.shared.clock.now().saturating_sub(over));
            Instant::now().checked_sub(ago).unwrap_or_else(Instant::now)
        })
    }
}
