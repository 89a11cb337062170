//! The counters of services that are not listed any more, by template.

use std::sync::Arc;

use crate::slot::accounting::Accounting;
use crate::tree::directory::{ChildKind, Directory};
use crate::tree::templates::Reading;

/// Counters of the services of one template that are not listed any more.
pub(crate) struct Ended {
    pub(crate) template: Arc<str>,
    pub(crate) kind: ChildKind,
    pub(crate) accounting: Accounting,
    /// Restarts, those with others included.
    pub(crate) restarts: u64,
}

impl Directory {
    /// Returns what services counted that are not listed any more. Services that are leaving are among them.
    ///
    /// The listed ones are read by another look. A reader that reads them afterwards misses one that was removed in
    /// between, and the next look has it.
    pub(crate) fn ended(&self) -> Vec<Ended> {
        let reading = self.templates.begin_to_read();
        let mut all = Vec::new();
        reading.totals(|_, template, kind, tally| {
            let restarts = tally.restarts.iter().sum::<u64>() + tally.taken_along;
            if tally.starts > 0 || restarts > 0 || tally.accounting != Accounting::default() {
                all.push(Ended { template: template.clone(), kind, accounting: tally.accounting, restarts });
            }
        });
        drop::<Reading<'_>>(reading);
        all
    }
}
