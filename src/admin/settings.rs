//! The settings in force for one child, with their origins.

use std::sync::Arc;

use crate::admin::wire::service::Setting;
#[cfg(feature = "policy")]
use crate::policy::Policies;
use crate::supervisor::reconfigure::Configuration;
#[cfg(feature = "policy")]
use crate::tree::overrides::Overrides;
use crate::tree::shared::Shared;

/// Asks the supervisor of a child for its settings. `None` for a root, and if the supervisor does not run.
pub(crate) async fn configuration(shared: &Arc<Shared>, path: &str) -> Option<Configuration> {
    let (scope, name) = path.rsplit_once('/')?;
    shared.supervisor_of(scope)?.configuration(name).await.ok()?
}

/// Returns every setting in force with its origin. Empty if regrow was built without policies.
#[cfg(feature = "policy")]
pub(crate) fn in_force(shared: &Shared, path: &str, configuration: Option<&Configuration>) -> Vec<Setting> {
    let Some(configuration) = configuration else { return Vec::new() };
    let explained = match shared.options_in_force.overrides() {
        Some(overrides) => overrides.settings(path, &configuration.coded),
        None => Policies::parse("", "none").map_or_else(|_| Vec::new(), |none| none.settings(path, &configuration.coded)),
    };
    explained.into_iter().map(|(field, value, origin)| Setting { field, value, origin }).collect()
}

/// Returns every setting in force with its origin. Empty if regrow was built without policies.
#[cfg(not(feature = "policy"))]
pub(crate) fn in_force(_: &Shared, _: &str, _: Option<&Configuration>) -> Vec<Setting> {
    Vec::new()
}
