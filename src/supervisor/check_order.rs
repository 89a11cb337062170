//! Checks of what an order describes, before it is given. Nothing is changed by an order that is refused here.

use regrow_supervisors::Intensity;

use crate::error::orders::{ReconfigureError, StartChildError};
use crate::error::start::StartError;
use crate::supervisor::effect;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::plan::{Make, Plan, Planned};
use crate::tree::dependencies::Graph;
use crate::tree::options::Options;
use crate::tree::overrides::Defaults;

impl SupervisorHandle {
    /// Checks that a new child makes sense here: its dependencies exist, and redelivery of one message cannot use up
    /// the budget alone. Asks the supervisor for its `budget` if that is needed and not known yet.
    pub(super) async fn check_new(
        &self,
        planned: &Planned,
        budget: &mut Option<(Defaults, Intensity)>,
    ) -> Result<(), StartChildError> {
        self.check_dependencies(planned)?;
        if planned.redeliveries == 0 {
            return Ok(());
        }
        let (defaults, shared) = match budget {
            Some(known) => known,
            None => budget.insert(self.read_in(|driver| driver.budget()).await?),
        };
        Ok(planned.check_redelivery(defaults, *shared)?)
    }

    /// Checks that the dependencies of a new child exist.
    fn check_dependencies(&self, planned: &Planned) -> Result<(), StartError> {
        let exists = |path: &str| self.shared.directory.is_known(path);
        Graph::default().add(&self.path, &planned.path, planned.spec.dependencies(), exists)?;
        match &planned.make {
            Make::Life(_) => Ok(()),
            Make::Supervisor(recipe) => self.check_plan(&recipe.plan()),
        }
    }

    /// Checks that everything below a planned supervisor makes sense here.
    pub(super) fn check_plan(&self, plan: &Plan) -> Result<(), StartError> {
        let tree = self.shared.options_in_force.defaults();
        plan.check_redelivery(tree)?;
        effect::check_error_types(plan, &self.shared.options_in_force)?;
        Graph::of(plan, tree, None, |path| self.shared.directory.is_known(path))?.check()
    }

    /// Refuses settings that differ from those in force and cannot change while the supervisor runs.
    pub(crate) async fn check_reconfiguration(&self, new: &Options) -> Result<(), ReconfigureError> {
        // Most descriptions leave these settings out. Their order is then the first and only one, and has its place
        // among the exits (OTP rule 72).
        if effect::of_reconfiguration(new, &Options::default()).is_none() {
            return Ok(());
        }
        let now = self.read_in(|driver| driver.plan.terms.clone()).await?;
        match effect::of_reconfiguration(new, &now) {
            None => Ok(()),
            Some((setting, why)) => {
                let path = self.path.clone();
                Err(ReconfigureError::Refused(StartError::NoEffect { path, setting, why }))
            }
        }
    }
}
