//! The supervisors of a tree that live now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::base::name::is_within;
use crate::base::sync::lock;
use crate::slot::inbox::Inbox;

/// Their paths, by their numbers.
#[derive(Default)]
pub(crate) struct Living(Mutex<HashMap<usize, Arc<str>>>);

impl Living {
    /// A supervisor lives from now on.
    pub(crate) fn begins(&self, inbox: &Inbox, path: &Arc<str>) {
        lock(&self.0).insert(inbox.number(), path.clone());
    }

    /// A supervisor is over.
    pub(crate) fn ends(&self, inbox: &Inbox) {
        let path = lock(&self.0).remove(&inbox.number());
        drop(path);
    }

    /// Whether the supervisor of this number is the one at `path`, or below it.
    pub(crate) fn is_below(&self, number: usize, path: &str) -> bool {
        lock(&self.0).get(&number).is_some_and(|found| is_within(found, path))
    }
}
