//! The monitors that an incarnation has made. They end with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::base::sweep;
use crate::base::sync::lock;

/// Monitor in the hands of the incarnation that made it.
pub(crate) trait Owned: Send + Sync {
    /// Ends it: a report that is queued does not run any more.
    fn end(&self);
}

/// Monitors that an incarnation has made.
#[derive(Default)]
pub(crate) struct OwnMonitors(Mutex<List>);

#[derive(Default)]
struct List {
    monitors: BTreeMap<u64, Arc<dyn Owned>>,
    /// Number of the latest one.
    number: u64,
}

impl OwnMonitors {
    /// Enters a monitor; `None` if the incarnation is over. That is checked under the lock: an end that comes later
    /// finds the monitor in the list.
    pub(super) fn enter(&self, monitor: Arc<dyn Owned>, is_over: impl FnOnce() -> bool) -> Option<u64> {
        let mut list = lock(&self.0);
        if is_over() {
            drop(list);
            drop(monitor);
            return None;
        }
        list.number += 1;
        let number = list.number;
        list.monitors.insert(number, monitor);
        Some(number)
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        lock(&self.0).monitors.contains_key(&number)
    }

    pub(super) fn leave(&self, number: u64) -> Option<Arc<dyn Owned>> {
        lock(&self.0).monitors.remove(&number)
    }

    /// Ends all monitors. The incarnation is over already, so no more can be made.
    pub(super) fn end(&self, path: &Arc<str>) {
        let all = std::mem::take(&mut lock(&self.0).monitors);
        for monitor in all.into_values() {
            monitor.end();
            sweep::drop_quietly(monitor, path, "a monitor");
        }
    }
}
