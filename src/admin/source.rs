//! State that all doors of one `Admin` share: its trees, the viewers, the experiments.

#[cfg(feature = "metrics")]
use std::sync::OnceLock;
use std::sync::{Arc, PoisonError, RwLock};

use crate::admin::answer::Refused;
use crate::admin::experiments::Experiments;
use crate::admin::reload::Reloads;
use crate::admin::row;
use crate::admin::services::Surveys;
use crate::admin::shown::Shown;
use crate::admin::unpermitted::Unpermitted;
use crate::admin::viewer::Viewers;
use crate::admin::wire::envelope::IssueCode;
#[cfg(feature = "metrics")]
use crate::metrics::Metrics;
use crate::tree::Tree;

/// The state of an `Admin`.
pub(crate) struct Source {
    pub(crate) program: String,
    /// Random text that is new for each source.
    pub(crate) boot: String,
    pub(crate) started_at_ms: u64,
    pub(crate) viewers: Viewers,
    pub(crate) surveys: Arc<Surveys>,
    pub(crate) experiments: Experiments,
    pub(crate) reloads: Reloads,
    pub(crate) unpermitted: Unpermitted,
    /// Collector whose text this source serves, if it was given.
    #[cfg(feature = "metrics")]
    pub(crate) metrics: OnceLock<Metrics>,
    trees: RwLock<Vec<Arc<Shown>>>,
}

impl Source {
    pub(crate) fn new(program: String) -> Arc<Self> {
        Arc::new(Self {
            program,
            boot: format!("{:016x}", fastrand::u64(..)),
            started_at_ms: row::now_ms(),
            viewers: Viewers::default(),
            surveys: Arc::default(),
            experiments: Experiments::default(),
            reloads: Reloads::default(),
            unpermitted: Unpermitted::default(),
            #[cfg(feature = "metrics")]
            metrics: OnceLock::new(),
            trees: RwLock::default(),
        })
    }

    /// Shows a tree from now on. Another tree of that name is not shown any more.
    pub(crate) fn add(&self, tree: &Tree) {
        // Letters are kept from now on: those that were dropped before could not be shown.
        let _ = tree.shared.keep_dead_letters();
        let new = Arc::new(Shown::new(tree));
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        if trees.iter().any(|shown| Arc::ptr_eq(&shown.shared, &new.shared)) {
            return;
        }
        trees.retain(|shown| shown.name != new.name && !shown.is_past());
        trees.push(new);
    }

    /// Returns the trees that are shown now, in the order in which they were added. Those that are over for a minute are
    /// forgotten.
    pub(crate) fn trees(&self) -> Vec<Arc<Shown>> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner).clone();
        if !trees.iter().any(|shown| shown.is_past()) {
            return trees;
        }
        let mut kept = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|shown| !shown.is_past());
        kept.clone()
    }

    /// Returns the tree with this name. Without a name: the only tree.
    pub(crate) fn tree(&self, name: Option<&str>) -> Result<Arc<Shown>, Refused> {
        let trees = self.trees();
        let names = || trees.iter().map(|shown| format!("`{}`", shown.name)).collect::<Vec<_>>().join(", ");
        match (name, trees.as_slice()) {
            (Some(name), trees) => trees.iter().find(|shown| *shown.name == *name).cloned().ok_or_else(|| {
                let known = if trees.is_empty() { "it shows none".into() } else { format!("it shows {}", names()) };
                Refused::new(IssueCode::UnknownTree, format!("this program shows no tree `{name}`: {known}"))
                    .about(name)
            }),
            (None, [only]) => Ok(only.clone()),
            (None, []) => Err(Refused::new(IssueCode::UnknownTree, "this program shows no tree")),
            (None, _) => Err(Refused::bad(format!("name a tree: this program shows {}", names())).about("tree")),
        }
    }

    /// Returns the tree that a path begins with.
    pub(crate) fn tree_of(&self, path: &str) -> Result<Arc<Shown>, Refused> {
        self.tree(Some(row::root_of(path))).map_err(|refused| {
            let whole = |shown: &Arc<Shown>| {
                let whole = format!("{}/{path}", shown.name);
                shown.shared.directory.get(&whole).map(|_| whole)
            };
            let Some(meant) = self.trees().iter().find_map(whole) else { return refused };
            let text = format!("a path begins with the name of its tree: did you mean `{meant}`?");
            Refused::new(IssueCode::UnknownPath, text).about(path)
        })
    }
}
