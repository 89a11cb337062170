//! `Story`: a record of events, in order, by services and their stop hooks.

use std::sync::{Arc, Mutex};

use regrow::{Handle, ServiceChild, Tree};

use super::worker::{Job, hooked};

pub(crate) fn find(tree: &Tree, path: &str) -> Handle<Job> {
    tree.lookup(path).unwrap()
}

/// Lines in the order in which they were told.
#[derive(Clone, Default, Debug)]
pub(crate) struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    pub(crate) fn tell(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// A service that tells its name when it stops.
    pub(crate) fn service(&self, name: &'static str) -> ServiceChild<Job> {
        let story = self.clone();
        hooked(name, move |_| {
            story.tell(name);
            async { Ok(()) }
        })
    }
}
