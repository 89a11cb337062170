//! The counters of a slot beside those of its mailbox: where they are raised, and how they are read.

use std::time::Duration;

use regrow_supervisors::ExitKind;
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::base::time::TreeTime;
use crate::error::refusal::Refusal;
use crate::slot::Slot;
use crate::slot::dead_letter::DeadReason;
use crate::slot::queue::{Back, Fall};
use crate::slot::restarts::{RestartCause, Restarts, place_of};
use crate::slot::tally::{Budget, Look, Record, Tally};

impl<M> Back<M> {
    fn record(&mut self) -> &mut Record {
        self.losses().record.get_or_insert_default()
    }

    /// Counts an end. The first one needs no room: most services end once.
    pub(super) fn note_exit(&mut self, cause: ExitKind) {
        let has_record = self.losses.as_ref().is_some_and(|losses| losses.record.is_some());
        if self.first_exit.is_none() && !has_record {
            self.first_exit = Some(cause);
        } else {
            self.record().exits[place_of(cause)] += 1;
        }
    }

    pub(super) fn note_restart(&mut self, cause: RestartCause, now: TreeTime) {
        self.record().restarts.note(cause, now);
    }

    /// Records that the child has failed and is not up.
    pub(super) fn fell(&mut self, a_start: bool, now: TreeTime) {
        let fall = self.losses().fall.get_or_insert(Fall { since: now.at, starts_failed: 0 });
        fall.starts_failed = fall.starts_failed.saturating_add(u32::from(a_start));
    }

    #[cold]
    pub(crate) fn note_dead(&mut self, reason: &DeadReason) {
        self.record().dead.get_or_insert_default()[reason.place()] += 1;
    }

    /// Counts refusals.
    pub(crate) fn note_refused(&mut self, refusal: Refusal, times: usize) {
        if times > 0 {
            self.record().refused.get_or_insert_default()[refusal.place()] += times as u64;
        }
    }
}

impl<M: Send + 'static> Slot<M> {
    pub(super) fn note_restart(&self, cause: RestartCause, now: TreeTime) {
        lock(&self.back).note_restart(cause, now);
    }

    pub(super) fn note_no_start(&self, is_failure: bool) {
        let mut back = lock(&self.back);
        let record = back.record();
        *(if is_failure { &mut record.starts_failed } else { &mut record.starts_ignored }) += 1;
    }

    pub(super) fn note_gave_up(&self) {
        lock(&self.back).record().gave_up += 1;
    }

    /// Notes the restart budget of this supervisor after a failure below it.
    pub(super) fn note_budget(&self, left: u32, restarts_max: u32, within: Duration) {
        let until = Instant::now().checked_add(within);
        lock(&self.back).record().budget = Some(Budget { left, restarts_max, until });
    }

    /// Counts a refusal. No lock is held. A service that is gone counts it for the tree.
    #[cold]
    pub(crate) fn count_refusal(&self, refusal: Refusal) {
        if refusal != Refusal::Gone {
            lock(&self.back).note_refused(refusal, 1);
        } else if let Some(tree) = self.tree() {
            // The counters of the slot may be in the totals of its template by now.
            tree.note_refused_by_gone();
        }
    }

    pub(super) fn restarts(&self) -> Restarts {
        let back = lock(&self.back);
        let record = back.losses.as_ref().and_then(|losses| losses.record.as_ref());
        record.map_or_else(Restarts::default, |record| record.restarts.read(Instant::now()))
    }

    /// Returns its counters and its state, as of one moment.
    pub(super) fn look(&self) -> Look {
        let now = Instant::now();
        let front = lock(&self.front);
        let back = lock(&self.back);
        let accounting = Self::account(&front, &back);
        let skipped = back.losses.as_ref().map_or(0, |losses| losses.generations_skipped);
        let starts = back.generation.saturating_sub(skipped);
        let mut tally = Tally { accounting, starts, ..Tally::default() };
        tally.times = back.times().copied().map(Box::new);
        if let Some(cause) = back.first_exit {
            tally.exits[place_of(cause)] += 1;
        }
        let losses = back.losses.as_ref();
        let mut budget = None;
        if let Some(record) = losses.and_then(|losses| losses.record.as_ref()) {
            tally.exits.iter_mut().zip(record.exits).for_each(|(sum, exits)| *sum += exits);
            let restarts = record.restarts.read(now);
            tally.restarts = restarts.by_cause.0;
            (tally.taken_along, tally.last_minute) = (restarts.taken_along, restarts.last_minute);
            tally.last_hour = restarts.last_hour;
            (tally.starts_failed, tally.starts_ignored) = (record.starts_failed, record.starts_ignored);
            tally.gave_up = record.gave_up;
            tally.dead = record.dead.as_deref().copied().unwrap_or_default();
            tally.refused = record.refused.as_deref().copied().unwrap_or_default();
            budget = record.budget.map(|budget| budget.left_at(now));
        }
        let queued = usize::try_from(accounting.queued).unwrap_or(usize::MAX);
        let measure = losses.and_then(|losses| losses.measure.as_ref());
        let begun = front.in_hand.as_ref().and_then(|in_hand| in_hand.spare.as_ref()?.begun);
        Look {
            state: back.state,
            fullness: accounting.queued as f64 / back.settings().capacity.max(1) as f64,
            oldest: measure.and_then(|measure| measure.oldest(queued, now)),
            running: begun.map(|begun| now.saturating_duration_since(begun)),
            budget,
            tally,
        }
    }
}
