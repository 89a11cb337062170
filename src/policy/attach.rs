//! Builder methods that start a tree under the policies of a file.

use std::sync::Arc;

use crate::policy::policies::Policies;
use crate::supervisor::settings::every_builder;

every_builder! {
    /// Sets restart policies from a file, over the settings in code. For the root of a tree only: elsewhere,
    /// the start is refused. For a running tree, see [`Tree::apply`](crate::Tree::apply).
    pub fn policies(mut self, policies: &Policies) -> Self {
        self.options_mut().overrides = Some(Arc::new(policies.clone()));
        self
    }
}
