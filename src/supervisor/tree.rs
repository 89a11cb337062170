//! The start of a tree: checks the description, launches the root, and waits until it is up.

use std::sync::Arc;

use regrow_supervisors::Exit;
use tokio::sync::watch;

use crate::base::{hook, panics, runtime};
use crate::error::start::StartError;
use crate::incarnation::failure;
use crate::service::Ignore;
#[cfg(feature = "otp")]
use crate::slot::erased::Control;
use crate::supervisor::actor;
use crate::supervisor::description::Description;
use crate::supervisor::driver::Driver;
use crate::supervisor::parent::Link;
use crate::supervisor::plan::Plan;
use crate::supervisor::start_limits::Gates;
use crate::tree::Tree;
use crate::tree::dependencies::Graph;
use crate::tree::in_force::TreeOptions;
use crate::tree::root::Root;
use crate::tree::shared::Shared;

impl Tree {
    pub(crate) async fn start(description: Description) -> Result<Self, StartError> {
        let tree = Self::launch(description).await?;
        // If this future is dropped here, so is `tree`, which stops what is up.
        tree.booted().await
    }

    /// Launches a tree, without waiting for its boot.
    pub(crate) async fn launch(description: Description) -> Result<Self, StartError> {
        runtime::check()?;
        hook::install();
        let plan = Arc::new(Plan::new(description, "", &Default::default())?);
        plan.check_redelivery(plan.terms.defaults.as_ref())?;
        let path = plan.path.clone();
        let refusal = match panics::catch(|| plan.init()) {
            Ok(Ok(())) => None,
            Ok(Err(error)) if error.is::<Ignore>() => return Err(StartError::NotWanted { path }),
            Ok(Err(error)) => Some(failure(error)),
            Err(panic) => Some(Exit::Panicked(panic)),
        };
        if let Some(exit) = refusal {
            return Err(StartError::Boot { path, exit });
        }
        let mut error_types = Vec::new();
        plan.for_each(&mut |plan| error_types.extend(plan.terms.error_types.iter().cloned()));
        let graph = Graph::of(&plan, plan.terms.defaults.as_ref(), plan.terms.overrides.as_deref(), |_| false)?;
        graph.check()?;
        let shared = Shared::new(TreeOptions::new(&plan.terms, error_types));
        for (path, dependencies) in graph.into_edges() {
            shared.stop_order.set(&path, &dependencies);
        }
        let (root, seen) = watch::channel(Root::Booting);
        let driver = Driver::new(&plan, shared.clone(), Link::Tree(root), &Gates::default());
        let tree = Self { path, inbox: driver.inbox(), shared, root: seen, is_started: false };
        actor::launch(driver, None).await;
        Ok(tree)
    }

    /// The exit of the boot, if it failed.
    #[cfg(feature = "otp")]
    pub(crate) fn boot_failure(&self) -> Option<Exit> {
        match &*self.root.borrow() {
            Root::Ended { exit, was_up: false } => Some(exit.clone()),
            Root::Booting | Root::Up | Root::Ended { was_up: true, .. } => None,
        }
    }

    /// The control of the child with this path.
    #[cfg(feature = "otp")]
    pub(crate) fn control(&self, path: &str) -> Option<Control> {
        self.shared.directory.get(path)?.slot.control()
    }

    pub(crate) async fn booted(mut self) -> Result<Self, StartError> {
        match self.wait_for(|root| !matches!(root, Root::Booting)).await {
            Root::Ended { exit, was_up: false } => Err(self.boot_error(exit)),
            Root::Booting | Root::Up | Root::Ended { was_up: true, .. } => {
                self.is_started = true;
                #[cfg(feature = "policy")]
                self.shared.warn_of_policies();
                Ok(self)
            }
        }
    }

    pub(crate) fn boot_error(&self, exit: Exit) -> StartError {
        StartError::Boot { path: self.path.clone(), exit }
    }
}
