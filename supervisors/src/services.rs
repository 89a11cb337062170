//! Services that children depend on and that are not children of this supervisor, as far as they are known.
//!
//! The names are those that the specs of the children use. Callers forget what no spec in the table names, which bounds
//! both tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::children::ChildKey;
use crate::dependency::{Outlook, Prospect};

#[derive(Debug, Clone, Default)]
pub(crate) struct Services {
    /// The latest news of each service.
    outlooks: BTreeMap<Arc<str>, Outlook>,
    /// Children that waited when a service that they depend on, and that had been ready, ended normally.
    seen: BTreeSet<(ChildKey, Arc<str>)>,
}

impl Services {
    /// Returns what is known of a service. One without news may come.
    pub(crate) fn outlook(&self, name: &str) -> Outlook {
        self.outlooks.get(name).copied().unwrap_or(Prospect::MayCome.into())
    }

    /// Notes the news of a service, and returns what was known before.
    pub(crate) fn note(&mut self, name: Arc<str>, outlook: Outlook) -> Outlook {
        self.outlooks.insert(name, outlook).unwrap_or(Prospect::MayCome.into())
    }

    /// Forgets a service, and returns what was known of it.
    pub(crate) fn forget(&mut self, name: &str) -> Option<Outlook> {
        self.outlooks.remove(name)
    }

    /// Notes that a child waited when this service ended normally.
    pub(crate) fn saw_end(&mut self, key: ChildKey, name: Arc<str>) {
        self.seen.insert((key, name));
    }

    /// Whether the child waited when this service ended normally.
    pub(crate) fn has_seen_end(&self, key: ChildKey, name: &Arc<str>) -> bool {
        self.seen.contains(&(key, name.clone()))
    }

    /// Forgets which ends the child has seen, of the services for which `test` returns true.
    pub(crate) fn forget_seen_by(&mut self, key: ChildKey, test: impl Fn(&str) -> bool) {
        if !self.seen.is_empty() {
            let by_it = self.seen.range((key, Arc::from(""))..).take_while(|(seer, _)| *seer == key);
            let forgotten: Vec<_> = by_it.filter(|(_, name)| test(name)).cloned().collect();
            for seen in &forgotten {
                self.seen.remove(seen);
            }
        }
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 2] {
        [("machine: services elsewhere", self.outlooks.len()), ("machine: services seen", self.seen.len())]
    }
}
