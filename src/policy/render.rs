//! Phrases for settings, in the words of policy files.

use regrow_supervisors::{
    Backoff, Dependency, ExitRule, FailureRate, GiveUp, Intensity, KeptRule, KeptThen, NotReady, Shutdown,
};

pub(crate) use crate::policy::durations::time;
use crate::policy::keywords::word;
use crate::slot::settings::Settings;

/// Delays with their growth and jitter, as one phrase.
pub(crate) fn curve(backoff: &Backoff) -> String {
    let fields = curve_fields(Some(backoff), ["", "factor ", "max_delay ", "jitter "]).into_iter();
    fields.map(|(field, value)| format!("{field}{value}")).collect::<Vec<_>>().join(", ")
}

/// Delays, field by field under these names.
pub(crate) fn curve_fields(
    backoff: Option<&Backoff>,
    [delay, factor, max_delay, jitter]: [&'static str; 4],
) -> Vec<(&'static str, String)> {
    let Some(backoff) = backoff else { return vec![(delay, "none".into())] };
    let mut shown = Vec::new();
    if let Some((first, by, max)) = backoff.growth() {
        shown = vec![(delay, time(first)), (factor, by.to_string()), (max_delay, time(max))];
    }
    if let Some(delays) = backoff.list() {
        let delays: Vec<_> = delays.iter().copied().map(time).collect();
        shown = vec![(delay, delays.join(", "))];
    }
    shown.push((jitter, word(backoff.spread()).into()));
    shown
}

pub(crate) fn budget(budget: Option<Intensity>) -> String {
    let Some(budget) = budget else { return "not set".into() };
    match (budget.restarts_max(), budget.period()) {
        (Some(most), Some(period)) => format!("{most} within {}", time(period)),
        (None, _) | (_, None) => "unlimited".into(),
    }
}

pub(crate) fn failure_rate(rate: FailureRate) -> String {
    format!("more than {}% of {} messages within {}", rate.percent(), rate.messages_min(), time(rate.within()))
}

pub(crate) fn parting(then: &GiveUp) -> String {
    match then {
        GiveUp::Escalate => "escalate".into(),
        GiveUp::Park(probes) => format!("park: delay {}", curve(probes)),
        GiveUp::Stop => "stop".into(),
        GiveUp::EndTree => "end_tree".into(),
        // The enum may grow.
        other => format!("{other:?}"),
    }
}

pub(crate) fn kept(rule: &KeptRule) -> String {
    let then = match &rule.then {
        KeptThen::BeginEmpty => "begin_empty".into(),
        KeptThen::Park(probes) => format!("park: delay {}", curve(probes)),
        // The enum may grow.
        other => format!("{other:?}"),
    };
    format!("lives {}, then {then}", rule.lives_max)
}

pub(crate) fn not_ready(not_ready: &NotReady) -> String {
    let delay = not_ready.backoff.as_ref().map_or_else(|| "not set".into(), curve);
    format!("max_restarts {}, delay {delay}", budget(not_ready.budget))
}

pub(crate) fn stop(shutdown: Shutdown) -> String {
    match shutdown {
        Shutdown::Kill => "kill".into(),
        Shutdown::After(grace) => time(grace),
        Shutdown::Wait => "wait".into(),
    }
}

pub(crate) fn mailbox(
    Settings { capacity, overflow, on_restart, room_wait, idle_after, skips_abandoned: _, is_measured: _ }: Settings,
) -> String {
    let capacity = if capacity == usize::MAX { "unbounded".into() } else { capacity.to_string() };
    let room_wait = room_wait.map_or("unlimited".into(), time);
    let idle_after = idle_after.map(|limit| format!(", idle_after {}", time(limit))).unwrap_or_default();
    let (overflow, on_restart) = (word(overflow), word(on_restart));
    format!("capacity {capacity}, overflow {overflow}, on_restart {on_restart}, room_wait {room_wait}{idle_after}")
}

pub(crate) fn rules(rules: &[ExitRule]) -> String {
    let told = rules.iter().map(|rule| {
        let kinds: Vec<_> = rule.on.iter().map(|on| word(*on)).collect();
        let mut told = if kinds.is_empty() { "any end".into() } else { kinds.join(" or ") };
        if let Some(error) = &rule.error {
            told.push_str(&format!(" of type {error}"));
        }
        if let Some(text) = &rule.text {
            told.push_str(&format!(" with {text:?}"));
        }
        let free = if rule.counts { "" } else { ", uncounted" };
        format!("{told}: {}{free}", word(rule.then))
    });
    let told: Vec<_> = told.collect();
    // One line for each rule, since they are long.
    if told.is_empty() { "none".into() } else { told.join("\n") }
}

/// Dependencies, as one phrase.
pub(crate) fn needs(all: &[Dependency]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
