//! The restart policy of one child: settings for its ends and restarts, beyond OTP's restart type.
//!
//! Every field may be left open. Then the supervisor's defaults decide, and in the end OTP. A policy in which nothing
//! is set is OTP's: restart at once, count once, and give up by ending the supervisor.
//!
//! This file has only the settings. They are interpreted in one place, `restart.rs`.

use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::dependency::{Dependency, DependencyCondition, DependencyGone, Health};
use crate::give_up::GiveUp;
use crate::intensity::Intensity;
use crate::kept::KeptRule;
use crate::rate::FailureRate;
use crate::rule::ExitRule;

/// The reactions to the end of a child, beyond its [restart type](crate::Restart).
///
/// The supervisor decides about an end in this order:
///
/// 1. After a life that was a success ([`reset_after`](field@Self::reset_after) and its kin) the delays start again at
///    the first one.
/// 2. The first [rule](ExitRule) that matches says what to do. If none matches, the restart type says it.
/// 3. A restart is charged to the child's own [`budget`](field@Self::budget), or to the one that it shares with its
///    siblings if it has none. If the budget is used up, [`on_give_up`](field@Self::on_give_up) says what happens.
/// 4. The restart waits for the delay of the [`backoff`](field@Self::backoff) to pass, and for all services that the
///    child [depends on](field@Self::depends_on) to be ready.
///
/// Delays are for faults that pass without a change to the child: in a network, a disk, a service elsewhere. Parking is
/// for one child that cannot work while its siblings can. A rule with [`RuleAction::Stop`](crate::RuleAction::Stop) is
/// for faults that no restart mends, such as a licence that has run out.
///
/// ```
/// use regrow_supervisors::{Backoff, GiveUp, Intensity, ExitKind, Policy, ExitRule, RuleAction};
/// use std::time::Duration;
///
/// const SEC: Duration = Duration::from_secs(1);
/// let policy = Policy::default()
///     .backoff(Backoff::new(SEC / 10).max_delay(10 * SEC))
///     .reset_after(60 * SEC)
///     .budget(Intensity::new(5, 60 * SEC))
///     .on_give_up(GiveUp::park(30 * SEC))
///     .rule(ExitRule::new(RuleAction::Stop).on(ExitKind::Failed).text("licence expired"));
/// assert!(policy.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
#[must_use]
pub struct Policy {
    /// The delay before a restart: a curve that grows with each failure. OTP: no delay.
    ///
    /// It covers restarts, and retries of a restart that failed. It does **not** cover these starts:
    ///
    /// * A first start that fails at the boot ends the boot ([OTP rule 11](crate::rules)). It is tried again after such a
    ///   delay only with [`retry_start`](field@Self::retry_start), or if a [rule](field@Self::rules) says so.
    /// * A start by order is never tried again: the order is answered with the failure.
    /// * A start that waits for services that the child depends on has no delay. It comes as soon as they are ready.
    ///
    /// Meanwhile messages wait, and callers with them. The mailbox takes as many as it has room for.
    pub backoff: Option<Backoff>,
    /// The time after which a life that was ready is a success: the curve starts again at its first delay. Default: the
    /// curve's longest delay; without a curve, the period of the budget.
    ///
    /// A child that was parked is on probation until then.
    pub reset_after: Option<Duration>,
    /// Whether a life that became ready, for however short a time, is a success. Default: it is not.
    pub reset_on_ready: Option<bool>,
    /// The number of handled messages after which a life is a success, however short it was. Default: messages do not
    /// matter.
    pub reset_after_messages: Option<u64>,
    /// The child's own budget. Its restarts are charged to that budget and not to the one it shares with its siblings.
    /// Default: the shared one.
    pub budget: Option<Intensity>,
    /// The part of its messages that may fail within a window: a budget by rate, besides the one that counts restarts.
    /// When it is exceeded, [`on_give_up`](field@Self::on_give_up) says what happens, even if the child is up: it is
    /// asked to stop, and then parked, for instance. Default: failures that end no life do not matter.
    ///
    /// Probes, probation and success are those of parking. The window begins empty with each probe.
    pub failure_rate: Option<FailureRate>,
    /// The reaction when the budget, the own or the shared one, is used up. OTP: the supervisor gives up.
    pub on_give_up: Option<GiveUp>,
    /// Whether a first start that fails at the boot is tried again, as a restart that fails is: after the delay of the
    /// [`backoff`](field@Self::backoff), charged to the budget, with [`on_give_up`](field@Self::on_give_up) at its end.
    /// The boot is complete when the child is up, or is parked or ended for good. OTP and default: the boot fails.
    ///
    /// It is short for a [rule](field@Self::rules) that restarts after
    /// [`ExitKind::StartFailed`](crate::ExitKind::StartFailed). Rules that match go before it. As they do, it leaves out
    /// temporary children and starts by order.
    pub retry_start: Option<bool>,
    /// A separate budget and curve for lives that ended before they were ready, failed starts among them. Default:
    /// those of the other lives.
    pub not_ready: Option<NotReady>,
    /// The event from which the child counts as ready. Default: as soon as it is up.
    pub readiness: Option<Readiness>,
    /// The time limit for a start, until the child is ready. A start that takes longer is killed, and has failed.
    /// Default: no limit.
    pub start_timeout: Option<Duration>,
    /// Services that have to be ready, and jobs that have to be completed, before this child is started. A sibling is
    /// given by its name, any other service by its full path behind a slash, as in `/shop/db`. Default: none.
    ///
    /// While one is missing the child waits, whatever its curve says, and nothing is charged for that. It is started as
    /// soon as the last one is back. A service that is missing does not end children that are up. With
    /// [`Dependency::restart`] they are restarted when it is back in a new life.
    ///
    /// Of children that are stopped in the same operation, this one is stopped before those that it depends on. Among
    /// supervisors the dependencies of all that is below them count, unless they go in a circle. Then the reverse of
    /// the start order holds, and the log warns.
    pub depends_on: Option<Arc<[Dependency]>>,
    /// The choice at a start when one of those is gone for good. Default: the child is parked.
    pub on_dependency_gone: Option<DependencyGone>,
    /// The part of this child in the health of the tree. Default: required for the services of static and partitioned
    /// supervisors, optional for tasks and for everything below a dynamic supervisor.
    pub health: Option<Health>,
    /// The time limit for a message in hand. A service that takes longer hangs: it is killed, and its exit is
    /// [`Exit::Hung`](crate::Exit::Hung), an abnormal one. Default: no limit.
    ///
    /// The watchdog is late by at most a quarter of the limit, and never early. It measures the time of the runtime's
    /// clock in which the service could have worked. This does not count:
    ///
    /// * The time in which its handler awaits the runtime's own `call` or `send`. But services that wait for each other
    ///   in a circle for as long as the limit hang. A call or a send that is kept and not awaited is no wait. A circle
    ///   is found up to a quarter of the limit later.
    /// * The time in which the watchdog itself was late: the process was paused, the clock jumped, the runtime or the
    ///   machine is overloaded. A pause that is shorter than an eighth of the limit is not noticed.
    /// * The time before its turn. Near its limit a service is woken. If the runtime does not poll it within an eighth
    ///   of the limit, its time begins again. So in a runtime that never finds the time for that poll, nothing hangs.
    ///
    /// A task has no messages. It hangs if it gives no sign of life (`alive` of its context) within the limit. Only its
    /// own policy sets such a limit: defaults are left out. For a `ractor` actor and for a supervisor the limit has no
    /// effect, and is refused.
    pub watchdog: Option<Duration>,
    /// The number of lives in a row that may fail with a value that the service keeps, before that is set aside, and what
    /// follows. Default: 3, and the next life begins without a value.
    pub kept: Option<KeptRule>,
    /// Rules for ends of a certain kind. The first rule that matches wins.
    ///
    /// They cover the ends of lives, the first starts of a boot, and restarts that fail. If a rule retries a child's
    /// first start, the boot is complete when that child is up. Starts by order are not covered: they are answered with
    /// their failure ([OTP rules 60, 62](crate::rules)).
    pub rules: Option<Arc<[ExitRule]>>,
}

/// The event from which a child that is up counts as ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Readiness {
    /// The child is ready as soon as it is up.
    #[default]
    WhenUp,
    /// The child announces that it is ready.
    WhenSaid,
}

/// A separate budget and curve for lives that never became ready.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
#[must_use]
pub struct NotReady {
    /// The restart budget of these lives.
    pub budget: Option<Intensity>,
    /// The curve of delays after these lives.
    pub backoff: Option<Backoff>,
}

impl NotReady {
    /// Sets their budget.
    pub fn budget(self, budget: Intensity) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Sets their curve.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff: Some(backoff), ..self }
    }
}

impl Policy {
    /// Sets the delay before a restart: see [`backoff`](field@Self::backoff).
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff: Some(backoff), ..self }
    }

    /// Sets the time after which a life that was ready is a success, so that the delays start again at the first one.
    /// See [`reset_after`](field@Self::reset_after).
    pub fn reset_after(self, time: Duration) -> Self {
        Self { reset_after: Some(time), ..self }
    }

    /// Makes every life that became ready a success, so that the delays start again at the first one.
    pub fn reset_on_ready(self) -> Self {
        Self { reset_on_ready: Some(true), ..self }
    }

    /// Lets readiness alone make no life a success, whatever the defaults say: the opposite of
    /// [`reset_on_ready`](Self::reset_on_ready).
    pub fn reset_only_after_time(self) -> Self {
        Self { reset_on_ready: Some(false), ..self }
    }

    /// Sets the number of handled messages after which a life is a success, so that the delays start again at the first
    /// one.
    pub fn reset_after_messages(self, messages: u64) -> Self {
        Self { reset_after_messages: Some(messages), ..self }
    }

    /// Sets the child's own budget, in place of the one that it shares with its siblings.
    pub fn budget(self, budget: Intensity) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Sets the part of its messages that may fail within a window: see [`failure_rate`](field@Self::failure_rate).
    ///
    /// ```
    /// # use regrow_supervisors::{FailureRate, GiveUp, Policy};
    /// # use std::time::Duration;
    /// # const SEC: Duration = Duration::from_secs(1);
    /// // If more than half of at least 20 messages in 10 s fail, it is parked, and tried again after 30 s.
    /// let policy = Policy::default().failure_rate(FailureRate::new(50, 20, 10 * SEC)).on_give_up(GiveUp::park(30 * SEC));
    /// # assert!(policy.check().is_ok());
    /// ```
    pub fn failure_rate(self, rate: FailureRate) -> Self {
        Self { failure_rate: Some(rate), ..self }
    }

    /// Sets the reaction to a budget that is used up.
    pub fn on_give_up(self, then: GiveUp) -> Self {
        Self { on_give_up: Some(then), ..self }
    }

    /// Retries a first start that fails at the boot: see [`retry_start`](field@Self::retry_start).
    ///
    /// ```
    /// # use regrow_supervisors::{Backoff, Policy};
    /// # use std::time::Duration;
    /// // A database that is not there yet does not fail the boot of the program.
    /// let policy = Policy::default().backoff(Backoff::new(Duration::from_millis(100))).retry_start();
    /// # assert_eq!(policy.retry_start, Some(true));
    /// ```
    pub fn retry_start(self) -> Self {
        Self { retry_start: Some(true), ..self }
    }

    /// Lets a first start that fails at the boot fail the boot, whatever the defaults say: the opposite of
    /// [`retry_start`](Self::retry_start).
    pub fn fail_start(self) -> Self {
        Self { retry_start: Some(false), ..self }
    }

    /// Sets a budget and a curve for lives that never became ready.
    pub fn not_ready(self, not_ready: NotReady) -> Self {
        Self { not_ready: Some(not_ready), ..self }
    }

    /// Sets the event from which the child counts as ready.
    pub fn readiness(self, readiness: Readiness) -> Self {
        Self { readiness: Some(readiness), ..self }
    }

    /// Sets the time limit for a start, until the child is ready. A start that takes longer is killed, and has failed.
    pub fn start_timeout(self, limit: Duration) -> Self {
        Self { start_timeout: Some(limit), ..self }
    }

    /// Sets what has to be there before this child is started: see [`depends_on`](field@Self::depends_on). Names alone
    /// ask for services that are ready. Jobs set with [`depends_on_completed`](Self::depends_on_completed) stay.
    pub fn depends_on<D: Into<Dependency>>(mut self, others: impl IntoIterator<Item = D>) -> Self {
        let others: Vec<_> = others.into_iter().map(Into::into).collect();
        let before = self.depends_on.take();
        let is_kept = |one: &&Dependency| one.condition == DependencyCondition::Completed && !others.contains(one);
        let jobs: Vec<_> = before.iter().flat_map(|all| all.iter()).filter(is_kept).cloned().collect();
        self.depends_on = Some(others.into_iter().chain(jobs).collect());
        self
    }

    /// Sets jobs that have to be [completed](DependencyCondition::Completed) before this child is started, besides what
    /// [`depends_on`](Self::depends_on) sets.
    ///
    /// ```
    /// # use regrow_supervisors::Policy;
    /// let web = Policy::default().depends_on(["db"]).depends_on_completed(["migrate"]);
    /// # assert_eq!(web.depends_on.unwrap().len(), 2);
    /// ```
    pub fn depends_on_completed<N: Into<Arc<str>>>(mut self, jobs: impl IntoIterator<Item = N>) -> Self {
        let jobs: Vec<_> = jobs.into_iter().map(Dependency::completed).collect();
        let before = self.depends_on.take();
        let is_kept = |one: &&Dependency| !jobs.contains(one);
        let others: Vec<_> = before.iter().flat_map(|all| all.iter()).filter(is_kept).cloned().collect();
        self.depends_on = Some(others.into_iter().chain(jobs).collect());
        self
    }

    /// Sets the choice at a start when a service that the child depends on is gone for good.
    pub fn on_dependency_gone(self, then: DependencyGone) -> Self {
        Self { on_dependency_gone: Some(then), ..self }
    }

    /// Sets whether the tree counts as ready without this child: see [`health`](field@Self::health).
    pub fn health(self, health: Health) -> Self {
        Self { health: Some(health), ..self }
    }

    /// Sets the time limit for a message in hand: see [`watchdog`](field@Self::watchdog).
    pub fn watchdog(self, limit: Duration) -> Self {
        Self { watchdog: Some(limit), ..self }
    }

    /// Sets when a kept value is set aside, and what follows: see [`kept`](field@Self::kept).
    pub fn kept(self, rule: KeptRule) -> Self {
        Self { kept: Some(rule), ..self }
    }

    /// Adds a rule behind those that are there.
    pub fn rule(mut self, rule: ExitRule) -> Self {
        let before = self.rules.take();
        self.rules = Some(before.iter().flat_map(|rules| rules.iter()).cloned().chain([rule]).collect());
        self
    }

    /// Fills the fields that are open here from `outer`.
    pub fn or(self, outer: &Self) -> Self {
        let outer = outer.clone();
        Self {
            backoff: self.backoff.or(outer.backoff),
            reset_after: self.reset_after.or(outer.reset_after),
            reset_on_ready: self.reset_on_ready.or(outer.reset_on_ready),
            reset_after_messages: self.reset_after_messages.or(outer.reset_after_messages),
            budget: self.budget.or(outer.budget),
            failure_rate: self.failure_rate.or(outer.failure_rate),
            on_give_up: self.on_give_up.or(outer.on_give_up),
            retry_start: self.retry_start.or(outer.retry_start),
            not_ready: self.not_ready.or(outer.not_ready),
            readiness: self.readiness.or(outer.readiness),
            start_timeout: self.start_timeout.or(outer.start_timeout),
            depends_on: self.depends_on.or(outer.depends_on),
            on_dependency_gone: self.on_dependency_gone.or(outer.on_dependency_gone),
            health: self.health.or(outer.health),
            watchdog: self.watchdog.or(outer.watchdog),
            kept: self.kept.or(outer.kept),
            rules: self.rules.or(outer.rules),
        }
    }

    /// Returns the time for which a life has to be ready to be a success, as far as this policy says. That is
    /// [`reset_after`](field@Self::reset_after), else the longest delay, else the period of the child's own budget.
    pub fn reset_time(&self) -> Option<Duration> {
        let longest = self.backoff.as_ref().map(Backoff::longest);
        self.reset_after.or(longest).or(self.budget.and_then(|budget| budget.period()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::RuleAction;

    /// A field that is added has to be named here, and needs a method that sets it.
    #[test]
    fn each_field_can_be_set_in_a_chain() {
        let time = Duration::from_secs(1);
        let budget = Intensity::new(1, time);
        let Policy {
            backoff,
            reset_after,
            reset_on_ready,
            reset_after_messages,
            budget: own,
            failure_rate,
            on_give_up,
            retry_start,
            not_ready,
            readiness,
            start_timeout,
            depends_on,
            on_dependency_gone,
            health,
            watchdog,
            kept,
            rules,
        } = Policy::default()
            .backoff(Backoff::new(time))
            .reset_after(time)
            .reset_on_ready()
            .reset_after_messages(7)
            .budget(budget)
            .failure_rate(FailureRate::new(50, 20, time))
            .on_give_up(GiveUp::park(time))
            .retry_start()
            .not_ready(NotReady::default().budget(budget).backoff(Backoff::new(time)))
            .readiness(Readiness::WhenSaid)
            .start_timeout(time)
            .depends_on(["db"])
            .on_dependency_gone(DependencyGone::GoOn)
            .health(Health::Optional)
            .watchdog(time)
            .kept(KeptRule::new(2))
            .rule(ExitRule::new(RuleAction::Stop));
        assert_eq!((backoff, reset_after, reset_on_ready), (Some(Backoff::new(time)), Some(time), Some(true)));
        assert_eq!((reset_after_messages, own, on_give_up), (Some(7), Some(budget), Some(GiveUp::park(time))));
        assert_eq!(retry_start, Some(true));
        assert_eq!(failure_rate, Some(FailureRate::new(50, 20, time)));
        let NotReady { budget: own, backoff } = not_ready.unwrap();
        assert_eq!((own, backoff), (Some(budget), Some(Backoff::new(time))));
        assert_eq!((readiness, start_timeout), (Some(Readiness::WhenSaid), Some(time)));
        assert_eq!(depends_on.as_deref(), Some(&["db".into()][..]));
        assert_eq!((on_dependency_gone, health), (Some(DependencyGone::GoOn), Some(Health::Optional)));
        assert_eq!(kept, Some(KeptRule::new(2)));
        assert_eq!((watchdog, rules.as_deref()), (Some(time), Some(&[ExitRule::new(RuleAction::Stop)][..])));
    }

    #[test]
    fn a_switch_that_is_on_further_out_can_be_turned_off() {
        let outer = Policy::default().reset_on_ready();
        assert_eq!(Policy::default().reset_only_after_time().or(&outer).reset_on_ready, Some(false));
        let outer = Policy::default().retry_start();
        assert_eq!(Policy::default().fail_start().or(&outer).retry_start, Some(false));
    }
}
