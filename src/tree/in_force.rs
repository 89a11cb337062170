//! The options in force in a tree: the layer over the code, the names of errors, and the source of chance.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use regrow_supervisors::{Chance, Exit, Failure, Policy};

use crate::tree::at_end::AtEnd;
use crate::tree::options::{ErrorType, Options};
use crate::tree::overrides::Overrides;

pub(crate) struct TreeOptions {
    overrides: RwLock<Option<Arc<dyn Overrides>>>,
    /// The root's defaults for every service.
    defaults: Option<Arc<Policy>>,
    error_types: Vec<ErrorType>,
    /// Work that is done when the tree is over.
    pub(crate) at_end: Option<Arc<dyn AtEnd>>,
    seed: u64,
    /// Held during a change, so that there is one at a time.
    #[cfg(feature = "policy")]
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl TreeOptions {
    /// Makes the options of a tree. `root` are those of the root, `error_types` those of all supervisors.
    pub(crate) fn new(root: &Options, error_types: Vec<ErrorType>) -> Self {
        let seed = root.seed.unwrap_or_else(|| fastrand::u64(..));
        Self {
            overrides: RwLock::new(root.overrides.clone()),
            defaults: root.defaults.clone(),
            at_end: root.at_end.clone(),
            error_types,
            seed,
            #[cfg(feature = "policy")]
            changing: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn overrides(&self) -> Option<Arc<dyn Overrides>> {
        self.overrides.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether rules know a type of error by this name.
    pub(crate) fn knows(&self, error: &str) -> bool {
        self.error_types.iter().any(|known| *known.name == *error)
    }

    pub(crate) fn defaults(&self) -> Option<&Arc<Policy>> {
        self.defaults.as_ref()
    }

    #[cfg(feature = "policy")]
    pub(crate) fn set_overrides(&self, overrides: Arc<dyn Overrides>) {
        let before = self.overrides.write().unwrap_or_else(PoisonError::into_inner).replace(overrides);
        drop(before);
    }

    /// Returns the exit, with the names that rules know its error by.
    pub(crate) fn named(&self, exit: Exit) -> Exit {
        match exit {
            Exit::Failed(failure) if !self.error_types.is_empty() => Exit::Failed(self.name(failure)),
            exit => exit,
        }
    }

    fn name(&self, failure: Failure) -> Failure {
        let names: Vec<_> = match failure.cause::<anyhow::Error>() {
            Some(error) => {
                self.error_types.iter().filter(|known| (known.is)(error)).map(|known| known.name.clone()).collect()
            }
            None => return failure,
        };
        failure.named(names)
    }

    /// Returns a child's own source of chance: the same for one seed and path.
    pub(crate) fn chance(&self, path: &str) -> Box<dyn Chance> {
        let mut hasher = DefaultHasher::new();
        (self.seed, path).hash(&mut hasher);
        seeded_chance(hasher.finish())
    }
}

impl fmt::Debug for TreeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeOptions")
            .field("overrides", &self.overrides())
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A source of chance with this seed.
pub(crate) fn seeded_chance(seed: u64) -> Box<dyn Chance> {
    Box::new(Dice(fastrand::Rng::with_seed(seed)))
}

#[derive(Debug, Clone)]
struct Dice(fastrand::Rng);

impl Chance for Dice {
    fn draw(&mut self) -> f64 {
        self.0.f64()
    }

    fn copied(&self) -> Box<dyn Chance> {
        Box::new(self.clone())
    }
}
