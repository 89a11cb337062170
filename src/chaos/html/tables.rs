//! The tables and the log: what the pictures cannot show.

use maud::{Markup, html};

use crate::chaos::format::{count, many, moment, share, time, time_or_dash};
use crate::chaos::report::{ExperimentReport, FaultRecord};
use crate::chaos::summary::{budget, by_kind, is_unrecovered, touched};

/// The most rows of a table: the JSON has them all.
const SERVICES_MAX: usize = 100;
const FAULTS_MAX: usize = 200;
const LINES_MAX: usize = 400;
/// The most siblings that a row names.
const SIBLINGS_TOLD: usize = 3;
/// The most rows of a table that is open at first.
const OPEN_MAX: usize = 25;

pub(super) fn kinds(report: &ExperimentReport) -> Markup {
    let kinds = by_kind(report);
    if kinds.is_empty() {
        return html! { p class="quiet" { "There were none." } };
    }
    html! {
        div class="scroll" { table {
            thead {
                tr {
                    th rowspan="2" { "kind" }
                    th class="number" colspan="2" { "faults" } th class="number" rowspan="2" { "ended a life" }
                    th class="number" rowspan="2" { "not recovered" } th class="number" rowspan="2" { "siblings touched" }
                    th class="number" colspan="3" { "time to detect" } th class="number" colspan="3" { "time to recover" }
                }
                tr { @for head in ["hit", "missed", "p50", "p99", "max", "p50", "p99", "max"] { th class="number" { (head) } } }
            }
            tbody {
                @for kind in &kinds {
                    tr {
                        th { (kind.kind) }
                        @for number in [kind.hit, kind.missed, kind.ended] { (plain(count(number as u64))) }
                        td class=(if kind.unrecovered > 0 { "number bad" } else { "number" }) { (kind.unrecovered) }
                        (plain(count(kind.siblings_touched as u64)))
                        @for spread in [kind.detection, kind.recovery] {
                            @for value in [spread.p50, spread.p99, spread.max] { (plain(time_or_dash(value))) }
                        }
                    }
                }
            }
        } }
    }
}

fn plain(value: impl AsRef<str>) -> Markup {
    html! { td class="number" { (value.as_ref()) } }
}

pub(super) fn calls(report: &ExperimentReport) -> Markup {
    let calls = &report.totals.calls;
    let all: u64 = calls.iter().map(|(_, number)| number).sum();
    html! {
        @if calls.is_empty() { p class="quiet" { "There were none." } } @else {
            (shares("outcome", calls.iter().map(|(outcome, number)| (outcome.as_str(), *number)), all))
        }
    }
}

pub(super) fn messages(report: &ExperimentReport) -> Markup {
    let messages = &report.totals.messages;
    let fates = [
        ("handled", messages.handled),
        ("lost in a crash", messages.crashed),
        ("returned to callers", messages.returned),
        ("dead-lettered", messages.dead_lettered),
        ("left at the end", messages.left),
    ];
    html! {
        (shares("fate", fates.into_iter(), messages.accepted))
        p class="legend" { (count(messages.accepted)) " accepted; " (count(messages.repeated)) " handed over again after a crash." }
    }
}

/// Writes counts, each with its share of the sum as a bar.
fn shares<'a>(head: &str, rows: impl Iterator<Item = (&'a str, u64)>, all: u64) -> Markup {
    html! {
        table class="shares" {
            thead { tr { th { (head) } th class="number" { "count" } th class="number" { "share" } th {} } }
            tbody {
                @for (name, number) in rows {
                    @let part = if all > 0 { (number as f64 / all as f64).min(1.0) } else { 0.0 };
                    tr {
                        th { (name) } (plain(count(number))) (plain(share(part)))
                        td class="meter" { div style=(format!("width:{:.1}%", part * 100.0)) {} }
                    }
                }
            }
        }
    }
}

pub(super) fn services(report: &ExperimentReport) -> Markup {
    let touched = touched(report);
    let heads = [
        "restarts",
        "budget left",
        "parked",
        "down",
        "availability",
        "accepted",
        "handled",
        "lost",
        "returned",
        "dead-lettered",
        "repeated",
        "left",
    ];
    let left_out = report.services.len() - touched.len().min(SERVICES_MAX);
    if touched.is_empty() {
        return html! { p class="quiet" { (many(report.services.len(), "service")) ", none of them touched." } };
    }
    html! {
        (folded(touched.len(), &format!("{} touched, those that were down longest first", many(touched.len(), "service")), &html! {
            table {
                thead { tr { th { "path" } @for head in heads { th class="number" { (head) } } } }
                tbody {
                    @for service in touched.iter().take(SERVICES_MAX) {
                        @let fates = &service.messages;
                        tr {
                            th { (service.path) }
                            (plain(count(service.restarts))) (plain(budget(service))) (plain(service.parked.to_string()))
                            (plain(time(service.unavailable))) (plain(share(service.availability)))
                            @for number in [fates.accepted, fates.handled, fates.crashed, fates.returned, fates.dead_lettered, fates.repeated, fates.left] {
                                (plain(count(number)))
                            }
                        }
                    }
                }
            }
        }))
        @if left_out > 0 { p class="legend" { (many(left_out, "service")) " left out: nothing happened to them, or less than to these." } }
    }
}

pub(super) fn faults(report: &ExperimentReport) -> Markup {
    let mut shown: Vec<&FaultRecord> = report.faults.iter().collect();
    if shown.len() > FAULTS_MAX {
        // Faults without recovery come first, then those with the longest.
        let rank = |fault: &FaultRecord| {
            if is_unrecovered(fault) { f64::INFINITY } else { fault.recovered_after.unwrap_or(-1.0) }
        };
        shown.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
        shown.truncate(FAULTS_MAX);
        shown.sort_by_key(|fault| fault.number);
    }
    let left_out = report.faults.len() - shown.len();
    if shown.is_empty() {
        return html! { p class="quiet" { "There were none." } };
    }
    html! {
        (folded(shown.len(), &format!("{} in order", many(shown.len(), "fault")), &html! {
            table {
                thead { tr {
                    th class="number" { "#" } th class="number" { "at" } th { "fault" } th { "target" } th class="number" { "healed" }
                    th class="number" { "detected" } th class="number" { "recovered" } th { "siblings touched" }
                } }
                tbody { @for fault in &shown { (fault_row(fault)) } }
            }
        }))
        @if left_out > 0 { p class="legend" { (many(left_out, "fault")) " left out, from which recovery was faster, or not called for." } }
    }
}

fn fault_row(fault: &FaultRecord) -> Markup {
    let siblings = &fault.siblings_touched;
    html! {
        tr {
            (plain(fault.number.to_string())) (plain(moment(fault.at)))
            td { (fault.fault) @if let Some(why) = &fault.missed { span class="quiet" { " missed: " (why) } } }
            td { (fault.targets.join(", ")) }
            (plain(fault.healed_at.map_or_else(|| "-".into(), moment)))
            (plain(time_or_dash(fault.detected_after)))
            @if is_unrecovered(fault) { td class="number bad" { "never" } } @else { (plain(time_or_dash(fault.recovered_after))) }
            td {
                (siblings[..siblings.len().min(SIBLINGS_TOLD)].join(", "))
                @if siblings.len() > SIBLINGS_TOLD { " and " (siblings.len() - SIBLINGS_TOLD) " more" }
            }
        }
    }
}

pub(super) fn log(report: &ExperimentReport) -> Markup {
    if report.log.is_empty() {
        return html! { p class="quiet" { "It is empty." } };
    }
    let left_out = report.log.len().saturating_sub(LINES_MAX);
    html! {
        details {
            summary { (many(report.log.len(), "line")) @if left_out > 0 { ", the first " (LINES_MAX) " of them" } }
            pre { @for line in report.log.iter().take(LINES_MAX) { (format!("{:>12}", moment(line.at))) "  " (line.what) "\n" } }
        }
    }
}

/// Writes a table that scrolls. If it has many rows, a click opens it.
fn folded(rows: usize, summary: &str, table: &Markup) -> Markup {
    html! {
        details open=[(rows <= OPEN_MAX).then_some("open")] { summary { (summary) } div class="scroll" { (table) } }
    }
}
