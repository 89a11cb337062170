//! The incarnations of a tree that wait for others.

use std::sync::{Arc, Mutex, Weak};

use crate::base::sync::lock;
use crate::base::thrift;
use crate::slot::activity::Activity;
use crate::slot::signals::Signals;

#[derive(Default)]
pub(super) struct Waiters(Mutex<Vec<Weak<Signals>>>);

impl Waiters {
    /// Remembers an incarnation that waits for another one for the first time.
    pub(super) fn remember(&self, signals: &Arc<Signals>) {
        thrift::remember(&mut lock(&self.0), Arc::downgrade(signals));
    }

    /// The incarnations that wait for others now.
    pub(super) fn waiting(&self) -> Vec<Arc<Signals>> {
        let waiters: Vec<_> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        waiters.into_iter().filter(|signals| signals.activity().is_some_and(Activity::is_waiting)).collect()
    }

    /// Number of incarnations that are remembered.
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}
