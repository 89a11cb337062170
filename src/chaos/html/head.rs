//! The head of the page: verdict, circumstances, claims and totals.

use maud::{Markup, html};

use crate::chaos::format::{count, many, moment, share, time, time_or_dash};
use crate::chaos::report::ExperimentReport;
use crate::chaos::summary::{Replay, circumstances, replay, unavailable};

pub(super) fn headline(report: &ExperimentReport) -> Markup {
    let broken = report.verdicts.iter().filter(|verdict| !verdict.held).count();
    html! {
        p class="kind" { "regrow chaos report" }
        h1 { (badge(report.passed(), "passed")) " " (report.title) }
        p class="quiet" {
            (circumstances(report)) "; "
            (many(report.services.len(), "service")) ", " (many(report.totals.injected(), "fault")) ", "
            (many(report.verdicts.len(), "claim")) @if broken > 0 { ", " (broken) " broken" }
        }
        @if let Some(why) = &report.stopped {
            p class="stopped" { strong { "Stopped before its time: " } (why) }
        }
        p class="quiet" { "seed " strong { (report.seed) } ", regrow " (report.version) ", to see it again: " (again(report)) }
    }
}

/// Writes the instruction to replay the run.
pub(super) fn again(report: &ExperimentReport) -> Markup {
    match replay(report) {
        Replay::Command(command) => html! { code { (command) } },
        Replay::Words(words) => html! { (words) },
    }
}

fn badge(is_good: bool, good: &str) -> Markup {
    html! { span class=(if is_good { "badge held" } else { "badge lost" }) { (if is_good { good } else { "BROKEN" }) } }
}

pub(super) fn claims(report: &ExperimentReport) -> Markup {
    html! {
        @if report.verdicts.is_empty() { p class="quiet" { "Nothing was claimed." } }
        ol class="claims" {
            @for verdict in &report.verdicts {
                li {
                    (badge(verdict.held, "held")) " " (verdict.hypothesis)
                    @if verdict.broken_at.is_some() || verdict.evidence.is_some() {
                        p class="evidence" {
                            @if let Some(at) = verdict.broken_at { "at " (moment(at)) }
                            @if verdict.broken_at.is_some() && verdict.evidence.is_some() { ": " }
                            @if let Some(evidence) = &verdict.evidence { (evidence) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn totals(report: &ExperimentReport) -> Markup {
    let totals = &report.totals;
    let messages = &totals.messages;
    let three = |p50: Option<f64>, max: Option<f64>| format!("p50 {}, max {}", time_or_dash(p50), time_or_dash(max));
    let restarts = format!("{}, {} parked", many(totals.escalations as usize, "escalation"), totals.parked);
    html! {
        dl class="cards" {
            (card("availability", &share(totals.availability), &format!("{} of service time lost", time(unavailable(report)))))
            (card("time to recover, p99", &time_or_dash(totals.recovery_p99), &three(totals.recovery_p50, totals.recovery_max)))
            (card("time to detect, p99", &time_or_dash(totals.detection_p99), &three(totals.detection_p50, totals.detection_max)))
            (card("faults that hit", &count(totals.hit()), &format!("{} missed, {} never struck", totals.missed, totals.unstruck)))
            (card("restarts", &count(totals.restarts), &restarts))
            (card("abandoned", &totals.abandoned.to_string(), "lives that did not end when told to"))
            (card("messages lost", &count(messages.crashed), &format!("in hand at a crash, of {} accepted", count(messages.accepted))))
            (card("dead-lettered", &count(messages.dead_lettered), &format!("{} returned, {} repeated", count(messages.returned), count(messages.repeated))))
        }
    }
}

fn card(name: &str, value: &str, more: &str) -> Markup {
    html! { div { dt { (name) } dd { strong { (value) } span class="quiet" { (more) } } } }
}
