//! Summaries that all pictures and tables of a report share: faults by kind, and the children that were touched.

use std::collections::{BTreeMap, HashSet};

use super::report::{BudgetRecord, ExperimentReport, FaultRecord, ServiceRecord};

/// Quantiles: half of the times are no longer than `p50`, 99 % no longer than `p99`, none longer than `max`.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) max: Option<f64>,
}

impl Spread {
    pub(super) fn of(times: impl IntoIterator<Item = f64>) -> Self {
        let mut times: Vec<f64> = times.into_iter().filter(|time| time.is_finite()).collect();
        times.sort_by(f64::total_cmp);
        let rank = |of_hundred: usize| times.get((times.len() * of_hundred).div_ceil(100).saturating_sub(1)).copied();
        Self { p50: rank(50), p99: rank(99), max: rank(100) }
    }
}

/// All faults of one kind.
#[derive(Debug)]
pub(super) struct ByKind<'a> {
    pub(super) kind: &'a str,
    pub(super) hit: usize,
    pub(super) missed: usize,
    pub(super) unstruck: usize,
    /// Faults that hit and ended an incarnation.
    pub(super) ended: usize,
    /// Faults that ended an incarnation and have no recovery.
    pub(super) unrecovered: usize,
    pub(super) siblings_touched: usize,
    pub(super) detection: Spread,
    pub(super) recovery: Spread,
}

/// Groups faults by kind, in the order of the kinds' names.
pub(super) fn by_kind(report: &ExperimentReport) -> Vec<ByKind<'_>> {
    let mut kinds: BTreeMap<&str, Vec<&FaultRecord>> = BTreeMap::new();
    for fault in &report.faults {
        kinds.entry(&fault.kind).or_default().push(fault);
    }
    kinds
        .into_iter()
        .map(|(kind, faults)| ByKind {
            kind,
            hit: faults.iter().filter(|fault| fault.struck_at.is_some()).count(),
            missed: faults.iter().filter(|fault| fault.missed.is_some()).count(),
            unstruck: faults.iter().filter(|fault| fault.missed.is_none() && fault.struck_at.is_none()).count(),
            ended: faults.iter().filter(|fault| fault.detected_after.is_some()).count(),
            unrecovered: faults.iter().filter(|fault| is_unrecovered(fault)).count(),
            siblings_touched: faults.iter().map(|fault| fault.siblings_touched.len()).sum(),
            detection: Spread::of(faults.iter().filter_map(|fault| fault.detected_after)),
            recovery: Spread::of(faults.iter().filter_map(|fault| fault.recovered_after)),
        })
        .collect()
}

/// Whether the fault ended an incarnation, and the child was not up again.
pub(super) fn is_unrecovered(fault: &FaultRecord) -> bool {
    fault.detected_after.is_some() && fault.recovered_after.is_none()
}

/// Writes what was left of the restart budget at the end.
pub(super) fn budget(service: &ServiceRecord) -> String {
    let left = service.budget.map(|BudgetRecord { left, restarts_max, .. }| format!("{left} of {restarts_max}"));
    left.unwrap_or_else(|| "-".into())
}

/// Returns the services that were hit, went down or came up during the run, longest downtime first.
pub(super) fn touched(report: &ExperimentReport) -> Vec<&ServiceRecord> {
    let hit: HashSet<&str> = report
        .faults
        .iter()
        .filter(|fault| fault.missed.is_none())
        .flat_map(|fault| fault.targets.iter().chain(&fault.siblings_touched))
        .map(String::as_str)
        .collect();
    let is_touched = |service: &&ServiceRecord| {
        service.unavailable > 0.0
            || service.parked > 0
            || service.restarts > 0
            || hit.contains(service.path.as_str())
            || service.lives.iter().any(|life| life.to.is_some_and(|to| to >= 0.0))
    };
    let mut services: Vec<_> = report.services.iter().filter(is_touched).collect();
    services.sort_by(|one, other| {
        let by_time = other.unavailable.total_cmp(&one.unavailable);
        by_time.then_with(|| other.restarts.cmp(&one.restarts)).then_with(|| one.path.cmp(&other.path))
    });
    services
}

/// Returns the sum of the seconds during which services were not up.
pub(super) fn unavailable(report: &ExperimentReport) -> f64 {
    report.services.iter().map(|service| service.unavailable).sum()
}

/// Instruction to replay a run: a command if there is one, else words.
pub(super) enum Replay {
    Command(String),
    Words(String),
}

pub(super) fn replay(report: &ExperimentReport) -> Replay {
    let seed = report.seed;
    match (&report.replay, report.is_virtual) {
        (Some(command), _) => Replay::Command(format!("{command} --seed {seed}")),
        (None, true) => Replay::Words(format!("run the simulation again with seed {seed}")),
        (None, false) => {
            Replay::Words(format!("run the experiment again with seed {seed}: the same faults at the same times"))
        }
    }
}

/// Describes the clock, the duration of the faults, and the time until the tree was steady.
pub(super) fn circumstances(report: &ExperimentReport) -> String {
    use super::format::time;
    let clock = if report.is_virtual { "virtual time" } else { "live" };
    let rest = report.stabilised_after.map_or_else(
        || "never steady afterwards".into(),
        |after| format!("steady {} after the last fault", time(after)),
    );
    format!("{clock}, faults for {}, {rest}", time(report.duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_counts_ranks() {
        let spread = Spread::of((1..=200).map(f64::from));
        assert_eq!(spread, Spread { p50: Some(100.0), p99: Some(198.0), max: Some(200.0) });
        assert_eq!(Spread::of([f64::NAN]), Spread::default());
        assert_eq!(Spread::of([7.0]), Spread { p50: Some(7.0), p99: Some(7.0), max: Some(7.0) });
    }
}
