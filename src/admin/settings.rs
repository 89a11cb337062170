//! The settings in force for one child, with their origins.

use std::sync::Arc;

use crate::admin::wire::service::Setting;
use crate::tree::shared::Shared;

/// Returns every setting in force with its origin, as the supervisor of the child knows them. Empty for a root, if the
/// supervisor does not run, and if regrow was built without policies.
#[cfg(feature = "policy")]
pub(crate) async fn in_force(shared: &Arc<Shared>, path: &str) -> Vec<Setting> {
    use crate::policy::Policies;
    use crate::tree::overrides::Overrides;

    let Some((supervisor, name)) =
        path.rsplit_once('/').and_then(|(scope, name)| Some((shared.supervisor_of(scope)?, name)))
    else {
        return Vec::new();
    };
    let Ok(Some(configuration)) = supervisor.configuration(name).await else { return Vec::new() };
    let explained = match shared.options_in_force.overrides() {
        Some(overrides) => overrides.settings(path, &configuration.coded),
        None => {
            Policies::parse("", "none").map_or_else(|_| Vec::new(), |none| none.settings(path, &configuration.coded))
        }
    };
    explained.into_iter().map(|(field, value, origin)| Setting { field, value, origin }).collect()
}

/// Returns nothing: regrow was built without policies.
#[cfg(not(feature = "policy"))]
pub(crate) async fn in_force(_: &Arc<Shared>, _: &str) -> Vec<Setting> {
    Vec::new()
}
