//! The claim that no service has two incarnations alive at the same time: one moves into its slot only when the one
//! before is gone or was cut off.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::chaos::judge::{Claim, Violation};
use crate::slot::signals::Signals;

#[derive(Debug, Default)]
pub(super) struct Census {
    alive: HashMap<Arc<str>, Vec<Weak<Signals>>>,
}

impl Census {
    pub(super) fn moves_in(&mut self, path: &Arc<str>, signals: Weak<Signals>, at: Duration) -> Option<Violation> {
        let alive = self.alive.entry(path.clone()).or_default();
        // An incarnation that was cut off can do no harm any more, and one that is dropped is gone.
        alive.retain(|other| other.upgrade().is_some_and(|other| !other.is_fenced()));
        let is_known = alive.iter().any(|other| other.ptr_eq(&signals));
        let before = alive.len() - usize::from(is_known);
        if !is_known {
            alive.push(signals);
        }
        (before > 0).then(|| Violation {
            claim: Claim::Alive,
            at,
            evidence: format!("{path} moves in while its incarnation before that still lives: a new life begins when the old one is gone"),
        })
    }

    pub(super) fn moves_out(&mut self, path: &str, signals: &Weak<Signals>) {
        if let Some(alive) = self.alive.get_mut(path) {
            alive.retain(|other| !other.ptr_eq(signals));
            if alive.is_empty() {
                self.alive.remove(path);
            }
        }
    }
}
