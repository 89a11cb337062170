//! Builder methods that start a tree under the policies of a file.

use std::sync::Arc;

use crate::policy::policies::Policies;
use crate::supervisor::Supervisor;
use crate::supervisor::dynamic::DynamicSupervisor;
use crate::supervisor::partitioned::Partitioned;

macro_rules! has_policies {
    ($Builder:ty $(, $($generics:tt)*)?) => {
        impl $(<$($generics)*>)? $Builder {
            /// Sets restart policies from a file, over the settings in code. For the root of a tree only: elsewhere,
            /// the start is refused. For a running tree, see [`Tree::apply`](crate::Tree::apply).
            pub fn policies(mut self, policies: &Policies) -> Self {
                self.options_mut().overrides = Some(Arc::new(policies.clone()));
                self
            }
        }
    };
}
has_policies!(Supervisor);
has_policies!(DynamicSupervisor);
has_policies!(Partitioned<M>, M: Send + 'static);
