//! What a driver does with a supervisor, whichever of the two it is.
//!
//! Invariants, kept by both:
//! 1. No method blocks, and none returns an error for a fact. A fact of an attempt that is no longer live is dropped.
//! 2. Exits and orders are taken one at a time, in the order in which they were handed in (OTP rule 72).
//! 3. Outcomes of what the machine itself ordered (a start, a stop) are not queued: they are answers, not news.

use std::fmt;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::backoff::Chance;
use crate::child::{Ending, Live, Stage, Standing};
use crate::children::{Attempt, ChildKey, Counts};
use crate::circles::circles;
use crate::dependency::{Completion, Outlook, Prospect};
use crate::exit::{Exit, Hang};
use crate::intensity::Intensity;
use crate::nursery::{Event, Phase};
use crate::order::{Call, Order, OrderError};
use crate::spec::{BudgetClock, ChildSpec};
use crate::transitions::{Kind, Step, Transitions};
use crate::why::Why;

/// A child, its spec, where it stands, and its present attempt if it has one.
pub type Line<'a> = (ChildKey, &'a ChildSpec, Standing, Option<Attempt>);

/// A supervisor as its driver sees it: facts in, actions out.
///
/// After each fact or order, perform what [`poll_action`](Self::poll_action) hands out until it has no more, and call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) is due.
///
/// `now` is the time since any fixed moment of the driver's choice. It must not run backwards; where it does, the latest
/// time seen is used.
pub trait Machine: Kind + fmt::Debug {
    /// The attempt is up.
    fn handle_started(&mut self, attempt: Attempt, now: Duration) {
        self.at(now).started(attempt);
    }

    /// The attempt is ready. To be told of children whose policy says that they say so ([`Readiness::WhenSaid`]); the
    /// others are ready as soon as they are up.
    ///
    /// [`Readiness::WhenSaid`]: crate::Readiness::WhenSaid
    fn handle_ready(&mut self, attempt: Attempt, now: Duration) {
        self.at(now).became_ready(attempt);
    }

    /// A service that is no child of this supervisor, and that children depend on under this name, has become ready, or
    /// is not any more and may come back.
    fn handle_dependency(&mut self, name: &str, is_ready: bool, now: Duration) {
        let prospect = if is_ready { Prospect::Ready } else { Prospect::MayCome };
        self.handle_outlook(name, prospect.into(), now);
    }

    /// What is known of a service that is no child of this supervisor, and that children depend on under this name, has
    /// changed. To be told anew when a child comes that depends on it. What no child asks about is not remembered.
    fn handle_outlook(&mut self, name: &str, outlook: Outlook, now: Duration) {
        self.at(now).set_outlook(name, outlook);
    }

    /// The attempt has handled so many messages. To be told before its exit, where the policy asks for it.
    fn handle_progress(&mut self, attempt: Attempt, messages: u64, now: Duration) {
        let policy = self.spec(attempt.child()).and_then(|spec| spec.terms.policy.clone());
        let asked = policy.and_then(|policy| policy.reset_after_messages);
        if let Some(live) = self.at(now).children.live_mut(attempt) {
            live.is_proven |= asked.is_some_and(|asked| messages >= asked);
        }
    }

    /// The attempt works on one message for too long. It is killed, and its exit will be [`Exit::Hung`].
    fn handle_hung(&mut self, attempt: Attempt, hang: Hang, now: Duration) {
        self.at(now).overdue(attempt, Exit::Hung(hang));
    }

    /// Gives the child a source of chance of its own, for the jitter of its delays. Without one it has none.
    fn set_chance(&mut self, child: ChildKey, chance: Box<dyn Chance>) {
        if let Some(child) = self.nursery_mut().children.get_mut(child) {
            child.track_mut().set_chance(chance);
        }
    }

    /// The start of this attempt waits in line (see [`Gate`](crate::Gate)), or waits no longer: its time begins then.
    fn handle_in_line(&mut self, attempt: Attempt, is_in_line: bool, now: Duration) {
        self.at(now).in_line(attempt, is_in_line);
    }

    /// The restart budget, and what its window is measured in. What is spent stays spent.
    fn set_budget(&mut self, intensity: Intensity, clock: BudgetClock) {
        self.nursery_mut().budget.set(intensity);
        self.nursery_mut().set_clock(clock);
    }

    /// The attempt decided that the child is not wanted ([OTP rules 10, 30, 81](crate::rules)).
    fn handle_ignored(&mut self, attempt: Attempt, now: Duration) {
        match self.at(now).children.live_mut(attempt) {
            Some(Live { stage: Stage::Starting, ending, .. }) => match ending {
                Ending::Asked => self.stopped(attempt.child(), &Exit::Shutdown),
                Ending::Killed => self.stopped(attempt.child(), &Exit::Killed),
                Ending::NotTold | Ending::Leaving | Ending::KilledByOthers => self.ignored(attempt),
            },
            Some(Live { stage: Stage::Up | Stage::Ready | Stage::Dead(_), .. }) | None => {}
        }
    }

    /// The attempt came to nothing.
    fn handle_start_failed(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        if let Some(Live { stage: Stage::Starting, .. }) = self.at(now).children.live_mut(attempt) {
            self.handle_exit(attempt, exit, now);
        }
    }

    /// The attempt has ended, and nothing of it is left.
    fn handle_exit(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        let nursery = self.at(now);
        let now = nursery.now;
        let Some(live) = nursery.children.live_mut(attempt) else { return };
        // One that leaves in time may still end otherwise than it wanted to.
        let exit = live.cause.take().filter(|_| live.ending != Ending::Leaving).map_or(exit, |cause| *cause);
        match &live.stage {
            _ if live.is_told() => self.stopped(attempt.child(), &exit),
            Stage::Starting => self.start_failed(attempt, exit),
            Stage::Dead(_) => {}
            Stage::Up | Stage::Ready => {
                let was_ready = matches!(live.stage, Stage::Ready);
                let is_completed = matches!(exit, Exit::Normal);
                live.stage = Stage::Dead(Box::new(live.ended(exit, now)));
                nursery.set_timer(attempt.child(), None);
                nursery.departed.push(attempt.child());
                nursery.inbox.push_back(Event::Exit(attempt));
                if is_completed {
                    nursery.complete(attempt.child(), Completion { was_ready });
                }
            }
        }
    }

    /// Somebody outside the tree of supervisors has killed this attempt. Its exit will be an unexpected one; should it
    /// not come in time, the attempt is abandoned and counts as killed.
    fn handle_kill_under_way(&mut self, attempt: Attempt, now: Duration) {
        self.at(now).kill_under_way(attempt);
    }

    /// The attempt is ending by itself, as `exit`, and code of its own still runs for that (a stop hook, destructors). It has
    /// its shutdown time; then it is killed, and ends as `exit` nevertheless.
    fn handle_leaving(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        self.at(now).leaving(attempt, exit);
    }

    /// Whether nothing starts the child again by itself, should this attempt, which is up, end as `exit`. An order can, and
    /// it may still end otherwise.
    fn is_last_life(&self, attempt: Attempt, exit: &Exit) -> bool {
        self.nursery().is_last_life(attempt, exit)
    }

    /// The attempt has ended as `exit`, but for what cannot be waited for without limit: work of its own that has been
    /// killed. Should that not end in time, the attempt is abandoned, and has ended as `exit`.
    fn handle_remains(&mut self, attempt: Attempt, exit: Exit, now: Duration) {
        self.at(now).remains(attempt, exit);
    }

    /// Children that are to be stopped before others, besides those whose specs say that they depend on a sibling: something
    /// below the first of a pair depends on something below the second. All that was said so before is replaced.
    ///
    /// What comes back are the circles that there are now, each child before the next and the last before the first. None of
    /// these pairs is heeded: the order of their starts decides.
    fn set_stop_order(&mut self, before: Vec<(ChildKey, ChildKey)>) -> Vec<Vec<ChildKey>> {
        let nursery = self.nursery_mut();
        nursery.ties = before.into_iter().collect();
        circles(&nursery.all_ties())
    }

    /// Time has passed. Harmless when nothing is due.
    fn handle_timeout(&mut self, now: Duration) {
        self.at(now);
        while let Some(abandoned) = self.nursery_mut().climb() {
            if let Some(attempt) = abandoned {
                self.handle_exit(attempt, Exit::Killed, now);
            }
        }
        self.patience_is_over();
    }

    /// Gives a management order. It is answered by an [`Action::Answer`], at once where it can be.
    ///
    /// Under one_for_one, and in a dynamic supervisor, an order never waits for another child that hangs; under the
    /// ordered strategies it queues behind the running group operation. A read does not wait for a start that hangs, and
    /// neither does the termination of the child that hangs in it.
    fn order(&mut self, call: Call, order: Order, now: Duration) {
        let nursery = self.at(now);
        if nursery.is_ending() {
            nursery.answer(call, Err(OrderError::Over));
        } else {
            nursery.inbox.push_back(Event::Order { call, order, given: nursery.now });
        }
    }

    /// Orders the supervisor to end with `exit`, after its children (OTP rules 54, 55, 88).
    ///
    /// Waits its turn behind what was handed in before it, but not for a start that hangs: that is cut short.
    fn stop(&mut self, exit: Exit, now: Duration) {
        let nursery = self.at(now);
        if !nursery.is_ending() {
            nursery.inbox.push_back(Event::Stop { exit, given: nursery.now });
        }
    }

    /// Kills the supervisor together with its children, and it ends as [`Exit::Killed`].
    ///
    /// In OTP the children of a killed supervisor die by their links, in no order, and slow ones overlap their
    /// replacements (OTP rules 57, 58). Here they are gone before the parent hears of it.
    fn kill(&mut self, now: Duration) {
        if !matches!(self.at(now).phase, Phase::Ended) {
            self.end(Exit::Killed, true);
        }
    }

    /// Kills every child at once, in no order, and ends as [`Exit::Killed`] when all are gone: a bounded shutdown has
    /// reached its limit. A child that hangs does not keep the others alive, as it does after [`kill`](Self::kill).
    fn kill_at_once(&mut self, now: Duration) {
        if matches!(self.at(now).phase, Phase::Ended) {
            return;
        }
        self.end(Exit::Killed, true);
        let keys: Vec<_> = self.nursery().children.keys().rev().collect();
        for key in keys {
            self.stop_child(key, true);
        }
    }

    /// Goes on without the children that a kill did not end: the last resort of a bounded shutdown. Children that were
    /// not killed yet are killed, and not waited for.
    fn abandon(&mut self, now: Duration) {
        self.kill(now);
        let keys: Vec<_> = self.nursery().children.keys().rev().collect();
        for key in keys {
            if self.stop_child(key, true)
                && let Some(attempt) = self.nursery_mut().abandon(key)
            {
                self.handle_exit(attempt, Exit::Killed, now);
            }
        }
    }

    /// The next thing to do, or nothing for now.
    fn poll_action(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.nursery_mut().actions.pop_front() {
                return Some(action);
            }
            match self.work() {
                Step::Taken => {}
                Step::Waits => return self.nursery_mut().actions.pop_front(),
                Step::Idle if self.nursery_mut().is_patient() => return None,
                Step::Idle => {
                    let Some(event) = self.nursery_mut().inbox.pop_front() else {
                        self.nursery_mut().give_back_room();
                        return None;
                    };
                    self.take(event);
                }
            }
        }
    }

    /// The next thing that happened. Reports are in order among themselves; those that are there after a
    /// [`poll_action`](Self::poll_action) happened before the action it returned is performed.
    fn poll_report(&mut self) -> Option<Report> {
        self.nursery_mut().reports.pop_front()
    }

    /// Whether the supervisor is ending or has ended: no child is started any more.
    fn is_ending(&self) -> bool {
        self.nursery().is_ending()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next.
    fn poll_timeout(&self) -> Option<Duration> {
        let due = self.nursery().timers.first().map(|&(at, _)| at);
        due.into_iter().chain(self.patient_until()).min()
    }

    /// What is known of why the child stands where it does, and what is left for it as of `now`.
    fn why(&self, child: ChildKey, now: Duration) -> Option<Why> {
        Why::new(self.nursery(), child, now)
    }

    /// What those that depend on the child can count on.
    fn outlook(&self, child: ChildKey) -> Option<Outlook> {
        Some(self.nursery().children.get(child)?.outlook())
    }

    /// The spec of a child, while the supervisor has one.
    fn spec(&self, child: ChildKey) -> Option<&ChildSpec> {
        Some(&self.nursery().children.get(child)?.spec)
    }

    /// The child of this name.
    fn find(&self, id: &str) -> Option<ChildKey> {
        self.nursery().children.find(id)
    }

    /// Where a child stands.
    fn standing(&self, child: ChildKey) -> Option<Standing> {
        Some(self.nursery().children.get(child)?.standing())
    }

    /// The present attempt of a child, if it has one.
    fn attempt(&self, child: ChildKey) -> Option<Attempt> {
        self.nursery().children.get(child)?.attempt()
    }

    /// How many entries each table has that lives as long as the supervisor: for tests that look for leaks.
    #[doc(hidden)]
    fn tables(&self) -> Vec<(&'static str, usize)> {
        self.nursery().tables()
    }

    /// How many children there are. It is kept, and not counted.
    fn counts(&self) -> Counts {
        self.nursery().children.counts()
    }

    /// The children in start order, where each stands, and its present attempt if it has one.
    fn children(&self) -> Vec<Line<'_>> {
        self.children_from(0, usize::MAX).0
    }

    /// As [`children`](Self::children), from a place on, and at most this many. With the place of the next child, if
    /// there is one. The first place is 0.
    fn children_from(&self, first: u64, max: usize) -> (Vec<Line<'_>>, Option<u64>) {
        let mut children = self.nursery().children.iter_from(first);
        let portion = children.by_ref().take(max);
        let lines = portion.map(|(key, child)| (key, &child.spec, child.standing(), child.attempt())).collect();
        (lines, children.next().map(|(_, child)| child.place))
    }
}
