//! The exit of an incarnation before its end: its choice, the reason of a kill, a failure that counts, and the reports
//! about that.
//!
//! The invariants are those of `signals.rs`.

use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::base::sync::lock;
use crate::slot::fact::Fact;
use crate::slot::last_work::{Last, LastWork, Work};
use crate::slot::signals::{BROKEN, KILL, LEAVE, LEAVING_TOLD, OVER, REMAINS_TOLD, STOP, Signals};

impl Signals {
    /// Reports to the supervisor that the incarnation ends by its own choice, as `exit`, and still has to run code for
    /// that. The supervisor limits the time of that code. If the supervisor has ordered the end, limits exist already,
    /// and this does nothing. `true`: the caller should yield to the supervisor now, see
    /// [`yield_once`](crate::base::background::yield_once).
    pub(crate) fn tell_leaving(&self, exit: &Exit) -> bool {
        let is_news = !self.has(STOP | KILL) && self.set_first(LEAVING_TOLD);
        if is_news {
            self.inbox.push(Fact::Leaving { attempt: self.attempt, exit: self.verdict(exit.clone()) });
        }
        is_news
    }

    /// Reports to the supervisor that the incarnation has ended, as `exit`, except for what must still be dropped. The
    /// supervisor limits the time of that, unless it has killed the incarnation: then limits exist already. Returns
    /// what `tell_leaving` returns.
    pub(crate) fn tell_remains(&self, exit: &Exit) -> bool {
        let is_news = !self.has(KILL) && self.set_first(REMAINS_TOLD);
        if is_news {
            self.inbox.push(Fact::Remains { attempt: self.attempt, exit: self.verdict(exit.clone()) });
        }
        is_news
    }

    /// Sets the exit that it will have when it is killed, or ends in any other way from now on. The first call counts.
    pub(crate) fn blame(&self, exit: &Exit) {
        lock(&self.extras().blame).get_or_insert_with(|| exit.clone());
    }

    /// Returns the exit to report for an incarnation that ends as `exit`: the reason for its kill comes first, if there
    /// is one. This is the one place that decides it. (The machine sees it in the same way.)
    pub(crate) fn verdict(&self, exit: Exit) -> Exit {
        self.extras_if_any().and_then(|extras| lock(&extras.blame).clone()).unwrap_or(exit)
    }

    pub(crate) fn leave(&self, exit: Exit) {
        let extras = self.extras();
        let told = exit.clone();
        let unused = {
            let mut chosen = lock(&extras.chosen);
            if chosen.is_none() { chosen.replace(exit) } else { Some(exit) }
        };
        let is_first = unused.is_none();
        // It may hold an error of the user.
        drop(unused);
        self.signal(LEAVE);
        if is_first && !self.has(STOP | KILL | OVER) {
            self.inbox.push(Fact::Chosen { attempt: self.attempt, exit: told });
        }
    }

    /// Returns the exit that it has chosen.
    pub(crate) fn chosen(&self) -> Option<Exit> {
        if self.is_leaving() { lock(&self.extras().chosen).clone() } else { None }
    }

    /// Counts the message in hand as failed, as `exit`. Without a message in hand it does nothing.
    pub(crate) fn fail(&self, exit: Exit) {
        let Some(number) = self.message_in_hand() else { return };
        let failures = self.extras().failures.get_or_init(Default::default);
        if failures.note(number, exit) {
            self.inbox.push(Fact::Failing { attempt: self.attempt, failures: failures.clone() });
        }
    }

    /// Adds work that the incarnation does last if it ends in order, within its shutdown time.
    #[allow(dead_code, reason = "only checkpoints call it, and they are a feature")]
    pub(crate) fn do_last(&self, last: &Arc<dyn Last>) {
        self.extras().last_work.get_or_init(LastWork::default).add(last);
    }

    /// Takes the work that is to be done last.
    pub(crate) fn take_last_work(&self) -> Vec<Work> {
        let last_work = self.extras_if_any().and_then(|extras| extras.last_work.get());
        last_work.map(LastWork::take).unwrap_or_default()
    }

    /// Records the exit of a linked task that panicked or failed, which ends the incarnation.
    pub(crate) fn break_with(&self, exit: Exit) {
        lock(&self.extras().broken).get_or_insert(exit);
        self.signal(BROKEN);
    }

    pub(crate) fn broken(&self) -> Option<Exit> {
        if self.has(BROKEN) { lock(&self.extras().broken).clone() } else { None }
    }
}
