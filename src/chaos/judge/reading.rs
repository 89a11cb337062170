//! The judge's own reading of what a spec and its policy demand after an end of a child.

use std::time::Duration;

use regrow_supervisors::{
    Backoff, ChildSpec, Exit, ExitKind, ExitRule, GiveUp, Intensity, Jitter, KeptThen, Policy, Restart, RuleAction,
    Strategy,
};

/// The phase in which a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The life had been ready.
    Died,
    /// The life was up, but not ready.
    NotReady,
    /// The life did not come up.
    StartFailed,
}

/// The children that are restarted with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Alone,
    /// The child, and those behind it.
    Rest,
    All,
}

/// An answer that may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tri {
    Yes,
    No,
    Maybe,
}

/// A number of steps on a curve, from the least to the most that it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Steps {
    pub(super) least: u32,
    pub(super) most: u32,
}

impl Steps {
    pub(super) fn exactly(steps: u32) -> Self {
        Self { least: steps, most: steps }
    }

    /// Counts a step that was taken for certain, or may have been.
    pub(super) fn take(&mut self, is_certain: bool) {
        self.most = self.most.saturating_add(1);
        self.least = self.least.saturating_add(u32::from(is_certain));
    }
}

/// Returns what has to be done about this end, whether a restart counts, and whether a rule or `retry_start` says so.
pub(super) fn verdict(spec: &ChildSpec, exit: &Exit, phase: Phase) -> (RuleAction, bool, bool) {
    let policy = spec.policy_rule();
    let rules = policy.rules.as_deref().unwrap_or_default();
    let is_bound = spec.restart_type() != Restart::Temporary;
    if let Some(rule) = rules.iter().find(|rule| is_bound && is_about(rule, exit, phase)) {
        return (rule.then, rule.counts, true);
    }
    let is_abnormal = matches!(exit, Exit::Killed | Exit::Failed(_) | Exit::Panicked(_) | Exit::Hung(_));
    let then = match (phase, spec.restart_type()) {
        // A start that failed is tried again, whatever the type.
        (Phase::StartFailed, _) | (_, Restart::Permanent) => RuleAction::Restart,
        (_, Restart::Transient) if is_abnormal => RuleAction::Restart,
        (_, Restart::Transient | Restart::Temporary) => RuleAction::Stop,
    };
    let retries = phase == Phase::StartFailed && policy.retry_start == Some(true) && is_bound;
    (then, true, retries)
}

fn is_about(rule: &ExitRule, exit: &Exit, phase: Phase) -> bool {
    let kind = match exit {
        Exit::Normal => ExitKind::Normal,
        Exit::Shutdown | Exit::ShutdownWith(_) | Exit::ChildFailedToStart { .. } => ExitKind::Shutdown,
        Exit::Killed => ExitKind::Killed,
        Exit::Panicked(_) => ExitKind::Panicked,
        Exit::Hung(_) => ExitKind::Hung,
        _ => ExitKind::Failed,
    };
    let second = match phase {
        Phase::Died => None,
        Phase::NotReady => Some(ExitKind::NotReady),
        Phase::StartFailed => Some(ExitKind::StartFailed),
    };
    let is_kind =
        rule.on.is_empty() || rule.on.contains(&kind) || second.is_some_and(|second| rule.on.contains(&second));
    is_kind
        && rule.error.as_ref().is_none_or(|name| exit.is_error_named(name))
        && rule.text.as_ref().is_none_or(|part| exit.to_string().contains(&**part))
}

pub(super) fn scope(then: RuleAction, strategy: Strategy, is_dynamic: bool) -> Scope {
    match (then, strategy) {
        _ if is_dynamic => Scope::Alone,
        (RuleAction::RestartGroup, _) | (RuleAction::Restart, Strategy::OneForAll) => Scope::All,
        (RuleAction::Restart, Strategy::RestForOne) => Scope::Rest,
        (RuleAction::Restart, Strategy::OneForOne)
        | (RuleAction::Park | RuleAction::Stop | RuleAction::Escalate, _) => Scope::Alone,
    }
}

/// Whether the restarts after such an end can have their own budget and curve.
pub(super) fn is_apart(phase: Phase) -> bool {
    phase != Phase::Died
}

/// Returns the child's own budget for such an end, if it has one.
pub(super) fn own_budget(policy: &Policy, phase: Phase) -> Option<Intensity> {
    let apart = policy.not_ready.as_ref().and_then(|not_ready| not_ready.budget).filter(|_| is_apart(phase));
    apart.or(policy.budget)
}

/// Returns the curve for such an end.
pub(super) fn backoff(policy: &Policy, phase: Phase) -> Option<&Backoff> {
    let apart = policy.not_ready.as_ref().and_then(|not_ready| not_ready.backoff.as_ref());
    apart.filter(|_| is_apart(phase)).or(policy.backoff.as_ref())
}

/// Returns the time that a life has to be ready for to count as a success.
pub(super) fn success_after(policy: &Policy, shared: Intensity) -> Option<Duration> {
    let longest = policy.backoff.as_ref().map(longest);
    policy.reset_after.or(longest).or(policy.budget.and_then(|budget| budget.period())).or(shared.period())
}

/// Returns the curve of probes of a parked child. `for_kept`: it is parked because its kept value was set aside.
pub(super) fn probes(policy: &Policy, for_kept: bool) -> Backoff {
    match (policy.kept.as_ref().map(|rule| &rule.then), &policy.on_give_up) {
        (Some(KeptThen::Park(probes)), _) if for_kept => probes.clone(),
        (_, Some(GiveUp::Park(probes))) => probes.clone(),
        // The other reactions have no schedule.
        _ => Backoff::new(Duration::from_secs(30)).max_delay(Duration::from_secs(3600)),
    }
}

/// Returns the least and the greatest delay of a child that stands between these steps, if its last delay was not
/// longer than `before`.
pub(super) fn delays(backoff: &Backoff, steps: Steps, before: Duration) -> (Duration, Duration) {
    let cap = longest(backoff);
    let (least, most) = match backoff.list() {
        Some(list) => {
            let last = list.len().saturating_sub(1);
            let from = last.min(steps.least as usize);
            let to = last.min(steps.most as usize);
            let part = list.get(from..=to).unwrap_or_default();
            (part.iter().min().copied().unwrap_or_default(), part.iter().max().copied().unwrap_or_default())
        }
        None => (grown(backoff, steps.least), grown(backoff, steps.most)),
    };
    match backoff.spread() {
        Jitter::None => (least, most),
        Jitter::Full => (Duration::ZERO, most),
        Jitter::Decorrelated => {
            let first =
                backoff.list().map_or_else(|| grown(backoff, 0), |list| list.first().copied().unwrap_or_default());
            (first.min(cap), before.max(first).saturating_mul(3).min(cap).max(first.min(cap)))
        }
    }
}

fn longest(backoff: &Backoff) -> Duration {
    match (backoff.growth(), backoff.list()) {
        (Some((_, _, cap)), _) => cap,
        (None, Some(list)) => list.iter().copied().max().unwrap_or_default(),
        (None, None) => Duration::ZERO,
    }
}

/// Returns the delay after this number of steps, multiplied out one step after the other.
fn grown(backoff: &Backoff, steps: u32) -> Duration {
    let Some((first, factor, cap)) = backoff.growth() else { return Duration::ZERO };
    let (mut delay, cap) = (first.as_secs_f64(), cap.as_secs_f64());
    for _ in 0..steps {
        if delay >= cap || delay == 0.0 || factor == 1.0 {
            break;
        }
        delay *= factor;
    }
    Duration::try_from_secs_f64(delay.min(cap)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn delays_are_read_from_the_curve_and_its_jitter() {
        let curve = Backoff::new(50 * MS).factor(3.0).max_delay(400 * MS);
        assert_eq!(delays(&curve, Steps { least: 0, most: 1 }, Duration::ZERO), (50 * MS, 150 * MS));
        assert_eq!(delays(&curve, Steps::exactly(1000), Duration::ZERO), (400 * MS, 400 * MS));
        assert_eq!(
            delays(&curve.clone().jitter(Jitter::Full), Steps::exactly(1), Duration::ZERO),
            (Duration::ZERO, 150 * MS)
        );
        let spread = curve.jitter(Jitter::Decorrelated);
        assert_eq!(delays(&spread, Steps::exactly(7), 70 * MS), (50 * MS, 210 * MS));
        let list = Backoff::listed([3 * MS, MS, 7 * MS]);
        assert_eq!(delays(&list, Steps { least: 0, most: 1 }, Duration::ZERO), (MS, 3 * MS));
        assert_eq!(delays(&list, Steps::exactly(9), Duration::ZERO), (7 * MS, 7 * MS));
    }

    #[test]
    fn a_rule_goes_before_the_restart_type_unless_the_child_is_temporary() {
        let policy = Policy::default().rule(ExitRule::new(RuleAction::Stop).on(ExitKind::Killed).free());
        let spec = ChildSpec::new("a").policy(policy);
        assert_eq!(verdict(&spec, &Exit::Killed, Phase::Died), (RuleAction::Stop, false, true));
        assert_eq!(verdict(&spec, &Exit::Normal, Phase::Died), (RuleAction::Restart, true, false));
        let spec = spec.restart(Restart::Temporary);
        assert_eq!(verdict(&spec, &Exit::Killed, Phase::Died), (RuleAction::Stop, true, false));
        let transient = ChildSpec::new("b").restart(Restart::Transient);
        assert_eq!(verdict(&transient, &Exit::Normal, Phase::Died).0, RuleAction::Stop);
        assert_eq!(verdict(&transient, &Exit::Normal, Phase::StartFailed).0, RuleAction::Restart);
    }
}
