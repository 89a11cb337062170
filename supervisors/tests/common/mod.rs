//! What the tests share. All that touches the API is here, so that they survive a redesign.
//!
//! | file | idea |
//! |---|---|
//! | `sim.rs` | a machine and the lives of its children: what all of these drive |
//! | `script.rs` | one supervisor and its children, told as a short history |
//! | `nested.rs` | supervisors that are children of supervisors |
//! | `world.rs` | one supervisor to which anything may happen |
//! | `model/`, `mailbox.rs` | an independent idea of what it may do then |
//! | `dice.rs` | chance from a seed |
//! | `refusals.rs` | what each kind of order may be refused for |
//! | `order_model.rs` | a supervisor of either kind, and orders to it at any moment |

#![allow(dead_code, reason = "each test program uses a part of its own")]
#![allow(unused_imports, reason = "each test program uses a part of its own")]

pub(crate) mod dice;
mod mailbox;
mod model;
pub(crate) mod nested;
pub(crate) mod order_model;
mod refusals;
mod script;
pub(crate) mod sim;
pub(crate) mod world;

use std::time::Duration;

use regrow_supervisors::{ChildSpec, Restart};

pub(crate) use script::Script;

/// The models that are one deed away. With `hurries` also those in which the next deed happens before the machine is polled.
pub(crate) fn one_deed_away<M: Clone, D: Copy>(
    model: &M,
    deeds: Vec<D>,
    hurries: bool,
    happen: impl Fn(&mut M, D, bool),
) -> impl Iterator<Item = M> {
    let paces: &[bool] = if hurries { &[false, true] } else { &[false] };
    let all = deeds.into_iter().flat_map(|deed| paces.iter().map(move |&hurried| (deed, hurried)));
    all.map(move |(deed, hurried)| {
        let mut next = model.clone();
        happen(&mut next, deed, hurried);
        next
    })
}

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

pub(crate) fn permanent(name: &str) -> ChildSpec {
    ChildSpec::new(name)
}

pub(crate) fn transient(name: &str) -> ChildSpec {
    ChildSpec::new(name).restart(Restart::Transient)
}

pub(crate) fn temporary(name: &str) -> ChildSpec {
    ChildSpec::new(name).restart(Restart::Temporary)
}
