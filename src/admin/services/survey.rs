//! Sums of a large tree from its latest walk. A walk begins only because a viewer asks, and one at a time for each tree.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::admin::aside::aside;
use crate::admin::row::millis;
use crate::admin::services::doubtful::Candidates;
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
#[derive(Clone)]
pub(super) struct Latest {
    pub(super) sums: Sums,
    pub(super) age_ms: u64,
}

/// The latest walks through large trees, by the names of their roots.
#[derive(Default)]
pub(crate) struct Surveys(Mutex<HashMap<Arc<str>, Survey>>);

#[derive(Default)]
struct Survey {
    latest: Option<(Sums, Arc<Candidates>, Instant)>,
    is_under_way: bool,
}

impl Surveys {
    /// Returns the sums of the latest walk. If they are old or missing, a walk begins in another thread.
    pub(super) fn latest(self: &Arc<Self>, tree: &Listing) -> Option<Latest> {
        let mut surveys = lock(&self.0);
        let survey = surveys.entry(tree.root.clone()).or_default();
        let is_fresh = survey.latest.as_ref().is_some_and(|(.., at)| at.elapsed() < RENEWED_AFTER);
        let is_to_begin = !is_fresh && !std::mem::replace(&mut survey.is_under_way, true);
        let latest = survey.latest.as_ref().map(|(sums, _, at)| Latest { sums: *sums, age_ms: millis(at.elapsed()) });
        drop(surveys);
        if is_to_begin {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => {
                    let (surveys, tree) = (self.clone(), tree.clone());
                    // In the turn of all that reads whole trees.
                    runtime.spawn(aside(move || drop(surveys.survey(&tree))));
                }
                Err(_) => drop(self.survey(tree)),
            }
        }
        latest
    }

    /// Returns the candidates of the latest walk. If it is old or missing, this thread walks.
    pub(super) fn candidates(&self, tree: &Listing) -> Arc<Candidates> {
        let latest = lock(&self.0).get(&tree.root).and_then(|survey| survey.latest.clone());
        match latest {
            Some((_, candidates, at)) if at.elapsed() < RENEWED_AFTER => candidates,
            Some(_) | None => self.survey(tree),
        }
    }

    fn survey(&self, tree: &Listing) -> Arc<Candidates> {
        let (mut sums, mut candidates) = (Sums::default(), Candidates::default());
        scan(&tree.shared, &tree.root, |path, listed| {
            let look = Look::at(path, listed, tree);
            sums = sums.and(Sums::of(&look));
            candidates.add(&look, listed);
        });
        let candidates = Arc::new(candidates);
        let latest = Some((sums, candidates.clone(), Instant::now()));
        let past = lock(&self.0).insert(tree.root.clone(), Survey { latest, is_under_way: false });
        drop(past);
        candidates
    }
}
