//! Who is ready, and who waits for that.
//!
//! Invariants:
//! 1. A child is started by itself only when every service that it depends on is ready. (An order to
//!    [revive](crate::Order::Revive) it does not wait.)
//! 2. A child that waits, for a dependency or for a delay to pass, is started as soon as the last of its dependencies has
//!    come back, whatever the clock says.

use std::sync::Arc;

use crate::child::{Ending, Held, Hold, Live, Stage, State};
use crate::children::{Attempt, ChildKey};
use crate::nursery::Nursery;

impl Nursery {
    /// Whether everybody that the child depends on is ready.
    pub(crate) fn is_independent(&self, key: ChildKey) -> bool {
        self.missing(key).next().is_none()
    }

    /// The services that the child depends on and that are not ready: siblings, or others as the driver tells of them.
    pub(crate) fn missing(&self, key: ChildKey) -> impl Iterator<Item = &Arc<str>> {
        let dependencies = self.children.get(key).map(|child| child.spec.dependencies()).unwrap_or_default();
        dependencies.iter().filter(|name| !self.ready.contains(*name) && !self.is_sibling_ready(name))
    }

    fn is_sibling_ready(&self, name: &str) -> bool {
        let Some(child) = self.children.find(name).and_then(|key| self.children.get(key)) else { return false };
        matches!(&child.state, State::Live(Live { stage: Stage::Ready, ending: Ending::NotTold, .. }))
    }

    /// A service elsewhere has become ready, or is not any more.
    pub(crate) fn set_ready(&mut self, name: &str, is_ready: bool) {
        if !is_ready {
            self.ready.remove(name);
        } else if self.ready.insert(name.into()) {
            self.wake_dependents(name);
        }
    }

    /// Its spec was replaced: it may wait for nobody any more.
    pub(crate) fn reconsider(&mut self, key: ChildKey) {
        if self.children.held(key).is_some_and(|held| held.hold == Hold::Dependency) && self.is_independent(key) {
            self.wake(key);
        }
    }

    /// The attempt is ready: it has said so, or need not.
    pub(crate) fn became_ready(&mut self, attempt: Attempt) {
        let now = self.now;
        let has_policy = self.children.get(attempt.child()).is_some_and(|child| child.spec.policy.is_some());
        // Only once, and not when it is being killed for not being ready.
        let Some(live @ Live { stage: Stage::Up, ending: Ending::NotTold, .. }) = self.children.live_mut(attempt)
        else {
            return;
        };
        // Nobody asks how long the others live.
        if has_policy {
            live.since = now;
        }
        live.stage = Stage::Ready;
        // The time for the start has been kept.
        self.set_timer(attempt.child(), None);
        if let Some(id) = self.children.get(attempt.child()).map(|child| child.spec.id.clone()) {
            self.wake_dependents(&id);
        }
    }

    /// Invariant 2.
    fn wake_dependents(&mut self, name: &str) {
        for key in self.children.dependents(name) {
            let is_waiting = match self.children.get(key).map(|child| &child.state) {
                Some(State::Held(Held { hold, .. })) => *hold != Hold::Queued,
                Some(State::Live(_) | State::Down) | None => false,
            };
            if is_waiting && self.is_independent(key) {
                self.wake(key);
            }
        }
    }
}
