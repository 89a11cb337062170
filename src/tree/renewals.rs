//! Restarts of dependents with the services that they depend on: none may follow another in a circle, at the start of a
//! tree or of a part of it.
//!
//! A new life of a service brings a new life to those that are restarted with it. A new life of a supervisor brings one
//! to its children, and under a group strategy that of a child brings one to its siblings.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::iter::successors;
use std::sync::Arc;

use regrow_supervisors::Strategy;

/// Paths, each with the paths that a new life of it brings a new life to.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    brings: HashMap<Arc<str>, Vec<Arc<str>>>,
    /// A service, and a dependent that is restarted with it.
    asked: Vec<(Arc<str>, Arc<str>)>,
}

impl Renewals {
    /// Notes that this dependent is restarted with this service.
    pub(crate) fn ask(&mut self, service: Arc<str>, dependent: Arc<str>) {
        self.bring(service.clone(), dependent.clone());
        self.asked.push((service, dependent));
    }

    /// Whether no dependent is restarted with a service.
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Notes a supervisor and its children, in start order.
    pub(crate) fn group(&mut self, supervisor: &Arc<str>, children: &[Arc<str>], strategy: Strategy) {
        // Stands for all children, so that each of them has one edge and not one to each other.
        let all: Arc<str> = format!("{supervisor}/*").into();
        for (place, child) in children.iter().enumerate() {
            self.bring(supervisor.clone(), child.clone());
            match strategy {
                Strategy::OneForOne => {}
                Strategy::OneForAll => {
                    self.bring(child.clone(), all.clone());
                    self.bring(all.clone(), child.clone());
                }
                Strategy::RestForOne => {
                    let next = children.get(place + 1).cloned();
                    next.into_iter().for_each(|next| self.bring(child.clone(), next));
                }
            }
        }
    }

    fn bring(&mut self, from: Arc<str>, to: Arc<str>) {
        self.brings.entry(from).or_default().push(to);
    }

    /// Returns a circle, if there is one: a new life of each path brings one to the next, and the last to the first.
    pub(crate) fn circle(&self) -> Option<Vec<Arc<str>>> {
        self.asked.iter().find_map(|(service, dependent)| {
            let way = self.way(dependent, service)?;
            Some(way.into_iter().filter(|path| !path.ends_with("/*")).collect())
        })
    }

    /// Returns the shortest way from one path to another, both included.
    fn way(&self, from: &Arc<str>, to: &Arc<str>) -> Option<Vec<Arc<str>>> {
        let mut reached = HashMap::from([(from.clone(), None)]);
        let mut left = VecDeque::from([from.clone()]);
        while let Some(here) = left.pop_front() {
            if here == *to {
                let before = |path: &Arc<str>| reached.get(path).cloned().flatten();
                let mut way: Vec<_> = successors(Some(here), before).collect();
                way.reverse();
                return Some(way);
            }
            for next in self.brings.get(&here).into_iter().flatten() {
                if let Entry::Vacant(place) = reached.entry(next.clone()) {
                    place.insert(Some(here.clone()));
                    left.push_back(next.clone());
                }
            }
        }
        None
    }
}
