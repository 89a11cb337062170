//! Calls whose incarnation has ended, and whose reply was kept or handed on.

use std::sync::{Mutex, Weak};

use crate::base::sync::lock;
use crate::base::thrift;
use crate::call::fate::Fate;

#[derive(Default)]
pub(crate) struct OpenCalls(Mutex<Vec<Weak<dyn Fate>>>);

impl OpenCalls {
    /// Notes the calls of an incarnation that has ended.
    pub(crate) fn note(&self, calls: Vec<Weak<dyn Fate>>) {
        let mut open = lock(&self.0);
        for call in calls.into_iter().filter(|call| call.strong_count() > 0) {
            thrift::remember(&mut open, call);
        }
    }

    /// Tells the callers that no answer will come: no service is left to give one.
    pub(crate) fn orphan_all(&self) {
        let open = std::mem::take(&mut *lock(&self.0));
        open.iter().filter_map(Weak::upgrade).for_each(|call| call.orphaned(None));
    }

    /// Number of calls that are noted.
    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}
