//! Without experiments a driver has no witness: see `testify.rs`.

use std::time::Duration;

use regrow_supervisors::{Action, Report};

use crate::supervisor::driver::Driver;
use crate::supervisor::inbox::Fact;

/// What would be said.
#[allow(dead_code, reason = "nothing listens")]
pub(super) enum Saying<'a> {
    Begin,
    Fact(&'a Fact),
    Report(&'a Report),
    Deed(&'a Action),
    Done,
    Over,
}

impl Driver {
    #[allow(clippy::unused_self, reason = "as with a witness")]
    pub(super) fn testify(&mut self, _: &Saying<'_>, _: Duration) {}
}
