//! How policies are read again, as the program says.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use crate::admin::builder::Admin;
use crate::base::sync::lock;
use crate::tree::Tree;

/// Function that reads the policies of one tree again: what has changed, or why nothing has.
type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

/// The functions of an `Admin`, by the names of the trees.
#[derive(Default)]
pub(crate) struct Reloads(Mutex<HashMap<Arc<str>, Reload>>);

impl Reloads {
    /// Returns the function for this tree.
    pub(crate) fn of(&self, tree: &str) -> Option<Reload> {
        lock(&self.0).get(tree).cloned()
    }
}

impl Admin {
    /// Lets operators with [`Capability::Control`](crate::admin::Capability::Control) have the policies of this tree read
    /// again. The function does it, and returns what has changed or why nothing has.
    ///
    /// With the feature `policy`, `policy_file` does it for a policy file.
    #[must_use]
    pub fn on_reload<F, R>(self, tree: &Tree, reload: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, String>> + Send + 'static,
    {
        let reload: Reload = Arc::new(move || Box::pin(reload()));
        lock(&self.source.reloads.0).insert(tree.path.clone(), reload);
        self
    }

    /// Lets operators with [`Capability::Control`](crate::admin::Capability::Control) have this policy file read again, with
    /// the [environment](crate::policy::Policies::with_environment) over it. A file that is not valid changes nothing.
    #[cfg(feature = "policy")]
    #[must_use]
    pub fn policy_file(self, tree: &Tree, file: impl Into<std::path::PathBuf>) -> Self {
        let (shared, file) = (tree.shared.clone(), Arc::new(file.into()));
        self.on_reload(tree, move || {
            let (shared, file) = (shared.clone(), file.clone());
            async move {
                let read =
                    move || crate::policy::Policies::read(&*file).and_then(|policies| policies.with_environment());
                let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
                let policies = read.map_err(|error| error.to_string())?;
                match shared.apply(Arc::new(policies)).await {
                    Ok(applied) => Ok(applied.to_string().trim_end().to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
        })
    }
}
