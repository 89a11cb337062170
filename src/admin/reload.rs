//! Functions of the program that read policies again.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;

/// Function that reads the policies of one tree again: what has changed, or why nothing has.
type Reload = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

/// The functions of an `Admin`, by the names of the trees.
#[derive(Default)]
pub(crate) struct Reloads(Mutex<HashMap<Arc<str>, Reload>>);

impl Reloads {
    /// Sets the function for this tree.
    pub(crate) fn set<F, R>(&self, tree: &Arc<str>, reload: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, String>> + Send + 'static,
    {
        let before = lock(&self.0).insert(tree.clone(), Arc::new(move || Box::pin(reload())));
        drop(before);
    }

    /// Returns the function for this tree.
    pub(crate) fn of(&self, tree: &str) -> Option<Reload> {
        lock(&self.0).get(tree).cloned()
    }
}
