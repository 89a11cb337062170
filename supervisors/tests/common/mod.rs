//! What the tests share. All that touches the API is here, so that they survive a redesign.
//!
//! | file | idea |
//! |---|---|
//! | `script.rs` | one supervisor and the world around it, told as a short history |
//! | `nested.rs` | supervisors that are children of supervisors |
//! | `world.rs` | one supervisor to which anything may happen |
//! | `model/`, `mailbox.rs` | an independent idea of what it may do then |
//! | `dice.rs` | chance from a seed |
//! | `order_model.rs` | a supervisor of either kind, and orders to it at any moment |

#![allow(dead_code, reason = "each test file uses a part of its own")]
#![allow(unused_imports, reason = "each test file uses a part of its own")]

pub(crate) mod dice;
mod mailbox;
mod model;
pub(crate) mod nested;
pub(crate) mod order_model;
mod script;
pub(crate) mod world;

use std::time::Duration;

use regrow_supervisors::{ChildSpec, ChildState, Machine, Restart};

pub(crate) use script::Script;

pub(crate) const MS: Duration = Duration::from_millis(1);
/// What stands for a child in a list: a name (permanent, five seconds to stop), or a whole spec.
pub(crate) trait IntoSpec {
    fn into_spec(self) -> ChildSpec;
}

impl IntoSpec for &str {
    fn into_spec(self) -> ChildSpec {
        ChildSpec::new(self)
    }
}

impl IntoSpec for ChildSpec {
    fn into_spec(self) -> ChildSpec {
        self
    }
}

/// The counts that are kept are those that a count finds.
pub(crate) fn check_counts(machine: &(impl Machine + ?Sized)) {
    let (children, counts) = (machine.children(), machine.counts());
    let active =
        children.iter().filter(|(_, _, standing, _)| matches!(standing, ChildState::Up | ChildState::Stopping));
    assert_eq!((counts.specs, counts.active), (children.len(), active.count()), "{machine:?}");
}

pub(crate) fn permanent(name: &str) -> ChildSpec {
    ChildSpec::new(name)
}

pub(crate) fn transient(name: &str) -> ChildSpec {
    ChildSpec::new(name).restart(Restart::Transient)
}

pub(crate) fn temporary(name: &str) -> ChildSpec {
    ChildSpec::new(name).restart(Restart::Temporary)
}
