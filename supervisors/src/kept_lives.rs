//! The lives that fail with a kept value, counted.
//!
//! Invariants:
//! 1. A life counts against the value only if it began with it, kept no newer one, and ended by a fault of its own before
//!    it was a success.
//! 2. The number of such lives in a row is kept with the value, outside of the machine: it outlives the supervisor.

use crate::action::{Action, Report};
use crate::children::{Attempt, ChildKey};
use crate::core::Core;
use crate::exit::Exit;
use crate::history::Ended;
use crate::kept::{KeptMark, KeptNews, KeptThen};
use crate::restart::has_lasted;
use crate::rule::ExitKind;

impl Core {
    pub(crate) fn take_kept_news(&mut self, attempt: Attempt, news: KeptNews) {
        let Some(live) = self.children.live_mut(attempt) else { return };
        match (news, live.kept) {
            (KeptNews::BeganWith { failed }, KeptMark::Unread | KeptMark::BeganWithIt) => {
                live.kept = KeptMark::BeganWithIt;
                if let Some(child) = self.children.get_mut(attempt.child()) {
                    child.history_mut().kept_failed = failed;
                }
            }
            // News of two threads of a life may change places.
            (KeptNews::BeganWith { .. }, KeptMark::Cleared) => {}
            (KeptNews::Replaced | KeptNews::NotItsFault, _) => live.kept = KeptMark::Cleared,
        }
    }

    /// Counts a life that has ended against the value that it began with (invariant 1). Returns what follows if the
    /// value is set aside for it.
    pub(crate) fn judge_kept(&mut self, key: ChildKey, ended: &Ended) -> Option<KeptThen> {
        if !ended.has_kept {
            return None;
        }
        let period = self.meter.budget().period();
        let child = self.children.get_mut(key)?;
        let policy = child.spec.policy_rule();
        let was_ready = !matches!(ended.phase, Some(ExitKind::StartFailed | ExitKind::NotReady));
        let is_success = ended.is_proven || has_lasted(&policy, period, was_ready.then_some(ended.lived));
        let is_fault = match ended.exit {
            Exit::Failed(_) | Exit::Panicked(_) | Exit::Hung(_) => true,
            Exit::Normal | Exit::Shutdown | Exit::ShutdownWith(_) => false,
            Exit::ChildFailedToStart { .. } | Exit::Killed => false,
        };
        let history = child.history_mut();
        let before = history.kept_failed;
        let failed = match (is_success, is_fault) {
            (true, _) => 0,
            (false, true) => before.saturating_add(1),
            (false, false) => before,
        };
        let rule = policy.kept.unwrap_or_default();
        let set_aside = is_fault && failed >= rule.lives_max;
        // Read again with the next value.
        history.kept_failed = 0;
        if failed != before || set_aside {
            self.outbox.act(Action::NoteKept { child: key, failed, set_aside });
        }
        if !set_aside {
            return None;
        }
        let (exit, then) = (ended.exit.clone(), rule.then.clone());
        self.outbox.report(Report::KeptSetAside { child: key, failed, exit, then });
        Some(rule.then)
    }
}
