//! Sums of a large tree from its latest walk. A walk begins only because a viewer asks, and one at a time for each tree.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::admin::row::millis;
use crate::admin::services::listing::Listing;
use crate::admin::services::scan::{Look, scan};
use crate::admin::wire::services::Totals;
use crate::base::sync::lock;

/// Age from which on sums are renewed. A walk takes half a second for a million services.
const RENEWED_AFTER: Duration = Duration::from_secs(5);

/// Sums that only a walk through a tree can have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    restarts_minute: u64,
    restarts_hour: u64,
    dead_letters: u64,
    queued: u64,
}

impl Sums {
    pub(super) fn of(look: &Look<'_>) -> Self {
        Self {
            restarts_minute: look.restarts.last_minute,
            restarts_hour: look.restarts.last_hour,
            dead_letters: look.accounting.dead_lettered,
            queued: look.accounting.queued,
        }
    }

    pub(super) fn add_to(self, totals: &mut Totals) {
        totals.restarts_minute += self.restarts_minute;
        totals.restarts_hour += self.restarts_hour;
        totals.dead_letters += self.dead_letters;
        totals.queued += self.queued;
    }

    fn and(self, more: Self) -> Self {
        Self {
            restarts_minute: self.restarts_minute + more.restarts_minute,
            restarts_hour: self.restarts_hour + more.restarts_hour,
            dead_letters: self.dead_letters + more.dead_letters,
            queued: self.queued + more.queued,
        }
    }
}

/// Sums, and their age.
pub(super) struct Latest {
    pub(super) sums: Sums,
    pub(super) age_ms: u64,
}

/// The latest walks through large trees, by the names of their roots.
#[derive(Default)]
pub(crate) struct Surveys(Mutex<HashMap<Arc<str>, Survey>>);

#[derive(Default)]
struct Survey {
    sums: Option<(Sums, Instant)>,
    is_under_way: bool,
}

impl Surveys {
    /// Returns the sums of the latest walk. If they are old or missing, a walk begins in another thread.
    pub(super) fn latest(self: &Arc<Self>, tree: &Listing) -> Option<Latest> {
        let mut surveys = lock(&self.0);
        let survey = surveys.entry(tree.root.clone()).or_default();
        let is_fresh = survey.sums.is_some_and(|(_, at)| at.elapsed() < RENEWED_AFTER);
        let is_to_begin = !is_fresh && !std::mem::replace(&mut survey.is_under_way, true);
        let latest = survey.sums.map(|(sums, at)| Latest { sums, age_ms: millis(at.elapsed()) });
        drop(surveys);
        if is_to_begin {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => {
                    let (surveys, tree) = (self.clone(), tree.clone());
                    runtime.spawn_blocking(move || surveys.survey(&tree));
                }
                Err(_) => self.survey(tree),
            }
        }
        latest
    }

    fn survey(&self, tree: &Listing) {
        let mut sums = Sums::default();
        scan(&tree.shared, &tree.root, |path, listed| sums = sums.and(Sums::of(&Look::at(path, listed, tree))));
        lock(&self.0).insert(tree.root.clone(), Survey { sums: Some((sums, Instant::now())), is_under_way: false });
    }
}
