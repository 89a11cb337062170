//! The reasons for the state of a child, as data.

use std::sync::Arc;
use std::time::Duration;

use crate::child::{ChildState, Hold, Live, Stage, State};
use crate::children::ChildKey;
use crate::core::Core;
use crate::exit::Exit;
use crate::give_up::{BudgetLeft, GiveUpReason};
use crate::rate::FailuresSeen;
use crate::restart::has_lasted;
use crate::rule::{ExitKind, RuleAction};

/// The reasons for the state of a child, what is left for it, and what comes next. Times are on the machine's clock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reasons {
    /// The state of the child.
    pub standing: ChildState,
    /// Whether the child is up and ready.
    pub is_ready: bool,
    /// Whether the child is down because an order terminated it.
    pub was_terminated: bool,
    /// The end that led to this state. None if there was no failure yet.
    pub exit: Option<Exit>,
    /// The second kind of that end, besides its exit: a start that failed, or a life that was never ready.
    pub phase: Option<ExitKind>,
    /// The time of that end.
    pub ended_at: Option<Duration>,
    /// The rule that decided about it: its place in the list, from 0, and its reaction.
    pub rule: Option<(usize, RuleAction)>,
    /// Steps taken on the curve since it last started at its first delay.
    pub steps: u32,
    /// The rest of the budget that the next restart is charged to. None without a limit.
    pub budget: Option<BudgetLeft>,
    /// The time of the next try, if one is set.
    pub next_try: Option<Duration>,
    /// Services that the child waits for.
    pub waits_for: Vec<Arc<str>>,
    /// Services that the child depends on and that are gone for good. Its next start has to do without them.
    pub lost: Vec<Arc<str>>,
    /// The reason why the policy of the child ended it for good, while the child is down for that.
    pub given_up: Option<GiveUpReason>,
    /// The messages that failed within the window of the policy, as of the latest failure. Of a parked child: those for
    /// which it is parked. `None` if none failed, or if the policy does not count them.
    pub failures: Option<FailuresSeen>,
    /// The service with which the child was restarted last, because that was ready again in a new life, and the time of
    /// that restart.
    pub renewed: Option<(Arc<str>, Duration)>,
    /// The reason of the order that parked the child, while it is parked for that.
    pub parked_by_order: Option<Arc<str>>,
    /// Whether the budget was used up and the child is parked for it, or on probation.
    pub is_half_open: bool,
    /// Whether it is parked because the value that it kept was set aside, or on probation after that.
    pub is_parked_for_kept: bool,
    /// The time for which a life has to be ready for the curve to start again at its first delay.
    pub reset_after: Option<Duration>,
}

impl Reasons {
    pub(crate) fn new(core: &Core, key: ChildKey, now: Duration) -> Option<Self> {
        let child = core.children.get(key)?;
        let policy = child.spec.policy_rule();
        let mut history = child.history.as_deref().cloned().unwrap_or_default();
        let now = now.max(core.meter.now());
        // A life that has lasted is a success from that time on, and not only after its end.
        if let State::Live(Live { stage: Stage::Ready, since, is_proven, .. }) = &child.state {
            let ready_for = Some(now.saturating_sub(*since));
            if *is_proven || has_lasted(&policy, core.meter.budget().period(), ready_for) {
                history.reset();
            }
        }
        let cause = history.cause.clone();
        let rules = policy.rules.as_deref().unwrap_or_default();
        let (steps, is_half_open) = (history.died.steps.taken.max(history.unready.steps.taken), history.is_half_open);
        let is_parked_for_kept = is_half_open && history.parks_for_kept;
        let now = core.meter.budget_time(now);
        let (left, is_own) = match history.own_budget(&policy) {
            Some(own) => (own.left(now), true),
            None => (core.meter.budget().left(now), false),
        };
        let held = core.children.held(key);
        let is_by_order = held.is_some_and(|held| held.hold == (Hold::Parked { until: None }));
        Some(Self {
            standing: child.standing(),
            is_ready: matches!(&child.state, State::Live(Live { stage: Stage::Ready, .. })),
            was_terminated: child.is_at_rest && child.was_terminated,
            phase: cause.as_ref().and_then(|cause| cause.phase),
            ended_at: cause.as_ref().map(|cause| cause.at),
            rule: cause.as_ref().and_then(|cause| Some((cause.rule?, rules.get(cause.rule?)?.then))),
            exit: cause.map(|cause| cause.exit),
            steps,
            budget: left.map(|(left, restarts_max, within)| BudgetLeft { left, restarts_max, within, is_own }),
            next_try: held.and_then(|held| held.hold.until()),
            // No service brings back a child that an order has parked.
            waits_for: if held.is_some() && !is_by_order { core.missing(key).cloned().collect() } else { Vec::new() },
            lost: core.lost(key).cloned().collect(),
            given_up: child.given_up(),
            failures: history.failures.as_ref().and_then(|failures| match child.standing() {
                ChildState::Parked if is_by_order => None,
                ChildState::Parked => failures.parked_for,
                _ => failures.window.seen(policy.failure_rate?),
            }),
            renewed: history.renewed.map(|renewed| (renewed.name, renewed.at)),
            parked_by_order: history.parked_by_order.filter(|_| is_by_order),
            is_half_open: is_half_open && !is_by_order,
            is_parked_for_kept: is_parked_for_kept && !is_by_order,
            reset_after: policy.reset_time().or(core.meter.budget().period()),
        })
    }
}
