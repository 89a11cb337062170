//! Gives a tree that is being described its policies from a file.

use std::sync::Arc;

use crate::policy::policies::Policies;
use crate::supervisor::Supervisor;
use crate::supervisor::dynamic::DynamicSupervisor;
use crate::supervisor::partitioned::Partitioned;

macro_rules! has_policies {
    ($Builder:ty $(, $($generics:tt)*)?) => {
        impl $(<$($generics)*>)? $Builder {
            /// Restart policies from a file, over what the code says. As a root, refused elsewhere; see [`Tree::apply`](crate::Tree::apply) for
            /// a tree that runs.
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
