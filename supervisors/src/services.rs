//! News of services that children depend on and that are not their siblings.
//!
//! The names are those that the specs of the children use. What no spec in the table names is to be forgotten: that
//! bounds both tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::children::ChildKey;
use crate::dependency::{Outlook, Prospect};

#[derive(Debug, Clone, Default)]
pub(crate) struct Services {
    /// The latest outlook of each service.
    outlooks: BTreeMap<Arc<str>, Outlook>,
    /// Children that waited when a service that they depend on, and that had been ready, ended normally.
    seen: BTreeSet<(ChildKey, Arc<str>)>,
}

impl Services {
    /// Returns the latest outlook of a service. A service without one may come.
    pub(crate) fn outlook(&self, name: &str) -> Outlook {
        self.outlooks.get(name).copied().unwrap_or(Prospect::MayCome.into())
    }

    /// Notes the outlook of a service, and returns the one before, if there was one.
    pub(crate) fn note(&mut self, name: Arc<str>, outlook: Outlook) -> Option<Outlook> {
        self.outlooks.insert(name, outlook)
    }

    /// Forgets a service, and returns its latest outlook.
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
            let by_it = self.seen.range((key, Arc::from(""))..).take_while(|(child, _)| *child == key);
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
