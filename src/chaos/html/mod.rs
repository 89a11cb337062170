//! A report as one page of HTML, with its pictures, that needs no network.

mod pictures;
mod tables;

use maud::{DOCTYPE, PreEscaped, html};

use crate::chaos::figures::{share, time_or_dash};
use crate::chaos::report::Report;
use crate::chaos::summary::{circumstances, replay};

const STYLE: &str = include_str!("style.css");

impl Report {
    /// One page of HTML with everything in it: no script, no font, no picture comes from elsewhere. It is read on a light or
    /// a dark ground, and printed.
    ///
    /// ```
    /// # use regrow::chaos::Report;
    /// fn save(report: &Report) -> std::io::Result<()> {
    ///     std::fs::write("report.html", report.to_html())
    /// }
    /// ```
    pub fn to_html(&self) -> String {
        let passed = self.passed();
        let totals = &self.totals;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        p class=(if passed { "badge ok" } else { "badge broken" }) { (if passed { "passed" } else { "BROKEN" }) }
                        h1 { (self.title) }
                        p class="quiet" { (circumstances(self)) " · seed " (self.seed) " · regrow " (self.version) }
                        @if let Some(why) = &self.stopped {
                            p class="broken-text" { "Stopped before its time: " (why) }
                        }
                    }
                    section {
                        h2 { "What was claimed" }
                        ul class="claims" {
                            @for verdict in &self.verdicts {
                                li {
                                    span class=(if verdict.held { "badge ok" } else { "badge broken" }) {
                                        (if verdict.held { "held" } else { "BROKEN" })
                                    }
                                    " " (verdict.hypothesis)
                                    @if let Some(evidence) = &verdict.evidence {
                                        span class="broken-text" {
                                            ": " (evidence)
                                            @if let Some(at) = verdict.broken_at { " (at " (format!("{at:.3}")) " s)" }
                                        }
                                    }
                                }
                            }
                        }
                        dl class="figures" {
                            (figure("up for", &share(totals.availability)))
                            (figure("recovery p50", &time_or_dash(totals.recovery_p50)))
                            (figure("recovery p99", &time_or_dash(totals.recovery_p99)))
                            (figure("recovery max", &time_or_dash(totals.recovery_max)))
                            (figure("detection p99", &time_or_dash(totals.detection_p99)))
                            (figure("restarts", &totals.restarts.to_string()))
                            (figure("escalations", &totals.escalations.to_string()))
                            (figure("parked", &totals.parked.to_string()))
                            (figure("abandoned", &totals.abandoned.to_string()))
                        }
                    }
                    section { h2 { "Lives" } (pictures::lives(self)) }
                    section { h2 { "Availability" } (pictures::availability(self)) }
                    section { h2 { "Recovery" } (pictures::recoveries(self)) }
                    section { h2 { "Faults" } (tables::faults(self)) }
                    section { h2 { "Services" } (tables::services(self)) }
                    section { h2 { "Messages and calls" } (tables::messages(self)) }
                    footer { p class="quiet" { "To see it again: " code { (replay(self)) } } }
                }
            }
        };
        page.into_string()
    }
}

fn figure(name: &str, value: &str) -> PreEscaped<String> {
    html! { div { dt { (name) } dd { (value) } } }
}
