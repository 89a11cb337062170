//! The tables: faults by kind, services, and what became of messages and calls.

use maud::{Markup, html};

use crate::chaos::figures::{count, share, time, time_or_dash};
use crate::chaos::report::Report;
use crate::chaos::summary::{by_kind, restarts, touched};

/// More rows nobody reads; the JSON has them all.
const ROWS_MAX: usize = 100;

pub(super) fn faults(report: &Report) -> Markup {
    html! {
        div class="scroll" { table {
            tr {
                @for head in ["kind", "hit", "missed", "ended a life", "not recovered", "siblings touched", "detected p50", "p99", "recovered p50", "p99", "max"] {
                    th { (head) }
                }
            }
            @for kind in by_kind(report) {
                tr {
                    td { (kind.kind) }
                    td { (kind.hit) } td { (kind.missed) } td { (kind.ended) } td { (kind.unrecovered) } td { (kind.siblings_touched) }
                    td { (time_or_dash(kind.detection.p50)) } td { (time_or_dash(kind.detection.p99)) }
                    td { (time_or_dash(kind.recovery.p50)) } td { (time_or_dash(kind.recovery.p99)) } td { (time_or_dash(kind.recovery.max)) }
                }
            }
        } }
    }
}

pub(super) fn services(report: &Report) -> Markup {
    let touched = touched(report);
    let left_out = report.services.len() - touched.len().min(ROWS_MAX);
    html! {
        div class="scroll" { table {
            tr {
                @for head in ["path", "restarts", "parked", "down for", "up for", "accepted", "handled", "crashed", "returned", "dead-lettered", "repeated", "left"] {
                    th { (head) }
                }
            }
            @for service in touched.iter().take(ROWS_MAX) {
                @let messages = &service.messages;
                tr {
                    td { (service.path) }
                    td { (restarts(service)) } td { (service.parked) } td { (time(service.unavailable)) } td { (share(service.availability)) }
                    @for number in [messages.accepted, messages.handled, messages.crashed, messages.returned, messages.dead_lettered, messages.repeated, messages.left] {
                        td { (count(number)) }
                    }
                }
            }
        } }
        @if left_out > 0 { p class="legend" { "Not shown: " (left_out) " that nothing happened to, or less than to these." } }
    }
}

pub(super) fn messages(report: &Report) -> Markup {
    let messages = &report.totals.messages;
    html! {
        p {
            (count(messages.accepted)) " accepted = " (count(messages.handled)) " handled + " (count(messages.crashed)) " crashed + "
            (count(messages.returned)) " returned + " (count(messages.dead_lettered)) " dead-lettered + " (count(messages.left)) " left; "
            (count(messages.repeated)) " handed over again"
        }
        @if !report.totals.calls.is_empty() {
            div class="scroll" { table {
                tr { th { "calls" } th { "count" } }
                @for (outcome, number) in &report.totals.calls { tr { td { (outcome) } td { (count(*number)) } } }
            } }
        }
    }
}
